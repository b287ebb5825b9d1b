//! What REQ and REP keep between calls.

use std::{mem, task::Waker};

use crate::{
    base::sync::{AtomicBool, Mutex, Ordering, Rank},
    pattern::Route,
};

/// See above.
#[derive(Debug)]
pub(super) struct Turn {
    /// REP.
    owed: Mutex<Owed>,
    /// There is a route in it. Written under its lock.
    owes: AtomicBool,
    /// REQ: the peer that was asked is gone.
    pub(super) lost: AtomicBool,
}

#[derive(Debug, Default)]
struct Owed {
    /// Where the answer goes.
    route: Option<Route>,
    /// Who waits until it is the other's turn.
    waiting: Vec<Waker>,
}

impl Turn {
    pub(super) fn new() -> Turn {
        Turn {
            owed: Mutex::new(Rank::Leaf, Owed::default()),
            owes: AtomicBool::new(false),
            lost: AtomicBool::new(false),
        }
    }

    /// REP: is a request to be answered first?
    pub(super) fn is_owed(&self) -> bool {
        self.owes.load(Ordering::Acquire)
    }

    /// As [`is_owed`](Turn::is_owed); `waker` is woken once that has changed.
    pub(super) fn poll_owed(&self, waker: &Waker) -> bool {
        let mut owed = self.owed.lock();
        if !owed.waiting.iter().any(|it| it.will_wake(waker)) {
            owed.waiting.push(waker.clone());
        }
        owed.route.is_some()
    }

    /// REP has a request, which is to be answered there.
    pub(super) fn begin(&self, route: Option<Route>) {
        self.change(route);
    }

    /// REP answers: where to?
    pub(super) fn end(&self) -> Option<Route> {
        self.change(None)
    }

    fn change(&self, route: Option<Route>) -> Option<Route> {
        let mut owed = self.owed.lock();
        self.owes.store(route.is_some(), Ordering::Release);
        let before = mem::replace(&mut owed.route, route);
        if !owed.waiting.is_empty() {
            let waiting = mem::take(&mut owed.waiting);
            drop(owed);
            waiting.into_iter().for_each(Waker::wake);
        }
        before
    }
}
