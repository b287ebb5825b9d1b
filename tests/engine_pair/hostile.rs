//! What no partner of ours would send: lies about sizes, and streams random, mutated and cut.

use std::time::Duration;

use hubless::{
    Message, SocketType, Time,
    internals::{
        base::tuning,
        engine::{Config, Revision},
        wire::{command, encode_subscription, frame, greeting},
    },
};

use crate::harness::{Pair, Random, Side, beating, config, zmtp_types};

#[test]
fn words_of_the_handshake_are_bounded() {
    let too_large = |words: &[u8], header: &[u8]| {
        let mut side = Side::new(config(SocketType::Router), Time::START);
        side.wire.extend(words);
        side.wire.extend(header);
        side.take(Time::START, usize::MAX, 1);
        assert!(side.engine.kept_octets() < tuning::HANDSHAKE_OCTETS_MAX + 1024);
        side.fault.map(|fault| fault.in_handshake)
    };
    let greeting = greeting::encode(b"");
    let header = |octets, command| frame::header(octets, false, command);
    let most = tuning::HANDSHAKE_OCTETS_MAX - 64 - 9;
    assert_eq!(too_large(&greeting, &header(most, true)), None);
    assert_eq!(too_large(&greeting, &header(most + 1, true)), Some(true));
    assert_eq!(too_large(&greeting, &header(1 << 40, true)), Some(true));
    let v2 = b"\xff\0\0\0\0\0\0\0\0\x7f\x01\x05";
    assert_eq!(too_large(v2, &header(most, false)), None);
    assert_eq!(too_large(v2, &header(most + 1, false)), Some(true));
}

#[test]
fn a_lying_size_costs_no_more_than_one_growth() {
    let unlimited = Config {
        message_octets_max: u64::MAX,
        ..config(SocketType::Pull)
    };
    for octets in [1 << 30, 1 << 40, (1 << 62) - 1] {
        let mut pair = Pair::ready(config(SocketType::Push), unlimited.clone(), 91, 1000);
        let side = &mut pair.sides[1];
        side.wire.extend(&*frame::header(octets, false, false));
        side.wire.extend([0; 100]);
        side.take(Time::START, usize::MAX, 1);
        assert!(side.fault.is_none());
        assert!(side.engine.kept_octets() <= tuning::GROW_OCTETS + 200);
    }
}

/// A stream that is good from its first octet to its last, for a peer of `socket_type`.
fn good_stream(random: &mut Random, socket_type: SocketType) -> Vec<u8> {
    let theirs = zmtp_types().filter(|&it| socket_type.accepts(it));
    let theirs = random.pick(&theirs.collect::<Vec<_>>());
    let mut stream = greeting::encode(b"").to_vec();
    if random.below(4) == 0 {
        stream.truncate(10);
        stream.extend([1, theirs.v2_octet(), 0, 2, b'i', b'd']);
    } else {
        stream[11] = random.pick(&[0, 1]);
        let name = ("Socket-Type", theirs.name().as_bytes());
        command::encode_ready([name, ("Identity", b"id")], &mut stream);
    }
    for _ in 0..random.below(20) {
        match random.below(6) {
            0 => command::encode_ping(random.next() as u16, &mut stream),
            1 => command::encode_pong(b"context", &mut stream),
            2 => encode_subscription(Revision::V3_1, random.below(2) == 0, b"topic", &mut stream),
            3 => encode_subscription(Revision::V3_0, random.below(2) == 0, b"topic", &mut stream),
            _ => {
                let frames = 1 + random.below(3);
                let message: Message = (0..frames)
                    .map(|_| {
                        let octets = random.pick(&[0, 1, 64, 65, 255, 256, 20_000]);
                        vec![random.next() as u8; octets]
                    })
                    .collect();
                frame::encode(message.frames(), &mut stream);
            }
        }
    }
    stream
}

/// Feeds a stream in pieces; nothing of it may do more harm than a fault.
fn feed(socket_type: SocketType, stream: &[u8], random: &mut Random, note: &str) -> Side {
    let mut side = Side::new(beating(socket_type, 1), Time::START);
    side.wire.extend(stream);
    let mut now = Time::START;
    let mut turns = 0;
    while !side.wire.is_empty() && side.fault.is_none() {
        let octets = 1 + random.pick(&[1, 10, 1000, 50_000]);
        let room = random.below(3);
        side.take(now, octets, room);
        if random.below(10) == 0 {
            side.engine.poll_output(&mut Vec::new());
        }
        if random.below(50) == 0 {
            now = now + Duration::from_millis(300);
            if let Err(fault) = side.engine.handle_timeout(now) {
                side.fault = Some(fault);
            }
        }
        // A frame of two octets costs one `Frame`, and a vector may be twice as long as needed.
        let most = 100 * stream.len() + tuning::GROW_OCTETS + 4096;
        assert!(side.engine.kept_octets() <= most, "{note}");
        turns += 1;
        assert!(turns < 10 * stream.len() + 100, "{note}: it does not move");
    }
    if let Some(fault) = &side.fault {
        let again = side.engine.handle_input(now, b"\0\0", &mut side.inbox);
        let again = again.expect_err("an engine that has ended stays so");
        assert_eq!(again.to_string(), fault.to_string(), "{note}");
        side.engine.poll_output(&mut Vec::new());
        assert_eq!(side.engine.kept_octets(), 0, "{note}");
    }
    side
}

#[test]
fn good_streams_are_taken_by_every_type() {
    for socket_type in zmtp_types() {
        for seed in 1..30 {
            let mut random = Random(seed);
            let stream = good_stream(&mut random, socket_type);
            let note = format!("{socket_type}, seed {seed}");
            let mut config = config(socket_type);
            config.handshake_timeout = None;
            let mut side = Side::new(config, Time::START);
            side.wire.extend(&stream);
            for turn in 0.. {
                side.take(Time::START, 1 + random.below(3000), 10);
                if side.wire.is_empty() {
                    break;
                }
                assert!(turn < 10_000, "{note}: it does not move");
            }
            assert!(side.fault.is_none(), "{note}: {:?}", side.fault);
            assert!(side.engine.is_ready(), "{note}");
            side.engine.poll_output(&mut Vec::new());
            assert_eq!(side.engine.kept_octets(), 0, "{note}");
        }
    }
}

#[test]
fn hostile_streams_mutated_cut_or_repeated_do_no_harm() {
    let mut faults = 0;
    for socket_type in zmtp_types() {
        for seed in 1..60 {
            let mut random = Random(1000 + seed);
            let mut stream = good_stream(&mut random, socket_type);
            for _ in 0..=random.below(4) {
                let at = random.below(stream.len());
                match random.below(5) {
                    0 => stream.truncate(at.max(1)),
                    1 => stream.insert(at, random.next() as u8),
                    2 => drop(stream.remove(at.min(stream.len() - 2))),
                    3 => stream.extend_from_within(at..),
                    _ => stream[at] = random.pick(&[0, 1, 2, 4, 6, 0x7f, 0x80, 0xff]),
                }
            }
            let note = format!("{socket_type}, seed {seed}");
            let side = feed(socket_type, &stream, &mut random, &note);
            faults += usize::from(side.fault.is_some());
        }
    }
    assert!(faults > 100, "the mutations do nothing: {faults}");
}

#[test]
fn hostile_streams_of_random_octets_do_no_harm() {
    for socket_type in zmtp_types() {
        for seed in 1..60 {
            let mut random = Random(2000 + seed);
            let mut stream = good_stream(&mut random, socket_type);
            // Somewhere in the greeting, right behind it, or in traffic.
            let keep = random.pick(&[0, 10, 11, 64, 100, usize::MAX]);
            stream.truncate(keep);
            // Small octets make flags, sizes and names that are nearly right.
            let mask = random.pick(&[0xff, 0x07, 0x03]);
            stream.extend((0..3000).map(|_| random.next() as u8 & mask));
            let note = format!("{socket_type}, seed {seed}");
            feed(socket_type, &stream, &mut random, &note);
        }
    }
}
