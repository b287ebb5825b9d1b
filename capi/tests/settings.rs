//! Options: of contexts and of sockets, their sizes, and what each does.

mod common;

use std::{
    ffi::{c_int, c_void},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, IntoRawFd},
    ptr,
};

use common::*;
use zmq::*;

const EINVAL: c_int = libc::EINVAL;

#[test]
fn a_context_knows_its_options() {
    let stage = Stage::new();
    // SAFETY: the context is open.
    let read = |number| unsafe { zmq_ctx_get(stage.context, number) };
    // SAFETY: as above.
    let write = |number, value| unsafe { zmq_ctx_set(stage.context, number, value) };
    let begin = [
        (1, 1),
        (2, 1023),
        (3, 65_535),
        (4, -1),
        (5, c_int::MAX),
        (6, 64),
        (9, 0),
        (42, 0),
        (70, 1),
    ];
    for (number, value) in begin {
        assert_eq!(read(number), value, "option {number}");
    }
    for (number, value) in [(1, 3), (2, 20), (4, 0), (5, 100), (9, 77), (42, 1), (70, 0)] {
        assert_eq!(write(number, value), 0, "option {number}");
        assert_eq!(read(number), value, "option {number}");
    }
    // A priority is set where the limit of sockets is read; processors are only set.
    assert_eq!(write(3, 0), 0);
    assert_eq!(read(3), 65_535);
    failed(read(7), EINVAL);
    failed(write(8, 3), EINVAL);
    assert_eq!((write(7, 3), write(8, 3)), (0, 0));
    for (number, value) in [(1, -1), (2, 0), (2, -1), (4, -1), (5, -1), (6, 64), (0, 1)] {
        failed(write(number, value), EINVAL);
    }
    for number in [-1, 0, 8, 17, 4711] {
        failed(read(number), EINVAL);
    }
}

#[test]
fn sockets_begin_as_their_context_says() {
    let mut stage = Stage::new();
    // SAFETY: the context is open.
    unsafe {
        assert_eq!(zmq_ctx_set(stage.context, 42, 5), 0, "anything but 0");
        assert_eq!(zmq_ctx_set(stage.context, 70, 0), 0);
        assert_eq!(zmq_ctx_set(stage.context, 5, 10), 0);
        assert_eq!(zmq_ctx_set(stage.context, 2, 2), 0);
        let push = zmq_socket(stage.context, PUSH);
        assert_eq!((option(push, 42), option(push, LINGER)), (Ok(1), Ok(0)));
        failed(send(push, "eleven octets", DONTWAIT), libc::EMSGSIZE);
        assert_eq!(zmq_close(push), 0);
    }
    let [_, _] = [stage.socket(PUSH), stage.socket(SUB)];
    // SAFETY: as above.
    none(unsafe { zmq_socket(stage.context, PUSH) }, libc::EMFILE);
}

#[test]
fn a_context_without_threads_stays_in_the_process() {
    // SAFETY: handles of the library's.
    unsafe {
        none(zmq_init(-1), EINVAL);
        let context = zmq_init(0);
        let push = zmq_socket(context, PUSH);
        failed(connect(push, "tcp://127.0.0.1:1"), EMTHREAD);
        assert_eq!(connect(push, "inproc://here"), 0);
        assert_eq!(set(push, LINGER, 0), 0);
        assert_eq!((zmq_close(push), zmq_term(context)), (0, 0));
        failed(zmq_ctx_destroy(context), libc::EFAULT);
    }
}

#[test]
fn numbers_want_their_size_and_text_has_an_end() {
    let mut stage = Stage::new();
    let push = stage.socket(PUSH);
    for room in [0, 1, 3, 5, 8] {
        assert_eq!(octets(push, 23, room), Err(EINVAL), "SNDHWM for {room}");
    }
    assert_eq!(octets(push, 4, 4), Err(EINVAL), "AFFINITY has 64 bits");
    assert_eq!(octets(push, 22, 8), Ok((-1_i64).to_ne_bytes().to_vec()));
    failed(set_octets(push, 23, b"abc"), EINVAL);
    failed(set_octets(push, 23, &1_i64.to_ne_bytes()), EINVAL);
    assert_eq!(set_octets(push, 4, &u64::MAX.to_ne_bytes()), 0);
    assert_eq!(octets(push, 4, 8), Ok(u64::MAX.to_ne_bytes().to_vec()));
    // What is more than the text is zeroed.
    assert_eq!(set_octets(push, 55, b"domain\0"), 0);
    let (mut place, mut size) = ([0xee_u8; 12], 12);
    // SAFETY: a handle, and room.
    unsafe {
        assert_eq!(
            zmq_getsockopt(push, 55, place.as_mut_ptr().cast(), &mut size),
            0
        )
    };
    // It was said with a zero, which is sent with it.
    assert_eq!((&place, size), (b"domain\0\0\0\0\0\0", 8));
    assert_eq!(octets(push, 55, 6), Err(EINVAL), "no room for its end");
    // The state of a socket may be read into more.
    assert_eq!(octets(push, EVENTS, 8).map(|it| it.len()), Ok(4));
}

#[test]
fn what_is_only_set_cannot_be_read() {
    let mut stage = Stage::new();
    let only_set = [
        (ROUTER, 33),
        (ROUTER, 56),
        (SUB, 6),
        (SUB, 7),
        (XPUB, 40),
        (XPUB, 71),
        (DEALER, 51),
        (REQ, 52),
        (ROUTER, 61),
    ];
    for (kind, number) in only_set {
        let socket = stage.socket(kind);
        assert_eq!(octets(socket, number, 4), Err(EINVAL), "option {number}");
    }
    let push = stage.socket(PUSH);
    for number in [13, 15, 16, 43, 81] {
        assert!(option(push, number).is_ok());
        failed(set(push, number, 1), EINVAL);
    }
    for number in [-1, 0, 70, 4711] {
        assert_eq!(option(push, number), Err(EINVAL));
        failed(set(push, number, 1), EINVAL);
    }
}

#[test]
fn options_are_read_as_they_were_set() {
    let mut stage = Stage::new();
    let dealer = stage.socket(DEALER);
    assert_eq!(
        (option(dealer, 16), option(dealer, 81)),
        (Ok(DEALER), Ok(0))
    );
    // BACKLOG, RECONNECT_IVL_MAX, the keep-alives, HEARTBEAT_*, CONNECT_TIMEOUT, TCP_MAXRT, …
    let numbers = [
        (19, 7),
        (21, 0),
        (21, 500),
        (18, -1),
        (18, 100),
        (34, 1),
        (35, 3),
        (36, 60),
        (37, 5),
        (57, 8),
        (66, 1000),
        (75, 100),
        (76, 1200),
        (77, 300),
        (79, 2000),
        (80, 3000),
        (11, 4096),
        (12, 8192),
        (39, 1),
        (54, 1),
    ];
    for (number, value) in numbers {
        assert_eq!(set(dealer, number, value), 0, "option {number}");
        assert_eq!(option(dealer, number), Ok(value), "option {number}");
    }
    // One is the other, turned round.
    assert_eq!((option(dealer, 31), option(dealer, 42)), (Ok(1), Ok(0)));
    assert_eq!(set(dealer, 31, 0), 0);
    assert_eq!(option(dealer, 42), Ok(1));
    for (number, value) in [
        (34, 2),
        (42, 2),
        (19, -1),
        (23, -1),
        (76, 6_553_600),
        (27, -2),
    ] {
        failed(set(dealer, number, value), EINVAL);
    }
}

#[test]
fn a_mechanism_is_what_was_set_last() {
    let mut stage = Stage::new();
    let socket = stage.socket(DEALER);
    assert_eq!(option(socket, 43), Ok(0));
    assert_eq!(set(socket, 44, 1), 0);
    assert_eq!((option(socket, 43), option(socket, 44)), (Ok(1), Ok(1)));
    assert_eq!(set_octets(socket, 45, b"ann"), 0);
    assert_eq!(
        (option(socket, 44), text(socket, 45)),
        (Ok(0), "ann".into())
    );
    // NULL takes it back; text without a letter means nothing.
    failed(set_octets(socket, 45, b""), EINVAL);
    // SAFETY: a handle, and no octets.
    unsafe { assert_eq!(zmq_setsockopt(socket, 45, ptr::null(), 0), 0) };
    assert_eq!(option(socket, 43), Ok(0));
    if cfg!(feature = "curve") {
        let key = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
        assert_eq!(set_octets(socket, 50, key), 0);
        assert_eq!(option(socket, 43), Ok(2));
        assert_eq!(
            octets(socket, 50, 41).as_deref(),
            Ok(&[&key[..], b"\0"].concat()[..])
        );
        assert_eq!(octets(socket, 50, 32).map(|key| key.len()), Ok(32));
        assert_eq!(octets(socket, 50, 40), Err(EINVAL));
        failed(set_octets(socket, 50, &key[..39]), EINVAL);
    }
    for number in [62, 63, 64, 65, 90, 91] {
        failed(set(socket, number, 0), EINVAL);
    }
}

#[test]
fn a_list_of_local_peers_is_emptied_by_null() {
    let mut stage = Stage::new();
    let path = std::env::temp_dir().join(format!("hubless-capi-{}", std::process::id()));
    let at = format!("ipc://{}", path.display());
    let [pull, push] = [PULL, PUSH].map(|kind| stage.socket(kind));
    let nobody = c_int::MAX;
    assert_eq!(set(pull, 58, nobody), 0);
    assert_eq!(bind(pull, &at), 0);
    assert_eq!(connect(push, &at), 0);
    assert_eq!(set(pull, RCVTIMEO, 50), 0);
    assert_eq!(send(push, "from a stranger", 0), 15);
    assert_eq!(recv(pull, 0), Err(libc::EAGAIN));
    // SAFETY: a handle, and no octets.
    unsafe {
        for number in 58..=60 {
            assert_eq!(zmq_setsockopt(pull, number, ptr::null(), 0), 0);
        }
        let at = std::ffi::CString::new(at).expect("no zero in it");
        assert_eq!(zmq_unbind(pull, at.as_ptr()), 0);
        assert_eq!(zmq_bind(pull, at.as_ptr()), 0);
    }
    assert_eq!(set(pull, RCVTIMEO, SOON), 0);
    assert_eq!(recv(pull, 0).as_deref(), Ok(&b"from a stranger"[..]));
}

#[test]
fn a_descriptor_that_listens_is_given_away() {
    let mut stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("to listen");
    let at = listener.local_addr().expect("an address");
    let given = listener.into_raw_fd();
    let stream = stage.socket(STREAM);
    assert_eq!(option(stream, 89), Ok(-1));
    assert_eq!(set(stream, 89, given), 0);
    assert_eq!(bind(stream, &format!("tcp://{at}")), 0);
    assert_eq!(text(stream, LAST_ENDPOINT), format!("tcp://{at}"));
    let mut peer = TcpStream::connect(at).expect("somebody listens");
    peer.write_all(b"hello").expect("to write");
    assert_eq!(parts(stream).len(), 2, "who came");
    assert_eq!(parts(stream)[1], b"hello");
    // Nobody has it but the library: when that stops, so does the listening.
    stage.close(stream);
    peer.read_to_end(&mut Vec::new()).expect("it is closed");
    let refused = (0..1000).any(|_| TcpStream::connect(at).is_err());
    assert!(refused, "somebody listens still");
    drop(peer);
}

#[test]
fn a_raw_router_speaks_octets() {
    let mut stage = Stage::new();
    let router = stage.socket(ROUTER);
    failed(set(router, 41, -1), EINVAL);
    assert_eq!(set(router, 41, 1), 0);
    assert_eq!(option(router, 41), Err(EINVAL), "it is only set");
    failed(set(router, 73, 0), EINVAL);
    assert_eq!(bind(router, "tcp://127.0.0.1:*"), 0);
    let endpoint = text(router, LAST_ENDPOINT);
    let at = endpoint.trim_start_matches("tcp://");
    let mut visitor = TcpStream::connect(at).expect("somebody listens");
    let come = parts(router);
    let name = &come[0];
    assert_eq!((name.len(), name[0], &come[1][..]), (5, 0, &b""[..]));
    visitor.write_all(b"hello").expect("to write");
    assert_eq!(parts(router), [&name[..], b"hello"]);
    // The octets are whole, whatever is said to follow; what follows is for a name, and there is none.
    assert_eq!(send(router, name, SNDMORE), 5);
    assert_eq!(send(router, "one", SNDMORE), 3);
    assert_eq!((send(router, "two", 0), send(router, name, 0)), (3, 5));
    assert_eq!(
        (
            send(router, "nobody", SNDMORE),
            send(router, "unheard", DONTWAIT)
        ),
        (6, 7)
    );
    assert_eq!(send(router, name, SNDMORE), 5);
    assert_eq!(send(router, "three", 0), 5);
    assert_eq!(send(router, name, SNDMORE), 5);
    assert_eq!(send(router, "", SNDMORE), 0);
    let mut heard = String::new();
    visitor
        .read_to_string(&mut heard)
        .expect("all, and the end");
    assert_eq!(heard, "onethree");
    // Who goes by itself is told of.
    let mut visitor = TcpStream::connect(at).expect("somebody listens");
    let come = parts(router);
    assert_ne!(come[0], *name);
    visitor.write_all(b"bye").expect("to write");
    drop(visitor);
    assert_eq!(parts(router), [&come[0][..], b"bye"]);
    assert_eq!(parts(router), [&come[0][..], b""]);
}

#[test]
fn a_raw_router_connects_by_a_name_that_it_gives() {
    let mut stage = Stage::new();
    let router = stage.socket(ROUTER);
    assert_eq!((set(router, 41, 1), set(router, 33, 1)), (0, 0));
    let listener = TcpListener::bind("127.0.0.1:0").expect("to listen");
    let at = format!("tcp://{}", listener.local_addr().expect("an address"));
    assert_eq!(set_octets(router, 61, b"server"), 0);
    assert_eq!(connect(router, &at), 0);
    assert_eq!(send(router, "server", SNDMORE), 6);
    assert_eq!(send(router, "early", 0), 5);
    let (mut server, _) = listener.accept().expect("somebody");
    let mut heard = [0; 5];
    server.read_exact(&mut heard).expect("octets");
    assert_eq!(&heard, b"early");
    assert_eq!(parts(router), [&b"server"[..], b""]);
    failed(send(router, "nobody", SNDMORE), libc::EHOSTUNREACH);
    // Its own name it keeps, and tells nobody.
    assert_eq!(set_octets(router, 5, b"me"), 0);
    assert_eq!(octets(router, 5, 255), Ok(b"me".to_vec()));
}

#[test]
fn a_receive_timeout_holds_from_the_next_call_on() {
    let mut stage = Stage::new();
    let pull = stage.socket(PULL);
    assert_eq!(set(pull, RCVTIMEO, 0), 0);
    assert_eq!(recv(pull, 0), Err(libc::EAGAIN));
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").expect("any socket");
    failed(set(pull, 89, -2), EINVAL);
    assert_eq!(set(pull, 89, peer.as_raw_fd()), 0);
    assert_eq!(bind(pull, "tcp://127.0.0.1:0"), -1, "it does not listen");
    let nowhere: *mut c_void = ptr::null_mut();
    // SAFETY: a handle, and NULLs.
    unsafe {
        failed(zmq_getsockopt(pull, 23, nowhere, &mut 4), libc::EFAULT);
        failed(
            zmq_getsockopt(pull, 23, nowhere, ptr::null_mut()),
            libc::EFAULT,
        );
        failed(zmq_setsockopt(pull, 23, nowhere, 4), EINVAL);
    }
}

/// Which types take an option, and which can be asked for it: numbers of options, a value, types.
type Taken = (
    &'static [c_int],
    &'static [u8],
    &'static [c_int],
    &'static [c_int],
);

const ALL: &[c_int] = &[
    PAIR, PUB, SUB, REQ, REP, DEALER, ROUTER, PULL, PUSH, XPUB, XSUB, STREAM,
];
const ZMTP: &[c_int] = &[
    PAIR, PUB, SUB, REQ, REP, DEALER, ROUTER, PULL, PUSH, XPUB, XSUB,
];
const ONE: &[u8] = &1_i32.to_ne_bytes();
const ONE_64: &[u8] = &1_i64.to_ne_bytes();

/// All stable options. Where libzmq takes one on more types than that, it says so.
const TAKEN: &[Taken] = &[
    // What everybody has, or keeps.
    (
        &[
            8, 9, 11, 12, 17, 18, 19, 21, 23, 24, 25, 27, 28, 31, 34, 35, 36, 37, 39, 42, 54, 57,
            66, 74, 75, 76, 77, 79, 80, 84, 89,
        ],
        ONE,
        ALL,
        ALL,
    ),
    (&[4, 22], ONE_64, ALL, ALL),
    (&[5, 92], b"abc", ALL, ALL),
    (&[68], b"127.0.0.1:1080", ALL, ALL),
    (&[38], b"127.0.0.1", ALL, &[]),
    (&[58, 59, 60], ONE, ALL, &[]),
    (&[13, 14, 15, 16, 32, 43, 81], ONE, &[], ALL),
    // Security, which a STREAM cannot promise; libzmq takes it there.
    (&[44, 47], ONE, ZMTP, ALL),
    (&[45, 46, 55], b"abc", ZMTP, ALL),
    (&[48, 49, 50], &[7; 32], ZMTP, ALL),
    // An XSUB takes subscriptions as messages, and here as options, too.
    (&[6, 7], b"abc", &[SUB, XSUB], &[]),
    // At libzmq a REP has what a ROUTER has.
    (&[33, 41, 56], ONE, &[ROUTER], &[]),
    (&[51], ONE, &[REQ, DEALER, ROUTER], &[]),
    (&[61], b"abc", &[ROUTER, STREAM], &[]),
    (&[52, 53], ONE, &[REQ], &[]),
    // And a PUB has what an XPUB has: what would keep it from sending it has not here.
    (&[40, 69, 78], ONE, &[PUB, XPUB], &[]),
    (&[71], ONE, &[XPUB], &[]),
    (&[72], b"abc", &[PUB, XPUB], &[]),
    (&[73], ONE, &[STREAM], &[]),
    // What is not here, and what never was.
    (
        &[
            0, 1, 2, 3, 10, 20, 26, 29, 30, 62, 65, 67, 70, 82, 83, 85, 88, 90, 91,
        ],
        ONE,
        &[],
        &[],
    ),
    (&[63, 64], b"abc", &[], &[]),
    (&[86, 87], ONE_64, &[], &[]),
];

#[test]
fn each_option_is_taken_by_the_types_that_libzmq_lets_have_it() {
    let mut stage = Stage::new();
    let mut seen = Vec::new();
    for (numbers, value, takers, tellers) in TAKEN {
        for number in *numbers {
            seen.push(*number);
            for kind in ALL {
                let socket = stage.socket(*kind);
                let told = [4, 8, 32, 41, 255]
                    .iter()
                    .any(|room| octets(socket, *number, *room).is_ok());
                assert_eq!(told, tellers.contains(kind), "asked for {number}: {kind}");
                let took = set_octets(socket, *number, value);
                let why = format!("set {number}: {kind}: {took}, {}", zmq_errno());
                match takers.contains(kind) {
                    true => assert_eq!(took, 0, "{why}"),
                    false => assert_eq!((took, zmq_errno()), (-1, EINVAL), "{why}"),
                }
                if took == 0 && told {
                    let room = match value.len() {
                        size @ (4 | 8 | 32) => size,
                        _ => 255,
                    };
                    let kept = octets(socket, *number, room).expect(&why);
                    // Lifetimes of peers are told in tenths of a second.
                    let same = *number == 76 || kept.starts_with(value);
                    assert!(same, "{why}: {kept:?}");
                }
                stage.close(socket);
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..=92).collect::<Vec<c_int>>());
}

#[test]
fn what_is_kept_does_nothing() {
    let mut stage = Stage::new();
    // A REQ with CONFLATE is a REQ: envelope and body arrive.
    let [rep, req] = stage.pair([REP, REQ], &inproc());
    let (rep_2, req_2) = (stage.socket(REP), stage.socket(REQ));
    for socket in [rep_2, req_2] {
        assert_eq!((set(socket, 54, 1), option(socket, 54)), (0, Ok(1)));
    }
    assert_eq!(bind(rep_2, "tcp://127.0.0.1:*"), 0);
    assert_eq!(connect(req_2, &text(rep_2, LAST_ENDPOINT)), 0);
    for (rep, req) in [(rep, req), (rep_2, req_2)] {
        assert_eq!((send(req, "a", SNDMORE), send(req, "b", 0)), (1, 1));
        assert_eq!(parts(rep), [b"a", b"b"]);
    }
    // A STREAM with heartbeats says what it is told to say, and nothing else.
    let stream = stage.socket(STREAM);
    for (number, value) in [(75, 10), (77, 10), (66, 10)] {
        assert_eq!(set(stream, number, value), 0);
        assert_eq!(option(stream, number), Ok(value));
    }
    assert_eq!(set_octets(stream, 22, ONE_64), 0);
    assert_eq!(bind(stream, "tcp://127.0.0.1:*"), 0);
    let at = text(stream, LAST_ENDPOINT);
    let mut peer = TcpStream::connect(at.trim_start_matches("tcp://")).expect("to connect");
    let name = parts(stream).remove(0);
    peer.write_all(b"more than one").expect("to write");
    assert_eq!(parts(stream)[1], b"more than one");
    assert_eq!((send(stream, &name, SNDMORE), send(stream, "x", 0)), (5, 1));
    assert_eq!((send(stream, &name, SNDMORE), send(stream, "", 0)), (5, 0));
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).expect("all, and the end");
    assert_eq!(heard, b"x");
}

#[test]
fn values_are_taken_as_libzmq_takes_them() {
    let mut stage = Stage::new();
    let dealer = stage.socket(DEALER);
    // Any size of messages: none at all but empty ones, or, below, as large as they like.
    for (size, told) in [
        (0_i64, 0_i64),
        (1, 1),
        (-1, -1),
        (-2, -1),
        (i64::MAX, i64::MAX),
    ] {
        assert_eq!(set_octets(dealer, 22, &size.to_ne_bytes()), 0);
        assert_eq!(octets(dealer, 22, 8), Ok(told.to_ne_bytes().to_vec()));
    }
    // Logins are octets, whatever they are; a zero at the end is one of them.
    for number in [45, 46] {
        for login in [&b"caf\xe9"[..], b"zero\0", b"\0"] {
            assert_eq!(set_octets(dealer, number, login), 0);
            assert_eq!(octets(dealer, number, 255), Ok([login, b"\0"].concat()));
        }
    }
    // Users and groups have all 32 bits.
    assert_eq!((set(dealer, 59, -2), set(dealer, 60, c_int::MIN)), (0, 0));
    failed(set_octets(dealer, 58, b""), EINVAL);
    failed(set_octets(dealer, 38, b"\0"), EINVAL);
    for number in [74, 93, 94, 96] {
        assert_eq!(
            (set(dealer, number, -7), option(dealer, number)),
            (0, Ok(1))
        );
    }
    for number in [39, 42, 54] {
        failed(set(dealer, number, 2), EINVAL);
    }
}

#[test]
fn a_name_may_begin_with_a_zero() {
    let mut stage = Stage::new();
    let long = [b'n'; 256];
    let names: [&[u8]; 4] = [b"\0", b"\0abcd", b"x", &long[..255]];
    for at in ["tcp://127.0.0.1:*", "inproc://zeros"] {
        for kind in [DEALER, REQ, ROUTER] {
            for name in names {
                let [router, peer] = [stage.socket(ROUTER), stage.socket(kind)];
                failed(set_octets(peer, 5, b""), EINVAL);
                failed(set_octets(peer, 5, &long), EINVAL);
                assert_eq!(set_octets(peer, 5, name), 0);
                assert_eq!(octets(peer, 5, 255), Ok(name.to_vec()));
                if kind == ROUTER {
                    assert_eq!(set(peer, 51, 1), 0, "it makes itself known");
                }
                assert_eq!(bind(router, at), 0);
                let end = text(router, LAST_ENDPOINT);
                assert_eq!(connect(peer, &end), 0);
                if kind != ROUTER {
                    assert_eq!(send(peer, "hi", 0), 2);
                }
                assert_eq!(parts(router)[0], name);
                assert_eq!(set(router, 33, 1), 0);
                assert_eq!(send(router, name, SNDMORE), name.len() as c_int);
                assert_eq!(send(router, "", SNDMORE), 0);
                assert_eq!(send(router, "yo", 0), 2);
                assert_eq!(parts(peer).last().map(Vec::as_slice), Some(&b"yo"[..]));
                [peer, router].into_iter().for_each(|it| stage.close(it));
            }
        }
        // Who is connected to may have a name of any length.
        for name in names.into_iter().chain([&long[..]]) {
            let [router, dealer] = [stage.socket(ROUTER), stage.socket(DEALER)];
            failed(set_octets(router, 61, b""), EINVAL);
            assert_eq!((set_octets(router, 61, name), set(router, 33, 1)), (0, 0));
            assert_eq!(bind(dealer, at), 0);
            assert_eq!(connect(router, &text(dealer, LAST_ENDPOINT)), 0);
            assert_eq!(send(router, name, SNDMORE), name.len() as c_int);
            assert_eq!(send(router, "yo", 0), 2);
            assert_eq!(recv(dealer, 0).as_deref(), Ok(&b"yo"[..]));
            assert_eq!(send(dealer, "hi", 0), 2);
            assert_eq!(parts(router), [name, b"hi"]);
            [dealer, router].into_iter().for_each(|it| stage.close(it));
        }
    }
}
