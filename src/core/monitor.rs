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
    /// Of all who wait: several threads may read one monitor.
    wakers: Vec<Waker>,
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
        descriptor: Option<i32>,
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
            descriptor,
            at: now(),
        };
        for queue in self.listeners() {
            for waker in queue.push(event.clone()) {
                wakers.push(waker);
            }
        }
    }

    /// No more events: readers come to their end.
    pub(crate) fn close(&self, wakers: &mut Few<Waker>) {
        for queue in self.listeners() {
            let mut inner = queue.inner.lock();
            inner.closed = true;
            for waker in inner.wakers.drain(..) {
                wakers.push(waker);
            }
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
    /// Takes an event in. Answers who is to be woken.
    fn push(&self, event: Event) -> Vec<Waker> {
        let mut inner = self.inner.lock();
        let octets = inner.octets + said(&event);
        let full = inner.events.len() >= EVENTS_MAX || octets > OCTETS_MAX;
        if full && !inner.events.is_empty() {
            inner.missed += 1;
            inner.last_missed = Some((event.endpoint, event.at));
            return Vec::new();
        }
        inner.octets = octets;
        if let Some(lagged) = inner.lagged() {
            inner.events.push_back(lagged);
        }
        inner.events.push_back(event);
        std::mem::take(&mut inner.wakers)
    }

    /// The next event; `Ready(None)` when there will be none.
    pub fn poll(&self, waker: &Waker) -> Poll<Option<Event>> {
        let mut inner = self.inner.lock();
        let next = inner.next();
        if next.is_pending() && !inner.wakers.iter().any(|it| it.will_wake(waker)) {
            inner.wakers.push(waker.clone());
        }
        next
    }

    /// As [`poll`](Queue::poll), for those who do not wait.
    pub fn try_next(&self) -> Poll<Option<Event>> {
        self.inner.lock().next()
    }
}

impl Inner {
    fn next(&mut self) -> Poll<Option<Event>> {
        match self.pop() {
            Some(event) => Poll::Ready(Some(event)),
            None if self.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

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
            descriptor: None,
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

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn all_who_wait_for_one_monitor_are_woken_once() {
        let hub = Hub::new();
        let queue = hub.watch();
        let readers = [(); 2].map(|()| Arc::new(Woken::default()));
        let wait = || {
            for reader in &readers {
                let waker = Waker::from(Arc::clone(reader));
                for _ in 0..2 {
                    assert!(queue.poll(&waker).is_pending());
                }
            }
        };
        let woken = |mut wakers: Few<Waker>| {
            std::mem::take(&mut wakers).for_each(Waker::wake);
            readers.each_ref().map(|reader| reader.0.load(Relaxed))
        };
        wait();
        let mut wakers = Few::default();
        let at: Endpoint = "inproc://here".parse().expect("an endpoint");
        let now = || Time::START;
        hub.tell(EventKind::Listening, &at, None, None, now, &mut wakers);
        assert_eq!(woken(wakers), [1, 1]);
        assert!(queue.try_next().is_ready());

        wait();
        let mut wakers = Few::default();
        hub.close(&mut wakers);
        assert_eq!(woken(wakers), [2, 2]);
        assert!(matches!(queue.try_next(), Poll::Ready(None)));
    }
}
