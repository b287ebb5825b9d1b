//! Who is who, with libzmq on the other side: routing ids, probes, handover, numbered requests,
//! and what an XPUB shows of its subscribers.

mod interop;

use std::time::Duration;

use hubless::{
    Dealer, ErrorKind, EventKind, Message, Reason, RecvError, Rep, Req, Router, SocketType, Sub,
    Verbosity, XPub,
};
use interop::{
    LIMIT, Peer, Theirs, hex,
    sides::{Ours, Side, await_event},
};

const ANYWHERE: &str = "tcp://127.0.0.1:0";

/// The longest name there may be, of all octets but a zero.
fn long_id() -> Vec<u8> {
    (1..=255).collect()
}

fn frames(message: &Message) -> Vec<&[u8]> {
    message.iter().map(|frame| frame.as_slice()).collect()
}

#[test]
fn their_names_reach_our_router() {
    let peer = Peer::start();
    let router = Router::new().expect("a socket");
    let at = router.bind(ANYWHERE).expect("to bind").to_string();
    for id in [b"A".to_vec(), b"a name".to_vec(), long_id()] {
        let dealer = peer.socket("DEALER", &[("ROUTING_ID", &hex(&id))]);
        dealer.connect(&at);
        Side::send(&dealer, &[b"from", &id]);
        let (from, message) = router.recv_from_timeout(LIMIT).expect("a message");
        assert_eq!(
            (from.as_bytes(), frames(&message)),
            (&id[..], vec![b"from", &id[..]])
        );
        router.send_to(&id, "back").expect("a peer of that name");
        dealer.expect(&[b"back"]);
    }
    // Who has no name is given one: a zero and four octets.
    let dealer = peer.socket("DEALER", &[]);
    dealer.connect(&at);
    Side::send(&dealer, &[b"nameless"]);
    let (from, _) = router.recv_from_timeout(LIMIT).expect("a message");
    assert_eq!((from.as_bytes().len(), from.as_bytes()[0]), (5, 0));
    router.send_to(&from, "back").expect("a peer of that name");
    dealer.expect(&[b"back"]);
}

#[test]
fn our_names_reach_their_router() {
    let peer = Peer::start();
    let router = peer.socket("ROUTER", &[("ROUTER_MANDATORY", "1")]);
    let at = router.bind(ANYWHERE);
    for id in [b"A".to_vec(), b"a name".to_vec(), long_id()] {
        let dealer = Dealer::builder().routing_id(&id).build().expect("a socket");
        dealer.connect(&at).expect("to connect");
        dealer.send_timeout("hello", LIMIT).expect("room");
        router.expect(&[&id, b"hello"]);
        Side::send(&router, &[&id, b"back"]);
        assert_eq!(dealer.recv_timeout(LIMIT).expect("a message")[0], "back");
    }
}

#[test]
fn probes_introduce_both_ways() {
    let peer = Peer::start();
    // Ours introduces itself to theirs: an empty message, before any other.
    let router = peer.socket("ROUTER", &[]);
    let dealer = Dealer::builder().routing_id("prober").probe_router(true);
    let dealer = dealer.build().expect("a socket");
    dealer.connect(router.bind(ANYWHERE)).expect("to connect");
    router.expect(&[b"prober", b""]);
    Side::send(&router, &[b"prober", b"seen"]);
    assert_eq!(dealer.recv_timeout(LIMIT).expect("a message")[0], "seen");
    // Theirs to ours.
    let router = Router::new().expect("a socket");
    let options = [("ROUTING_ID", &*hex(b"prober")), ("PROBE_ROUTER", "1")];
    let dealer = peer.socket("DEALER", &options);
    dealer.connect(&router.bind(ANYWHERE).expect("to bind").to_string());
    let (from, message) = router.recv_from_timeout(LIMIT).expect("a probe");
    assert_eq!(
        (from.as_bytes(), frames(&message)),
        (&b"prober"[..], vec![&b""[..]])
    );
    router
        .send_to("prober", "seen")
        .expect("a peer of that name");
    dealer.expect(&[b"seen"]);
    // And two ROUTERs, which otherwise would never hear of each other.
    let ours = Ours::new("ROUTER", "ours");
    let options = [("ROUTING_ID", &*hex(b"theirs")), ("PROBE_ROUTER", "1")];
    let theirs = peer.socket("ROUTER", &options);
    theirs.connect(&Side::bind(&ours, ANYWHERE));
    ours.expect(&[b"theirs", b""]);
    ours.send(&[b"theirs", b"hello"]);
    theirs.expect(&[b"ours", b"hello"]);
}

/// Two of theirs with one name, one after the other.
fn namesakes<'a>(peer: &'a Peer, at: &str) -> [Theirs<'a>; 2] {
    [(); 2].map(|()| {
        let dealer = peer.socket("DEALER", &[("ROUTING_ID", &hex(b"twin"))]);
        dealer.monitor();
        dealer.connect(at);
        dealer.await_event("HANDSHAKE_SUCCEEDED");
        dealer
    })
}

#[test]
fn a_name_that_is_taken_stays_with_its_owner() {
    let peer = Peer::start();
    let router = Router::new().expect("a socket");
    let events = router.monitor();
    let at = router.bind(ANYWHERE).expect("to bind").to_string();
    let [first, second] = namesakes(&peer, &at);
    await_event(&events, |kind| {
        matches!(kind, EventKind::HandshakeFailed(Reason::DuplicateIdentity))
    });
    second.await_event("DISCONNECTED");
    Side::send(&first, &[b"still here"]);
    let (_, message) = router.recv_from_timeout(LIMIT).expect("a message");
    assert_eq!(message[0], "still here");
    router
        .send_to("twin", "to the first")
        .expect("a peer of that name");
    first.expect(&[b"to the first"]);
}

#[test]
fn with_handover_a_name_goes_to_who_comes_last() {
    let peer = Peer::start();
    let router = Router::builder().handover(true).build().expect("a socket");
    let events = router.monitor();
    let at = router.bind(ANYWHERE).expect("to bind").to_string();
    let first = peer.socket(
        "DEALER",
        &[("ROUTING_ID", &hex(b"twin")), ("RECONNECT_IVL", "-1")],
    );
    first.connect(&at);
    Side::send(&first, &[b"I am first"]);
    let (_, message) = router.recv_from_timeout(LIMIT).expect("a message");
    assert_eq!(message[0], "I am first");
    let second = peer.socket("DEALER", &[("ROUTING_ID", &hex(b"twin"))]);
    second.connect(&at);
    await_event(&events, |kind| {
        matches!(kind, EventKind::Disconnected(Reason::HandedOver))
    });
    Side::send(&second, &[b"I am second"]);
    let (_, message) = router.recv_from_timeout(LIMIT).expect("a message");
    assert_eq!(message[0], "I am second");
    router
        .send_to("twin", "to the second")
        .expect("a peer of that name");
    second.expect(&[b"to the second"]);
}

#[test]
fn at_their_router_our_name_goes_to_who_comes_last() {
    let peer = Peer::start();
    let router = peer.socket("ROUTER", &[("ROUTER_HANDOVER", "1")]);
    let at = router.bind(ANYWHERE);
    let twin = || Dealer::builder().routing_id("twin").build();
    let first = twin().expect("a socket");
    first.connect(&at).expect("to connect");
    first.send_timeout("I am first", LIMIT).expect("room");
    router.expect(&[b"twin", b"I am first"]);
    let second = twin().expect("a socket");
    second.connect(&at).expect("to connect");
    second.send_timeout("I am second", LIMIT).expect("room");
    router.expect(&[b"twin", b"I am second"]);
    Side::send(&router, &[b"twin", b"to the second"]);
    assert_eq!(
        second.recv_timeout(LIMIT).expect("a message")[0],
        "to the second"
    );
}

#[test]
fn our_numbered_requests_are_answered_by_their_rep() {
    let peer = Peer::start();
    let rep = peer.socket("REP", &[]);
    let req = Req::builder().correlate(true).build().expect("a socket");
    req.connect(rep.bind(ANYWHERE)).expect("to connect");
    for question in 0..10u8 {
        let answer = rep.begin_within_limit("echo", r#""count":1"#);
        let asked = ["question".as_bytes(), &[question]];
        let heard = req.request_timeout(asked, LIMIT).expect("an answer");
        assert_eq!(frames(&heard), asked);
        answer.get();
    }
}

/// It is not taken for the answer to the next question.
#[test]
fn a_late_answer_is_told_by_its_number() {
    let peer = Peer::start();
    let router = peer.socket("ROUTER", &[]);
    let builder = Req::builder().correlate(true).routing_id("asker");
    let req = builder.build().expect("a socket");
    req.connect(router.bind(ANYWHERE)).expect("to connect");
    req.send_timeout("first", LIMIT).expect("room");
    let first = router.recv();
    assert_eq!(
        (first.len(), &*first[0], first[1].len()),
        (4, &b"asker"[..], 4)
    );
    req.abandon();
    req.send_timeout("second", LIMIT).expect("room");
    let second = router.recv();
    assert_eq!((&*second[0], &*second[3]), (&b"asker"[..], &b"second"[..]));
    assert_ne!(first[1], second[1]);
    for (asked, answer) in [(&first, "late"), (&second, "in time")] {
        Side::send(&router, &[&asked[0], &asked[1], b"", answer.as_bytes()]);
    }
    assert_eq!(req.recv_timeout(LIMIT).expect("an answer")[0], "in time");
    assert_eq!(req.try_recv(), Err(RecvError::WrongState));
}

#[test]
fn a_late_answer_finds_nobody_when_requests_have_no_number() {
    let peer = Peer::start();
    let rep = peer.socket("REP", &[]);
    let req = Req::new().expect("a socket");
    let events = req.monitor();
    req.connect(rep.bind(ANYWHERE)).expect("to connect");
    let first = req.request_timeout("first", Duration::from_millis(200));
    assert_eq!(first.expect_err("no answer").kind(), ErrorKind::TimedOut);
    await_event(&events, |kind| {
        matches!(kind, EventKind::Disconnected(Reason::Local))
    });
    rep.expect(&[b"first"]);
    Side::send(&rep, &[b"late"]);
    let answer = rep.begin_within_limit("echo", r#""count":1"#);
    let heard = req.request_timeout("second", LIMIT).expect("an answer");
    assert_eq!(frames(&heard), [b"second"]);
    answer.get();
}

#[test]
fn their_numbered_requests_are_answered_by_our_rep() {
    let peer = Peer::start();
    let rep = Rep::new().expect("a socket");
    let at = rep.bind(ANYWHERE).expect("to bind").to_string();
    let req = peer.socket("REQ", &[("REQ_CORRELATE", "1"), ("REQ_RELAXED", "1")]);
    req.connect(&at);
    // The first is given up for the second: only the answer to that one is heard.
    Side::send(&req, &[b"first"]);
    let (first, to_first) = rep.recv_timeout(LIMIT).expect("a question");
    Side::send(&req, &[b"second"]);
    let (second, to_second) = rep.recv_timeout(LIMIT).expect("a question");
    assert_eq!(
        (frames(&first), frames(&second)),
        (vec![&b"first"[..]], vec![&b"second"[..]])
    );
    to_first.reply("late");
    assert!(to_second.reply("in time"));
    req.expect(&[b"in time"]);
}

/// Two of theirs subscribe and cancel; what ours is shown.
fn shown(verbosity: Verbosity) -> Vec<Vec<u8>> {
    let peer = Peer::start();
    let xpub = XPub::builder()
        .verbosity(verbosity)
        .build()
        .expect("a socket");
    let at = xpub.bind(ANYWHERE).expect("to bind").to_string();
    let subscribers = [(); 2].map(|()| peer.socket("SUB", &[]));
    let mut shown = Vec::new();
    let mut await_topic = |topic: &[u8]| {
        loop {
            shown.push(xpub.recv_timeout(LIMIT).expect("a subscription")[0].to_vec());
            if shown.last().is_some_and(|last| last == topic) {
                break;
            }
        }
    };
    for (at_last, subscriber) in subscribers.iter().enumerate() {
        subscriber.connect(&at);
        // What follows a topic of its own has been heard when that one is shown.
        subscriber.subscribe(b"shared");
        subscriber.subscribe(&[b'0' + at_last as u8]);
        await_topic(&[1, b'0' + at_last as u8]);
    }
    for (at_last, subscriber) in subscribers.iter().enumerate() {
        subscriber.unsubscribe(b"shared");
        subscriber.unsubscribe(&[b'0' + at_last as u8]);
        await_topic(&[0, b'0' + at_last as u8]);
    }
    shown.retain(|topic| topic.len() > 2);
    shown
}

#[test]
fn our_xpub_shows_as_much_as_it_is_told_to() {
    let (made, ended) = (b"\x01shared".to_vec(), b"\0shared".to_vec());
    assert_eq!(shown(Verbosity::First), [made.clone(), ended.clone()]);
    assert_eq!(
        shown(Verbosity::Subscriptions),
        [made.clone(), made.clone(), ended.clone()]
    );
    assert_eq!(
        shown(Verbosity::All),
        [made.clone(), made, ended.clone(), ended]
    );
}

#[test]
fn a_subscriber_is_welcomed_both_ways() {
    let peer = Peer::start();
    let xpub = XPub::builder()
        .welcome("welcome")
        .build()
        .expect("a socket");
    let sub = peer.socket("SUB", &[]);
    sub.subscribe(b"welcome");
    sub.connect(&xpub.bind(ANYWHERE).expect("to bind").to_string());
    sub.expect(&[b"welcome"]);

    let xpub = peer.socket("XPUB", &[("XPUB_WELCOME_MSG", &hex(b"welcome"))]);
    let sub = Sub::new().expect("a socket");
    sub.subscribe("welcome").expect("to subscribe");
    sub.connect(xpub.bind(ANYWHERE)).expect("to connect");
    assert_eq!(sub.recv_timeout(LIMIT).expect("a message")[0], "welcome");
}

#[test]
fn our_monitor_tells_of_their_handshake() {
    let peer = Peer::start();
    let router = Router::new().expect("a socket");
    let events = router.monitor();
    let at = router.bind(ANYWHERE).expect("to bind").to_string();
    let dealer = peer.socket("DEALER", &[("ROUTING_ID", &hex(b"somebody"))]);
    dealer.connect(&at);
    let mut names = Vec::new();
    let ready = loop {
        let event = events.recv_timeout(LIMIT).expect("an event");
        assert_eq!(event.endpoint.to_string(), at);
        names.push(match event.kind {
            EventKind::Listening => "listening",
            EventKind::Accepted => "accepted",
            EventKind::HandshakeSucceeded => break event,
            other => panic!("{other:?}"),
        });
    };
    assert_eq!(names, ["listening", "accepted"]);
    let who = ready.peer.expect("somebody is there");
    assert_eq!(who.socket_type, Some(SocketType::Dealer));
    assert_eq!(&who.identity[..], b"somebody");
    assert_eq!(
        who.property("Socket-Type").map(|value| &value[..]),
        Some(&b"DEALER"[..])
    );
    assert_eq!((&*who.local, &*who.address), (&*at, "127.0.0.1"));
    dealer.close(0);
    let gone = events.recv_timeout(LIMIT).expect("an event");
    assert!(matches!(gone.kind, EventKind::Disconnected(_)), "{gone:?}");
    let who = gone.peer.expect("somebody was there");
    assert_eq!(&who.identity[..], b"somebody");
}
