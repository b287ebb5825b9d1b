//! The C functions together: messages, parts, options, polling, the end of a context.

mod common;

use std::{
    ffi::{CStr, c_void},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use common::*;
use zmq::*;

#[test]
fn parts_of_a_message_arrive_together() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    assert_eq!(send(push, "one", SNDMORE), 3);
    assert_eq!(recv(pull, DONTWAIT), Err(libc::EAGAIN));
    assert_eq!(send(push, "three", 0), 5);
    assert_eq!(recv(pull, 0).as_deref(), Ok(&b"one"[..]));
    assert_eq!(option(pull, 13), Ok(1));
    assert_eq!(recv(pull, 0).as_deref(), Ok(&b"three"[..]));
    assert_eq!(option(pull, 13), Ok(0));
}

#[test]
fn a_request_goes_through_a_router_by_hand() {
    let mut stage = Stage::new();
    let [router, req] = stage.pair([ROUTER, REQ], &inproc());
    assert_eq!(send(req, "question", 0), 8);
    failed(send(req, "again", 0), EFSM);
    let mut parts = Vec::new();
    loop {
        let mut next = part();
        // SAFETY: a part and handles of ours.
        unsafe {
            assert!(zmq_msg_recv(&mut *next, router, 0) >= 0);
            let more = zmq_msg_more(&*next);
            parts.push(next);
            if more == 0 {
                break;
            }
        }
    }
    assert_eq!(parts.len(), 3);
    // SAFETY: parts and handles of ours.
    unsafe {
        assert!(zmq_msg_send(&mut *parts[0], router, SNDMORE) > 0);
        assert_eq!(zmq_msg_send(&mut *parts[1], router, SNDMORE), 0);
    }
    assert_eq!(send(router, "answer", 0), 6);
    assert_eq!(recv(req, 0).as_deref(), Ok(&b"answer"[..]));
}

#[test]
fn what_is_lent_is_given_back_once() {
    static GIVEN_BACK: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn give_back(data: *mut c_void, hint: *mut c_void) {
        assert_eq!(hint as usize, 7);
        // SAFETY: it is the box that was lent.
        drop(unsafe { Box::from_raw(data.cast::<[u8; 500]>()) });
        GIVEN_BACK.fetch_add(1, Ordering::SeqCst);
    }
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    let (mut lent, mut copy) = (part(), part());
    // SAFETY: parts and handles of ours, and octets that stay until they are given back.
    unsafe {
        let octets = Box::into_raw(Box::new([7_u8; 500]));
        let hint = 7 as *mut c_void;
        assert_eq!(
            zmq_msg_init_data(&mut *lent, octets.cast(), 500, Some(give_back), hint),
            0
        );
        assert_eq!(zmq_msg_data(&mut *lent), octets.cast());
        assert_eq!(zmq_msg_copy(&mut *copy, &mut *lent), 0);
        assert_eq!(zmq_msg_get(&*copy, 3), 1);
        assert_eq!(zmq_msg_send(&mut *lent, push, 0), 500);
        assert_eq!(zmq_msg_size(&*lent), 0);
        assert_eq!(zmq_msg_close(&mut *copy), 0);
        assert_eq!(GIVEN_BACK.load(Ordering::SeqCst), 0);
        failed(zmq_msg_recv(&mut *copy, pull, 0), libc::EFAULT);
        assert_eq!(zmq_msg_recv(&mut *lent, pull, 0), 500);
        assert_eq!(zmq_msg_data(&mut *lent), octets.cast(), "not copied");
        assert_eq!(zmq_msg_close(&mut *lent), 0);
        assert_eq!(GIVEN_BACK.load(Ordering::SeqCst), 1);
        assert_eq!(zmq_msg_close(&mut *lent), -1);
    }
}

#[test]
fn what_makes_no_sense_is_an_errno() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    // SAFETY: NULLs, and handles of ours.
    unsafe {
        failed(send(pull, "x", 0), libc::ENOTSUP);
        failed(send(ptr::null_mut(), "x", 0), libc::ENOTSOCK);
        failed(send(stage.context, "x", 0), libc::ENOTSOCK);
        failed(zmq_bind(push, ptr::null()), libc::EINVAL);
        failed(
            zmq_connect(push, c"udp://x:1".as_ptr()),
            libc::EPROTONOSUPPORT,
        );
        failed(zmq_connect(push, c"nonsense".as_ptr()), libc::EINVAL);
        failed(
            zmq_disconnect(push, c"inproc://other".as_ptr()),
            libc::ENOENT,
        );
        failed(zmq_ctx_term(push), libc::EFAULT);
        failed(zmq_close(stage.context), libc::ENOTSOCK);
        failed(set(push, 4711, 1), libc::EINVAL);
        failed(zmq_msg_close(ptr::null_mut()), libc::EFAULT);
        failed(zmq_poll(ptr::null_mut(), 1, 0), libc::EFAULT);
        none(zmq_socket(stage.context, 99), libc::EINVAL);
        let closed = stage.open(PAIR);
        assert_eq!(zmq_close(closed), 0);
        failed(zmq_close(closed), libc::ENOTSOCK);
        failed(send(closed, "x", 0), libc::ENOTSOCK);
        let text = CStr::from_ptr(zmq_strerror(ETERM));
        assert_eq!(text, c"Context was terminated");
    }
}

#[test]
fn a_context_that_ends_ends_calls() {
    let mut stage = Stage::new();
    let [rep, _req] = stage.pair([REP, REQ], &inproc());
    assert_eq!(set(rep, RCVTIMEO, -1), 0);
    let socket = Handle(rep);
    let waits = std::thread::spawn(move || recv({ socket }.0, 0));
    // SAFETY: a handle of ours.
    unsafe { assert_eq!(zmq_ctx_shutdown(stage.context), 0) };
    assert_eq!(waits.join().expect("no panic"), Err(ETERM));
    assert_eq!(recv(rep, 0), Err(ETERM));
    failed(send(rep, "x", 0), ETERM);
    // SAFETY: a handle of ours.
    unsafe { none(zmq_socket(stage.context, PAIR), ETERM) };
}

#[test]
fn defaults_are_those_that_programs_know() {
    let mut stage = Stage::new();
    let router = stage.open(ROUTER);
    for (number, value) in [(17, -1), (23, 1000), (24, 1000), (18, 100), (66, 30_000)] {
        assert_eq!(option(router, number), Ok(value), "option {number}");
    }
    assert_eq!(set(router, 23, 0), 0);
    assert_eq!(option(router, 23), Ok(0));
    assert_eq!(option(router, 81), Ok(0));
    assert_eq!(send(router, "nobody", SNDMORE), 6);
    assert_eq!(send(router, "dropped", 0), 7);
}
