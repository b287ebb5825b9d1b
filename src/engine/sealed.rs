//! Sealed frames: what CURVE makes of every frame after READY (RFC 26, "MESSAGE Command").
//!
//! ```text
//!   frame   flags, body  ──►  07 "MESSAGE" counter(8) proof(16) [ flags(1) body ]
//!                             └ clear ────────────┘             └ encrypted ────┘
//! ```
//!
//! It travels in a message frame without MORE; the flags inside say MORE and COMMAND. Counters
//! rise by one with each frame we send, and must rise with each that we receive: nothing can be
//! played back, left out unnoticed by a later one, or put in another order.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::reader::Body;
use crate::{
    base::{
        event::{ProtocolError, Reason},
        keys::{Primitives, SecretKey},
    },
    wire::{command::Command, frame::header},
};

/// Flag inside: another frame of the same message follows.
const MORE: u8 = 0x01;
/// Flag inside: the body is a command.
const COMMAND: u8 = 0x02;

const NAME: &[u8; 8] = b"\x07MESSAGE";

/// Octets that sealing adds to a body: name, counter, proof, flags.
pub(super) const SEALED_OCTETS: u64 = 33;

/// Octets kept for opening frames between two turns.
const SCRATCH_OCTETS_MAX: usize = 8 << 10;

/// The nonce of a box that counts.
pub(super) fn counting(prefix: &[u8; 16], counter: u64) -> [u8; 24] {
    let mut nonce = [0; 24];
    let octets = prefix.iter().copied().chain(counter.to_be_bytes());
    for (place, octet) in nonce.iter_mut().zip(octets) {
        *place = octet;
    }
    nonce
}

/// The key of a session and what computes with it.
#[derive(Clone, Debug)]
pub(super) struct Cipher {
    pub(super) key: SecretKey,
    pub(super) primitives: Arc<dyn Primitives>,
}

impl Cipher {
    /// Appends a box: proof, then ciphertext.
    pub(super) fn seal(&self, nonce: &[u8; 24], plain: &[u8], out: &mut Vec<u8>) {
        self.seal_parts(nonce, &[plain], out);
    }

    fn seal_parts(&self, nonce: &[u8; 24], plain: &[&[u8]], out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&[0; 16]);
        for part in plain {
            out.extend_from_slice(part);
        }
        let (_, sealed) = out.split_at_mut(at);
        if let Some((proof, octets)) = sealed.split_first_chunk_mut::<16>() {
            *proof = self.primitives.seal(&self.key, nonce, octets);
        }
    }

    /// Opens a box where it is; `None` if it was not sealed with this key and nonce.
    pub(super) fn open<'a>(&self, nonce: &[u8; 24], sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let (proof, octets) = sealed.split_first_chunk_mut::<16>()?;
        let proof: &[u8; 16] = proof;
        let opened = self.primitives.open(&self.key, nonce, proof, octets);
        opened.then_some(octets)
    }
}

/// What seals the frames of one connection.
#[derive(Debug)]
pub struct Sealer {
    cipher: Cipher,
    prefix: &'static [u8; 16],
    /// The counter of the next frame; `None`: all are spent.
    next: Option<u64>,
}

/// There is no counter left: the connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent;

impl Sealer {
    pub(super) fn new(cipher: Cipher, prefix: &'static [u8; 16], next: u64) -> Sealer {
        Sealer {
            cipher,
            prefix,
            next: Some(next),
        }
    }

    /// Appends a frame with these flags and this body, sealed.
    ///
    /// # Errors
    /// [`Spent`] after 2^64 frames.
    pub fn seal(
        &mut self,
        more: bool,
        command: bool,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Spent> {
        let counter = self.next.ok_or(Spent)?;
        self.next = counter.checked_add(1);
        let octets = body.len().saturating_add(33);
        out.reserve(octets.saturating_add(9));
        out.extend_from_slice(&header(octets, false, false));
        out.extend_from_slice(NAME);
        out.extend_from_slice(&counter.to_be_bytes());
        let flags = if more { MORE } else { 0 } | if command { COMMAND } else { 0 };
        let nonce = counting(self.prefix, counter);
        self.cipher.seal_parts(&nonce, &[&[flags], body], out);
        Ok(())
    }
}

/// What opens the frames of one connection.
#[derive(Debug)]
pub(super) struct Opener {
    cipher: Cipher,
    prefix: &'static [u8; 16],
    /// The counter of the last frame.
    last: u64,
    scratch: Vec<u8>,
}

/// What was inside.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    pub(super) more: bool,
    pub(super) command: bool,
    pub(super) body: Body<'a>,
}

impl Opener {
    pub(super) fn new(cipher: Cipher, prefix: &'static [u8; 16], last: u64) -> Opener {
        Opener {
            cipher,
            prefix,
            last,
            scratch: Vec::new(),
        }
    }

    /// Opens a frame's body.
    pub(super) fn open<'a>(&'a mut self, body: Body<'_>) -> Result<Opened<'a>, Reason> {
        if !body.starts_with(NAME) {
            return Err(Reason::Protocol(match Command::parse(&body) {
                Some(_) => ProtocolError::UnexpectedCommand,
                None => ProtocolError::MalformedCommand,
            }));
        }
        let malformed = Reason::Protocol(ProtocolError::MalformedMessage);
        let Some(counter) = counter(&body) else {
            return Err(malformed);
        };
        if counter <= self.last {
            return Err(Reason::Protocol(ProtocolError::InvalidSequence));
        }
        let nonce = counting(self.prefix, counter);
        let forged = || Reason::Protocol(ProtocolError::Cryptographic);
        let (flags, body) = match body {
            Body::Lent(octets) => {
                self.scratch.clear();
                self.scratch
                    .extend_from_slice(octets.get(16..).unwrap_or_default());
                let open = self.cipher.open(&nonce, &mut self.scratch);
                let opened: &'a [u8] = open.ok_or_else(forged)?;
                let (&flags, body) = opened.split_first().ok_or(malformed)?;
                (flags, Body::Lent(body))
            }
            other => {
                let mut octets = other.into_octets();
                let sealed = octets.get_mut(16..).unwrap_or_default();
                let opened = self.cipher.open(&nonce, sealed).ok_or_else(forged)?;
                let flags = *opened.first().ok_or(malformed)?;
                let mut body = Bytes::from(octets);
                body.advance(33);
                (flags, Body::Shared(body))
            }
        };
        self.last = counter;
        Ok(Opened {
            more: flags & MORE != 0,
            command: flags & COMMAND != 0,
            body,
        })
    }

    /// Between two turns: gives back what a large body took.
    pub(super) fn tidy_up(&mut self) {
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_OCTETS_MAX);
    }
}

/// The counter of a MESSAGE; `None` if it is none, or too short.
fn counter(body: &[u8]) -> Option<u64> {
    let rest = body.strip_prefix(NAME)?;
    let (counter, rest) = rest.split_first_chunk()?;
    (rest.len() >= 17).then(|| u64::from_be_bytes(*counter))
}

/// Both directions of a connection.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::keys::PublicKey;

    /// Not cryptography: adds the nonce's last octet, and proves by the sum.
    #[derive(Debug)]
    struct Toy;

    impl Primitives for Toy {
        fn fill_random(&self, _: &mut [u8]) {}

        fn public_of(&self, secret: &[u8; 32]) -> [u8; 32] {
            *secret
        }

        fn agree(&self, _: &PublicKey, ours: &SecretKey) -> Option<SecretKey> {
            Some(ours.clone())
        }

        fn seal(&self, _: &SecretKey, nonce: &[u8; 24], octets: &mut [u8]) -> [u8; 16] {
            let sum = octets
                .iter()
                .fold(nonce[23], |sum, it| sum.wrapping_add(*it));
            octets
                .iter_mut()
                .for_each(|it| *it = it.wrapping_add(nonce[23]));
            [sum; 16]
        }

        fn open(&self, _: &SecretKey, nonce: &[u8; 24], proof: &[u8; 16], it: &mut [u8]) -> bool {
            it.iter_mut()
                .for_each(|it| *it = it.wrapping_sub(nonce[23]));
            let sum = it.iter().fold(nonce[23], |sum, it| sum.wrapping_add(*it));
            *proof == [sum; 16]
        }
    }

    const PREFIX: &[u8; 16] = b"CurveZMQMESSAGEC";

    fn ends(next: u64, last: u64) -> (Sealer, Opener) {
        let cipher = Cipher {
            key: SecretKey::from([0; 32]),
            primitives: Arc::new(Toy),
        };
        let sealer = Sealer::new(cipher.clone(), PREFIX, next);
        (sealer, Opener::new(cipher, PREFIX, last))
    }

    #[test]
    fn counters_end_and_never_begin_again() {
        let (mut sealer, mut opener) = ends(u64::MAX - 1, 5);
        for body in [&b"last but one"[..], b"last"] {
            let mut out = Vec::new();
            sealer.seal(false, false, body, &mut out).expect("left");
            let opened = opener.open(Body::Lent(&out[2..])).expect("good");
            assert_eq!(&*opened.body, body);
        }
        let mut out = Vec::new();
        assert_eq!(sealer.seal(false, false, b"", &mut out), Err(Spent));
        assert!(
            out.is_empty(),
            "nothing leaves under a counter that was used"
        );
    }

    #[test]
    fn flags_and_bodies_come_out_wherever_the_frame_lies() {
        let large = vec![7; 300];
        for (more, command, body) in [
            (false, false, &b""[..]),
            (true, false, b"small"),
            (false, true, b"\x04PING"),
            (true, true, &large),
        ] {
            let (mut sealer, mut opener) = ends(3, 0);
            let mut out = Vec::new();
            sealer.seal(more, command, body, &mut out).expect("left");
            let frame = out.split_off(if body.len() > 200 { 9 } else { 2 });
            assert_eq!(frame.len() as u64, body.len() as u64 + SEALED_OCTETS);
            for frame in [Body::Lent(&frame), Body::Owned(frame.clone())] {
                opener.last = 2;
                let opened = opener.open(frame).expect("good");
                assert_eq!((opened.more, opened.command), (more, command));
                assert_eq!(&*opened.body, body);
            }
        }
    }

    #[test]
    fn a_forged_counter_does_not_count() {
        let (mut sealer, mut opener) = ends(7, 2);
        let mut out = Vec::new();
        sealer.seal(false, false, b"body", &mut out).expect("left");
        let mut forged = out.clone();
        forged[10] = 0xff;
        forged[20] ^= 1;
        assert!(opener.open(Body::Lent(&forged[2..])).is_err());
        assert!(opener.open(Body::Lent(&out[2..])).is_ok());
    }
}
