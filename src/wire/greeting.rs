//! The greeting: 64 octets each way, sent in pieces (RFC 37, "Greeting").
//!
//! ```text
//!    0     1             9     10      11      12              32          33        64
//!   ┌─────┬─────────────┬─────┬───────┬───────┬───────────────┬───────────┬─────────┐
//!   │ ff  │ padding     │ 7f  │ major │ minor │ mechanism     │ as-server │ filler  │
//!   └─────┴─────────────┴─────┴───────┴───────┴───────────────┴───────────┴─────────┘
//!    └──── at once ──────────────────┘└──── after the peer's eleventh octet ───────┘
//! ```
//!
//! In pieces, because the eleventh octet of a peer of ZMTP 2.0 calls for other words than our
//! minor version. The padding is the length of our routing id and one more: read as ZMTP 1.0,
//! which is how the first peers would read it, that is a well-formed frame header.

/// Octets of the signature.
pub const SIGNATURE_OCTETS: usize = 10;
/// Octets up to and with the major version.
pub const MAJOR_OCTETS: usize = 11;
/// Octets of the whole greeting.
pub const GREETING_OCTETS: usize = 64;

/// The security mechanism NULL, as its field has it.
pub const NULL: [u8; 20] = *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Which ZMTP two peers have settled on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// ZMTP 2.0 (RFC 15): no metadata, no commands.
    V2_0,
    /// ZMTP 3.0 (RFC 23): subscriptions are messages.
    V3_0,
    /// ZMTP 3.1 (RFC 37), and what later peers are spoken to in.
    V3_1,
}

/// A mechanism's name, as its field has it.
pub fn mechanism(name: &str) -> [u8; 20] {
    let mut field = [0; 20];
    for (place, octet) in field.iter_mut().zip(name.bytes()) {
        *place = octet;
    }
    field
}

/// Our greeting with the mechanism NULL.
pub fn encode(identity: &[u8]) -> [u8; GREETING_OCTETS] {
    encode_with(NULL, false, identity)
}

/// Our greeting, to be sent in the pieces `..10`, `10..11` and `11..`.
pub fn encode_with(mechanism: [u8; 20], as_server: bool, identity: &[u8]) -> [u8; GREETING_OCTETS] {
    let mut octets = [0; GREETING_OCTETS];
    let padding = (identity.len() as u64).saturating_add(1).to_be_bytes();
    let fields = [0xff]
        .into_iter()
        .chain(padding)
        .chain([0x7f, 3, 1])
        .chain(mechanism)
        .chain([as_server.into()]);
    for (octet, field) in octets.iter_mut().zip(fields) {
        *octet = field;
    }
    octets
}

/// Can these first octets, however few, be those of a signature? If not, the peer speaks
/// ZMTP 1.0 or something else altogether. The padding is not looked at.
pub fn begins_signature(octets: &[u8]) -> bool {
    let first = octets.first().is_none_or(|&octet| octet == 0xff);
    let last = octets.get(9).is_none_or(|&octet| octet & 1 == 1);
    first && last
}

/// What the eleventh octet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Major {
    /// ZMTP 1.0 framing behind a signature: nobody does it.
    One,
    /// ZMTP 2.0; its greeting goes on as in [`v2`](super::v2).
    Two,
    /// ZMTP 3 or later, which speaks 3.1 to us.
    Three,
}

/// What the eleventh octet says.
pub fn major(octet: u8) -> Major {
    match octet {
        0 => Major::One,
        1 | 2 => Major::Two,
        _ => Major::Three,
    }
}

/// The part of a peer's greeting that matters once its major version is 3 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// 3.0 or 3.1.
    pub revision: Revision,
    /// The mechanism field, all of it.
    pub mechanism: [u8; 20],
}

impl Greeting {
    /// Reads a whole greeting. As-server and the filler are not looked at.
    pub fn parse(octets: &[u8; GREETING_OCTETS]) -> Greeting {
        let mut mechanism = [0; 20];
        for (field, octet) in mechanism.iter_mut().zip(octets.iter().skip(12)) {
            *field = *octet;
        }
        let revision = match *octets {
            [_, _, _, _, _, _, _, _, _, _, 3, 0, ..] => Revision::V3_0,
            _ => Revision::V3_1,
        };
        Greeting {
            revision,
            mechanism,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_greeting_reads_back() {
        assert_eq!(mechanism("NULL"), NULL);
        let octets = encode_with(mechanism("PLAIN"), true, b"ab");
        assert_eq!((&octets[12..18], octets[32]), (&b"PLAIN\0"[..], 1));
        let octets = encode(b"ab");
        assert_eq!(octets[..12], [0xff, 0, 0, 0, 0, 0, 0, 0, 3, 0x7f, 3, 1]);
        assert_eq!(octets[12..16], *b"NULL");
        assert_eq!(octets[16..], [0; 48]);
        assert!(begins_signature(&octets));
        let greeting = Greeting::parse(&octets);
        assert_eq!(greeting.revision, Revision::V3_1);
        assert_eq!(greeting.mechanism, NULL);
    }

    #[test]
    fn later_versions_are_spoken_to_as_3_1() {
        let mut octets = encode(b"");
        for (major, minor, revision) in [
            (3, 0, Revision::V3_0),
            (3, 2, Revision::V3_1),
            (4, 0, Revision::V3_1),
            (255, 255, Revision::V3_1),
        ] {
            octets[10] = major;
            octets[11] = minor;
            assert_eq!(Greeting::parse(&octets).revision, revision);
        }
    }

    #[test]
    fn a_signature_is_refused_at_its_first_wrong_octet() {
        assert!(begins_signature(b""));
        assert!(!begins_signature(b"G"));
        assert!(begins_signature(&[0xff, 1, 2, 3, 4, 5, 6, 7, 8]));
        assert!(begins_signature(&[0xff, 1, 2, 3, 4, 5, 6, 7, 8, 1]));
        assert!(!begins_signature(&[0xff, 1, 2, 3, 4, 5, 6, 7, 8, 0x7e]));
    }
}
