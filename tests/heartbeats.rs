//! Heartbeats: they find the dead, leave the living alone, and never touch a message.

mod common;

use std::{
    thread,
    time::{Duration, Instant},
};

use common::{
    MOMENT, SOON, Started, everywhere, number, numbered, quiet,
    raw::{Raw, command},
};
use hubless::{
    Dealer, ErrorKind, EventKind, Monitor, Pull, Push, Reason, RecvError, Rep, Req, Router,
    SendError,
};

/// Often enough to fall between everything, with a timeout no busy machine reaches.
const OFTEN: Duration = Duration::from_millis(5);

/// How long nothing must happen: a good many heartbeats.
const MANY: Duration = Duration::from_millis(400);

/// No connection has ended so far.
fn undisturbed(what: &str, events: &Monitor) {
    while let Ok(event) = events.try_recv() {
        let ended = matches!(
            event.kind,
            EventKind::Disconnected(_) | EventKind::HandshakeFailed(_)
        );
        assert!(!ended, "{what}: {event:?}");
    }
}

#[test]
fn large_messages_and_a_consumer_that_pauses() {
    for at in everywhere() {
        let pull = Pull::builder()
            .recv_hwm(2)
            .heartbeat_interval(OFTEN)
            .heartbeat_timeout(SOON)
            .build()
            .expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let events = pull.monitor();
        let push = Push::builder()
            .send_hwm(2)
            .heartbeat_interval(OFTEN)
            .heartbeat_timeout(SOON)
            .build()
            .expect("a PUSH");
        push.connect(&at).expect("to connect");
        let sending = Started::new(move || {
            for number in 0..40u64 {
                let body: Vec<u8> = (0..600_000 + number)
                    .map(|at| (at * 31 + number) as u8)
                    .collect();
                push.send((number.to_string(), body, "end"))
                    .expect("to send");
            }
            push
        });
        for expected in 0..40u64 {
            if expected % 10 == 5 {
                // The pause in which PINGs pile up behind a full lane.
                thread::sleep(MOMENT); // tidy: owned time
            }
            let message = pull.recv_timeout(SOON).expect("a message");
            assert_eq!(
                (message.len(), number(&message[0])),
                (3, expected),
                "over {at}"
            );
            assert_eq!(message[1].len() as u64, 600_000 + expected);
            let wrong = message[1]
                .iter()
                .zip(0u64..)
                .position(|(&octet, at)| octet != (at * 31 + expected) as u8);
            assert_eq!(wrong, None, "an octet of {expected}, over {at}");
            assert_eq!(message[2], "end");
        }
        let push = sending.join("the sender");
        quiet("the sender", || push.stats());
        undisturbed("the receiver", &events);
    }
}

#[test]
fn those_who_only_send_and_those_who_only_receive_stay_connected() {
    for at in ["tcp://127.0.0.1:0", "ipc://*"] {
        // Each side in turn is the one that asks for signs of life.
        for asks in [(true, false), (false, true), (true, true)] {
            let every = |asks: bool| asks.then_some(OFTEN);
            let pull = Pull::builder()
                .heartbeat_interval(every(asks.0))
                .heartbeat_timeout(SOON)
                .build()
                .expect("a PULL");
            let at = pull.bind(at).expect("to bind");
            let push = Push::builder()
                .heartbeat_interval(every(asks.1))
                .heartbeat_timeout(SOON)
                .heartbeat_ttl(every(asks.1).map(|_| Duration::from_secs(10)))
                .build()
                .expect("a PUSH");
            let events = [pull.monitor(), push.monitor()];
            push.connect(&at).expect("to connect");
            push.send("first").expect("room");
            assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "first");
            // Nobody has anything to say, and nobody waits.
            assert_eq!(pull.recv_timeout(MANY), Err(RecvError::TimedOut));
            push.send("second").expect("room");
            assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "second");
            for events in &events {
                undisturbed("a quiet connection", events);
            }
        }
    }
}

#[test]
fn a_ping_is_answered_with_its_context() {
    let pull = Pull::new().expect("a PULL");
    let push = Push::new().expect("a PUSH");
    let router = Router::new().expect("a ROUTER");
    let at = "tcp://127.0.0.1:0";
    let rows = [
        (pull.bind(at).expect("to bind"), "PUSH"),
        (push.bind(at).expect("to bind"), "PULL"),
        (router.bind(at).expect("to bind"), "DEALER"),
    ];
    for (at, theirs) in rows {
        let mut raw = Raw::connect(&at, theirs);
        for context in [&b""[..], b"x", b"sixteen octets !"] {
            // No time to live, then the context (RFC 37, "Connection Heartbeating").
            raw.write(&command("PING", &[&[0, 0], context].concat()));
            let answer = raw.read().expect("an answer");
            assert_eq!(answer.flags, 4, "a short command");
            assert_eq!(answer.body, [b"\x04PONG", context].concat(), "to {theirs}");
        }
    }
}

#[test]
fn a_silent_peer_is_found_while_calls_wait() {
    let (listener, at) = common::raw::listen();
    let dealer = Dealer::builder()
        .send_hwm(1)
        .heartbeat_interval(MOMENT)
        .heartbeat_timeout(MOMENT)
        .build()
        .expect("a DEALER");
    let events = dealer.monitor();
    dealer.connect(&at).expect("to connect");
    let receiving = {
        let dealer = dealer.clone();
        Started::new(move || dealer.recv())
    };
    // It says nothing more, and keeps the connection open all the same.
    let silent = Raw::accept(&listener, "ROUTER");
    let start = Instant::now();
    let reason = loop {
        if let EventKind::Disconnected(reason) = events.recv_timeout(SOON).expect("an event").kind {
            break reason;
        }
    };
    assert!(matches!(reason, Reason::HeartbeatTimeout), "{reason}");
    assert!(
        start.elapsed() < SOON,
        "long before the system would say so"
    );
    assert!(!receiving.is_finished(), "who waits goes on waiting");
    // The next one answers: what was asked of nobody arrives.
    let mut next = Raw::accept(&listener, "ROUTER");
    next.send(&[b"hello"]);
    assert_eq!(receiving.join("the receive").expect("it")[0], "hello");
    drop(silent);
    dealer.close(Duration::ZERO).expect("to close");
}

#[test]
fn a_request_to_a_silent_server_ends() {
    let (listener, at) = common::raw::listen();
    let req = Req::builder()
        .heartbeat_interval(MOMENT)
        .heartbeat_timeout(MOMENT)
        .build()
        .expect("a REQ");
    req.connect(&at).expect("to connect");
    let asking = {
        let req = req.clone();
        Started::new(move || req.request("anybody?").map_err(|error| error.kind()))
    };
    let _silent = Raw::accept(&listener, "REP");
    let answer = asking.join("the request");
    assert_eq!(answer, Err(ErrorKind::PeerLost));
    req.close(Duration::ZERO).expect("to close");
}

#[test]
fn requests_go_on_between_heartbeats() {
    for at in ["tcp://127.0.0.1:0", "ipc://*"] {
        let rep = Rep::builder()
            .heartbeat_interval(Duration::from_millis(1))
            .heartbeat_timeout(SOON)
            .build()
            .expect("a REP");
        let at = rep.bind(at).expect("to bind");
        let server = rep.clone();
        let serving = Started::new(move || server.serve(|request| request));
        let req = Req::builder()
            .heartbeat_interval(Duration::from_millis(1))
            .heartbeat_timeout(SOON)
            .build()
            .expect("a REQ");
        req.connect(&at).expect("to connect");
        for round in 0..1000 {
            let answer = req
                .request_timeout(numbered(round), SOON)
                .expect("an answer");
            assert_eq!(number(&answer[0]), round, "over {at}");
        }
        rep.close(SOON).expect("to close");
        serving.join("the server").expect("the end");
    }
}

#[test]
fn a_peer_that_does_not_read_is_no_reason_to_stop_sending_to_others() {
    let push = Push::builder()
        .send_hwm(2)
        .heartbeat_interval(MOMENT)
        .heartbeat_timeout(MOMENT)
        .build()
        .expect("a PUSH");
    let at = push.bind("tcp://127.0.0.1:0").expect("to bind");
    let events = push.monitor();
    let _stuck = Raw::connect(&at, "PULL");
    push.wait_peers(1, SOON)
        .expect("the one that does not read");
    while push.send_timeout(vec![0; 100_000], OFTEN).is_ok() {}
    assert!(matches!(push.try_send("x"), Err(SendError::Full(_))));
    // It is given up, and its place in the turns with it.
    loop {
        let event = events.recv_timeout(SOON).expect("an event");
        if let EventKind::Disconnected(reason) = event.kind {
            assert!(matches!(reason, Reason::HeartbeatTimeout), "{reason}");
            break;
        }
    }
    let pull = Pull::new().expect("a PULL");
    pull.connect(&at).expect("to connect");
    push.send_timeout("on it goes", SOON).expect("a peer");
    assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "on it goes");
}
