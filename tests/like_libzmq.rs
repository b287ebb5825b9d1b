//! Sockets that were told to be like libzmq: its promises where ours are others, each beside ours.

mod common;

use std::{io::Read, net::TcpListener, time::Duration};

use common::{
    MOMENT, SOON, eventually, inproc,
    raw::{Raw, command, greeting, ready},
};
use hubless::{
    Context, Endpoint, ErrorKind, EventKind, Linger, Message, OptionValue, Pair, Pull, Push,
    RecvError, SendError, SocketType, untyped::Socket,
};

// libzmq's numbers.
const ROUTING_ID: i32 = 5;
const SUBSCRIBE: i32 = 6;
const LINGER: i32 = 17;
const RECONNECT_IVL: i32 = 18;
const SNDHWM: i32 = 23;
const RCVHWM: i32 = 24;
const STREAM_NOTIFY: i32 = 73;
const HEARTBEAT_IVL: i32 = 75;

fn like_libzmq(kind: SocketType) -> Socket {
    Socket::like_libzmq(&Context::new(), kind).expect("a socket")
}

/// Two sockets of one context.
fn both(kinds: [SocketType; 2]) -> [Socket; 2] {
    let context = Context::new();
    kinds.map(|kind| Socket::like_libzmq(&context, kind).expect("a socket"))
}

/// Shakes hands as one who speaks ZMTP 3.0.
fn old_peer(at: &Endpoint, kind: &str) -> Raw {
    let mut raw = Raw::connect_silently(at);
    let mut greeting = greeting();
    greeting[11] = 0;
    raw.write(&greeting);
    raw.write(&ready(kind, b""));
    let mut theirs = [0; 64];
    raw.stream.read_exact(&mut theirs).expect("a greeting");
    assert!(raw.read().expect("a READY").body.starts_with(b"\x05READY"));
    raw
}

#[test]
fn heartbeats_reach_those_who_speak_3_0() {
    let router = like_libzmq(SocketType::Router);
    router.set_option(HEARTBEAT_IVL, 20).expect("an interval");
    let events = router.monitor();
    let at = router.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut silent = old_peer(&at, "DEALER");
    let ping = silent.read().expect("a PING");
    assert_eq!((ping.flags, &ping.body[..]), (4, &b"\x04PING\0\0"[..]));
    // As long as the interval, and no longer, it may be silent.
    silent.read_to_end();
    let lost = |kind: &EventKind| matches!(kind, EventKind::Disconnected(_));
    while !lost(&events.recv_timeout(SOON).expect("an event").kind) {}
}

#[test]
fn elsewhere_heartbeats_do_not() {
    let pull = Pull::builder().heartbeat_interval(Duration::from_millis(5));
    let pull = pull.build().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut silent = old_peer(&at, "PUSH");
    silent
        .stream
        .set_read_timeout(Some(MOMENT))
        .expect("a timeout");
    silent.read().expect_err("no PING to 3.0");
    // One that has pinged us knows what that is.
    silent
        .stream
        .set_read_timeout(Some(SOON))
        .expect("a timeout");
    silent.write(&command("PING", b"\0\0"));
    assert_eq!(silent.read().expect("an answer").body, b"\x04PONG");
    assert_eq!(silent.read().expect("one of theirs").body, b"\x04PING\0\0");
}

#[test]
fn before_connecting_again_the_time_that_was_said_passes() {
    let nobody = common::free_port();
    let dealer = like_libzmq(SocketType::Dealer);
    dealer.set_option(RECONNECT_IVL, 20).expect("a wait");
    let events = dealer.monitor();
    dealer.connect(&*nobody).expect("to begin");
    let mut waits = Vec::new();
    while waits.len() < 8 {
        let event = events.recv_timeout(SOON).expect("an event");
        if let EventKind::ConnectRetried { after } = event.kind {
            waits.push(after);
        }
    }
    let [said, twice] = [20, 40].map(Duration::from_millis);
    assert!(
        waits.iter().all(|wait| (said..twice).contains(wait)),
        "{waits:?}"
    );
}

#[test]
fn over_inproc_sockets_of_any_two_types_meet() {
    let kinds = SocketType::ALL
        .into_iter()
        .filter(|kind| kind.speaks_zmtp());
    let kinds: Vec<SocketType> = kinds.collect();
    for bound in &kinds {
        for connected in &kinds {
            for bind_first in [true, false] {
                let at = inproc();
                let sockets = both([*bound, *connected]);
                for socket in &sockets {
                    // Who can subscribe does so, to everything.
                    let _ = socket.set_option(SUBSCRIBE, "");
                    socket.set_option(SNDHWM, 2).expect("a mark");
                    socket.set_option(RCVHWM, 2).expect("a mark");
                }
                if bind_first {
                    sockets[0].bind(&*at).expect("to bind");
                }
                sockets[1].connect(&*at).expect("to connect");
                if !bind_first {
                    let _ = sockets[1].try_send("early");
                    sockets[0].bind(&*at).expect("to bind");
                }
                // Whatever they make of it, nobody is harmed.
                for turn in 0..12 {
                    for socket in &sockets {
                        let _ = socket.try_send(Message::from(["", "said"]));
                        if turn % 3 == 2 {
                            let _ = socket.try_recv();
                        }
                    }
                }
                let left: usize = sockets.iter().map(|it| it.peers().len()).sum();
                assert_eq!(left, 2, "{bound} and {connected}");
            }
        }
    }
}

#[test]
fn who_comes_under_a_name_that_is_taken_waits_until_it_is_free() {
    let router = like_libzmq(SocketType::Router);
    let at = router.bind("tcp://127.0.0.1:0").expect("to bind");
    let dealer = || {
        let dealer = like_libzmq(SocketType::Dealer);
        dealer.set_option(ROUTING_ID, "X").expect("a name");
        dealer.connect(&at).expect("to connect");
        dealer
    };
    let first = dealer();
    first.send("first").expect("room");
    assert_eq!(router.recv_timeout(SOON).expect("it")[1], "first");
    let second = dealer();
    second.send("second").expect("room");
    // It leaves at once: nobody has to keep it, whose linger may have no end.
    let left = || second.stats().sent.delivered == 1;
    eventually("it has left", || left() && router.peers().len() == 2);
    assert_eq!(router.try_recv(), Err(RecvError::Empty));
    router.send(["X", "answer"]).expect("room");
    assert_eq!(first.recv_timeout(SOON).expect("it")[0], "answer");
    first.close_behind();
    let heard = router.recv_timeout(SOON).expect("the next of that name");
    assert_eq!((&heard[0][..], &heard[1][..]), (&b"X"[..], &b"second"[..]));
    router.send(["X", "answer"]).expect("room");
    assert_eq!(second.recv_timeout(SOON).expect("it")[0], "answer");
}

#[test]
fn a_pair_may_push() {
    for bind_first in [true, false] {
        let [pull, pair] = both([SocketType::Pull, SocketType::Pair]);
        let at = inproc();
        if bind_first {
            pull.bind(&*at).expect("to bind");
        }
        pair.connect(&*at).expect("to connect");
        pair.send("work").expect("room");
        if !bind_first {
            pull.bind(&*at).expect("to bind");
        }
        assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "work");
    }
    // Ours does not.
    let context = Context::new();
    let pull = Pull::builder().context(&context).build().expect("a PULL");
    let pair = Pair::builder().context(&context).build().expect("a PAIR");
    let at = inproc();
    pull.bind(&*at).expect("to bind");
    pair.connect(&*at).expect("to begin");
    assert!(pair.peers().is_empty() && pull.peers().is_empty());
}

#[test]
fn what_is_left_to_a_name_is_for_whoever_takes_it() {
    let context = Context::new();
    let socket = |kind| Socket::like_libzmq(&context, kind).expect("a socket");
    let at = inproc();
    for number in ["0", "1", "2"] {
        let push = socket(SocketType::Push);
        push.connect(&*at).expect("to connect");
        push.send([number, "a"]).expect("room");
        push.send([number, "b"]).expect("room");
        push.close_behind();
    }
    // It has said how long its messages may wait: not at all.
    let dropped = socket(SocketType::Push);
    dropped.set_option(LINGER, 0).expect("a linger");
    dropped.connect(&*at).expect("to connect");
    dropped.send("dropped").expect("room");
    dropped.close_behind();
    let pull = socket(SocketType::Pull);
    pull.bind(&*at).expect("to bind");
    let mut heard: Vec<Vec<u8>> = (0..6)
        .map(|_| pull.recv_timeout(SOON).expect("one more"))
        .map(|message| message.iter().flat_map(|frame| frame.to_vec()).collect())
        .collect();
    heard.sort();
    assert_eq!(heard, [b"0a", b"0b", b"1a", b"1b", b"2a", b"2b"]);
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
    // Nobody inherits twice.
    drop(pull);
    let next = socket(SocketType::Pull);
    eventually("the name is free again", || next.bind(&*at).is_ok());
    assert_eq!(next.try_recv(), Err(RecvError::Empty));
    assert!(next.peers().is_empty());
}

#[test]
fn what_is_left_is_for_those_whom_it_may_concern() {
    let context = Context::new();
    let push = Push::builder().context(&context).linger(Linger::Forever);
    let push = push.build().expect("a PUSH");
    let at = inproc();
    push.connect(&*at).expect("to connect");
    push.send("left").expect("room");
    drop(push);
    let pair = Pair::builder().context(&context).build().expect("a PAIR");
    pair.bind(&*at).expect("to bind");
    assert_eq!(pair.try_recv(), Err(RecvError::Empty));
    // What nobody came for ends with the context.
    let push = Push::builder().context(&context).linger(Linger::Forever);
    let push = push.build().expect("a PUSH");
    push.connect(&*inproc()).expect("to connect");
    push.send("left").expect("room");
    drop((push, pair));
    context.close(SOON).expect("nothing holds it");
}

#[test]
fn leaving_and_taking_a_name_at_one_time_loses_nothing() {
    let context = Context::new();
    for _ in 0..200 {
        let at = inproc();
        let socket = |kind| Socket::like_libzmq(&context, kind).expect("a socket");
        let (pull, push) = (socket(SocketType::Pull), socket(SocketType::Push));
        push.connect(&*at).expect("to connect");
        push.send("work").expect("room");
        std::thread::scope(|scope| {
            scope.spawn(|| push.close_behind());
            pull.bind(&*at).expect("to bind");
            assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "work");
        });
    }
}

#[test]
fn who_does_not_wait_feels_the_mark() {
    // So few octets that no kernel refuses them, to one who would take them all.
    let refused = |push: &Socket| {
        let full = |_: &i32| matches!(push.try_send("x"), Err(SendError::Full(_)));
        (0..1000).filter(full).count()
    };
    let meet = |push: &Socket| {
        let pull = Pull::builder().recv_hwm(0).build().expect("a PULL");
        let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
        push.set_option(SNDHWM, 1).expect("a mark");
        push.connect(&at).expect("to connect");
        eventually("they have met", || !pull.peers().is_empty());
        pull
    };
    let push = like_libzmq(SocketType::Push);
    let pull = meet(&push);
    let lost = refused(&push);
    assert!(lost > 0, "it was never at its mark");
    // What was taken arrives, though nobody sends any more.
    for _ in lost..1000 {
        pull.recv_timeout(SOON).expect("it was taken");
    }
    assert_eq!(pull.try_recv().map(|_| ()), Err(RecvError::Empty));
}

#[test]
fn what_was_not_received_goes_with_the_endpoint() {
    let push = Push::new().expect("a PUSH");
    let pull = like_libzmq(SocketType::Pull);
    let at = push.bind("tcp://127.0.0.1:0").expect("to bind");
    pull.connect(&at).expect("to connect");
    push.send("unread").expect("room");
    eventually("it is here", || pull.stats().received.accepted > 0);
    pull.disconnect(&at).expect("it was connected");
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
    let again = pull.disconnect(&at).expect_err("it is not any more");
    assert_eq!(again.kind(), ErrorKind::NotFound);
    // A socket of its own type keeps it.
    eventually("it has left", || push.peers().is_empty());
    let pull = Pull::new().expect("a PULL");
    pull.connect(&at).expect("to connect");
    push.send("read").expect("room");
    eventually("it is here", || pull.stats().received.accepted > 0);
    pull.disconnect(&at).expect("it was connected");
    assert_eq!(pull.recv_timeout(SOON).expect("it came")[0], "read");
}

#[test]
fn a_stream_says_by_its_routing_id_whom_it_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("tcp://{}", listener.local_addr().expect("its address"));
    let stream = like_libzmq(SocketType::Stream);
    let nobody = OptionValue::from("");
    assert_eq!(stream.option(ROUTING_ID).expect("it has one"), nobody);
    stream.set_option(STREAM_NOTIFY, 0).expect("an option");
    // Known at once, and what is sent there leaves as soon as it is there.
    for octets in ["to the first", "to the second"] {
        stream.connect(&*at).expect("to begin");
        let name = stream.option(ROUTING_ID).expect("whom");
        let OptionValue::Octets(name) = name else {
            panic!("{name:?}");
        };
        assert_eq!((name.len(), name[0]), (5, 0));
        let message = Message::from([name.into(), hubless::Frame::from(octets)]);
        stream.send(message).expect("it is known");
        let (mut peer, _) = listener.accept().expect("it comes");
        peer.set_read_timeout(Some(SOON)).expect("a timeout");
        let mut heard = vec![0; octets.len()];
        peer.read_exact(&mut heard).expect("octets");
        assert_eq!(heard, octets.as_bytes());
    }
}

#[test]
fn who_sent_a_message_has_a_descriptor_but_over_inproc() {
    let context = Context::new();
    let pull = Socket::like_libzmq(&context, SocketType::Pull).expect("a socket");
    let push = Socket::like_libzmq(&context, SocketType::Push).expect("a socket");
    let near = inproc();
    pull.bind(&*near).expect("to bind");
    push.connect(&*near).expect("to connect");
    push.send("near").expect("room");
    let (_, sender) = pull.recv_from().expect("it");
    assert!(sender.is_none(), "within the process, nobody: {sender:?}");
    push.send("near, without waiting").expect("room");
    let (_, sender) = pull.try_recv_from().expect("it");
    assert!(sender.is_none(), "{sender:?}");
    push.disconnect(&*near).expect("it was connected");
    let far = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    push.connect(&far).expect("to connect");
    push.send("far").expect("room");
    let (_, sender) = pull.recv_from().expect("it");
    let descriptor = sender.and_then(|sender| sender.descriptor);
    assert!(
        descriptor.is_some_and(|number| number > 2),
        "{descriptor:?}"
    );
}
