//! What options do: in the kernel, on the wire, at the peer. Those that a typed call sets are
//! shown beside what they are about; here are those that libzmq's programs know by number, and
//! those that change what is under way.

mod common;

use std::{fs, net::SocketAddr, os::fd::AsRawFd};

use common::{MOMENT, SOON, Started, eventually, inproc, raw::Raw};
use hubless::{
    Context, Dealer, ErrorKind, Linger, Message, OptionValue, Pull, Push, Router, Sub, XPub, XSub,
};

/// How many messages it takes before it would have to wait.
fn room(push: &Push) -> usize {
    (0..10_000)
        .take_while(|_| push.try_send("x").is_ok())
        .count()
}

#[test]
fn marks_move_while_messages_wait() {
    // Nobody is there yet: the sender's mark alone.
    let push = Push::builder().send_hwm(1).build().expect("a PUSH");
    let at = inproc();
    push.connect(&*at).expect("to connect");
    assert_eq!(room(&push), 1);
    push.set_option("SNDHWM", 3).expect("it is open");
    assert_eq!(room(&push), 2);
    // Both are there: the sum, from whichever side it changes.
    let pull = Pull::builder().recv_hwm(1).build().expect("a PULL");
    pull.bind(&*at).expect("to bind");
    assert_eq!(room(&push), 1);
    push.set_option("SNDHWM", 5).expect("it is open");
    assert_eq!(room(&push), 2);
    pull.set_option("RCVHWM", 11).expect("it is open");
    assert_eq!(room(&push), 10);
    // Below what lies there already: it waits, and goes on once that is read.
    push.set_option("SNDHWM", 1).expect("it is open");
    pull.set_option("RCVHWM", 1).expect("it is open");
    assert_eq!(room(&push), 0);
    for _ in 0..16 {
        pull.recv_timeout(SOON).expect("a message");
    }
    assert_eq!(room(&push), 2);
    pull.set_option("RCVHWM", 0).expect("it is open");
    assert_eq!(room(&push), 10_000);
}

#[test]
fn marks_move_towards_a_peer_that_does_not_read() {
    let (listener, at) = common::raw::listen();
    let push = Push::builder()
        .send_hwm(1000)
        .linger(Linger::Drop)
        .build()
        .expect("a PUSH");
    push.connect(&*at).expect("to connect");
    push.set_option("SNDHWM", 2).expect("it is open");
    assert_eq!(room(&push), 2);
    push.set_option("SNDHWM", 7).expect("it is open");
    assert_eq!(room(&push), 5);
    let waiting = push.clone();
    let sent = Started::new(move || waiting.send("waits"));
    push.set_option("SNDHWM", 8).expect("it is open");
    sent.join("there is room at once").expect("it is sent");
    let mut raw = Raw::accept(&listener, "PULL");
    for _ in 0..8 {
        raw.read().expect("a message");
    }
}

#[test]
fn what_is_said_one_by_one_holds_in_any_order() {
    let push = Push::new().expect("a PUSH");
    let set = |name: &str, value: i32| push.set_option(name, value).expect(name);
    let is = |name: &str, value: i64| {
        assert_eq!(push.option(name).expect(name), OptionValue::Number(value));
    };
    set("TCP_KEEPALIVE_IDLE", 77);
    set("TCP_KEEPALIVE_CNT", 3);
    is("TCP_KEEPALIVE", -1);
    set("TCP_KEEPALIVE", 1);
    set("TCP_KEEPALIVE", 0);
    is("TCP_KEEPALIVE_IDLE", 77);
    set("TCP_KEEPALIVE", 1);
    is("TCP_KEEPALIVE_CNT", 3);
    set("TCP_KEEPALIVE_CNT", -1);
    is("TCP_KEEPALIVE_CNT", -1);

    for (first, longest) in [(-1, 0), (500, 0), (500, 200), (0, 30), (100, 5000)] {
        set("RECONNECT_IVL", first);
        set("RECONNECT_IVL_MAX", longest);
        is("RECONNECT_IVL", first.into());
        is("RECONNECT_IVL_MAX", longest.into());
    }

    push.set_option("SOCKS_PASSWORD", "sesame").expect("first");
    push.set_option("SOCKS_USERNAME", "joe").expect("second");
    let password = push.option("SOCKS_PASSWORD").expect("one");
    assert_eq!(password, OptionValue::from("sesame"));
    push.set_option("SOCKS_USERNAME", "").expect("taken back");
    push.set_option("SOCKS_USERNAME", "ann").expect("another");
    assert_eq!(push.option(100).expect("one"), password);

    set("IPC_FILTER_UID", 7);
    set("IPC_FILTER_PID", 8);
    push.set_option("IPC_FILTER_UID", "").expect("it clears");
    is("IPC_FILTER_UID", -1);
    is("IPC_FILTER_PID", 8);
}

#[test]
fn an_io_thread_that_is_not_there_serves_nobody() {
    let context = Context::builder().io_threads(2).build();
    let build = || {
        let builder = Pull::builder().context(&context);
        builder.build().expect("a PULL")
    };
    let pull = build();
    pull.set_option("AFFINITY", 1 << 5).expect("a number");
    let error = pull.bind("tcp://127.0.0.1:0").expect_err("no such thread");
    assert_eq!(error.kind(), ErrorKind::NoThread);
    pull.set_option("AFFINITY", 0b10).expect("a number");
    pull.bind("tcp://127.0.0.1:0").expect("the second one");
    // Settled, and so it stays; what leaves it where it is may be said.
    pull.set_option("AFFINITY", 0b11).expect("it is among them");
    pull.set_option("AFFINITY", i64::MIN | 0b10)
        .expect("all 64 bits count");
    let error = pull.set_option("AFFINITY", 0b01).expect_err("settled");
    assert_eq!(error.kind(), ErrorKind::InvalidOption);
}

#[test]
fn nothing_more_is_to_come() {
    let (push, pull) = (Push::new().expect("a PUSH"), Pull::new().expect("a PULL"));
    let at = inproc();
    pull.bind(&*at).expect("to bind");
    push.connect(&*at).expect("to connect");
    push.send(["one", "two"]).expect("to send");
    let message = pull.recv_timeout(SOON).expect("both");
    // Which of them has more behind it, the message itself knows.
    let more = |at: usize| at + 1 < message.frames().len();
    assert_eq!([more(0), more(1)], [true, false]);
    assert_eq!(message, ["one", "two"].into());
    assert_eq!(
        pull.option("RCVMORE").expect("a number"),
        OptionValue::Number(0)
    );
}

#[test]
fn a_number_shows_readiness() {
    let (push, pull) = (Push::new().expect("a PUSH"), Pull::new().expect("a PULL"));
    let at = inproc();
    pull.bind(&*at).expect("to bind");
    push.connect(&*at).expect("to connect");
    let OptionValue::Number(number) = pull.option("FD").expect("a descriptor") else {
        panic!("it is a number");
    };
    let again = pull.option("FD").expect("the same");
    assert_eq!(again, OptionValue::Number(number));
    // A loop that knows nothing but the number.
    let number = i32::try_from(number).expect("a descriptor");
    let (mut outside, mut events) = (
        mio::Poll::new().expect("descriptors are left"),
        mio::Events::with_capacity(1),
    );
    outside
        .registry()
        .register(
            &mut mio::unix::SourceFd(&number),
            mio::Token(0),
            mio::Interest::READABLE,
        )
        .expect("it can be watched");
    let mut shows = |wait| {
        outside.poll(&mut events, Some(wait)).expect("to wait");
        !events.is_empty()
    };
    assert!(!shows(MOMENT), "there is nothing yet");
    push.send("x").expect("to send");
    assert!(shows(SOON), "there is a message");
    pull.recv_timeout(SOON).expect("it");
    push.send("y").expect("to send");
    assert!(shows(SOON), "there is another");
    push.option("FD").expect_err("nothing is received");
}

#[test]
fn a_listener_is_used_by_its_number() {
    let (listener, real) = common::raw::listen();
    let pull = Pull::new().expect("a PULL");
    pull.set_option("USE_FD", listener.as_raw_fd())
        .expect("a number");
    // The text is judged, and not bound to.
    let at = pull.bind("tcp://127.0.0.1:*").expect("it listens");
    assert_eq!(at.to_string(), real);
    pull.set_option("USE_FD", -1).expect("none");
    let another = pull.bind("tcp://127.0.0.1:0").expect("one of its own");
    assert_ne!(another, at);
    let push = Push::new().expect("a PUSH");
    push.connect(&at).expect("to connect");
    push.send("hello").expect("to send");
    assert_eq!(pull.recv_timeout(SOON).expect("it comes")[0], "hello");
    for nobody in [i32::MAX, 0] {
        pull.set_option("USE_FD", nobody).expect("a number");
        pull.bind("tcp://127.0.0.1:*").expect_err("nobody listens");
    }
}

#[test]
fn a_router_is_told_who_comes_and_goes() {
    let router = Router::new().expect("a ROUTER");
    router.set_option("ROUTER_NOTIFY", 3).expect("it is open");
    let network = router.bind("tcp://127.0.0.1:0").expect("to bind");
    let within = router.bind(&*inproc()).expect("to bind");
    let next = || router.recv_from_timeout(SOON).expect("a message");
    let nothing = Message::from("");
    for at in [network, within] {
        let dealer = Dealer::builder()
            .routing_id("ann")
            .build()
            .expect("a DEALER");
        dealer.connect(&at).expect("to connect");
        assert_eq!(next(), ("ann".into(), nothing.clone()), "{at}");
        dealer.send("last words").expect("to send");
        dealer.close(SOON).expect("to close");
        assert_eq!(next(), ("ann".into(), "last words".into()), "{at}");
        assert_eq!(next(), ("ann".into(), nothing.clone()), "{at}");
    }
    router.set_notify_connect(false).expect("it is open");
    let mut raw = Raw::connect_as(&router.bound()[0], "DEALER", b"bob");
    raw.send(&[b"hello"]);
    drop(raw);
    assert_eq!(next(), ("bob".into(), "hello".into()));
    assert_eq!(next(), ("bob".into(), nothing));
}

#[test]
fn a_peer_of_this_process_leaves_a_message_too() {
    let router = Router::builder()
        .disconnect_message("gone")
        .build()
        .expect("a ROUTER");
    let at = inproc();
    router.bind(&*at).expect("to bind");
    let dealer = Dealer::builder()
        .routing_id("ann")
        .build()
        .expect("a DEALER");
    dealer.connect(&*at).expect("to connect");
    dealer.send("last words").expect("to send");
    dealer.disconnect(&*at).expect("to leave");
    let next = || router.recv_from_timeout(SOON).expect("a message");
    assert_eq!(next(), ("ann".into(), "last words".into()));
    assert_eq!(next(), ("ann".into(), "gone".into()));
}

#[test]
fn the_last_value_goes_to_who_asked_last() {
    let publisher = XPub::new().expect("an XPUB");
    publisher
        .set_option("XPUB_MANUAL_LAST_VALUE", 1)
        .expect("it is open");
    let at = inproc();
    publisher.bind(&*at).expect("to bind");
    let subscriber = || {
        let sub = Sub::new().expect("a SUB");
        sub.subscribe("a").expect("to subscribe");
        sub.connect(&*at).expect("to connect");
        let asked = publisher.recv_timeout(SOON).expect("it asks");
        assert_eq!(asked[0], b"\x01a");
        publisher.subscribe("a").expect("it may");
        sub
    };
    let early = subscriber();
    publisher.send("a1").expect("to send");
    publisher.send("a2").expect("to send");
    let late = subscriber();
    publisher.send("a2").expect("for the late one alone");
    publisher.send("a3").expect("for both");
    let next = |sub: &Sub| sub.recv_timeout(SOON).expect("a message")[0].to_vec();
    assert_eq!(
        [next(&early), next(&early), next(&early)],
        [b"a1", b"a2", b"a3"]
    );
    assert_eq!([next(&late), next(&late)], [b"a2", b"a3"]);
    // It matches all the same.
    let third = subscriber();
    publisher.send("b").expect("for nobody");
    publisher.send("a4").expect("for all");
    assert_eq!(next(&third), b"a4");
}

#[test]
fn every_cancellation_is_passed_on() {
    let (listener, at) = common::raw::listen();
    let xsub = XSub::new().expect("an XSUB");
    xsub.connect(&*at).expect("to connect");
    let mut raw = Raw::accept(&listener, "XPUB");
    xsub.wait_peers(1, SOON).expect("it is ready");
    let mut said = |message: &[u8]| {
        xsub.send(message).expect("to send");
        raw.read().expect("a frame").body
    };
    assert_eq!(said(b"\x01a"), b"\x01a");
    assert_eq!(said(b"\x01a"), b"\x01a");
    xsub.set_option("XSUB_VERBOSE_UNSUBSCRIBE", 1)
        .expect("it is open");
    assert_eq!(said(b"\x00a"), b"\x00a", "one is left");
    assert_eq!(said(b"\x00a"), b"\x00a");
    assert_eq!(said(b"\x00a"), b"\x00a", "there was none");
    xsub.set_verbose_unsubscribe(false).expect("it is open");
    xsub.send(&b"\x00a"[..]).expect("it means nothing");
    xsub.send("a message").expect("to send");
    assert_eq!(raw.read().expect("a frame").body, b"a message");
}

#[test]
fn only_the_first_frame_subscribes() {
    let (xsub, xpub) = (XSub::new().expect("an XSUB"), XPub::new().expect("an XPUB"));
    xsub.set_option("ONLY_FIRST_SUBSCRIBE", 1)
        .expect("it is so");
    let error = xsub.set_option("ONLY_FIRST_SUBSCRIBE", 0);
    assert_eq!(
        error.expect_err("it is always so").kind(),
        ErrorKind::InvalidOption
    );
    let at = inproc();
    xpub.bind(&*at).expect("to bind");
    xsub.connect(&*at).expect("to connect");
    xsub.send(["hello", "\x01a"]).expect("to send");
    let message = xpub.recv_timeout(SOON).expect("a message");
    assert_eq!(message, Message::from(["hello", "\x01a"]));
    assert_eq!(xpub.subscriber_count(), 0);
}

/// Octets that have come for this stream's other end and that nobody has read yet, as the kernel
/// tells.
#[cfg(target_os = "linux")]
fn unread_by(raw: &Raw) -> u64 {
    let port = |address: std::io::Result<SocketAddr>| address.expect("an address").port();
    let ours = port(raw.stream.local_addr());
    let theirs = port(raw.stream.peer_addr());
    let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let line = table.lines().find(|line| {
        let mut ports = line.split_whitespace().skip(1).filter_map(|address| {
            let (_, port) = address.split_once(':')?;
            u16::from_str_radix(port, 16).ok()
        });
        (ports.next(), ports.next()) == (Some(theirs), Some(ours))
    });
    let queues = line.expect("the connection").split_whitespace().nth(4);
    let (_, unread) = queues.and_then(|it| it.split_once(':')).expect("queues");
    u64::from_str_radix(unread, 16).expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
fn reads_are_as_small_as_they_are_said_to_be() {
    // A socket that is full stops reading. What it has read until then stays out of the kernel.
    let left_to_the_kernel = |octets: i32| {
        let pull = Pull::builder()
            .option("IN_BATCH_SIZE", octets)
            .and_then(|it| it.option("RCVHWM", 1))
            .and_then(|it| it.build())
            .expect("a PULL");
        let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
        let mut raw = Raw::connect(&at, "PUSH");
        let mut octets = Vec::new();
        for number in 0..500 {
            octets.extend(common::raw::frame(0, common::numbered(number).first()));
        }
        raw.write(&octets);
        eventually("it is full", || pull.stats().received.queued == 1);
        let unread = unread_by(&raw);
        for number in 0..500 {
            let message = pull.recv_timeout(SOON).expect("each comes");
            assert_eq!(common::number(&message[0]), number);
        }
        unread
    };
    assert_eq!(left_to_the_kernel(0), 0);
    let unread = left_to_the_kernel(10);
    assert!(unread > 2000, "{unread}");
}

#[test]
fn peers_are_subscribed_by_hand_in_manual_mode_only() {
    let publisher = XPub::new().expect("an XPUB");
    let refused = publisher.set_option("SUBSCRIBE", "a").err();
    assert_eq!(
        refused.map(|error| error.kind()),
        Some(ErrorKind::InvalidOption)
    );
    publisher.set_option("XPUB_MANUAL", 1).expect("it is open");
    let nobody = publisher.set_option("SUBSCRIBE", "a");
    nobody.expect("nobody has asked, and that is no fault");
}
