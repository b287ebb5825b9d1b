//! Back-pressure: who waits, who is skipped, who loses messages, and that it is all counted.

mod common;

use bytes::Bytes;
use common::{
    MOMENT, SOON, Started, balanced, each_balances, eventually, everywhere, free_port, number,
    numbered, quiet, within,
};
use hubless::{Dealer, Endpoint, Linger, Pub, Pull, Push, RecvError, Router, SendError, Sub};

/// A body that fills kernel buffers in a few hundred messages.
fn bulk() -> Bytes {
    Bytes::from(vec![7; 32 << 10])
}

/// A PUSH of small marks, and PULLs of small marks that have connected to it.
fn push_and_pulls(at: &str, count: usize) -> (Push, Vec<Pull>) {
    let push = Push::builder()
        .send_hwm(10)
        .linger(Linger::Drop)
        .build()
        .expect("a PUSH");
    let at = push.bind(at).expect("to bind");
    let pulls = (0..count)
        .map(|_| {
            let pull = Pull::builder().recv_hwm(10).build().expect("a PULL");
            pull.connect(&at).expect("to connect");
            pull
        })
        .collect();
    push.wait_peers(count, SOON).expect("all peers");
    (push, pulls)
}

/// Sends until there is no room any more; how many were taken.
fn fill(push: &Push) -> u64 {
    let mut sent = 0;
    loop {
        match push.send_timeout((sent.to_string(), bulk()), MOMENT) {
            Ok(()) => sent += 1,
            Err(SendError::TimedOut(message)) => {
                assert_eq!(number(&message[0]), sent, "the message comes back");
                return sent;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_full_push_refuses_and_gives_the_message_back() {
    for at in everywhere() {
        let (push, pulls) = push_and_pulls(&at, 1);
        let sent = fill(&push);
        let refused = push.try_send(("mine", "still")).expect_err("full");
        assert!(matches!(&refused, SendError::Full(message) if message[0] == "mine"));
        assert!(refused.is_temporary());
        // After refusals and timeouts everything goes on as if nothing had been.
        for expected in 0..sent {
            let message = pulls[0].recv_timeout(SOON).expect("a message");
            assert_eq!(
                (number(&message[0]), message[1].len()),
                (expected, 32 << 10)
            );
        }
        assert_eq!(pulls[0].recv_timeout(MOMENT), Err(RecvError::TimedOut));
        push.send_timeout(("again", ""), SOON).expect("room");
        assert_eq!(pulls[0].recv_timeout(SOON).expect("it")[0], "again");
        quiet("the sender", || push.stats());
        assert_eq!(push.stats().sent.accepted, sent + 1, "over {at}");
        assert_eq!(push.stats().sent.delivered, sent + 1);
        balanced("the receiver", pulls[0].stats());
        assert_eq!(pulls[0].stats().received.delivered, sent + 1);
    }
}

#[test]
fn a_push_that_waits_is_woken_by_room() {
    for at in everywhere() {
        let (push, pulls) = push_and_pulls(&at, 1);
        let sent = fill(&push);
        let sender = push.clone();
        let waiting = Started::new(move || sender.send((sent.to_string(), bulk())));
        for expected in 0..=sent {
            let message = pulls[0].recv_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), expected, "over {at}");
        }
        waiting.join("the send").expect("sent");
    }
}

#[test]
fn a_push_that_waits_for_a_peer_is_woken_by_one() {
    for at in everywhere() {
        let push = Push::new().expect("a PUSH");
        let at = push.bind(&at).expect("to bind");
        assert!(matches!(push.try_send("x"), Err(SendError::Full(_))));
        let sender = push.clone();
        let waiting = Started::new(move || sender.send("hello"));
        let pull = Pull::new().expect("a PULL");
        pull.connect(&at).expect("to connect");
        waiting.join("the send").expect("sent");
        assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "hello");
    }
}

#[test]
fn a_stalled_pull_does_not_stop_the_others() {
    for at in everywhere() {
        let (push, mut pulls) = push_and_pulls(&at, 3);
        let stalled = pulls.pop().expect("three");
        let readers: Vec<Started<u64>> = pulls
            .into_iter()
            .map(|pull| {
                Started::new(move || {
                    let mut last = None;
                    let mut count = 0;
                    loop {
                        let message = pull.recv_timeout(SOON).expect("a message");
                        if message[0] == "end" {
                            return count;
                        }
                        let number = number(&message[0]);
                        assert!(last < Some(number), "in order");
                        last = Some(number);
                        count += 1;
                    }
                })
            })
            .collect();
        let total = 3000;
        let busy = push.clone();
        within("the stream past a stalled peer", move || {
            for number in 0..total {
                busy.send((number.to_string(), bulk())).expect("to send");
            }
        });
        // The stalled one holds what was given to it before it was full, and no more.
        let held = Started::new(move || {
            let mut held = 0;
            while stalled.recv_timeout(SOON).expect("a message")[0] != "end" {
                held += 1;
            }
            held
        });
        // Each peer gets one of three: their turns are equal once all have room.
        eventually("everybody has taken everything", || {
            push.stats().sent.queued == 0
        });
        for _ in 0..3 {
            push.send_timeout("end", SOON).expect("to send");
        }
        let held: u64 = held.join("the stalled one, awake");
        let others: Vec<u64> = readers
            .into_iter()
            .map(|reader| reader.join("a reader"))
            .collect();
        assert_eq!(held + others.iter().sum::<u64>(), total, "over {at}");
        assert!(held < total / 3, "{held} of {total} went to a stalled peer");
        each_balances("the sender", &push.peers());
    }
}

#[test]
fn a_stopped_subscriber_costs_only_itself() {
    for at in everywhere() {
        let hwm = 100;
        let publisher = Pub::builder().send_hwm(hwm).build().expect("a PUB");
        let at = publisher.bind(&at).expect("to bind");
        let subscriber = |topic: &str| {
            let sub = Sub::builder().recv_hwm(hwm).build().expect("a SUB");
            sub.subscribe(topic).expect("to subscribe");
            sub.connect(&at).expect("to connect");
            sub
        };
        // Topics tell the lanes apart: each neighbour also hears what is for it alone.
        let stopped = subscriber("all");
        publisher.wait_subscribers(1, SOON).expect("the first");
        let neighbours: Vec<Sub> = (0..2).map(|_| subscriber("all")).collect();
        publisher.wait_subscribers(3, SOON).expect("all");

        let total = 3000u64;
        let body = bulk();
        for number in 0..total {
            publisher
                .send(("all", number.to_string(), body.clone()))
                .expect("never waits");
            // The neighbours keep up, in step with us.
            for neighbour in &neighbours {
                let message = neighbour.recv_timeout(SOON).expect("undisturbed");
                assert_eq!(common::number(&message[1]), number, "over {at}");
            }
        }
        let peers = publisher.peers();
        let refused: Vec<u64> = peers.iter().map(|peer| peer.sent.refused).collect();
        let missed: u64 = refused.iter().sum();
        assert!(missed > 0, "it was stopped long enough to lose something");
        assert_eq!(refused.iter().filter(|&&count| count > 0).count(), 1);
        let most = peers.iter().map(|peer| peer.sent.queued).max();
        // Over inproc the limit is the sum of both marks.
        assert!(most <= Some(2 * hwm as u64), "memory has a bound: {most:?}");

        // Continued: what it gets is in order, and what it did not get was counted.
        let mut got = 0;
        let mut last = None;
        while got + missed < total {
            let message = stopped.recv_timeout(SOON).expect("what was kept");
            let number = Some(common::number(&message[1]));
            assert!(last < number, "in order, none twice");
            last = number;
            got += 1;
        }
        publisher.send(("all", "end", "")).expect("to send");
        let message = stopped.recv_timeout(SOON).expect("a message");
        assert_eq!(message[1], "end", "the counter is exact");
        for neighbour in &neighbours {
            assert_eq!(neighbour.recv_timeout(SOON).expect("it")[1], "end");
        }
        quiet("the publisher", || publisher.stats());
        each_balances("the publisher", &publisher.peers());
    }
}

#[test]
fn connecting_first_queues_up_to_the_mark() {
    let push = Push::builder()
        .send_hwm(5)
        .linger(Linger::Drop)
        .build()
        .expect("a PUSH");
    let at = free_port();
    push.connect(&at).expect("to connect");
    for number in 0..5 {
        push.try_send(numbered(number)).expect("room");
    }
    assert!(matches!(push.try_send("x"), Err(SendError::Full(_))));
    let pull = Pull::new().expect("a PULL");
    pull.bind(&at).expect("to bind");
    for expected in 0..5 {
        let message = pull.recv_timeout(SOON).expect("a message");
        assert_eq!(number(&message[0]), expected);
    }
}

#[test]
fn immediate_queues_for_nobody_who_is_not_there() {
    let push = Push::builder()
        .send_hwm(5)
        .immediate(true)
        .build()
        .expect("a PUSH");
    let at = free_port();
    push.connect(&at).expect("to connect");
    assert!(matches!(push.try_send("x"), Err(SendError::Full(_))));
    let pull = Pull::new().expect("a PULL");
    pull.bind(&at).expect("to bind");
    push.send_timeout("now", SOON).expect("a peer");
    assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "now");
}

#[test]
fn a_router_tells_that_a_peer_is_full_and_serves_the_others() {
    for at in everywhere() {
        let router = Router::builder()
            .send_hwm(10)
            .linger(Linger::Drop)
            .build()
            .expect("a ROUTER");
        let at = router.bind(&at).expect("to bind");
        let dealer = |id: &str| {
            let dealer = Dealer::builder()
                .routing_id(id)
                .recv_hwm(10)
                .build()
                .expect("a DEALER");
            dealer.connect(&at).expect("to connect");
            dealer
        };
        let (full, free) = (dealer("full"), dealer("free"));
        router.wait_peers(2, SOON).expect("both");
        let mut sent = 0;
        let mut refusals = 0;
        // Kernel buffers take a while to fill: it is full once it refuses a while long.
        while refusals < 100 {
            match router.send_to("full", (sent.to_string(), bulk())) {
                Ok(()) => (sent, refusals) = (sent + 1, 0),
                Err(SendError::Full(message)) => {
                    assert_eq!(number(&message[0]), sent);
                    refusals += 1;
                    router.send_to("free", "still here").expect("room");
                    assert_eq!(free.recv_timeout(SOON).expect("it")[0], "still here");
                }
                Err(error) => panic!("{error}"),
            }
        }
        for expected in 0..sent {
            let message = full.recv_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), expected, "over {at}");
        }
        quiet("the router", || router.stats());
    }
}

#[test]
fn a_mark_of_zero_never_refuses() {
    let pull = Pull::builder().recv_hwm(10).build().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let push = Push::builder().send_hwm(0).build().expect("a PUSH");
    push.connect(&at).expect("to connect");
    for number in 0..20_000 {
        push.try_send(numbered(number)).expect("no limit");
    }
    for expected in 0..20_000 {
        let message = pull.recv_timeout(SOON).expect("a message");
        assert_eq!(number(&message[0]), expected);
    }
    quiet("the sender", || push.stats());
}

#[test]
fn conflate_keeps_the_newest() {
    let publisher = Pub::builder().conflate(true).build().expect("a PUB");
    let at = publisher.bind(common::inproc()).expect("to bind");
    let sub = Sub::builder().conflate(true).build().expect("a SUB");
    sub.subscribe("").expect("to subscribe");
    sub.connect(&at).expect("to connect");
    publisher.wait_subscribers(1, SOON).expect("a subscriber");
    for number in 0..100 {
        publisher.send(numbered(number)).expect("to send");
    }
    assert_eq!(number(&sub.try_recv().expect("the newest")[0]), 99);
    assert_eq!(sub.try_recv(), Err(RecvError::Empty));
    assert_eq!(publisher.stats().sent.dropped, 99);
    balanced("the publisher", publisher.stats());
}

#[test]
fn conflate_over_a_connection_ends_with_the_newest() {
    for at in everywhere() {
        let pull = Pull::builder().conflate(true).build().expect("a PULL");
        let at: Endpoint = pull.bind(&at).expect("to bind");
        let push = Push::builder().conflate(true).build().expect("a PUSH");
        push.connect(&at).expect("to connect");
        for number in 0..10_000 {
            push.send(numbered(number)).expect("never full");
        }
        let mut last = None;
        while last != Some(9_999) {
            let number = Some(number(&pull.recv_timeout(SOON).expect("the newest")[0]));
            assert!(last < number, "only forwards");
            last = number;
        }
        quiet("the sender", || push.stats());
        balanced("the receiver", pull.stats());
    }
}

#[test]
fn a_slow_consumer_gets_every_octet() {
    for at in everywhere() {
        let (push, pulls) = push_and_pulls(&at, 1);
        let sender = push.clone();
        let sending = Started::new(move || {
            for number in 0..2000u64 {
                let body = vec![number as u8; (number * 37 % 9000) as usize];
                sender.send((number.to_string(), body)).expect("to send");
            }
        });
        for expected in 0..2000u64 {
            if expected % 500 == 0 {
                let received = || pulls[0].stats().received.queued;
                // Of the mark of 10: reading goes on once half of it is free.
                eventually("everything fills up", || received() >= 5);
            }
            let message = pulls[0].recv_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), expected, "over {at}");
            assert_eq!(message[1].len() as u64, expected * 37 % 9000);
            assert!(message[1].iter().all(|&octet| octet == expected as u8));
        }
        sending.join("the sender");
    }
}
