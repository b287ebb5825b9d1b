//! The C interface: sequences of calls on handles that are good, stale, NULL or of another kind.
//!
//! Two octets are a call and what it is about, and what follows are its arguments. Wild pointers
//! are excluded, and so is what waits for ever: everything else must answer, with an errno or
//! without. In the end nothing is kept: what was lent has been given back.

mod beside;
mod dice;
mod parts;
mod tools;

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
};

use zmq::*;

use dice::Dice;
use parts::{LENT, Place};

const PLACES: usize = 8;
const PARTS: usize = 4;

/// Options that would take time or other people's descriptors: LINGER, RCVTIMEO, SNDTIMEO (which
/// have a call of their own), SOCKS_PROXY and USE_FD.
const SPARED: [c_int; 5] = [17, 27, 28, 68, 89];
/// What unwinding becomes.
const UNWOUND: c_int = libc::ENOTRECOVERABLE;

/// The program: everything it may hold.
struct Program {
    /// Open, stale, NULL; by the order of their making.
    contexts: [*mut c_void; 2],
    sockets: [*mut c_void; PLACES],
    /// Those that were there before it, which are closed by whoever made them.
    given: [*mut c_void; PLACES],
    timers: *mut c_void,
    stale_timers: *mut c_void,
    parts: [Place; PARTS],
    /// How often its timers were called.
    count: u64,
    /// Nobody else uses its sockets: it may end contexts, and begin threads.
    alone: bool,
    received: usize,
}

// SAFETY: its messages and timers are its own, and the library judges what comes to a handle from
// two threads at a time.
unsafe impl Send for Program {}

/// No call unwinds.
fn judge<T: PartialEq>(answer: T, failure: T) -> T {
    if answer == failure {
        assert_ne!(zmq_errno(), UNWOUND, "it unwound");
    }
    answer
}

fn ok(answer: c_int) -> c_int {
    judge(answer, -1)
}

/// # Safety
/// It has what it was made with.
unsafe extern "C" fn due(_: c_int, count: *mut c_void) {
    // SAFETY: timers are added with the place of a number.
    unsafe { *count.cast::<u64>() += 1 };
}

impl Program {
    /// A socket's handle, or something else that has been a handle once.
    fn socket(&self, dice: &mut Dice<'_>) -> *mut c_void {
        match dice.octet() {
            250 => ptr::null_mut(),
            251 => self.contexts[0],
            252 => self.timers,
            place => self.sockets[usize::from(place) % PLACES],
        }
    }

    fn context(&self, dice: &mut Dice<'_>) -> *mut c_void {
        match dice.octet() {
            250 => ptr::null_mut(),
            251 => self.sockets[0],
            place => self.contexts[usize::from(place) % 2],
        }
    }

    fn timers(&self, dice: &mut Dice<'_>) -> *mut c_void {
        match dice.octet() {
            250 => ptr::null_mut(),
            251 => self.contexts[0],
            place if place % 8 == 0 => self.stale_timers,
            _ => self.timers,
        }
    }

    fn new(contexts: [*mut c_void; 2], sockets: [*mut c_void; PLACES], alone: bool) -> Program {
        Program {
            contexts,
            sockets,
            given: sockets,
            timers: zmq_timers_new(),
            stale_timers: ptr::null_mut(),
            parts: [const { Place::new() }; PARTS],
            count: 0,
            alone,
            received: 0,
        }
    }

    /// Some calls, until there is nothing left to say.
    ///
    /// # Safety
    /// Its handles were given by the library; its parts were zeroed, or made.
    unsafe fn play(&mut self, dice: &mut Dice<'_>) {
        let mut calls = 0;
        while !dice.0.is_empty() && calls < 200 {
            // SAFETY: the same as ours.
            unsafe { self.call(dice) };
            calls += 1;
        }
    }

    /// One call.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn call(&mut self, dice: &mut Dice<'_>) {
        let flags = c_int::from(dice.octet() & 7);
        // SAFETY: the handles are NULL or the library's, parts are in our own memory, and whatever
        // is read or written is as large as is said.
        unsafe {
            match dice.octet() {
                238..=240 => self.beside(dice),
                241..=243 => self.proxy(dice),
                244..=246 => self.secure(dice),
                247..=249 => self.look_at_descriptors(dice),
                250..=252 => tools::use_some(dice),
                call => self.plain_call(call % 34, dice, flags),
            }
        }
    }

    /// A call of one thread.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn plain_call(&mut self, call: u8, dice: &mut Dice<'_>, flags: c_int) {
        // SAFETY: as in `call`.
        unsafe {
            match call {
                0..=2 => {
                    let place = dice.below(PLACES);
                    ok(zmq_close(self.sockets[place]));
                    let kind = c_int::from(dice.octet() % 13);
                    let context = self.context(dice);
                    let socket = judge(zmq_socket(context, kind), ptr::null_mut());
                    self.keep(place, socket);
                }
                3 => {
                    ok(zmq_close(self.socket(dice)));
                }
                4 | 5 => {
                    ok(zmq_bind(self.socket(dice), dice.endpoint().as_ptr()));
                }
                6 | 7 => {
                    ok(zmq_connect(self.socket(dice), dice.endpoint().as_ptr()));
                }
                8 => {
                    ok(zmq_unbind(self.socket(dice), dice.endpoint().as_ptr()));
                }
                9 => {
                    ok(zmq_disconnect(self.socket(dice), dice.endpoint().as_ptr()));
                }
                10 => self.connect_to(dice),
                11 | 12 => self.set_option(dice),
                13 => {
                    let mut value = [0_u8; 300];
                    let mut size = dice.below(301).min(300);
                    let option = c_int::from(dice.octet());
                    let place = value.as_mut_ptr().cast();
                    ok(zmq_getsockopt(self.socket(dice), option, place, &mut size));
                }
                14 => {
                    let option = [17, 27, 28][dice.below(3)];
                    set(self.socket(dice), option, c_int::from(dice.octet() % 4));
                }
                15..=26 => self.pass(call, dice, flags),
                27 => self.poll(dice),
                28 => {
                    let mask = c_int::from(dice.octet()) << (flags * 2);
                    let address = dice.endpoint();
                    let address = if flags == 7 {
                        ptr::null()
                    } else {
                        address.as_ptr()
                    };
                    ok(zmq_socket_monitor(self.socket(dice), address, mask));
                }
                29 => self.vectors(dice, flags),
                30 => {
                    let (option, value) = (c_int::from(dice.octet() % 80), dice.number());
                    let context = self.context(dice);
                    // Priorities and processors are the machine's matter.
                    if !matches!(option, 3 | 4 | 7) {
                        ok(zmq_ctx_set(context, option, value));
                    }
                    zmq_ctx_get(context, option);
                }
                31 => self.end_context(dice, flags),
                32 => self.time(dice),
                _ => tools::keys(dice),
            }
        }
    }

    /// Whatever waits does so for a millisecond.
    fn keep(&mut self, place: usize, socket: *mut c_void) {
        if !socket.is_null() {
            self.sockets[place] = socket;
            for option in [17, 27, 28] {
                set(socket, option, 1);
            }
        }
    }

    /// Begins with sockets that fit each other: two in the process, two over tcp.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn begin(&mut self, kinds: u8) {
        // PAIR, PUB and SUB, XPUB and XSUB, REQ and REP, DEALER and ROUTER, PUSH and PULL, STREAM
        let pairs = [
            [0, 0],
            [1, 2],
            [9, 10],
            [3, 4],
            [5, 6],
            [8, 7],
            [6, 6],
            [11, 11],
        ];
        let kinds = [
            pairs[usize::from(kinds & 7)],
            pairs[usize::from(kinds >> 3 & 7)],
        ];
        for (number, at) in [c"inproc://a", c"tcp://127.0.0.1:*"].iter().enumerate() {
            let [bound, connected] = [number * 2, number * 2 + 1];
            // SAFETY: as in `call`.
            unsafe {
                for (place, kind) in [bound, connected].into_iter().zip(kinds[number]) {
                    let socket = judge(zmq_socket(self.contexts[0], kind), ptr::null_mut());
                    self.keep(place, socket);
                    if kind == 2 {
                        ok(zmq_setsockopt(socket, 6, ptr::null(), 0));
                    }
                }
                join(self.sockets[bound], self.sockets[connected], at);
            }
        }
    }

    /// To wherever another socket was bound last.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn connect_to(&mut self, dice: &mut Dice<'_>) {
        let mut endpoint = [0 as c_char; 300];
        let mut size = endpoint.len();
        // SAFETY: as in `call`.
        unsafe {
            let place = endpoint.as_mut_ptr();
            if ok(zmq_getsockopt(
                self.socket(dice),
                32,
                place.cast(),
                &mut size,
            )) == 0
            {
                let socket = self.socket(dice);
                match dice.octet() % 4 {
                    0 => ok(zmq_unbind(socket, place)),
                    1 => ok(zmq_disconnect(socket, place)),
                    _ => ok(zmq_connect(socket, place)),
                };
            }
        }
    }

    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn set_option(&mut self, dice: &mut Dice<'_>) {
        let option = c_int::from(dice.octet());
        if SPARED.contains(&option) {
            return;
        }
        let socket = self.socket(dice);
        let octets = match dice.octet() % 4 {
            0 => dice.octets(50).to_vec(),
            1 => i64::from(dice.number()).to_ne_bytes().to_vec(),
            _ => dice.number().to_ne_bytes().to_vec(),
        };
        // SAFETY: as in `call`.
        unsafe {
            match octets.is_empty() && dice.octet() & 1 == 1 {
                true => ok(zmq_setsockopt(socket, option, ptr::null(), 0)),
                false => ok(zmq_setsockopt(
                    socket,
                    option,
                    octets.as_ptr().cast(),
                    octets.len(),
                )),
            };
        }
    }

    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn poll(&mut self, dice: &mut Dice<'_>) {
        let count = dice.below(4);
        let mut items: Vec<Item> = (0..count)
            .map(|_| Item {
                socket: self.socket(dice),
                descriptor: -1,
                events: i16::from(dice.octet() & 15),
                revents: 0,
            })
            .collect();
        let timeout = i64::from(dice.octet() % 3);
        // SAFETY: as in `call`; an item is what the library has, too.
        unsafe {
            ok(zmq_poll(
                items.as_mut_ptr().cast(),
                count as c_int,
                timeout as _,
            ))
        };
    }

    /// Sockets, and the descriptors that tell of them.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn look_at_descriptors(&mut self, dice: &mut Dice<'_>) {
        let mut items = Vec::new();
        for _ in 0..dice.below(4) {
            let socket = self.socket(dice);
            let (mut descriptor, mut size) = (-1, size_of::<c_int>());
            // SAFETY: as in `call`.
            unsafe {
                let place = (&raw mut descriptor).cast();
                ok(zmq_getsockopt(socket, 14, place, &mut size));
            }
            items.push(Item {
                socket: [socket, ptr::null_mut()][dice.below(2)],
                descriptor,
                events: i16::from(dice.octet() & 15),
                revents: 0,
            });
        }
        let (place, count) = (items.as_mut_ptr(), items.len());
        // SAFETY: as in `poll`.
        unsafe { ok(zmq_poll(place.cast(), count as c_int, 1)) };
    }

    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn end_context(&mut self, dice: &mut Dice<'_>, flags: c_int) {
        // SAFETY: as in `call`.
        unsafe {
            if flags & 3 != 0 {
                ok(zmq_ctx_shutdown(self.context(dice)));
                return;
            }
            if !self.alone {
                return;
            }
            self.end();
            let place = dice.below(2);
            let ways = [zmq_ctx_term, zmq_term, zmq_ctx_destroy];
            end_of(self.contexts[place], ways[dice.below(3)]);
            if dice.octet() & 1 == 0 {
                self.contexts[place] =
                    judge(zmq_init(c_int::from(dice.octet() % 4)), ptr::null_mut());
            }
        }
    }

    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn time(&mut self, dice: &mut Dice<'_>) {
        let place: *mut c_void = (&raw mut self.count).cast();
        let id = c_int::from(dice.octet() % 6);
        let timers = self.timers(dice);
        // SAFETY: as in `call`.
        unsafe {
            match dice.octet() % 8 {
                0 => {
                    let interval = [0, 1, usize::MAX][dice.below(3)];
                    ok(zmq_timers_add(timers, interval, Some(due), place));
                }
                1 => {
                    ok(zmq_timers_cancel(timers, id));
                }
                2 => {
                    ok(zmq_timers_set_interval(timers, id, dice.below(3)));
                }
                3 => {
                    ok(zmq_timers_reset(timers, id));
                }
                4 => {
                    zmq_timers_timeout(timers);
                }
                5 if timers == self.timers => {
                    self.stale_timers = self.timers;
                    ok(zmq_timers_destroy(&mut self.timers));
                    self.timers = zmq_timers_new();
                }
                _ => {
                    ok(zmq_timers_execute(timers));
                }
            }
        }
    }

    /// Ends what is nobody else's.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn put_away(&mut self) {
        // SAFETY: as in `call`.
        unsafe {
            for (socket, given) in self.sockets.iter().zip(self.given) {
                if *socket != given {
                    ok(zmq_close(*socket));
                }
            }
            for part in &mut self.parts {
                zmq_msg_close(part.part());
            }
            ok(zmq_timers_destroy(&mut self.timers));
        }
    }

    /// Closes all sockets.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn end(&mut self) {
        for socket in self.sockets {
            // SAFETY: as in `call`.
            unsafe { ok(zmq_close(socket)) };
        }
    }
}

/// `zmq_pollitem_t`.
#[repr(C)]
struct Item {
    socket: *mut c_void,
    descriptor: c_int,
    events: i16,
    revents: i16,
}

/// Has the one bind there, and the other connect to wherever that is.
///
/// # Safety
/// As [`play`](Program::play).
unsafe fn join(bound: *mut c_void, connected: *mut c_void, at: &CStr) {
    let (mut endpoint, mut size) = ([0 as c_char; 300], 300);
    let place = endpoint.as_mut_ptr();
    // SAFETY: as in `call`; an endpoint has less than 300 letters.
    unsafe {
        ok(zmq_bind(bound, at.as_ptr()));
        ok(zmq_getsockopt(bound, 32, place.cast(), &mut size));
        ok(zmq_connect(connected, place));
    }
}

fn set(socket: *mut c_void, option: c_int, value: c_int) {
    // SAFETY: a handle of the library's, and an int.
    unsafe {
        ok(zmq_setsockopt(
            socket,
            option,
            (&raw const value).cast(),
            size_of::<c_int>(),
        ))
    };
}

/// The end of a context, however often a signal comes.
///
/// # Safety
/// The context is NULL, or a handle of the library's whose sockets were closed.
unsafe fn end_of(context: *mut c_void, way: unsafe extern "C" fn(*mut c_void) -> c_int) {
    // SAFETY: the same as ours.
    while ok(unsafe { way(context) }) == -1 && zmq_errno() == libc::EINTR {}
}

/// Makes the calls that these octets say. Answers how many messages, or parts of them, were
/// received.
pub fn run(data: &[u8]) -> usize {
    let mut dice = Dice(data);
    let contexts = [zmq_ctx_new(), zmq_ctx_new()];
    let mut program = Program::new(contexts, [ptr::null_mut(); PLACES], true);
    // SAFETY: what the program holds, it has from the library, or has zeroed.
    unsafe {
        let kinds = dice.octet();
        if kinds < 64 {
            program.begin(kinds);
        }
        program.play(&mut dice);
        program.end();
        for context in program.contexts {
            end_of(context, zmq_ctx_term);
        }
        program.put_away();
    }
    assert_eq!(LENT.count(), 0, "octets that were lent are kept");
    program.received
}
