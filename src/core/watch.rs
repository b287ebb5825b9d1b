//! Watching a socket: who wants to know when it is ready, without taking anything.
//!
//! Somebody who receives stands in a line, and what arrives wakes the first. A watcher stands
//! beside the line: it is woken as well, and takes nobody's place. It looks, and if there is
//! nothing it is armed in that very moment, under the socket's lock; so nothing slips through.
//!
//! ```text
//!               look: nothing                    it comes
//!   unarmed ───────────────────► armed ─────────────────────► unarmed, woken: look again
//!      │ ▲                                                       │
//!      └─┴── look: ready (a steady watcher is armed for the end of it)
//! ```
//!
//! The poll set of a socket that is watched stays with the reactor (see [`lease`](super::lease)):
//! its watchers are not there to drive it.

use std::task::{Poll, Waker};

use super::{
    bells::Bells,
    socket::Socket,
    state::{Phase, State},
    wait::Place,
};
use crate::{
    base::{
        error::ErrorKind,
        interest::Interest,
        sync::{Ordering, fence},
    },
    pattern::Refusal,
};

/// Those who watch one socket.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    list: Vec<Watcher>,
    /// Watchers so far: their numbers are never given again.
    numbered: u64,
    /// Watchers that want to know when nothing is left to receive.
    steady: usize,
}

#[derive(Debug)]
struct Watcher {
    number: u64,
    waker: Waker,
    armed: Armed,
    steady: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Armed {
    No,
    /// Waits for this.
    For(Interest),
    /// Waits until there is nothing to receive.
    Drained,
}

/// Names a watcher of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch(u64);

/// What a watcher has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// A receive would not wait.
    pub readable: bool,
    /// A send would not wait.
    pub writable: bool,
    /// The socket is closed: no call waits any more.
    pub closed: bool,
}

impl Look {
    /// Was there anything?
    pub fn is_ready(self) -> bool {
        self.readable || self.writable || self.closed
    }
}

impl Watchers {
    /// Something happened to what somebody may wait for.
    #[inline]
    pub(super) fn ring(&mut self, what: Interest, bells: &mut Bells) {
        if !self.list.is_empty() {
            self.ring_if(
                |armed| matches!(armed, Armed::For(it) if it.meets(what)),
                bells,
            );
        }
    }

    /// Nobody who watches knows better any more.
    pub(super) fn ring_all(&mut self, bells: &mut Bells) {
        self.ring_if(|armed| armed != Armed::No, bells);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Is there a watcher that wants to know when nothing is left?
    #[inline]
    pub(super) fn are_steady(&self) -> bool {
        self.steady > 0
    }

    fn ring_if(&mut self, rings: impl Fn(Armed) -> bool, bells: &mut Bells) {
        for watcher in &mut self.list {
            if rings(watcher.armed) {
                watcher.armed = Armed::No;
                bells.wakers.push(watcher.waker.clone());
            }
        }
    }
}

impl State {
    /// Something was received, or given up: tells steady watchers if nothing is left.
    pub(super) fn note_drained(&mut self, bells: &mut Bells) {
        let can_recv =
            self.with_pattern(|pattern, peers, effects| pattern.can_recv(peers, effects));
        if !can_recv {
            self.watchers
                .ring_if(|armed| armed == Armed::Drained, bells);
        }
    }
}

impl Socket {
    /// Waits until a send would be taken, and sends nothing. False once the socket is closed.
    ///
    /// Another thread may use the room before the caller does.
    pub fn poll_room(&self, place: &mut Place, waker: &Waker) -> Poll<bool> {
        let mut state = self.state.lock();
        let open = state.phase == Phase::Open;
        if open && !state.with_pattern(|pattern, peers, _| pattern.can_send(peers)) {
            state.send_waiters.enter(place, waker);
            return Poll::Pending;
        }
        // There may be room for the next one, too.
        let next = match state.send_waiters.leave(place) {
            true => state.send_waiters.pop(),
            false => None,
        };
        drop(state);
        if let Some(waker) = next {
            waker.wake();
        }
        Poll::Ready(open)
    }

    /// Waits until a receive would not wait, and takes nothing. False once the socket is closed.
    ///
    /// Another thread may take the message before the caller does.
    pub fn poll_message(&self, place: &mut Place, waker: &Waker) -> Poll<bool> {
        let mut bells = Bells::default();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.note_back(self);
        let open = state.phase == Phase::Open;
        let here =
            open && state.with_pattern(|pattern, peers, effects| pattern.can_recv(peers, effects));
        if open && !here {
            state.recv_waiters.enter(place, waker);
        } else if state.recv_waiters.leave(place) {
            // What this one was woken for is for the next in line.
            bells.wakers.extend(state.recv_waiters.pop());
        }
        state.follow(self, &mut bells);
        drop(guard);
        bells.ring(self);
        if open && !here {
            return Poll::Pending;
        }
        Poll::Ready(open)
    }

    /// Would a message whose first frame is this be taken now?
    ///
    /// # Errors
    /// What a send would answer: `Full`, `Unroutable`, `WrongState`, `Closed`.
    pub fn admit(&self, first: &[u8]) -> Result<(), ErrorKind> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(ErrorKind::Closed);
        }
        let admitted = state.with_pattern(|pattern, peers, _| pattern.admit(peers, first));
        admitted.map_err(|refusal| match refusal {
            Refusal::Full => ErrorKind::Full,
            Refusal::Unroutable => ErrorKind::Unroutable,
            Refusal::Busy | Refusal::WrongState => ErrorKind::WrongState,
        })
    }

    /// As [`admit`](Socket::admit), or takes a place among those who wait to send.
    pub fn poll_admit(
        &self,
        place: &mut Place,
        first: &[u8],
        waker: &Waker,
    ) -> Poll<Result<(), ErrorKind>> {
        // In line first: room that comes from now on is heard of.
        self.state.lock().send_waiters.enter(place, waker);
        match self.admit(first) {
            Err(ErrorKind::Full) => Poll::Pending,
            done => Poll::Ready(done),
        }
    }

    /// Would a receive give something now? And would a send be taken?
    pub fn readiness(&self) -> (bool, bool) {
        loop {
            let mut bells = Bells::default();
            let mut state = self.state.lock();
            let ready = state.with_pattern(|pattern, peers, effects| {
                (pattern.can_recv(peers, effects), pattern.can_send(peers))
            });
            state.note_back(self);
            state.follow(self, &mut bells);
            drop(state);
            let again = !ready.0 && bells.fetch();
            bells.ring(self);
            if !again {
                return ready;
            }
        }
    }

    /// A new watcher, unarmed: it looks first. `steady`: it is woken also when there is nothing
    /// to receive any more, after it has seen that there was.
    pub fn watch(&self, waker: Waker, steady: bool) -> Watch {
        let mut state = self.state.lock();
        let watchers = &mut state.watchers;
        watchers.numbered += 1;
        let number = watchers.numbered;
        watchers.list.push(Watcher {
            number,
            waker,
            armed: Armed::No,
            steady,
        });
        watchers.steady += usize::from(steady);
        state.settle_ways();
        self.watched.store(true, Ordering::Relaxed);
        drop(state);
        fence(Ordering::SeqCst);
        self.return_lease();
        Watch(number)
    }

    /// Ends a watch.
    pub fn unwatch(&self, watch: Watch) {
        let mut state = self.state.lock();
        let watchers = &mut state.watchers;
        watchers.list.retain(|watcher| watcher.number != watch.0);
        watchers.steady = watchers.list.iter().filter(|it| it.steady).count();
        state.settle_ways();
        let watched = !state.watchers.list.is_empty();
        self.watched.store(watched, Ordering::Relaxed);
    }

    /// What is ready of `interest`? If nothing is, the watcher's waker is woken once something
    /// may be.
    pub fn look(&self, watch: Watch, interest: Interest) -> Look {
        let mut bells = Bells::default();
        let look = self.look_noting(watch, interest, &mut bells);
        bells.ring(self);
        look
    }

    /// As [`look`](Socket::look), for callers that hold a lock.
    pub(super) fn look_noting(&self, watch: Watch, interest: Interest, bells: &mut Bells) -> Look {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.note_back(self);
        let closed = state.phase != Phase::Open;
        let (mut readable, mut writable) = (closed, closed);
        if !closed {
            (readable, writable) = state.with_pattern(|pattern, peers, effects| {
                (
                    interest.is_readable() && pattern.can_recv(peers, effects),
                    interest.is_writable() && pattern.can_send(peers),
                )
            });
            state.follow(self, bells);
        }
        let look = Look {
            readable: readable && interest.is_readable(),
            writable: writable && interest.is_writable(),
            closed,
        };
        let mut watchers = state.watchers.list.iter_mut();
        if let Some(watcher) = watchers.find(|watcher| watcher.number == watch.0) {
            watcher.armed = match look {
                _ if !look.is_ready() => Armed::For(interest),
                _ if watcher.steady && !closed => Armed::Drained,
                _ => Armed::No,
            };
        }
        look
    }
}
