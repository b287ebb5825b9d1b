//! Writing out: what senders have left in lanes leaves through their links.

use std::{sync::Arc, time::Duration};

use super::{
    attach::{Attached, Wire},
    bells::Bells,
    few::Few,
    job::Job,
    link::{Flushed, Link},
    socket::Socket,
    state::State,
};
use crate::base::{sync::Ordering, time::Time, tuning};

impl Socket {
    /// Writes what a link's lane holds, and rings who waits for the room.
    pub(super) fn flush(&self, link: &Arc<Link>) {
        let flushed = link.flush();
        if !self.socket_type.is_lock_step() {
            let now = self.context.metal.now();
            self.flushed_at.store(now.as_nanos(), Ordering::Relaxed);
        }
        self.flushed(link, flushed);
    }

    /// Follows a flush up.
    pub(super) fn flushed(&self, link: &Arc<Link>, flushed: Flushed) {
        self.work.note_writes(flushed.writes);
        if flushed.ring_writer {
            let mut bells = Bells::default();
            self.note_writable(link, &mut bells);
            bells.ring(self);
        }
        if flushed.finished {
            let state = self.state.lock();
            let key = link.peer();
            let attached = state.attached.get(key);
            let entry = attached.filter(|attached| attached.is_linked_by(link));
            let done = entry.and_then(|attached| attached.entry).map(|entry| {
                let serial = state.peers[key].serial;
                Job::Finished { entry, serial }
            });
            drop(state);
            if let Some(job) = done {
                self.submit(vec![job]);
            }
        }
    }

    /// Was nothing written for this long? Then the next message is not one of many.
    pub(super) fn is_quiet_for(&self, time: Duration) -> bool {
        let flushed_at = Time::from_nanos(self.flushed_at.load(Ordering::Relaxed));
        self.context.metal.now().since(flushed_at) >= time
    }

    /// Writes out all that senders have left lying. Done before waiting.
    ///
    /// Answers how many messages the application has received so far.
    pub(super) fn flush_all(&self, waits: bool) -> u64 {
        let mut state = self.state.lock();
        state.eager |= waits;
        let links = state.publish_lying(|_| true);
        let received = state.received;
        drop(state);
        for link in links {
            self.flush(&link);
        }
        received
    }

    /// Writes out what has lain since before the last sweep. Answers when to sweep again; `None`
    /// if nothing lies.
    ///
    /// What was sent since then is left to its sender, who may be filling a batch. Sweeps take an
    /// eighth of the time at most, so that under load a batch is worth its write.
    pub(super) fn sweep_once(&self) -> Option<Duration> {
        let began = self.context.metal.now();
        let mut state = self.state.lock();
        let now = state.sweeps;
        state.sweeps += 1;
        let links = state.publish_lying(|marked| marked < now);
        let lies = !state.unflushed.is_empty();
        if links.is_empty() {
            return lies.then_some(tuning::SWEEP_IDLE);
        }
        // Said before others can see that it does not lie any more.
        self.sweeping.store(true, Ordering::Relaxed);
        drop(state);
        for link in links {
            self.flush(&link);
        }
        self.sweeping.store(false, Ordering::Release);
        let spent = self.context.metal.now().since(began);
        Some((8 * spent).clamp(tuning::SWEEP, tuning::SWEEP_MAX))
    }

    /// Does anything lie that no sweep has been asked for?
    pub(super) fn lies(&self) -> bool {
        !self.state.lock().unflushed.is_empty()
    }

    /// A link's lane has room again.
    pub(super) fn note_writable(&self, link: &Arc<Link>, bells: &mut Bells) {
        let mut state = self.state.lock();
        let key = link.peer();
        let linked = |attached: &Attached| attached.is_linked_by(link);
        if state.attached.get(key).is_some_and(linked) && !state.peers[key].gone {
            state.writable(self, key, bells);
        }
    }

    /// Writes out what was left lying, because the caller is about to wait.
    pub fn flush_before_wait(&self) {
        self.flush_all(true);
        self.leave_to_reactor();
    }
}

impl State {
    /// Hands to the lanes what lies in drafts marked in a sweep that `old` picks. Answers the
    /// links to flush.
    fn publish_lying(&mut self, old: impl Fn(u64) -> bool) -> Few<Arc<Link>> {
        let mut links = Few::default();
        let State {
            attached,
            peers,
            unflushed,
            ..
        } = self;
        unflushed.retain(|key| {
            let Some(attached) = attached.get_mut(*key) else {
                return false;
            };
            if !old(attached.marked) {
                return true;
            }
            attached.unflushed = false;
            peers[*key].out.publish();
            if let Wire::Link(link) = &attached.wire {
                links.push(Arc::clone(link));
            }
            false
        });
        links
    }
}
