//! Forks: what the child may do with what it has inherited, and what it makes anew.

mod common;

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use common::*;
use zmq::*;

/// Runs this in the child of a fork, within half a minute; answers what it answers. No thread but
/// this one goes there.
#[track_caller]
fn in_a_child(act: impl FnOnce() -> Option<usize>) -> Option<usize> {
    // SAFETY: the child does nothing but what is tested, and leaves without the tests' own end. A
    // signal ends it if it waits for ever.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as above.
        unsafe {
            libc::alarm(30);
            libc::_exit(act().map_or(0, |number| number as c_int + 1));
        }
    }
    let mut status = -1;
    // SAFETY: a number of a child, and a place for its status.
    unsafe { assert_eq!(libc::waitpid(child, &mut status, 0), child) };
    assert!(
        libc::WIFEXITED(status),
        "it was ended by a signal: {status}"
    );
    usize::try_from(libc::WEXITSTATUS(status))
        .ok()?
        .checked_sub(1)
}

#[test]
fn the_child_of_a_fork_may_close_what_it_has_inherited() {
    in_a_process("closes");
}

#[test]
#[ignore = "forks"]
fn closes() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
    assert_eq!(
        (send(push, "before", 0), recv(pull, 0)),
        (6, Ok(b"before".to_vec()))
    );
    let timers = zmq_timers_new();
    // SAFETY: handles, whose context is the other process's.
    let left = in_a_child(|| unsafe {
        let closed = [pull, push].map(|socket| zmq_close(socket));
        let ended = zmq_ctx_term(stage.context);
        let again = [zmq_close(pull), zmq_ctx_term(stage.context)];
        let mut theirs = timers;
        let all = [
            (closed, ended, again) == ([0, 0], 0, [-1, -1]),
            zmq_timers_execute(timers) == 0,
            zmq_timers_destroy(&mut theirs) == 0,
            one_of_its_own(),
        ];
        all.iter().position(|is_so| !is_so)
    });
    assert_eq!(left, None);
    assert_eq!(
        (send(push, "after", 0), recv(pull, 0)),
        (5, Ok(b"after".to_vec()))
    );
    // SAFETY: a list of timers.
    unsafe { assert_eq!(zmq_timers_destroy(&mut { timers }), 0) };
}

/// A context of the child's own works.
fn one_of_its_own() -> bool {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
    send(push, "within", 0) == 6 && recv(pull, 0) == Ok(b"within".to_vec())
}

/// ETERM is the answer to every call on what was inherited; else the first to which it was not.
///
/// # Safety
/// Handles of the library's.
unsafe fn first_not_refused(socket: *mut c_void, context: *mut c_void) -> Option<usize> {
    let refused = |answer: c_int| answer == -1 && zmq_errno() == ETERM;
    let at = c"inproc://child".as_ptr();
    let mut message = part_of(b"message");
    // SAFETY: the same as ours, and C strings, or NULLs.
    unsafe {
        let all = [
            refused(send(socket, "x", 0)),
            recv(socket, 0) == Err(ETERM),
            refused(zmq_send_const(socket, at.cast(), 1, 0)),
            refused(zmq_msg_send(&mut *message, socket, 0)),
            octets_of(&mut message) == b"message",
            refused(zmq_msg_recv(&mut *message, socket, 0)),
            refused(set(socket, LINGER, 0)),
            option(socket, EVENTS) == Err(ETERM),
            refused(zmq_bind(socket, at)),
            refused(zmq_connect(socket, at)),
            refused(zmq_disconnect(socket, at)),
            refused(zmq_socket_monitor(socket, at, 1)),
            poll(&[(socket, 1)], -1) == Err(ETERM),
            refused(zmq_proxy(socket, socket, ptr::null_mut())),
            refused(zmq_ctx_set(context, 1, 1)),
            refused(zmq_ctx_get(context, 1)),
            zmq_socket(context, PAIR).is_null(),
            zmq_ctx_shutdown(context) == 0,
            zmq_msg_close(&mut *message) == 0,
        ];
        all.iter().position(|is_refused| !is_refused)
    }
}

/// Says so in the end, however that comes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_child_waits_for_nobody_who_used_a_socket_at_the_fork() {
    in_a_process("refuses");
}

#[test]
#[ignore = "forks"]
fn refuses() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    let [other, last] = stage.pair([DEALER, DEALER], "tcp://127.0.0.1:*");
    let all = [pull, push, other, last].map(Handle);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..2 {
            let is_over = &is_over;
            scope.spawn(move || {
                let sockets = { all };
                while !is_over.load(Ordering::Relaxed) {
                    // Two of them both use, and one each uses alone.
                    send(sockets[1].0, [7; 80], DONTWAIT);
                    let _ = recv(sockets[0].0, DONTWAIT);
                    let _ = option(sockets[2 + number].0, EVENTS);
                }
            });
        }
        let _over = Over(&is_over);
        for turn in 0..40 {
            let Handle(socket) = { all }[turn % 4];
            // SAFETY: handles of the library's.
            let left = in_a_child(|| unsafe {
                let left = first_not_refused(socket, stage.context);
                let ended = (zmq_close(socket), zmq_ctx_term(stage.context)) == (0, 0);
                left.or((!ended).then_some(99))
            });
            assert_eq!(left, None, "in turn {turn}");
        }
    });
    assert_eq!(send(other, "after", 0), 5);
    assert_eq!(recv(last, 0), Ok(b"after".to_vec()));
}
