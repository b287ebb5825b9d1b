//! Messages: made, looked at, sent and received, part by part or several at a time.

use std::{
    ffi::{CStr, c_int, c_void},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use zmq::*;

use super::{Dice, PARTS, Program, judge, ok};

static STAYS: [u8; 300] = [b'c'; 300];

/// A `zmq_msg_t` of the program's.
#[repr(C, align(8))]
pub struct Place([u8; 64]);

impl Place {
    pub const fn new() -> Place {
        Place([0; 64])
    }

    pub fn part(&mut self) -> *mut Part {
        ptr::from_mut(self).cast()
    }
}

/// Octets that were lent and not given back.
pub static LENT: Lent = Lent(AtomicUsize::new(0));

pub struct Lent(AtomicUsize);

impl Lent {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// # Safety
/// It has what it was made with.
unsafe extern "C" fn give_back(data: *mut c_void, hint: *mut c_void) {
    // SAFETY: it is the box that was lent, and its size; a second time would be seen.
    drop(unsafe {
        Box::from_raw(ptr::slice_from_raw_parts_mut(
            data.cast::<u8>(),
            hint as usize,
        ))
    });
    LENT.0.fetch_sub(1, Ordering::SeqCst);
}

impl Program {
    /// Sends, receives, or works on a message.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    pub unsafe fn pass(&mut self, call: u8, dice: &mut Dice<'_>, flags: c_int) {
        // SAFETY: as in `call`.
        unsafe {
            match call {
                15..=17 => {
                    let octets = dice.octets(100);
                    let place = octets.as_ptr().cast();
                    ok(zmq_send(self.socket(dice), place, octets.len(), flags));
                }
                18 => {
                    let len = dice.below(300);
                    let place = STAYS.as_ptr().cast();
                    ok(zmq_send_const(self.socket(dice), place, len, flags));
                }
                19 | 20 => {
                    let mut room = [0_u8; 80];
                    let len = dice.below(81).min(80);
                    let place = room.as_mut_ptr().cast();
                    let size = ok(zmq_recv(self.socket(dice), place, len, flags));
                    self.received += usize::from(size >= 0);
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
                    let size = match flags & 4 {
                        0 => ok(zmq_msg_recv(part, self.socket(dice), flags)),
                        _ => ok(zmq_recvmsg(self.socket(dice), part, flags)),
                    };
                    self.received += usize::from(size >= 0);
                }
                24 => self.make_part(dice),
                25 => self.look_at_part(dice),
                _ => {
                    let (to, from) = (dice.below(PARTS), dice.below(PARTS));
                    let (to, from) = (self.parts[to].part(), self.parts[from].part());
                    match flags & 1 {
                        0 => ok(zmq_msg_copy(to, from)),
                        _ => ok(zmq_msg_move(to, from)),
                    };
                }
            }
        }
    }

    /// # Safety
    /// As [`play`](Program::play).
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
                    let hint = size as *mut c_void;
                    LENT.0.fetch_add(1, Ordering::SeqCst);
                    ok(zmq_msg_init_data(part, place, size, Some(give_back), hint))
                }
            };
        }
    }

    /// # Safety
    /// As [`play`](Program::play).
    unsafe fn look_at_part(&mut self, dice: &mut Dice<'_>) {
        let part = self.parts[dice.below(PARTS)].part();
        let names = [
            c"Socket-Type",
            c"Identity",
            c"Routing-Id",
            c"Peer-Address",
            c"User-Id",
            c"X-a",
            c"__fd",
            c"",
        ];
        // SAFETY: as in `call`; what is told is text.
        unsafe {
            let (place, size) = (zmq_msg_data(part).cast::<u8>(), zmq_msg_size(part));
            let sum = (0..size).fold(0_u8, |sum, at| sum.wrapping_add(*place.add(at)));
            std::hint::black_box(sum);
            zmq_msg_more(part);
            ok(zmq_msg_get(part, c_int::from(dice.octet() % 5)));
            ok(zmq_msg_set(part, 1, 1));
            let text = judge(
                zmq_msg_gets(part, names[dice.below(names.len())].as_ptr()),
                ptr::null(),
            );
            if !text.is_null() {
                std::hint::black_box(CStr::from_ptr(text).count_bytes());
            }
            if dice.below(4) == 0 {
                ok(zmq_msg_close(part));
            }
        }
    }

    /// # Safety
    /// As [`play`](Program::play).
    pub unsafe fn vectors(&mut self, dice: &mut Dice<'_>, flags: c_int) {
        let octets = dice.octets(30);
        let socket = self.socket(dice);
        let mut parts = [const {
            libc::iovec {
                iov_base: ptr::null_mut(),
                iov_len: 0,
            }
        }; 3];
        // SAFETY: as in `call`; what was received is malloc's.
        unsafe {
            if flags & 4 == 0 {
                for part in &mut parts {
                    part.iov_base = octets.as_ptr().cast_mut().cast();
                    part.iov_len = octets.len();
                }
                ok(zmq_sendiov(
                    socket,
                    parts.as_mut_ptr(),
                    dice.below(4),
                    flags,
                ));
                return;
            }
            let mut count = dice.below(4);
            ok(zmq_recviov(socket, parts.as_mut_ptr(), &mut count, flags));
            for part in parts {
                libc::free(part.iov_base);
            }
        }
    }
}
