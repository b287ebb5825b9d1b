//! Who waits, drives: the lease of a poll set.
//!
//! A caller that must wait takes its socket's poll set out of the reactor's and polls it
//! itself: what it waits for then costs one wake-up instead of two. The lease outlasts the
//! call, so that coming back costs nothing but poll and read.
//!
//! | state | who polls | leaves to | by |
//! |---|---|---|---|
//! | reactor-owned | the reactor, through its own selector | leased, in use | a caller that waits locks the set and takes it out |
//! | leased, in use | that caller | leased, idle | its message, close or deadline |
//! | leased, idle | nobody | in use | the caller comes back (no system call) |
//! | | | reactor-owned | the reactor sees no use between two checks, and puts the set back |
//! | long wait | that caller | leased, idle | the reactor has stopped checking; the caller rings it as it leaves |
//!
//! Who connects a REQ mostly asks at once, and waits. Its set begins leased and idle, so that the
//! reactor is not woken at each step of the handshake. Who then sends without waiting calls the
//! reactor.
//!
//! A socket that is watched ([`watch`](super::watch)) is not leased: nobody can tell when its
//! watcher comes back to drive it. A lease that exists ends with the wait it is used for.
//!
//! The reactor checks leases every [`tuning::LEASE_CHECK`]. While it finds one in use by the same
//! wait as before it stops checking, so that a program that waits costs nothing.

use std::{
    io,
    sync::Arc,
    task::{Poll, Waker},
};

use super::{
    bells::Bells,
    hearing, lying,
    pollset::PollSet,
    socket::{Net, Socket},
    spin::Looked,
};
use crate::base::{
    error::ErrorKind,
    lent,
    socket_type::SocketType,
    sync::{
        Guard, Ordering, fence,
        park::{Parked, Parker},
    },
    time::Time,
    tuning,
};

impl Socket {
    /// Polls `attempt` until it is ready, and waits in between, until `deadline`.
    ///
    /// `receives`: it waits for a message, which may come so soon that sleeping does not pay.
    ///
    /// # Errors
    /// `TimedOut`, or `Interrupted`.
    pub fn block_on<T>(
        &self,
        deadline: Option<Time>,
        receives: bool,
        attempt: impl FnMut(&Waker) -> Poll<T>,
    ) -> Result<T, ErrorKind> {
        self.block_hearing(deadline, receives, false, attempt)
    }

    /// As [`block_on`](Socket::block_on); with `signals`, one that comes while this thread sleeps
    /// ends it, too.
    ///
    /// # Errors
    /// `TimedOut`, or `Interrupted`.
    pub fn block_hearing<T>(
        &self,
        deadline: Option<Time>,
        receives: bool,
        signals: bool,
        attempt: impl FnMut(&Waker) -> Poll<T>,
    ) -> Result<T, ErrorKind> {
        let mut drove = false;
        let result = self.block_driving(deadline, receives, signals, attempt, &mut drove);
        if drove && self.parked.load(Ordering::Relaxed) > 0 {
            // Somebody sleeps who relied on us to drive: one of them takes over. Not before we go:
            // two who wake each other as often as they look again would never sleep.
            let mut bells = Bells::default();
            self.state.lock().wake_one_of_each(&mut bells);
            bells.ring(self);
        }
        result
    }

    /// As [`block_hearing`](Socket::block_hearing). `drove`: it has had the poll set.
    fn block_driving<T>(
        &self,
        deadline: Option<Time>,
        receives: bool,
        signals: bool,
        mut attempt: impl FnMut(&Waker) -> Poll<T>,
        drove: &mut bool,
    ) -> Result<T, ErrorKind> {
        if self.is_interrupted() {
            return Err(ErrorKind::Interrupted);
        }
        let (parker, waker) = Parker::current();
        loop {
            if let Poll::Ready(value) = attempt(&waker) {
                return Ok(value);
            }
            // Looked at after a place was taken: whoever interrupts later wakes us there.
            if self.is_interrupted() {
                return Err(ErrorKind::Interrupted);
            }
            // Whoever is about to wait writes out what it has left lying.
            let received = self.flush_all(true);
            lying::write_out(self);
            lent::let_go();
            if deadline.is_some_and(|deadline| deadline <= self.context.metal.now()) {
                return Err(ErrorKind::TimedOut);
            }
            let buffered = self.net.get().is_some();
            // Where another one looks again, this one need not.
            let begin = || Some(self.spin.try_lock()?.begin(received, buffered));
            let awake = receives && begin() == Some(true);
            let parked = self.wait(&parker, deadline, awake, signals, drove);
            if signals && parked == Parked::Interrupted {
                // What came together with the signal comes first.
                return match attempt(&waker) {
                    Poll::Ready(value) => Ok(value),
                    Poll::Pending => Err(ErrorKind::Interrupted),
                };
            }
        }
    }

    /// Waits until this thread is woken, driving the poll set if nobody else does; `awake`: for a
    /// short time without sleeping, if there is a core to spare.
    fn wait(
        &self,
        parker: &Arc<Parker>,
        until: Option<Time>,
        awake: bool,
        signals: bool,
        drove: &mut bool,
    ) -> Parked {
        let (ours, all) = self.context.metal.cores();
        let awake_driving = awake && all > 1;
        let net = self.net.get();
        let driven = match net {
            Some(net) => self.wait_driving(net, parker, until, awake_driving),
            None if awake => self.wait_awake(parker, until, ours > 1),
            None => None,
        };
        *drove |= driven.is_some();
        if let Some(parked) = driven {
            return parked;
        }
        self.parked.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Who had the set may have gone just now, without seeing that somebody relies on it.
        let driven = net.and_then(|net| self.wait_driving(net, parker, until, false));
        *drove |= driven.is_some();
        let parked = driven.unwrap_or_else(|| {
            let now = self.context.metal.now();
            let timeout = until.map(|until| until.since(now));
            let parked = match signals {
                true => hearing::sleep(&*self.context.metal, parker, timeout),
                false => parker.park(timeout),
            };
            self.work.note_wakeup();
            parked
        });
        self.parked.fetch_sub(1, Ordering::Relaxed);
        parked
    }

    /// Drives the set until this thread is woken. `None`: somebody else has it.
    fn wait_driving(
        &self,
        net: &Net,
        parker: &Arc<Parker>,
        until: Option<Time>,
        mut awake: bool,
    ) -> Option<Parked> {
        if self.watched.load(Ordering::SeqCst) {
            return None;
        }
        let mut guard = self.set.try_lock()?;
        let set = guard.as_mut()?;
        if !set.leased {
            if net.reactor.unwatch(set.selector.source()).is_err() {
                return None;
            }
            set.leased = true;
            self.leased.store(true, Ordering::Relaxed);
            let now = self.context.metal.now();
            net.reactor.drive_at(net.key, now + tuning::LEASE_CHECK);
        }
        self.lease_uses.fetch_add(1, Ordering::Relaxed);
        self.wanted.store(false, Ordering::Relaxed);
        let mut bells = Bells::default();
        let parked = loop {
            let Some(set) = guard.as_mut() else {
                break Parked::Woken;
            };
            let mut now = self.context.metal.now();
            set.run_jobs(self, now, &mut bells);
            if !bells.is_empty() {
                // Bells are rung outside the lock: this round ends here.
                break Parked::Woken;
            }
            if until.is_some_and(|until| until <= now) {
                break Parked::TimedOut;
            }
            let next = match (set.next_deadline(), until) {
                (Some(next), Some(until)) => Some(next.min(until)),
                (next, until) => next.or(until),
            };
            if !parker.begin_poll(&net.alarm) {
                break Parked::Woken;
            }
            let mut polled = Ok(false);
            if std::mem::take(&mut awake) {
                let end = next.map_or(now + tuning::SPIN, |next| next.min(now + tuning::SPIN));
                let stop = || parker.is_woken() || self.wanted.load(Ordering::Relaxed);
                polled = set.poll_awake(self, end, stop);
                now = self.context.metal.now();
                let found = matches!(polled, Ok(true));
                self.spin.lock().end(found, Looked::of(now, end));
            }
            if let Ok(false) = polled {
                self.work.note_poll();
                polled = set.poll(next.map(|next| next.since(now))).map(|()| true);
                self.work.note_wakeup();
                now = self.context.metal.now();
            }
            let woken = parker.end_poll();
            self.work(&mut guard, now, &mut bells);
            match polled {
                // What was lent is let go of outside the lock, too.
                _ if woken || !bells.is_empty() || lent::owes() => break Parked::Woken,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    break Parked::Interrupted;
                }
                Err(error) => {
                    if let Some(set) = guard.as_ref() {
                        set.note_failure(&error, &mut bells);
                    }
                    break Parked::Woken;
                }
            }
        };
        self.let_go(guard);
        bells.ring(self);
        self.leave_lease(net);
        Some(parked)
    }

    /// Does its poll set begin in the hands of those who wait?
    pub(super) fn is_born_leased(&self) -> bool {
        self.socket_type == SocketType::Req
            && self.context.metal.may_block()
            && !self.watched.load(Ordering::SeqCst)
    }

    /// The caller does not wait, or not in a call of ours: if nobody has used the lease that the
    /// set was born with, the reactor is to have it.
    #[inline]
    pub(super) fn leave_to_reactor(&self) {
        if self.leased.load(Ordering::Relaxed) && self.lease_uses.load(Ordering::Relaxed) == 0 {
            self.call_reactor();
        }
    }

    #[cold]
    fn call_reactor(&self) {
        if let Some(net) = self.net.get() {
            net.reactor.drive_at(net.key, self.context.metal.now());
        }
    }

    /// Lets the set go. Whoever finds it taken sets a word of his own first (`wanted`, `long_wait`,
    /// `parked`), and with fences on both sides one sees what the other has done: he the set free,
    /// or we his word.
    pub(super) fn let_go(&self, set: Guard<'_, Option<PollSet>>) {
        drop(set);
        fence(Ordering::SeqCst);
    }

    /// The caller goes back to its work; the lease stays.
    fn leave_lease(&self, net: &Net) {
        self.resume_checks(net);
        self.return_lease();
        if self.wanted.load(Ordering::Relaxed) || !self.jobs.lock().is_empty() {
            self.kick();
        }
    }

    /// If the socket is watched, the reactor shall have its set back, as soon as it is free.
    pub(super) fn return_lease(&self) {
        if self.watched.load(Ordering::Relaxed) && self.leased.load(Ordering::Relaxed) {
            if let Some(net) = self.net.get() {
                net.reactor.drive_at(net.key, self.context.metal.now());
            }
        }
    }

    /// The set is free. If the reactor found it taken and has stopped checking, it begins again:
    /// also where it was not a long wait that it met, but somebody in passing.
    pub(super) fn resume_checks(&self, net: &Net) {
        let found = self.long_wait.load(Ordering::Relaxed);
        if found && self.long_wait.swap(false, Ordering::Relaxed) {
            let now = self.context.metal.now();
            net.reactor.drive_at(net.key, now + tuning::LEASE_CHECK);
        }
    }

    /// While the set is leased and idle, whoever asks without waiting drives it. True if so.
    pub fn drive_in_passing(&self) -> bool {
        if !self.leased.load(Ordering::Relaxed) {
            return false;
        }
        self.lease_uses.fetch_add(1, Ordering::Relaxed);
        self.drive_if_free().is_some()
    }

    /// The reactor's turn at this socket.
    pub(super) fn drive_for_reactor(&self, now: Time) -> Option<Time> {
        if !self.leased.load(Ordering::SeqCst) {
            return self.drive_if_free().flatten();
        }
        let uses = self.lease_uses.load(Ordering::Relaxed);
        let used = self.lease_seen.swap(uses, Ordering::Relaxed) != uses
            && !self.watched.load(Ordering::SeqCst);
        let check = || now + tuning::LEASE_CHECK;
        let Some(mut guard) = self.set.try_lock() else {
            if used {
                return Some(check());
            }
            // The same wait as before: no more checks until it ends. The second look makes sure
            // that it has not ended just now, without seeing the mark.
            self.long_wait.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.set.try_lock()?;
            self.long_wait.store(false, Ordering::Relaxed);
            return Some(check());
        };
        let (Some(set), Some(net)) = (guard.as_mut(), self.net.get()) else {
            return None;
        };
        if !used {
            set.leased = false;
            self.leased.store(false, Ordering::SeqCst);
            if let Err(error) = net.reactor.watch(net.key, set.selector.source()) {
                log::error!("cannot watch a poll set: {error}");
                set.leased = true;
                self.leased.store(true, Ordering::SeqCst);
                return Some(check());
            }
        }
        let mut bells = Bells::default();
        let mut deadline = self.turn(&mut guard, true, &mut bells);
        self.let_go(guard);
        bells.ring(self);
        if self.wanted.load(Ordering::Relaxed) {
            // Somebody found the set taken by us.
            deadline = self.drive_if_free().unwrap_or(deadline);
        }
        match deadline {
            _ if !used => deadline,
            Some(deadline) => Some(deadline.min(check())),
            None => Some(check()),
        }
    }
}
