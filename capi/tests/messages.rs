//! Messages: whose octets they are, when these are given back, and what a message knows.

mod common;

use std::{
    ffi::{c_int, c_void},
    path::Path,
    process::Command,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use common::*;
use zmq::*;

/// How often octets were given back.
static COUNT: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];

/// # Safety
/// `data` was lent, and is given back for the first time.
unsafe extern "C" fn give_back(data: *mut c_void, hint: *mut c_void) {
    // SAFETY: it is the box that was lent; a second time would be one too many, and seen.
    drop(unsafe { Box::from_raw(data.cast::<[u8; 500]>()) });
    COUNT[hint as usize].fetch_add(1, Ordering::SeqCst);
}

/// A message of 500 octets that are lent, and counted by `test` when they are given back.
fn lent(test: usize) -> Box<Part> {
    let mut part = part();
    let octets = Box::into_raw(Box::new([7_u8; 500]));
    // SAFETY: an empty message, and octets that stay until they are given back.
    unsafe {
        let hint = test as *mut c_void;
        let made = zmq_msg_init_data(&mut *part, octets.cast(), 500, Some(give_back), hint);
        assert_eq!(made, 0);
    }
    part
}

fn count(test: usize) -> usize {
    COUNT[test].load(Ordering::SeqCst)
}

#[test]
fn a_message_is_moved_with_all_it_has() {
    for size in [0, 5, 48, 49, 64, 65, 5000] {
        let octets: Vec<u8> = (0..size).map(|number| number as u8).collect();
        let (mut from, mut to) = (part_of(&octets), lent(0));
        let before = count(0);
        // SAFETY: messages.
        unsafe {
            assert_eq!(zmq_msg_move(&mut *to, &mut *from), 0);
            assert_eq!(count(0), before + 1, "what was there is given back");
            assert_eq!(octets_of(&mut to), octets);
            assert_eq!(zmq_msg_size(&*from), 0);
            // It is a message still.
            assert_eq!(zmq_msg_move(&mut *from, &mut *to), 0);
            assert_eq!(zmq_msg_move(&mut *from, &mut *from), 0, "to itself");
            assert_eq!(octets_of(&mut from), octets);
            assert_eq!((zmq_msg_close(&mut *from), zmq_msg_close(&mut *to)), (0, 0));
            failed(zmq_msg_move(&mut *to, &mut *from), libc::EFAULT);
            failed(zmq_msg_move(ptr::null_mut(), &mut *from), libc::EFAULT);
            failed(zmq_msg_copy(&mut *to, ptr::null_mut()), libc::EFAULT);
        }
    }
}

#[test]
fn a_copy_shares_what_is_large() {
    let (mut from, mut to) = (lent(1), part());
    // SAFETY: messages.
    unsafe {
        assert_eq!(zmq_msg_get(&*from, 3), 0);
        assert_eq!(zmq_msg_copy(&mut *to, &mut *from), 0);
        assert_eq!((zmq_msg_get(&*from, 3), zmq_msg_get(&*to, 3)), (1, 1));
        assert_eq!(zmq_msg_data(&mut *from), zmq_msg_data(&mut *to));
        assert_eq!(zmq_msg_close(&mut *from), 0);
        assert_eq!(count(1), 0);
        assert_eq!(octets_of(&mut to), [7; 500]);
        assert_eq!(zmq_msg_close(&mut *to), 0);
        assert_eq!(count(1), 1);
        // What the program has filled is copied as it was then.
        let (mut from, mut to) = (part_of(&[1; 100]), part_of(&[2; 100]));
        assert_eq!(zmq_msg_copy(&mut *to, &mut *from), 0);
        assert_eq!(octets_of(&mut to), [1; 100]);
        assert_eq!((zmq_msg_close(&mut *from), zmq_msg_close(&mut *to)), (0, 0));
    }
}

#[test]
fn no_property_can_be_set() {
    let mut part = part();
    // SAFETY: a message, and none.
    unsafe {
        for property in [0, 1, 2, 3, 99] {
            failed(zmq_msg_set(&mut *part, property, 1), libc::EINVAL);
        }
        failed(zmq_msg_set(ptr::null_mut(), 1, 1), libc::EINVAL);
        failed(zmq_msg_get(&*part, 99), libc::EINVAL);
        failed(zmq_msg_get(&*part, 2), libc::EINVAL);
        none(zmq_msg_gets(&*part, ptr::null()), libc::EINVAL);
        none(zmq_msg_gets(&*part, c"Socket-Type".as_ptr()), libc::EINVAL);
        assert_eq!((zmq_msg_more(&*part), zmq_msg_close(&mut *part)), (0, 0));
        failed(zmq_msg_init_size(&mut *part, usize::MAX), libc::ENOMEM);
    }
}

#[test]
fn the_old_names_send_and_receive() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    let mut message = part_of(b"one");
    // SAFETY: handles and messages.
    unsafe {
        assert_eq!(zmq_sendmsg(push, &mut *message, SNDMORE), 3);
        assert_eq!(zmq_msg_size(&*message), 0, "it is gone");
        assert_eq!(zmq_sendmsg(push, &mut *message, 0), 0);
        assert_eq!(zmq_recvmsg(pull, &mut *message, 0), 3);
        assert_eq!(zmq_msg_more(&*message), 1);
        assert_eq!(zmq_recvmsg(pull, &mut *message, 0), 0);
        assert_eq!(zmq_msg_more(&*message), 0);
        failed(zmq_recvmsg(pull, &mut *message, DONTWAIT), libc::EAGAIN);
        failed(zmq_recvmsg(pull, ptr::null_mut(), 0), libc::EFAULT);
        failed(zmq_sendmsg(push, ptr::null_mut(), 0), libc::EFAULT);
        failed(zmq_sendmsg(pull, &mut *message, 0), libc::ENOTSUP);
        failed(zmq_recvmsg(push, &mut *message, 0), libc::ENOTSUP);
        assert_eq!(zmq_msg_close(&mut *message), 0);
        failed(zmq_sendmsg(push, &mut *message, 0), libc::EFAULT);
    }
}

#[test]
fn what_is_refused_stays_with_the_program() {
    let mut stage = Stage::new();
    let push = stage.socket(PUSH);
    let mut message = lent(2);
    // SAFETY: handles and messages.
    unsafe {
        failed(zmq_msg_send(&mut *message, push, DONTWAIT), libc::EAGAIN);
        assert_eq!((octets_of(&mut message), count(2)), (vec![7; 500], 0));
        assert_eq!(zmq_msg_close(&mut *message), 0);
    }
    assert_eq!(count(2), 1);
    // Where the octets are, which the program may have remembered, does not change.
    for size in [0, 10, 48, 49, 64, 65, 5000] {
        let mut message = part_of(&vec![7; size]);
        // SAFETY: handles and messages.
        unsafe {
            let place = zmq_msg_data(&mut *message);
            failed(zmq_msg_send(&mut *message, push, DONTWAIT), libc::EAGAIN);
            assert_eq!(zmq_msg_data(&mut *message), place, "of {size} octets");
            assert_eq!(octets_of(&mut message), vec![7; size]);
            let mut copy = part();
            assert_eq!(zmq_msg_copy(&mut *copy, &mut *message), 0);
            let shared = zmq_msg_get(&*copy, 3);
            let place = zmq_msg_data(&mut *copy);
            failed(zmq_msg_send(&mut *copy, push, DONTWAIT), libc::EAGAIN);
            assert_eq!(
                (zmq_msg_data(&mut *copy), zmq_msg_get(&*copy, 3)),
                (place, shared)
            );
            assert_eq!(
                (zmq_msg_close(&mut *message), zmq_msg_close(&mut *copy)),
                (0, 0)
            );
        }
    }
}

#[test]
fn lent_octets_are_given_back_once_whatever_becomes_of_them() {
    let mut stage = Stage::new();
    // Delivered, over the wire; waiting in a socket that closes; for nobody.
    let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
    let [_idle, stuck] = stage.pair([PULL, PUSH], &inproc());
    let publisher = stage.socket(PUB);
    // SAFETY: handles and messages.
    unsafe {
        for socket in [push, push, stuck, stuck, publisher, publisher] {
            assert_eq!(zmq_msg_send(&mut *lent(3), socket, 0), 500);
        }
        // Both parts wait for a third.
        assert_eq!(zmq_msg_send(&mut *lent(3), stuck, SNDMORE), 500);
        assert_eq!(zmq_msg_send(&mut *lent(3), stuck, SNDMORE), 500);
    }
    assert_eq!(recv(pull, 0), Ok(vec![7; 500]));
    assert_eq!(recv(pull, 0), Ok(vec![7; 500]));
    drop(stage);
    let until = Instant::now() + Duration::from_secs(20);
    while count(3) < 8 && Instant::now() < until {
        std::thread::yield_now();
    }
    assert_eq!(count(3), 8);
}

#[test]
fn octets_without_a_function_stay_the_programs() {
    static OCTETS: [u8; 100] = [9; 100];
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    let mut message = part();
    // SAFETY: handles, messages, and octets that stay.
    unsafe {
        let place = OCTETS.as_ptr().cast_mut().cast();
        assert_eq!(
            zmq_msg_init_data(&mut *message, place, 100, None, ptr::null_mut()),
            0
        );
        assert_eq!(zmq_msg_get(&*message, 3), 1);
        assert_eq!(zmq_msg_send(&mut *message, push, 0), 100);
        assert_eq!(zmq_send_const(push, place, 100, 0), 100);
        assert_eq!(zmq_msg_recv(&mut *message, pull, 0), 100);
        assert_eq!(zmq_msg_data(&mut *message), place);
        assert_eq!(zmq_msg_close(&mut *message), 0);
    }
    assert_eq!(recv(pull, 0), Ok(OCTETS.to_vec()));
}

#[test]
fn a_message_knows_who_sent_it() {
    let mut stage = Stage::new();
    let [router, dealer] = [ROUTER, DEALER].map(|kind| stage.socket(kind));
    assert_eq!(set_octets(dealer, 5, b"ann"), 0);
    assert_eq!(set_octets(dealer, 95, b"X-colour:green"), 0);
    assert_eq!(bind(router, "tcp://127.0.0.1:*"), 0);
    assert_eq!(connect(dealer, &text(router, LAST_ENDPOINT)), 0);
    assert_eq!(
        (send(dealer, "a", SNDMORE), send(dealer, [0; 100], 0)),
        (1, 100)
    );
    let mut message = part();
    for more in [1, 1, 0] {
        // SAFETY: a handle and a message.
        unsafe {
            assert!(zmq_msg_recv(&mut *message, router, 0) > 0);
            assert_eq!(zmq_msg_more(&*message), more);
        }
        let known = |name| property(&message, name);
        assert_eq!(known("Socket-Type").as_deref(), Some("DEALER"));
        assert_eq!(known("Identity").as_deref(), Some("ann"));
        assert_eq!(known("Routing-Id").as_deref(), Some("ann"));
        assert_eq!(known("Peer-Address").as_deref(), Some("127.0.0.1"));
        assert_eq!(known("X-colour").as_deref(), Some("green"));
        assert_eq!(known("User-Id"), None);
        assert_eq!(known("X-none"), None);
        // SAFETY: a message.
        let descriptor = unsafe { zmq_msg_get(&*message, 2) };
        assert!(descriptor > 2);
        assert_eq!(known("__fd"), Some(descriptor.to_string()));
    }
    // It is known after the socket has gone, as long as the message is there.
    drop(stage);
    assert_eq!(property(&message, "Socket-Type").as_deref(), Some("DEALER"));
    // Who has no identity to tell of tells nothing.
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
    assert_eq!(send(push, "x", 0), 1);
    // SAFETY: a handle and a message.
    unsafe { assert_eq!(zmq_msg_recv(&mut *message, pull, 0), 1) };
    assert_eq!(property(&message, "Routing-Id"), None);
    assert_eq!(property(&message, "Identity"), None);
    assert_eq!(property(&message, "Socket-Type").as_deref(), Some("PUSH"));
    // SAFETY: a message.
    assert_eq!(unsafe { zmq_msg_close(&mut *message) }, 0);
}

#[test]
fn a_message_knows_whom_the_authenticator_saw() {
    let mut stage = Stage::new();
    let zap = stage.socket(REP);
    assert_eq!(bind(zap, "inproc://zeromq.zap.01"), 0);
    let [pull, push] = [PULL, PUSH].map(|kind| stage.socket(kind));
    assert_eq!(set_octets(pull, 55, b"here"), 0);
    assert_eq!(bind(pull, "tcp://127.0.0.1:*"), 0);
    assert_eq!(connect(push, &text(pull, LAST_ENDPOINT)), 0);
    let request = parts(zap);
    assert_eq!(
        (&request[0][..], &request[2][..]),
        (&b"1.0"[..], &b"here"[..])
    );
    for part in [b"1.0", &request[1][..], b"200", b"OK", b"ann"] {
        send(zap, part, SNDMORE);
    }
    send(zap, b"\x07X-floor\0\0\0\x013", 0);
    assert_eq!(send(push, "hello", 0), 5);
    let mut message = part();
    // SAFETY: a handle and a message.
    unsafe { assert_eq!(zmq_msg_recv(&mut *message, pull, 0), 5) };
    assert_eq!(property(&message, "User-Id").as_deref(), Some("ann"));
    assert_eq!(property(&message, "X-floor").as_deref(), Some("3"));
    // SAFETY: a message.
    assert_eq!(unsafe { zmq_msg_close(&mut *message) }, 0);
}

/// What C programs are told about sizes is what the library goes by.
#[test]
fn the_header_says_how_large_things_are() {
    assert_eq!(
        (size_of::<Part>(), align_of::<Part>()),
        (64, align_of::<usize>())
    );
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("no C compiler here: the header is not looked at");
        return;
    }
    let checks = "#include <zmq.h>\n#include <zmq_utils.h>\n\
        _Static_assert (sizeof (zmq_msg_t) == 64, \"message\");\n\
        _Static_assert (_Alignof (zmq_msg_t) == sizeof (void *), \"alignment\");\n\
        _Static_assert (sizeof (zmq_pollitem_t) == 16, \"poll item\");\n\
        _Static_assert (offsetof (zmq_pollitem_t, fd) == 8, \"descriptor\");\n\
        _Static_assert (offsetof (zmq_pollitem_t, events) == 12, \"events\");\n\
        _Static_assert (offsetof (zmq_pollitem_t, revents) == 14, \"revents\");\n\
        _Static_assert (ZMQ_VERSION == 40306, \"version\");\n\
        _Static_assert (ETERM == 156384765 && EFSM == 156384763, \"errors\");\n";
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let place = std::env::temp_dir().join(format!("hubless-header-{}.c", std::process::id()));
    std::fs::write(&place, checks).expect("to write");
    let checked = Command::new("cc")
        .args([
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fsyntax-only",
            "-I",
        ])
        .args([&include, &place])
        .output()
        .expect("to run the compiler");
    std::fs::remove_file(&place).expect("to tidy up");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}

#[test]
fn vectors_of_parts_are_messages() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    let vector = |octets: &[u8]| libc::iovec {
        iov_base: octets.as_ptr().cast_mut().cast(),
        iov_len: octets.len(),
    };
    let empty = vector(b"");
    // SAFETY: handles, and vectors of so many.
    unsafe {
        let mut said = [vector(b"one"), vector(b""), vector(b"three")];
        assert_eq!(zmq_sendiov(push, said.as_mut_ptr(), 3, 0), 5);
        let alone: Vec<_> = (0..3).map(|_| parts(pull)).collect();
        assert_eq!(alone, [[&b"one"[..]], [b""], [b"three"]]);
        assert_eq!(zmq_sendiov(push, said.as_mut_ptr(), 3, SNDMORE), 5);
        let (mut heard, mut number): (_, usize) = ([empty; 5], 5);
        assert_eq!(zmq_recviov(pull, heard.as_mut_ptr(), &mut number, 0), 3);
        assert_eq!(number, 3);
        let sizes: Vec<_> = heard.iter().take(3).map(|it| it.iov_len).collect();
        assert_eq!(sizes, [3, 0, 5]);
        for part in &heard[..3] {
            libc::free(part.iov_base);
        }
        failed(zmq_sendiov(push, said.as_mut_ptr(), 0, 0), libc::EINVAL);
        failed(zmq_sendiov(push, ptr::null_mut(), 1, 0), libc::EINVAL);
        failed(
            zmq_recviov(pull, heard.as_mut_ptr(), ptr::null_mut(), 0),
            libc::EINVAL,
        );
        failed(
            zmq_recviov(pull, heard.as_mut_ptr(), &mut 5, DONTWAIT),
            libc::EAGAIN,
        );
        let stranger: *mut c_void = ptr::null_mut();
        let rc: c_int = zmq_sendiov(stranger, said.as_mut_ptr(), 1, 0);
        failed(rc, libc::ENOTSOCK);
    }
}
