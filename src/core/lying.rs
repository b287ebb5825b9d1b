//! What a thread has left lying in one socket is written out before it waits for another.
//!
//! A sender's octets lie in drafts until it waits, or a sweep comes by. Who waits for one socket often
//! waits for what comes of its words by another: a worker that pushes results and pulls tasks, two
//! sockets of one thread that speak with each other. So each thread remembers where it has left
//! something, and writes that out before it sleeps, or looks in vain. (A future that is pending says
//! nothing of its thread.)

use std::{cell::RefCell, sync::Weak, thread};

use super::socket::Socket;
use crate::base::{sync::Ordering, tuning};

/// Sockets that a thread remembers, the last ones. What lies in others the sweep will find.
const SOCKETS_MAX: usize = 8;

#[cfg(not(loom))]
thread_local! {
    static LEFT: RefCell<Left> = const {
        RefCell::new(Left { lying: Vec::new(), unseen: false })
    };
}

// All of loom's threads are one of the system's.
#[cfg(loom)]
loom::thread_local! {
    static LEFT: RefCell<Left> = RefCell::new(Left { lying: Vec::new(), unseen: false });
}

/// What one thread has left.
struct Left {
    lying: Vec<Weak<Socket>>,
    /// Some of it was written out, and the thread has not looked since what comes of it.
    unseen: bool,
}

impl Left {
    fn note(&mut self, socket: &Weak<Socket>) {
        let others = |other: &Weak<Socket>| other.strong_count() > 0 && !other.ptr_eq(socket);
        self.lying.retain(others);
        if self.lying.len() == SOCKETS_MAX {
            self.lying.remove(0);
        }
        self.lying.push(Weak::clone(socket));
    }

    /// A socket other than `here`.
    fn next(&mut self, here: &Socket) -> Option<Weak<Socket>> {
        let elsewhere = |other: &Weak<Socket>| !other.ptr_eq(&here.me);
        let at = self.lying.iter().position(elsewhere)?;
        // The sweep may have come by since.
        self.unseen = true;
        Some(self.lying.swap_remove(at))
    }
}

/// This thread has left something lying in `socket`.
pub(super) fn note(socket: &Weak<Socket>) {
    // A thread that is about to end waits for nothing any more.
    let _ = LEFT.try_with(|left| left.borrow_mut().note(socket));
}

/// Writes out what this thread has left lying in sockets other than `here`.
pub(super) fn write_out(here: &Socket) {
    each_other(here, |socket| {
        if socket.lies() {
            socket.flush_all(false);
        }
    });
}

/// Calls `act` with each socket but `here` that this thread remembers, and forgets it.
fn each_other(here: &Socket, act: impl Fn(&Socket)) {
    let next = || LEFT.try_with(|left| left.borrow_mut().next(here));
    while let Ok(Some(socket)) = next() {
        if let Some(socket) = socket.upgrade() {
            act(&socket);
        }
    }
}

impl Socket {
    /// Nothing was found here: that may be because this thread has left it lying elsewhere. Writes
    /// that out and reads what comes of it; whoever is at either just now is waited for, for a
    /// moment. Answers whether it is worth another look.
    pub fn drive_after_others(&self) -> bool {
        if !self.receives {
            return false;
        }
        let now = || self.context.metal.now();
        let end = now() + tuning::SPIN;
        each_other(self, |socket| {
            if socket.lies() {
                socket.flush_all(false);
            }
            while socket.sweeping.load(Ordering::Acquire) && now() < end {
                thread::yield_now();
            }
        });
        let unseen = LEFT.try_with(|left| std::mem::take(&mut left.borrow_mut().unseen));
        if !matches!(unseen, Ok(true)) {
            return false;
        }
        while self.drive_if_free().is_none() {
            if now() >= end {
                return false;
            }
            thread::yield_now();
        }
        true
    }
}
