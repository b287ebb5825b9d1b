//! Every pattern over every transport, through the public API.

use std::{thread, time::Duration};

use hubless::{Dealer, Endpoint, Pair, Pub, Pull, Push, Rep, Req, Router, SendError, Sub};

const SOON: Duration = Duration::from_secs(10);

/// Endpoints to bind, one of each transport.
fn everywhere() -> Vec<String> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let unique = NEXT.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    vec![
        "tcp://127.0.0.1:0".into(),
        "ipc://*".into(),
        format!("ipc://@hubless-test-{pid}-{unique}"),
        format!("inproc://transports-{unique}"),
    ]
}

#[test]
fn push_to_pull() {
    for endpoint in everywhere() {
        let pull = Pull::new().expect("a socket");
        let at = pull.bind(&endpoint).expect("to bind");
        let push = Push::new().expect("a socket");
        push.connect(&at).expect("to connect");
        let sender = thread::spawn(move || {
            for number in 0..10_000u32 {
                push.send(number.to_string()).expect("to send");
            }
        });
        for number in 0..10_000u32 {
            let message = pull.recv_timeout(SOON).expect("a message");
            assert_eq!(message[0], number.to_string(), "over {endpoint}");
        }
        sender.join().expect("the sender");
    }
}

#[test]
fn publish_to_subscribers() {
    for endpoint in everywhere() {
        let publisher = Pub::new().expect("a socket");
        let at = publisher.bind(&endpoint).expect("to bind");
        let sub = Sub::new().expect("a socket");
        sub.subscribe("weather.").expect("to subscribe");
        sub.connect(&at).expect("to connect");
        publisher.wait_subscribers(1, SOON).expect("a subscriber");
        publisher.send(("sports.paris", "0:0")).expect("to send");
        publisher.send(("weather.paris", "21")).expect("to send");
        let message = sub.recv_timeout(SOON).expect("a message");
        assert_eq!(message.len(), 2);
        assert_eq!(message[1], "21");
        assert!(sub.try_recv().is_err());
    }
}

#[test]
fn request_and_reply() {
    for endpoint in everywhere() {
        let rep = Rep::new().expect("a socket");
        let at = rep.bind(&endpoint).expect("to bind");
        let server = rep.clone();
        let serving = thread::spawn(move || server.serve(|request| request));
        let req = Req::new().expect("a socket");
        req.connect(&at).expect("to connect");
        for number in 0..1000u32 {
            let answer = req
                .request_timeout(number.to_string(), SOON)
                .expect("an answer");
            assert_eq!(answer[0], number.to_string(), "over {endpoint}");
        }
        rep.close(Duration::ZERO).expect("to close");
        serving
            .join()
            .expect("the server")
            .expect("the end of serving");
    }
}

#[test]
fn dealers_to_a_router_and_back() {
    for endpoint in everywhere() {
        let router = Router::new().expect("a socket");
        let at = router.bind(&endpoint).expect("to bind");
        let dealer = Dealer::builder()
            .routing_id("d1")
            .build()
            .expect("a socket");
        dealer.connect(&at).expect("to connect");
        dealer.send(["a", "b"]).expect("to send");
        let (id, message) = router.recv_from_timeout(SOON).expect("a message");
        assert_eq!((id.as_bytes(), message.len()), (&b"d1"[..], 2));
        router.send_to(&id, "back").expect("to send");
        assert_eq!(dealer.recv_timeout(SOON).expect("a message")[0], "back");
        let refused = router
            .send_to("nobody", "lost?")
            .expect_err("nobody of that name");
        assert!(matches!(refused, SendError::Unroutable(message) if message[0] == "lost?"));
    }
}

#[test]
fn pairs_talk_both_ways() {
    for endpoint in everywhere() {
        let left = Pair::new().expect("a socket");
        let at: Endpoint = left.bind(&endpoint).expect("to bind");
        let right = Pair::new().expect("a socket");
        right.connect(at).expect("to connect");
        right.send("to the left").expect("to send");
        assert_eq!(
            left.recv_timeout(SOON).expect("a message")[0],
            "to the left"
        );
        left.send("to the right").expect("to send");
        assert_eq!(
            right.recv_timeout(SOON).expect("a message")[0],
            "to the right"
        );
    }
}
