//! Driving a poll set: handing jobs in, and one turn without waiting.
//!
//! Whoever holds the set's lock drives. A thread that finds it taken sets `wanted` and goes;
//! whoever had the lock looks at `wanted` after it let go, so nothing asked for is left undone.

use std::{io, time::Duration};

use super::{bells::Bells, gate::Answer, job::Job, pollset::PollSet, socket::Socket};
use crate::base::{
    sync::{Ordering, fence},
    time::Time,
};

impl Socket {
    /// Hands jobs to whoever drives the poll set: this thread, if nobody does.
    pub(crate) fn submit(&self, mut jobs: Vec<Job>) {
        let inproc = |job: &Job| match job {
            Job::RedialInproc { key, serial } => Some((*key, *serial)),
            _ => None,
        };
        let redialled: Vec<_> = jobs.iter().filter_map(inproc).collect();
        jobs.retain(|job| inproc(job).is_none());
        for (key, serial) in redialled {
            self.redial_inproc(key, serial);
        }
        self.jobs.lock().append(&mut jobs);
        self.run_jobs();
    }

    /// Does what was asked for, now or as soon as whoever has the poll set lets go. Readiness is
    /// left to whoever polls next; that may be nobody for long, while the set is leased and idle:
    /// one peer that floods, and is read as there is room for it, keeps the receiver from ever
    /// waiting, and would keep all others out.
    pub(super) fn run_jobs(&self) {
        let Some(mut guard) = self.set.try_lock() else {
            return self.kick();
        };
        let mut bells = Bells::default();
        let polls = guard.as_ref().is_some_and(|set| set.leased);
        if polls {
            // Who drives it so often needs no reactor, which every arrival would wake for nothing.
            self.lease_uses.fetch_add(1, Ordering::Relaxed);
        }
        let deadline = self.turn(&mut guard, polls, &mut bells);
        self.let_go(guard);
        if let Some(net) = self.net.get() {
            self.resume_checks(net);
            if let Some(deadline) = deadline {
                net.reactor.drive_at(net.key, deadline);
            }
        }
        bells.ring(self);
        if self.wanted.load(Ordering::Relaxed) {
            // Somebody found the set taken meanwhile, perhaps because there is something to read.
            self.kick();
        }
    }

    /// Has the poll set driven, now or as soon as whoever has it lets go.
    pub(super) fn kick(&self) {
        let Some(net) = self.net.get() else { return };
        match self.drive_if_free() {
            Some(Some(deadline)) => net.reactor.drive_at(net.key, deadline),
            Some(None) => {}
            None => net.alarm.ring(),
        }
    }

    /// Drives the set unless somebody else does, who will look again. Answers the set's next
    /// deadline if it was driven here.
    pub(super) fn drive_if_free(&self) -> Option<Option<Time>> {
        let mut driven = None;
        self.wanted.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while self.wanted.load(Ordering::Relaxed) {
            let Some(mut guard) = self.set.try_lock() else {
                return driven;
            };
            self.wanted.store(false, Ordering::Relaxed);
            let mut bells = Bells::default();
            driven = Some(self.turn(&mut guard, true, &mut bells));
            self.let_go(guard);
            if let Some(net) = self.net.get() {
                self.resume_checks(net);
            }
            bells.ring(self);
        }
        driven
    }

    /// One turn without waiting; `polls`: looks for readiness, too. Answers the next deadline.
    pub(super) fn turn(
        &self,
        set: &mut Option<PollSet>,
        polls: bool,
        bells: &mut Bells,
    ) -> Option<Time> {
        let Some(set_here) = set.as_mut() else {
            self.forget_jobs(bells);
            return None;
        };
        let now = self.context.metal.now();
        set_here.run_jobs(self, now, bells);
        if polls {
            self.work.note_poll();
            if let Err(error) = set_here.poll(Some(Duration::ZERO)) {
                if error.kind() != io::ErrorKind::Interrupted {
                    set_here.note_failure(&error, bells);
                }
            }
        }
        self.work(set, now, bells)
    }

    /// The set is over: what is asked of it now nobody will do.
    fn forget_jobs(&self, bells: &mut Bells) {
        for job in std::mem::take(&mut *self.jobs.lock()) {
            if let Job::Judged {
                answer: Answer::Asked(inquiry),
                ..
            } = job
            {
                inquiry.end(bells);
            }
        }
    }

    /// Does what the last poll told of. Answers the next deadline.
    pub(super) fn work(
        &self,
        set: &mut Option<PollSet>,
        now: Time,
        bells: &mut Bells,
    ) -> Option<Time> {
        let set_here = set.as_mut()?;
        set_here.work(self, now, bells);
        set_here.run_jobs(self, now, bells);
        if !set_here.is_over() {
            return set_here.next_deadline();
        }
        let unsent = set_here.unsent;
        if let Some(net) = self.net.get() {
            if !set_here.leased {
                if let Err(error) = net.reactor.unwatch(set_here.selector.source()) {
                    log::trace!("a poll set was not watched: {error}");
                }
            }
            net.reactor.release(net.key);
        }
        *set = None;
        self.closed(unsent, bells);
        None
    }
}
