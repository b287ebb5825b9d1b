//! Receiving many at once: the same messages as one by one, in the same order, as fair, and as
//! exact at the mark.

mod common;

use common::{SOON, Started, eventually, everywhere, number, numbered};
use hubless::{Dealer, Message, Pair, Pull, Push, RecvError, Sub, XPub};

#[test]
fn it_waits_for_one_and_takes_no_more_than_it_may() {
    for at in everywhere() {
        let pull = Pull::builder().recv_timeout(SOON).build().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let reader = pull.clone();
        let reading = Started::new(move || {
            let mut batch = Vec::new();
            let count = reader.recv_many(&mut batch, 3).expect("messages");
            (count, batch)
        });
        let push = Push::new().expect("a PUSH");
        push.connect(&at).expect("to connect");
        push.send(numbered(0)).expect("to send");
        let (count, mut batch) = reading.join("the reader");
        assert_eq!((count, batch.len()), (1, 1));

        push.send_all((1..8).map(numbered)).expect("to send");
        eventually("all have come", || pull.stats().received.accepted == 8);
        while batch.len() < 8 {
            let had = batch.len();
            let count = pull.recv_many(&mut batch, 3).expect("messages");
            assert_eq!(batch.len(), had + count, "they are put behind the others");
            assert!((1..=3).contains(&count), "{count}");
        }
        assert!(numbers(&batch).eq(0..8), "over {at}");
        assert_eq!(pull.recv_many(&mut batch, 0), Ok(0));
        assert_eq!(batch.len(), 8);
    }
}

#[test]
fn nothing_is_lost_or_moved_at_any_mark() {
    const COUNT: u64 = 3000;
    for at in everywhere() {
        for (mark, most) in [(1, 5), (2, 1), (10, 7), (1000, 256), (0, 64)] {
            let builder = Pull::builder().recv_hwm(mark).recv_timeout(SOON);
            let pull = builder.build().expect("a PULL");
            let bound = pull.bind(&at).expect("to bind");
            let sending = Started::new(move || {
                let builder = Push::builder().send_hwm(mark).send_timeout(SOON);
                let push = builder.build().expect("a PUSH");
                push.connect(bound).expect("to connect");
                push.send_all((0..COUNT).map(numbered)).expect("to send");
                push.close(SOON).expect("to close").unsent
            });
            let mut all = Vec::new();
            while (all.len() as u64) < COUNT {
                let count = pull.recv_many(&mut all, most).expect("messages");
                assert!((1..=most).contains(&count));
            }
            assert!(numbers(&all).eq(0..COUNT), "mark {mark}, {most} at once");
            assert_eq!(sending.join("the sender"), 0);
            let stats = pull.stats().received;
            assert!(stats.balances() && stats.delivered == COUNT, "{stats:?}");
            pull.close(SOON).expect("to close");
        }
    }
}

#[test]
fn each_peer_has_its_turn() {
    for at in everywhere() {
        let pull = Pull::builder().recv_timeout(SOON).build().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let peers: Vec<Push> = (0..3)
            .map(|peer| {
                let push = Push::new().expect("a PUSH");
                push.connect(&at).expect("to connect");
                let mine = (0..10).map(|_| numbered(peer));
                push.send_all(mine).expect("to send");
                push
            })
            .collect();
        eventually("all have come", || pull.stats().received.accepted == 30);
        let mut batch = Vec::new();
        assert_eq!(pull.recv_many(&mut batch, 9), Ok(9));
        for peer in 0..3 {
            let of_it = numbers(&batch).filter(|number| *number == peer).count();
            assert_eq!(of_it, 3, "of peer {peer} over {at}");
        }
        drop(peers);
    }
}

#[test]
fn it_fails_as_receiving_one_does_and_then_nothing_has_come() {
    let timeout = std::time::Duration::from_millis(20);
    let pull = Pull::builder()
        .recv_timeout(timeout)
        .build()
        .expect("a PULL");
    let mut batch = vec![Message::from("mine")];
    assert_eq!(pull.recv_many(&mut batch, 9), Err(RecvError::TimedOut));
    pull.close(SOON).expect("to close");
    assert_eq!(pull.recv_many(&mut batch, 9), Err(RecvError::Closed));
    assert_eq!(pull.recv_many(&mut batch, 0), Ok(0));
    assert_eq!(batch.len(), 1);

    let interrupted = Pull::new().expect("a PULL");
    interrupted.interrupter().interrupt();
    assert_eq!(
        interrupted.recv_many(&mut batch, 9),
        Err(RecvError::Interrupted)
    );
    assert_eq!(batch.len(), 1);
}

#[test]
fn every_type_that_receives_messages_as_they_are_has_it() {
    let mut batch = Vec::new();
    let [left, right] = [(); 2].map(|()| Pair::new().expect("a PAIR"));
    left.bind("inproc://recv-many-pair").expect("to bind");
    right
        .connect("inproc://recv-many-pair")
        .expect("to connect");
    left.send("of a pair").expect("to send");
    assert_eq!(right.recv_many(&mut batch, 2), Ok(1));

    let [left, right] = [(); 2].map(|()| Dealer::new().expect("a DEALER"));
    left.bind("inproc://recv-many-dealer").expect("to bind");
    right
        .connect("inproc://recv-many-dealer")
        .expect("to connect");
    left.send("of a dealer").expect("to send");
    assert_eq!(right.recv_many(&mut batch, 2), Ok(1));

    let xpub = XPub::new().expect("an XPUB");
    xpub.bind("inproc://recv-many-news").expect("to bind");
    let sub = Sub::new().expect("a SUB");
    sub.connect("inproc://recv-many-news").expect("to connect");
    sub.subscribe("a").expect("to subscribe");
    assert_eq!(xpub.recv_many(&mut batch, 2), Ok(1));
    xpub.send_all(["a1", "b", "a2"]).expect("to send");
    eventually("both have come", || sub.stats().received.accepted == 2);
    assert_eq!(sub.recv_many(&mut batch, 9), Ok(2));

    let said: Vec<_> = batch.iter().map(|message| message[0].as_ref()).collect();
    let all: [&[u8]; 5] = [b"of a pair", b"of a dealer", b"\x01a", b"a1", b"a2"];
    assert_eq!(said, all);
}

fn numbers(messages: &[Message]) -> impl Iterator<Item = u64> + '_ {
    messages.iter().map(|message| number(&message[0]))
}
