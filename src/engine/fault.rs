//! The end of a connection: why, when, and what that means for trying again.

use std::{error, fmt};

use crate::base::event::{ProtocolError, Reason};

/// Why a connection must end.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What went wrong.
    pub reason: Reason,
    /// Before both sides were ready?
    pub in_handshake: bool,
    /// May whoever connected try again? Not where the peer understood us and would refuse us
    /// again: it said ERROR, or its mechanism, type or properties do not fit ours.
    pub retry: bool,
}

impl Fault {
    pub(super) fn new(reason: Reason, in_handshake: bool) -> Fault {
        let retry = match &reason {
            // The only refusal that is temporary by its number (RFC 27).
            Reason::Refused(text) => text == "300",
            // Unspecified: not ZMTP at all, as from a proxy whose backend is away.
            Reason::Protocol(error) => !in_handshake || *error == ProtocolError::Unspecified,
            _ => true,
        };
        Fault {
            reason,
            in_handshake,
            retry,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_handshake {
            write!(f, "handshake failed: {}", self.reason)
        } else {
            write!(f, "connection ended: {}", self.reason)
        }
    }
}

impl error::Error for Fault {}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_would_be_refused_again_is_not_tried_again() {
        let retry = |reason, in_handshake| Fault::new(reason, in_handshake).retry;
        let mismatch = Reason::Protocol(ProtocolError::MechanismMismatch);
        assert!(!retry(mismatch, true));
        let too_large = Reason::Protocol(ProtocolError::Unspecified);
        assert!(retry(too_large, false));
        assert!(!retry(Reason::Refused(Bytes::from_static(b"400")), true));
        assert!(retry(Reason::Refused(Bytes::from_static(b"300")), true));
        assert!(retry(Reason::HandshakeTimeout, true));
        assert!(retry(Reason::PeerClosed, true));
    }
}
