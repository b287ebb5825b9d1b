//! Readiness as a descriptor: readable while there is something to receive, and only then.

mod common;

use std::{os::fd::AsRawFd, time::Duration};

use common::{
    Dice, MOMENT, SOON, Started, eventually, everywhere, inproc, number, numbered, pipeline,
};
use hubless::{Dealer, Interest, Poller, Readiness, RecvError, Rep, Req, Router};
use mio::{Events, Poll, Token, unix::SourceFd};

/// Looks from outside: whoever registers a descriptor is told what it is at present.
fn is_readable(readiness: &Readiness) -> bool {
    let mut poll = Poll::new().expect("a poll");
    let source = readiness.as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&source), Token(0), mio::Interest::READABLE)
        .expect("to register");
    let mut events = Events::with_capacity(1);
    poll.poll(&mut events, Some(Duration::ZERO))
        .expect("to poll");
    !events.is_empty()
}

#[test]
fn it_is_readable_until_the_last_message_is_taken() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let readiness = pull.readiness().expect("a readiness");
        assert!(!is_readable(&readiness), "over {at}");
        for round in 0..50 {
            push.send(numbered(2 * round)).expect("to send");
            push.send(numbered(2 * round + 1)).expect("to send");
            eventually("both are here", || pull.stats().received.queued == 2);
            eventually("it shows", || is_readable(&readiness));
            assert_eq!(number(&pull.try_recv().expect("one")[0]), 2 * round);
            assert!(is_readable(&readiness), "there is another, over {at}");
            // By turns, for a call that may wait looks the same from outside.
            let two = if round % 2 == 0 {
                pull.recv()
            } else {
                pull.recv_timeout(SOON)
            };
            assert_eq!(number(&two.expect("two")[0]), 2 * round + 1);
            assert!(!is_readable(&readiness), "nothing is left, over {at}");
        }
        pull.close(SOON).expect("to close");
        assert!(is_readable(&readiness), "a receive does not wait");
    }
}

#[test]
fn it_agrees_with_a_plain_count() {
    let (push, pull) = pipeline(&inproc());
    let readiness = [(); 2].map(|()| pull.readiness().expect("a readiness"));
    let mut dice = Dice::new(0x7e4d_1e55);
    let mut queued = 0;
    for _ in 0..2000 {
        if dice.roll(2) == 0 {
            push.try_send("x").expect("room");
            queued += 1;
        } else {
            queued -= i32::from(pull.try_recv().is_ok());
        }
        for readiness in &readiness {
            assert_eq!(is_readable(readiness), queued > 0, "{queued} queued");
        }
    }
}

#[test]
fn whoever_comes_when_it_is_readable_finds_something() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let readiness = pull.readiness().expect("a readiness");
        let sending = Started::new(move || {
            for number in 0..2000 {
                push.send(numbered(number)).expect("to send");
            }
            push
        });
        let mut outside = Poller::new().expect("a poller");
        outside
            .add_descriptor(&readiness, 0, Interest::READABLE)
            .expect("to add");
        let mut ready = Vec::new();
        for expected in 0..2000 {
            let count = outside.wait(&mut ready, Some(SOON)).expect("to wait");
            assert_eq!(count, 1, "message {expected} over {at}");
            let message = pull.try_recv().expect("it was readable");
            assert_eq!(number(&message[0]), expected);
        }
        assert_eq!(outside.wait(&mut ready, Some(MOMENT)).expect("to wait"), 0);
        sending.join("the sender");
    }
}

#[test]
fn an_edge_triggered_loop_that_reads_until_nothing_is_left_misses_nothing() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let readiness = pull.readiness().expect("a readiness");
        let mut poll = Poll::new().expect("a poll");
        let source = readiness.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&source), Token(0), mio::Interest::READABLE)
            .expect("to register");
        let (turn, turns) = std::sync::mpsc::channel();
        let sending = Started::new(move || {
            let mut dice = Dice::new(0xed9e);
            let mut next = 0;
            // As many at a time as it likes, then none before all are read.
            while let Ok(read) = turns.recv() {
                if read != next {
                    continue;
                }
                for _ in 0..1 + dice.roll(4) {
                    push.send(numbered(next)).expect("to send");
                    next += 1;
                }
            }
            (push, next)
        });
        let mut events = Events::with_capacity(4);
        let mut next = 0;
        while next < 3000 {
            turn.send(next).ok();
            poll.poll(&mut events, Some(SOON)).expect("to poll");
            assert!(!events.is_empty(), "no edge after {next} over {at}");
            loop {
                match pull.try_recv() {
                    Ok(message) => {
                        assert_eq!(number(&message[0]), next);
                        next += 1;
                    }
                    Err(RecvError::Empty) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        drop(turn);
        let (_push, sent) = sending.join("the sender");
        assert!(next <= sent);
    }
}

#[test]
fn those_who_wait_in_calls_are_not_disturbed() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let readiness = pull.readiness().expect("a readiness");
        let readers = [(); 3].map(|()| {
            let pull = pull.clone();
            Started::new(move || pull.iter().count())
        });
        for number in 0..1000 {
            push.send(numbered(number)).expect("to send");
        }
        eventually("all is taken", || pull.stats().received.delivered == 1000);
        eventually("it shows", || !is_readable(&readiness));
        pull.close(SOON).expect("to close");
        let counts = readers.map(|reader| reader.join("a reader"));
        assert_eq!(counts.iter().sum::<usize>(), 1000, "over {at}");
    }
}

#[test]
fn every_type_that_receives_has_one() {
    let (rep, req, at) = (Rep::new().expect("a REP"), Req::new(), inproc());
    let req = req.expect("a REQ");
    rep.bind(&at).expect("to bind");
    req.connect(&at).expect("to connect");
    let shown = [req.readiness(), rep.readiness()].map(|shown| shown.expect("a readiness"));
    let both = || [&shown[0], &shown[1]].map(is_readable);
    assert_eq!(both(), [false, false]);
    req.send("?").expect("to ask");
    assert_eq!(both(), [false, true]);
    let (question, responder) = rep.recv().expect("a question");
    assert_eq!(both(), [false, false]);
    responder.reply(question);
    assert_eq!(both(), [true, false]);
    req.abandon();
    assert_eq!(both(), [false, false], "nobody wants the answer any more");

    let (router, dealer, at) = (Router::new().expect("a ROUTER"), Dealer::new(), inproc());
    let dealer = dealer.expect("a DEALER");
    router.bind(&at).expect("to bind");
    dealer.connect(&at).expect("to connect");
    let shown = router.readiness().expect("a readiness");
    dealer.send("hello").expect("to send");
    assert!(is_readable(&shown));
    router.recv_from().expect("hello");
    assert!(!is_readable(&shown));
    // One that is dropped watches no longer, and another is its own.
    let other = router.readiness().expect("a readiness");
    drop(shown);
    dealer.send("hello").expect("to send");
    assert!(is_readable(&other));
}
