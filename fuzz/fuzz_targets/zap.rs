//! Answers of a handler of ZAP: frames of any lengths.
#![no_main]

use hubless::{Message, internals::wire::zap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Frames are cut by the lengths that stand in front of them.
    let (mut reply, mut rest) = (Message::new(), data);
    while let Some((&octets, others)) = rest.split_first() {
        let (frame, others) = others.split_at(others.len().min(octets.into()));
        reply.push(frame);
        rest = others;
    }
    if let Ok(verdict) = zap::parse_reply(&reply) {
        assert!(reply.len() == 7 && matches!(verdict.status(), 200 | 300 | 400 | 500));
    }
    // All but the last frame as it should be.
    let mut reply = Message::from(["", "1.0", "1", "200", "OK", "joe"]);
    reply.push(data);
    let _ = zap::parse_reply(&reply);
});
