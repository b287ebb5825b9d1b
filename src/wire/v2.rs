//! ZMTP 2.0: what follows the eleventh octet in place of a 3.x greeting (RFC 15).
//!
//! ```text
//!    10         11            12
//!   ┌──────────┬─────────────┬────────────────────╌╌╌
//!   │ revision │ socket type │ identity, a frame        then traffic
//!   └──────────┴─────────────┴────────────────────╌╌╌
//! ```
//!
//! The eleventh octet that we send is the 3 of our own greeting: it went out before the peer's
//! was known.

use super::frame;
use crate::base::socket_type::SocketType;

/// Appends what we answer to a peer of ZMTP 2.0: socket type and identity frame.
pub fn encode(socket_type: SocketType, identity: &[u8], out: &mut Vec<u8>) {
    out.push(socket_type.v2_octet());
    frame::encode_frame(identity, false, false, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xpub_and_xsub_go_by_the_types_of_the_rfc() {
        let answer = |socket_type, identity: &[u8]| {
            let mut out = Vec::new();
            encode(socket_type, identity, &mut out);
            out
        };
        assert_eq!(answer(SocketType::Dealer, b"me"), [5, 0, 2, b'm', b'e']);
        assert_eq!(answer(SocketType::XPub, b""), [1, 0, 0]);
        assert_eq!(answer(SocketType::XSub, b""), [2, 0, 0]);
    }
}
