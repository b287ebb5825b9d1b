//! Pollers: what is ready is told, again and again, and nothing else is; no word gets lost; and
//! what is idle costs nothing.

mod common;

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use common::{MOMENT, SOON, Started, everywhere, inproc, number, numbered, pipeline};
use hubless::{
    Context, Dealer, Interest, Pair, Poller, Pub, Pull, Push, Ready, RecvError, Rep, Req, Sub,
};

const READABLE: Interest = Interest::READABLE;
const WRITABLE: Interest = Interest::WRITABLE;

/// What is ready within `timeout`, by token.
fn wait(poller: &mut Poller, timeout: Duration) -> Vec<Ready> {
    let mut ready = Vec::new();
    let count = poller.wait(&mut ready, Some(timeout)).expect("to wait");
    assert_eq!(count, ready.len());
    ready.sort_by_key(|it| it.token);
    ready
}

/// What is ready now: tokens, and an `r` or `w` for each kind, `c` for closed, `t` for a timer.
fn now(poller: &mut Poller) -> String {
    shown(&wait(poller, Duration::ZERO))
}

/// The same, after something has become ready.
fn soon(poller: &mut Poller) -> String {
    shown(&wait(poller, SOON))
}

fn shown(ready: &[Ready]) -> String {
    let show = |it: &Ready| {
        let mut text = it.token.to_string();
        let kinds = [
            (it.readable, 'r'),
            (it.writable, 'w'),
            (it.closed, 'c'),
            (it.fired, 't'),
        ];
        text.extend(kinds.iter().filter(|(is, _)| *is).map(|(_, kind)| *kind));
        text
    };
    ready.iter().map(show).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_readable_is_told_until_it_is_read() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let mut poller = Poller::new().expect("a poller");
        poller.add(&pull, 7, READABLE);
        assert_eq!(now(&mut poller), "", "over {at}");
        for round in 0..100 {
            push.send(numbered(2 * round)).expect("to send");
            push.send(numbered(2 * round + 1)).expect("to send");
            assert_eq!(soon(&mut poller), "7r", "over {at}");
            assert_eq!(now(&mut poller), "7r", "it is there still, over {at}");
            assert_eq!(number(&pull.recv().expect("one")[0]), 2 * round);
            // The second may be on its way.
            assert_eq!(soon(&mut poller), "7r", "over {at}");
            assert_eq!(number(&pull.try_recv().expect("two")[0]), 2 * round + 1);
            assert_eq!(now(&mut poller), "", "over {at}");
        }
    }
}

#[test]
fn what_is_writable_is_told_until_it_is_full() {
    let at = inproc();
    let push = Push::builder().send_hwm(1).build().expect("a PUSH");
    let mut poller = Poller::new().expect("a poller");
    poller.add(&push, 3, READABLE | WRITABLE);
    assert_eq!(now(&mut poller), "", "nobody is there");
    let pull = Pull::builder().recv_hwm(1).build().expect("a PULL");
    pull.bind(&at).expect("to bind");
    push.connect(&at).expect("to connect");
    for _ in 0..10 {
        while soon_or_never(&mut poller) == "3w" {
            push.try_send("x").expect("it was writable");
        }
        push.try_send("x").expect_err("it is full");
        while pull.try_recv().is_ok() {}
    }
    assert_eq!(soon(&mut poller), "3w");
}

fn soon_or_never(poller: &mut Poller) -> String {
    shown(&wait(poller, Duration::from_millis(1)))
}

#[test]
fn each_type_is_ready_when_its_calls_do_not_wait() {
    let mut poller = Poller::new().expect("a poller");
    let (rep, req, at) = (Rep::new().expect("a REP"), Req::new(), inproc());
    let req = req.expect("a REQ");
    poller.add(&rep, 0, READABLE | WRITABLE);
    poller.add(&req, 1, READABLE | WRITABLE);
    rep.bind(&at).expect("to bind");
    req.connect(&at).expect("to connect");
    assert_eq!(now(&mut poller), "1w");
    req.send("?").expect("to ask");
    assert_eq!(now(&mut poller), "0r", "who has asked cannot ask");
    let (question, responder) = rep.try_recv().expect("the question");
    assert_eq!(now(&mut poller), "");
    responder.reply(question);
    assert_eq!(now(&mut poller), "1r");
    req.try_recv().expect("the answer");
    assert_eq!(now(&mut poller), "1w");
    req.send("?").expect("to ask");
    let (_, responder) = rep.try_recv().expect("the question");
    drop(responder);
    assert_eq!(now(&mut poller), "");
    // An asker whose server is gone has something to hear, and may ask the next one.
    drop(rep);
    assert_eq!(now(&mut poller), "0rwc 1r");
    assert_eq!(req.try_recv(), Err(RecvError::PeerLost));
    assert_eq!(now(&mut poller), "0rwc");

    let (publisher, sub, at) = (Pub::new().expect("a PUB"), Sub::new(), inproc());
    let sub = sub.expect("a SUB");
    publisher.bind(&at).expect("to bind");
    sub.connect(&at).expect("to connect");
    sub.subscribe("a").expect("to subscribe");
    let mut poller = Poller::new().expect("a poller");
    poller.add(&publisher, 0, WRITABLE);
    poller.add(&sub, 1, READABLE);
    publisher.wait_subscribers(1, SOON).expect("a subscriber");
    assert_eq!(now(&mut poller), "0w");
    publisher.send("b").expect("to publish");
    assert_eq!(now(&mut poller), "0w");
    publisher.send("a").expect("to publish");
    assert_eq!(now(&mut poller), "0w 1r");
}

#[test]
fn what_is_added_is_changed_replaced_and_removed() {
    let (left, right) = (Pair::new().expect("a PAIR"), Pair::new().expect("a PAIR"));
    let at = inproc();
    left.bind(&at).expect("to bind");
    right.connect(&at).expect("to connect");
    right.send("hello").expect("to send");
    let mut poller = Poller::new().expect("a poller");
    assert!(!poller.modify(0, READABLE) && !poller.remove(0));
    poller.add(&left, 0, READABLE);
    assert_eq!(now(&mut poller), "0r");
    assert!(poller.modify(0, WRITABLE));
    assert_eq!(now(&mut poller), "0w");
    assert!(poller.modify(0, READABLE | WRITABLE));
    assert_eq!(now(&mut poller), "0rw");
    poller.add(&right, 0, READABLE);
    assert_eq!(now(&mut poller), "");
    left.send("hello").expect("to send");
    assert_eq!(now(&mut poller), "0r");
    assert!(poller.remove(0) && !poller.remove(0));
    assert_eq!(now(&mut poller), "");
    // The same socket under two tokens, and in two pollers.
    let mut other = Poller::new().expect("a poller");
    poller.add(&left, 1, READABLE);
    poller.add(&left, 2, WRITABLE);
    other.add(&left, 3, READABLE);
    assert_eq!(now(&mut poller), "1r 2w");
    assert_eq!(now(&mut other), "3r");
    drop(poller);
    left.try_recv().expect("hello");
    assert_eq!(now(&mut other), "");
    right.send("again").expect("to send");
    assert_eq!(now(&mut other), "3r");
}

#[test]
fn a_socket_that_closes_is_told() {
    for at in everywhere() {
        let (_push, pull) = pipeline(&at);
        let mut poller = Poller::new().expect("a poller");
        poller.add(&pull, 0, READABLE);
        assert_eq!(now(&mut poller), "");
        let closing = Started::new(move || pull.close(SOON));
        assert_eq!(soon(&mut poller), "0rc", "over {at}");
        assert_eq!(now(&mut poller), "0rc", "over {at}");
        closing.join("closing").expect("to close");
        poller.remove(0);
        assert_eq!(now(&mut poller), "");
    }
}

#[test]
fn who_waits_in_a_receive_is_not_robbed_of_its_bell() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let mut poller = Poller::new().expect("a poller");
        let reader = pull.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let reading = Started::new(move || {
            for message in &reader {
                tell.send(number(&message[0])).expect("the test listens");
            }
        });
        poller.add(&pull, 0, READABLE);
        for round in 0..300 {
            assert_ne!(now(&mut poller), "0rc");
            push.send(numbered(round)).expect("to send");
            let got = told.recv_timeout(SOON).expect("the reader got it");
            assert_eq!(got, round, "over {at}");
        }
        pull.close(SOON).expect("to close");
        reading.join("the reader");
    }
}

#[test]
fn two_pollers_and_many_hands_share_what_comes() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        const COUNT: u64 = 3000;
        let hands = [(); 2].map(|()| {
            let pull = pull.clone();
            Started::new(move || {
                let mut poller = Poller::new().expect("a poller");
                poller.add(&pull, 0, READABLE);
                let mut got = Vec::new();
                loop {
                    for it in wait(&mut poller, SOON) {
                        if it.closed {
                            return got;
                        }
                    }
                    // One at a time, so that both have something to do.
                    got.extend(pull.try_recv().map(|message| number(&message[0])));
                }
            })
        });
        for number in 0..COUNT {
            push.send(numbered(number)).expect("to send");
        }
        common::eventually("all is taken", || pull.stats().received.delivered == COUNT);
        pull.close(SOON).expect("to close");
        let mut all: Vec<u64> = hands
            .into_iter()
            .flat_map(|hand| hand.join("a hand"))
            .collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..COUNT), "each once, over {at}");
    }
}

/// Throws a ball to and fro between two threads, each of which sleeps in a poller until it has
/// it: every throw is a wake-up, and one that gets lost stops the game.
fn throw(at: &str, throws: u64) {
    let (left, right) = (Pair::new().expect("a PAIR"), Pair::new().expect("a PAIR"));
    let at = left.bind(at).expect("to bind");
    let connection = right.connect(&at).expect("to connect");
    connection.wait_ready(SOON).expect("a handshake");
    let play = move |pair: Pair, begins: bool| {
        let mut poller = Poller::new().expect("a poller");
        poller.add(&pair, 0, READABLE);
        if begins {
            pair.send(numbered(0)).expect("to throw");
        }
        loop {
            assert_eq!(soon(&mut poller), "0r", "a wake-up is lost");
            let ball = number(&pair.try_recv().expect("the ball")[0]);
            if ball < throws {
                pair.send(numbered(ball + 1)).expect("to throw");
            }
            if ball + 1 >= throws {
                return;
            }
        }
    };
    let players = [(left, true), (right, false)]
        .map(|(pair, begins)| Started::new(move || play(pair, begins)));
    for player in players {
        player.join("a player");
    }
}

#[test]
fn no_wake_up_of_a_hundred_thousand_is_lost() {
    throw(&inproc(), 90_000);
    throw("tcp://127.0.0.1:0", 5_000);
    throw("ipc://*", 5_000);
}

/// What `rounds` messages to one socket cost, in looks.
fn looks(poller: &mut Poller, push: &Push, pull: &Pull, rounds: u64) -> u64 {
    let before = poller.looks();
    for round in 0..rounds {
        push.send(numbered(round)).expect("to send");
        assert_eq!(soon(poller), "0r");
        assert_eq!(number(&pull.try_recv().expect("it")[0]), round);
        assert_eq!(now(poller), "");
    }
    poller.looks() - before
}

#[test]
fn ten_thousand_idle_sockets_and_peers_are_not_looked_at() {
    let (push, pull) = pipeline(&inproc());
    let mut poller = Poller::new().expect("a poller");
    poller.add(&pull, 0, READABLE);
    assert_eq!(now(&mut poller), "");
    let alone = looks(&mut poller, &push, &pull, 1000);
    assert_eq!(alone, 2000, "once to find it, once to find no more");

    // In a context of their own, where nobody joins anybody.
    let context = Context::new();
    let idle: Vec<Dealer> = (1..=10_000)
        .map(|token| {
            let dealer = Dealer::builder().context(&context).build();
            let dealer = dealer.expect("a DEALER");
            poller.add(&dealer, token, READABLE);
            dealer
        })
        .collect();
    assert_eq!(now(&mut poller), "");
    assert_eq!(looks(&mut poller, &push, &pull, 1000), alone);

    let at = inproc();
    pull.bind(&at).expect("to bind");
    let idle_peers = Push::new().expect("a PUSH");
    for _ in 0..10_000 {
        idle_peers.connect(&at).expect("to connect");
    }
    assert_eq!(pull.peers().len(), 10_001);
    assert_eq!(now(&mut poller), "");
    assert_eq!(looks(&mut poller, &push, &pull, 1000), alone);
    drop((idle, idle_peers));
}

#[test]
fn descriptors_are_told_while_they_are_ready() {
    let (mut ours, mut theirs) = UnixStream::pair().expect("a pair");
    let mut poller = Poller::new().expect("a poller");
    poller.add_descriptor(&ours, 5, READABLE).expect("to add");
    assert_eq!(now(&mut poller), "", "writable, but nobody asked");
    theirs.write_all(b"ab").expect("to write");
    for _ in 0..3 {
        assert_eq!(soon(&mut poller), "5r");
    }
    let mut octet = [0];
    ours.read_exact(&mut octet).expect("a");
    assert_eq!(soon(&mut poller), "5r", "there is more");
    ours.read_exact(&mut octet).expect("b");
    assert_eq!(now(&mut poller), "");
    assert!(poller.modify(5, READABLE | WRITABLE));
    assert_eq!(soon(&mut poller), "5w");
    assert!(poller.modify(5, READABLE));
    assert_eq!(now(&mut poller), "");
    drop(theirs);
    assert_eq!(soon(&mut poller), "5rc");
    assert!(poller.remove(5));
    assert_eq!(now(&mut poller), "");
    let file = std::fs::File::open(file!()).expect("this file");
    assert!(poller.add_descriptor(&file, 5, READABLE).is_err());
}

#[test]
fn sockets_and_descriptors_and_timers_are_told_together() {
    let (push, pull) = pipeline(&inproc());
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let mut poller = Poller::new().expect("a poller");
    poller.add(&pull, 0, READABLE);
    poller.add_descriptor(&ours, 1, READABLE).expect("to add");
    poller.add_timeout(2, Duration::ZERO);
    push.send("one").expect("to send");
    theirs.write_all(b"one").expect("to write");
    assert_eq!(now(&mut poller), "0r 1r 2t");
    assert_eq!(now(&mut poller), "0r 1r", "a timeout is told once");
    pull.try_recv().expect("one");
    assert_eq!(now(&mut poller), "1r");
    // A socket ends the wait for a descriptor, and the other way round.
    assert!(poller.remove(1));
    poller.add_descriptor(&theirs, 1, READABLE).expect("to add");
    let sending = Started::new(move || push.send("two"));
    assert_eq!(soon(&mut poller), "0r");
    sending.join("to send").expect("to send");
    pull.try_recv().expect("two");
    let writing = Started::new(move || (&ours).write_all(b"two").map(|()| ours));
    assert_eq!(soon(&mut poller), "1r");
    writing.join("to write").expect("to write");
}

#[test]
fn timers_fire_in_time_and_not_before() {
    let mut poller = Poller::new().expect("a poller");
    let began = std::time::Instant::now();
    poller.add_timeout(0, Duration::from_millis(30));
    poller.add_timeout(1, Duration::from_millis(10));
    poller.add_timeout(2, 20 * SOON);
    poller.add_timeout(3, Duration::from_millis(10));
    assert!(poller.remove(3));
    assert_eq!(soon(&mut poller), "1t");
    assert!(began.elapsed() >= Duration::from_millis(10));
    assert_eq!(soon(&mut poller), "0t");
    assert!(began.elapsed() >= Duration::from_millis(30));
    assert!(!poller.remove(0) && !poller.modify(2, READABLE));
    assert_eq!(shown(&wait(&mut poller, MOMENT)), "");

    let began = std::time::Instant::now();
    poller.add_interval(4, Duration::from_millis(5));
    for _ in 0..5 {
        assert_eq!(soon(&mut poller), "4t");
    }
    assert!(began.elapsed() >= Duration::from_millis(25));
    // One of no length fires in each wait, once.
    poller.add_interval(4, Duration::ZERO);
    for _ in 0..5 {
        assert_eq!(soon(&mut poller), "4t");
    }
}
