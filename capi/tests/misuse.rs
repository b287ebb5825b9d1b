//! What programs do wrong is an errno: handles that are none, calls from two threads at a time, a
//! process without descriptors left.

mod common;

use std::{
    ffi::{c_char, c_int, c_void},
    process::Command,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
    thread,
};

use common::*;
use zmq::*;

/// What unwinding inside of the library becomes.
const UNWOUND: c_int = libc::ENOTRECOVERABLE;

#[test]
fn no_handle_stands_for_another() {
    let mut stage = Stage::new();
    let socket = stage.socket(PAIR);
    let closed = stage.socket(PAIR);
    // SAFETY: handles of the library's, NULLs, and room for what is written.
    unsafe {
        assert_eq!(zmq_close(closed), 0);
        let timers = zmq_timers_new();
        let ended = zmq_ctx_new();
        assert_eq!(zmq_ctx_term(ended), 0);
        let mut message = part();
        let at = c"inproc://nobody".as_ptr();
        for wrong in [ptr::null_mut(), closed, timers, ended, stage.context] {
            let enotsock = libc::ENOTSOCK;
            failed(zmq_bind(wrong, at), enotsock);
            failed(zmq_connect(wrong, at), enotsock);
            failed(zmq_unbind(wrong, at), enotsock);
            failed(zmq_disconnect(wrong, at), enotsock);
            failed(send(wrong, "x", 0), enotsock);
            failed(zmq_send_const(wrong, at.cast(), 1, 0), enotsock);
            assert_eq!(recv(wrong, 0), Err(enotsock));
            failed(zmq_msg_send(&mut *message, wrong, 0), enotsock);
            failed(zmq_msg_recv(&mut *message, wrong, 0), enotsock);
            failed(set(wrong, LINGER, 0), enotsock);
            assert_eq!(option(wrong, LINGER), Err(enotsock));
            failed(zmq_socket_monitor(wrong, at, 1), enotsock);
            failed(zmq_recviov(wrong, ptr::null_mut(), &mut 1, 0), enotsock);
            failed(zmq_close(wrong), enotsock);
            if !wrong.is_null() {
                assert_eq!(poll(&[(wrong, 1)], 0), Err(enotsock));
                failed(zmq_proxy(socket, wrong, ptr::null_mut()), enotsock);
                failed(zmq_proxy(wrong, socket, ptr::null_mut()), enotsock);
                failed(zmq_proxy(socket, socket, wrong), enotsock);
                failed(zmq_device(1, wrong, socket), enotsock);
                failed(
                    zmq_proxy_steerable(socket, socket, ptr::null_mut(), wrong),
                    enotsock,
                );
            }
        }
        failed(
            zmq_proxy(socket, ptr::null_mut(), ptr::null_mut()),
            libc::EFAULT,
        );
        failed(zmq_device(3, ptr::null_mut(), socket), libc::EFAULT);
        for wrong in [ptr::null_mut(), socket, timers, ended] {
            let efault = libc::EFAULT;
            none(zmq_socket(wrong, PAIR), efault);
            failed(zmq_ctx_set(wrong, 1, 1), efault);
            failed(zmq_ctx_get(wrong, 1), efault);
            failed(zmq_ctx_shutdown(wrong), efault);
            failed(zmq_ctx_term(wrong), efault);
            failed(zmq_term(wrong), efault);
            failed(zmq_ctx_destroy(wrong), efault);
        }
        for kind in [-1, 12, 20, c_int::MAX, c_int::MIN] {
            none(zmq_socket(stage.context, kind), libc::EINVAL);
        }
        assert_eq!(zmq_msg_close(&mut *message), 0);
        assert_eq!(zmq_timers_destroy(&mut { timers }), 0);
    }
}

#[test]
fn an_endpoint_that_is_none_is_an_errno() {
    let mut stage = Stage::new();
    let socket = stage.socket(ROUTER);
    // SAFETY: a handle, and NULL or a C string.
    let all = |at: *const c_char, errno| unsafe {
        failed(zmq_bind(socket, at), errno);
        failed(zmq_connect(socket, at), errno);
    };
    all(ptr::null(), libc::EINVAL);
    all(c"".as_ptr(), libc::EINVAL);
    all(c"nothing".as_ptr(), libc::EINVAL);
    all(c"://".as_ptr(), libc::EINVAL);
    all(c"tcp://".as_ptr(), libc::EINVAL);
    all(c"tcp://127.0.0.1".as_ptr(), libc::EINVAL);
    all(c"tcp://127.0.0.1:99999".as_ptr(), libc::EINVAL);
    all(c"\xff\xfe://x".as_ptr(), libc::EINVAL);
    all(c"nonsense://x".as_ptr(), libc::EPROTONOSUPPORT);
    all(c"pgm://x:1".as_ptr(), libc::EPROTONOSUPPORT);
    // SAFETY: as above.
    unsafe {
        failed(zmq_unbind(socket, ptr::null()), libc::EINVAL);
        failed(zmq_disconnect(socket, ptr::null()), libc::EINVAL);
        failed(
            zmq_disconnect(socket, c"tcp://127.0.0.1:1".as_ptr()),
            libc::ENOENT,
        );
    }
    let elsewhere = "tcp://198.51.100.1:5555";
    failed(bind(socket, elsewhere), libc::EADDRNOTAVAIL);
    failed(bind(socket, "tcp://no-such-interface:5555"), libc::ENODEV);
    failed(bind(socket, "ipc:///nowhere/at/all/socket"), libc::ENOENT);
    failed(
        bind(socket, "ipc://".to_owned() + &"x".repeat(300)),
        libc::ENAMETOOLONG,
    );
    let name = inproc();
    assert_eq!(bind(socket, &name), 0);
    failed(bind(socket, &name), libc::EADDRINUSE);
}

fn bind(socket: *mut c_void, at: impl AsRef<str>) -> c_int {
    common::bind(socket, at.as_ref())
}

#[test]
fn the_same_name_twice_is_no_reason_to_end() {
    let mut stage = Stage::new();
    let peers = [stage.socket(DEALER), stage.socket(DEALER)];
    let router = stage.socket(ROUTER);
    let names = [inproc(), inproc()];
    for (peer, name) in peers.iter().zip(&names) {
        assert_eq!(bind(*peer, name), 0);
        // A name that was given already.
        assert_eq!(set_octets(router, 61, b"bob"), 0);
        connect(router, name);
    }
    assert_eq!(
        (send(router, "bob", SNDMORE), send(router, "hello", 0)),
        (3, 5)
    );
    assert_eq!(recv(peers[0], 0).as_deref(), Ok(&b"hello"[..]));
}

#[test]
fn an_authenticator_of_any_type_may_be_there() {
    for kind in [PUB, PUSH, PULL, PAIR] {
        let mut stage = Stage::new();
        let zap = stage.socket(kind);
        assert_eq!(bind(zap, "inproc://zeromq.zap.01"), 0);
        let [pull, push] = [PULL, PUSH].map(|kind| stage.socket(kind));
        assert_eq!(set_octets(pull, 55, b"domain"), 0);
        assert_eq!(bind(pull, "tcp://127.0.0.1:*"), 0);
        assert_eq!(connect(push, &text(pull, LAST_ENDPOINT)), 0);
        assert_eq!((set(pull, RCVTIMEO, 30), set(push, SNDTIMEO, 30)), (0, 0));
        // If it is turned away before, it has nobody to send to.
        let sent = send(push, "x", 0);
        assert!(sent == 1 || zmq_errno() == libc::EAGAIN);
        assert_eq!(recv(pull, 0), Err(libc::EAGAIN), "nobody has let it in");
    }
}

#[test]
fn a_socket_used_by_many_threads_answers_all_of_them() {
    for _ in 0..20 {
        let mut stage = Stage::new();
        let [bound, connected] = stage.pair([DEALER, DEALER], &inproc());
        for socket in [bound, connected] {
            assert_eq!((set(socket, RCVTIMEO, 1), set(socket, SNDTIMEO, 1)), (0, 0));
        }
        let handles = [Handle(bound), Handle(connected)];
        thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || {
                    let Handle(socket) = { handles }[number % 2];
                    for turn in 0..100 {
                        let flags = if turn % 3 == 0 { SNDMORE } else { 0 };
                        let answers = [
                            send(socket, [1; 80], flags) < 0,
                            recv(socket, if turn % 7 == 0 { 0 } else { DONTWAIT }).is_err(),
                            set(socket, 23, turn) < 0,
                            option(socket, EVENTS).is_err(),
                            option(socket, FD).is_err(),
                            poll(&[(socket, 3)], 0).is_err(),
                        ];
                        if answers.contains(&true) {
                            assert_ne!(zmq_errno(), UNWOUND);
                        }
                    }
                    if number == 3 {
                        // SAFETY: a handle.
                        unsafe { zmq_close(socket) };
                    }
                });
            }
        });
    }
}

#[test]
fn the_end_of_a_context_ends_every_call() {
    let mut stage = Stage::new();
    let [pull, pair] = [stage.socket(PULL), stage.socket(PAIR)];
    let [front, back] = [stage.socket(ROUTER), stage.socket(DEALER)];
    let [old_front, old_back] = [stage.socket(PULL), stage.socket(PUSH)];
    for socket in [pull, pair] {
        assert_eq!(set(socket, RCVTIMEO, -1), 0);
    }
    let context = Handle(stage.context);
    let all = [pull, pair, front, back, old_front, old_back].map(Handle);
    thread::scope(|scope| {
        let mut waiting = Vec::new();
        waiting.push(scope.spawn(move || recv({ all }[0].0, 0).err()));
        waiting.push(scope.spawn(move || {
            let sent = send({ all }[1].0, "to nobody", 0);
            (sent < 0).then(|| zmq_errno())
        }));
        waiting.push(scope.spawn(move || {
            let sockets = { all };
            // SAFETY: handles.
            let ended = unsafe { zmq_proxy(sockets[2].0, sockets[3].0, ptr::null_mut()) };
            (ended < 0).then(|| zmq_errno())
        }));
        waiting.push(scope.spawn(move || {
            let sockets = { all };
            // SAFETY: handles.
            let ended = unsafe { zmq_device(1, sockets[4].0, sockets[5].0) };
            (ended < 0).then(|| zmq_errno())
        }));
        // Two ask for the end, and wait for it.
        let ends: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    let Handle(context) = { context };
                    // SAFETY: a handle.
                    unsafe { zmq_ctx_term(context) }
                })
            })
            .collect();
        for thread in waiting {
            assert_eq!(thread.join().expect("no panic"), Some(ETERM));
        }
        for Handle(socket) in all {
            assert_eq!(option(socket, EVENTS), Err(ETERM));
            failed(set(socket, LINGER, 0), ETERM);
            failed(bind(socket, "inproc://too-late"), ETERM);
            failed(connect(socket, "inproc://too-late"), ETERM);
            assert_eq!(poll(&[(socket, 1)], 0), Err(ETERM));
            // SAFETY: handles.
            unsafe {
                none(zmq_socket({ context }.0, PAIR), ETERM);
                assert_eq!(zmq_ctx_shutdown({ context }.0), 0, "once more does no harm");
            }
        }
        for Handle(socket) in all {
            // SAFETY: a handle.
            assert_eq!(unsafe { zmq_close(socket) }, 0);
        }
        let mut ends: Vec<_> = ends
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect();
        ends.sort_unstable();
        assert!(matches!(ends[..], [-1 | 0, 0]), "{ends:?}");
    });
    stage.context = ptr::null_mut();
}

#[test]
fn a_process_without_descriptors_goes_on() {
    in_a_process("without_descriptors");
}

#[test]
#[ignore = "takes the descriptors of the whole process"]
fn without_descriptors() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
    let at = text(pull, LAST_ENDPOINT);
    let path = std::env::temp_dir().join(format!("hubless-none-left-{}", std::process::id()));
    let local = format!("ipc://{}", path.display());
    assert_eq!(bind(pull, &local), 0);
    assert_eq!(
        (send(push, "before", 0), recv(pull, 0)),
        (6, Ok(b"before".to_vec()))
    );
    let late = stage.socket(PUSH);
    assert_eq!(bind(late, "tcp://127.0.0.1:*"), 0);
    // SAFETY: a limit of this process, of which nobody else is a part.
    unsafe {
        let limit = libc::rlimit {
            rlim_cur: 40,
            rlim_max: 40,
        };
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    // What is connected stays so, and what wants a descriptor fails or waits for one.
    assert_eq!(
        (send(push, "none left", 0), recv(pull, 0)),
        (9, Ok(b"none left".to_vec()))
    );
    failed(bind(late, "tcp://127.0.0.1:*"), libc::EMFILE);
    failed(bind(late, "ipc://*"), libc::EMFILE);
    let poor = stage.socket(PUSH);
    failed(bind(poor, "tcp://127.0.0.1:*"), libc::EMFILE);
    failed(connect(poor, &at), libc::EMFILE);
    assert_eq!(option(late, FD), Err(libc::EMFILE));
    assert_eq!(poll(&[(late, 1), (pull, 1)], 10), Err(libc::EMFILE));
    for at in [&at, &local] {
        assert_eq!(connect(late, at), 0, "errno {}", zmq_errno());
    }
    // SAFETY: two contexts of their own, one without descriptors for its thread.
    unsafe {
        let other = zmq_ctx_new();
        assert!(!other.is_null());
        let socket = zmq_socket(other, PULL);
        if !socket.is_null() {
            assert_eq!(bind(socket, "tcp://127.0.0.1:*"), -1);
            assert_eq!(zmq_close(socket), 0);
        }
        assert_eq!(zmq_ctx_term(other), 0);
    }
    // There are some again: whoever waited comes.
    assert_eq!(send(push, "still", 0), 5);
    assert_eq!(recv(pull, 0), Ok(b"still".to_vec()));
    taken.clear();
    assert_eq!(set(late, SNDTIMEO, SOON), 0);
    assert_eq!(send(late, "late", 0), 4);
    assert_eq!(recv(pull, 0), Ok(b"late".to_vec()));
}

#[test]
fn errors_have_the_texts_that_programs_print() {
    // SAFETY: text that stays.
    let text = |number| unsafe { std::ffi::CStr::from_ptr(zmq_strerror(number)) };
    let ours = [
        (EFSM, c"Operation cannot be accomplished in current state"),
        (
            EFSM + 1,
            c"The protocol is not compatible with the socket type",
        ),
        (ETERM, c"Context was terminated"),
        (EMTHREAD, c"No thread available"),
        (libc::EHOSTUNREACH, c"Host unreachable"),
        (libc::EAGAIN, c"Resource temporarily unavailable"),
        (libc::EADDRINUSE, c"Address already in use"),
        (libc::ENOTSOCK, c"Socket operation on non-socket"),
    ];
    for (number, said) in ours {
        assert_eq!(text(number), said);
    }
    assert!(!text(-1).is_empty() && !text(99_999).is_empty());
    // SAFETY: NULLs, ints, and C strings.
    unsafe {
        zmq_version(ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let mut version = [0; 3];
        let [major, minor, patch] = &mut version;
        zmq_version(major, minor, patch);
        assert_eq!(version, [4, 3, 6]);
        assert_eq!((zmq_has(ptr::null()), zmq_has(c"tcp".as_ptr())), (0, 0));
        assert_eq!((zmq_has(c"ipc".as_ptr()), zmq_has(c"pgm".as_ptr())), (1, 0));
    }
}

#[test]
fn what_is_left_may_be_done_at_exit() {
    let me = std::env::current_exe().expect("this program");
    let child = Command::new(me)
        .args(["--exact", "exits", "--ignored", "--test-threads=1"])
        .output()
        .expect("to run it");
    let said = String::from_utf8_lossy(&child.stderr);
    assert_eq!((child.status.code(), &said[..]), (Some(WELL), ""));
}

const WELL: c_int = 37;

/// By then the thread has ended as far as Rust is concerned: what was its own is gone.
#[test]
#[ignore = "exits"]
fn exits() {
    static LEFT: [AtomicPtr<c_void>; 3] = [const { AtomicPtr::new(ptr::null_mut()) }; 3];
    extern "C" fn say_goodbye() {
        let [context, pull, push] = LEFT.each_ref().map(|it| it.load(Ordering::SeqCst));
        for _ in 0..3 {
            assert_eq!(send(push, [7; 1000], 0), 1000);
            assert_eq!(recv(pull, 0), Ok(vec![7; 1000]));
        }
        // SAFETY: the context is open, and nothing is left to do in the end.
        unsafe {
            let late = zmq_socket(context, PULL);
            assert_eq!(bind(late, "tcp://127.0.0.1:*"), 0);
            assert_eq!(connect(push, &text(late, LAST_ENDPOINT)), 0);
            for socket in [pull, push, late] {
                assert_eq!(zmq_close(socket), 0);
            }
            assert_eq!(zmq_ctx_term(context), 0);
            libc::_exit(WELL)
        }
    }
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
    assert_eq!((send(push, "x", 0), recv(pull, 0)), (1, Ok(b"x".to_vec())));
    for (place, it) in LEFT.iter().zip([stage.context, pull, push]) {
        place.store(it, Ordering::SeqCst);
    }
    // SAFETY: a handler that may be called by then.
    unsafe {
        libc::atexit(say_goodbye);
        libc::exit(0)
    }
}
