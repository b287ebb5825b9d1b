//! Steering a proxy from other threads, and its counters.
//!
//! ```text
//!   asked:   pass ◄──► pause            stop, for good
//!   doing:   running ◄──► paused ──► ended      (run sees to it, between two bursts)
//! ```

use std::{sync::Arc, task::Waker};

use crate::base::{
    message::Message,
    sync::{AtomicU64, Mutex, Ordering, Rank, park::Parker},
};

/// Pauses, resumes and stops a [`Proxy`](crate::Proxy), from any thread. Clones steer the same.
///
/// ```
/// use hubless::{Proxy, Pull, Push};
///
/// let (frontend, backend) = (Pull::new()?, Push::new()?);
/// let proxy = Proxy::new(&frontend, &backend);
/// let control = proxy.control();
/// let running = std::thread::spawn(move || proxy.run());
/// control.pause();
/// control.resume();
/// control.stop();
/// assert_eq!(running.join().unwrap().forward.sent, 0);
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProxyControl {
    shared: Arc<Shared>,
}

impl ProxyControl {
    pub(super) fn new(shared: &Arc<Shared>) -> ProxyControl {
        ProxyControl {
            shared: Arc::clone(shared),
        }
    }

    /// Lets no more messages pass: they wait where they are, up to the marks. Waits until the
    /// proxy has put its hands down, which takes a burst of messages at most.
    pub fn pause(&self) {
        self.ask(Asked::Pause);
        let (parker, waker) = Parker::current();
        while self.shared.is_passing(&waker) {
            parker.park(None);
        }
    }

    /// Lets messages pass again.
    pub fn resume(&self) {
        self.ask(Asked::Pass);
    }

    /// Ends the proxy, soon. The sockets stay as they are.
    pub fn stop(&self) {
        self.ask(Asked::Stop);
    }

    /// What it has passed so far.
    pub fn stats(&self) -> ProxyStats {
        self.shared.stats()
    }

    fn ask(&self, asked: Asked) {
        let mut state = self.shared.state.lock();
        if state.asked != Asked::Stop {
            state.asked = asked;
        }
        let waker = state.waker.clone();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What a proxy has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyStats {
    /// From the frontend to the backend.
    pub forward: WayStats,
    /// From the backend to the frontend.
    pub backward: WayStats,
}

/// What a proxy has passed one way. At its end, `received = sent + dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WayStats {
    /// Messages taken from the one socket.
    pub received: u64,
    /// Octets of all their frames.
    pub received_octets: u64,
    /// Messages that the other socket took.
    pub sent: u64,
    /// Octets of all their frames.
    pub sent_octets: u64,
    /// Messages it refused: a `Router` that knew no such peer, or whose peer was at its mark; or
    /// one that was closed.
    pub dropped: u64,
}

/// What a proxy and those who steer it share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) forward: Counts,
    pub(super) backward: Counts,
}

#[derive(Debug)]
struct State {
    asked: Asked,
    /// `None` before it runs.
    doing: Option<Doing>,
    /// Wakes the proxy.
    waker: Option<Waker>,
    /// Those who wait for it to pause.
    waiting: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Pass,
    Pause,
    Stop,
}

/// What a proxy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Running,
    Paused,
    Ended,
}

impl Default for Shared {
    fn default() -> Shared {
        let state = State {
            asked: Asked::Pass,
            doing: None,
            waker: None,
            waiting: Vec::new(),
        };
        Shared {
            state: Mutex::new(Rank::Leaf, state),
            forward: Counts::default(),
            backward: Counts::default(),
        }
    }
}

impl Shared {
    /// The proxy asks what to do now, and does it. `waker` is woken when that changes.
    pub(super) fn follow(&self, waker: &Waker) -> Doing {
        let mut state = self.state.lock();
        let doing = match state.asked {
            Asked::Pass => Doing::Running,
            Asked::Pause => Doing::Paused,
            Asked::Stop => Doing::Ended,
        };
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        self.enter(state, doing)
    }

    /// The proxy has ended.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.waker = None;
        self.enter(state, Doing::Ended);
    }

    fn enter(&self, mut state: crate::base::sync::Guard<'_, State>, doing: Doing) -> Doing {
        state.doing = Some(doing);
        if doing != Doing::Running && !state.waiting.is_empty() {
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
        doing
    }

    /// Does it pass messages although it was asked to pause? Then `waker` is woken once it does
    /// not.
    fn is_passing(&self, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        let passing = state.asked == Asked::Pause && state.doing == Some(Doing::Running);
        if passing {
            state.waiting.push(waker.clone());
        }
        passing
    }

    pub(super) fn stats(&self) -> ProxyStats {
        ProxyStats {
            forward: self.forward.stats(),
            backward: self.backward.stats(),
        }
    }
}

/// The counters of one way, written by the proxy alone.
#[derive(Debug, Default)]
pub(super) struct Counts {
    received: AtomicU64,
    received_octets: AtomicU64,
    sent: AtomicU64,
    sent_octets: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    pub(super) fn note_received(&self, message: &Message) {
        add(&self.received, 1);
        add(&self.received_octets, message.octets() as u64);
    }

    pub(super) fn note_sent(&self, sent: bool, octets: u64) {
        if sent {
            add(&self.sent, 1);
            add(&self.sent_octets, octets);
        } else {
            add(&self.dropped, 1);
        }
    }

    fn stats(&self) -> WayStats {
        // What was sent was received before: read the other way round, that is so here, too.
        let read = |count: &AtomicU64| count.load(Ordering::Acquire);
        let (dropped, sent_octets, sent) = (
            read(&self.dropped),
            read(&self.sent_octets),
            read(&self.sent),
        );
        WayStats {
            received: read(&self.received),
            received_octets: read(&self.received_octets),
            sent,
            sent_octets,
            dropped,
        }
    }
}

/// One writer, so that no locked instruction is needed.
fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed) + more, Ordering::Release);
}
