//! STREAM: octets to and from those who do not speak ZMTP, connections that come and go, and peers
//! that flood or starve us.

mod common;

use std::{
    collections::HashMap,
    io::{ErrorKind as Io, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    time::Duration,
};

use common::{MOMENT, SOON, Started, balanced, eventually, quiet, within};
use hubless::{
    Context, Dealer, Endpoint, ErrorKind, Interest, Message, PeerId, Poller, Reconnect, RecvError,
    Router, SendError, Stream,
};

/// A STREAM that is bound, and where.
fn bound() -> (Stream, String) {
    let stream = Stream::builder().recv_timeout(SOON).build();
    let stream = stream.expect("a STREAM");
    let at = stream.bind("tcp://127.0.0.1:0").expect("to bind");
    (stream, address(&at))
}

fn address(endpoint: &Endpoint) -> String {
    endpoint.to_string().trim_start_matches("tcp://").to_owned()
}

/// Somebody with a plain socket, who waits no longer than we do.
fn visitor(address: &str) -> TcpStream {
    let visitor = TcpStream::connect(address).expect("to connect");
    visitor.set_read_timeout(Some(SOON)).expect("a timeout");
    visitor
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("to listen");
    let address = listener.local_addr().expect("its address");
    (listener, format!("tcp://{address}"))
}

/// The next message, which must be an empty one: somebody has come, or gone.
fn turn_up(stream: &Stream) -> PeerId {
    let (who, nothing) = stream.recv_from().expect("somebody");
    assert_eq!((nothing.len(), nothing.octets()), (1, 0), "{nothing:?}");
    who
}

/// What this peer sends, until there are so many octets.
fn read(stream: &Stream, who: &PeerId, octets: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < octets {
        let (from, piece) = stream.recv_from().expect("octets");
        assert_eq!(from, *who);
        assert_eq!(piece.len(), 1);
        assert!(
            (1..=8192).contains(&piece.octets()),
            "a piece of moderate size"
        );
        read.extend_from_slice(&piece[0]);
    }
    read
}

/// Octets that show where they are from.
fn pattern(octets: usize) -> Vec<u8> {
    (0..octets as u32)
        .map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8)
        .collect()
}

#[test]
fn a_request_is_answered_and_its_connection_ended() {
    let (stream, at) = bound();
    let browser = Started::new(move || {
        let mut browser = visitor(&at);
        browser
            .write_all(b"GET / HTTP/1.0\r\n\r\n")
            .expect("to ask");
        let mut page = String::new();
        browser
            .read_to_string(&mut page)
            .expect("a page, and the end");
        page
    });
    let who = turn_up(&stream);
    assert_eq!(
        (who.as_bytes().len(), who.as_bytes()[0]),
        (5, 0),
        "a made-up name"
    );
    assert_eq!(read(&stream, &who, 18), b"GET / HTTP/1.0\r\n\r\n");
    stream
        .send_to(&who, "HTTP/1.0 200 OK\r\n\r\n")
        .expect("to answer");
    // Frames are nothing to a browser: they are written one behind the other.
    stream.send_to(&who, ["hel", "", "lo"]).expect("to answer");
    stream.hang_up(&who).expect("it is there");
    assert_eq!(browser.join("the browser"), "HTTP/1.0 200 OK\r\n\r\nhello");
    let late = stream.send_to(&who, "more");
    assert_eq!(
        late,
        Err(SendError::Unroutable("more".into())),
        "its name is gone"
    );
    assert_eq!(
        stream.recv_from_timeout(MOMENT),
        Err(RecvError::TimedOut),
        "we know that it ended"
    );
    eventually("it is forgotten", || stream.peers().is_empty());
    balanced("a STREAM", stream.stats());
}

#[test]
fn a_name_as_the_first_frame_and_nothing_behind_it() {
    let (stream, at) = bound();
    let mut visitor = visitor(&at);
    visitor.write_all(b"hello").expect("to send");
    let opened = stream.recv().expect("a message");
    assert_eq!((opened.len(), opened[1].len()), (2, 0));
    let said = stream.recv().expect("a message");
    assert_eq!((&said[0], &said[1][..]), (&opened[0], &b"hello"[..]));
    let frames = |text: &'static str| Message::from([opened[0].clone(), text.into()]);
    stream.send(frames("bye")).expect("to send");
    stream.send(frames("")).expect("to end it");
    let mut all = String::new();
    visitor.read_to_string(&mut all).expect("all, and the end");
    assert_eq!(all, "bye");
}

#[test]
fn who_comes_and_goes_is_shown_in_order() {
    let (stream, at) = bound();
    for round in 0..50 {
        let mut visitor = visitor(&at);
        if round % 2 == 0 {
            visitor.write_all(b"ping").expect("to send");
        }
        drop(visitor);
    }
    // Of each: it came, what it said, it went.
    let mut seen: HashMap<PeerId, Vec<usize>> = HashMap::new();
    while seen
        .values()
        .filter(|it| it.ends_with(&[0]) && it.len() > 1)
        .count()
        < 50
    {
        let (who, message) = stream.recv_from().expect("a message");
        seen.entry(who).or_default().push(message.octets());
    }
    for said in seen.values() {
        assert!(*said == [0, 0] || *said == [0, 4, 0], "{said:?}");
    }
    assert_eq!(stream.recv_from_timeout(MOMENT), Err(RecvError::TimedOut));
}

#[test]
fn it_may_be_asked_not_to_show_that() {
    let stream = Stream::builder().notify(false).recv_timeout(SOON).build();
    let stream = stream.expect("a STREAM");
    let at = address(&stream.bind("tcp://127.0.0.1:0").expect("to bind"));
    drop(visitor(&at));
    visitor(&at).write_all(b"hello").expect("to send");
    assert_eq!(stream.recv_from().expect("what was said").1[0], "hello");
    assert_eq!(stream.recv_from_timeout(MOMENT), Err(RecvError::TimedOut));
}

#[test]
fn it_connects_under_a_name_and_again_when_it_is_lost() {
    let (listener, at) = listener();
    let stream = Stream::builder()
        .reconnect(Reconnect::Backoff {
            min: Duration::from_millis(1),
            max: Duration::from_millis(10),
        })
        .recv_timeout(SOON)
        .build()
        .expect("a STREAM");
    stream.connect_as(&at[..], "printer").expect("to connect");
    stream
        .send_to("printer", "page 1")
        .expect("it is named already");
    for page in 1..=3 {
        let mut printer = listener.accept().expect("a connection").0;
        assert_eq!(turn_up(&stream), "printer");
        if page > 1 {
            stream
                .send_to("printer", format!("page {page}"))
                .expect("to send");
        }
        let mut text = [0; 6];
        printer.read_exact(&mut text).expect("a page");
        assert_eq!(text, format!("page {page}").as_bytes());
        drop(printer);
        assert_eq!(turn_up(&stream), "printer");
    }
    // Let go, it is not connected again.
    stream.hang_up("printer").expect("it is known");
    let ended = stream
        .disconnect(&at[..])
        .expect_err("its endpoint is gone");
    assert_eq!(ended.kind(), ErrorKind::NotFound);
    eventually("it is forgotten", || stream.peers().is_empty());
}

#[test]
fn whom_it_could_not_reach_yet_it_may_let_go() {
    let at = common::free_port();
    let stream = Stream::new().expect("a STREAM");
    stream.connect_as(&at[..], "nobody").expect("to connect");
    stream.hang_up("nobody").expect("it is known");
    assert_eq!(
        stream.hang_up("nobody"),
        Err(SendError::Unroutable(Message::new()))
    );
    eventually("it is forgotten", || stream.peers().is_empty());
}

#[test]
fn two_of_a_kind_exchange_octets() {
    for at in ["tcp://127.0.0.1:0", "ipc://*"] {
        let (left, right) = (Stream::new().expect("one"), Stream::new().expect("another"));
        let at = left.bind(at).expect("to bind");
        right.connect_as(&at, "left").expect("to connect");
        let data = pattern(3 << 20);
        // Written by reference, and in many small pieces.
        right
            .send_to("left", &data[..1 << 20])
            .expect("below the mark");
        for piece in data[1 << 20..].chunks(5000) {
            right.send_to("left", piece).expect("below the mark");
        }
        let who = turn_up(&left);
        assert_eq!(read(&left, &who, data.len()), data, "over {at}");
        left.send_to(&who, "thanks").expect("to send");
        assert_eq!(turn_up(&right), "left");
        assert_eq!(read(&right, &"left".into(), 6), b"thanks");
        quiet("who sent", || right.stats());
        let report = left.close(SOON).expect("to close");
        assert_eq!(report.unsent, 0);
        assert_eq!(turn_up(&right), "left", "it has gone");
    }
}

#[test]
fn what_was_sent_leaves_before_the_end() {
    let (stream, at) = bound();
    let mut slow = visitor(&at);
    let who = turn_up(&stream);
    let data = pattern(20 << 20);
    for piece in data.chunks(1 << 20) {
        stream.send_to(&who, piece).expect("below the mark");
    }
    // By default it lingers for a second, which is not much on a busy machine.
    stream
        .set_linger(hubless::Linger::Forever)
        .expect("it is open");
    stream.hang_up(&who).expect("it is there");
    let mut all = Vec::new();
    slow.read_to_end(&mut all).expect("all, and the end");
    assert!(all == data, "{} octets of {}", all.len(), data.len());
    quiet("the sender", || stream.stats());
}

#[test]
fn who_sends_without_end_is_held_back() {
    const HWM: usize = 10;
    let stream = Stream::builder().recv_hwm(HWM).recv_timeout(SOON).build();
    let stream = stream.expect("a STREAM");
    let at = address(&stream.bind("tcp://127.0.0.1:0").expect("to bind"));
    let mut flood = visitor(&at);
    flood.set_nonblocking(true).expect("to set it");
    // Until the kernel's buffers are full on both sides, and stay so.
    let lot = pattern(1 << 16);
    let mut sent = 0_usize;
    eventually("the mark is reached, and nothing goes any more", || {
        let mut refused = false;
        while !refused {
            match flood.write(&lot[sent % lot.len()..]) {
                Ok(octets) => sent += octets,
                Err(error) => {
                    assert_eq!(error.kind(), Io::WouldBlock, "{error}");
                    refused = true;
                }
            }
            assert!(sent < 1 << 30, "nothing holds it back");
        }
        stream.stats().received.queued >= HWM as u64
    });
    let queued = stream.stats().received;
    assert!(queued.queued <= HWM as u64 + 1, "{queued:?}");
    assert!(
        queued.queued_octets <= (HWM as u64 + 1) * 8192,
        "{queued:?}"
    );
    flood.shutdown(Shutdown::Write).expect("to end it");
    let who = turn_up(&stream);
    let mut all = 0;
    loop {
        let (from, piece) = stream.recv_from().expect("octets, or the end");
        assert_eq!(from, who);
        if piece.octets() == 0 {
            break;
        }
        for octet in piece[0].iter() {
            assert!(*octet == lot[all % lot.len()], "octet {all}");
            all += 1;
        }
    }
    assert_eq!(all, sent);
}

#[test]
fn who_does_not_read_is_refused_more_and_waited_for_no_longer_than_the_linger() {
    let stream = Stream::builder()
        .send_hwm(5)
        .linger(hubless::Linger::For(MOMENT))
        .recv_timeout(SOON)
        .build()
        .expect("a STREAM");
    let at = address(&stream.bind("tcp://127.0.0.1:0").expect("to bind"));
    let asleep = visitor(&at);
    let who = turn_up(&stream);
    let lot = bytes::Bytes::from(pattern(1 << 20));
    let mut taken = 0;
    let refused = loop {
        match stream.send_to(&who, &lot) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1000, "nothing holds us back");
    };
    assert!(matches!(refused, SendError::Full(message) if message.octets() == lot.len()));
    stream.hang_up(&who).expect("it is there");
    eventually("it is forgotten", || stream.peers().is_empty());
    let sent = stream.stats().sent;
    assert!(sent.lost + sent.dropped > 0 && sent.balances(), "{sent:?}");
    drop(asleep);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let stream = Stream::new().expect("a STREAM");
    for refused in [
        stream.bind("inproc://raw").map(drop),
        stream.connect("inproc://raw").map(drop),
    ] {
        assert_eq!(
            refused.expect_err("no inproc").kind(),
            ErrorKind::UnknownTransport
        );
    }
    let guarded = Stream::builder().plain_client("ann", "secret").build();
    assert_eq!(
        guarded.expect_err("no security").kind(),
        ErrorKind::InvalidOption
    );
    let beating = Stream::builder().heartbeat_interval(SOON).build();
    assert_eq!(
        beating.expect_err("no PING").kind(),
        ErrorKind::InvalidOption
    );
    let nobody = stream.send_to("nobody", "hello");
    assert_eq!(nobody, Err(SendError::Unroutable("hello".into())));
}

#[test]
fn a_raw_router_is_a_stream_that_may_drop() {
    let router = Router::builder()
        .raw(true)
        .mandatory(false)
        .probe_router(true)
        .recv_timeout(SOON)
        .build()
        .expect("a ROUTER");
    let at = router.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut visitor = visitor(&address(&at));
    let (who, come) = router.recv_from().expect("somebody");
    assert_eq!((who.as_bytes().len(), come), (5, Message::from("")));
    visitor.write_all(b"GET").expect("to ask");
    assert_eq!(
        router.recv_from().expect("octets"),
        (who.clone(), "GET".into())
    );
    router.send_to("nobody", "lost").expect("it is dropped");
    router.send_to(&who, ["4", "0", "4"]).expect("to answer");
    router.send_to(&who, "").expect("to end it");
    let mut heard = String::new();
    visitor
        .read_to_string(&mut heard)
        .expect("all, and the end");
    assert_eq!(heard, "404");
    eventually("it is forgotten", || router.peers().is_empty());
    balanced("a raw ROUTER", router.stats());
}

#[test]
fn a_raw_router_proves_nothing_and_greets_nobody() {
    let raw = || Router::builder().raw(true);
    for refused in [
        raw().plain_client("ann", "secret").build(),
        raw().heartbeat_interval(SOON).build(),
        raw().hello("hello").build(),
        raw().notify_connect(true).build(),
    ] {
        let error = refused.expect_err("octets only");
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{error}");
    }
    // Over inproc there are no octets: messages go as they always do.
    let context = Context::new();
    let router = raw().context(&context).recv_timeout(SOON).build();
    let router = router.expect("a ROUTER");
    let at = common::inproc();
    router.bind(&at).expect("to bind");
    let dealer = Dealer::builder().context(&context).routing_id("d").build();
    let dealer = dealer.expect("a DEALER");
    dealer.connect(&at).expect("to connect");
    dealer.send(["to", "you"]).expect("to send");
    let (who, message) = router.recv_from().expect("a message");
    assert_eq!((who.as_bytes(), message), (&b"d"[..], ["to", "you"].into()));
}

#[test]
fn it_is_waited_for_like_any_other() {
    let (stream, at) = bound();
    let mut poller = Poller::new().expect("a poller");
    poller.add(&stream, 7, Interest::READABLE);
    let mut ready = Vec::new();
    assert_eq!(
        poller
            .wait(&mut ready, Some(Duration::ZERO))
            .expect("to wait"),
        0
    );
    let mut visitor = visitor(&at);
    for expected in ["", "a", "b"] {
        if !expected.is_empty() {
            visitor.write_all(expected.as_bytes()).expect("to send");
        }
        poller.wait(&mut ready, Some(SOON)).expect("to wait");
        assert_eq!((ready.len(), ready[0].token), (1, 7));
        assert_eq!(stream.try_recv_from().expect("it").1[0], expected);
    }
    let waiting = stream.clone();
    let waits = Started::new(move || waiting.iter().count());
    within("closing", move || stream.close(SOON)).expect("to close");
    assert_eq!(waits.join("who waited"), 0);
}
