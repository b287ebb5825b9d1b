//! Deadlines and heartbeats under virtual time.

use std::time::Duration;

use hubless::{
    Message, Reason, SocketType, Time,
    internals::wire::{command, frame},
};

use crate::harness::{Pair, beating, config};

#[test]
fn heartbeats_keep_an_idle_connection() {
    let mut pair = Pair::ready(
        beating(SocketType::Dealer, 1),
        beating(SocketType::Router, 7),
        71,
        3,
    );
    pair.pass(Duration::from_secs(3600), false);
    assert!(pair.sides.iter().all(|side| side.fault.is_none()));
}

#[test]
fn heartbeats_end_a_connection_that_carries_nothing() {
    let left = beating(SocketType::Dealer, 1);
    let mut pair = Pair::ready(left, config(SocketType::Router), 72, 100);
    pair.pass(Duration::from_secs(10), false);
    pair.pass(Duration::from_millis(1999), true);
    assert!(pair.sides[0].fault.is_none());
    pair.pass(Duration::from_millis(1), true);
    let fault = pair.sides[0]
        .fault
        .as_ref()
        .expect("one interval, then as long again");
    assert!(matches!(fault.reason, Reason::HeartbeatTimeout) && fault.retry);
    assert!(!fault.in_handshake);
    // The other has no heartbeat of its own, only the TTL that it was asked for: 5 s.
    assert!(pair.sides[1].fault.is_none());
    pair.pass(Duration::from_secs(3), true);
    let fault = pair.sides[1].fault.as_ref().expect("the TTL has passed");
    assert!(matches!(fault.reason, Reason::HeartbeatTimeout));
}

#[test]
fn a_large_message_that_takes_long_is_life() {
    let left = config(SocketType::Push);
    let mut pair = Pair::ready(left, beating(SocketType::Pull, 1), 73, 1000);
    let sent = Message::from(vec![b'x'; 100_000]);
    let mut wire = Vec::new();
    frame::encode(sent.frames(), &mut wire);
    for piece in wire.chunks(1000) {
        pair.pass(Duration::from_millis(600), true);
        pair.sides[1].wire.extend(piece);
        pair.sides[1].take(pair.now, 1000, 1);
        assert!(pair.sides[1].fault.is_none());
    }
    assert!(pair.sides[1].messages() == [sent]);
}

#[test]
fn our_own_pause_is_not_the_peers_silence() {
    let left = config(SocketType::Push);
    let mut pair = Pair::ready(left, beating(SocketType::Pull, 1), 74, 1000);
    pair.pass(Duration::from_millis(1500), true);
    pair.sides[1].engine.pause_reading();
    pair.pass(Duration::from_secs(100), true);
    assert!(pair.sides[1].fault.is_none());
    let now = pair.now;
    pair.sides[1].engine.resume_reading(now);
    pair.pass(Duration::from_millis(999), true);
    assert!(pair.sides[1].fault.is_none());
    pair.pass(Duration::from_millis(1), true);
    assert!(pair.sides[1].fault.is_some());
}

#[test]
fn a_flood_of_pings_makes_a_few_pongs() {
    let mut pair = Pair::ready(config(SocketType::Push), config(SocketType::Pull), 75, 1000);
    let side = &mut pair.sides[1];
    let mut flood = Vec::new();
    for _ in 0..10_000 {
        command::encode_ping(9, &mut flood);
    }
    side.wire.extend(flood);
    side.take(Time::START, usize::MAX, 1);
    let mut out = Vec::new();
    side.engine.poll_output(&mut out);
    assert_eq!(out, b"\x04\x05\x04PONG".repeat(16));
    assert_eq!(side.engine.kept_octets(), 0);
}

#[test]
fn a_handshake_has_one_deadline() {
    let mut pair = Pair::new(config(SocketType::Push), config(SocketType::Pull), 81, 1);
    pair.pass(Duration::from_secs(29), true);
    pair.sides[1].wire.extend([0xff, 0, 0]);
    pair.sides[1].take(pair.now, 3, 0);
    assert!(pair.sides.iter().all(|side| side.fault.is_none()));
    pair.pass(Duration::from_secs(1), true);
    for side in &pair.sides {
        let fault = side.fault.as_ref().expect("30 s have passed");
        assert!(matches!(fault.reason, Reason::HandshakeTimeout));
        assert!(fault.in_handshake && fault.retry);
    }
}

#[test]
fn the_end_in_a_handshake_is_told_as_such() {
    let mut pair = Pair::new(config(SocketType::Push), config(SocketType::Pull), 82, 1);
    let fault = pair.sides[0].engine.handle_end();
    assert!(matches!(fault.reason, Reason::PeerClosed) && fault.in_handshake && fault.retry);
    assert!(pair.sides[0].engine.poll_timeout().is_none());
}
