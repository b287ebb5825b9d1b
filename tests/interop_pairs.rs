//! Every pair of socket types that may talk, with libzmq on the other side: either side ours,
//! either side bound, over TCP and over Unix-domain sockets.

mod interop;

use std::time::Duration;

use interop::{
    LIMIT,
    sides::{Side, play},
};

/// Both send at will.
fn chat(one: &dyn Side, other: &dyn Side) {
    one.send(&[b"to the other"]);
    other.send(&[b"to the one"]);
    other.expect(&[b"to the other"]);
    one.expect(&[b"to the one"]);
    one.send(&[b"several", b"", b"frames"]);
    other.expect(&[b"several", b"", b"frames"]);
    other.send(&[b"", b"and", b"back"]);
    one.expect(&[b"", b"and", b"back"]);
}

/// One asks by `envelope` + question, the other answers; the envelope is what a REQ would add if
/// the asker is a DEALER. The answerer sees its own `envelope` before the question.
fn ask(asker: &dyn Side, answerer: &dyn Side, asked: &[&[u8]], seen: &[&[u8]]) {
    for question in 0..10u8 {
        let tail: [&[u8]; 2] = [b"question", &[question]];
        asker.send(&[asked, &tail[..]].concat());
        answerer.expect(&[seen, &tail[..]].concat());
        let tail: [&[u8]; 2] = [b"answer", &[question]];
        answerer.send(&[seen, &tail[..]].concat());
        asker.expect(&[asked, &tail[..]].concat());
    }
}

/// The publisher is heard by prefix, and only by prefix.
fn publish(publisher: &dyn Side, subscriber: &dyn Side) {
    subscriber.subscribe("weather");
    // The subscription takes its time: repeat until it works.
    let mut rounds = 0..LIMIT.as_millis() / 50;
    while rounds.next().is_some() {
        publisher.send(&[b"weather.sync"]);
        if subscriber.recv_within(Duration::from_millis(50)).is_some() {
            break;
        }
    }
    assert!(!rounds.is_empty(), "no subscription within {LIMIT:?}");
    publisher.send(&[b"sports", b"not for you"]);
    publisher.send(&[b"weather.paris", b"21", b""]);
    publisher.send(&[b"weathe"]);
    publisher.send(&[b"weather"]);
    let mut received = subscriber.recv();
    while received == [b"weather.sync"] {
        received = subscriber.recv();
    }
    assert_eq!(received, [&b"weather.paris"[..], b"21", b""]);
    subscriber.expect(&[b"weather"]);
}

/// As [`publish`], and the publisher sees the subscription first.
fn publish_and_see(publisher: &dyn Side, subscriber: &dyn Side) {
    subscriber.subscribe("weather");
    publisher.expect(&[b"\x01weather"]);
    subscriber.subscribe("alarm");
    publisher.expect(&[b"\x01alarm"]);
    publish(publisher, subscriber);
}

/// One hands work to the other.
fn work(pusher: &dyn Side, puller: &dyn Side) {
    for task in 0..10u8 {
        pusher.send(&[b"task", &[task]]);
    }
    for task in 0..10u8 {
        puller.expect(&[b"task", &[task]]);
    }
}

/// Both know each other by name. A ROUTER has to wait for its peer.
fn route(one: &dyn Side, other: &dyn Side) {
    one.await_peer();
    other.await_peer();
    one.send(&[b"other", b"hello", b""]);
    other.expect(&[b"one", b"hello", b""]);
    other.send(&[b"one", b"", b"and back"]);
    one.expect(&[b"other", b"", b"and back"]);
}

#[test]
fn pair_and_pair() {
    play(("PAIR", "PAIR"), chat);
}

#[test]
fn pub_and_sub() {
    play(("PUB", "SUB"), publish);
}

#[test]
fn pub_and_xsub() {
    play(("PUB", "XSUB"), publish);
}

#[test]
fn xpub_and_sub() {
    play(("XPUB", "SUB"), publish_and_see);
}

#[test]
fn xpub_and_xsub() {
    play(("XPUB", "XSUB"), |publisher, subscriber| {
        publish_and_see(publisher, subscriber);
        subscriber.send(&[b"upstream", b"a message of its own"]);
        publisher.expect(&[b"upstream", b"a message of its own"]);
    });
}

#[test]
fn req_and_rep() {
    play(("REQ", "REP"), |req, rep| ask(req, rep, &[], &[]));
}

#[test]
fn req_and_router() {
    play(("REQ", "ROUTER"), |req, router| {
        ask(req, router, &[], &[b"one", b""])
    });
}

#[test]
fn dealer_and_rep() {
    play(("DEALER", "REP"), |dealer, rep| {
        ask(dealer, rep, &[b""], &[]);
        ask(dealer, rep, &[b"more", b"hops", b""], &[]);
    });
}

#[test]
fn dealer_and_dealer() {
    play(("DEALER", "DEALER"), chat);
}

#[test]
fn dealer_and_router() {
    play(("DEALER", "ROUTER"), |dealer, router| {
        ask(dealer, router, &[], &[b"one"]);
        dealer.send(&[b"", b"two", b""]);
        router.expect(&[b"one", b"", b"two", b""]);
        router.send(&[b"one", b"", b""]);
        dealer.expect(&[b"", b""]);
    });
}

#[test]
fn router_and_router() {
    play(("ROUTER", "ROUTER"), route);
}

#[test]
fn push_and_pull() {
    play(("PUSH", "PULL"), work);
}
