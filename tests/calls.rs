//! What the calls promise beyond sending and receiving: iterators that end, responders that may
//! wait, refusals that give the message back.

mod common;

use std::time::Duration;

use common::{MOMENT, SOON, Started, everywhere, inproc, number, numbered};
use hubless::{
    Dealer, Message, Pair, Pub, Pull, Push, RecvError, Rep, Req, Router, SendError, Sub, XPub, XSub,
};

#[test]
fn iterators_wait_and_end_with_their_socket() {
    for at in everywhere() {
        let pull = Pull::new().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let push = Push::new().expect("a PUSH");
        push.connect(&at).expect("to connect");
        let reader = pull.clone();
        let reading = Started::new(move || {
            let mut numbers = Vec::new();
            for message in &reader {
                numbers.push(number(&message[0]));
            }
            numbers
        });
        push.send_all((0..100).map(numbered)).expect("to send");
        common::eventually("all is read", || pull.stats().received.delivered == 100);
        assert!(!reading.is_finished(), "it waits for more");
        pull.close(SOON).expect("to close");
        assert!(
            reading.join("the reader").into_iter().eq(0..100),
            "over {at}"
        );
        assert_eq!(pull.iter().count(), 0);
        assert_eq!(pull.try_iter().count(), 0);
    }
}

#[test]
fn several_requests_may_be_open_and_are_answered_in_any_order() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let asking: Vec<_> = (0..5)
            .map(|asker| {
                let at = at.clone();
                Started::new(move || {
                    let req = Req::new().expect("a REQ");
                    req.connect(&at).expect("to connect");
                    req.request_timeout(numbered(asker), SOON)
                        .expect("an answer")
                })
            })
            .collect();
        let mut open: Vec<_> = (0..5)
            .map(|_| rep.recv_timeout(SOON).expect("a request"))
            .collect();
        // Answered backwards, each by a thread of its own.
        while let Some((request, responder)) = open.pop() {
            assert!(responder.age() < SOON);
            let answering = Started::new(move || responder.reply(request));
            assert!(answering.join("a reply"), "over {at}");
        }
        for (asker, asking) in (0..).zip(asking) {
            assert_eq!(number(&asking.join("a request")[0]), asker);
        }
    }
}

#[test]
fn an_answer_of_nothing_arrives_as_an_empty_frame() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let req = Req::new().expect("a REQ");
        req.connect(&at).expect("to connect");
        req.send(Message::new()).expect("room");
        let (request, responder) = rep.recv_timeout(SOON).expect("a request");
        assert_eq!(request, Message::from(""), "over {at}");
        assert!(responder.reply(Message::new()));
        assert_eq!(req.recv_timeout(SOON), Ok("".into()), "over {at}");
        let (sent, received) = (req.stats().sent, rep.stats().received);
        assert_eq!(sent.parts, 2, "the delimiter counts, over {at}");
        assert_eq!(received.parts, 2, "on either side, over {at}");
    }
}

#[test]
fn a_responder_that_is_dropped_harms_nobody_else() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let req = Req::new().expect("a REQ");
        req.connect(&at).expect("to connect");
        for round in 0..5 {
            req.send("?").expect("room");
            drop(rep.recv_timeout(SOON).expect("a request"));
            assert_eq!(req.recv_timeout(MOMENT), Err(RecvError::TimedOut));
            req.abandon();
            let asker = req.clone();
            let asking = Started::new(move || asker.request_timeout(numbered(round), SOON));
            let (request, responder) = rep.recv_timeout(SOON).expect("the next request");
            assert!(responder.reply(request));
            assert_eq!(
                number(&asking.join("the request").expect("it")[0]),
                round,
                "over {at}"
            );
        }
    }
}

#[test]
fn threads_that_share_a_req_ask_in_turn() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let server = rep.clone();
        let serving = Started::new(move || server.serve(|request| request));
        let req = Req::new().expect("a REQ");
        req.connect(&at).expect("to connect");
        let askers: Vec<_> = (0..4)
            .map(|asker| {
                let req = req.clone();
                Started::new(move || {
                    for round in 0..50 {
                        let question = numbered(asker * 1000 + round);
                        let answer = req.request(question.clone()).expect("an answer");
                        assert_eq!(answer, question, "one's own answer");
                    }
                })
            })
            .collect();
        for asker in askers {
            asker.join("an asker");
        }
        rep.close(SOON).expect("to close");
        serving.join("the server").expect("the end");
    }
}

#[test]
fn what_is_out_of_turn_is_refused_and_changes_nothing() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let req = Req::new().expect("a REQ");
        req.connect(&at).expect("to connect");
        assert_eq!(
            req.try_recv(),
            Err(RecvError::WrongState),
            "nothing was asked"
        );
        req.send("one").expect("room");
        let refused = req.try_send("two").expect_err("one is open");
        assert!(matches!(refused, SendError::WrongState(message) if message[0] == "two"));
        let (request, responder) = rep.recv_timeout(SOON).expect("a request");
        assert!(responder.reply(request));
        assert_eq!(
            req.recv_timeout(SOON).expect("an answer")[0],
            "one",
            "over {at}"
        );
        assert_eq!(
            req.try_recv(),
            Err(RecvError::WrongState),
            "one answer each"
        );
        assert!(rep.try_recv().is_err(), "what was refused was not sent");
    }
}

#[test]
fn a_refusal_gives_the_very_message_back() {
    let whole = Message::from(("topic", vec![7; 5000], "end"));
    let push = Push::new().expect("a PUSH");
    let refused = push.try_send(whole.clone()).expect_err("nobody is there");
    assert_eq!(refused, SendError::Full(whole.clone()));
    let refused = push
        .send_timeout(whole.clone(), MOMENT)
        .expect_err("nobody");
    assert_eq!(refused, SendError::TimedOut(whole.clone()));
    let router = Router::new().expect("a ROUTER");
    let refused = router.send_to("nobody", whole.clone()).expect_err("nobody");
    assert_eq!(refused, SendError::Unroutable(whole.clone()));
    let pair = Pair::new().expect("a PAIR");
    pair.close(SOON).expect("to close");
    let refused = pair.send(whole.clone()).expect_err("closed");
    assert_eq!(refused, SendError::Closed(whole));
}

#[test]
fn timeouts_of_the_builder_hold_for_plain_calls() {
    let dealer = Dealer::builder()
        .send_timeout(MOMENT)
        .recv_timeout(MOMENT)
        .build()
        .expect("a DEALER");
    assert_eq!(dealer.recv(), Err(RecvError::TimedOut));
    assert!(matches!(dealer.send("x"), Err(SendError::TimedOut(_))));
    assert_eq!(
        dealer.iter().count(),
        0,
        "an iterator ends with the timeout"
    );
}

#[test]
fn a_welcome_is_the_first_message() {
    for at in everywhere() {
        let publisher = Pub::builder().welcome("hello").build().expect("a PUB");
        let at = publisher.bind(&at).expect("to bind");
        let sub = Sub::new().expect("a SUB");
        sub.subscribe("").expect("to subscribe");
        sub.connect(&at).expect("to connect");
        // No waiting and no sleeping: once welcomed, it hears everything.
        assert_eq!(
            sub.recv_timeout(SOON).expect("a welcome")[0],
            "hello",
            "over {at}"
        );
        publisher
            .wait_subscribers(1, SOON)
            .expect("it has subscribed");
        publisher.send("news").expect("to send");
        assert_eq!(sub.recv_timeout(SOON).expect("it")[0], "news");
    }
}

#[test]
fn subscriptions_are_counted() {
    for at in everywhere() {
        let xpub = XPub::new().expect("an XPUB");
        let at = xpub.bind(&at).expect("to bind");
        let sub = Sub::new().expect("a SUB");
        sub.connect(&at).expect("to connect");
        xpub.wait_peers(1, SOON).expect("it");
        sub.subscribe("a").expect("to subscribe");
        sub.subscribe("a").expect("to subscribe again");
        assert_eq!(xpub.recv_timeout(SOON).expect("it")[0], b"\x01a"[..]);
        sub.unsubscribe("a").expect("to cancel one of two");
        sub.unsubscribe("never").expect("that does nothing");
        sub.subscribe("b").expect("to subscribe");
        assert_eq!(
            xpub.recv_timeout(SOON).expect("it")[0],
            b"\x01b"[..],
            "over {at}"
        );
        xpub.send("a still").expect("to send");
        assert_eq!(sub.recv_timeout(SOON).expect("it")[0], "a still");
        sub.unsubscribe("a").expect("to cancel the other");
        assert_eq!(xpub.recv_timeout(SOON).expect("it")[0], b"\x00a"[..]);
        xpub.send("a no more").expect("to send");
        xpub.send("b").expect("to send");
        assert_eq!(sub.recv_timeout(SOON).expect("it")[0], "b");
    }
}

#[test]
fn a_publisher_without_subscribers_drops_and_never_waits() {
    let publisher = Pub::new().expect("a PUB");
    publisher.bind(inproc()).expect("to bind");
    let (sub, xsub) = (Sub::new().expect("a SUB"), XSub::new().expect("an XSUB"));
    for _ in 0..10_000 {
        publisher.send("to nobody").expect("it never waits");
    }
    assert_eq!(publisher.stats().sent.accepted, 0);
    assert_eq!(sub.recv_timeout(Duration::ZERO), Err(RecvError::TimedOut));
    assert_eq!(xsub.try_recv(), Err(RecvError::Empty));
}

#[test]
fn a_router_receives_by_every_call_and_each_names_the_sender() {
    for at in everywhere() {
        let router = Router::new().expect("a ROUTER");
        let at = router.bind(&at).expect("to bind");
        let dealer = Dealer::builder().routing_id("ann").build();
        let dealer = dealer.expect("a DEALER");
        dealer.connect(&at).expect("to connect");
        assert_eq!(router.try_recv(), Err(RecvError::Empty));
        let framed = |text: &str| Message::from(["ann", text]);
        let say = |text: &str| dealer.send(text).expect("to send");
        say("1");
        assert_eq!(router.recv().expect("it"), framed("1"));
        say("2");
        assert_eq!(router.recv_timeout(SOON).expect("it"), framed("2"));
        say("3");
        let received = common::block_on(router.recv_async());
        assert_eq!(received.expect("it"), framed("3"));
        say("4");
        common::eventually("it is here", || router.stats().received.queued == 1);
        assert_eq!(router.try_recv().expect("it"), framed("4"), "over {at}");
    }
}
