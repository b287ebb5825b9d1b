//! Monitors: what happens is told in order, with the peer and the reason, and in bounded memory.

mod common;

use std::time::Duration;

use common::{
    AT_ONCE, MOMENT, SOON, Started, eventually, everywhere, fresh_path, inproc, numbered,
    raw::{Raw, command},
};
use hubless::{
    Dealer, Event, EventKind, Linger, Monitor, Pub, Pull, Push, Reason, Reconnect, RecvError,
    Router, SocketType, Sub,
};

/// An event in a word.
fn word(event: &Event) -> String {
    match &event.kind {
        EventKind::Disconnected(reason) => format!("Disconnected: {reason}"),
        EventKind::HandshakeFailed(reason) => format!("HandshakeFailed: {reason}"),
        EventKind::ConnectStopped(reason) => format!("ConnectStopped: {reason}"),
        EventKind::Subscribed(topic) => format!("Subscribed {}", topic.escape_ascii()),
        EventKind::Unsubscribed(topic) => format!("Unsubscribed {}", topic.escape_ascii()),
        kind => {
            let text = format!("{kind:?}");
            let name = |c: char| !c.is_ascii_alphabetic();
            text.split(name).next().unwrap_or_default().to_owned()
        }
    }
}

/// The next events, in words.
fn next(events: &Monitor, count: usize) -> Vec<String> {
    let next = |_| word(&events.recv_timeout(SOON).expect("an event"));
    (0..count).map(next).collect()
}

#[test]
fn the_life_of_a_connection_from_both_ends() {
    for at in ["tcp://127.0.0.1:0", "ipc://*"] {
        let router = Router::new().expect("a ROUTER");
        let bound = router.monitor();
        let at = router.bind(at).expect("to bind");
        assert_eq!(next(&bound, 1), ["Listening"]);
        let dealer = Dealer::builder()
            .routing_id("me")
            .reconnect(AT_ONCE)
            .build()
            .expect("a DEALER");
        let connected = dealer.monitor();
        dealer.connect(&at).expect("to connect");
        assert_eq!(next(&connected, 2), ["Connecting", "Connected"], "{at}");
        assert_eq!(next(&bound, 1), ["Accepted"]);

        // Now it is known who they are.
        let event = connected.recv_timeout(SOON).expect("an event");
        assert!(
            matches!(event.kind, EventKind::HandshakeSucceeded),
            "{event:?}"
        );
        assert_eq!(event.endpoint, at);
        let peer = event.peer.expect("somebody");
        assert_eq!(peer.socket_type, Some(SocketType::Router));
        let event = bound.recv_timeout(SOON).expect("an event");
        assert!(
            matches!(event.kind, EventKind::HandshakeSucceeded),
            "{event:?}"
        );
        let peer = event.peer.expect("somebody");
        assert_eq!(
            (peer.socket_type, &peer.identity[..]),
            (Some(SocketType::Dealer), &b"me"[..])
        );

        // The bound side ends: who connected tries again, and again.
        router.close(SOON).expect("to close");
        let rest: Vec<String> = bound.map(|event| word(&event)).collect();
        assert!(
            rest.contains(&"Disconnected: closed here".to_owned()),
            "{rest:?}"
        );
        assert!(rest.contains(&"Closed".to_owned()), "{rest:?}");
        let next = next(&connected, 5);
        assert_eq!(next[0], "Disconnected: the peer closed the connection");
        assert_eq!(
            next[1..],
            [
                "ConnectRetried",
                "Connecting",
                "ConnectFailed",
                "ConnectRetried"
            ]
        );
        dealer.close(SOON).expect("to close");
        // The iterator comes to its end.
        assert!(connected.into_iter().count() < 100_000);
    }
}

#[test]
fn times_and_peers_are_told() {
    let pull = Pull::new().expect("a PULL");
    let events = pull.monitor();
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut addresses = Vec::new();
    for _ in 0..3 {
        let raw = Raw::connect(&at, "PUSH");
        addresses.push(raw.stream.local_addr().expect("its address").to_string());
        drop(raw);
    }
    let mut told: Vec<Event> = Vec::new();
    while told
        .iter()
        .filter(|event| word(event).starts_with("Disc"))
        .count()
        < 3
    {
        told.push(events.recv_timeout(SOON).expect("an event"));
    }
    assert!(
        told.is_sorted_by_key(|event| event.at),
        "time goes forwards"
    );
    for address in addresses {
        let of_peer = told.iter().filter(|event| {
            let peer = event.peer.as_deref();
            peer.is_some_and(|peer| peer.remote.ends_with(&address))
        });
        let words: Vec<String> = of_peer.map(word).collect();
        let expected = [
            "Accepted",
            "HandshakeSucceeded",
            "Disconnected: the peer closed the connection",
        ];
        assert_eq!(words, expected, "of {address}");
    }
}

#[test]
fn a_handshake_that_fails_says_why() {
    let pull = Pull::builder()
        .handshake_timeout(MOMENT)
        .build()
        .expect("a PULL");
    let events = pull.monitor();
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let _silent = Raw::connect_silently(&at);
    let expected = [
        "Listening",
        "Accepted",
        "HandshakeFailed: the handshake took too long",
    ];
    assert_eq!(next(&events, 3), expected);
    // A type that a PULL does not talk with.
    let rep = hubless::Rep::builder()
        .reconnect(Reconnect::Never)
        .build()
        .expect("a REP");
    let connected = rep.monitor();
    rep.connect(&at).expect("to connect");
    assert_eq!(next(&connected, 2), ["Connecting", "Connected"]);
    let words = next(&connected, 2);
    assert!(words[0].starts_with("HandshakeFailed: "), "{words:?}");
    assert!(words[1].starts_with("ConnectStopped: "), "{words:?}");
}

#[test]
fn silence_is_told() {
    let dealer = Dealer::builder()
        .heartbeat_interval(MOMENT)
        .heartbeat_timeout(MOMENT)
        .reconnect(AT_ONCE)
        .build()
        .expect("a DEALER");
    let events = dealer.monitor();
    let (listener, at) = common::raw::listen();
    dealer.connect(at).expect("to connect");
    // A thread waits for a message meanwhile: it drives the connection, and must not miss this.
    let waiting = {
        let dealer = dealer.clone();
        Started::new(move || dealer.recv())
    };
    let _silent = Raw::accept(&listener, "DEALER");
    let expected = ["Connecting", "Connected", "HandshakeSucceeded"];
    assert_eq!(next(&events, 3), expected);
    let event = events.recv_timeout(SOON).expect("an event");
    assert!(
        matches!(
            event.kind,
            EventKind::Disconnected(Reason::HeartbeatTimeout)
        ),
        "{event:?}"
    );
    // And it is looked for again.
    let _again = Raw::accept(&listener, "DEALER");
    assert!(!waiting.is_finished());
    dealer.close(Duration::ZERO).expect("to close");
    assert_eq!(waiting.join("the receive"), Err(RecvError::Closed));
}

#[test]
fn subscriptions_are_told() {
    for at in everywhere() {
        let publisher = Pub::new().expect("a PUB");
        let at = publisher.bind(&at).expect("to bind");
        let events = publisher.monitor();
        let sub = Sub::new().expect("a SUB");
        sub.subscribe("weather.").expect("to subscribe");
        sub.connect(&at).expect("to connect");
        let until = |wanted: &str| {
            while word(&events.recv_timeout(SOON).expect("an event")) != wanted {}
        };
        until("Subscribed weather.");
        sub.subscribe("sports.").expect("to subscribe");
        until("Subscribed sports.");
        sub.unsubscribe("weather.").expect("to cancel");
        until("Unsubscribed weather.");
    }
}

#[test]
fn a_queue_that_fills_and_drains_is_told() {
    for at in [inproc(), "tcp://127.0.0.1:0".into()] {
        let push = Push::builder()
            .send_hwm(4)
            .linger(Linger::Drop)
            .build()
            .expect("a PUSH");
        let at = push.bind(&at).expect("to bind");
        let pull = Pull::builder().recv_hwm(4).build().expect("a PULL");
        pull.connect(&at).expect("to connect");
        push.wait_peers(1, SOON).expect("the PULL");
        let events = push.monitor();
        let mut sent = 0;
        while push
            .send_timeout((sent.to_string(), vec![0; 100_000]), MOMENT)
            .is_ok()
        {
            sent += 1;
        }
        let mut words = Vec::new();
        while let Ok(event) = events.try_recv() {
            words.push(word(&event));
        }
        assert_eq!(
            words.last().map(String::as_str),
            Some("Congested"),
            "{words:?}"
        );
        for _ in 0..sent {
            pull.recv_timeout(SOON).expect("a message");
        }
        let mut last = String::new();
        eventually("it is drained", || {
            while let Ok(event) = events.try_recv() {
                last = word(&event);
            }
            last == "Drained"
        });
    }
}

#[test]
fn a_monitor_that_lags_is_told_how_far() {
    let push = Push::builder()
        .reconnect(Reconnect::Never)
        .build()
        .expect("a PUSH");
    let (lagging, reading) = (push.monitor(), push.monitor());
    // Each attempt is told in three events: Connecting, ConnectFailed, ConnectStopped.
    let nowhere = format!("ipc://{}", fresh_path().display());
    let (attempts, mut seen) = (2000, 0);
    for _ in 0..attempts {
        push.connect(&nowhere).expect("to connect");
        loop {
            seen += 1;
            if word(&reading.recv_timeout(SOON).expect("an event")).starts_with("ConnectStopped") {
                break;
            }
        }
    }
    assert_eq!(seen, 3 * attempts, "who reads misses nothing");
    // Who has read all there is learns that it was not all, though nothing more happens.
    let (mut held, mut missed) = (0, None);
    while let Ok(event) = lagging.try_recv() {
        match event.kind {
            EventKind::Lagged(count) => missed = Some(count),
            _ => held += 1,
        }
        assert!(missed.is_none() || lagging.try_recv().is_err());
    }
    assert!(held < 3 * attempts, "memory has a bound");
    assert_eq!(held + missed.expect("some") as usize, 3 * attempts);
    push.connect(&nowhere).expect("to connect");
    assert_eq!(next(&lagging, 1), ["Connecting"], "and on it goes");
}

#[test]
fn several_monitors_hear_the_same_and_end_with_their_socket() {
    let pull = Pull::new().expect("a PULL");
    let monitors = [pull.monitor(), pull.monitor(), pull.monitor()];
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let push = Push::new().expect("a PUSH");
    push.connect(&at).expect("to connect");
    push.send(numbered(1)).expect("room");
    pull.recv_timeout(SOON).expect("it");
    let [early, ..] = &monitors;
    assert_eq!(
        next(early, 3),
        ["Listening", "Accepted", "HandshakeSucceeded"]
    );
    assert_eq!(early.recv_timeout(MOMENT).err(), Some(RecvError::TimedOut));
    assert_eq!(early.try_recv().err(), Some(RecvError::Empty));
    pull.close(SOON).expect("to close");
    let [early, one, other] = monitors
        .map(|monitor| Started::new(move || monitor.map(|event| word(&event)).collect::<Vec<_>>()));
    let (one, other) = (one.join("its end"), other.join("its end"));
    assert_eq!(one, other);
    assert_eq!(one[..3], ["Listening", "Accepted", "HandshakeSucceeded"]);
    assert_eq!(one[3..], early.join("its end"));
}

#[test]
fn who_never_waits_hears_of_the_end_too() {
    let pull = Pull::new().expect("a PULL");
    let events = pull.monitor();
    assert_eq!(events.try_recv().err(), Some(RecvError::Empty));
    pull.bind(inproc()).expect("to bind");
    pull.close(SOON).expect("to close");
    let mut seen = Vec::new();
    let end = loop {
        match events.try_recv() {
            Ok(event) => seen.push(word(&event)),
            Err(end) => break end,
        }
    };
    assert_eq!(end, RecvError::Closed, "after {seen:?}");
    assert_eq!(seen.first().map(String::as_str), Some("Listening"));
}

#[test]
fn refused_subscribers_are_told_what_is_wrong() {
    let publisher = Pub::builder().max_topic_octets(10).build().expect("a PUB");
    let events = publisher.monitor();
    let at = publisher.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut raw = Raw::connect(&at, "SUB");
    raw.write(&command("SUBSCRIBE", &[b'x'; 100]));
    raw.read_to_end();
    let words = next(&events, 4);
    assert_eq!(words[..3], ["Listening", "Accepted", "HandshakeSucceeded"]);
    assert!(words[3].starts_with("Disconnected: "), "{words:?}");
}

#[test]
fn waits_before_reconnecting_are_random_and_grow_to_their_limit() {
    let (min, max) = (Duration::from_millis(2), Duration::from_millis(16));
    let push = Push::builder()
        .reconnect(Reconnect::Backoff { min, max })
        .linger(Linger::Drop)
        .build()
        .expect("a socket");
    let events = push.monitor();
    push.connect(common::free_port()).expect("to connect");
    let waits: Vec<Duration> = events
        .filter_map(|event| match event.kind {
            EventKind::ConnectRetried { after } => Some(after),
            _ => None,
        })
        .take(20)
        .collect();
    for (attempt, wait) in waits.iter().enumerate() {
        let limit = max.min(min * (1 << attempt.min(10)));
        assert!(*wait <= limit, "wait {attempt} of {waits:?}");
    }
    // Of 17 random shares of 16 ms not one above 4 ms: once in ten thousand million runs.
    assert!(waits.iter().any(|&wait| wait > max / 4), "{waits:?}");
    assert!(waits.windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
}
