//! Connections that are lost and come back: what is kept, what is counted, and that nobody ever
//! sees half a message.

mod common;

use std::time::Duration;

use common::{
    AT_ONCE, MOMENT, SOON, Started, eventually, free_port, fresh_path, number, numbered,
    process::{self, Other},
    quiet,
    raw::{Raw, frame},
    within,
};
use hubless::{
    Dealer, Endpoint, Error, ErrorKind, EventKind, Linger, Message, Pair, Pub, Pull, Push,
    Reconnect, RecvError, Rep, Req, Router, Sub,
};

type Recv = Box<dyn Fn(Duration) -> Result<Message, RecvError>>;

/// For each receiving type: what its raw peer is, where it is bound, and how it receives.
fn receivers() -> Vec<(&'static str, Endpoint, Recv)> {
    let at = "tcp://127.0.0.1:0";
    let (pull, dealer) = (
        Pull::new().expect("a PULL"),
        Dealer::new().expect("a DEALER"),
    );
    let (router, sub) = (Router::new().expect("a ROUTER"), Sub::new().expect("a SUB"));
    sub.subscribe("").expect("to subscribe");
    vec![
        (
            "PUSH",
            pull.bind(at).expect("to bind"),
            Box::new(move |time| pull.recv_timeout(time)),
        ),
        (
            "ROUTER",
            dealer.bind(at).expect("to bind"),
            Box::new(move |time| dealer.recv_timeout(time)),
        ),
        (
            "DEALER",
            router.bind(at).expect("to bind"),
            Box::new(move |time| Ok(router.recv_from_timeout(time)?.1)),
        ),
        (
            "PUB",
            sub.bind(at).expect("to bind"),
            Box::new(move |time| sub.recv_timeout(time)),
        ),
    ]
}

#[test]
fn a_peer_that_is_lost_inside_a_message_leaves_no_half_of_it() {
    let parts = [frame(1, b"one"), frame(1, &[2; 300]), frame(0, b"three")].concat();
    // Inside each header and body, and at each border between frames.
    let cuts = [1, 2, 4, 5, 6, 13, 14, 15, 200, 313, 314, 315, 316, 320];
    for (peer, at, recv) in receivers() {
        for cut in cuts {
            assert!(cut < parts.len());
            let mut lost = Raw::connect(&at, peer);
            lost.send(&[b"whole", b"before"]);
            lost.write(&parts[..cut]);
            assert_eq!(
                recv(SOON).expect("a message"),
                Message::from(("whole", "before"))
            );
            drop(lost);
            let mut next = Raw::connect(&at, peer);
            next.send(&[b"whole", b"after"]);
            let message = recv(SOON).expect("a message");
            assert_eq!(message, Message::from(("whole", "after")), "cut at {cut}");
        }
        assert_eq!(recv(MOMENT), Err(RecvError::TimedOut), "{peer}");
    }
}

/// Reads messages of three frames, each a number in its first; at most so many, or until the end.
fn read_messages(raw: &mut Raw, most: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < most {
        let Ok(first) = raw.read() else { break };
        assert_eq!(first.flags & 1, 1, "a message begins at its first frame");
        let number = number(&first.body);
        let (Ok(middle), Ok(last)) = (raw.read(), raw.read()) else {
            break;
        };
        assert_eq!((middle.flags & 1, last.flags & 1), (1, 0));
        assert!(middle.body.iter().all(|&octet| octet == number as u8));
        assert_eq!(last.body, b"end");
        numbers.push(number);
    }
    numbers
}

#[test]
fn what_was_cut_is_lost_whole_and_the_next_connection_begins_at_a_message() {
    let (listener, at) = common::raw::listen();
    let push = Push::builder().reconnect(AT_ONCE).build().expect("a PUSH");
    push.connect(&at).expect("to connect");
    let total = 600;
    let sender = push.clone();
    let sending = Started::new(move || {
        for number in 0..total {
            let body = vec![number as u8; 100_000];
            sender
                .send((number.to_string(), body, "end"))
                .expect("to send");
        }
    });
    let mut last = None;
    for round in 0..5 {
        let mut raw = Raw::accept(&listener, "PULL");
        let numbers = read_messages(&mut raw, 20);
        assert!(
            last < numbers.first().copied(),
            "round {round}: forwards only"
        );
        assert!(
            numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "none is missing"
        );
        last = numbers.last().copied();
        // Half of a frame, then it is gone, with more on the way.
        raw.read().expect("a frame");
    }
    let mut raw = Raw::accept(&listener, "PULL");
    let reading = Started::new(move || read_messages(&mut raw, usize::MAX));
    sending.join("the sender");
    assert_eq!(push.close(SOON).expect("to close").unsent, 0);
    let numbers = reading.join("the last reader");
    assert_eq!(numbers.last(), Some(&(total - 1)));
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    let sent = push.stats().sent;
    assert_eq!((sent.accepted, sent.queued, sent.dropped), (total, 0, 0));
    assert!(
        (1..=5).contains(&sent.lost),
        "at most one with each connection: {sent:?}"
    );
    assert_eq!(sent.delivered + sent.lost, total);
}

#[test]
fn subscriptions_come_back_with_every_connection() {
    let path = format!("ipc://{}", fresh_path().display());
    for at in [free_port(), path] {
        // It connects before anybody is there.
        let sub = Sub::builder().reconnect(AT_ONCE).build().expect("a SUB");
        sub.subscribe("always").expect("to subscribe");
        sub.connect(&at).expect("to connect");
        for round in 0..6u64 {
            // Changed while nobody is there to hear of it.
            sub.subscribe(format!("only {round};"))
                .expect("to subscribe");
            if round > 0 {
                sub.unsubscribe(format!("only {};", round - 1))
                    .expect("to cancel");
            }
            let publisher = Pub::new().expect("a PUB");
            publisher.bind(&at).expect("the same place");
            publisher.wait_subscribers(1, SOON).expect("it came back");
            // All it subscribes to is said at once, so this one finds the topics complete.
            for other in 0..6 {
                publisher.send(format!("only {other};")).expect("to send");
            }
            publisher
                .send(("always", round.to_string()))
                .expect("to send");
            let wanted = sub.recv_timeout(SOON).expect("a message");
            assert_eq!(wanted, Message::from(format!("only {round};")), "over {at}");
            let last = sub.recv_timeout(SOON).expect("a message");
            assert_eq!(number(&last[1]), round);
            drop(publisher);
            eventually("the loss is noticed", || !sub.peers()[0].ready);
        }
        assert_eq!(sub.try_recv(), Err(RecvError::Empty));
    }
}

#[test]
fn a_bound_socket_serves_those_who_come_again() {
    let path = format!("ipc://{}", fresh_path().display());
    for at in [free_port(), path, common::inproc()] {
        let push = Push::new().expect("a PUSH");
        push.bind(&at).expect("to bind");
        for round in 0..10 {
            let pull = Pull::new().expect("a PULL");
            pull.connect(&at).expect("to connect");
            push.wait_peers(1, SOON).expect("it");
            push.send(numbered(round)).expect("to send");
            assert_eq!(
                number(&pull.recv_timeout(SOON).expect("it")[0]),
                round,
                "over {at}"
            );
            drop(pull);
            eventually("it has left", || push.peers().is_empty());
        }
        assert_eq!(push.stats().sent.delivered, 10);
    }
}

#[test]
fn a_server_that_is_killed_while_it_works() {
    if let Some(role) = process::role() {
        let rep = Rep::new().expect("a REP");
        rep.bind(&role[0]).expect("to bind");
        let (request, responder) = rep.recv_timeout(SOON).expect("a request");
        process::say(request.as_str().expect("text"));
        process::wait_for_parent();
        assert!(responder.reply("done"));
        return drop(rep);
    }
    let test = "a_server_that_is_killed_while_it_works";
    let path = format!("ipc://{}", fresh_path().display());
    for at in [free_port(), path] {
        let req = Req::builder().reconnect(AT_ONCE).build().expect("a REQ");
        req.connect(&at).expect("to connect");
        for round in 0..2u64 {
            let mut server = Other::start(test, &at);
            let asking = {
                let req = req.clone();
                Started::new(move || req.request(format!("work-{round}")))
            };
            assert_eq!(server.hear(), format!("work-{round}"));
            server.signal("KILL");
            let error: Error = asking.join("the request").expect_err("nobody answers");
            assert_eq!(error.kind(), ErrorKind::PeerLost, "over {at}");
        }
        // Another one takes over; the socket can ask again.
        let mut server = Other::start(test, &at);
        let asking = Started::new(move || req.request_timeout("again", SOON));
        assert_eq!(server.hear(), "again");
        server.go_on();
        assert_eq!(asking.join("the request").expect("an answer")[0], "done");
        server.end();
    }
}

#[test]
fn a_request_that_nobody_answers_in_time_can_be_followed_by_another() {
    let (listener, at) = common::raw::listen();
    let req = Req::builder()
        .reconnect(AT_ONCE)
        .linger(Linger::Drop)
        .build()
        .expect("a REQ");
    req.connect(&at).expect("to connect");
    let asking = |text: &'static str, time| {
        let req = req.clone();
        Started::new(move || req.request_timeout(text, time))
    };
    let waits = asking("first", Duration::from_secs(1));
    let mut silent = Raw::accept(&listener, "REP");
    let error = waits.join("the first").expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // Whatever it says now, it is too late: that connection is over.
    silent.read_to_end();
    let waits = asking("second", SOON);
    let mut server = Raw::accept(&listener, "REP");
    assert_eq!(server.read().expect("a delimiter").body, b"");
    assert_eq!(server.read().expect("the question").body, b"second");
    server.send(&[b"", b"the answer"]);
    assert_eq!(waits.join("the second").expect("it")[0], "the answer");
}

#[test]
fn waits_between_attempts_are_random_and_bounded() {
    let (min, max) = (Duration::from_millis(1), Duration::from_millis(16));
    let push = Push::builder()
        .reconnect(Reconnect::Backoff { min, max })
        .build()
        .expect("a PUSH");
    let events = push.monitor();
    push.connect(free_port()).expect("to connect");
    let mut waits = Vec::new();
    while waits.len() < 20 {
        if let EventKind::ConnectRetried { after } = events.recv_timeout(SOON).expect("it").kind {
            waits.push(after);
        }
    }
    for (attempt, wait) in waits.iter().enumerate() {
        let limit = min.saturating_mul(1 << attempt.min(10)).min(max);
        assert!(*wait <= limit, "{wait:?} after {attempt} failures");
    }
    let (long, short) = (waits.iter().max(), waits.iter().min());
    assert_ne!(long, short, "no two clients keep step");
}

#[test]
fn waiting_for_peers_and_subscribers() {
    for at in common::everywhere() {
        let publisher = Pub::new().expect("a PUB");
        let at = publisher.bind(&at).expect("to bind");
        publisher
            .wait_subscribers(0, Duration::ZERO)
            .expect("there are none");
        let error = publisher.wait_subscribers(1, MOMENT).expect_err("nobody");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let waiting: Vec<_> = (1..=3)
            .map(|count| {
                let publisher = publisher.clone();
                Started::new(move || {
                    publisher.wait_peers(count, SOON)?;
                    publisher.wait_subscribers(count, SOON)
                })
            })
            .collect();
        let subs: Vec<Sub> = (0..3)
            .map(|_| {
                let sub = Sub::new().expect("a SUB");
                sub.connect(&at).expect("to connect");
                sub
            })
            .collect();
        publisher.wait_peers(3, SOON).expect("all are connected");
        let error = publisher
            .wait_subscribers(1, Duration::ZERO)
            .expect_err("to nothing");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        for sub in &subs {
            sub.subscribe("").expect("to subscribe");
        }
        for waiting in waiting {
            waiting.join("a wait").expect("they came");
        }
        assert_eq!(publisher.subscriber_count(), 3);
        subs[0].unsubscribe("").expect("to cancel");
        eventually("one cancelled", || publisher.subscriber_count() == 2);
        drop(subs);
        eventually("all have left", || publisher.subscriber_count() == 0);
    }
}

#[test]
fn a_pair_that_was_connected_comes_back_to_its_peer() {
    let at = free_port();
    let left = Pair::builder().reconnect(AT_ONCE).build().expect("a PAIR");
    left.connect(&at).expect("to connect");
    for round in 0..5 {
        let right = Pair::new().expect("a PAIR");
        right.bind(&at).expect("to bind");
        right.send(numbered(round)).expect("once it is there");
        assert_eq!(number(&left.recv_timeout(SOON).expect("it")[0]), round);
        left.send(numbered(round)).expect("room");
        assert_eq!(number(&right.recv_timeout(SOON).expect("it")[0]), round);
        drop(right);
        eventually("the loss is noticed", || !left.peers()[0].ready);
    }
    quiet("the one that stayed", || left.stats());
}

#[test]
fn storms_of_connections_leave_nothing_behind() {
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let storms: Vec<_> = (0..3u64)
        .map(|storm| {
            let at = at.clone();
            Started::new(move || {
                for round in 0..100u64 {
                    match (storm + round) % 3 {
                        0 => drop(Raw::connect_silently(&at)),
                        1 => drop(Raw::connect(&at, "PUSH")),
                        _ => {
                            let push = Push::new().expect("a PUSH");
                            push.connect(&at).expect("to connect");
                            push.send("counts").expect("room");
                            assert_eq!(push.close(SOON).expect("to close").unsent, 0);
                        }
                    }
                }
            })
        })
        .collect();
    within("all that was sent", move || {
        for _ in 0..100 {
            assert_eq!(pull.recv().expect("a message")[0], "counts");
        }
        for storm in storms {
            storm.join("a storm");
        }
        eventually("all have left", || pull.peers().is_empty());
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
        assert_eq!(pull.stats().received.delivered, 100);
    });
}
