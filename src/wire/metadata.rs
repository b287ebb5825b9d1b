//! Metadata: the properties of a READY (RFC 37, "The NULL Security Mechanism").
//!
//! ```text
//!    0          1            1+n            5+n
//!   ┌──────────┬────────────┬──────────────┬───────╌╌╌┐
//!   │ n        │ name       │ value octets │ value    │   ... and so on to the end
//!   └──────────┴────────────┴──────────────┴───────╌╌╌┘
//! ```
//!
//! Names are compared without regard to case, but some peers do not: ours are spelt as in the
//! RFC.

use bytes::Bytes;

/// The property that every READY must have.
pub const SOCKET_TYPE: &str = "Socket-Type";
/// The property by which a peer calls itself.
pub const IDENTITY: &str = "Identity";
/// The property that says who a peer is (RFC 27): given by whoever let it in, never by itself.
pub const USER_ID: &str = "User-Id";

/// Properties in one list. Real peers send a handful; kept apart, small properties cost more
/// than their octets.
pub const PROPERTIES_MAX: usize = 256;

/// A property list whose parts do not fit together, or with too many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// Reads a list to its end. Properties whose name is not one of RFC 37 (letters, digits and
/// `-_.+`, at least one) are passed over: nobody can ask for them.
///
/// # Errors
/// If a name or a value reaches beyond the end, or there are more than [`PROPERTIES_MAX`].
pub fn parse(mut octets: &[u8]) -> Result<Vec<(String, Bytes)>, Broken> {
    let mut properties = Vec::new();
    while let Some((&length, rest)) = octets.split_first() {
        let (name, rest) = rest.split_at_checked(length.into()).ok_or(Broken)?;
        let (length, rest) = rest.split_first_chunk().ok_or(Broken)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Broken)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(Broken)?;
        octets = rest;
        let Some(name) = name_text(name) else {
            continue;
        };
        if properties.len() == PROPERTIES_MAX {
            return Err(Broken);
        }
        properties.push((name.to_owned(), Bytes::copy_from_slice(value)));
    }
    // They are kept as long as the peer, and most have one.
    properties.shrink_to_fit();
    Ok(properties)
}

fn name_text(name: &[u8]) -> Option<&str> {
    let fits = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.+".contains(octet);
    if name.is_empty() || !name.iter().all(fits) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

/// Appends one property.
///
/// A name of more than 255 octets or a value of more than 2^32 - 1 cannot be written down; such
/// a property is left out.
pub fn encode(name: &str, value: &[u8], out: &mut Vec<u8>) {
    let (Ok(name_octets), Ok(value_octets)) =
        (u8::try_from(name.len()), u32::try_from(value.len()))
    else {
        return;
    };
    out.push(name_octets);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&value_octets.to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(properties: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in properties {
            encode(name, value, &mut out);
        }
        out
    }

    #[test]
    fn a_list_reads_back_in_order() {
        let octets = list(&[
            ("Socket-Type", b"REQ"),
            ("Identity", b""),
            ("X-a", b"\0\xff"),
        ]);
        let properties = parse(&octets).expect("whole");
        let names: Vec<_> = properties.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Socket-Type", "Identity", "X-a"]);
        assert_eq!(properties[2].1, b"\0\xff"[..]);
        assert_eq!(parse(b"").expect("empty"), []);
    }

    #[test]
    fn a_truncated_list_is_refused_wherever_it_is_cut() {
        let octets = list(&[("Socket-Type", b"REQ"), ("Identity", b"me")]);
        let first = list(&[("Socket-Type", b"REQ")]).len();
        for cut in 1..octets.len() {
            assert_eq!(parse(&octets[..cut]).is_ok(), cut == first, "cut at {cut}");
        }
    }

    #[test]
    fn a_value_that_claims_more_than_there_is_is_refused() {
        for claimed in [3, u32::MAX] {
            let mut octets = list(&[("a", b"xx")]);
            octets[2..6].copy_from_slice(&claimed.to_be_bytes());
            assert_eq!(parse(&octets), Err(Broken));
        }
    }

    #[test]
    fn odd_names_are_passed_over() {
        let octets = list(&[("", b"v"), ("gr\u{fc}n", b"v"), ("a b", b"v"), ("ok", b"v")]);
        assert_eq!(parse(&octets).expect("whole").len(), 1);
    }

    #[test]
    fn the_number_of_properties_is_bounded() {
        let octets = list(&vec![("a", &b""[..]); PROPERTIES_MAX]);
        assert_eq!(parse(&octets).expect("as many as may be").len(), 256);
        let octets = list(&vec![("a", &b""[..]); PROPERTIES_MAX + 1]);
        assert_eq!(parse(&octets), Err(Broken));
    }
}
