//! Calls that wait: signals end them with EINTR, and descriptors are looked at beside sockets.

mod common;

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::{
        Once,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use common::*;
use zmq::*;

const POLLIN: i16 = 1;

/// A guard against hanging, no measure of speed.
const LIMIT: Duration = Duration::from_millis(SOON as u64);

/// Waits for messages as long as it takes, and answers as C does.
fn wait(sockets: &[*mut c_void]) -> c_int {
    let items: Vec<_> = sockets.iter().map(|socket| (*socket, POLLIN)).collect();
    match poll(&items, -1) {
        Ok(ready) => ready.len() as c_int,
        Err(_) => -1,
    }
}

extern "C" fn heed(_signal: c_int) {}

/// A call fails with EINTR, once its thread gets a signal while it waits. `call` answers as C does.
fn is_interrupted(kinds: &'static [c_int], call: fn(&[*mut c_void]) -> c_int) {
    static HANDLER: Once = Once::new();
    // SAFETY: a handler that does nothing, for a signal that nobody else here uses; no SA_RESTART.
    HANDLER.call_once(|| unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = heed as extern "C" fn(c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()), 0);
    });
    let (tell, told) = mpsc::channel();
    let caller = thread::spawn(move || {
        // SAFETY: it asks for this thread's own name.
        tell.send(Err(unsafe { libc::pthread_self() }))
            .expect("somebody listens");
        let mut stage = Stage::new();
        let sockets: Vec<_> = kinds.iter().map(|kind| stage.open(*kind)).collect();
        let answer = call(&sockets);
        tell.send(Ok((answer, zmq_errno()))).expect("it listens");
    });
    let name = told.recv().expect("it has begun").expect_err("its name");
    let begun = Instant::now();
    // One that comes before the call waits ends nothing: so there are some more.
    let answer = loop {
        // SAFETY: the thread has not been joined.
        assert_eq!(unsafe { libc::pthread_kill(name, libc::SIGUSR1) }, 0);
        match told.recv_timeout(Duration::from_millis(5)) {
            Ok(answer) => break answer.expect("what the call has answered"),
            Err(RecvTimeoutError::Timeout) => assert!(begun.elapsed() < LIMIT, "it waits on"),
            Err(RecvTimeoutError::Disconnected) => break (0, 0),
        }
    };
    caller.join().expect("the call");
    assert_eq!(answer, (-1, libc::EINTR));
}

#[test]
fn a_signal_ends_receiving() {
    // SAFETY: a handle of ours, and no room is needed for a message that is cut to nothing.
    is_interrupted(&[PULL], |sockets| unsafe {
        zmq_recv(sockets[0], ptr::null_mut(), 0, 0)
    });
}

#[test]
fn a_signal_ends_sending() {
    // SAFETY: a handle of ours; there is no peer.
    is_interrupted(&[PUSH], |sockets| unsafe {
        zmq_send(sockets[0], ptr::null(), 0, 0)
    });
}

#[test]
fn a_signal_ends_polling_one_socket() {
    is_interrupted(&[PULL], |sockets| wait(&[sockets[0]]));
}

#[test]
fn a_signal_ends_polling_several() {
    is_interrupted(&[PULL, PULL], wait);
}

#[test]
fn a_signal_ends_polling_nothing() {
    is_interrupted(&[], wait);
}

#[test]
fn a_signal_ends_a_proxy() {
    // SAFETY: handles of ours.
    is_interrupted(&[PULL, PUSH], |sockets| unsafe {
        zmq_proxy(sockets[0], sockets[1], ptr::null_mut())
    });
}

#[test]
fn a_socket_and_its_own_descriptor_are_polled_together() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    let descriptor = option(pull, FD).expect("a descriptor");
    assert_eq!(send(push, "news", 0), 4);
    let item = Item {
        socket: pull,
        descriptor: -1,
        events: POLLIN,
        revents: 0,
    };
    let beside = Item {
        socket: ptr::null_mut(),
        descriptor,
        ..item
    };
    let mut items = [item, beside];
    assert_eq!(poll_items(&mut items, i64::from(SOON)), Ok(2));
    assert_eq!(items.map(|item| item.revents), [POLLIN, POLLIN]);
}
