//! Monitors: bounded queues of events, each read at its reader's pace.
//!
//! An event that finds a queue full is lost to that reader and counted; the reader is told how
//! many it missed, in the place where they are missing.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    task::{Poll, Waker},
};

use crate::base::{
    endpoint::Endpoint,
    event::{Event, EventKind, PeerInfo},
    sync::{AtomicBool, Mutex, Ordering, Rank},
    time::Time,
};

/// Events one monitor holds for its reader.
pub(crate) const EVENTS_MAX: usize = 4096;

/// Where a socket's events go.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Is anybody listening? Spares the making of events.
    watched: AtomicBool,
    queues: Mutex<Vec<Weak<Queue>>>,
}

/// One monitor's events.
#[derive(Debug)]
pub struct Queue {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    missed: u64,
    closed: bool,
    waker: Option<Waker>,
}

impl Hub {
    pub(crate) fn new() -> Hub {
        Hub {
            watched: AtomicBool::new(false),
            queues: Mutex::new(Rank::Leaf, Vec::new()),
        }
    }

    /// A new monitor, which hears of everything from now on.
    pub(crate) fn watch(&self) -> Arc<Queue> {
        let queue = Arc::new(Queue {
            inner: Mutex::new(Rank::Leaf, Inner::default()),
        });
        self.queues.lock().push(Arc::downgrade(&queue));
        self.watched.store(true, Ordering::Release);
        queue
    }

    /// Is anybody listening?
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    /// Tells every monitor. Wakers to wake are added to `wakers`.
    pub(crate) fn tell(
        &self,
        kind: EventKind,
        endpoint: &Endpoint,
        peer: Option<&Arc<PeerInfo>>,
        now: impl FnOnce() -> Time,
        wakers: &mut Vec<Waker>,
    ) {
        if !self.is_watched() {
            return;
        }
        let (endpoint, peer) = (endpoint.clone(), peer.cloned());
        let event = Event {
            kind,
            endpoint,
            peer,
            at: now(),
        };
        for queue in self.listeners() {
            wakers.extend(queue.push(event.clone()));
        }
    }

    /// No more events: readers come to their end.
    pub(crate) fn close(&self, wakers: &mut Vec<Waker>) {
        for queue in self.listeners() {
            let mut inner = queue.inner.lock();
            inner.closed = true;
            wakers.extend(inner.waker.take());
        }
    }

    fn listeners(&self) -> Vec<Arc<Queue>> {
        let mut queues = self.queues.lock();
        let mut alive = Vec::with_capacity(queues.len());
        queues.retain(|queue| queue.upgrade().map(|queue| alive.push(queue)).is_some());
        self.watched.store(!alive.is_empty(), Ordering::Release);
        alive
    }
}

impl Queue {
    fn push(&self, event: Event) -> Option<Waker> {
        let mut inner = self.inner.lock();
        if inner.events.len() >= EVENTS_MAX {
            inner.missed += 1;
            return None;
        }
        if inner.missed > 0 {
            let lagged = EventKind::Lagged(std::mem::take(&mut inner.missed));
            inner.events.push_back(Event {
                kind: lagged,
                ..event.clone()
            });
        }
        inner.events.push_back(event);
        inner.waker.take()
    }

    /// The next event; `Ready(None)` when there will be none.
    pub fn poll(&self, waker: &Waker) -> Poll<Option<Event>> {
        let mut inner = self.inner.lock();
        match inner.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if inner.closed => Poll::Ready(None),
            None => {
                inner.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    /// The next event, if one waits.
    pub fn try_next(&self) -> Option<Event> {
        self.inner.lock().events.pop_front()
    }
}
