//! inproc: high-water marks that are exact sums, and connecting before anybody is bound.
//!
//! Nothing lies in between (no kernel buffer, no octets), so what fits is known to the message.

mod common;

use common::{SOON, balanced, each_balances, inproc, number, numbered};
use hubless::{
    Context, Dealer, ErrorKind, Pair, Pub, Pull, Push, RecvError, Router, SendError, Sub,
};

fn push(hwm: usize) -> Push {
    Push::builder().send_hwm(hwm).build().expect("a PUSH")
}

fn pull(hwm: usize) -> Pull {
    Pull::builder().recv_hwm(hwm).build().expect("a PULL")
}

/// How many messages are accepted without waiting, numbered from `first`; `most` at most.
fn fill(push: &Push, first: u64, most: u64) -> u64 {
    let full = (first..first + most).find(|&number| match push.try_send(numbered(number)) {
        Ok(()) => false,
        Err(SendError::Full(message)) => {
            assert_eq!(message[0], number.to_string(), "the message comes back");
            true
        }
        Err(error) => panic!("{error}"),
    });
    full.map_or(most, |number| number - first)
}

#[test]
fn the_limit_is_the_sum_of_both_marks() {
    //          sender's, receiver's, what fits
    let rows = [(1000, 1000, 2000), (1, 1, 2), (2, 3, 5), (7, 1, 8)];
    for (send_hwm, recv_hwm, fits) in rows {
        for bind_first in [true, false] {
            let (push, pull, at) = (push(send_hwm), pull(recv_hwm), inproc());
            if bind_first {
                pull.bind(&at).expect("to bind");
                push.connect(&at).expect("to connect");
            } else {
                push.bind(&at).expect("to bind");
                pull.connect(&at).expect("to connect");
            }
            assert_eq!(fill(&push, 0, 5000), fits, "{send_hwm} + {recv_hwm}");
            for expected in 0..fits {
                let message = pull.try_recv().expect("what was accepted is here");
                assert_eq!(number(&message[0]), expected);
            }
            assert_eq!(pull.try_recv(), Err(RecvError::Empty));
            balanced("the sender", push.stats());
            balanced("the receiver", pull.stats());
            assert_eq!(push.stats().sent.delivered, fits);
        }
    }
}

#[test]
fn a_mark_of_zero_on_either_side_is_no_limit() {
    for (send_hwm, recv_hwm) in [(0, 1), (1, 0), (0, 0)] {
        let (push, pull, at) = (push(send_hwm), pull(recv_hwm), inproc());
        pull.bind(&at).expect("to bind");
        push.connect(&at).expect("to connect");
        assert_eq!(fill(&push, 0, 5000), 5000, "{send_hwm} and {recv_hwm}");
        assert_eq!(pull.try_iter().count(), 5000);
    }
}

#[test]
fn before_the_bind_only_the_connecters_own_mark_counts() {
    let (push, at) = (push(2), inproc());
    push.connect(&at).expect("to connect");
    assert_eq!(fill(&push, 0, 100), 2);
    let pull = pull(3);
    pull.bind(&at).expect("to bind");
    push.wait_peers(1, SOON).expect("the peer");
    assert_eq!(fill(&push, 2, 100), 3);
    let numbers: Vec<u64> = pull.try_iter().map(|message| number(&message[0])).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4], "in order, none lost");
    balanced("the sender", push.stats());
}

#[test]
fn room_comes_back_in_batches() {
    let (push, pull, at) = (push(4), pull(4), inproc());
    pull.bind(&at).expect("to bind");
    push.connect(&at).expect("to connect");
    assert_eq!(fill(&push, 0, 100), 8);
    let mut next = 8;
    let mut room = Vec::new();
    for read in 0..5 {
        assert_eq!(number(&pull.try_recv().expect("a message")[0]), read);
        let accepted = fill(&push, next, 100);
        next += accepted;
        room.push(accepted);
    }
    assert_eq!(room, [0, 0, 0, 4, 0]);
}

#[test]
fn a_publisher_keeps_what_fits_and_counts_the_rest() {
    let publisher = Pub::builder().send_hwm(3).build().expect("a PUB");
    let subscriber = Sub::builder().recv_hwm(2).build().expect("a SUB");
    let at = inproc();
    publisher.bind(&at).expect("to bind");
    subscriber.subscribe("").expect("to subscribe");
    subscriber.connect(&at).expect("to connect");
    publisher.wait_subscribers(1, SOON).expect("a subscriber");
    for number in 0..20 {
        publisher.send(numbered(number)).expect("never waits");
    }
    let numbers: Vec<u64> = subscriber.try_iter().map(|m| number(&m[0])).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(publisher.peers()[0].sent.refused, 15);
    each_balances("the publisher", &publisher.peers());
}

#[test]
fn no_drop_refuses_instead() {
    let publisher = Pub::builder()
        .send_hwm(3)
        .no_drop(true)
        .build()
        .expect("a PUB");
    let subscriber = Sub::builder().recv_hwm(2).build().expect("a SUB");
    let at = inproc();
    publisher.bind(&at).expect("to bind");
    subscriber.subscribe("").expect("to subscribe");
    subscriber.connect(&at).expect("to connect");
    publisher.wait_subscribers(1, SOON).expect("a subscriber");
    for number in 0..5 {
        publisher.try_send(numbered(number)).expect("room");
    }
    let refused = publisher.try_send(numbered(5)).expect_err("no room");
    assert_eq!(refused, SendError::Full(numbered(5)));
    let numbers: Vec<u64> = subscriber.try_iter().map(|m| number(&m[0])).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4], "each once, the refused one never");
    publisher.try_send(numbered(5)).expect("room again");
    assert_eq!(number(&subscriber.recv_timeout(SOON).expect("it")[0]), 5);
}

#[test]
fn connecting_first_loses_nothing() {
    let at = inproc();
    let pushes: Vec<Push> = (0..3).map(|_| push(0)).collect();
    for (index, push) in pushes.iter().enumerate() {
        push.connect(&at).expect("to connect");
        for number in 0..1000 {
            push.send([index.to_string(), number.to_string()])
                .expect("room");
        }
    }
    let pull = pull(0);
    pull.bind(&at).expect("to bind");
    let mut next = [0; 3];
    for _ in 0..3000 {
        let message = pull.recv_timeout(SOON).expect("a message");
        let sender = number(&message[0]) as usize;
        assert_eq!(number(&message[1]), next[sender], "of sender {sender}");
        next[sender] += 1;
    }
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
}

#[test]
fn a_name_belongs_to_one_until_it_is_given_back() {
    let at = inproc();
    let first = pull(1);
    first.bind(&at).expect("to bind");
    let second = pull(1);
    let error = second.bind(&at).expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    assert!(error.to_string().contains(&at), "{error}");
    first.unbind(&at).expect("to unbind");
    second.bind(&at).expect("it is free again");
    drop(second);
    first
        .bind(&at)
        .expect("and again, after its owner has gone");
}

#[test]
fn contexts_do_not_know_each_others_names() {
    let at = inproc();
    let other = Context::new();
    let here = Pair::new().expect("a PAIR");
    let there = Pair::builder().context(&other).build().expect("a PAIR");
    here.bind(&at).expect("to bind");
    there.bind(&at).expect("to bind the same name elsewhere");
    let friend = Pair::builder().context(&other).build().expect("a PAIR");
    friend.connect(&at).expect("to connect");
    friend.send("hello").expect("to send");
    assert_eq!(there.recv_timeout(SOON).expect("a message")[0], "hello");
    assert!(here.peers().is_empty());
}

#[test]
fn a_connection_ends_with_the_bound_socket_and_can_be_made_anew() {
    let at = inproc();
    let dealer = Dealer::builder().routing_id("d").build().expect("a DEALER");
    for round in 0..5 {
        let router = Router::new().expect("a ROUTER");
        if round % 2 == 0 {
            dealer.connect(&at).expect("to connect");
            router.bind(&at).expect("to bind");
        } else {
            router.bind(&at).expect("to bind");
            dealer.connect(&at).expect("to connect");
        }
        dealer.wait_peers(1, SOON).expect("the peer");
        dealer.send(numbered(round)).expect("to send");
        let (id, message) = router.recv_from_timeout(SOON).expect("a message");
        assert_eq!((id.as_bytes(), number(&message[0])), (&b"d"[..], round));
        router.send_to(&id, numbered(round)).expect("to answer");
        assert_eq!(number(&dealer.recv_timeout(SOON).expect("it")[0]), round);
        drop(router);
        common::eventually("the peer has left", || dealer.peers().is_empty());
        assert!(matches!(dealer.try_send("x"), Err(SendError::Full(_))));
    }
    let stats = dealer.stats();
    assert_eq!((stats.sent.delivered, stats.received.delivered), (5, 5));
    balanced("those who have left, too", stats);
}
