//! The last moments of a thread: what C and C++ programs run there, after all that Rust keeps for a
//! thread is gone, may use sockets like any other code.

mod common;

use std::{
    ffi::c_void,
    ptr,
    sync::mpsc::{self, Sender},
    thread,
    time::Duration,
};

use common::*;
use zmq::*;

/// A whole conversation with a peer of its own, which waits, and the end of its context.
fn talk(at: &str) -> Result<(), String> {
    let mut stage = Stage::new();
    let [rep, req] = stage.pair([REP, REQ], at);
    let answerer = Handle(rep);
    let peer = thread::spawn(move || {
        let Handle(rep) = { answerer };
        let asked = recv(rep, 0);
        // Whoever asked waits by now, or will.
        thread::yield_now();
        send(rep, asked.unwrap_or_default(), 0);
    });
    let sent = send(req, [7; 300], 0);
    let answered = recv(req, 0).map(|it| it.len());
    let polled = poll(&[(rep, 2), (req, 1)], 10);
    let polled_one = poll(&[(req, 1)], 10);
    peer.join().expect("the peer");
    let descriptor = option(req, FD).is_ok();
    // SAFETY: handles.
    let ended = unsafe {
        let closed = [rep, req].map(|socket| zmq_close(socket));
        (closed, zmq_ctx_term(stage.context))
    };
    stage.context = ptr::null_mut();
    let all = (sent, answered, polled, polled_one, descriptor, ended);
    let wanted = (300, Ok(300), Ok(vec![0, 0]), Ok(vec![0]), true, ([0, 0], 0));
    match all == wanted {
        true => Ok(()),
        false => Err(format!("{at}: {all:?}")),
    }
}

/// What a thread does last of all.
struct Last {
    tell: Sender<Result<(), String>>,
    key: libc::pthread_key_t,
    rounds: u32,
}

/// Is called at the end of a thread, for the value that it has left under a key; again, if it has left
/// another. By the second time nothing of Rust's is left.
extern "C" fn at_the_end(last: *mut c_void) {
    // SAFETY: it came from `Box::into_raw`, below or here.
    let mut last = unsafe { Box::from_raw(last.cast::<Last>()) };
    if last.rounds > 0 {
        last.rounds -= 1;
        let key = last.key;
        // SAFETY: the key is never deleted, and the value is this function's to free.
        unsafe { libc::pthread_setspecific(key, Box::into_raw(last).cast()) };
        return;
    }
    let talked = talk("tcp://127.0.0.1:*").and_then(|()| talk(&inproc()));
    last.tell.send(talked).expect("somebody listens");
}

#[test]
fn the_last_that_a_thread_does_may_be_to_use_sockets() {
    let mut key = 0;
    // SAFETY: a place for a key, and a function that takes what is left under it.
    unsafe { assert_eq!(libc::pthread_key_create(&mut key, Some(at_the_end)), 0) };
    for talks_before in [true, false] {
        let (tell, told) = mpsc::channel();
        let ended = thread::spawn(move || {
            if talks_before {
                talk("tcp://127.0.0.1:*").expect("as ever");
            }
            let rounds = 2;
            let last = Box::new(Last { tell, key, rounds });
            // SAFETY: the key is never deleted, and its function frees the value.
            unsafe { libc::pthread_setspecific(key, Box::into_raw(last).cast()) };
        });
        let talked = told.recv_timeout(Duration::from_secs(20));
        assert_eq!(talked, Ok(Ok(())), "talks before: {talks_before}");
        ended.join().expect("its end");
    }
}
