//! Octets that programs lend: given back once, not before nobody needs them, and where what is done
//! then may call whatever it likes.

mod common;

use std::{
    ffi::{c_int, c_void},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use common::*;
use zmq::*;

const SNDHWM: c_int = 23;
const RECONNECT_IVL: c_int = 18;
const CONFLATE: c_int = 54;
const ROUTER_MANDATORY: c_int = 33;

/// Sizes on both sides of each border: in a message, in a frame, copied, written where they lie.
const SIZES: [usize; 7] = [0, 5, 48, 64, 65, 1000, 9000];

/// A loan, and what is done when it comes back.
struct Loan {
    octets: Vec<u8>,
    back: Mutex<u32>,
    told: Condvar,
    then: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

/// # Safety
/// `hint` points to a loan that is still kept, and `data` to its octets.
unsafe extern "C" fn give_back(data: *mut c_void, hint: *mut c_void) {
    // SAFETY: the caller says so.
    let loan = unsafe { &*hint.cast::<Loan>() };
    assert_eq!(data.cast_const(), loan.octets.as_ptr().cast());
    let then = loan.then.lock().expect("nobody panicked").take();
    if let Some(then) = then {
        then();
    }
    *loan.back.lock().expect("nobody panicked") += 1;
    loan.told.notify_all();
}

impl Loan {
    fn of(size: usize) -> Arc<Loan> {
        Arc::new(Loan {
            octets: vec![7; size],
            back: Mutex::new(0),
            told: Condvar::new(),
            then: Mutex::new(None),
        })
    }

    fn then(self: &Arc<Loan>, then: impl FnOnce() + Send + 'static) {
        *self.then.lock().expect("nobody panicked") = Some(Box::new(then));
    }

    fn message(self: &Arc<Loan>) -> Box<Part> {
        let mut part = part();
        let (data, size) = (self.octets.as_ptr().cast_mut().cast(), self.octets.len());
        let hint = Arc::as_ptr(self).cast_mut().cast();
        // SAFETY: an empty message, and octets that stay until they are given back.
        let made = unsafe { zmq_msg_init_data(&mut *part, data, size, Some(give_back), hint) };
        assert_eq!(made, 0);
        part
    }

    fn send(self: &Arc<Loan>, socket: *mut c_void) {
        let size = self.octets.len() as c_int;
        // SAFETY: a message and a handle.
        let sent = unsafe { zmq_msg_send(&mut *self.message(), socket, 0) };
        assert_eq!(sent, size, "errno {}", zmq_errno());
    }

    /// How often it came back.
    fn back(&self) -> u32 {
        *self.back.lock().expect("nobody panicked")
    }

    /// Waits until it is back.
    #[track_caller]
    fn comes_back(&self) {
        let back = self.back.lock().expect("nobody panicked");
        let guard = Duration::from_secs(20);
        let (back, _) = self
            .told
            .wait_timeout_while(back, guard, |back| *back == 0)
            .expect("nobody panicked");
        assert_eq!(*back, 1, "of {} octets", self.octets.len());
    }
}

/// An endpoint where nobody is.
fn nowhere(test: &str) -> String {
    let name = format!("hubless-lending-{}-{test}", std::process::id());
    format!("ipc://{}", std::env::temp_dir().join(name).display())
}

/// Sends this on the socket, without waiting.
fn again(socket: *mut c_void) -> impl FnOnce() + Send + 'static {
    let socket = Handle(socket);
    move || {
        let socket = socket;
        send(socket.0, "again", DONTWAIT);
    }
}

/// Receives a part and keeps nothing of it. Answers how many octets it had.
fn skip(socket: *mut c_void) -> c_int {
    // SAFETY: a handle, and no room.
    unsafe { zmq_recv(socket, std::ptr::null_mut(), 0, 0) }
}

/// Closes this message.
fn closing(message: Box<Part>) -> impl FnOnce() + Send + 'static {
    let message = Handle(Box::into_raw(message).cast());
    move || {
        let message = message;
        // SAFETY: it was a box just now, and nobody else has it.
        let mut message = unsafe { Box::from_raw(message.0.cast::<Part>()) };
        // SAFETY: a message.
        assert_eq!(unsafe { zmq_msg_close(&mut *message) }, 0);
    }
}

#[test]
fn what_waits_for_a_peer_is_not_given_back() {
    let mut stage = Stage::new();
    let [push, pull] = [PUSH, PULL].map(|kind| stage.socket(kind));
    assert_eq!(set(push, RECONNECT_IVL, 5), 0);
    let place = nowhere("waits");
    assert_eq!(connect(push, &place), 0);
    let loans = SIZES.map(Loan::of);
    for loan in &loans {
        loan.send(push);
    }
    // One that the program holds as well.
    let held = Loan::of(5);
    let (mut message, mut copy) = (held.message(), part());
    // SAFETY: messages and a handle.
    unsafe {
        assert_eq!(zmq_msg_copy(&mut *copy, &mut *message), 0);
        assert_eq!(zmq_msg_send(&mut *copy, push, 0), 5);
    }
    assert!(loans.iter().all(|loan| loan.back() == 0));
    assert_eq!(bind(pull, &place), 0);
    let mut heard = part();
    for loan in &loans {
        // SAFETY: a message and a handle.
        let size = unsafe { zmq_msg_recv(&mut *heard, pull, 0) };
        assert_eq!(size, loan.octets.len() as c_int);
        assert_eq!(octets_of(&mut heard), loan.octets);
        loan.comes_back();
    }
    assert_eq!(recv(pull, 0), Ok(vec![7; 5]));
    assert_eq!(held.back(), 0);
    // SAFETY: messages.
    assert_eq!(unsafe { zmq_msg_close(&mut *message) }, 0);
    held.comes_back();
    // SAFETY: a message.
    assert_eq!(unsafe { zmq_msg_close(&mut *heard) }, 0);
}

#[test]
fn who_receives_without_a_network_holds_the_same_octets_until_it_closes_them() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    let [last, next] = stage.pair([PULL, PUSH], &inproc());
    for size in SIZES {
        let (loan, mut heard) = (Loan::of(size), part());
        loan.send(push);
        // SAFETY: messages and handles.
        unsafe {
            assert_eq!(zmq_msg_recv(&mut *heard, pull, 0), size as c_int);
            assert_eq!(octets_of(&mut heard), loan.octets);
            assert_eq!(
                zmq_msg_data(&mut *heard),
                loan.octets.as_ptr().cast_mut().cast()
            );
            // Passed on they stay a loan.
            assert_eq!(zmq_msg_send(&mut *heard, next, 0), size as c_int);
            assert_eq!(zmq_msg_recv(&mut *heard, last, 0), size as c_int);
            assert_eq!(loan.back(), 0);
            assert_eq!(zmq_msg_close(&mut *heard), 0);
        }
        assert_eq!(loan.back(), 1);
    }
    // Copied into memory of the receiver's they are needed no more.
    let loan = Loan::of(64);
    loan.send(push);
    assert_eq!(loan.back(), 0);
    assert_eq!((recv(pull, 0), loan.back()), (Ok(vec![7; 64]), 1));
}

#[test]
fn what_nobody_takes_is_back_when_the_context_is_gone() {
    for round in 0..10 {
        let mut stage = Stage::new();
        let [push, publisher] = [PUSH, PUB].map(|kind| stage.socket(kind));
        let [_idle, stuck] = stage.pair([PAIR, PAIR], &inproc());
        assert_eq!(connect(push, &nowhere("gone")), 0);
        let [full, filling] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
        assert_eq!(set(filling, SNDHWM, 0), 0);
        let mut loans = Vec::new();
        for socket in [push, publisher, stuck, filling] {
            loans.extend(SIZES.map(Loan::of).map(|loan| (loan, socket)));
        }
        for (loan, socket) in &loans {
            loan.send(*socket);
        }
        if round % 2 == 1 {
            assert!(skip(full) >= 0);
        }
        // Of a message that never was whole.
        let part = Loan::of(64);
        // SAFETY: a message and a handle.
        let said = unsafe { zmq_msg_send(&mut *part.message(), stuck, SNDMORE) };
        assert_eq!(said, 64);
        assert_eq!(part.back(), 0);
        drop(stage);
        assert_eq!(part.back(), 1);
        let late: Vec<_> = loans.iter().filter(|(loan, _)| loan.back() != 1).collect();
        assert!(
            late.is_empty(),
            "round {round}: {} of {}",
            late.len(),
            loans.len()
        );
    }
}

#[test]
fn what_is_done_then_may_use_the_socket_that_gave_it_back() {
    for size in [5, 1000, 9000] {
        let mut stage = Stage::new();
        let meets = |loan: &Arc<Loan>, socket| {
            loan.then(again(socket));
            loan.send(socket);
        };

        let publisher = stage.socket(PUB);
        let unheard = Loan::of(size);
        meets(&unheard, publisher);
        assert_eq!(unheard.back(), 1, "nobody listens");

        let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
        let written = Loan::of(size);
        meets(&written, push);
        let mut heard = part();
        // SAFETY: a message and a handle.
        let received = unsafe { zmq_msg_recv(&mut *heard, pull, 0) };
        assert_eq!(received, size as c_int);
        assert_eq!(recv(pull, 0), Ok(b"again".to_vec()));
        written.comes_back();

        let [pull, push] = stage.pair([PULL, PUSH], &inproc());
        let received = Loan::of(size);
        meets(&received, push);
        assert!(skip(pull) > 0);
        assert_eq!(received.back(), 1);
        assert_eq!(recv(pull, 0), Ok(b"again".to_vec()));
        let unread = Loan::of(size);
        meets(&unread, push);
        // SAFETY: a handle.
        assert_eq!(unsafe { zmq_close(pull) }, 0);
        assert_eq!(unread.back(), 1, "whoever should have read it has closed");

        let push = stage.socket(PUSH);
        assert_eq!(set(push, CONFLATE, 1), 0);
        assert_eq!(connect(push, &nowhere("conflated")), 0);
        let replaced = Loan::of(size);
        meets(&replaced, push);
        assert_eq!(send(push, "newer", 0), 5);
        assert_eq!(replaced.back(), 1);

        let router = stage.socket(ROUTER);
        assert_eq!(set(router, ROUTER_MANDATORY, 0), 0);
        let unroutable = Loan::of(size);
        assert_eq!(send(router, "nobody", SNDMORE), 6);
        meets(&unroutable, router);
        assert_eq!(unroutable.back(), 1);

        let push = stage.socket(PUSH);
        assert_eq!(connect(push, &nowhere("left")), 0);
        let dropped = Loan::of(size);
        meets(&dropped, push);
        let place = std::ffi::CString::new(nowhere("left")).expect("no zero in it");
        // SAFETY: a handle and a C string.
        assert_eq!(unsafe { zmq_disconnect(push, place.as_ptr()) }, 0);
        dropped.comes_back();
        // SAFETY: a message.
        assert_eq!(unsafe { zmq_msg_close(&mut *heard) }, 0);
    }
}

#[test]
fn what_is_done_then_may_close_messages_and_sockets() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], &inproc());
    let (first, second) = (Loan::of(5), Loan::of(5));
    let close_message = closing(second.message());
    let closed = Handle(stage.socket(PUB));
    first.then(move || {
        let closed = closed;
        close_message();
        // SAFETY: a handle.
        assert_eq!(unsafe { zmq_close(closed.0) }, 0);
    });
    first.send(push);
    assert!(skip(pull) > 0);
    assert_eq!((first.back(), second.back()), (1, 1));
    // It comes back where a message is closed as well.
    let (third, fourth) = (Loan::of(500), Loan::of(500));
    third.then(closing(fourth.message()));
    // SAFETY: a message.
    assert_eq!(unsafe { zmq_msg_close(&mut *third.message()) }, 0);
    assert_eq!((third.back(), fourth.back()), (1, 1));
}

#[test]
fn who_waits_gives_back_what_was_written_meanwhile() {
    for size in SIZES {
        let mut stage = Stage::new();
        let [dealer, router] = [DEALER, ROUTER].map(|kind| stage.socket(kind));
        assert_eq!(set(dealer, RECONNECT_IVL, 5), 0);
        let place = nowhere("meanwhile");
        assert_eq!(connect(dealer, &place), 0);
        let loan = Loan::of(size);
        let asked = Handle(dealer);
        thread::scope(|scope| {
            let loan = &loan;
            let answer = scope.spawn(move || {
                let asked = asked;
                loan.send(asked.0);
                recv(asked.0, 0)
            });
            assert_eq!(bind(router, &place), 0);
            let who = recv(router, 0).expect("a name");
            let mut question = part();
            // SAFETY: a message and a handle.
            let received = unsafe { zmq_msg_recv(&mut *question, router, 0) };
            assert_eq!(received, size as c_int);
            // The one who asked waits still.
            loan.comes_back();
            assert_eq!(
                (send(router, who, SNDMORE), send(router, "it is back", 0)),
                (5, 10)
            );
            assert_eq!(answer.join().expect("no panic"), Ok(b"it is back".to_vec()));
            // SAFETY: a message.
            assert_eq!(unsafe { zmq_msg_close(&mut *question) }, 0);
        });
    }
}

#[test]
fn a_proxy_gives_back_what_it_has_passed_on() {
    let mut stage = Stage::new();
    let [front, push] = stage.pair([PULL, PUSH], &inproc());
    let [pull, back] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
    let ends = [front, back].map(Handle);
    let passing = thread::spawn(move || {
        let [front, back] = ends;
        // SAFETY: handles.
        unsafe { zmq_proxy(front.0, back.0, std::ptr::null_mut()) }
    });
    let mut heard = part();
    for size in SIZES {
        let loan = Loan::of(size);
        loan.send(push);
        // SAFETY: a message and a handle.
        assert_eq!(unsafe { zmq_msg_recv(&mut *heard, pull, 0) }, size as c_int);
        loan.comes_back();
    }
    // SAFETY: a message and a context.
    unsafe {
        assert_eq!(zmq_msg_close(&mut *heard), 0);
        assert_eq!(zmq_ctx_shutdown(stage.context), 0);
    }
    assert_eq!(passing.join().expect("no panic"), -1);
}
