//! Calls that wait: signals end them with EINTR, and descriptors are looked at beside sockets.

use std::{
    ffi::{CString, c_int, c_void},
    ptr,
    sync::{
        Once,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use zmq::*;

const PULL: c_int = 7;
const PUSH: c_int = 8;
const FD: c_int = 14;
const LINGER: c_int = 17;
const POLLIN: i16 = 1;

/// A guard against hanging, no measure of speed.
const SOON: Duration = Duration::from_secs(20);

/// An item of `zmq_poll`, as C has it.
#[repr(C)]
struct Item {
    socket: *mut c_void,
    descriptor: c_int,
    events: i16,
    revents: i16,
}

impl Item {
    fn of(socket: *mut c_void) -> Item {
        Item {
            socket,
            descriptor: -1,
            events: POLLIN,
            revents: 0,
        }
    }
}

/// Waits for the items as long as it takes.
fn poll(items: &mut [Item]) -> c_int {
    // SAFETY: so many items, whose sockets are handles of ours.
    unsafe { zmq_poll(items.as_mut_ptr().cast(), items.len() as c_int, -1) }
}

/// Handles of one test, which may go to another thread: only that one uses them then.
struct Stage {
    context: *mut c_void,
    sockets: Vec<*mut c_void>,
}

// SAFETY: any thread may use a handle.
unsafe impl Send for Stage {}

impl Stage {
    fn new(kinds: &[c_int]) -> Stage {
        let context = zmq_ctx_new();
        // SAFETY: the context is open.
        let open = |kind: &c_int| unsafe {
            let socket = zmq_socket(context, *kind);
            let nothing: c_int = 0;
            let at = (&raw const nothing).cast();
            assert_eq!(zmq_setsockopt(socket, LINGER, at, size_of::<c_int>()), 0);
            socket
        };
        Stage {
            context,
            sockets: kinds.iter().map(open).collect(),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // SAFETY: handles of ours.
        unsafe {
            for socket in self.sockets.drain(..) {
                assert_eq!(zmq_close(socket), 0);
            }
            assert_eq!(zmq_ctx_term(self.context), 0);
        }
    }
}

extern "C" fn heed(_signal: c_int) {}

/// A call fails with EINTR, once its thread gets a signal while it waits. `call` answers as C does.
fn is_interrupted(kinds: &[c_int], call: fn(&Stage) -> c_int) {
    static HANDLER: Once = Once::new();
    // SAFETY: a handler that does nothing, for a signal that nobody else here uses; no SA_RESTART.
    HANDLER.call_once(|| unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = heed as extern "C" fn(c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()), 0);
    });
    let stage = Stage::new(kinds);
    let (tell, told) = mpsc::channel();
    let caller = thread::spawn(move || {
        // SAFETY: it asks for this thread's own name.
        tell.send(Err(unsafe { libc::pthread_self() }))
            .expect("somebody listens");
        let answer = call(&stage);
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
            Err(RecvTimeoutError::Timeout) => assert!(begun.elapsed() < SOON, "it waits on"),
            Err(RecvTimeoutError::Disconnected) => break (0, 0),
        }
    };
    caller.join().expect("the call");
    assert_eq!(answer, (-1, libc::EINTR));
}

#[test]
fn a_signal_ends_receiving() {
    // SAFETY: a handle of ours, and no room is needed for a message that is cut to nothing.
    is_interrupted(&[PULL], |stage| unsafe {
        zmq_recv(stage.sockets[0], ptr::null_mut(), 0, 0)
    });
}

#[test]
fn a_signal_ends_sending() {
    // SAFETY: a handle of ours; there is no peer.
    is_interrupted(&[PUSH], |stage| unsafe {
        zmq_send(stage.sockets[0], ptr::null(), 0, 0)
    });
}

#[test]
fn a_signal_ends_polling_one_socket() {
    is_interrupted(&[PULL], |stage| poll(&mut [Item::of(stage.sockets[0])]));
}

#[test]
fn a_signal_ends_polling_several() {
    is_interrupted(&[PULL, PULL], |stage| {
        poll(&mut [Item::of(stage.sockets[0]), Item::of(stage.sockets[1])])
    });
}

#[test]
fn a_signal_ends_polling_nothing() {
    is_interrupted(&[], |_| poll(&mut []));
}

#[test]
fn a_signal_ends_a_proxy() {
    // SAFETY: handles of ours.
    is_interrupted(&[PULL, PUSH], |stage| unsafe {
        zmq_proxy(stage.sockets[0], stage.sockets[1], ptr::null_mut())
    });
}

#[test]
fn a_socket_and_its_own_descriptor_are_polled_together() {
    let stage = Stage::new(&[PULL, PUSH]);
    let [pull, push] = stage.sockets[..] else {
        panic!("two sockets")
    };
    let at = CString::new("inproc://beside").expect("no zero in it");
    let (mut descriptor, mut size) = (-1, size_of::<c_int>());
    // SAFETY: handles of ours, a C string, and room for an int.
    unsafe {
        assert_eq!(zmq_bind(pull, at.as_ptr()), 0);
        assert_eq!(zmq_connect(push, at.as_ptr()), 0);
        let place = (&raw mut descriptor).cast();
        assert_eq!(zmq_getsockopt(pull, FD, place, &mut size), 0);
        assert_eq!(zmq_send(push, b"news".as_ptr().cast(), 4, 0), 4);
    }
    let mut items = [
        Item::of(pull),
        Item {
            descriptor,
            ..Item::of(ptr::null_mut())
        },
    ];
    assert_eq!(poll(&mut items), 2);
    assert_eq!(items.map(|item| item.revents), [POLLIN, POLLIN]);
}
