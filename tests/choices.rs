//! What a socket can be told beyond libzmq: who gets a message, what becomes of one that finds no
//! room, and which topics come in exactly.

mod common;

use common::{MOMENT, SOON, eventually, everywhere, free_port, inproc};
use hubless::{Balance, Dealer, OnFull, Pair, Pub, Pull, Push, RecvError, SendError, Sub};

#[test]
fn a_slow_worker_gets_less_where_the_least_queued_is_served() {
    for (balance, at_the_slow) in [(Balance::RoundRobin, 50), (Balance::LeastQueued, 1)] {
        let at = inproc();
        let push = Push::builder().balance(balance).build().expect("a PUSH");
        push.bind(&at).expect("to bind");
        let workers = [(); 2].map(|()| {
            let pull = Pull::new().expect("a PULL");
            pull.connect(&at).expect("to connect");
            pull
        });
        push.wait_peers(2, SOON).expect("both");
        let [slow, quick] = workers;
        for _ in 0..100 {
            push.send("work").expect("room");
            quick.try_iter().for_each(drop);
        }
        assert_eq!(slow.stats().received.queued, at_the_slow, "{balance:?}");
        assert_eq!(quick.stats().received.delivered, 100 - at_the_slow);
    }
}

#[test]
fn a_balanced_dealer_reaches_all_its_peers() {
    for at in everywhere() {
        let dealer = Dealer::builder()
            .balance(Balance::LeastQueued)
            .build()
            .expect("it");
        let at = dealer.bind(at).expect("to bind");
        let peers = [(); 3].map(|()| {
            let peer = Dealer::new().expect("a DEALER");
            peer.connect(&at).expect("to connect");
            peer
        });
        dealer.wait_peers(3, SOON).expect("all three");
        for _ in 0..10 {
            for _ in 0..3 {
                dealer.send("one each").expect("room");
            }
            for peer in &peers {
                peer.recv_timeout(SOON).expect("one each");
            }
            eventually("all has left", || dealer.stats().sent.queued == 0);
        }
    }
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let drops = OnFull::DropNewest;
    let push = Push::builder()
        .send_hwm(3)
        .on_full(drops)
        .build()
        .expect("it");
    let at = free_port();
    push.connect(&at).expect("to connect");
    push.send_all(["1", "2", "3", "4", "5"])
        .expect("it does not wait");
    let sent = push.stats().sent;
    assert_eq!((sent.accepted, sent.queued, sent.refused), (3, 3, 2));
    // It is the oldest that arrive.
    let pull = Pull::new().expect("a PULL");
    pull.bind(&at).expect("to bind");
    for text in ["1", "2", "3"] {
        assert_eq!(pull.recv_timeout(SOON).expect("it"), text.into());
    }
    eventually("there is room", || push.stats().sent.queued == 0);
    push.send("6").expect("room");
    assert_eq!(pull.recv_timeout(SOON).expect("it"), "6".into());

    let at = inproc();
    let pair = Pair::builder()
        .send_hwm(2)
        .on_full(drops)
        .build()
        .expect("it");
    let other = Pair::builder().recv_hwm(2).build().expect("a PAIR");
    assert!(matches!(pair.try_send("nobody"), Err(SendError::Full(_))));
    pair.bind(&at).expect("to bind");
    other.connect(&at).expect("to connect");
    pair.send_all(["x"; 10]).expect("it does not wait");
    assert_eq!(
        (pair.stats().sent.queued, pair.stats().sent.refused),
        (4, 6)
    );
}

#[test]
fn an_exact_topic_leaves_longer_ones_out() {
    for at in everywhere() {
        let publisher = Pub::new().expect("a PUB");
        let at = publisher.bind(at).expect("to bind");
        let sub = Sub::new().expect("a SUB");
        sub.subscribe_exact("news").expect("open");
        sub.connect(&at).expect("to connect");
        publisher.wait_subscribers(1, SOON).expect("it");
        for topic in ["newspaper", "news.today", "new", "news"] {
            publisher.send((topic, "text")).expect("to send");
        }
        assert_eq!(sub.recv_timeout(SOON).expect("it")[0], "news");
        assert_eq!(sub.recv_timeout(MOMENT), Err(RecvError::TimedOut));
        sub.unsubscribe_exact("news").expect("open");
        eventually("it knows", || publisher.subscriber_count() == 0);
    }
}
