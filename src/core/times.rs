//! How long messages wait, and how long threads work on them: for sockets that were asked to time.
//!
//! ```text
//!   a timed message    ● arrives ────── waits ──────► ● taken ── served ──► ● its thread asks again,
//!                        (its lane)                     (here)                or answers
//! ```
//!
//! Waits are the lanes' affair. A timed message that is taken begins a service, which ends when
//! the thread that took it comes back to the socket. While a service is open, no message takes the
//! short way, so that its end is noticed; most of the time none is.

use std::{
    sync::Arc,
    thread::{self, ThreadId},
    time::Duration,
};

use super::{socket::Socket, state::State};
use crate::{
    base::{
        histogram::Histogram,
        time::{Clock, Time},
    },
    pipe::{Lane, Timing},
    reactor::metal::Metal,
};

/// How long messages of a socket have waited, and how long work on them took: those that were
/// timed, one in so many, picked by chance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// From `send` until the kernel had taken the last octet; inproc, until the other side's
    /// `recv`. Messages that were dropped or lost are not in it.
    pub sent: Histogram,
    /// W: from their arrival in this process (inproc, from `send`) until `recv`.
    pub received: Histogram,
    /// 1/μ on average: from `recv` until the thread that took the message came back for another,
    /// or looked for one, or answered it (REP). With futures, that is any task of the thread.
    pub service: Histogram,
}

/// What a socket that times keeps.
#[derive(Debug, Default)]
pub(super) struct Timed {
    /// Of peers that are gone: sent, received.
    past: (Histogram, Histogram),
    /// Who works on a timed message, and since when.
    open: Vec<(ThreadId, Time)>,
    service: Histogram,
}

/// The metal's clock alone.
struct MetalClock(Arc<dyn Metal>);

impl Clock for MetalClock {
    fn now(&self) -> Time {
        self.0.now()
    }
}

impl Socket {
    /// How new lanes are timed, if they are.
    pub(super) fn timing(&self) -> Option<Timing> {
        let every = self.terms().options.time_one_in;
        let clock = || Arc::new(MetalClock(Arc::clone(&self.context.metal)));
        (every > 0).then(|| Timing::new(clock(), every, self.context.metal.random()))
    }

    /// Times these lanes, if the socket does.
    pub(super) fn time_lanes(&self, lanes: [&Lane; 2]) {
        if let Some(timing) = self.timing() {
            lanes.into_iter().for_each(|it| it.start_timing(&timing));
        }
    }

    /// The times so far; `None` if it was not asked to take them.
    pub fn times(&self) -> Option<Times> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.settle_leaving();
        let timed = state.timed.as_ref()?;
        let mut times = Times {
            sent: timed.past.0.clone(),
            received: timed.past.1.clone(),
            service: timed.service.clone(),
        };
        let ours = state.peers.iter().map(|(_, peer)| peer.out.lane());
        for lane in ours.chain(&state.leaving) {
            add(&mut times.sent, lane);
        }
        for (_, peer) in &state.peers {
            add(&mut times.received, peer.window.lane());
        }
        Some(times)
    }

    /// Services that have ended, and how long they took together.
    pub fn services(&self) -> (u64, Duration) {
        let state = self.state.lock();
        let timed = state.timed.as_ref();
        timed.map_or_else(Default::default, |it| {
            (it.service.count(), it.service.sum())
        })
    }
}

impl State {
    /// The calling thread has come back: what it worked on is done.
    #[inline]
    pub(super) fn note_back(&mut self, socket: &Socket) {
        if self.timed.as_ref().is_some_and(|it| !it.open.is_empty()) {
            self.end_service(socket);
        }
    }

    #[cold]
    fn end_service(&mut self, socket: &Socket) {
        let Some(timed) = &mut self.timed else { return };
        let (me, now) = (thread::current().id(), socket.context().metal().now());
        timed.open.retain(|&(thread, since)| {
            let time = now.since(since);
            if thread == me {
                timed.service.record(time);
            }
            thread != me && time < SERVICE_MAX
        });
        self.settle_ways();
    }

    /// The calling thread takes a message of this peer: one that is timed begins a service.
    pub(super) fn note_takes(&mut self, key: usize) {
        let Some(timed) = &mut self.timed else { return };
        let peer = self.peers.get_mut(key);
        if let Some(since) = peer.and_then(|peer| peer.window.take_timed()) {
            if timed.open.len() == OPEN_MAX {
                timed.open.remove(0);
            }
            timed.open.push((thread::current().id(), since));
            self.settle_ways();
        }
    }

    /// What the calling thread has taken is one of a lot: work on it cannot be told from the rest.
    pub(super) fn forget_service(&mut self) {
        if let Some(timed) = &mut self.timed {
            let me = thread::current().id();
            timed.open.retain(|(thread, _)| *thread != me);
            self.settle_ways();
        }
    }

    /// Is anybody at work on a timed message?
    pub(super) fn is_serving(&self) -> bool {
        self.timed.as_ref().is_some_and(|it| !it.open.is_empty())
    }

    /// A lane of what was sent, or of what was received, is done with: what it has timed stays.
    pub(super) fn keep_times(&mut self, lane: &Lane, sent: bool) {
        if let Some(timed) = &mut self.timed {
            let past = if sent {
                &mut timed.past.0
            } else {
                &mut timed.past.1
            };
            add(past, lane);
        }
    }
}

fn add(times: &mut Histogram, lane: &Lane) {
    if let Some(waits) = lane.waits() {
        times.add(&waits);
    }
}

/// Services that may be open: of so many threads at most, or the oldest is given up. A thread may
/// have ended over its message.
const OPEN_MAX: usize = 64;

/// A service that takes longer than this is taken for one that was never ended.
const SERVICE_MAX: Duration = Duration::from_secs(600);
