//! REQ and REP, part by part: a request or an answer is taken whole before anything else is said, and
//! who waits for what is not their turn sleeps.

mod common;

use std::{
    ffi::{c_int, c_void},
    os::{fd::AsRawFd, unix::net::UnixStream},
    ptr, thread,
    time::{Duration, Instant},
};

use common::*;
use zmq::*;

const IN: i16 = 1;
const OUT: i16 = 2;
const ROUTING_ID: c_int = 5;
const ROUTER_MANDATORY: c_int = 33;
const REQ_RELAXED: c_int = 53;

fn both(stage: &mut Stage) -> [*mut c_void; 2] {
    stage.pair([REP, REQ], &inproc())
}

#[test]
fn a_request_is_taken_whole_before_it_is_answered() {
    let mut stage = Stage::new();
    let [rep, req] = both(&mut stage);
    assert_eq!((send(req, "one", SNDMORE), send(req, "two", 0)), (3, 3));
    assert_eq!(recv(rep, 0).as_deref(), Ok(&b"one"[..]));
    assert_eq!(option(rep, EVENTS), Ok(1));
    assert_eq!(poll(&[(rep, OUT)], 5), Ok(vec![0]));
    failed(send(rep, "early", 0), EFSM);
    failed(send(rep, "early", SNDMORE), EFSM);
    let mut early = part_of(b"early");
    // SAFETY: a message and a handle.
    unsafe { failed(zmq_msg_send(&mut *early, rep, 0), EFSM) };
    assert_eq!(octets_of(&mut early), b"early");
    assert_eq!(recv(rep, 0).as_deref(), Ok(&b"two"[..]));
    assert_eq!(option(rep, EVENTS), Ok(2));
    // SAFETY: a message and a handle.
    unsafe { assert_eq!(zmq_msg_send(&mut *early, rep, 0), 5) };
    assert_eq!(recv(req, 0).as_deref(), Ok(&b"early"[..]));
}

#[test]
fn an_answer_is_taken_whole_before_the_next_request() {
    let mut stage = Stage::new();
    let [rep, req] = both(&mut stage);
    let round = || {
        assert_eq!(send(req, "?", 0), 1);
        assert_eq!(recv(rep, 0).as_deref(), Ok(&b"?"[..]));
        assert_eq!((send(rep, "one", SNDMORE), send(rep, "two", 0)), (3, 3));
        assert_eq!(recv(req, 0).as_deref(), Ok(&b"one"[..]));
    };
    round();
    assert_eq!(option(req, EVENTS), Ok(1));
    failed(send(req, "early", 0), EFSM);
    assert_eq!(recv(req, 0).as_deref(), Ok(&b"two"[..]));
    // A relaxed one drops what is left.
    assert_eq!(set(req, REQ_RELAXED, 1), 0);
    round();
    assert_eq!(option(req, EVENTS), Ok(3));
    round();
    assert_eq!(parts(req), [b"two"]);
}

/// How much a call makes this thread work.
fn worked(call: impl FnOnce()) -> Duration {
    let now = || {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: a place for a time.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let before = now();
    call();
    now() - before
}

#[test]
fn who_waits_for_the_next_request_before_answering_sleeps() {
    let mut stage = Stage::new();
    let [rep, req] = both(&mut stage);
    assert_eq!(send(req, "?", 0), 1);
    assert!(recv(rep, 0).is_ok());
    // Another request lies there already.
    let another = stage.socket(REQ);
    assert_eq!(connect(another, &text(rep, LAST_ENDPOINT)), 0);
    assert_eq!(send(another, "?", 0), 1);
    let few = Duration::from_millis(30);
    let polled = worked(|| assert_eq!(poll(&[(rep, IN)], 300), Ok(vec![0])));
    assert!(polled < few, "alone: {polled:?}");
    let polled = worked(|| assert_eq!(poll(&[(rep, IN), (req, IN)], 300), Ok(vec![0, 0])));
    assert!(polled < few, "of two: {polled:?}");
    assert_eq!(send(rep, "!", 0), 1);
    assert_eq!(poll(&[(rep, OUT | IN), (req, IN)], -1), Ok(vec![IN, IN]));
    let polled = worked(|| assert_eq!(poll(&[(rep, OUT)], 300), Ok(vec![0])));
    assert!(polled < few, "for its turn: {polled:?}");
}

#[test]
fn who_waits_for_what_cannot_come_hears_of_the_end() {
    let wants: [&[(c_int, i16)]; 6] = [
        &[(PAIR, 0)],
        &[(REP, OUT)],
        &[(REQ, IN)],
        &[(PAIR, 0), (PAIR, 0)],
        &[(REP, OUT), (REP, OUT)],
        &[(PULL, OUT), (PUSH, IN)],
    ];
    for wanted in wants {
        for beside in [false, true] {
            let mut stage = Stage::new();
            let context = Handle(stage.context);
            let sockets: Vec<_> = wanted.iter().map(|it| stage.socket(it.0)).collect();
            let (quiet, _other) = UnixStream::pair().expect("descriptors are left");
            let mut items: Vec<Item> = sockets
                .iter()
                .zip(wanted)
                .map(|(socket, (_, events))| Item {
                    socket: *socket,
                    descriptor: -1,
                    events: *events,
                    revents: 0,
                })
                .collect();
            if beside {
                items.push(Item {
                    socket: ptr::null_mut(),
                    descriptor: quiet.as_raw_fd(),
                    events: IN,
                    revents: 0,
                });
            }
            let ender = thread::spawn(move || {
                let Handle(context) = { context };
                // The other thread waits by now, or finds the end at once.
                thread::yield_now();
                // SAFETY: a handle.
                unsafe { zmq_ctx_shutdown(context) }
            });
            let began = Instant::now();
            let polled = poll_items(&mut items, i64::from(SOON));
            assert_eq!(polled, Err(ETERM), "{wanted:?}, beside: {beside}");
            // Not because the time was over.
            assert!(began.elapsed() < Duration::from_secs(10), "{wanted:?}");
            assert_eq!(ender.join().expect("no panic"), 0);
        }
    }
}

#[test]
fn a_routing_id_alone_is_nothing_to_be_sent() {
    let mut stage = Stage::new();
    for kind in [ROUTER, STREAM] {
        let socket = stage.socket(kind);
        if kind == ROUTER {
            assert_eq!(set(socket, ROUTER_MANDATORY, 1), 0);
        }
        assert_eq!(send(socket, "alone", 0), 5);
        let sent = send(socket, "to nobody", SNDMORE);
        assert_eq!((sent, zmq_errno()), (-1, libc::EHOSTUNREACH), "{kind}");
    }
}

#[test]
fn a_router_that_refuses_what_it_cannot_route_is_writable_once_somebody_has_room() {
    for at in ["tcp://127.0.0.1:*".to_owned(), inproc()] {
        for binds in [true, false] {
            let mut stage = Stage::new();
            let router = stage.socket(ROUTER);
            assert_eq!(option(router, EVENTS), Ok(2));
            assert_eq!(set(router, ROUTER_MANDATORY, 1), 0);
            assert_eq!(option(router, EVENTS), Ok(0));
            let dealer = stage.socket(DEALER);
            assert_eq!(set_octets(dealer, ROUTING_ID, b"ann"), 0);
            let [first, second] = if binds {
                [router, dealer]
            } else {
                [dealer, router]
            };
            assert_eq!(bind(first, &at), 0);
            let quiet = stage.socket(PULL);
            let to = Handle(second);
            let at = text(first, LAST_ENDPOINT);
            let polled = thread::scope(|scope| {
                scope.spawn(move || assert_eq!(connect({ to }.0, &at), 0));
                poll(&[(router, OUT), (quiet, IN)], i64::from(SOON))
            });
            assert_eq!(polled, Ok(vec![OUT, 0]), "binds: {binds}");
            assert_eq!((send(router, "ann", SNDMORE), send(router, "x", 0)), (3, 1));
            assert_eq!(recv(dealer, 0).as_deref(), Ok(&b"x"[..]));
        }
    }
}
