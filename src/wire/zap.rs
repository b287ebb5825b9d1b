//! ZAP: what a handler is asked about a peer, and what it answers (RFC 27).
//!
//! ```text
//!   request   "" │ 1.0 │ 1 │ domain │ address │ routing id │ mechanism │ credentials …
//!   reply     "" │ 1.0 │ 1 │ status │ text    │ user id    │ metadata
//! ```
//!
//! Each question has a pipe of its own to the handler, so all have the same number. The routing id is
//! that of the socket that asks.

use super::metadata;
use crate::base::{
    auth::{AuthRequest, Credentials, Verdict},
    event::ProtocolError,
    message::{Frame, Message},
};

/// The inproc name that a handler is bound to.
pub const HANDLER: &str = "zeromq.zap.01";

const VERSION: &[u8] = b"1.0";
const NUMBER: &[u8] = b"1";

/// The question about a peer that wants to come into a socket with this routing id.
pub fn encode_request(request: &AuthRequest, routing_id: &[u8]) -> Message {
    let mut message = Message::from(Frame::empty());
    let mut push = |octets: &[u8]| message.push(Frame::copy_from(octets));
    push(VERSION);
    push(NUMBER);
    push(request.domain.as_bytes());
    push(request.address.as_bytes());
    push(routing_id);
    push(request.mechanism().as_bytes());
    match &request.credentials {
        Credentials::Null => {}
        Credentials::Plain { user, password } => {
            push(user);
            push(password.expose());
        }
        Credentials::Curve { key } => push(key.as_bytes()),
    }
    message
}

/// What a handler's answer says.
///
/// # Errors
/// Which part of it is wrong.
pub fn parse_reply(reply: &Message) -> Result<Verdict, ProtocolError> {
    let [delimiter, version, number, status, _, user_id, known] = reply.frames() else {
        return Err(ProtocolError::ZapMalformedReply);
    };
    if !delimiter.is_empty() {
        return Err(ProtocolError::ZapUnspecified);
    }
    if version.as_slice() != VERSION {
        return Err(ProtocolError::ZapBadVersion);
    }
    if number.as_slice() != NUMBER {
        return Err(ProtocolError::ZapBadRequestId);
    }
    let mut verdict = match status.as_slice() {
        b"200" => Verdict::allow_as(user_id),
        b"300" => Verdict::NotNow,
        b"400" => Verdict::Deny,
        b"500" => Verdict::Failed,
        _ => return Err(ProtocolError::ZapInvalidStatus),
    };
    let invalid = |_| ProtocolError::ZapInvalidMetadata;
    for (name, value) in metadata::parse(known).map_err(invalid)? {
        verdict = verdict.with_property(name, value);
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::base::{keys::PublicKey, secret::Secret};

    #[test]
    fn a_request_has_its_frames_in_order() {
        let asked = |credentials| {
            let mut request = AuthRequest::new(Bytes::from_static(b"theirs"), credentials);
            request.address = "10.0.0.7".into();
            request.domain = "shop".into();
            encode_request(&request, b"ours")
        };
        let head = ["", "1.0", "1", "shop", "10.0.0.7", "ours"];
        let with = |rest: &[&str]| Message::from_iter(head.iter().chain(rest).copied());
        assert_eq!(asked(Credentials::Null), with(&["NULL"]));
        let (user, password) = (Bytes::from_static(b"joe"), Secret::copy_from(b"sesame"));
        let plain = Credentials::Plain { user, password };
        assert_eq!(asked(plain), with(&["PLAIN", "joe", "sesame"]));
        let key = PublicKey::from([b'k'; 32]);
        let curve = asked(Credentials::Curve { key });
        assert_eq!(curve, with(&["CURVE", &"k".repeat(32)]));
    }

    fn reply(frames: [&str; 7]) -> Message {
        Message::from_iter(frames)
    }

    #[test]
    fn an_answer_is_good_or_says_what_is_wrong() {
        let known = "\u{5}X-Roi\0\0\0\u{2}hi";
        let good = ["", "1.0", "1", "200", "OK", "joe", known];
        let joe = Verdict::allow_as("joe").with_property("X-Roi", "hi");
        assert_eq!(parse_reply(&reply(good)), Ok(joe));
        let changed = |at: usize, to: &'static str| {
            let mut frames = good;
            frames[at] = to;
            parse_reply(&reply(frames))
        };
        assert_eq!(changed(3, "300"), Ok(Verdict::NotNow));
        assert_eq!(changed(3, "400"), Ok(Verdict::Deny));
        assert_eq!(changed(3, "500"), Ok(Verdict::Failed));
        assert_eq!(changed(0, "x"), Err(ProtocolError::ZapUnspecified));
        assert_eq!(changed(1, "9.9"), Err(ProtocolError::ZapBadVersion));
        assert_eq!(changed(2, "2"), Err(ProtocolError::ZapBadRequestId));
        for status in ["", "20", "201", "2000", "600", "abc"] {
            assert_eq!(changed(3, status), Err(ProtocolError::ZapInvalidStatus));
        }
        for broken in ["\u{5}X-Roi\0\0\0\u{3}hi", "\u{9}X", "\u{1}"] {
            assert_eq!(changed(6, broken), Err(ProtocolError::ZapInvalidMetadata));
        }
        for frames in [0, 1, 6, 8] {
            let reply = Message::from_iter(good.iter().cycle().take(frames).copied());
            assert_eq!(parse_reply(&reply), Err(ProtocolError::ZapMalformedReply));
        }
    }
}
