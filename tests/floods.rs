//! Peers that do too much of what is allowed: connections, messages, subscriptions, commands.
//!
//! For each: what bounds it, that memory does not grow beyond, and that a good peer of the same
//! socket is served all the while. The tests run one after the other, for memory is measured.

mod raw;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hubless::{
    Builder, Dealer, EventKind, Message, Pair, Pub, Pull, Reconnect, Rep, Router, SocketType, Sub,
    TypedSocket, XPub, XSub,
};
use raw::{
    Peer, SIGNATURE, SOON, command, frame, greeting, header, listen,
    memory::{self, grows_by_at_most},
    ready,
    stand::{Attacked, Stand},
};

const MIB: usize = 1 << 20;

/// The greeting and READY of a PUSH.
fn push_words() -> Vec<u8> {
    [greeting(), ready("PUSH")].concat()
}

// ---- connections

#[test]
fn unfinished_handshakes_have_a_limit() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pull::builder().max_handshakes(4));
    let mut silent: Vec<Peer> = (0..4).map(|_| Peer::connect(&stand.at)).collect();
    for peer in &mut silent {
        peer.expect(SIGNATURE);
    }
    // Further ones wait in the backlog; whoever is in is served.
    let mut waiting = Peer::connect(&stand.at);
    waiting.say(&push_words());
    waiting.say(&frame(0, b"waited"));
    stand.exchange();
    assert!(waiting.hears_nothing_for(Duration::from_millis(50)));
    stand.exchange();
    assert!(stand.others.is_empty());
    // One handshake that is done, or one that ends, makes room for one more.
    silent[3].say(&push_words());
    waiting.expect(SIGNATURE);
    assert_eq!(stand.other()[0], "waited");
    drop(silent);
    Peer::ready(&stand.at, SocketType::Pull, "PUSH").check_open();
}

/// Who has been silent for a second makes room at once when somebody else comes, long before the
/// handshake's time is over.
#[test]
fn who_takes_long_keeps_nobody_out() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pull::builder().max_handshakes(4));
    let mut silent: Vec<Peer> = (0..10).map(|_| Peer::connect(&stand.at)).collect();
    let mut good = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    good.say(&frame(0, b"let in"));
    assert_eq!(stand.other()[0], "let in");
    for peer in silent.iter_mut().take(4) {
        peer.expect(SIGNATURE);
        peer.hear_end();
    }
}

#[test]
fn silent_peers_make_room_in_time() {
    let _alone = memory::alone();
    let builder = Pull::builder().max_handshakes(4);
    let mut stand = Stand::new(builder.handshake_timeout(Duration::from_millis(50)));
    let silent: Vec<Peer> = (0..20).map(|_| Peer::connect(&stand.at)).collect();
    let mut good = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    good.say(&frame(0, b"let in"));
    assert_eq!(stand.other()[0], "let in");
    drop(silent);
}

#[test]
fn many_connections_that_never_speak_cost_little() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pull::builder());
    let silent = grows_by_at_most(8 * MIB, || {
        let connect = |_| Peer::connect(&stand.at);
        let mut silent: Vec<Peer> = (0..300).map(connect).collect();
        silent.iter_mut().for_each(|peer| peer.expect(SIGNATURE));
        stand.exchange();
        silent
    });
    let open = memory::descriptors();
    drop(silent);
    let end = Instant::now() + SOON;
    while memory::descriptors() + 600 > open.max(600) {
        stand.exchange();
        assert!(Instant::now() < end, "descriptors are left");
    }
}

#[test]
fn those_who_come_and_go_leave_nothing() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pull::builder());
    let words = push_words();
    let mut come_and_go = |times: usize| {
        for time in 0..times {
            let mut peer = Peer::connect(&stand.at);
            peer.try_say(&words[..time % words.len()]);
            peer.end();
            peer.hear_end();
        }
        stand.exchange();
        // What is left of them ends within the same turns in which the good peer is served.
        while stand.events.try_recv().is_ok() {}
    };
    come_and_go(200);
    let open = memory::descriptors();
    grows_by_at_most(4 * MIB, || come_and_go(1000));
    assert!(memory::descriptors() <= open + 4);
    assert_eq!(stand.socket.peers().len(), 1);
}

/// Peers that have left unread, at most: `DEPARTED_MAX` of `src/base/tuning.rs`.
const DEPARTED_MAX: usize = 1024;

#[test]
fn those_who_leave_unread_messages_have_a_limit() {
    let _alone = memory::alone();
    let socket = Pull::builder().max_handshakes(8).build().expect("a socket");
    let at = socket.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut good = Peer::ready(&at, SocketType::Pull, "PUSH");
    good.check_open();
    let said = |number: usize| [push_words(), frame(0, number.to_string().as_bytes())].concat();
    let come_and_go = |number| {
        let mut peer = Peer::connect(&at);
        peer.say(&said(number));
        peer.end();
        peer
    };
    for number in 0..DEPARTED_MAX {
        come_and_go(number).hear_end();
    }
    // Nobody new is let in now; who is in stays.
    let mut waiting: Vec<Peer> = (0..50)
        .map(|more| come_and_go(DEPARTED_MAX + more))
        .collect();
    assert!(waiting[0].hears_nothing_for(Duration::from_millis(50)));
    good.check_open();
    assert_eq!(socket.peers().len(), 1 + DEPARTED_MAX);
    // As they are read, others come; not one message is lost.
    let mut numbers: Vec<usize> = (0..DEPARTED_MAX + 50)
        .map(|_| socket.recv_timeout(SOON).expect("a message"))
        .map(|message| {
            String::from_utf8_lossy(&message[0])
                .parse()
                .expect("a number")
        })
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..DEPARTED_MAX + 50));
    waiting.iter_mut().for_each(|peer| drop(peer.hear_end()));
    good.check_open();
}

#[test]
fn a_server_that_comes_and_goes_unread_has_a_limit() {
    let _alone = memory::alone();
    let at_once = [1, 1].map(Duration::from_micros);
    let socket = Pull::builder()
        .immediate(true)
        .reconnect(Reconnect::Backoff {
            min: at_once[0],
            max: at_once[1],
        })
        .build()
        .expect("a socket");
    let (listener, at) = listen();
    socket.connect(&at[..]).expect("to connect");
    for number in 0..DEPARTED_MAX {
        let mut peer = Peer::accept(&listener);
        peer.say(&[push_words(), frame(0, number.to_string().as_bytes())].concat());
        peer.end();
        peer.hear_end();
    }
    let end = Instant::now() + Duration::from_millis(50);
    while Instant::now() < end {
        assert!(raw::is_quiet(&listener), "it comes again");
    }
    for number in 0..DEPARTED_MAX {
        let message = socket.recv_timeout(SOON).expect("a message");
        assert_eq!(message[0], number.to_string());
    }
    assert!(socket.try_recv().is_err());
    Peer::accept(&listener).shake(SocketType::Pull, "PUSH");
}

// ---- messages

/// A peer sends without end, and nobody receives: it gets stuck at the mark. Once somebody
/// receives, all that it said comes.
fn sends_without_end<S>(builder: Builder<S>, theirs: &str, prepare: fn(&S), head: &[u8])
where
    S: TypedSocket + Attacked,
{
    let mut stand = Stand::new(builder.recv_hwm(10).recv_buffer(64 << 10));
    prepare(&stand.socket);
    let mut peer = Peer::connect(&stand.at);
    peer.say(&[greeting(), ready(theirs)].concat());
    let message = [head, &frame(0, &[b'g'; 10_000])].concat();
    let sent = grows_by_at_most(8 * MIB, || peer.say_until_stuck(&message, 64 * MIB));
    assert!(sent < 64 * MIB, "{theirs}: nothing holds it up");
    assert!(sent > 10 * message.len(), "{theirs}: held up too early");
    let whole = sent / message.len();
    for _ in 0..whole {
        let received = stand.other();
        assert_eq!(received[received.len() - 1], [b'g'; 10_000][..], "{theirs}");
    }
    peer.say(&message[sent % message.len()..]);
    stand.exchange();
}

#[test]
fn who_sends_without_end_is_held_up_at_the_mark() {
    let _alone = memory::alone();
    let subscribed: fn(&Sub) = |sub| sub.subscribe("g").expect("to subscribe");
    sends_without_end(Pull::builder(), "PUSH", |_| (), b"");
    sends_without_end(Dealer::builder(), "DEALER", |_| (), b"");
    sends_without_end(Router::builder(), "DEALER", |_| (), b"");
    sends_without_end(Sub::builder(), "PUB", subscribed, b"");
    sends_without_end(XSub::builder(), "PUB", |_| (), b"");
    sends_without_end(XPub::builder(), "XSUB", |_| (), b"");
    sends_without_end(Rep::builder(), "DEALER", |_| (), b"\x01\0");
}

#[test]
fn a_pair_that_does_not_receive_holds_its_peer_up() {
    let _alone = memory::alone();
    let pair = Pair::builder().recv_hwm(10).recv_buffer(64 << 10).build();
    let pair = pair.expect("a socket");
    let at = pair.bind("ipc://*").expect("to bind");
    let mut peer = Peer::ready(&at, SocketType::Pair, "PAIR");
    let message = frame(0, &[b'g'; 10_000]);
    let sent = grows_by_at_most(8 * MIB, || peer.say_until_stuck(&message, 64 * MIB));
    assert!(sent < 64 * MIB, "nothing holds it up");
    for _ in 0..sent / message.len() {
        pair.recv_timeout(SOON).expect("a message");
    }
}

#[test]
fn an_announced_size_costs_nothing_before_it_comes() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pull::builder());
    let mut peers: Vec<Peer> = (0..100)
        .map(|_| Peer::ready(&stand.at, SocketType::Pull, "PUSH"))
        .collect();
    grows_by_at_most(8 * MIB, || {
        for peer in &mut peers {
            // The most that is allowed: 1 GiB; and one octet of it.
            peer.say(&[header(0, 1 << 30), vec![1]].concat());
        }
        stand.exchange();
        // As commands they are refused at once.
        for peer in &mut peers[..50] {
            peer.end();
            assert_eq!(peer.hear_end(), b"");
        }
        stand.exchange();
    });
}

#[test]
fn frames_of_a_message_have_a_limit() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pull::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    let most = [frame(1, b"").repeat(65_535), frame(0, b"")].concat();
    peer.say(&most);
    assert_eq!(stand.other().len(), 65_536);
    grows_by_at_most(16 * MIB, || {
        peer.say_until_stuck(&frame(1, b""), 65_536 * 2);
        assert!(!peer.try_say(&frame(1, b"")) || peer.hear_end().is_empty());
    });
    assert_eq!(stand.end_of(&peer), "Disconnected(Protocol(Unspecified))");
}

/// Tells the senders to stop, also if the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn who_sends_without_end_starves_nobody() {
    let _alone = memory::alone();
    // A PUB reads and forgets messages, so nothing holds these peers up.
    let mut stand = Stand::new(Pub::builder());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            let mut peer = Peer::ready(&stand.at, SocketType::Pub, "SUB");
            let over = &over;
            scope.spawn(move || {
                let messages = frame(0, &[b'f'; 100]).repeat(1000);
                while !over.load(Ordering::Relaxed) {
                    peer.say(&messages);
                }
            });
        }
        // All three have their share of every turn, and so has the good peer.
        let _ends = Ends(&over);
        for _ in 0..20 {
            stand.exchange();
            Peer::ready(&stand.at, SocketType::Pub, "SUB").check_open();
        }
    });
}

// ---- octets one by one

#[test]
fn peers_that_drip_hold_nobody_up() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pull::builder());
    let mut peers: Vec<Peer> = (0..20).map(|_| Peer::connect(&stand.at)).collect();
    let message = [
        frame(1, b"one octet"),
        command("PONG", b""),
        frame(0, b"at a time"),
    ];
    let words = [push_words(), message.concat().repeat(5)].concat();
    for (count, octet) in words.iter().enumerate() {
        for peer in &mut peers {
            peer.say(&[*octet]);
        }
        if count % 20 == 0 {
            stand.exchange();
        }
    }
    for _ in 0..20 * 5 {
        assert_eq!(stand.other(), Message::from(["one octet", "at a time"]));
    }
}

// ---- commands

#[test]
fn commands_without_end_are_read_and_forgotten() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pull::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    let words = [command("WHAT", b"?"), ready("PUSH"), command("PONG", b"")].concat();
    grows_by_at_most(4 * MIB, || {
        for _ in 0..20 {
            peer.say(&words.repeat(5000));
            stand.exchange();
        }
        peer.check_open();
    });
}

#[test]
fn answers_to_pings_that_nobody_reads_do_not_pile_up() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pull::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    let pings = command("PING", b"\0\0sixteen octets..").repeat(5000);
    let sent = 40 * MIB;
    grows_by_at_most(4 * MIB, || {
        // All of them are read, though no answer is.
        for _ in 0..sent / pings.len() {
            peer.say(&pings);
        }
        peer.say(&frame(0, b"still heard"));
        assert_eq!(stand.other()[0], "still heard");
    });
    // What waited in the system is heard now, then the answer to the last one that was read.
    peer.say(&command("PING", b"\0\0the last"));
    let last = command("PONG", b"the last");
    let mut heard = 0;
    loop {
        let word = peer.hear(2);
        let body = peer.hear(usize::from(word[1]));
        heard += 2 + body.len();
        if [word, body].concat() == last {
            break;
        }
    }
    assert!(heard < sent / 2, "{heard} octets of answers");
}

// ---- subscriptions

#[test]
fn subscriptions_without_end_are_refused_at_the_limit() {
    let _alone = memory::alone();
    let mut stand = Stand::new(Pub::builder().max_topic_octets(MIB));
    for large in [1, 1000] {
        let mut peer = Peer::ready(&stand.at, SocketType::Pub, "SUB");
        grows_by_at_most(8 * MIB, || {
            let mut said = 0_u32;
            loop {
                let topics = (said..said + 1000).map(|number| {
                    let topic = number.to_be_bytes().repeat(large);
                    command("SUBSCRIBE", &topic)
                });
                if !peer.try_say(&topics.collect::<Vec<_>>().concat()) {
                    break;
                }
                said += 1000;
                assert!(said < 1_000_000, "nothing is refused");
            }
            peer.hear_end();
        });
        assert_eq!(stand.end_of(&peer), "Disconnected(Protocol(Unspecified))");
    }
    assert_eq!(stand.socket.subscriber_count(), 1);
}

#[test]
fn subscriptions_that_nobody_looks_at_do_not_pile_up() {
    let _alone = memory::alone();
    let socket = XPub::builder()
        .max_topic_octets(MIB)
        .build()
        .expect("a socket");
    let at = socket.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut peer = Peer::ready(&at, SocketType::XPub, "SUB");
    let there_and_back = [
        command("SUBSCRIBE", &[b't'; 100]),
        command("CANCEL", &[b't'; 100]),
    ];
    grows_by_at_most(8 * MIB, || {
        for _ in 0..100 {
            peer.say(&there_and_back.concat().repeat(1000));
        }
        peer.check_open();
    });
    let shown = std::iter::from_fn(|| socket.try_recv().ok()).count();
    assert!(shown > 1000 && shown < 100_000, "{shown} are shown");
    // Once they are taken, new ones are shown again.
    peer.say(&command("SUBSCRIBE", b"new"));
    let shown = socket.recv_timeout(SOON).expect("a subscription");
    assert_eq!(shown[0], "\x01new");
}

#[test]
fn events_that_nobody_reads_do_not_pile_up() {
    let _alone = memory::alone();
    let socket = Pub::new().expect("a socket");
    let events = socket.monitor();
    let at = socket.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut peer = Peer::ready(&at, SocketType::Pub, "SUB");
    let there = frame(0, &[&[1], &[b't'; MIB][..]].concat());
    let back = frame(0, &[&[0], &[b't'; MIB][..]].concat());
    grows_by_at_most(40 * MIB, || {
        for _ in 0..100 {
            peer.say(&there);
            peer.say(&back);
        }
        peer.check_open();
    });
    let told: Vec<EventKind> = std::iter::from_fn(|| events.try_recv().ok())
        .map(|event| event.kind)
        .collect();
    assert!(
        told.len() > 10 && told.len() < 50,
        "{} are told",
        told.len()
    );
    // Once it is read, it tells how many are missing, and goes on.
    let lagged = told.last();
    assert!(
        matches!(lagged, Some(EventKind::Lagged(missed)) if *missed > 150),
        "{lagged:?}"
    );
    peer.say(&command("SUBSCRIBE", b"new"));
    let event = events.recv_timeout(SOON).expect("an event").kind;
    assert!(matches!(event, EventKind::Subscribed(topic) if topic == "new"));
}
