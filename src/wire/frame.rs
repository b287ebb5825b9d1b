//! Frames: the unit in which everything after the greeting travels (RFC 37, "Framing").
//!
//! ```text
//!    0       1                                     bit of flags
//!   ┌───────┬───────┬───────────────╌╌╌            0  MORE     another frame of this message follows
//!   │ flags │ size  │ body                         1  LONG     the size has 8 octets, not 1
//!   └───────┴───────┴───────────────╌╌╌            2  COMMAND  not a message: a word of the protocol
//!                                                  3–7         sent as zero, ignored when received
//!    0       1                       9
//!   ┌───────┬───────────────────────┬───────╌╌╌
//!   │ flags │ size, big-endian      │ body
//!   └───────┴───────────────────────┴───────╌╌╌
//! ```
//!
//! ZMTP 2.0 has the same layout without commands.

use std::ops::Deref;

use crate::base::message::Frame;

/// Another frame of the same message follows.
pub const MORE: u8 = 0x01;
/// The size field has eight octets.
pub const LONG: u8 = 0x02;
/// The body is a command.
pub const COMMAND: u8 = 0x04;

/// Octets of the longest header.
pub const HEADER_OCTETS_MAX: usize = 9;

/// What stands in front of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Another frame of the same message follows.
    pub more: bool,
    /// The body is a command.
    pub command: bool,
    /// Octets of the body: at most 2^63 - 1.
    pub octets: u64,
}

/// A size of 2^63 octets or more: the specification has 63 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeTooLarge;

impl Header {
    /// The header at the front of `octets` and how many octets it takes; `None` if it is not all
    /// there.
    ///
    /// # Errors
    /// If the size has more than 63 bits.
    #[inline]
    pub fn decode(octets: &[u8]) -> Result<Option<(Header, usize)>, SizeTooLarge> {
        let (flags, size, taken) = match *octets {
            [flags, size, ..] if flags & LONG == 0 => (flags, u64::from(size), 2),
            [flags, a, b, c, d, e, f, g, h, ..] if flags & LONG != 0 => {
                let size = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                (flags, size, HEADER_OCTETS_MAX)
            }
            _ => return Ok(None),
        };
        if size > i64::MAX.unsigned_abs() {
            return Err(SizeTooLarge);
        }
        let header = Header {
            more: flags & MORE != 0,
            command: flags & COMMAND != 0,
            octets: size,
        };
        Ok(Some((header, taken)))
    }
}

/// An encoded header: a slice of two or nine octets.
#[derive(Clone, Copy, Debug)]
pub struct HeaderOctets {
    octets: [u8; HEADER_OCTETS_MAX],
    long: bool,
}

impl Deref for HeaderOctets {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let [flags_and_size @ .., _, _, _, _, _, _, _] = &self.octets;
        if self.long {
            &self.octets
        } else {
            flags_and_size
        }
    }
}

/// The header for a body of `octets` octets, in the shortest form.
#[inline]
pub fn header(octets: usize, more: bool, command: bool) -> HeaderOctets {
    let mut flags = 0;
    if more {
        flags |= MORE;
    }
    if command {
        flags |= COMMAND;
    }
    match u8::try_from(octets) {
        Ok(size) => HeaderOctets {
            octets: [flags, size, 0, 0, 0, 0, 0, 0, 0],
            long: false,
        },
        Err(_) => {
            let [a, b, c, d, e, f, g, h] = (octets as u64).to_be_bytes();
            HeaderOctets {
                octets: [flags | LONG, a, b, c, d, e, f, g, h],
                long: true,
            }
        }
    }
}

/// Appends one frame: header and body.
#[inline]
pub fn encode_frame(body: &[u8], more: bool, command: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&header(body.len(), more, command));
    out.extend_from_slice(body);
}

/// Appends a whole message. One without frames travels as one empty frame.
#[inline]
pub fn encode(frames: &[Frame], out: &mut Vec<u8>) {
    match frames.split_last() {
        Some((last, others)) => {
            for frame in others {
                encode_frame(frame, true, false, out);
            }
            encode_frame(last, false, false, out);
        }
        None => encode_frame(&[], false, false, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::message::Message;

    fn decode(octets: &[u8]) -> Option<(Header, usize)> {
        Header::decode(octets).expect("63 bits")
    }

    #[test]
    fn the_long_form_begins_at_256_octets() {
        assert_eq!(*header(0, false, false), [0, 0]);
        assert_eq!(*header(255, true, false), [1, 255]);
        assert_eq!(*header(255, false, true), [4, 255]);
        assert_eq!(*header(256, false, false), [2, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(*header(256, true, false), [3, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(*header(256, false, true), [6, 0, 0, 0, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn headers_round_trip() {
        for octets in [0, 1, 254, 255, 256, 65_536, i64::MAX as usize] {
            for (more, command) in [(false, false), (true, false), (false, true)] {
                let encoded = header(octets, more, command);
                let (decoded, taken) = decode(&encoded).expect("complete");
                assert_eq!(taken, encoded.len());
                let expected = Header {
                    more,
                    command,
                    octets: octets as u64,
                };
                assert_eq!(decoded, expected);
                for cut in 0..encoded.len() {
                    assert_eq!(decode(&encoded[..cut]), None, "{octets} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn long_form_for_a_short_body_and_reserved_bits_are_accepted() {
        let (header, taken) = decode(&[0xfa, 0, 0, 0, 0, 0, 0, 0, 1]).expect("complete");
        assert_eq!((header.octets, header.more, taken), (1, false, 9));
        assert!(!header.command);
    }

    #[test]
    fn sizes_have_63_bits() {
        let mut octets = [LONG, 0x7f, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(decode(&octets).expect("complete").0.octets, (1 << 63) - 1);
        octets[1] = 0x80;
        assert_eq!(Header::decode(&octets), Err(SizeTooLarge));
        octets[1] = 0xff;
        assert_eq!(Header::decode(&octets), Err(SizeTooLarge));
    }

    #[test]
    fn a_message_without_frames_is_one_empty_frame() {
        let mut out = Vec::new();
        encode(Message::new().frames(), &mut out);
        assert_eq!(out, [0, 0]);
        out.clear();
        encode(Message::from(["a", "", "bc"]).frames(), &mut out);
        assert_eq!(out, [1, 1, b'a', 1, 0, 0, 2, b'b', b'c']);
    }
}
