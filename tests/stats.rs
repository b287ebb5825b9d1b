//! The numbers of sockets and peers, exact: messages, frames, octets, queues, drops by reason,
//! connections.

mod common;

use std::time::Duration;

use common::{SOON, balanced, eventually, everywhere, free_port, inproc};
use hubless::{
    Dealer, LaneStats, Linger, Message, Meter, Pub, Pull, Push, RecvError, Router, SendError, Sub,
};

/// Three messages: 6 frames, 3 + 2 + 5 + 0 + 300 + 20 000 octets, three headers of which are long.
fn letters() -> [Message; 3] {
    let long = |octets: usize| "x".repeat(octets);
    [
        Message::from("one"),
        Message::from(["to", "frame", ""]),
        Message::from([long(300), long(20_000)]),
    ]
}

const FRAMES: u64 = 6;
const OCTETS: u64 = 3 + 2 + 5 + 300 + 20_000;
/// Two octets of header for each short frame, nine for each long one (RFC 37, "Framing").
const FRAMED: u64 = OCTETS + 4 * 2 + 2 * 9;

#[test]
fn messages_frames_and_octets_are_counted_alike_everywhere() {
    for at in everywhere() {
        let (pull, push) = (Pull::new().expect("a PULL"), Push::new().expect("a PUSH"));
        let at = pull.bind(at).expect("to bind");
        push.connect(&at).expect("to connect");
        for round in 1..=3 {
            push.send_all(letters()).expect("to send");
            for letter in letters() {
                assert_eq!(pull.recv_timeout(SOON).expect("a letter"), letter);
            }
            eventually("all has left", || push.stats().sent.queued == 0);
            let (sent, received) = (push.stats().sent, pull.stats().received);
            for stats in [sent, received] {
                assert_eq!(
                    (stats.accepted, stats.delivered),
                    (3 * round, 3 * round),
                    "{at}"
                );
                assert_eq!(stats.parts, FRAMES * round, "{at}");
                assert_eq!(stats.octets, OCTETS * round, "{at}");
                assert_eq!(stats.queued_octets, 0, "{at}");
            }
        }
        assert_eq!(push.stats().received, LaneStats::default());
    }
}

#[test]
fn an_envelope_is_counted_as_frames() {
    for at in everywhere() {
        let router = Router::new().expect("a ROUTER");
        let at = router.bind(at).expect("to bind");
        let dealer = Dealer::builder().routing_id("ann").build().expect("it");
        dealer.connect(&at).expect("to connect");
        dealer.send(["", "question"]).expect("to send");
        let question = router.recv_timeout(SOON).expect("it");
        // The name of the peer does not travel.
        router.send(question).expect("to answer");
        assert_eq!(dealer.recv_timeout(SOON).expect("it")[1], "question");
        for stats in [router.stats().sent, router.stats().received] {
            assert_eq!((stats.accepted, stats.parts, stats.octets), (1, 2, 8));
        }
    }
}

#[test]
fn what_waits_is_counted_in_messages_and_octets() {
    // Framed, for nobody is there yet.
    let at = free_port();
    let push = Push::new().expect("a PUSH");
    push.connect(&at).expect("to connect");
    push.send_all(letters()).expect("to send");
    let sent = push.stats().sent;
    assert_eq!((sent.queued, sent.queued_octets), (3, FRAMED));
    assert_eq!((sent.parts, sent.octets), (FRAMES, OCTETS));

    // It arrives, and nobody reads it.
    let pull = Pull::new().expect("a PULL");
    pull.bind(&at).expect("to bind");
    eventually("all has arrived", || pull.stats().received.queued == 3);
    assert_eq!(pull.stats().received.queued_octets, OCTETS);
    eventually("all has left", || push.stats().sent.queued == 0);
    assert_eq!(push.stats().sent.queued_octets, 0);
    assert_eq!(pull.recv().expect("it is here"), letters()[0]);
    assert_eq!(pull.stats().received.queued_octets, OCTETS - 3);
    balanced("the receiver", pull.stats());

    // Within the process both look at one queue.
    let at = inproc();
    let (pull, push) = (Pull::new().expect("a PULL"), Push::new().expect("a PUSH"));
    pull.bind(&at).expect("to bind");
    push.connect(&at).expect("to connect");
    push.send_all(letters()).expect("to send");
    for stats in [push.stats().sent, pull.stats().received] {
        assert_eq!((stats.queued, stats.queued_octets), (3, OCTETS));
    }
}

#[test]
fn each_way_to_lose_a_message_has_its_counter() {
    // No room at a subscriber.
    let at = inproc();
    let publisher = Pub::builder().send_hwm(2).build().expect("a PUB");
    let sub = Sub::builder().recv_hwm(2).build().expect("a SUB");
    publisher.bind(&at).expect("to bind");
    sub.subscribe("").expect("open");
    sub.connect(&at).expect("to connect");
    publisher.wait_subscribers(1, SOON).expect("it");
    publisher.send_all(["x"; 10]).expect("to send");
    let sent = publisher.stats().sent;
    assert_eq!((sent.accepted, sent.refused, sent.queued), (4, 6, 4));
    assert_eq!((sent.dropped, sent.replaced, sent.lost), (0, 0, 0));
    assert_eq!(publisher.peers()[0].sent.refused, 6);

    // Replaced by newer ones: at the sender, who has nobody yet.
    let push = Push::builder().conflate(true).build().expect("a PUSH");
    push.connect(free_port()).expect("to connect");
    push.send_all(["one", "two", "three"]).expect("to send");
    let sent = push.stats().sent;
    assert_eq!((sent.accepted, sent.queued), (3, 1));
    assert_eq!((sent.dropped, sent.replaced), (2, 2));
    assert_eq!((sent.octets, sent.queued_octets), (11, 5 + 2));

    // Thrown away at the end: not replaced.
    let push = Push::builder().linger(Linger::Drop).build().expect("it");
    push.connect(free_port()).expect("to connect");
    push.send_all(["one", "two"]).expect("to send");
    let watched = push.clone();
    assert_eq!(push.close(Duration::ZERO).expect("to close").unsent, 2);
    let sent = watched.stats().sent;
    assert_eq!((sent.dropped, sent.replaced, sent.queued), (2, 0, 0));
    assert_eq!(sent.queued_octets, 0);
    balanced("the closed one", watched.stats());

    // Refused and given back is not lost.
    let push = Push::builder().send_hwm(1).build().expect("a PUSH");
    push.connect(free_port()).expect("to connect");
    push.try_send("taken").expect("room");
    assert!(matches!(push.try_send("back"), Err(SendError::Full(_))));
    let sent = push.stats().sent;
    assert_eq!((sent.accepted, sent.refused, sent.dropped), (1, 0, 0));
}

#[test]
fn connections_are_counted_and_have_an_age() {
    for at in everywhere() {
        let pull = Pull::new().expect("a PULL");
        let at = pull.bind(at).expect("to bind");
        let push = Push::new().expect("a PUSH");
        let connection = push.connect(&at).expect("to connect");
        connection.wait_ready(SOON).expect("a peer");
        pull.wait_peers(1, SOON).expect("a peer");
        let aged = |peers: Vec<hubless::PeerState>| {
            assert_eq!((peers.len(), peers[0].connections), (1, 1), "{at}");
            peers[0].connected_for.expect("it is connected")
        };
        let first = aged(push.peers());
        eventually("it grows older", || aged(push.peers()) > first);
        aged(pull.peers());
        assert_eq!((push.stats().connections, pull.stats().connections), (1, 1));

        // Gone, and there again: whoever connected has had two.
        pull.unbind(&at).expect("it was bound");
        if at.to_string().starts_with("inproc") {
            continue;
        }
        let gone = || push.peers()[0].connected_for.is_none();
        eventually("it is gone", gone);
        assert!(push.peers()[0].info.is_some(), "who it was is known");
        pull.bind(&at).expect("to bind");
        connection.wait_ready(SOON).expect("a peer");
        assert_eq!(push.peers()[0].connections, 2);
        assert!(push.peers()[0].connected_for.is_some());
        assert_eq!(push.stats().connections, 2);
        eventually("here, too", || pull.stats().connections == 2);
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
    }
}

#[test]
fn a_meter_tells_what_the_counters_say() {
    for at in everywhere() {
        let (pull, push) = (Pull::new().expect("a PULL"), Push::new().expect("a PUSH"));
        let at = pull.bind(at).expect("to bind");
        push.connect(&at).expect("to connect");
        let (mut sending, mut receiving) = (Meter::new(&push), Meter::new(&pull));
        let minute = Duration::from_secs(60);
        assert_eq!(receiving.received(minute), None, "one look tells nothing");

        push.send_all(["x"; 100]).expect("to send");
        eventually("all is here", || pull.stats().received.queued == 100);
        for _ in 0..40 {
            pull.recv_timeout(SOON).expect("it is here");
        }
        eventually("time passes", || {
            receiving.sample();
            sending.sample();
            receiving.received(minute).is_some() && sending.sent(minute).is_some()
        });
        let near = |rate: f64, span: Duration, count: f64| {
            assert!((rate * span.as_secs_f64() - count).abs() < 1e-6, "{at}");
        };
        let rates = receiving.received(minute).expect("looks");
        near(rates.arrivals, rates.span, 100.0);
        near(rates.departures, rates.span, 40.0);
        assert!(rates.waiting > 0.0 && rates.waiting <= 60.0, "{rates:?}");
        assert!(!rates.wait().is_zero());
        let rates = sending.sent(minute).expect("looks");
        near(rates.arrivals, rates.span, 100.0);
        let nothing = receiving.sent(minute).expect("looks");
        assert_eq!((nothing.arrivals, nothing.wait()), (0.0, Duration::ZERO));
    }
}
