//! The C functions together: messages, parts, options, polling, the end of a context.

use std::{
    ffi::{CStr, CString, c_int, c_void},
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use zmq::*;

const PAIR: c_int = 0;
const REQ: c_int = 3;
const REP: c_int = 4;
const DEALER: c_int = 5;
const ROUTER: c_int = 6;
const PULL: c_int = 7;
const PUSH: c_int = 8;

const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;

/// A context and its sockets, closed in the end.
struct Stage {
    context: *mut c_void,
    sockets: Vec<*mut c_void>,
}

impl Stage {
    fn new() -> Stage {
        Stage {
            context: zmq_ctx_new(),
            sockets: Vec::new(),
        }
    }

    /// Two sockets, the first bound and the second connected.
    fn pair(&mut self, kinds: [c_int; 2], name: &str) -> [*mut c_void; 2] {
        let at = CString::new(format!("inproc://{name}")).expect("no zero in it");
        // SAFETY: the context is open, and the text a C string.
        unsafe {
            let [bound, connected] = kinds.map(|kind| zmq_socket(self.context, kind));
            assert_eq!(zmq_bind(bound, at.as_ptr()), 0);
            assert_eq!(zmq_connect(connected, at.as_ptr()), 0);
            self.sockets.extend([bound, connected]);
            [bound, connected]
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // SAFETY: handles of ours.
        unsafe {
            for socket in &self.sockets {
                zmq_close(*socket);
            }
            assert_eq!(zmq_ctx_term(self.context), 0);
        }
    }
}

fn send(socket: *mut c_void, text: &str, flags: c_int) -> c_int {
    // SAFETY: a handle of ours, and octets that can be read.
    unsafe { zmq_send(socket, text.as_ptr().cast(), text.len(), flags) }
}

fn recv(socket: *mut c_void, flags: c_int) -> Result<String, c_int> {
    let mut place = [0_u8; 256];
    // SAFETY: a handle of ours, and octets that can be written.
    let size = unsafe { zmq_recv(socket, place.as_mut_ptr().cast(), place.len(), flags) };
    match usize::try_from(size) {
        Ok(size) => Ok(String::from_utf8_lossy(&place[..size]).into_owned()),
        Err(_) => Err(zmq_errno()),
    }
}

fn option(socket: *mut c_void, number: c_int) -> c_int {
    let (mut value, mut size) = (0, size_of::<c_int>());
    // SAFETY: a handle of ours, and room for an int.
    let rc = unsafe { zmq_getsockopt(socket, number, (&raw mut value).cast(), &mut size) };
    assert_eq!(rc, 0, "option {number}");
    value
}

fn set(socket: *mut c_void, number: c_int, value: c_int) -> c_int {
    // SAFETY: a handle of ours, and an int.
    unsafe {
        zmq_setsockopt(
            socket,
            number,
            (&raw const value).cast(),
            size_of::<c_int>(),
        )
    }
}

fn a_part() -> Box<Part> {
    let mut part = Box::new(MaybeUninit::<Part>::uninit());
    // SAFETY: a place of the right size, which is a part afterwards.
    unsafe {
        assert_eq!(zmq_msg_init(part.as_mut_ptr()), 0);
        part.assume_init()
    }
}

#[test]
fn parts_of_a_message_arrive_together() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], "parts");
    assert_eq!(send(push, "one", SNDMORE), 3);
    assert_eq!(recv(pull, DONTWAIT), Err(libc::EAGAIN));
    assert_eq!(send(push, "three", 0), 5);
    assert_eq!(recv(pull, 0).as_deref(), Ok("one"));
    assert_eq!(option(pull, 13), 1);
    assert_eq!(recv(pull, 0).as_deref(), Ok("three"));
    assert_eq!(option(pull, 13), 0);
}

#[test]
fn a_request_goes_through_a_router_by_hand() {
    let mut stage = Stage::new();
    let [router, req] = stage.pair([ROUTER, REQ], "by-hand");
    assert_eq!(send(req, "question", 0), 8);
    assert_eq!(send(req, "again", 0), -1);
    assert_eq!(zmq_errno(), 156_384_763);
    let mut parts = Vec::new();
    loop {
        let mut part = a_part();
        // SAFETY: a part and handles of ours.
        unsafe {
            assert!(zmq_msg_recv(&mut *part, router, 0) >= 0);
            let more = zmq_msg_more(&*part);
            parts.push(part);
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
    assert_eq!(recv(req, 0).as_deref(), Ok("answer"));
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
    let [pull, push] = stage.pair([PULL, PUSH], "lent");
    let (mut lent, mut copy) = (a_part(), a_part());
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
        assert_eq!(zmq_msg_recv(&mut *copy, pull, 0), -1);
        assert_eq!(zmq_errno(), libc::EFAULT, "it was closed");
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
    let [pull, push] = stage.pair([PULL, PUSH], "senseless");
    let failed = |rc: c_int, errno: c_int| {
        assert_eq!((rc, zmq_errno()), (-1, errno));
    };
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
        assert!(zmq_socket(stage.context, 99).is_null());
        assert_eq!(zmq_errno(), libc::EINVAL);
        let closed = zmq_socket(stage.context, PAIR);
        assert_eq!(zmq_close(closed), 0);
        failed(zmq_close(closed), libc::ENOTSOCK);
        failed(send(closed, "x", 0), libc::ENOTSOCK);
        let text = CStr::from_ptr(zmq_strerror(156_384_765));
        assert_eq!(text, c"Context was terminated");
    }
}

#[test]
fn a_context_that_ends_ends_calls() {
    let mut stage = Stage::new();
    let [rep, _req] = stage.pair([REP, REQ], "ends");
    let (context, socket) = (stage.context as usize, rep as usize);
    let waits = std::thread::spawn(move || recv(socket as *mut c_void, 0));
    // SAFETY: a handle of ours.
    unsafe { assert_eq!(zmq_ctx_shutdown(context as *mut c_void), 0) };
    let eterm = 156_384_765;
    assert_eq!(waits.join().expect("no panic"), Err(eterm));
    assert_eq!(recv(rep, 0), Err(eterm));
    assert_eq!((send(rep, "x", 0), zmq_errno()), (-1, eterm));
    // SAFETY: a handle of ours.
    unsafe {
        assert!(zmq_socket(context as *mut c_void, PAIR).is_null());
        assert_eq!(zmq_errno(), eterm);
    }
}

#[test]
fn defaults_are_those_that_programs_know() {
    let mut stage = Stage::new();
    let [router, _] = stage.pair([ROUTER, DEALER], "defaults");
    for (number, value) in [(17, -1), (23, 1000), (24, 1000), (18, 100), (66, 30_000)] {
        assert_eq!(option(router, number), value, "option {number}");
    }
    assert_eq!(set(router, 23, 0), 0);
    assert_eq!(option(router, 23), 0);
    assert_eq!(option(router, 81), 0);
    assert_eq!(send(router, "nobody", SNDMORE), 6);
    assert_eq!(send(router, "dropped", 0), 7);
}
