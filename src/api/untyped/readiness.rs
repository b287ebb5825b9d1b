//! What an untyped socket is ready for: asked, waited for, watched by loops of somebody else's.

use std::{
    sync::atomic::Ordering,
    task::{Poll, Waker},
    time::Duration,
};

use super::Socket;
use crate::{
    base::{error::ErrorKind, interest::Interest, socket_type::SocketType},
    core::{Look, Place, Watch},
};

impl Socket {
    /// What would not wait now?
    pub fn look(&self) -> Look {
        let socket = &self.owner.socket;
        socket.drive_in_passing();
        let (mut readable, mut writable) = socket.readiness();
        if !readable && socket.drive_after_others() {
            (readable, writable) = socket.readiness();
        }
        let look = Look {
            readable,
            writable,
            closed: !socket.is_open(),
        };
        self.judge(look, Interest::READABLE | Interest::WRITABLE)
    }

    /// Waits until something of `interest` would not wait, or the socket is closed, and takes
    /// nothing.
    ///
    /// # Errors
    /// `TimedOut`, `Interrupted` (also by a signal).
    pub fn wait(&self, interest: Interest, timeout: Option<Duration>) -> Result<Look, ErrorKind> {
        let socket = &self.owner.socket;
        let (mut reading, mut writing) = (Place::default(), Place::default());
        let mut ending = Place::default();
        let deadline = self.owner.deadline(timeout);
        let mut attempt = |waker: &Waker| {
            let awaited = self.poll_turn(interest, waker);
            let mut look = Look::default();
            if awaited.is_readable() {
                look.readable = socket.poll_message(&mut reading, waker).is_ready();
            }
            if awaited.is_writable() {
                look.writable = socket.poll_room(&mut writing, waker).is_ready();
            }
            if awaited == Interest::NOTHING {
                // That it closes is heard of all the same.
                let _ = socket.poll_peers(&mut ending, waker, |_, _| false);
            }
            look.closed = !socket.is_open();
            match self.judge(look, interest) {
                look if look.is_ready() => Poll::Ready(look),
                _ => Poll::Pending,
            }
        };
        let receives = interest.is_readable();
        let waited = socket.block_hearing(deadline, receives, true, &mut attempt);
        socket.leave_recv(&mut reading);
        socket.leave_send(&mut writing);
        socket.leave_change(&mut ending);
        waited
    }

    /// What of `interest` may come while it is whose turn it is; `waker` is woken when that has
    /// changed.
    fn poll_turn(&self, interest: Interest, waker: &Waker) -> Interest {
        match self.socket_type() {
            SocketType::Rep if self.turn.poll_owed(waker) => Interest::NOTHING,
            SocketType::Rep if interest.is_readable() => Interest::READABLE,
            SocketType::Rep => Interest::NOTHING,
            SocketType::Req if self.is_lost() => {
                match interest.is_writable() && self.is_relaxed() {
                    true => Interest::WRITABLE,
                    false => Interest::NOTHING,
                }
            }
            _ => interest,
        }
    }

    /// What REQ and REP make of readiness, as far as it is wanted.
    fn judge(&self, look: Look, interest: Interest) -> Look {
        let look = match self.socket_type() {
            SocketType::Rep => {
                let owes = self.turn.is_owed();
                Look {
                    readable: look.readable && !owes,
                    writable: owes,
                    ..look
                }
            }
            SocketType::Req if self.is_lost() => Look {
                readable: false,
                writable: look.writable && self.is_relaxed(),
                ..look
            },
            _ => look,
        };
        Look {
            readable: look.readable && interest.is_readable(),
            writable: look.writable && interest.is_writable(),
            ..look
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.turn.lost.load(Ordering::Relaxed)
    }

    /// REQ: may it ask again before it was answered?
    pub fn is_relaxed(&self) -> bool {
        self.owner.socket.options().req_relaxed
    }

    /// A watcher: hears when something may be ready, and looks what is.
    pub fn watch(&self, waker: Waker) -> Watcher {
        Watcher {
            watch: self.owner.socket.watch(waker, false),
            socket: self.clone(),
        }
    }
}

/// Hears when a socket may be ready: its waker is woken once after each look that found nothing.
#[derive(Debug)]
pub struct Watcher {
    socket: Socket,
    watch: Watch,
}

impl Watcher {
    /// What is ready of `interest`? If nothing is, the waker is woken once something may be, or
    /// the socket is closed. REQ and REP take turns, and whoever watches one looks again after
    /// each.
    pub fn look(&self, interest: Interest) -> Look {
        let socket = &self.socket.owner.socket;
        let seen = socket.look(self.watch, interest);
        let look = self.socket.judge(seen, interest);
        if seen.is_ready() && !look.is_ready() {
            // It is not its turn: what is left to wait for is its end.
            let ended = socket.look(self.watch, Interest::NOTHING);
            return Look {
                closed: ended.closed,
                ..look
            };
        }
        look
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.socket.owner.socket.unwatch(self.watch);
    }
}
