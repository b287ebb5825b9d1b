//! Two engines joined in memory, under a clock of the test's own.
//!
//! ```text
//!    Side ── Engine ──► wire ──random pieces──► Engine ── Side
//!         ◄── wire ◄──────────────────────────
//! ```
//!
//! The wires carry octets in pieces that a seed decides; time passes only when the test says so.
//! Here is what two good partners say to each other; `timers` and `hostile` have the rest.

#[cfg(feature = "curve")]
#[path = "engine_pair/curve.rs"]
mod curve;
#[path = "engine_pair/harness.rs"]
mod harness;
#[path = "engine_pair/hostile.rs"]
mod hostile;
#[path = "engine_pair/plain.rs"]
mod plain;
#[path = "engine_pair/recorded.rs"]
mod recorded;
#[path = "engine_pair/timers.rs"]
mod timers;

use bytes::Bytes;
use hubless::{
    Message, ProtocolError, Reason, SocketType, Time,
    internals::{
        base::tuning,
        engine::{Config, Revision},
        wire::{command, encode_subscription, frame},
    },
};

use harness::{Pair, Random, Side, Told, config, message, zmtp_types};

#[test]
fn every_pair_of_types_becomes_ready_or_both_refuse() {
    for (index, left) in zmtp_types().enumerate() {
        for right in zmtp_types() {
            for piece in [1, 100_000] {
                let mut pair = Pair::new(config(left), config(right), 1 + index as u64, piece);
                pair.settle();
                for (side, (ours, theirs)) in pair.sides.iter().zip([(left, right), (right, left)])
                {
                    if ours.accepts(theirs) {
                        assert!(side.engine.is_ready(), "{ours} and {theirs}");
                        assert_eq!(side.engine.revision(), Some(Revision::V3_1));
                        assert_eq!(side.peer.as_ref().expect("told").socket_type, theirs);
                        continue;
                    }
                    let fault = side.fault.as_ref().expect("refused");
                    assert!(fault.in_handshake && !fault.retry);
                    let invalid = Reason::Protocol(ProtocolError::InvalidMetadata);
                    assert_eq!(format!("{:?}", fault.reason), format!("{invalid:?}"));
                }
            }
        }
    }
}

#[test]
fn who_is_refused_is_told_why() {
    let mut pair = Pair::new(
        config(SocketType::Router),
        config(SocketType::Dealer),
        7,
        1000,
    );
    let name = Bytes::from_static(b"\0name");
    pair.sides[1] = Side::new(
        Config {
            identity: name,
            ..config(SocketType::Dealer)
        },
        Time::START,
    );
    pair.settle();
    let refused = pair.sides[0].fault.as_ref().expect("a leading zero");
    assert!(matches!(
        refused.reason,
        Reason::Protocol(ProtocolError::InvalidMetadata)
    ));
    // Its own READY had come first: to the DEALER all is well until the connection closes.
    assert!(pair.sides[1].engine.is_ready());
    let fault = pair.sides[1].engine.handle_end();
    assert!(matches!(fault.reason, Reason::PeerClosed) && !fault.in_handshake && fault.retry);
}

#[test]
fn properties_and_names_arrive() {
    let left = Config {
        identity: Bytes::from_static(b"me"),
        properties: vec![("X-Zone".into(), Bytes::from_static(b"\0\x01"))],
        ..config(SocketType::Dealer)
    };
    let pair = Pair::ready(left, config(SocketType::Router), 3, 5);
    let peer = pair.sides[1].peer.as_ref().expect("ready");
    assert_eq!(peer.identity, "me");
    let names: Vec<_> = peer.properties.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["Socket-Type", "Identity", "X-Zone"]);
    assert_eq!(peer.properties[2].1, b"\0\x01"[..]);
    assert_eq!(pair.sides[0].peer.as_ref().expect("ready").identity, "");
}

#[test]
fn messages_arrive_in_order_whatever_the_pieces() {
    for (seed, piece) in [(11, 1), (12, 7), (13, 300), (14, 5000), (15, 300_000)] {
        let left = config(SocketType::Dealer);
        let mut pair = Pair::ready(left, config(SocketType::Dealer), seed, piece);
        pair.room = if piece == 300 { 1 } else { 1000 };
        let count = if piece < 100 { 8 } else { 200 };
        let mut random = Random(seed);
        let mut sent = [Vec::new(), Vec::new()];
        for _ in 0..count {
            for (to, sent) in sent.iter_mut().enumerate() {
                let message = message(&mut random);
                if piece < 100 && message.octets() > 2000 {
                    continue;
                }
                pair.send(to, &message);
                sent.push(message);
            }
        }
        pair.settle();
        for (side, sent) in pair.sides.iter_mut().zip(sent) {
            assert!(side.fault.is_none(), "seed {seed}: {:?}", side.fault);
            assert!(side.messages() == sent, "seed {seed}");
            assert_eq!(side.engine.kept_octets(), 0, "seed {seed}: nothing is kept");
        }
    }
}

#[test]
fn bodies_around_the_growth_of_their_buffer_arrive() {
    let mut pair = Pair::ready(
        config(SocketType::Push),
        config(SocketType::Pull),
        21,
        2 * tuning::GROW_OCTETS,
    );
    for octets in [
        tuning::GROW_OCTETS - 1,
        tuning::GROW_OCTETS,
        tuning::GROW_OCTETS + 1,
        6 * tuning::GROW_OCTETS + 12_345,
    ] {
        let body: Vec<u8> = (0..octets).map(|at| (at % 251) as u8).collect();
        let message = Message::from([Vec::from("head"), body]);
        pair.send(1, &message);
        pair.settle();
        assert!(pair.sides[1].messages() == [message], "{octets} octets");
    }
}

#[test]
fn commands_between_frames_leave_messages_alone() {
    let mut pair = Pair::ready(config(SocketType::Push), config(SocketType::Pull), 31, 40);
    let mut random = Random(31);
    let mut sent = Vec::new();
    for _ in 0..50 {
        let message: Message = (0..5).map(|_| vec![b'x'; random.below(400)]).collect();
        for (index, body) in message.iter().enumerate() {
            let mut out = Vec::new();
            match random.below(4) {
                0 => command::encode_ping(0, &mut out),
                1 => frame::encode_frame(b"\x03FOObar", false, true, &mut out),
                2 => encode_subscription(Revision::V3_1, true, &[b't'; 300], &mut out),
                _ => command::encode_error(b"late", &mut out),
            }
            frame::encode_frame(body, index < 4, false, &mut out);
            pair.sides[1].wire.extend(out);
        }
        sent.push(message);
    }
    pair.settle();
    assert!(pair.sides[1].fault.is_none());
    assert!(pair.sides[1].messages() == sent);
}

#[test]
fn messages_of_1000_frames_arrive() {
    for piece in [1, 10_000] {
        let mut pair = Pair::ready(
            config(SocketType::Push),
            config(SocketType::Pull),
            41,
            piece,
        );
        let message: Message = (0..1000).map(|index: u32| index.to_string()).collect();
        pair.send(1, &message);
        pair.send(1, &message);
        pair.settle();
        assert!(pair.sides[1].messages() == [message.clone(), message]);
    }
}

#[test]
fn limits_hold_for_the_whole_message_and_for_no_more() {
    let limited = Config {
        message_octets_max: 1000,
        message_frames_max: 10,
        ..config(SocketType::Pull)
    };
    let most: Message = (0..10).map(|_| vec![b'x'; 100]).collect();
    for (over, why) in [
        (Message::from(vec!["x"; 11]), "frames"),
        (Message::from([vec![b'x'; 500], vec![b'x'; 501]]), "octets"),
        (Message::from(vec![b'x'; 1001]), "octets of one frame"),
    ] {
        let mut pair = Pair::ready(config(SocketType::Push), limited.clone(), 51, 3000);
        for _ in 0..3 {
            pair.send(1, &most);
        }
        pair.send(1, &over);
        pair.settle();
        let side = &mut pair.sides[1];
        let fault = side.fault.take().expect(why);
        assert!(!fault.in_handshake && fault.retry, "{why}");
        assert!(
            side.messages() == vec![most.clone(); 3],
            "{why}: the good ones came"
        );
        assert_eq!(side.engine.kept_octets(), 0, "{why}");
    }
}

#[test]
fn a_publisher_takes_both_forms_in_order_and_discards_the_rest() {
    for publisher in [SocketType::Pub, SocketType::XPub] {
        let mut pair = Pair::ready(config(SocketType::XSub), config(publisher), 61, 50);
        let mut out = Vec::new();
        encode_subscription(Revision::V3_1, true, b"a", &mut out);
        encode_subscription(Revision::V3_0, true, &[b'b'; 255], &mut out);
        frame::encode(Message::from("hello").frames(), &mut out);
        encode_subscription(Revision::V2_0, false, b"a", &mut out);
        let mixed = Message::from([&b"\x01c"[..], b"", b"\x01d", b"tail"]);
        frame::encode(mixed.frames(), &mut out);
        encode_subscription(Revision::V3_1, false, b"", &mut out);
        pair.sides[1].wire.extend(out);
        pair.settle();
        let mut expected = vec![
            Told::Subscribed(Bytes::from_static(b"a")),
            Told::Subscribed(Bytes::from_static(&[b'b'; 255])),
            Told::Message(Message::from("hello")),
            Told::Cancelled(Bytes::from_static(b"a")),
            Told::Subscribed(Bytes::from_static(b"c")),
            Told::Subscribed(Bytes::from_static(b"d")),
            Told::Message(Message::from(["", "tail"])),
            Told::Cancelled(Bytes::new()),
        ];
        if publisher == SocketType::Pub {
            expected.retain(|told| !matches!(told, Told::Message(_)));
        }
        assert_eq!(pair.sides[1].inbox.told, expected);
    }
}

#[test]
fn subscriptions_need_no_room() {
    let mut pair = Pair::ready(config(SocketType::XSub), config(SocketType::XPub), 62, 50);
    let side = &mut pair.sides[1];
    side.wire.extend(b"\0\x02\x01a\0\x05hello\0\x02\x01b");
    side.take(Time::START, 100, 0);
    let topic = Told::Subscribed(Bytes::from_static(b"a"));
    assert_eq!(
        side.inbox.told,
        [topic],
        "and then the message waits inside"
    );
    side.take(Time::START, 0, 1);
    assert_eq!(side.inbox.told[1], Told::Message("hello".into()));
    side.take(Time::START, 100, 0);
    let topic = Told::Subscribed(Bytes::from_static(b"b"));
    assert_eq!(side.inbox.told[2], topic);
}
