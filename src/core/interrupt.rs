//! Interrupting: blocking calls end, and new ones are refused, until that is taken back.
//!
//! A mark that stays, and not a knock that is heard once: whoever was just between two calls
//! must not wait for ever, nor the second of two threads.

use super::{
    bells::Bells,
    socket::Socket,
    state::{Phase, State},
};
use crate::base::sync::Ordering;

impl Socket {
    /// Ends blocking calls, and refuses new ones, until [`resume`](Socket::resume). Does nothing
    /// to a socket that is closed: its calls have ended, and its closing is not to.
    pub fn interrupt(&self) {
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            self.mark_interrupted(&mut state, true);
            state.wake_all(&mut bells);
        }
        drop(state);
        bells.ring(self);
    }

    /// Blocking calls wait again.
    pub fn resume(&self) {
        self.mark_interrupted(&mut self.state.lock(), false);
    }

    /// Are blocking calls refused?
    #[inline]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// The socket begins to close: calls end by that, and only the waiting for it goes on.
    pub(super) fn forget_interrupt(&self, state: &mut State) {
        self.mark_interrupted(state, false);
    }

    fn mark_interrupted(&self, state: &mut State, interrupted: bool) {
        state.interrupted = interrupted;
        state.settle_ways();
        self.interrupted.store(interrupted, Ordering::SeqCst);
    }
}
