//! Servers that do wrong: what a connecting socket makes of them, and whether it tries again.

use std::time::Duration;

use hubless::{EventKind, Monitor, Pull, Push, Reconnect, Router, SocketType, Sub};

use crate::raw::{
    Peer, SOON, command, frame, greeting, header, is_quiet, listen, our_words, ready, stand::Stand,
};

/// One wrong server: what it is, what it says, what the monitor tells, what follows.
struct Server {
    what: &'static str,
    says: Vec<u8>,
    told: &'static str,
    tries_again: bool,
}

/// Short waits, so that trying again is seen soon.
fn hasty() -> Reconnect {
    let [min, max] = [1, 10].map(Duration::from_millis);
    Reconnect::Backoff { min, max }
}

fn servers() -> Vec<Server> {
    let plain = [&greeting()[..12], b"PLAIN", &greeting()[17..]].concat();
    let two = [&greeting()[..10], b"\x01\x08\0\0"].concat();
    let odd_two = [&greeting()[..10], b"\x01\x01\0\0"].concat();
    let server = |what, says, told, tries_again| Server {
        what,
        says,
        told,
        tries_again,
    };
    let after_greeting = |word: Vec<u8>| [greeting(), word].concat();
    let after_ready = |word: Vec<u8>| [greeting(), ready("PUSH"), word].concat();
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    vec![
        // Not ZMTP at all, as from a proxy: it may be another time.
        server("HTTP", http, "HandshakeFailed(Protocol(Unspecified))", true),
        server(
            "PLAIN",
            plain,
            "HandshakeFailed(Protocol(MechanismMismatch))",
            false,
        ),
        server("silence", vec![], "HandshakeFailed(PeerClosed)", true),
        server(
            "half a greeting",
            greeting()[..30].to_vec(),
            "HandshakeFailed(PeerClosed)",
            true,
        ),
        server(
            "only a greeting",
            greeting(),
            "HandshakeFailed(PeerClosed)",
            true,
        ),
        server(
            "a message too early",
            after_greeting(frame(0, b"early")),
            "HandshakeFailed(Protocol(UnexpectedCommand))",
            false,
        ),
        server(
            "another type",
            after_greeting(ready("PUB")),
            "HandshakeFailed(Protocol(InvalidMetadata))",
            false,
        ),
        server(
            "broken properties",
            after_greeting(command("READY", b"\x05a")),
            "HandshakeFailed(Protocol(InvalidMetadata))",
            false,
        ),
        server(
            "refusal",
            after_greeting(command("ERROR", b"\x03400")),
            "HandshakeFailed(Refused(b\"400\"))",
            false,
        ),
        server(
            "refusal for now",
            after_greeting(command("ERROR", b"\x03300")),
            "HandshakeFailed(Refused(b\"300\"))",
            true,
        ),
        server(
            "a broken refusal",
            after_greeting(command("ERROR", b"\x09")),
            "HandshakeFailed(Protocol(MalformedError))",
            false,
        ),
        server(
            "2.0, another type",
            odd_two,
            "HandshakeFailed(Protocol(InvalidMetadata))",
            false,
        ),
        server("2.0, gone", two, "Disconnected(PeerClosed)", true),
        server(
            "gone",
            after_ready(vec![]),
            "Disconnected(PeerClosed)",
            true,
        ),
        server(
            "half a message",
            after_ready(frame(1, b"half")),
            "Disconnected(PeerClosed)",
            true,
        ),
        server(
            "too large",
            after_ready(header(0, u64::MAX >> 1)),
            "Disconnected(Protocol(Unspecified))",
            true,
        ),
        server(
            "a broken PING",
            after_ready(command("PING", b"\0")),
            "Disconnected(Protocol(MalformedCommand))",
            true,
        ),
        server(
            "a time to live, then silence",
            after_ready(command("PING", b"\0\x01")),
            "Disconnected(HeartbeatTimeout)",
            true,
        ),
    ]
}

/// The next event that matters, as text.
fn next(events: &Monitor) -> String {
    loop {
        match events.recv_timeout(SOON).expect("an event").kind {
            EventKind::Connecting | EventKind::Connected | EventKind::HandshakeSucceeded => {}
            EventKind::ConnectRetried { .. } => return String::from("ConnectRetried"),
            EventKind::ConnectStopped(_) => return String::from("ConnectStopped"),
            kind => return format!("{kind:?}"),
        }
    }
}

#[test]
fn wrong_servers_are_left_and_tried_again_or_not() {
    for server in servers() {
        let what = server.what;
        let mut stand = Stand::new(Pull::builder().reconnect(hasty()));
        while stand.events.try_recv().is_ok() {}
        let (listener, at) = listen();
        stand.socket.connect(&at[..]).expect("to connect");
        let mut peer = Peer::accept(&listener);
        peer.try_say(&server.says);
        stand.exchange();
        if server.told.contains("PeerClosed") {
            peer.end();
        }
        peer.hear_end();
        assert_eq!(next(&stand.events), server.told, "{what}");
        stand.exchange();
        let follows = next(&stand.events);
        if server.tries_again {
            assert_eq!(follows, "ConnectRetried", "{what}");
            // And it is as willing as before.
            let mut peer = Peer::accept(&listener);
            peer.shake(SocketType::Pull, "PUSH");
            peer.say(&frame(0, b"good server"));
            assert_eq!(stand.other()[0], "good server", "{what}");
        } else {
            assert_eq!(follows, "ConnectStopped", "{what}");
            assert!(is_quiet(&listener), "{what}: it tries again");
        }
        stand.exchange();
        assert!(stand.others.is_empty(), "{what}: {:?}", stand.others);
    }
}

#[test]
fn a_silent_server_is_left_in_time_and_tried_again() {
    let builder = Pull::builder().reconnect(hasty());
    let stand = Stand::new(builder.handshake_timeout(Duration::from_millis(100)));
    while stand.events.try_recv().is_ok() {}
    let (listener, at) = listen();
    stand.socket.connect(&at[..]).expect("to connect");
    for stop in [0, 30, 64] {
        let mut peer = Peer::accept(&listener);
        peer.say(&greeting()[..stop]);
        peer.hear_end();
        assert_eq!(next(&stand.events), "HandshakeFailed(HandshakeTimeout)");
        assert_eq!(next(&stand.events), "ConnectRetried");
    }
}

#[test]
fn what_a_lost_server_was_to_get_the_next_one_gets() {
    let push = Push::builder()
        .reconnect(hasty())
        .build()
        .expect("a socket");
    let (listener, at) = listen();
    push.connect(&at[..]).expect("to connect");
    push.send("kept").expect("room");
    for _ in 0..5 {
        // Before both are ready nothing is sent.
        let mut peer = Peer::accept(&listener);
        peer.say(&greeting());
        peer.expect(&our_words(SocketType::Push));
        drop(peer);
    }
    let mut peer = Peer::accept(&listener);
    peer.shake(SocketType::Push, "PULL");
    peer.expect(&frame(0, b"kept"));
}

#[test]
fn subscriptions_are_said_anew_after_every_wrong_server() {
    let sub = Sub::builder().reconnect(hasty()).build().expect("a socket");
    sub.subscribe("a").expect("to subscribe");
    let (listener, at) = listen();
    sub.connect(&at[..]).expect("to connect");
    for _ in 0..3 {
        let mut peer = Peer::accept(&listener);
        peer.shake(SocketType::Sub, "PUB");
        peer.expect(&command("SUBSCRIBE", b"a"));
        peer.say(&command("PING", b""));
        assert_eq!(peer.hear_end(), b"");
    }
}

#[test]
fn a_server_that_changes_its_name_stays_who_it_is() {
    let router = Router::builder()
        .reconnect(hasty())
        .build()
        .expect("a socket");
    let (listener, at) = listen();
    router.connect(&at[..]).expect("to connect");
    for name in [&b"first"[..], b"second"] {
        let mut peer = Peer::accept(&listener);
        let properties = [("Socket-Type", &b"DEALER"[..]), ("Identity", name)];
        peer.say(&[greeting(), crate::raw::ready_with(&properties)].concat());
        peer.expect(&our_words(SocketType::Router));
        peer.say(&frame(0, b"hello"));
        let (id, _) = router.recv_from_timeout(SOON).expect("hello");
        assert_eq!(id.as_bytes(), b"first");
    }
}
