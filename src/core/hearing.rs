//! Sleeping lightly: a signal ends it.
//!
//! A thread that sleeps in a lock's way goes on sleeping after a signal. Where a program wants to
//! hear of signals, its thread polls a selector of its own instead, in which nothing is but the
//! bell that wakers ring; a poll does end.

use std::{cell::RefCell, io, process, sync::Arc, time::Duration};

use crate::{
    base::sync::park::{Alarm, Parked, Parker},
    reactor::metal::{Bell, Metal, Ready, Selector},
};

/// A thread's own selector.
struct Bed {
    selector: Box<dyn Selector>,
    alarm: Arc<dyn Alarm>,
    ready: Vec<Ready>,
    /// The process that made it: the child of a fork must not share it.
    process: u32,
}

struct Ringer(Arc<dyn Bell>);

impl Alarm for Ringer {
    fn ring(&self) {
        self.0.ring();
    }
}

thread_local! {
    static BED: RefCell<Option<Bed>> = const { RefCell::new(None) };
}

/// Sleeps until woken, at most `timeout` (`None`: for ever), or until a signal comes. Where
/// descriptors have run out it sleeps too deep for signals.
pub fn sleep(metal: &dyn Metal, parker: &Parker, timeout: Option<Duration>) -> Parked {
    let lie_down = |slot: &mut Option<Bed>| {
        if slot.as_ref().is_none_or(|bed| bed.process != process::id()) {
            *slot = Bed::new(metal).ok();
        }
        match slot {
            Some(bed) => bed.sleep(parker, timeout),
            None => parker.park(timeout),
        }
    };
    // A thread that is about to end has no bed of its own any more.
    BED.try_with(|slot| lie_down(&mut slot.borrow_mut()))
        .unwrap_or_else(|_| lie_down(&mut None))
}

impl Bed {
    fn new(metal: &dyn Metal) -> io::Result<Bed> {
        let selector = metal.selector()?;
        Ok(Bed {
            alarm: Arc::new(Ringer(selector.bell()?)),
            selector,
            ready: Vec::new(),
            process: process::id(),
        })
    }

    fn sleep(&mut self, parker: &Parker, timeout: Option<Duration>) -> Parked {
        if !parker.begin_poll(&self.alarm) {
            return Parked::Woken;
        }
        let polled = self.selector.poll(&mut self.ready, timeout);
        match (parker.end_poll(), polled) {
            (true, _) => Parked::Woken,
            (false, Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                Parked::Interrupted
            }
            (false, Ok(())) if timeout.is_some() => Parked::TimedOut,
            _ => Parked::Woken,
        }
    }
}
