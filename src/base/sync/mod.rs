//! Locks, atomics and parking: the one place that chooses between std and loom.
//!
//! The lock forgets poison: a panic in user code must not take a socket with it, and no code of
//! ours leaves a structure half changed. Debug builds check the order in which locks are taken
//! (see [`Rank`]).

pub mod biased;
pub mod park;

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::PoisonError,
};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
};

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(loom))]
use std::sync as imp;

/// The order of locks: a thread takes them in rising rank only, and never two of one rank.
///
/// ```text
///   Registry  <  PollSet  <  Announce  <  Signal  <  Socket  <  Outbox  <  Lane  <  Leaf
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// What stands around a socket, in a program that holds it by a handle.
    Handle = 0,
    /// A context's tables: sockets, inproc names.
    Registry = 1,
    /// One socket's poll set: selector, sessions, timers.
    PollSet = 2,
    /// One socket's subscriptions on their way to inproc peers, so that they keep their order.
    Announce = 3,
    /// One descriptor that shows a socket's readiness.
    Signal = 4,
    /// One socket's state: peers, pattern, waiters.
    Socket = 5,
    /// What one connection is writing.
    Outbox = 6,
    /// One queue of one peer.
    Lane = 7,
    /// Small things that take no other lock: waiters, inboxes, monitors.
    Leaf = 8,
}

/// What a lock of std's gives, whoever has panicked.
fn forgive<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}

/// A mutex that knows its place.
pub struct Mutex<T> {
    rank: Rank,
    #[cfg(loom)]
    door: door::Door,
    inner: imp::Mutex<T>,
}

impl<T> Mutex<T> {
    /// A lock of this rank around `value`.
    pub fn new(rank: Rank, value: T) -> Mutex<T> {
        Mutex {
            rank,
            #[cfg(loom)]
            door: door::Door::default(),
            inner: imp::Mutex::new(value),
        }
    }

    /// Takes the lock, waiting for it.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        order::taking(self.rank);
        let inner = forgive(self.inner.lock());
        Guard {
            rank: self.rank,
            #[cfg(loom)]
            door: &self.door,
            inner,
        }
    }

    /// Takes the lock if nobody holds it.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        #[cfg(loom)]
        self.door.is_tried();
        let inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return None,
        };
        order::taking(self.rank);
        Some(Guard {
            rank: self.rank,
            #[cfg(loom)]
            door: &self.door,
            inner,
        })
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("rank", &self.rank)
            .finish_non_exhaustive()
    }
}

/// Holds a [`Mutex`].
pub struct Guard<'a, T> {
    rank: Rank,
    #[cfg(loom)]
    door: &'a door::Door,
    inner: imp::MutexGuard<'a, T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        #[cfg(loom)]
        self.door.is_left();
        order::given_back(self.rank);
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Loom lets nobody else run before a lock is released. Who tries a lock tells whether it is held
/// still, so here the two meet.
#[cfg(loom)]
mod door {
    use super::{AtomicBool, Ordering};

    #[derive(Default)]
    pub(super) struct Door(AtomicBool);

    impl Door {
        pub(super) fn is_tried(&self) {
            self.0.load(Ordering::Relaxed);
        }

        pub(super) fn is_left(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Which ranks this thread holds; empty in release builds.
mod order {
    use super::Rank;

    #[cfg(debug_assertions)]
    thread_local! {
        static HELD: std::cell::Cell<u16> = const { std::cell::Cell::new(0) };
    }

    #[inline]
    pub(super) fn taking(rank: Rank) {
        #[cfg(debug_assertions)]
        HELD.with(|held| {
            let bit = 1u16 << (rank as u16);
            assert!(
                held.get() < bit,
                "locks out of order: {rank:?} taken while holding ranks {:#b}",
                held.get()
            );
            held.set(held.get() | bit);
        });
        #[cfg(not(debug_assertions))]
        let _ = rank;
    }

    #[inline]
    pub(super) fn given_back(rank: Rank) {
        #[cfg(debug_assertions)]
        HELD.with(|held| held.set(held.get() & !(1u16 << (rank as u16))));
        #[cfg(not(debug_assertions))]
        let _ = rank;
    }

    /// Does this thread hold any lock? Bells are rung and system calls made only when not.
    #[cfg(debug_assertions)]
    pub(super) fn holds(from: Rank) -> bool {
        HELD.with(|held| held.get() >= 1u16 << (from as u16))
    }
}

/// Checks, in debug builds, that this thread holds no lock of `from` or a higher rank.
#[inline]
pub fn assert_unlocked(from: Rank) {
    #[cfg(debug_assertions)]
    assert!(
        !order::holds(from),
        "a bell or a system call under a lock of {from:?} or above"
    );
    #[cfg(not(debug_assertions))]
    let _ = from;
}

#[cfg(all(test, debug_assertions, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn locks_in_rising_order_pass() {
        let socket = Mutex::new(Rank::Socket, 1);
        let lane = Mutex::new(Rank::Lane, 2);
        let held = socket.lock();
        assert_eq!(*held + *lane.lock(), 3);
        drop(held);
        assert_eq!(*socket.try_lock().expect("free again"), 1);
        assert_unlocked(Rank::Registry);
    }

    #[test]
    #[should_panic(expected = "locks out of order")]
    fn a_lower_lock_under_a_higher_one_is_found() {
        let socket = Mutex::new(Rank::Socket, 1);
        let lane = Mutex::new(Rank::Lane, 2);
        let _held = lane.lock();
        let _ = socket.lock();
    }

    #[test]
    #[should_panic(expected = "locks out of order")]
    fn two_of_one_rank_are_found() {
        let (one, other) = (Mutex::new(Rank::Socket, 1), Mutex::new(Rank::Socket, 1));
        let _held = one.lock();
        let _ = other.lock();
    }
}
