//! A subscriber that stops: it costs a bounded amount of memory, its neighbours nothing, and
//! what it missed is known to the message once it goes on.

mod common;

use std::{fs, time::Duration};

use common::{
    MOMENT, SOON, Started, balanced, each_balances, eventually, number,
    process::{self, Other},
    quiet,
    raw::{Raw, command},
};
use hubless::{Endpoint, LaneStats, Linger, Message, PeerInfo, Pub, RecvError, Sub};

const HWM: usize = 100;

fn publisher() -> Pub {
    Pub::builder()
        .send_hwm(HWM)
        .linger(Linger::Drop)
        .build()
        .expect("a PUB")
}

fn subscriber(at: &Endpoint, topic: &str) -> Sub {
    let sub = Sub::builder().recv_hwm(HWM).build().expect("a SUB");
    sub.subscribe(topic).expect("to subscribe");
    sub.connect(at).expect("to connect");
    sub
}

/// Topic, number and a fresh body of 64 KiB.
fn news(number: u64) -> Message {
    let body = vec![number as u8; 64 << 10];
    Message::from(("news".to_owned(), number.to_string(), body))
}

/// Sends so many, each of which the neighbour has before the next is sent.
fn send_in_step(publisher: &Pub, neighbour: &Sub, numbers: std::ops::Range<u64>) {
    for sent in numbers {
        publisher.send(news(sent)).expect("a PUB never waits");
        let message = neighbour.recv_timeout(SOON).expect("undisturbed");
        assert_eq!(number(&message[1]), sent);
    }
}

/// Resident memory of this process, octets.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0) << 10
}

/// What was sent to the one peer at that address.
fn sent_to(publisher: &Pub, remote: &str) -> LaneStats {
    let peers = publisher.peers();
    let is_it = |info: &PeerInfo| info.remote.ends_with(remote);
    let peer = peers
        .iter()
        .find(|peer| peer.info.as_deref().is_some_and(is_it));
    peer.expect("the peer is there").sent
}

#[test]
fn one_that_does_not_read_its_socket() {
    let publisher = publisher();
    let at = publisher.bind("tcp://127.0.0.1:0").expect("to bind");
    let neighbour = subscriber(&at, "news");
    publisher.wait_subscribers(1, SOON).expect("the neighbour");
    let mut stopped = Raw::connect(&at, "SUB");
    stopped.write(&command("SUBSCRIBE", b"news"));
    publisher.wait_subscribers(2, SOON).expect("both");
    let address = stopped
        .stream
        .local_addr()
        .expect("its address")
        .to_string();

    let (total, before) = (2000, resident());
    send_in_step(&publisher, &neighbour, 0..total);
    let grown = resident().saturating_sub(before);
    // 100 messages are 6.5 MB; 2000 would be 131 MB.
    assert!(
        grown < 50 << 20,
        "{grown} octets for one that does not read"
    );
    let stats = sent_to(&publisher, &address);
    assert!(stats.refused > 0, "it missed something: {stats:?}");
    assert!(stats.queued <= HWM as u64, "{stats:?}");

    // It reads on. All that was accepted for it is there, and nothing else.
    let reading = Started::new(move || {
        let mut numbers = Vec::new();
        loop {
            assert_eq!(stopped.read().expect("a topic").body, b"news");
            let number = number(&stopped.read().expect("a number").body);
            let body = stopped.read().expect("a body");
            assert_eq!(body.body.len(), 64 << 10);
            assert!(body.body.iter().all(|&octet| octet == number as u8));
            if number >= total {
                return (numbers, number, stopped);
            }
            numbers.push(number);
        }
    });
    quiet("the publisher", || publisher.stats());
    let missed = sent_to(&publisher, &address).refused;
    send_in_step(&publisher, &neighbour, total..total + 1);
    let (numbers, next, _stopped) = reading.join("what it had missed so far");
    assert_eq!(next, total, "awake, it misses nothing more");
    assert!(numbers.is_sorted(), "in order");
    assert_eq!(numbers.len() as u64 + missed, total, "the counter is exact");
    assert_eq!(sent_to(&publisher, &address).refused, missed);
    each_balances("the publisher", &publisher.peers());
}

#[test]
fn a_process_that_is_stopped_and_continued() {
    if let Some(role) = process::role() {
        return be_stopped(&role[0]);
    }
    for at in ["tcp://127.0.0.1:0", "ipc://*"] {
        let publisher = publisher();
        let at = publisher.bind(at).expect("to bind");
        let neighbour = subscriber(&at, "news");
        publisher.wait_subscribers(1, SOON).expect("the neighbour");
        let test = "a_process_that_is_stopped_and_continued";
        let mut other = Other::start(test, &at.to_string());
        publisher.wait_subscribers(2, SOON).expect("both");
        let (mut sent, mut missed) = (0, 0);
        for _ in 0..2 {
            // While it runs it may or may not keep up; while it is stopped it cannot.
            send_in_step(&publisher, &neighbour, sent..sent + 100);
            other.signal("STOP");
            send_in_step(&publisher, &neighbour, sent + 100..sent + 1000);
            sent += 1000;
            other.signal("CONT");
            quiet("the publisher", || publisher.stats());
            let refused: u64 = publisher.peers().iter().map(|peer| peer.sent.refused).sum();
            assert!(refused > missed, "over {at}");
            missed = refused;
        }
        publisher.send("news").expect("to send");
        let [count, last] = other
            .hear()
            .split(' ')
            .map(|word| word.parse::<u64>().expect("a number"))
            .collect::<Vec<_>>()[..]
        else {
            panic!("two numbers")
        };
        assert_eq!(count + missed, sent, "the counter is exact, over {at}");
        assert!(last < sent);
        other.end();
        eventually("it has left", || publisher.subscriber_count() == 1);
        neighbour.recv_timeout(SOON).expect("the last word");
        balanced("the publisher", publisher.stats());
    }
}

/// Tells how many messages came before the last word, and the number of the last one.
fn be_stopped(at: &str) {
    let sub = Sub::builder().recv_hwm(HWM).build().expect("a SUB");
    sub.subscribe("news").expect("to subscribe");
    sub.connect(at).expect("to connect");
    let (mut count, mut last) = (0, None);
    loop {
        let message = sub.recv_timeout(SOON).expect("a message");
        if message.len() == 1 {
            break;
        }
        let number = Some(number(&message[1]));
        assert!(last < number, "in order");
        (count, last) = (count + 1, number);
    }
    process::say(&format!("{count} {}", last.expect("some came")));
    process::wait_for_parent();
}

#[test]
fn one_that_leaves_while_it_is_full() {
    let publisher = publisher();
    let at = publisher.bind("tcp://127.0.0.1:0").expect("to bind");
    let neighbour = subscriber(&at, "news");
    publisher.wait_subscribers(1, SOON).expect("the neighbour");
    for round in 0..5 {
        let mut stopped = Raw::connect(&at, "SUB");
        stopped.write(&command("SUBSCRIBE", b""));
        publisher.wait_subscribers(2, SOON).expect("both");
        send_in_step(&publisher, &neighbour, round * 200..(round + 1) * 200);
        drop(stopped);
        eventually("it has left", || publisher.subscriber_count() == 1);
    }
    quiet("the publisher", || publisher.stats());
    let sent = publisher.stats().sent;
    assert!(sent.lost > 0 && sent.refused > 0, "{sent:?}");
    assert_eq!(
        sent.accepted + sent.refused,
        2000,
        "each was offered to both"
    );
    assert_eq!(
        neighbour.try_recv().map(|message| message.len()),
        Err(RecvError::Empty)
    );
}

#[test]
fn topics_it_did_not_ask_for_do_not_count() {
    let publisher = publisher();
    let at = publisher.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut silent = Raw::connect(&at, "SUB");
    silent.write(&command("SUBSCRIBE", b"weather."));
    let unsubscribed = Sub::new().expect("a SUB");
    unsubscribed.connect(&at).expect("to connect");
    publisher.wait_subscribers(1, SOON).expect("the silent one");
    publisher.wait_peers(2, SOON).expect("both");
    for number in 0..500 {
        publisher.send(news(number)).expect("to send");
    }
    publisher.send("weather.").expect("to send");
    assert_eq!(silent.read().expect("what it asked for").body, b"weather.");
    let sent = publisher.stats().sent;
    assert_eq!((sent.accepted, sent.refused), (1, 0));
    let nothing = unsubscribed.recv_timeout(MOMENT);
    assert_eq!(nothing, Err(RecvError::TimedOut));
    assert!(publisher.wait_subscribers(2, Duration::ZERO).is_err());
}
