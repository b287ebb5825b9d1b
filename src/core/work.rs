//! What a socket asks of the system, counted: one addition for each call, none for a message.

// Std's in any case: nobody decides anything by these, so loom need not try all they could say.
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::stats::Calls;

/// The counters. Any thread that drives or writes adds to them.
#[derive(Debug, Default)]
pub(super) struct Work {
    reads: AtomicU64,
    writes: AtomicU64,
    polls: AtomicU64,
    bells: AtomicU64,
    wakeups: AtomicU64,
}

impl Work {
    #[inline]
    pub(super) fn note_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn note_writes(&self, count: u32) {
        if count > 0 {
            self.writes.fetch_add(count.into(), Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn note_poll(&self) {
        self.polls.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody else's poll was ended.
    pub(super) fn note_bell(&self) {
        self.bells.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread that slept for a message, room or a peer runs again.
    #[inline]
    pub(super) fn note_wakeup(&self) {
        self.wakeups.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn calls(&self) -> Calls {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Calls {
            reads: read(&self.reads),
            writes: read(&self.writes),
            polls: read(&self.polls),
            bells: read(&self.bells),
            wakeups: read(&self.wakeups),
        }
    }
}
