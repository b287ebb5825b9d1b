//! What goes on beside other things: calls from two threads at a time, proxies, handshakes that ask
//! who is there.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr, thread,
};

use zmq::*;

use super::{Dice, Program, join, judge, ok, set};

/// Handles that go to another thread.
struct Handles([*mut c_void; 4]);

// SAFETY: the library judges what comes to a handle from two threads at a time.
unsafe impl Send for Handles {}

impl Program {
    /// Two threads use the same sockets at a time, each with messages and timers of its own.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    pub unsafe fn beside(&mut self, dice: &mut Dice<'_>) {
        if !self.alone {
            return;
        }
        let turns = [dice.octets(60), dice.octets(60)];
        self.received += thread::scope(|scope| {
            let threads = turns.map(|octets| {
                let mut other = Program::new(self.contexts, self.sockets, false);
                scope.spawn(move || {
                    // SAFETY: the same as ours; what it has made is no other's.
                    unsafe {
                        other.play(&mut Dice(octets));
                        other.put_away();
                    }
                    other.received
                })
            });
            let received = threads.map(|thread| thread.join().expect("a thread that plays"));
            received.iter().sum::<usize>()
        });
    }

    /// A proxy in a thread of its own, while others use its sockets; it ends when these are closed.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    pub unsafe fn proxy(&mut self, dice: &mut Dice<'_>) {
        if !self.alone {
            return;
        }
        let way = dice.below(3);
        let [front, back, some] = [(); 3].map(|()| self.socket(dice));
        let capture = [ptr::null_mut(), some][dice.below(2)];
        let mut ours = ptr::null_mut();
        let mut control = ptr::null_mut();
        if way == 2 {
            // SAFETY: as in `call`.
            unsafe {
                ours = judge(zmq_socket(self.contexts[0], 0), ptr::null_mut());
                control = judge(zmq_socket(self.contexts[0], 0), ptr::null_mut());
                set(ours, 17, 0);
                set(control, 17, 0);
                join(control, ours, c"inproc://control");
            }
        }
        let handles = Handles([front, back, capture, control]);
        let proxy = thread::spawn(move || {
            let Handles([front, back, capture, control]) = { handles };
            // SAFETY: as in `call`.
            unsafe {
                match way {
                    0 => ok(zmq_proxy(front, back, capture)),
                    1 => ok(zmq_device(1, front, back)),
                    _ => ok(zmq_proxy_steerable(front, back, capture, control)),
                }
            }
        });
        let words = ["PAUSE", "RESUME", "STATISTICS", "TERMINATE", "what", ""];
        self.alone = false;
        // SAFETY: as in `call`.
        unsafe {
            for _ in 0..dice.below(8) {
                let word = words[dice.below(words.len())];
                ok(zmq_send(ours, word.as_ptr().cast(), word.len(), 1));
                self.call(dice);
            }
            for socket in [front, back, capture, control, ours] {
                ok(zmq_close(socket));
            }
        }
        self.alone = true;
        proxy.join().expect("a thread that waits");
    }

    /// Two sockets that prove who they are, or fail to.
    ///
    /// # Safety
    /// As [`play`](Program::play).
    pub unsafe fn secure(&mut self, dice: &mut Dice<'_>) {
        let secret = c"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
        let mut public = [0 as c_char; 41];
        let (server, client) = (self.socket(dice), self.socket(dice));
        let say = |socket, option: c_int, text: *const c_char, size: usize| {
            // SAFETY: as in `call`; texts are that long.
            unsafe { ok(zmq_setsockopt(socket, option, text.cast(), size)) };
        };
        // SAFETY: as in `call`; there is room for a key.
        unsafe {
            ok(zmq_curve_public(public.as_mut_ptr(), secret.as_ptr()));
            match dice.octet() % 4 {
                0 => {
                    set(server, 44, 1);
                    say(client, 45, c"ann".as_ptr(), 3);
                    say(client, 46, c"secret".as_ptr(), dice.below(7));
                }
                _ => {
                    set(server, 47, 1);
                    say(server, 49, secret.as_ptr(), 41);
                    say(client, 48, public.as_ptr(), 41);
                    say(client, 49, secret.as_ptr(), 41);
                    // Sometimes another server's.
                    let key = [public.as_ptr(), secret.as_ptr()][dice.below(8) / 7];
                    say(client, 50, key, 41);
                }
            }
            say(server, 55, c"domain".as_ptr(), dice.below(7));
            join(server, client, c"tcp://127.0.0.1:*");
        }
    }
}
