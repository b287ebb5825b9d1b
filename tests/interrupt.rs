//! Interrupters: calls that wait end, whenever it comes, and no message is lost by it.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{
    Dice, SOON, Started, block_on, eventually, everywhere, free_port, inproc, number, numbered,
    pipeline,
};
use hubless::{
    ErrorKind, Interest, Interrupter, Pair, Poller, Pub, Pull, Push, RecvError, Rep, Req, Router,
    SendError,
};

/// Runs `call` in a thread, interrupts it at some moment, and gives what it answered.
fn interrupted<T: Send + 'static>(
    interrupter: &Interrupter,
    moment: u64,
    call: impl FnOnce() -> T + Send + 'static,
) -> T {
    let calling = Started::new(call);
    // Before it waits, while it begins to, or once it does: whatever comes of it.
    for _ in 0..moment {
        std::thread::yield_now();
    }
    interrupter.interrupt();
    let answer = calling.join("the call");
    assert!(interrupter.is_interrupted());
    interrupter.resume();
    answer
}

#[test]
fn a_receive_is_ended_at_any_moment() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let interrupter = pull.interrupter();
        for moment in 0..60 {
            let waits = pull.clone();
            let call = move || match moment % 3 {
                0 => waits.recv(),
                1 => waits.recv_timeout(SOON),
                _ => waits.iter().next().ok_or(RecvError::Interrupted),
            };
            let answer = interrupted(&interrupter, moment, call);
            assert_eq!(answer, Err(RecvError::Interrupted), "over {at}");
            push.send(numbered(moment)).expect("to send");
            assert_eq!(number(&pull.recv().expect("it")[0]), moment);
        }
    }
}

#[test]
fn a_send_is_ended_and_gives_its_message_back() {
    let push = Push::new().expect("a PUSH");
    let interrupter = push.interrupter();
    for moment in 0..60 {
        let waits = push.clone();
        let answer = interrupted(&interrupter, moment, move || {
            if moment % 2 == 0 {
                waits.send(numbered(moment))
            } else {
                waits.send_timeout(numbered(moment), SOON)
            }
        });
        assert_eq!(answer, Err(SendError::Interrupted(numbered(moment))));
    }
    let refused = SendError::Interrupted("x".into());
    assert_eq!(refused.kind(), ErrorKind::Interrupted);
    assert!(!refused.is_temporary(), "who tries again would spin");
}

#[test]
fn a_request_is_ended_and_given_up() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let req = Req::new().expect("a REQ");
        let connection = req.connect(&at).expect("to connect");
        connection.wait_ready(SOON).expect("a handshake");
        let asks = req.clone();
        let asking = Started::new(move || asks.request("first"));
        let (late, responder) = rep.recv().expect("a question");
        req.interrupter().interrupt();
        let error = asking.join("the request").expect_err("no answer came");
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        req.interrupter().resume();
        responder.reply(late);
        let serving = Started::new(move || {
            let (question, responder) = rep.recv().expect("a question");
            responder.reply(question);
            rep
        });
        let answer = req.request_timeout("second", SOON).expect("an answer");
        assert_eq!(answer[0], "second", "over {at}");
        let rep = serving.join("the server");
        let serves = rep.clone();
        let served = interrupted(&rep.interrupter(), 5, move || serves.serve(|it| it));
        assert_eq!(served, Err(RecvError::Interrupted));
    }
}

#[test]
fn other_waits_are_ended_as_well() {
    let interrupted_kind = Some(ErrorKind::Interrupted);
    let publisher = Pub::new().expect("a PUB");
    let waits = publisher.clone();
    let answer = interrupted(&publisher.interrupter(), 9, move || {
        waits.wait_subscribers(1, SOON)
    });
    assert_eq!(answer.err().map(|error| error.kind()), interrupted_kind);

    let pair = Pair::new().expect("a PAIR");
    let connection = pair.connect(free_port()).expect("to connect");
    let waiting = connection.clone();
    let answer = interrupted(&pair.interrupter(), 9, move || waiting.wait_ready(SOON));
    assert_eq!(answer.err().map(|error| error.kind()), interrupted_kind);

    let router = Router::new().expect("a ROUTER");
    let waits = router.clone();
    let answer = interrupted(&router.interrupter(), 9, move || waits.recv_from());
    assert_eq!(answer, Err(RecvError::Interrupted));

    let mut poller = Poller::new().expect("a poller");
    poller.add(&router, 0, Interest::READABLE);
    let interrupter = poller.interrupter();
    for moment in 0..60 {
        let (answer, back) = interrupted(&interrupter, moment, move || {
            let answer = poller.wait(&mut Vec::new(), None);
            (answer, poller)
        });
        poller = back;
        assert_eq!(answer.err().map(|error| error.kind()), interrupted_kind);
        let waited = poller.wait(&mut Vec::new(), Some(Duration::ZERO));
        assert_eq!(waited.expect("it waits again"), 0);
    }
}

#[test]
fn all_who_wait_end_and_so_does_who_comes_later() {
    for at in everywhere() {
        let (_push, pull) = pipeline(&at);
        let readers = [(); 4].map(|()| {
            let pull = pull.clone();
            Started::new(move || pull.recv())
        });
        pull.interrupter().interrupt();
        for reader in readers {
            let answer = reader.join("a reader");
            assert_eq!(answer, Err(RecvError::Interrupted), "over {at}");
        }
        assert_eq!(pull.recv(), Err(RecvError::Interrupted));
        assert_eq!(
            pull.recv_timeout(Duration::ZERO),
            Err(RecvError::Interrupted)
        );
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
    }
}

#[test]
fn a_flood_does_not_hide_it_and_what_is_here_can_be_taken() {
    let (push, pull) = pipeline(&inproc());
    push.send_all((0..10).map(numbered)).expect("room");
    assert_eq!(number(&pull.recv().expect("one")[0]), 0);
    pull.interrupter().interrupt();
    push.interrupter().interrupt();
    assert_eq!(pull.recv(), Err(RecvError::Interrupted));
    let back = SendError::Interrupted("x".into());
    assert_eq!(push.send("x"), Err(back));
    // What never waits goes on, and so do futures.
    assert_eq!(number(&pull.try_recv().expect("two")[0]), 1);
    assert_eq!(number(&block_on(pull.recv_async()).expect("three")[0]), 2);
    push.try_send(numbered(10)).expect("room");
    let rest: Vec<u64> = pull.try_iter().map(|it| number(&it[0])).collect();
    assert_eq!(rest, (3..=10).collect::<Vec<_>>());
    pull.interrupter().resume();
    push.interrupter().resume();
    push.send("again").expect("to send");
    assert_eq!(pull.recv().expect("it")[0], "again");
}

#[test]
fn closing_is_not_interrupted() {
    let at = free_port();
    let push = Push::new().expect("a PUSH");
    push.connect(&at).expect("to connect");
    push.send("patient").expect("to send");
    let interrupter = push.interrupter();
    interrupter.interrupt();
    let closing = Started::new(move || push.close(SOON));
    let pull = Pull::new().expect("a PULL");
    pull.bind(&at).expect("to bind");
    assert_eq!(pull.recv().expect("it")[0], "patient");
    let report = closing.join("closing").expect("to close");
    assert_eq!(report.unsent, 0);
    interrupter.interrupt();
    assert!(!interrupter.is_interrupted(), "it is closed");
}

#[test]
fn a_storm_of_interruptions_loses_and_doubles_nothing() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        const COUNT: u64 = 5000;
        let interrupters = [push.interrupter(), pull.interrupter()];
        let over = Arc::new(AtomicBool::new(false));
        let storm = {
            let over = Arc::clone(&over);
            Started::new(move || {
                let mut dice = Dice::new(0x5707);
                let mut interruptions = 0u64;
                while !over.load(Ordering::SeqCst) {
                    let interrupter = &interrupters[dice.roll(2) as usize];
                    interrupter.interrupt();
                    for _ in 0..dice.roll(3) {
                        std::thread::yield_now();
                    }
                    interrupter.resume();
                    interruptions += 1;
                    for _ in 0..dice.roll(20) {
                        std::thread::yield_now();
                    }
                }
                interruptions
            })
        };
        let sending = Started::new(move || {
            for number in 0..COUNT {
                let mut message = numbered(number);
                while let Err(error) = push.send(message) {
                    assert_eq!(error.kind(), ErrorKind::Interrupted);
                    message = error.into_message();
                    std::thread::yield_now();
                }
            }
            push
        });
        for expected in 0..COUNT {
            let message = loop {
                match pull.recv() {
                    Ok(message) => break message,
                    Err(RecvError::Interrupted) => std::thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            };
            assert_eq!(number(&message[0]), expected, "over {at}");
        }
        over.store(true, Ordering::SeqCst);
        assert!(storm.join("the storm") > 0);
        let push = sending.join("the sender");
        eventually("all has left", || push.stats().sent.queued == 0);
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
    }
}
