//! What a socket can be told beyond libzmq: who gets a message, what becomes of one that finds no
//! room, and which topics come in exactly.

mod common;

use common::{MOMENT, SOON, eventually, everywhere, free_port, inproc};
use hubless::{
    Balance, Dealer, LaneStats, OnFull, Pair, Pub, Pull, Push, RecvError, SendError, Sub,
};

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

/// Sends 1 to 5 where three have room, to nobody yet; then somebody comes, to whom these arrive.
/// Also answers the counters from before.
fn five_for_three(on_full: OnFull, arrive: [&str; 3]) -> (Push, LaneStats, Pull) {
    let push = Push::builder().send_hwm(3).on_full(on_full).build();
    let push = push.expect("a PUSH");
    let at = free_port();
    push.connect(&at).expect("to connect");
    push.send_all(["1", "2", "3", "4", "5"])
        .expect("it does not wait");
    let sent = push.stats().sent;
    let pull = Pull::new().expect("a PULL");
    pull.bind(&at).expect("to bind");
    for text in arrive {
        assert_eq!(pull.recv_timeout(SOON).expect("it"), text.into());
    }
    (push, sent, pull)
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let drops = OnFull::DropNewest;
    let (push, sent, pull) = five_for_three(drops, ["1", "2", "3"]);
    assert_eq!((sent.accepted, sent.queued, sent.refused), (3, 3, 2));
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

#[test]
fn the_mark_in_octets_is_exact_and_beside_the_one_in_messages() {
    let body = [b'x'; 98];
    // Framed for the network: two octets more for each.
    let push = Push::builder().send_hwm_octets(1000).build().expect("it");
    let at = free_port();
    push.connect(&at).expect("to connect");
    for _ in 0..10 {
        push.try_send(&body[..]).expect("room");
    }
    assert!(matches!(push.try_send(""), Err(SendError::Full(_))));
    let sent = push.stats().sent;
    assert_eq!((sent.queued, sent.queued_octets), (10, 1000));

    // Who waits goes on, and reading stops where the other side's mark is reached.
    let pull = Pull::builder().recv_hwm_octets(490).build().expect("it");
    pull.bind(&at).expect("to bind");
    push.send_timeout(&body[..], SOON).expect("room again");
    eventually("all has left", || push.stats().sent.queued == 0);
    eventually("the mark", || pull.stats().received.queued >= 5);
    let waiting = pull.stats().received;
    assert_eq!((waiting.queued, waiting.queued_octets), (5, 490));
    for n in 0..11 {
        assert_eq!(
            pull.recv_timeout(SOON).expect("all of them").octets(),
            98,
            "{n}"
        );
    }

    // Within the process the marks add up, as those in messages do.
    let at = inproc();
    let push = Push::builder().send_hwm_octets(300).build().expect("it");
    let pull = Pull::builder().recv_hwm_octets(200).build().expect("it");
    push.connect(&at).expect("to connect");
    pull.bind(&at).expect("to bind");
    for _ in 0..5 {
        push.try_send(&body[..]).expect("room");
    }
    push.try_send("0123456789").expect("just so");
    assert!(matches!(push.try_send("x"), Err(SendError::Full(_))));
    assert_eq!(pull.stats().received.queued_octets, 500);
    assert_eq!(pull.try_iter().count(), 6);
    push.try_send(vec![0; 9000])
        .expect("a large one goes alone");
    assert!(matches!(push.try_send("x"), Err(SendError::Full(_))));
    assert_eq!(pull.recv_timeout(SOON).expect("it").octets(), 9000);
    for _ in 0..100 {
        push.send(&body[..]).expect("room");
        pull.recv_timeout(SOON).expect("it");
    }
}

#[test]
fn the_newest_are_kept() {
    let drops = OnFull::DropOldest;
    let (_push, sent, _pull) = five_for_three(drops, ["3", "4", "5"]);
    assert_eq!((sent.accepted, sent.queued, sent.refused), (5, 3, 0));
    assert_eq!((sent.dropped, sent.replaced), (2, 2));

    // A subscriber that does not keep up finds what is new, not what is old.
    let at = inproc();
    let publisher = Pub::builder()
        .send_hwm(2)
        .on_full(drops)
        .build()
        .expect("it");
    publisher.bind(&at).expect("to bind");
    let sub = Sub::builder().recv_hwm(2).build().expect("a SUB");
    sub.subscribe("").expect("open");
    sub.connect(&at).expect("to connect");
    publisher.wait_subscribers(1, SOON).expect("it");
    for round in 0..3 {
        publisher
            .send_all((0..100).map(|n| format!("{round}:{n}")))
            .expect("it");
        let newest: Vec<_> = (96..100).map(|n| format!("{round}:{n}")).collect();
        let seen: Vec<_> = sub
            .try_iter()
            .map(|it| it.as_str().map(str::to_owned))
            .collect();
        let seen: Vec<_> = seen.into_iter().map(|it| it.expect("text")).collect();
        assert_eq!(seen, newest);
    }
    let sent = publisher.stats().sent;
    assert_eq!(
        (sent.accepted, sent.replaced, sent.refused),
        (300, 3 * 96, 0)
    );
    common::balanced("the publisher", publisher.stats());

    // And one that is told to wait for its subscribers does.
    let publisher = Pub::builder()
        .send_hwm(1)
        .on_full(OnFull::Block)
        .build()
        .expect("it");
    let (at, sub) = (inproc(), Sub::builder().recv_hwm(1).build().expect("a SUB"));
    publisher.bind(&at).expect("to bind");
    sub.subscribe("").expect("open");
    sub.connect(&at).expect("to connect");
    publisher.wait_subscribers(1, SOON).expect("it");
    publisher.send_all(["1", "2"]).expect("room");
    assert!(matches!(publisher.try_send("3"), Err(SendError::Full(_))));
}
