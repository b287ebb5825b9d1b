//! Actors: a thread that is talked to by messages, and never outlives its owner.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use common::{MOMENT, SOON, eventually, number, numbered, within};
use hubless::{Actor, Message, RecvError, SendError};

#[test]
fn what_was_sent_before_the_stop_is_read_in_order() {
    let actor = Actor::spawn("reader", |mailbox| {
        let mut next = 0;
        for message in &mailbox {
            assert_eq!(number(&message[0]), next);
            next += 1;
        }
        assert_eq!(mailbox.recv(), Err(RecvError::Closed), "it stays so");
        assert_eq!(mailbox.try_recv(), Err(RecvError::Closed));
        next
    });
    let actor = actor.expect("an actor");
    for n in 0..10_000 {
        actor.send(numbered(n)).expect("it takes all");
    }
    assert_eq!(
        within("stopping", || actor.stop()).expect("no panic"),
        10_000
    );
}

#[test]
fn nothing_else_is_taken_for_the_stop() {
    let actor = Actor::spawn("echo", |mailbox| {
        for message in &mailbox {
            mailbox.send(message).expect("the owner is there");
        }
    });
    let actor = actor.expect("an actor");
    // As long as the last word, as empty as it looks.
    for message in [
        Message::new(),
        "".into(),
        vec![0; 65].into(),
        ["", ""].into(),
    ] {
        actor.send(&message).expect("it takes all");
        let back = actor.recv_timeout(SOON).expect("an echo");
        assert_eq!(back.octets(), message.octets());
    }
    assert_eq!(actor.recv_timeout(MOMENT), Err(RecvError::TimedOut));
    assert_eq!(actor.try_recv(), Err(RecvError::Empty));
    within("stopping", || actor.stop()).expect("no panic");
}

#[test]
fn dropped_it_has_ended() {
    let ended = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&ended);
    let actor = Actor::spawn("waiting", move |mailbox| {
        let message = mailbox.recv_timeout(SOON).expect("a word");
        assert_eq!(message[0], "a word");
        assert_eq!(mailbox.recv_timeout(SOON), Err(RecvError::Closed));
        mailbox.send("unheard").expect("the owner is there still");
        tell.store(true, Ordering::SeqCst);
    });
    let actor = actor.expect("an actor");
    actor.send("a word").expect("it takes all");
    let began = Instant::now();
    within("dropping", move || drop(actor));
    assert!(ended.load(Ordering::SeqCst));
    assert!(
        began.elapsed() < SOON,
        "nobody waits for words that nobody reads"
    );
}

#[test]
fn one_that_ends_by_itself_is_noticed_and_heard() {
    let actor = Actor::spawn("short", |mailbox| mailbox.send("bye").is_ok());
    let actor = Arc::new(actor.expect("an actor"));
    assert_eq!(actor.recv_timeout(SOON).expect("its last word")[0], "bye");
    assert_eq!(
        within("hearing of its end", {
            let actor = Arc::clone(&actor);
            move || actor.recv()
        }),
        Err(RecvError::Closed)
    );
    eventually("it has ended", || actor.is_finished());
    assert_eq!(actor.recv_timeout(SOON), Err(RecvError::Closed));
    assert_eq!(actor.try_recv(), Err(RecvError::Closed));
    let refused = actor.send("still there?");
    assert!(matches!(refused, Err(SendError::Full(message)) if message[0] == "still there?"));
    let actor = Arc::into_inner(actor).expect("nobody waits any more");
    assert!(within("stopping", || actor.stop()).expect("no panic"));
}

#[test]
fn a_panic_is_its_own() {
    let actor = Actor::spawn("clumsy", |mailbox| -> u32 {
        let message = mailbox.recv();
        panic!("dropped {message:?}")
    });
    let actor = actor.expect("an actor");
    actor.send("a plate").expect("it takes all");
    assert_eq!(
        actor.recv_timeout(SOON),
        Err(RecvError::Closed),
        "no more words"
    );
    assert!(within("stopping", || actor.stop()).is_err());
}
