//! The end of things: close, drop, linger, unbind, disconnect, and coming back after a loss.

mod common;

use std::{
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use common::{
    AT_ONCE, MOMENT, SOON, Started, balanced, eventually, everywhere, free_port, fresh_path,
    number, numbered, quiet, within,
};
use hubless::{
    Context, Dealer, Endpoint, ErrorKind, Linger, Pair, Pub, Pull, Push, Reconnect, RecvError, Rep,
    Req, Router, SendError, Sub,
};

fn push(linger: Linger) -> Push {
    Push::builder()
        .linger(linger)
        .reconnect(AT_ONCE)
        .build()
        .expect("a PUSH")
}

#[test]
fn closing_ends_every_call_that_waits() {
    for at in everywhere() {
        let dealer = Dealer::builder().send_hwm(1).build().expect("a DEALER");
        let at = dealer.bind(&at).expect("to bind");
        let barrier = Arc::new(Barrier::new(6));
        let waiting = |call: fn(&Dealer) -> ErrorKind| {
            let (dealer, barrier) = (dealer.clone(), Arc::clone(&barrier));
            Started::new(move || {
                barrier.wait();
                call(&dealer)
            })
        };
        let calls = vec![
            waiting(|dealer| dealer.recv().expect_err("closed").kind()),
            waiting(|dealer| dealer.recv_timeout(SOON).expect_err("closed").kind()),
            waiting(|dealer| dealer.send("nobody").expect_err("closed").kind()),
            waiting(|dealer| dealer.wait_peers(1, SOON).expect_err("closed").kind()),
            waiting(|dealer| {
                common::block_on(dealer.recv_async())
                    .expect_err("closed")
                    .kind()
            }),
        ];
        barrier.wait();
        dealer.close(SOON).expect("to close");
        for call in calls {
            assert_eq!(call.join("a waiting call"), ErrorKind::Closed, "over {at}");
        }
        assert_eq!(dealer.try_recv(), Err(RecvError::Closed));
        let refused = dealer.try_send("late").expect_err("closed");
        assert!(matches!(refused, SendError::Closed(message) if message[0] == "late"));
        assert_eq!(
            dealer.connect(&at).expect_err("closed").kind(),
            ErrorKind::Closed
        );
        assert_eq!(
            dealer.bind(&at).expect_err("closed").kind(),
            ErrorKind::Closed
        );
        dealer.close(SOON).expect("closing twice is no fault");
    }
}

#[test]
fn closing_tells_what_it_could_not_send() {
    let path = format!("ipc://{}", fresh_path().display());
    for at in [free_port(), path, common::inproc()] {
        let push = push(Linger::Drop);
        push.connect(&at).expect("to connect");
        for number in 0..7 {
            push.send(numbered(number)).expect("room");
        }
        let report = push.close(MOMENT).expect("to close");
        assert_eq!(report.unsent, 7, "to {at}");
        balanced("the sender", push.stats());
        assert_eq!(push.stats().sent.dropped, 7, "to {at}");
    }
}

#[test]
fn closing_counts_what_nobody_has_read() {
    for at in everywhere() {
        let pull = Pull::new().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let push = push(Linger::Drop);
        push.connect(&at).expect("to connect");
        for number in 0..5 {
            push.send(numbered(number)).expect("room");
        }
        assert!(pull.recv_timeout(SOON).is_ok());
        eventually("all have come", || pull.stats().received.accepted == 5);
        pull.close(SOON).expect("to close");
        let received = pull.stats().received;
        let unread = (received.delivered, received.queued, received.dropped);
        assert_eq!(unread, (1, 0, 4), "over {at}");
        balanced("the receiver", pull.stats());
    }
}

#[test]
fn closing_delivers_what_is_queued() {
    for at in everywhere() {
        let pull = Pull::builder().recv_hwm(10).build().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let push = push(Linger::Drop);
        push.connect(&at).expect("to connect");
        let sender = Started::new(move || {
            for number in 0..500 {
                push.send((number.to_string(), vec![0; 10_000]))
                    .expect("to send");
            }
            let report = push.close(SOON).expect("to close");
            (report.unsent, push.stats())
        });
        for expected in 0..500 {
            let message = pull.recv_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), expected, "over {at}");
        }
        let (unsent, stats) = sender.join("closing");
        assert_eq!(unsent, 0);
        balanced("the sender", stats);
        assert_eq!(pull.recv_timeout(MOMENT), Err(RecvError::TimedOut));
    }
}

#[test]
fn dropping_delivers_to_a_peer_that_comes_late() {
    let path = format!("ipc://{}", fresh_path().display());
    for at in [free_port(), path] {
        let push = push(Linger::Forever);
        push.connect(&at).expect("to connect");
        for number in 0..100 {
            push.send(numbered(number)).expect("room");
        }
        let dropped = Started::new(move || drop(push));
        let pull = Pull::new().expect("a PULL");
        pull.bind(&at).expect("to bind");
        for expected in 0..100 {
            let message = pull.recv_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), expected, "over {at}");
        }
        dropped.join("the drop");
    }
}

#[test]
fn dropping_ends_when_the_linger_is_over() {
    // One with nobody there, one with a peer that takes nothing.
    let nobody = push(Linger::For(MOMENT));
    nobody.connect(free_port()).expect("to connect");
    nobody.send("lost").expect("room");
    for at in everywhere() {
        let pull = Pull::builder().recv_hwm(1).build().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let stalled = push(Linger::For(MOMENT));
        stalled.connect(&at).expect("to connect");
        stalled.connect(&at).expect("to connect");
        while stalled.send_timeout(vec![0; 100_000], MOMENT).is_ok() {}
        let took = within("the drop", move || {
            let start = Instant::now();
            drop(stalled);
            start.elapsed()
        });
        assert!(took < Duration::from_secs(5), "{took:?} over {at}");
    }
    within("the drop", move || drop(nobody));
}

#[test]
fn sockets_that_queue_nothing_end_at_once() {
    for at in everywhere() {
        let start = Instant::now();
        for _ in 0..50 {
            let pull = Pull::builder()
                .linger(Linger::Forever)
                .build()
                .expect("a PULL");
            let at = pull.bind(&at).expect("to bind");
            let push = push(Linger::Forever);
            push.connect(&at).expect("to connect");
        }
        assert!(start.elapsed() < SOON, "{:?} over {at}", start.elapsed());
    }
}

#[test]
fn a_request_leaves_though_its_asker_does_not_wait() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        for at_once in [true, false] {
            let req = Req::new().expect("a REQ");
            req.connect(&at).expect("to connect");
            if !at_once {
                // Nobody drives it either.
                rep.wait_peers(1, SOON).expect("it comes by itself");
            }
            req.send("?").expect("to queue");
            let (_, responder) = rep.recv_timeout(SOON).expect("it was asked");
            assert!(responder.reply("!"));
            assert_eq!(req.recv_timeout(SOON).expect("an answer")[0], "!");
        }
    }
}

#[test]
fn the_last_clone_closes() {
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let push = push(Linger::Forever);
    push.connect(&at).expect("to connect");
    let senders: Vec<_> = (0..4)
        .map(|sender: u64| {
            let push = push.clone();
            Started::new(move || {
                for number in 0..1000 {
                    push.send([sender.to_string(), number.to_string()])
                        .expect("to send");
                }
                drop(push);
            })
        })
        .collect();
    drop(push);
    let mut next = [0; 4];
    for _ in 0..4000 {
        let message = pull.recv_timeout(SOON).expect("a message");
        let sender = number(&message[0]) as usize;
        assert_eq!(number(&message[1]), next[sender], "in order");
        next[sender] += 1;
    }
    for sender in senders {
        sender.join("a sender");
    }
    eventually("the socket is closed", || pull.peers().is_empty());
}

#[test]
fn a_client_finds_a_server_that_was_restarted() {
    let path = format!("ipc://{}", fresh_path().display());
    for at in [free_port(), path] {
        let dealer = Dealer::builder()
            .routing_id("client")
            .reconnect(AT_ONCE)
            .build()
            .expect("a DEALER");
        let connection = dealer.connect(&at).expect("to connect");
        for round in 0..10 {
            let router = Router::new().expect("a ROUTER");
            router.bind(&at).expect("the same place, at once");
            connection.wait_ready(SOON).expect("the server");
            dealer.send(numbered(round)).expect("to send");
            let (id, message) = router.recv_from_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), round, "over {at}");
            router.send_to(&id, numbered(round)).expect("to answer");
            assert_eq!(number(&dealer.recv_timeout(SOON).expect("it")[0]), round);
            router.close(SOON).expect("to close");
            eventually("the loss is noticed", || {
                dealer.peers().iter().all(|peer| !peer.ready)
            });
        }
        quiet("the client", || dealer.stats());
    }
}

#[test]
fn what_was_queued_while_nobody_was_there_arrives_after_the_restart() {
    let at = free_port();
    let push = push(Linger::Drop);
    push.connect(&at).expect("to connect");
    let mut next = 0;
    for _ in 0..3 {
        for number in next..next + 50 {
            push.send(numbered(number)).expect("room");
        }
        let pull = Pull::new().expect("a PULL");
        pull.bind(&at).expect("to bind");
        for _ in 0..50 {
            let message = pull.recv_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), next);
            next += 1;
        }
        drop(pull);
        eventually("the loss is noticed", || !push.peers()[0].ready);
    }
    quiet("the sender", || push.stats());
    assert_eq!(push.stats().sent.lost, 0);
}

#[test]
fn unbinding_frees_the_place_and_closes_what_came_in() {
    let path = format!("ipc://{}", fresh_path().display());
    for at in [free_port(), path, common::inproc()] {
        let first = Pull::new().expect("a PULL");
        let bound = first.bind(&at).expect("to bind");
        assert_eq!(first.bound(), std::slice::from_ref(&bound));
        let push = push(Linger::Drop);
        push.connect(&at).expect("to connect");
        push.send("one").expect("to send");
        assert_eq!(first.recv_timeout(SOON).expect("it")[0], "one");
        first.unbind(&bound).expect("to unbind");
        assert!(first.bound().is_empty());
        assert_eq!(
            first.unbind(&bound).expect_err("gone").kind(),
            ErrorKind::NotFound
        );
        let second = Pull::new().expect("a PULL");
        second.bind(&at).expect("to bind at once");
        eventually("the peer has left", || first.peers().is_empty());
        if !bound.is_inproc() {
            // It has noticed: what was sent before could go down with the old connection.
            second.wait_peers(1, SOON).expect("the peer, again");
            push.send("two").expect("to send");
            assert_eq!(second.recv_timeout(SOON).expect("it")[0], "two");
        }
    }
}

#[test]
fn who_waits_for_a_peer_hears_that_it_will_not_come() {
    // Another type: no handshake will ever succeed.
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    for immediate in [false, true] {
        let dealer = Dealer::builder().immediate(immediate).build();
        let dealer = dealer.expect("a DEALER");
        let connection = dealer.connect(&at).expect("to connect");
        let error = connection.wait_ready(SOON).expect_err("refused for good");
        assert_eq!(error.kind(), ErrorKind::NotFound, "immediate: {immediate}");
    }
}

#[test]
fn wildcards_are_unbound_by_what_bind_said() {
    let pull = Pull::new().expect("a PULL");
    for wildcard in ["tcp://127.0.0.1:*", "tcp://*:0", "ipc://*"] {
        let bound = pull.bind(wildcard).expect("to bind");
        assert_ne!(bound.to_string(), wildcard);
        let error = pull.unbind(wildcard).expect_err("not what bind said");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("://"), "{error}");
        pull.unbind(&bound).expect("to unbind");
    }
    assert!(pull.bound().is_empty());
}

#[test]
fn disconnecting_ends_one_connection_after_what_is_queued() {
    for at in everywhere() {
        let pull = Pull::new().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let push = push(Linger::For(SOON));
        let connection = push.connect(&at).expect("to connect");
        for number in 0..100 {
            push.send(numbered(number)).expect("room");
        }
        push.disconnect(&at).expect("to disconnect");
        assert_eq!(
            push.disconnect(&at).expect_err("gone").kind(),
            ErrorKind::NotFound
        );
        assert!(matches!(push.try_send("x"), Err(SendError::Full(_))));
        for expected in 0..100 {
            let message = pull.recv_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), expected, "over {at}");
        }
        eventually("both have forgotten each other", || {
            pull.peers().is_empty() && push.peers().is_empty()
        });
        let error = connection.wait_ready(SOON).expect_err("it is gone");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        balanced("the sender", push.stats());
        assert_eq!(push.stats().sent.delivered, 100);
        push.connect(&at).expect("to connect again");
        push.send("again").expect("to send");
        assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "again");
    }
}

#[test]
fn connect_returns_at_once_and_the_handle_tells_when() {
    let path = format!("ipc://{}", fresh_path().display());
    for at in [free_port(), path, common::inproc()] {
        let dealer = Dealer::builder()
            .reconnect(AT_ONCE)
            .build()
            .expect("a DEALER");
        let connection = dealer
            .connect(&at)
            .expect("nobody is there, and that is no error");
        let error = connection.wait_ready(MOMENT).expect_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{at}");
        let waiting = {
            let connection = connection.clone();
            Started::new(move || common::block_on(connection.ready()))
        };
        let router = Router::new().expect("a ROUTER");
        router.bind(&at).expect("to bind");
        connection.wait_ready(SOON).expect("ready");
        waiting.join("the future").expect("ready");
        dealer.close(SOON).expect("to close");
        let error = connection.wait_ready(SOON).expect_err("closed");
        assert!(matches!(
            error.kind(),
            ErrorKind::Closed | ErrorKind::NotFound
        ));
    }
}

#[test]
fn never_reconnect_means_never() {
    let push = Push::builder()
        .reconnect(Reconnect::Never)
        .build()
        .expect("a PUSH");
    let connection = push.connect(free_port()).expect("to connect");
    let error = connection.wait_ready(SOON).expect_err("refused for good");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    eventually("the endpoint is gone", || push.peers().is_empty());
}

#[test]
fn closing_a_context_closes_its_sockets() {
    for at in everywhere() {
        let context = Context::builder().io_threads(2).build();
        let pull = Pull::builder().context(&context).build().expect("a PULL");
        let at: Endpoint = pull.bind(&at).expect("to bind");
        let push = Push::builder().context(&context).build().expect("a PUSH");
        push.connect(&at).expect("to connect");
        push.send("hello").expect("to send");
        assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "hello");
        let waiting = {
            let pull = pull.clone();
            Started::new(move || pull.recv())
        };
        context.close(SOON).expect("to close");
        assert_eq!(waiting.join("the receive"), Err(RecvError::Closed));
        assert!(matches!(push.try_send("late"), Err(SendError::Closed(_))));
        let error = Pull::builder()
            .context(&context)
            .build()
            .expect_err("closed");
        assert_eq!(error.kind(), ErrorKind::Closed);
        context.close(SOON).expect("twice is no fault");
    }
}

#[test]
fn every_type_can_be_closed_while_another_thread_waits_in_it() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let serving = {
            let rep = rep.clone();
            Started::new(move || rep.recv().map(|_| ()))
        };
        let req = Req::new().expect("a REQ");
        req.connect(common::inproc()).expect("to connect");
        let asking = {
            let req = req.clone();
            Started::new(move || req.request("?").map_err(|error| error.kind()).map(|_| ()))
        };
        let sub = Sub::new().expect("a SUB");
        sub.connect(&at).expect("to connect");
        let listening = {
            let sub = sub.clone();
            Started::new(move || sub.recv().map(|_| ()))
        };
        thread::yield_now();
        rep.close(Duration::ZERO).expect("to close");
        req.close(Duration::ZERO).expect("to close");
        sub.close(Duration::ZERO).expect("to close");
        assert_eq!(serving.join("REP"), Err(RecvError::Closed));
        assert_eq!(asking.join("REQ"), Err(ErrorKind::Closed));
        assert_eq!(listening.join("SUB"), Err(RecvError::Closed));
    }
}

#[test]
fn many_sockets_come_and_go() {
    let context = Context::new();
    let at = "tcp://127.0.0.1:0";
    let publisher = Pub::builder().context(&context).build().expect("a PUB");
    let at = publisher.bind(at).expect("to bind");
    within("300 subscribers, one after the other", move || {
        for _ in 0..300 {
            let sub = Sub::builder().context(&context).build().expect("a SUB");
            sub.subscribe("").expect("to subscribe");
            sub.connect(&at).expect("to connect");
            publisher.send("to whoever is there").expect("to send");
        }
        eventually("all have left", || publisher.peers().is_empty());
        balanced("the publisher", publisher.stats());
    });
}

#[test]
fn a_pair_takes_another_peer_once_the_first_has_left() {
    for at in everywhere() {
        let pair = Pair::new().expect("a PAIR");
        let at = pair.bind(&at).expect("to bind");
        for round in 0..3 {
            let other = Pair::builder().reconnect(AT_ONCE).build().expect("a PAIR");
            other.connect(&at).expect("to connect");
            other.send(numbered(round)).expect("to send");
            let message = pair.recv_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), round, "over {at}");
            drop(other);
            eventually("it has left", || pair.peers().is_empty());
        }
    }
}

#[test]
fn by_default_a_drop_waits_a_finite_time() {
    let path = format!("ipc://{}", fresh_path().display());
    for at in [free_port(), path, common::inproc()] {
        let push = Push::new().expect("a PUSH");
        push.connect(&at).expect("to connect");
        push.send("nobody will ever read this").expect("room");
        let took = within("the drop", move || {
            let start = Instant::now();
            drop(push);
            start.elapsed()
        });
        assert!(took < Duration::from_secs(10), "{took:?} to {at}");
    }
}

#[test]
fn things_may_be_dropped_in_any_order() {
    let mut dice = common::Dice::new(0xd20b);
    for round in 0..40 {
        let at = everywhere().swap_remove(round % 4);
        let context = Context::builder().io_threads(2).build();
        let rep = Rep::builder().context(&context).build().expect("a REP");
        let events = rep.monitor();
        let at = rep.bind(&at).expect("to bind");
        let req = Req::builder().context(&context).build().expect("a REQ");
        let connection = req.connect(&at).expect("to connect");
        let pull = Pull::builder().context(&context).build().expect("a PULL");
        let other = pull.bind(common::inproc()).expect("to bind");
        let push = Push::builder().context(&context).build().expect("a PUSH");
        push.connect(&other).expect("to connect");
        push.send("unread").expect("room");
        req.send("unanswered").expect("room");
        let (_, responder) = rep.recv_timeout(SOON).expect("a request");
        let clone = req.clone();
        let mut things: Vec<Box<dyn Send>> = vec![
            Box::new(context),
            Box::new(rep),
            Box::new(events),
            Box::new(req),
            Box::new(connection),
            Box::new(pull),
            Box::new(push),
            Box::new(responder),
            Box::new(clone),
        ];
        let mut order = Vec::new();
        while !things.is_empty() {
            let next = dice.roll(things.len() as u64) as usize;
            order.push(things.swap_remove(next));
        }
        within("all drops", move || order.into_iter().for_each(drop));
    }
}

#[test]
fn what_outlives_its_socket_says_that_it_is_closed() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let events = rep.monitor();
        let at = rep.bind(&at).expect("to bind");
        let req = Req::new().expect("a REQ");
        let connection = req.connect(&at).expect("to connect");
        req.send("?").expect("room");
        let (_, responder) = rep.recv_timeout(SOON).expect("a request");
        rep.close(SOON).expect("to close");
        assert!(!responder.reply("too late"), "nobody takes it, over {at}");
        let mut events =
            events.skip_while(|event| !matches!(event.kind, hubless::EventKind::Closed));
        assert!(at.is_inproc() || events.next().is_some());
        req.close(SOON).expect("to close");
        let error = connection.wait_ready(SOON).expect_err("closed");
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
}

#[test]
fn what_a_closed_receiver_left_unread_is_counted_as_dropped() {
    let at = common::inproc();
    let pull = Pull::new().expect("a PULL");
    pull.bind(&at).expect("to bind");
    let push = push(Linger::Drop);
    push.connect(&at).expect("to connect");
    for number in 0..5 {
        push.send(numbered(number)).expect("room");
    }
    // One is read; the others have come half of the way with it.
    assert_eq!(number(&pull.recv_timeout(SOON).expect("it")[0]), 0);
    pull.close(SOON).expect("to close");
    let sent = push.stats().sent;
    assert_eq!(
        (sent.delivered, sent.dropped, sent.queued),
        (1, 4, 0),
        "{sent:?}"
    );
    balanced("the sender", push.stats());
    balanced("the receiver", pull.stats());
    assert_eq!(pull.stats().received.queued, 0);
}

#[test]
fn a_peer_that_dies_ends_the_linger_for_it_even_if_nobody_read_what_it_sent() {
    let dealer = Dealer::builder()
        .recv_hwm(1)
        .send_hwm(1)
        .linger(Linger::Forever)
        .build()
        .expect("a DEALER");
    let at = dealer.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut raw = common::raw::Raw::connect(&at, "DEALER");
    for _ in 0..1000 {
        raw.send(&[b"nobody reads this"]);
    }
    while dealer.send_timeout(vec![0; 100_000], MOMENT).is_ok() {}
    drop(raw);
    within("the drop", move || drop(dealer));
}

#[test]
fn what_was_sent_arrives_though_the_sender_closed_with_mail_unread() {
    for at in ["tcp://127.0.0.1:0", "ipc://*"] {
        let closing = Dealer::builder()
            .linger(Linger::For(SOON))
            .build()
            .expect("a DEALER");
        let at = closing.bind(at).expect("to bind");
        let other = Dealer::builder().recv_hwm(1).build().expect("a DEALER");
        other.connect(&at).expect("to connect");
        for _ in 0..500 {
            other.send(vec![1; 10_000]).expect("room");
        }
        eventually("some of it has come", || {
            closing.stats().received.queued > 0
        });
        for number in 0..200 {
            closing
                .send((number.to_string(), vec![2; 50_000]))
                .expect("room");
        }
        let dropping = Started::new(move || drop(closing));
        for expected in 0..200 {
            let message = other.recv_timeout(SOON).expect("a message");
            assert_eq!(number(&message[0]), expected, "over {at}");
        }
        dropping.join("the drop");
    }
}
