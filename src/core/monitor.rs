//! Monitors: bounded queues of events, each read at its reader's pace.
//!
//! An event that finds a queue full is lost to that reader and counted; the reader is told how
//! many it missed, in the place where they are missing.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    task::{Poll, Waker},
};

use super::few::Few;
use crate::base::{
    endpoint::Endpoint,
    event::{Event, EventKind, PeerInfo},
    sync::{AtomicBool, Mutex, Ordering, Rank},
    time::Time,
};

/// Events one monitor holds for its reader.
pub(crate) const EVENTS_MAX: usize = 4096;

/// Octets of what peers said (topics, properties) in these events: a peer that says much must not
/// fill our memory where a monitor is not read.
const OCTETS_MAX: usize = 16 << 20;

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
    /// What peers said, in all of them.
    octets: usize,
    /// Events lost since the last that was taken in; where and when the latest of them happened.
    missed: u64,
    last_missed: Option<(Endpoint, Time)>,
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
        wakers: &mut Few<Waker>,
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
    pub(crate) fn close(&self, wakers: &mut Few<Waker>) {
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
        let octets = inner.octets + said(&event);
        let full = inner.events.len() >= EVENTS_MAX || octets > OCTETS_MAX;
        if full && !inner.events.is_empty() {
            inner.missed += 1;
            inner.last_missed = Some((event.endpoint, event.at));
            return None;
        }
        inner.octets = octets;
        if let Some(lagged) = inner.lagged() {
            inner.events.push_back(lagged);
        }
        inner.events.push_back(event);
        inner.waker.take()
    }

    /// The next event; `Ready(None)` when there will be none.
    pub fn poll(&self, waker: &Waker) -> Poll<Option<Event>> {
        let mut inner = self.inner.lock();
        match inner.pop() {
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
        self.inner.lock().pop()
    }
}

impl Inner {
    fn pop(&mut self) -> Option<Event> {
        let Some(event) = self.events.pop_front() else {
            // Who has read all that there was learns at once that it was not all.
            return self.lagged();
        };
        self.octets -= said(&event);
        Some(event)
    }

    /// What is told in the place of events that were lost.
    fn lagged(&mut self) -> Option<Event> {
        let (endpoint, at) = self.last_missed.take()?;
        Some(Event {
            kind: EventKind::Lagged(std::mem::take(&mut self.missed)),
            endpoint,
            peer: None,
            at,
        })
    }
}

/// Octets of an event that a peer has chosen.
fn said(event: &Event) -> usize {
    let topic = match &event.kind {
        EventKind::Subscribed(topic) | EventKind::Unsubscribed(topic) => topic.len(),
        _ => 0,
    };
    let properties = event.peer.iter().flat_map(|peer| &peer.properties);
    let properties = properties.map(|(name, value)| name.len() + value.len());
    topic + properties.sum::<usize>()
}
