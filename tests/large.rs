//! Sizes: messages as large as they come, and lengths that are lies.

mod common;

use std::{fs, time::Duration};

use bytes::Bytes;
use common::{
    MOMENT, SOON, Started, everywhere,
    raw::{Raw, frame},
    within,
};
use hubless::{
    Dealer, EventKind, Message, Pub, Pull, Push, Reconnect, RecvError, Rep, Req, Router, Sub,
};

const MIB: usize = 1 << 20;

/// Octets that tell where they are.
fn pattern(octets: usize) -> Bytes {
    let block: Vec<u8> = (0..251u8).collect();
    block.iter().copied().cycle().take(octets).collect()
}

/// Address space of this process, octets: what was set aside counts, used or not.
fn set_aside() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0) << 10
}

#[test]
fn twenty_to_a_hundred_mebibytes() {
    let body = pattern(100 * MIB);
    for at in everywhere() {
        let pull = Pull::new().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let push = Push::new().expect("a PUSH");
        push.connect(&at).expect("to connect");
        for size in [20, 100] {
            let sent = Message::from(("head", body.slice(..size * MIB), "tail"));
            let (sender, message) = (push.clone(), sent.clone());
            let sending = Started::new(move || sender.send(message));
            let received = pull.recv_timeout(SOON).expect("a message");
            assert!(received == sent, "{size} MiB over {at}");
            sending.join("the sender").expect("sent");
        }
    }
}

#[test]
fn large_requests_and_answers() {
    let body = pattern(8 * MIB);
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let server = rep.clone();
        let serving = Started::new(move || server.serve(|request| request));
        let req = Req::new().expect("a REQ");
        req.connect(&at).expect("to connect");
        for _ in 0..3 {
            let answer = req.request_timeout(body.clone(), SOON).expect("an answer");
            assert!(answer[0] == body[..], "over {at}");
        }
        rep.close(SOON).expect("to close");
        serving.join("the server").expect("the end");
    }
}

#[test]
fn fan_out_of_large_messages() {
    let body = pattern(4 * MIB);
    for at in everywhere() {
        let publisher = Pub::new().expect("a PUB");
        let at = publisher.bind(&at).expect("to bind");
        let subs: Vec<Sub> = (0..3)
            .map(|_| {
                let sub = Sub::new().expect("a SUB");
                sub.subscribe("").expect("to subscribe");
                sub.connect(&at).expect("to connect");
                sub
            })
            .collect();
        publisher.wait_subscribers(3, SOON).expect("all three");
        publisher.send(body.clone()).expect("to send");
        for sub in subs {
            assert!(
                sub.recv_timeout(SOON).expect("it")[0] == body[..],
                "over {at}"
            );
        }
    }
}

#[test]
fn many_frames() {
    for at in everywhere() {
        let router = Router::new().expect("a ROUTER");
        let at = router.bind(&at).expect("to bind");
        let dealer = Dealer::new().expect("a DEALER");
        dealer.connect(&at).expect("to connect");
        let sent: Message = (0..5000u32).map(|index| index.to_string()).collect();
        dealer.send(sent.clone()).expect("room");
        let (id, message) = router.recv_from_timeout(SOON).expect("a message");
        assert!(message == sent, "over {at}");
        router.send_to(&id, message).expect("to answer");
        assert!(dealer.recv_timeout(SOON).expect("it") == sent, "over {at}");
    }
}

/// The header of a long frame.
fn long_frame(octets: u64) -> Vec<u8> {
    [&[2][..], &octets.to_be_bytes()].concat()
}

#[test]
fn lengths_that_are_lies_cost_nothing() {
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let honest = Push::new().expect("a PUSH");
    honest.connect(&at).expect("to connect");
    honest.send("before").expect("room");
    assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "before");
    let before = set_aside();

    // More than may ever come: closed at once.
    for octets in [1 << 45, u64::MAX, (1 << 30) + 1, 1 << 63] {
        let mut liar = Raw::connect(&at, "PUSH");
        liar.write(&long_frame(octets));
        within("the end of a liar", move || liar.read_to_end());
    }
    // As much as may come, many times over; a little comes, and they keep us waiting. The small
    // message before it travels in the same segment, so that the lie was read once it is here.
    let words = [frame(0, b"small"), long_frame(1 << 30), vec![7; 1000]].concat();
    let liars: Vec<Raw> = (0..50)
        .map(|_| {
            let mut liar = Raw::connect(&at, "PUSH");
            liar.write(&words);
            liar
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "small");
    }
    honest.send("after").expect("room");
    assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "after");
    // They said 50 GiB; a MiB each is what they may make us set aside. (Other tests run besides.)
    let grown = set_aside().saturating_sub(before);
    assert!(grown < 8192 * MIB, "{} MiB", grown / MIB);
    drop(liars);
    assert_eq!(pull.recv_timeout(MOMENT), Err(RecvError::TimedOut));
}

#[test]
fn what_is_larger_than_allowed_ends_that_connection_alone() {
    for at in ["tcp://127.0.0.1:0", "ipc://*"] {
        let pull = Pull::builder()
            .max_message_size(1000)
            .build()
            .expect("a PULL");
        let events = pull.monitor();
        let at = pull.bind(at).expect("to bind");
        let push = || {
            let push = Push::builder()
                .reconnect(Reconnect::Never)
                .build()
                .expect("a PUSH");
            push.connect(&at).expect("to connect");
            push
        };
        let (modest, greedy) = (push(), push());
        // All frames count together, to the octet.
        modest.send((vec![1; 600], vec![2; 400])).expect("room");
        let message = pull
            .recv_timeout(SOON)
            .expect("exactly as much as is allowed");
        assert_eq!(message.octets(), 1000);
        greedy.send((vec![1; 600], vec![2; 401])).expect("room");
        loop {
            let event = events.recv_timeout(SOON).expect("an event");
            if matches!(event.kind, EventKind::Disconnected(_)) {
                break;
            }
        }
        modest.send("still here").expect("room");
        assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "still here");
        greedy.close(Duration::ZERO).expect("to close");
    }
}
