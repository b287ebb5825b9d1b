//! Peers that know the protocol and break the pattern's rules: subscriptions and envelopes.

use std::time::Duration;

use hubless::{Message, Pub, Rep, Req, Router, SocketType, XPub, XSub};

use crate::raw::{Peer, SOON, command, frame, ready_with, stand::Stand};

/// A request or reply on the wire.
fn message(frames: &[&[u8]]) -> Vec<u8> {
    let last = frames.len() - 1;
    let octets = frames.iter().enumerate();
    octets
        .flat_map(|(place, body)| frame(u8::from(place < last), body))
        .collect()
}

/// What is not a request: no delimiter, or nothing behind it.
const NO_REQUESTS: [&[&[u8]]; 6] = [
    &[b""],
    &[b"body"],
    &[b"id", b"body"],
    &[b"id", b""],
    &[b"id", b"id", b"body", b""],
    &[b"x" as &[u8]; 50],
];

#[test]
fn a_rep_drops_what_is_no_request() {
    let mut stand = Stand::new(Rep::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Rep, "DEALER");
    for wrong in NO_REQUESTS {
        peer.say(&message(wrong));
        peer.check_open();
        stand.exchange();
    }
    assert!(stand.others.is_empty());
    // The whole way back is told by the peer, whatever it is made of.
    let large = [b'i'; 70_000];
    let many = [&b"id"[..]; 1000];
    let ways: [&[&[u8]]; 4] = [&[], &[b"id"], &[b"\0", b"id", &large], &many];
    for way in ways {
        let asked: [&[u8]; 4] = [b"", b"ask", b"", b"more"];
        let request = [way, &asked].concat();
        peer.say(&message(&request));
        assert_eq!(stand.other(), Message::from(["ask", "", "more"]));
        peer.expect(&message(&request));
    }
}

#[test]
fn a_rep_answers_nobody_who_has_gone() {
    let mut stand = Stand::new(Rep::builder());
    let peer = {
        let mut peer = Peer::ready(&stand.at, SocketType::Rep, "REQ");
        peer.say(&message(&[b"", b"ask and go"]));
        peer.end();
        assert_eq!(peer.hear_end(), b"");
        peer
    };
    assert_eq!(stand.end_of(&peer), "Disconnected(PeerClosed)");
    assert_eq!(stand.other()[0], "ask and go");
    stand.exchange();
}

/// What answers nothing: no delimiter, nothing behind it, another's id.
const NO_ANSWERS: [&[&[u8]]; 6] = [
    &[b""],
    &[b"body"],
    &[b"id", b"", b"body"],
    &[b"\0\0\0\0", b"", b"body"],
    &[b"id", b"body"],
    &[b"x" as &[u8]; 50],
];

#[test]
fn a_req_drops_what_answers_nothing() {
    let req = Req::builder().build().expect("a socket");
    let at = req.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut asked = Peer::ready(&at, SocketType::Req, "REP");
    req.send("first").expect("one is there");
    asked.expect(&message(&[b"", b"first"]));
    let mut other = Peer::ready(&at, SocketType::Req, "ROUTER");
    for wrong in NO_ANSWERS {
        asked.say(&message(wrong));
        asked.check_open();
    }
    // Well-formed, but not from the peer that was asked.
    other.say(&message(&[b"", b"forged"]));
    other.check_open();
    assert!(req.try_recv().is_err());
    asked.say(&message(&[b"", b"answer"]).repeat(2));
    let answer = req.recv_timeout(SOON).expect("the answer");
    assert_eq!(answer, Message::from("answer"));
    // What came unasked, or twice, is not the answer to a later request.
    asked.check_open();
    for peer in [&mut asked, &mut other] {
        req.send("next").expect("two are there");
        peer.expect(&message(&[b"", b"next"]));
        peer.say(&message(&[b"", b"good"]));
        let answer = req.recv_timeout(SOON).expect("the answer");
        assert_eq!(answer, Message::from("good"));
    }
}

#[test]
fn a_req_that_numbers_its_requests_knows_late_answers() {
    let req = Req::builder().correlate(true).build().expect("a socket");
    let at = req.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut peer = Peer::ready(&at, SocketType::Req, "REP");
    peer.check_open();
    let mut request = || {
        let octets = peer.hear(2 + 4 + 2 + 2 + 1);
        assert_eq!(
            (&octets[..2], &octets[6..]),
            (&b"\x01\x04"[..], &b"\x01\0\0\x01?"[..])
        );
        octets[2..6].to_vec()
    };
    let short = Duration::from_millis(1);
    assert!(req.request_timeout("?", short).is_err());
    let late = request();
    req.send("?").expect("to ask again");
    let id = request();
    assert_ne!(late, id);
    for wrong in NO_ANSWERS {
        peer.say(&message(wrong));
    }
    peer.say(&message(&[b"", b"no number"]));
    peer.say(&message(&[&late, b"", b"late"]));
    peer.say(&message(&[&id, b"", b"in time"]));
    let answer = req.recv_timeout(SOON).expect("the answer");
    assert_eq!(answer, Message::from("in time"));
    peer.check_open();
}

#[test]
fn a_late_answer_without_a_number_cannot_be_taken_for_another() {
    let req = Req::new().expect("a socket");
    let at = req.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut peer = Peer::ready(&at, SocketType::Req, "REP");
    peer.check_open();
    assert!(req.request_timeout("?", Duration::from_millis(1)).is_err());
    peer.expect(&message(&[b"", b"?"]));
    // Its connection is ended, so that the answer finds nobody.
    peer.try_say(&message(&[b"", b"late"]));
    assert_eq!(peer.hear_end(), b"");
    let mut again = Peer::ready(&at, SocketType::Req, "REP");
    req.send("again").expect("to ask again");
    again.expect(&message(&[b"", b"again"]));
    again.say(&message(&[b"", b"in time"]));
    let answer = req.recv_timeout(SOON).expect("the answer");
    assert_eq!(answer, Message::from("in time"));
}

#[test]
fn odd_subscriptions_do_no_harm() {
    let mut stand = Stand::new(XPub::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::XPub, "XSUB");
    // Of what is not there nothing is taken back, and nothing shown.
    for word in [command("CANCEL", b"never"), frame(0, b"\0never")] {
        peer.say(&word);
        peer.check_open();
        stand.exchange();
        assert!(stand.others.is_empty());
    }
    // However often it is said, a topic is held once, in whichever form it is said.
    let topic = [command("SUBSCRIBE", b"t"), frame(0, b"\x01t")].concat();
    peer.say(&topic.repeat(100));
    peer.check_open();
    assert_eq!(stand.other()[0], "\x01t");
    stand.socket.send("to all").expect("to send");
    peer.expect(&frame(0, b"to all"));
    peer.say(&command("CANCEL", b"t"));
    peer.check_open();
    assert_eq!(stand.other()[0], "\0t");
    stand.socket.send("to nobody").expect("to send");
    peer.check_open();
    // A subscription in a later frame is one as well; the rest is the application's.
    peer.say(&message(&[b"said", b"\x01u", b"more"]));
    assert_eq!(stand.other()[0], "\x01u");
    assert_eq!(stand.other(), Message::from(["said", "more"]));
    // A peer that goes takes its topics along.
    peer.say(&command("SUBSCRIBE", b""));
    assert_eq!(stand.other()[0], "\x01");
    peer.end();
    assert_eq!(stand.end_of(&peer), "Disconnected(PeerClosed)");
    let mut gone = [stand.other(), stand.other()].map(|message| message[0].to_vec());
    gone.sort();
    assert_eq!(gone, [b"\0".to_vec(), b"\0u".to_vec()]);
    assert!(stand.others.is_empty());
}

#[test]
fn topics_of_any_length_come_and_go() {
    let mut stand = Stand::new(Pub::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Pub, "SUB");
    let long = vec![b'l'; 5 << 20];
    for length in [0, 1, 255, 256, 65_535, 65_536] {
        peer.say(&frame(0, &[b"\x01", &long[..length]].concat()));
    }
    // As commands they may have 64 KiB, as messages what a message may have.
    peer.say(&frame(0, &[b"\x01", &long[..]].concat()));
    peer.check_open();
    stand.socket.send(&long[..]).expect("to send");
    peer.expect(&frame(0, &long));
    peer.say(&frame(0, &[b"\0", &long[..]].concat()));
    peer.check_open();
    stand.exchange();
}

#[test]
fn topics_have_a_limit() {
    let over = "Disconnected(Protocol(Unspecified))";
    let mut stand = Stand::new(Pub::builder().max_topic_octets(1000));
    for long in [frame(0, &[1; 1002]), command("SUBSCRIBE", &[1; 1001])] {
        let mut peer = Peer::ready(&stand.at, SocketType::Pub, "SUB");
        peer.say(&long);
        assert_eq!(peer.hear_end(), b"");
        assert_eq!(stand.end_of(&peer), over);
    }
    // Many small ones are as much as one that is large.
    let mut peer = Peer::ready(&stand.at, SocketType::Pub, "SUB");
    for topic in 0..1000_u16 {
        if !peer.try_say(&command("SUBSCRIBE", &topic.to_be_bytes())) {
            break;
        }
    }
    peer.hear_end();
    assert_eq!(stand.end_of(&peer), over);
}

#[test]
fn an_xsub_receives_whatever_comes() {
    let mut stand = Stand::new(XSub::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::XSub, "XPUB");
    peer.expect(&command("SUBSCRIBE", b"good"));
    peer.say(&[frame(0, b"unasked"), frame(0, b"\x01t"), frame(0, b"")].concat());
    peer.check_open();
    for body in ["unasked", "\x01t", ""] {
        assert_eq!(stand.other()[0], body);
    }
}

#[test]
fn a_name_is_only_what_a_peer_calls_itself() {
    // A REP goes by no names: two of the same are two, and one that cannot be is none.
    let mut stand = Stand::new(Rep::builder());
    for name in [&b"same"[..], b"same", b"\0zero", &[b'n'; 300]] {
        let mut peer = Peer::connect(&stand.at);
        let word = ready_with(&[("Socket-Type", b"REQ"), ("Identity", name)]);
        peer.say(&[crate::raw::greeting(), word].concat());
        peer.expect(&crate::raw::our_words(SocketType::Rep));
        peer.say(&message(&[b"", b"ask"]));
        assert_eq!(stand.other()[0], "ask");
        peer.expect(&message(&[b"", b"ask"]));
    }
    // To a ROUTER, of two names the last counts.
    let mut stand = Stand::new(Router::builder());
    let mut peer = Peer::connect(&stand.at);
    let names: [(&str, &[u8]); 3] = [
        ("Socket-Type", b"DEALER"),
        ("Identity", b"first"),
        ("Identity", b"last"),
    ];
    peer.say(&[crate::raw::greeting(), ready_with(&names)].concat());
    peer.expect(&crate::raw::our_words(SocketType::Router));
    peer.say(&frame(0, b"hello"));
    assert_eq!(stand.other()[0], "hello");
    assert!(stand.socket.send_to("first", "?").is_err());
    stand.socket.send_to("last", "!").expect("to send");
    peer.expect(&frame(0, b"!"));
}
