//! Looking again for a short time before a thread sleeps: see [`spin`](super::spin) for when.
//!
//! A receiver that takes turns with its peer, both in this process, does so before it even stands in
//! line: whoever brings it a word says so in passing, and two who talk spare each other the line.
//!
//! ```text
//!   recv ─► has a word come? ─ no ─► looks again ─► has one? ─ no ─► stands in line, sleeps
//!                │ yes                                  │ yes
//!                └──────────────► takes the message ◄───┘
//! ```

use super::{lying, socket::Socket, spin::Looked};
use crate::base::{
    lent,
    sync::{
        Ordering,
        park::{Parked, Parker},
    },
    time::Time,
    tuning,
};

/// What listening has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listened {
    /// A word has come: there may be a message.
    Called,
    /// None has, in all the time that is worth while.
    InVain,
    /// It does not pay, or is not done here.
    NotAtAll,
}

impl Socket {
    /// Something may be there for whoever receives.
    #[inline]
    pub(super) fn call(&self) {
        self.called.store(true, Ordering::Release);
    }

    /// A receiver without connections, of a type that takes turns, looks for a short time whether a
    /// word comes.
    pub fn listen(&self, until: Option<Time>) -> Listened {
        let called = || self.called.load(Ordering::Acquire);
        if called() {
            return Listened::Called;
        }
        if self.net.get().is_some() {
            return Listened::NotAtAll;
        }
        // Whoever is about to wait writes out what it has left lying. Nothing does here.
        lying::write_out(self);
        lent::let_go();
        // Who finds another at it need not look as well.
        let Some(mut spin) = self.spin.try_lock() else {
            return Listened::NotAtAll;
        };
        if !spin.begin_turn() {
            return Listened::NotAtAll;
        }
        let begun = self.context.metal.now();
        let end = begun + tuning::SPIN;
        let (called, when) = self.look_again(until.map_or(end, |until| until.min(end)), called);
        spin.end(called, when);
        match called {
            true => Listened::Called,
            false => Listened::InVain,
        }
    }

    /// Looks for a short time whether this thread is woken. `None` if it was not.
    pub(super) fn wait_awake(
        &self,
        parker: &Parker,
        until: Option<Time>,
        apart: bool,
    ) -> Option<Parked> {
        let metal = &self.context.metal;
        if parker.take_wake() {
            self.spin.lock().end(true, Looked::InTime);
            return Some(Parked::Woken);
        }
        let end = metal.now() + tuning::SPIN;
        let end = until.map_or(end, |until| until.min(end));
        if apart && self.spin.lock().is_flooded() {
            // The more has come when we look, the fewer times the sender has to ring.
            let pause = metal.now() + tuning::FLOOD_PAUSE;
            while metal.now() < pause.min(end) {
                std::hint::spin_loop();
            }
        }
        let (woken, when) = self.look_again(end, || parker.take_wake());
        self.spin.lock().end(woken, when);
        woken.then_some(Parked::Woken)
    }

    /// Offers the core to others until `found` says so, or it is `end`.
    fn look_again(&self, end: Time, mut found: impl FnMut() -> bool) -> (bool, Looked) {
        loop {
            std::thread::yield_now();
            let now = self.context.metal.now();
            let found = found();
            if found || now >= end {
                return (found, Looked::of(now, end));
            }
        }
    }
}
