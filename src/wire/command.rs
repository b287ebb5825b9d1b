//! Commands: the words that peers say to each other (RFC 37, "Commands").
//!
//! ```text
//!    0       1          1+n
//!   ┌───────┬──────────┬───────╌╌╌
//!   │ n     │ name     │ data            the body of a frame with the flag COMMAND
//!   └───────┴──────────┴───────╌╌╌
//!
//!   READY      property*                 both ways, ends the handshake
//!   ERROR      octets reason             instead of READY: the connection ends
//!   HELLO, WELCOME, INITIATE             before READY, with PLAIN (RFC 24) and CURVE (RFC 26)
//!   PING       ttl(2) context(0..16)     ttl: close me after so many tenths of a second of silence
//!   PONG       context                   the same context
//!   SUBSCRIBE  topic                     to a publisher
//!   CANCEL     topic
//! ```

use super::{frame::header, greeting::Revision, metadata};
use crate::base::secret::clear;

/// Octets of a PING's context that its PONG returns.
pub const CONTEXT_OCTETS_MAX: usize = 16;

/// A command's two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// Its name, e.g. `READY`.
    pub name: &'a [u8],
    /// What follows the name.
    pub data: &'a [u8],
}

impl<'a> Command<'a> {
    /// Takes a command frame's body apart; `None` if the name is longer than the body.
    pub fn parse(body: &'a [u8]) -> Option<Command<'a>> {
        let (&length, rest) = body.split_first()?;
        let (name, data) = rest.split_at_checked(length.into())?;
        Some(Command { name, data })
    }
}

/// The reason in an ERROR's data; `None` if it is longer than the data. What may follow it is
/// not looked at.
pub fn parse_error(data: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = data.split_first()?;
    rest.get(..length.into())
}

/// Name and password in the data of a PLAIN HELLO; `None` if they do not fill it exactly.
pub fn parse_hello(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = data.split_first()?;
    let (user, rest) = rest.split_at_checked(length.into())?;
    let (&length, password) = rest.split_first()?;
    (password.len() == usize::from(length)).then_some((user, password))
}

/// TTL (tenths of a second) and context in a PING's data; `None` if it is too short. A longer
/// context is cut at 16 octets.
pub fn parse_ping(data: &[u8]) -> Option<(u16, &[u8])> {
    let (ttl, context) = data.split_first_chunk()?;
    let context = context.get(..CONTEXT_OCTETS_MAX).unwrap_or(context);
    Some((u16::from_be_bytes(*ttl), context))
}

/// Appends a command of any name of at most 255 octets.
pub fn encode(name: &str, data: &[u8], out: &mut Vec<u8>) {
    let name_octets = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let octets = data.len().saturating_add(name.len()).saturating_add(1);
    out.extend_from_slice(&header(octets, false, true));
    out.push(name_octets);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(data);
}

/// Appends a READY with these properties.
pub fn encode_ready<'a>(
    properties: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    out: &mut Vec<u8>,
) {
    let mut data = Vec::new();
    for (name, value) in properties {
        metadata::encode(name, value, &mut data);
    }
    encode("READY", &data, out);
}

/// Appends a PLAIN HELLO. Name and password have at most 255 octets; more would be cut off.
pub fn encode_hello(user: &[u8], password: &[u8], out: &mut Vec<u8>) {
    let mut data = Vec::with_capacity(512);
    for field in [user, password] {
        let octets = u8::try_from(field.len()).unwrap_or(u8::MAX);
        data.push(octets);
        data.extend(field.iter().take(octets.into()));
    }
    encode("HELLO", &data, out);
    clear(&mut data);
}

/// Appends an ERROR. A reason is cut at 255 octets.
pub fn encode_error(reason: &[u8], out: &mut Vec<u8>) {
    let octets = u8::try_from(reason.len()).unwrap_or(u8::MAX);
    let mut data = vec![octets];
    data.extend(reason.iter().take(octets.into()));
    encode("ERROR", &data, out);
}

/// Appends a PING without context; the TTL is in tenths of a second.
pub fn encode_ping(ttl: u16, out: &mut Vec<u8>) {
    encode("PING", &ttl.to_be_bytes(), out);
}

/// Appends a PONG.
pub fn encode_pong(context: &[u8], out: &mut Vec<u8>) {
    encode("PONG", context, out);
}

/// Appends a subscription (or its end) in the form that a peer of this revision understands: a
/// command from 3.1 on, before that a message that begins with 1 (or 0).
pub fn encode_subscription(revision: Revision, subscribe: bool, topic: &[u8], out: &mut Vec<u8>) {
    match (revision, subscribe) {
        (Revision::V3_1, true) => encode("SUBSCRIBE", topic, out),
        (Revision::V3_1, false) => encode("CANCEL", topic, out),
        (Revision::V2_0 | Revision::V3_0, _) => {
            let octets = topic.len().saturating_add(1);
            out.extend_from_slice(&header(octets, false, false));
            out.push(subscribe.into());
            out.extend_from_slice(topic);
        }
    }
}

/// Reads a message-form subscription: (subscribe, topic). `None`: the frame is something else.
pub fn parse_subscription(body: &[u8]) -> Option<(bool, &[u8])> {
    match body {
        [1, topic @ ..] => Some((true, topic)),
        [0, topic @ ..] => Some((false, topic)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out);
        out
    }

    #[test]
    fn the_octets_of_each_command() {
        let ready = encoded(|out| encode_ready([("Socket-Type", &b"SUB"[..])], out));
        assert_eq!(ready, b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB");
        let error = encoded(|out| encode_error(b"400", out));
        assert_eq!(error, b"\x04\x0a\x05ERROR\x03400");
        let ping = encoded(|out| encode_ping(655, out));
        assert_eq!(ping, b"\x04\x07\x04PING\x02\x8f");
        let pong = encoded(|out| encode_pong(b"mid", out));
        assert_eq!(pong, b"\x04\x08\x04PONGmid");
    }

    #[test]
    fn a_name_longer_than_the_body_is_no_command() {
        assert_eq!(Command::parse(b""), None);
        assert_eq!(Command::parse(b"\x20ABC"), None);
        let empty = Command::parse(b"\0").expect("a name of no octets");
        assert_eq!((empty.name, empty.data), (&b""[..], &b""[..]));
        let ping = Command::parse(b"\x04PING\0\x05ctx").expect("whole");
        assert_eq!((ping.name, ping.data), (&b"PING"[..], &b"\0\x05ctx"[..]));
    }

    #[test]
    fn a_hello_is_filled_exactly_by_name_and_password() {
        let hello = encoded(|out| encode_hello(b"admin", b"secret", out));
        assert_eq!(hello, b"\x04\x13\x05HELLO\x05admin\x06secret");
        assert_eq!(parse_hello(b"\0\0"), Some((&b""[..], &b""[..])));
        let whole = b"\x05admin\x06secret";
        assert_eq!(parse_hello(whole), Some((&b"admin"[..], &b"secret"[..])));
        for cut in 0..whole.len() {
            assert_eq!(parse_hello(&whole[..cut]), None);
        }
        assert_eq!(parse_hello(b"\x01a\x01bX"), None);
        let long = encoded(|out| encode_hello(&[b'u'; 300], &[b'p'; 255], out));
        let command = Command::parse(&long[9..]).expect("whole");
        let cut = parse_hello(command.data).expect("whole");
        assert_eq!((cut.0.len(), cut.1.len()), (255, 255));
    }

    #[test]
    fn a_ping_has_a_ttl_and_at_most_16_octets_of_context() {
        assert_eq!(parse_ping(b""), None);
        assert_eq!(parse_ping(b"\0"), None);
        assert_eq!(parse_ping(b"\0\x05"), Some((5, &b""[..])));
        let cut = parse_ping(b"\xff\xff0123456789abcdefX");
        assert_eq!(cut, Some((u16::MAX, &b"0123456789abcdef"[..])));
    }

    #[test]
    fn an_error_has_a_reason_within_its_frame() {
        assert_eq!(parse_error(b""), None);
        assert_eq!(parse_error(b"\x10ab"), None);
        assert_eq!(parse_error(b"\0"), Some(&b""[..]));
        assert_eq!(parse_error(b"\x03400"), Some(&b"400"[..]));
        let long = encoded(|out| encode_error(&[b'x'; 300], out));
        let command = Command::parse(&long[9..]).expect("whole");
        assert_eq!(parse_error(command.data), Some(&[b'x'; 255][..]));
    }

    #[test]
    fn subscriptions_go_by_the_revision() {
        let form = |revision, subscribe, topic: &[u8]| {
            encoded(|out| encode_subscription(revision, subscribe, topic, out))
        };
        assert_eq!(form(Revision::V3_1, true, b"A"), b"\x04\x0b\x09SUBSCRIBEA");
        assert_eq!(form(Revision::V3_1, false, b"A"), b"\x04\x08\x06CANCELA");
        for old in [Revision::V3_0, Revision::V2_0] {
            assert_eq!(form(old, true, b"A"), b"\0\x02\x01A");
            assert_eq!(form(old, false, b"A"), b"\0\x02\0A");
            // The topic octet makes it 256: the long form.
            let long = form(old, true, &[b't'; 255]);
            assert_eq!(long[..10], [2, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
            assert_eq!(long.len(), 9 + 256);
        }
    }
}
