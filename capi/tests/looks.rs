//! Looking on: polls, descriptors that tell of changes, monitors, timers.

mod common;

use std::{
    ffi::{CStr, c_int, c_void},
    io::Write,
    net::TcpListener,
    os::{fd::AsRawFd, unix::net::UnixStream},
    ptr,
    time::{Duration, Instant},
};

use common::*;
use zmq::*;

const IN: i16 = 1;
const OUT: i16 = 2;
const ERR: i16 = 4;

fn descriptor(number: c_int, events: i16) -> Item {
    Item {
        socket: ptr::null_mut(),
        descriptor: number,
        events,
        revents: -1,
    }
}

#[test]
fn a_poll_of_nothing_waits_and_of_too_little_fails() {
    let began = Instant::now();
    assert_eq!(poll_items(&mut [], 20), Ok(0));
    assert!(began.elapsed() >= Duration::from_millis(20));
    // SAFETY: NULLs, and no items behind them.
    unsafe {
        assert_eq!(zmq_poll(ptr::null_mut(), 0, 0), 0);
        failed(zmq_poll(ptr::null_mut(), -1, 0), libc::EINVAL);
        failed(zmq_poll(ptr::null_mut(), 1, 0), libc::EFAULT);
    }
    // Nothing is wanted of them: the time passes, and nothing is ready.
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    assert_eq!(poll(&[(push, 0)], 5), Ok(vec![0]));
    assert_eq!(poll(&[(push, 0), (pull, 0)], 5), Ok(vec![0, 0]));
    assert_eq!(poll(&[(push, ERR), (pull, 8)], 5), Ok(vec![0, 0]));
}

#[test]
fn a_poll_says_what_is_ready_of_each() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    let all = [(pull, IN | OUT), (push, IN | OUT), (pull, IN)];
    assert_eq!(poll(&all, 0), Ok(vec![0, OUT, 0]));
    assert_eq!(send(push, "x", 0), 1);
    assert_eq!(poll(&all, -1), Ok(vec![IN, OUT, IN]), "one of them twice");
    // More parts of a message are ready, too.
    assert_eq!((send(push, "y", SNDMORE), send(push, "z", 0)), (1, 1));
    assert_eq!(
        (recv(pull, 0), recv(pull, 0)),
        (Ok(vec![b'x']), Ok(vec![b'y']))
    );
    assert_eq!(
        (poll(&[(pull, IN)], 0), option(pull, EVENTS)),
        (Ok(vec![IN]), Ok(1))
    );
    assert_eq!(recv(pull, 0), Ok(vec![b'z']));
    assert_eq!(
        (poll(&[(pull, IN)], 0), option(pull, EVENTS)),
        (Ok(vec![0]), Ok(0))
    );
}

#[test]
fn sockets_and_descriptors_are_polled_together() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
    let (mine, mut yours) = UnixStream::pair().expect("two ends");
    let of_pull = Item {
        socket: pull,
        ..descriptor(-1, IN)
    };
    let mut items = [of_pull, descriptor(mine.as_raw_fd(), IN)];
    assert_eq!(poll_items(&mut items, 5), Ok(0));
    yours.write_all(b"x").expect("to write");
    assert_eq!(poll_items(&mut items, -1), Ok(1));
    assert_eq!(items.map(|item| item.revents), [0, IN]);
    assert_eq!(send(push, "x", 0), 1);
    items[1].events = OUT;
    while items[0].revents == 0 {
        poll_items(&mut items, -1).expect("something is ready");
    }
    assert_eq!(items.map(|item| item.revents), [IN, OUT]);
    // One that is none is an error of its own.
    let mut wrong = [descriptor(999_999, IN)];
    assert_eq!(poll_items(&mut wrong, 0), Ok(1));
    assert_eq!(wrong[0].revents, ERR);
}

/// Waits for the descriptor that tells of changes.
fn told(socket: *mut c_void, timeout: i64) -> bool {
    let number = option(socket, FD).expect("a descriptor");
    poll_items(&mut [descriptor(number, IN)], timeout) == Ok(1)
}

#[test]
fn a_descriptor_tells_of_each_change() {
    let mut stage = Stage::new();
    for at in ["tcp://127.0.0.1:*".to_owned(), inproc()] {
        let [pull, push] = stage.pair([PULL, PUSH], &at);
        let number = option(pull, FD);
        assert_eq!(option(pull, FD), number, "it stays the same");
        for turn in 0..20_u8 {
            // Once nothing is ready, and that was seen, whatever comes is told of.
            while option(pull, EVENTS) == Ok(1) {
                assert_eq!(recv(pull, DONTWAIT), Ok(vec![turn.wrapping_sub(1)]));
            }
            assert_eq!(send(push, [turn], 0), 1);
            let until = Instant::now() + Duration::from_secs(20);
            while option(pull, EVENTS) == Ok(0) {
                assert!(told(pull, 20_000) && Instant::now() < until);
            }
        }
        assert_eq!(recv(pull, DONTWAIT), Ok(vec![19]));
    }
}

#[test]
fn a_descriptor_tells_of_room() {
    let mut stage = Stage::new();
    let push = stage.socket(PUSH);
    assert_eq!(option(push, EVENTS), Ok(0));
    let number = option(push, FD).expect("a descriptor");
    assert!(number > 2);
    let pull = stage.socket(PULL);
    let at = inproc();
    assert_eq!((bind(pull, &at), connect(push, &at)), (0, 0));
    let until = Instant::now() + Duration::from_secs(20);
    while option(push, EVENTS) == Ok(0) {
        assert!(told(push, 20_000) && Instant::now() < until);
    }
    assert_eq!(option(push, EVENTS), Ok(2));
}

/// An event of a monitor: which, its value, and whose endpoint.
type Event = (u16, u32, String);

/// Tells a socket's events from now on.
fn monitor(stage: &mut Stage, socket: *mut c_void, mask: c_int) -> *mut c_void {
    let at = std::ffi::CString::new(inproc()).expect("no zero in it");
    let pair = stage.socket(PAIR);
    // SAFETY: handles and a C string.
    unsafe {
        assert_eq!(zmq_socket_monitor(socket, at.as_ptr(), mask), 0);
        assert_eq!(zmq_connect(pair, at.as_ptr()), 0);
    }
    pair
}

fn event(pair: *mut c_void) -> Event {
    let frames = parts(pair);
    let [what, endpoint] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert_eq!(what.len(), 6);
    (
        u16::from_ne_bytes([what[0], what[1]]),
        u32::from_ne_bytes([what[2], what[3], what[4], what[5]]),
        String::from_utf8(endpoint.clone()).expect("text"),
    )
}

#[test]
fn a_monitor_tells_how_a_connection_came_and_went() {
    let mut stage = Stage::new();
    let [pull, push] = [PULL, PUSH].map(|kind| stage.socket(kind));
    let [of_pull, of_push] = [pull, push].map(|socket| monitor(&mut stage, socket, 0xffff));
    assert_eq!(bind(pull, "tcp://127.0.0.1:*"), 0);
    let at = text(pull, LAST_ENDPOINT);
    let next = |pair| {
        let (event, value, endpoint) = event(pair);
        assert_eq!(endpoint, at, "{event:#x}");
        (event, value)
    };
    assert_eq!(next(of_pull).0, 0x0008, "listening");
    assert_eq!(connect(push, &at), 0);
    let in_progress = libc::EINPROGRESS.unsigned_abs();
    assert_eq!(next(of_push), (0x0002, in_progress), "the attempt");
    let (connected, theirs) = next(of_push);
    let (accepted, ours, _) = event(of_pull);
    assert_eq!((connected, accepted), (0x0001, 0x0020));
    // SAFETY: asking about any descriptor is allowed.
    let is_open = |descriptor: u32| unsafe { libc::fcntl(descriptor as c_int, libc::F_GETFD) } >= 0;
    assert!(
        ours != theirs && is_open(ours) && is_open(theirs),
        "{ours} and {theirs}"
    );
    for pair in [of_push, of_pull] {
        assert_eq!(event(pair).0, 0x1000, "both have shaken hands");
    }
    stage.close(push);
    let (disconnected, whose, _) = event(of_pull);
    assert_eq!((disconnected, whose), (0x0200, ours));
    let last = loop {
        match event(of_push) {
            (0x0400, value, endpoint) => break (value, endpoint),
            (0x0080 | 0x0200, _, _) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(last, (0, String::new()), "the last word");
    // It ends when it is told to, and what listens goes on.
    // SAFETY: a handle.
    unsafe { assert_eq!(zmq_socket_monitor(pull, ptr::null(), 0), 0) };
    while event(of_pull).0 != 0x0400 {}
    assert_eq!(option(of_pull, EVENTS).map(|events| events & 1), Ok(0));
}

#[test]
fn a_monitor_tells_the_descriptor_that_listens() {
    let mut stage = Stage::new();
    let pull = stage.socket(PULL);
    let events = monitor(&mut stage, pull, 0xffff);
    assert_eq!(bind(pull, "tcp://127.0.0.1:*"), 0);
    let at = text(pull, LAST_ENDPOINT);
    let (listening, descriptor, endpoint) = event(events);
    assert_eq!((listening, &endpoint), (0x0008, &at));
    let descriptor = c_int::try_from(descriptor).expect("a descriptor");
    let (mut listens, mut size) = (0, 4);
    // SAFETY: an option of the system's, which is an int.
    let asked = unsafe {
        let place = (&raw mut listens).cast();
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            place,
            &mut size,
        )
    };
    assert_eq!((asked, listens), (0, 1));
    // Who cannot listen is told why, and has nothing to close.
    let other = stage.socket(PULL);
    let of_other = monitor(&mut stage, other, 0x0010);
    failed(bind(other, &at), libc::EADDRINUSE);
    let in_use = libc::EADDRINUSE.unsigned_abs();
    assert_eq!(event(of_other), (0x0010, in_use, at.clone()));
    let end = std::ffi::CString::new(&at[..]).expect("no zero in it");
    // SAFETY: a handle and a C string.
    unsafe { assert_eq!(zmq_unbind(pull, end.as_ptr()), 0) };
    assert_eq!(event(events), (0x0080, descriptor.unsigned_abs(), at));
}

#[test]
fn a_monitor_tells_what_was_asked_for() {
    let mut stage = Stage::new();
    let push = stage.socket(PUSH);
    let pair = monitor(&mut stage, push, 0x0004);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("tcp://{}", listener.local_addr().expect("an address"));
    drop(listener);
    assert_eq!(set(push, 18, 1), 0);
    assert_eq!(connect(push, &at), 0);
    for _ in 0..3 {
        let (retried, interval, endpoint) = event(pair);
        assert_eq!((retried, endpoint), (0x0004, at.clone()));
        assert!(interval < 1000, "milliseconds until the next attempt");
    }
    // SAFETY: handles, and NULL or C strings.
    unsafe {
        let wrong = |at: &CStr, mask, errno| {
            failed(zmq_socket_monitor(push, at.as_ptr(), mask), errno);
        };
        wrong(c"tcp://127.0.0.1:*", 1, libc::EPROTONOSUPPORT);
        wrong(c"nothing", 1, libc::EINVAL);
        wrong(c"inproc://m", 0x1_0000, libc::EINVAL);
        wrong(c"inproc://m", -1, libc::EINVAL);
        let other = stage.socket(PUSH);
        assert_eq!(
            zmq_socket_monitor(other, ptr::null(), 0),
            0,
            "nobody listened"
        );
        assert_eq!(zmq_socket_monitor(other, c"inproc://taken".as_ptr(), 1), 0);
        wrong(c"inproc://taken", 1, libc::EADDRINUSE);
    }
}

/// # Safety
/// It is called with what it was added with.
unsafe extern "C" fn note(id: c_int, list: *mut c_void) {
    // SAFETY: timers below are added with a list that outlives them.
    unsafe { (*list.cast::<Vec<c_int>>()).push(id) };
}

/// What a timer of the next test works on.
struct Desk {
    timers: *mut c_void,
    calls: usize,
}

/// # Safety
/// It is called with what it was added with.
unsafe extern "C" fn cancel_itself(id: c_int, desk: *mut c_void) {
    // SAFETY: it is added with a desk that outlives it, and a list that is open.
    unsafe {
        let desk = &mut *desk.cast::<Desk>();
        desk.calls += 1;
        assert_eq!(zmq_timers_cancel(desk.timers, id), 0);
        failed(zmq_timers_cancel(desk.timers, id), libc::EINVAL);
    }
}

#[test]
fn timers_are_called_when_they_are_due() {
    let timers = zmq_timers_new();
    let mut called: Vec<c_int> = Vec::new();
    let list: *mut c_void = (&raw mut called).cast();
    // SAFETY: a list of timers, and what they take.
    unsafe {
        assert_eq!(zmq_timers_timeout(timers), -1);
        assert_eq!(zmq_timers_execute(timers), 0);
        let late = zmq_timers_add(timers, 3_600_000, Some(note), list);
        let early = zmq_timers_add(timers, 30, Some(note), list);
        assert_eq!((late, early), (1, 2));
        assert!((0..=30).contains(&zmq_timers_timeout(timers)));
        let until = Instant::now() + Duration::from_secs(20);
        while called.is_empty() && Instant::now() < until {
            poll_items(&mut [], zmq_timers_timeout(timers)).expect("time passes");
            assert_eq!(zmq_timers_execute(timers), 0);
        }
        assert_eq!(called, [early]);
        assert_eq!(zmq_timers_set_interval(timers, late, 0), 0);
        assert_eq!(zmq_timers_reset(timers, early), 0);
        assert_eq!(zmq_timers_timeout(timers), 0);
        assert_eq!(zmq_timers_execute(timers), 0);
        assert!(called[1..].contains(&late));
        assert_eq!(
            (
                zmq_timers_cancel(timers, late),
                zmq_timers_cancel(timers, early)
            ),
            (0, 0)
        );
        let mut desk = Desk { timers, calls: 0 };
        let place = (&raw mut desk).cast();
        assert_eq!(zmq_timers_add(timers, 0, Some(cancel_itself), place), 3);
        assert_eq!(
            (zmq_timers_execute(timers), zmq_timers_execute(timers)),
            (0, 0)
        );
        assert_eq!((desk.calls, zmq_timers_timeout(timers)), (1, -1));
        for id in [0, 1, 99] {
            failed(zmq_timers_cancel(timers, id), libc::EINVAL);
            failed(zmq_timers_reset(timers, id), libc::EINVAL);
            failed(zmq_timers_set_interval(timers, id, 1), libc::EINVAL);
        }
        failed(zmq_timers_add(timers, 1, None, list), libc::EFAULT);
        let (mut gone, stale) = (timers, timers);
        assert_eq!((zmq_timers_destroy(&mut gone), gone), (0, ptr::null_mut()));
        for wrong in [ptr::null_mut(), stale] {
            failed(zmq_timers_add(wrong, 1, Some(note), list), libc::EFAULT);
            failed(zmq_timers_execute(wrong), libc::EFAULT);
            failed(zmq_timers_timeout(wrong) as c_int, libc::EFAULT);
            failed(zmq_timers_destroy(&mut { wrong }), libc::EFAULT);
        }
        failed(zmq_timers_destroy(ptr::null_mut()), libc::EFAULT);
    }
}

/// # Safety
/// It is called with what it was added with.
unsafe extern "C" fn count_up(counter: *mut c_void) {
    for _ in 0..1000 {
        // SAFETY: a counter that outlives the thread.
        unsafe { zmq_atomic_counter_inc(counter) };
    }
}

#[test]
fn counters_stopwatches_and_threads() {
    let mut counter = zmq_atomic_counter_new();
    // SAFETY: a counter, threads and a stopwatch, each until it is ended; NULLs.
    unsafe {
        let threads = [(); 3].map(|()| zmq_threadstart(Some(count_up), counter));
        for thread in threads {
            zmq_threadclose(thread);
        }
        assert_eq!(zmq_atomic_counter_value(counter), 3000);
        zmq_atomic_counter_set(counter, 2);
        assert_eq!(zmq_atomic_counter_inc(counter), 2);
        let down = [(); 3].map(|()| zmq_atomic_counter_dec(counter));
        assert_eq!(down, [1, 1, 0]);
        zmq_atomic_counter_destroy(&mut counter);
        assert!(counter.is_null());
        zmq_atomic_counter_destroy(&mut counter);
        zmq_atomic_counter_destroy(ptr::null_mut());
        zmq_threadclose(ptr::null_mut());
        none(zmq_threadstart(None, ptr::null_mut()), libc::EFAULT);
        let watch = zmq_stopwatch_start();
        zmq_sleep(1);
        assert!(zmq_stopwatch_intermediate(watch) >= 1_000_000);
        assert!(zmq_stopwatch_stop(watch) < 20_000_000);
        zmq_sleep(0);
        zmq_sleep(-1);
    }
}

#[test]
fn keys_have_text_and_text_has_rules() {
    let mut octets = [0_u8; 32];
    let mut text = [0; 41];
    // SAFETY: there is room for 32 octets, or 41 letters.
    unsafe {
        let known = c"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
        assert!(!zmq_z85_decode(octets.as_mut_ptr(), known.as_ptr()).is_null());
        assert!(!zmq_z85_encode(text.as_mut_ptr(), octets.as_ptr(), 32).is_null());
        assert_eq!(CStr::from_ptr(text.as_ptr()), known);
        none(
            zmq_z85_encode(text.as_mut_ptr(), octets.as_ptr(), 31),
            libc::EINVAL,
        );
        for wrong in [c"1234", c"123456", c"12 45", c"#####", c"\xff1234"] {
            none(
                zmq_z85_decode(octets.as_mut_ptr(), wrong.as_ptr()),
                libc::EINVAL,
            );
        }
        none(
            zmq_z85_decode(octets.as_mut_ptr(), ptr::null()),
            libc::EFAULT,
        );
        if zmq_has(c"curve".as_ptr()) == 1 {
            let (mut public, mut secret, mut again) = ([0; 41], [0; 41], [0; 41]);
            assert_eq!(
                zmq_curve_keypair(public.as_mut_ptr(), secret.as_mut_ptr()),
                0
            );
            assert_eq!(zmq_curve_public(again.as_mut_ptr(), secret.as_ptr()), 0);
            assert_eq!(again, public);
            failed(
                zmq_curve_public(again.as_mut_ptr(), c"short".as_ptr()),
                libc::EINVAL,
            );
            failed(
                zmq_curve_public(again.as_mut_ptr(), ptr::null()),
                libc::EINVAL,
            );
            failed(
                zmq_curve_keypair(ptr::null_mut(), secret.as_mut_ptr()),
                libc::EFAULT,
            );
        }
    }
}
