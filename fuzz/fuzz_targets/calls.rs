//! The C interface: sequences of calls on handles that are good, stale, NULL or of another kind.
//!
//! Two octets are a call and what it is about, and what follows are its arguments. Wild pointers are
//! excluded, and so is what waits for ever: everything else must answer, with an errno or without.
#![no_main]

use std::{
    ffi::{CString, c_char, c_int, c_void},
    ptr,
};

use libfuzzer_sys::fuzz_target;
use zmq::*;

const PLACES: usize = 8;
const PARTS: usize = 4;

/// Options that would take time or other people's descriptors: LINGER, RCVTIMEO, SNDTIMEO (which have
/// a call of their own), SOCKS_PROXY and USE_FD.
const SPARED: [c_int; 5] = [17, 27, 28, 68, 89];
/// What unwinding becomes.
const UNWOUND: c_int = libc::ENOTRECOVERABLE;

static STAYS: [u8; 300] = [b'c'; 300];

/// A `zmq_msg_t` of the program's.
#[repr(C, align(8))]
struct Place([u8; 64]);

impl Place {
    fn part(&mut self) -> *mut Part {
        ptr::from_mut(self).cast()
    }
}

/// What the octets say, one after the other; none is left in the end.
struct Dice<'a>(&'a [u8]);

impl<'a> Dice<'a> {
    fn octet(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.octet()) % end
    }

    fn octets(&mut self, most: usize) -> &'a [u8] {
        let count = self.below(most + 1).min(self.0.len());
        let (now, later) = self.0.split_at(count);
        self.0 = later;
        now
    }

    fn number(&mut self) -> c_int {
        match self.octet() {
            255 => c_int::MAX,
            254 => c_int::MIN,
            253 => 65_536,
            small => c_int::from(small) - 2,
        }
    }

    /// An endpoint that needs no network but the machine's own, and no names.
    fn endpoint(&mut self) -> CString {
        let schemes = ["inproc://", "inproc://", "tcp://127.0.0.1:", "ipc://@hubless-calls-", "ipc://", "", "udp://"];
        let scheme = schemes[self.below(schemes.len())];
        let common = ["a", "b", "*", "zeromq.zap.01", "m", "!"];
        let text = match self.below(common.len() + 1) {
            known if known < common.len() => common[known].to_owned(),
            _ if scheme == "ipc://" => "/nowhere/at/all".to_owned(),
            _ => self.octets(20).iter().map(|octet| char::from(octet % 127)).collect(),
        };
        let text: String = text.chars().filter(|letter| *letter != '\0').collect();
        CString::new(format!("{scheme}{text}")).expect("no zero in it")
    }
}

/// The program: everything it may hold.
struct Program {
    /// Open, stale, NULL; by the order of their making.
    contexts: [*mut c_void; 2],
    sockets: [*mut c_void; PLACES],
    timers: *mut c_void,
    stale_timers: *mut c_void,
    parts: [Place; PARTS],
}

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
unsafe extern "C" fn give_back(data: *mut c_void, hint: *mut c_void) {
    // SAFETY: it is the box that was lent, and its size; a second time would be seen.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(data.cast::<u8>(), hint as usize)) });
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

    /// One call.
    ///
    /// # Safety
    /// Its handles were given by the library; its parts were zeroed, or made.
    unsafe fn call(&mut self, dice: &mut Dice<'_>, count: &mut u64) {
        let flags = c_int::from(dice.octet() & 7);
        // SAFETY: the handles are NULL or the library's, parts are in our own memory, and whatever is read
        // or written is as large as is said.
        unsafe {
            match dice.octet() % 34 {
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
                    ok(zmq_getsockopt(self.socket(dice), option, value.as_mut_ptr().cast(), &mut size));
                }
                14 => {
                    set(self.socket(dice), [17, 27, 28][dice.below(3)], c_int::from(dice.octet() % 4));
                }
                15..=17 => {
                    let octets = dice.octets(100);
                    ok(zmq_send(self.socket(dice), octets.as_ptr().cast(), octets.len(), flags));
                }
                18 => {
                    let len = dice.below(300);
                    ok(zmq_send_const(self.socket(dice), STAYS.as_ptr().cast(), len, flags));
                }
                19 | 20 => {
                    let mut room = [0_u8; 80];
                    let len = dice.below(81).min(80);
                    ok(zmq_recv(self.socket(dice), room.as_mut_ptr().cast(), len, flags));
                }
                21 | 22 => {
                    let part = self.parts[dice.below(PARTS)].part();
                    match flags & 4 {
                        0 => ok(zmq_msg_send(part, self.socket(dice), flags)),
                        _ => ok(zmq_sendmsg(self.socket(dice), part, flags)),
                    };
                }
                23 => {
                    let part = self.parts[dice.below(PARTS)].part();
                    match flags & 4 {
                        0 => ok(zmq_msg_recv(part, self.socket(dice), flags)),
                        _ => ok(zmq_recvmsg(self.socket(dice), part, flags)),
                    };
                }
                24 => self.make_part(dice),
                25 => self.look_at_part(dice),
                26 => {
                    let (to, from) = (dice.below(PARTS), dice.below(PARTS));
                    let (to, from) = (self.parts[to].part(), self.parts[from].part());
                    match flags & 1 {
                        0 => ok(zmq_msg_copy(to, from)),
                        _ => ok(zmq_msg_move(to, from)),
                    };
                }
                27 => self.poll(dice),
                28 => {
                    let mask = c_int::from(dice.octet()) << (flags * 2);
                    let address = dice.endpoint();
                    let address = if flags == 7 { ptr::null() } else { address.as_ptr() };
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
                32 => self.time(dice, count),
                _ => keys(dice),
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
    /// As [`call`](Program::call).
    unsafe fn begin(&mut self, kinds: u8) {
        // PAIR, PUB and SUB, XPUB and XSUB, REQ and REP, DEALER and ROUTER, PUSH and PULL, STREAM
        let pairs = [[0, 0], [1, 2], [9, 10], [3, 4], [5, 6], [8, 7], [6, 6], [11, 11]];
        let kinds = [pairs[usize::from(kinds & 7)], pairs[usize::from(kinds >> 3 & 7)]];
        for (number, at) in [c"inproc://a", c"tcp://127.0.0.1:*"].iter().enumerate() {
            let [bound, connected] = [number * 2, number * 2 + 1];
            // SAFETY: as in `call`; an endpoint has less than 300 letters.
            unsafe {
                for (place, kind) in [bound, connected].into_iter().zip(kinds[number]) {
                    let socket = judge(zmq_socket(self.contexts[0], kind), ptr::null_mut());
                    self.keep(place, socket);
                    if kind == 2 {
                        ok(zmq_setsockopt(socket, 6, ptr::null(), 0));
                    }
                }
                let (mut endpoint, mut size) = ([0 as c_char; 300], 300);
                ok(zmq_bind(self.sockets[bound], at.as_ptr()));
                ok(zmq_getsockopt(self.sockets[bound], 32, endpoint.as_mut_ptr().cast(), &mut size));
                ok(zmq_connect(self.sockets[connected], endpoint.as_ptr()));
            }
        }
    }

    /// To wherever another socket was bound last.
    ///
    /// # Safety
    /// As [`call`](Program::call).
    unsafe fn connect_to(&mut self, dice: &mut Dice<'_>) {
        let mut endpoint = [0 as c_char; 300];
        let mut size = endpoint.len();
        // SAFETY: as in `call`.
        unsafe {
            let place = endpoint.as_mut_ptr();
            if ok(zmq_getsockopt(self.socket(dice), 32, place.cast(), &mut size)) == 0 {
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
    /// As [`call`](Program::call).
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
                false => ok(zmq_setsockopt(socket, option, octets.as_ptr().cast(), octets.len())),
            };
        }
    }

    /// # Safety
    /// As [`call`](Program::call).
    unsafe fn make_part(&mut self, dice: &mut Dice<'_>) {
        let part = self.parts[dice.below(PARTS)].part();
        // SAFETY: as in `call`. What was there is released first.
        unsafe {
            zmq_msg_close(part);
            match dice.octet() % 4 {
                0 => ok(zmq_msg_init(part)),
                1 => ok(zmq_msg_init_size(part, usize::MAX)),
                2 => {
                    let size = dice.below(256) * dice.below(64);
                    let made = ok(zmq_msg_init_size(part, size));
                    zmq_msg_data(part).cast::<u8>().write_bytes(b'x', size);
                    made
                }
                _ => {
                    let lent: Box<[u8]> = dice.octets(200).into();
                    let size = lent.len();
                    let place = Box::into_raw(lent).cast();
                    ok(zmq_msg_init_data(part, place, size, Some(give_back), size as *mut c_void))
                }
            };
        }
    }

    /// # Safety
    /// As [`call`](Program::call).
    unsafe fn look_at_part(&mut self, dice: &mut Dice<'_>) {
        let part = self.parts[dice.below(PARTS)].part();
        let names = [c"Socket-Type", c"Identity", c"Routing-Id", c"Peer-Address", c"User-Id", c"X-a", c"__fd", c""];
        // SAFETY: as in `call`; what is told is text.
        unsafe {
            let (place, size) = (zmq_msg_data(part).cast::<u8>(), zmq_msg_size(part));
            let sum = (0..size).fold(0_u8, |sum, at| sum.wrapping_add(*place.add(at)));
            std::hint::black_box(sum);
            zmq_msg_more(part);
            ok(zmq_msg_get(part, c_int::from(dice.octet() % 5)));
            ok(zmq_msg_set(part, 1, 1));
            let text = judge(zmq_msg_gets(part, names[dice.below(names.len())].as_ptr()), ptr::null());
            if !text.is_null() {
                std::hint::black_box(std::ffi::CStr::from_ptr(text).count_bytes());
            }
            if dice.octet() % 4 == 0 {
                ok(zmq_msg_close(part));
            }
        }
    }

    /// # Safety
    /// As [`call`](Program::call).
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
        unsafe { ok(zmq_poll(items.as_mut_ptr().cast(), count as c_int, timeout)) };
    }

    /// # Safety
    /// As [`call`](Program::call).
    unsafe fn vectors(&mut self, dice: &mut Dice<'_>, flags: c_int) {
        let octets = dice.octets(30);
        let socket = self.socket(dice);
        let mut parts = [const { libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 } }; 3];
        // SAFETY: as in `call`; what was received is malloc's.
        unsafe {
            if flags & 4 == 0 {
                for part in &mut parts {
                    part.iov_base = octets.as_ptr().cast_mut().cast();
                    part.iov_len = octets.len();
                }
                ok(zmq_sendiov(socket, parts.as_mut_ptr(), dice.below(4), flags));
                return;
            }
            let mut count = dice.below(4);
            ok(zmq_recviov(socket, parts.as_mut_ptr(), &mut count, flags));
            for part in parts {
                libc::free(part.iov_base);
            }
        }
    }

    /// # Safety
    /// As [`call`](Program::call).
    unsafe fn end_context(&mut self, dice: &mut Dice<'_>, flags: c_int) {
        // SAFETY: as in `call`.
        unsafe {
            if flags & 3 != 0 {
                ok(zmq_ctx_shutdown(self.context(dice)));
                return;
            }
            self.end();
            let place = dice.below(2);
            ok(zmq_ctx_term(self.contexts[place]));
            if dice.octet() & 1 == 0 {
                self.contexts[place] = judge(zmq_init(c_int::from(dice.octet() % 4)), ptr::null_mut());
            }
        }
    }

    /// # Safety
    /// As [`call`](Program::call).
    unsafe fn time(&mut self, dice: &mut Dice<'_>, count: &mut u64) {
        let place: *mut c_void = ptr::from_mut(count).cast();
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

    /// Closes all sockets.
    ///
    /// # Safety
    /// As [`call`](Program::call).
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

fn set(socket: *mut c_void, option: c_int, value: c_int) {
    // SAFETY: a handle of the library's, and an int.
    unsafe { ok(zmq_setsockopt(socket, option, (&raw const value).cast(), size_of::<c_int>())) };
}

fn keys(dice: &mut Dice<'_>) {
    let text = CString::new(dice.octets(60).iter().map(|octet| octet % 127 + 1).collect::<Vec<u8>>()).expect("no zero");
    let (mut octets, mut again) = ([0_u8; 64], [0 as c_char; 80]);
    // SAFETY: there is more room than 60 letters, or 41, take.
    unsafe {
        if !judge(zmq_z85_decode(octets.as_mut_ptr(), text.as_ptr()), ptr::null_mut()).is_null() {
            let size = text.count_bytes() / 5 * 4;
            zmq_z85_encode(again.as_mut_ptr(), octets.as_ptr(), size);
            let same = std::ffi::CStr::from_ptr(again.as_ptr());
            assert_eq!(same, text.as_c_str());
        }
        ok(zmq_curve_public(again.as_mut_ptr(), text.as_ptr()));
    }
}

fuzz_target!(|data: &[u8]| {
    let mut dice = Dice(data);
    let mut count = 0;
    let mut program = Program {
        contexts: [zmq_ctx_new(), zmq_ctx_new()],
        sockets: [ptr::null_mut(); PLACES],
        timers: zmq_timers_new(),
        stale_timers: ptr::null_mut(),
        parts: [const { Place([0; 64]) }; PARTS],
    };
    // SAFETY: what the program holds, it has from the library, or has zeroed.
    unsafe {
        let kinds = dice.octet();
        if kinds < 64 {
            program.begin(kinds);
        }
        let mut calls = 0;
        while !dice.0.is_empty() && calls < 200 {
            program.call(&mut dice, &mut count);
            calls += 1;
        }
        program.end();
        for context in program.contexts {
            ok(zmq_ctx_term(context));
        }
        for part in &mut program.parts {
            zmq_msg_close(part.part());
        }
        ok(zmq_timers_destroy(&mut program.timers));
    }
});
