//! A lock that costs its habitual user next to nothing.
//!
//! Most sockets are used by one thread. For it, the two atomic exchanges of a mutex were 70 % of
//! the time of a send, and a third of the time of a receive (64 octets over tcp). A biased lock
//! grants that thread entry by plain loads and stores, until somebody else wants in:
//!
//! ```text
//!   habitual user                          anybody else
//!   my slot: inside this lock              take the mutex
//!   ── order, to the compiler only ──      owner = nobody
//!   owner still me? ── no ──► mutex        ══ barrier on all cores (membarrier) ══
//!     │ yes                                wait until that user's slot says otherwise
//!   use it                                 use it, the bias being over
//!   my slot: outside                       release the mutex
//! ```
//!
//! The barrier makes this sound: either the user's slot is seen after it, or the user's look at
//! `owner` comes after it and finds nobody. It costs some microseconds, so the bias is granted
//! only after a long run of entries by one thread, and not at all where the system has no such
//! barrier. The slot belongs to the thread and not to the lock: one that was delayed between its
//! two looks at `owner` must not wipe out what the next habitual user has written. loom walks
//! this file with fences in the place of both orders (`tests/loom.rs`).

#![allow(unsafe_code)]

use std::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    sync::{OnceLock, PoisonError, TryLockError},
};

use super::{AtomicUsize, Ordering, Rank, imp, order};

/// A lock, biased towards the thread that uses it most.
pub struct Biased<T> {
    rank: Rank,
    level: Level,
    /// The slot, by its address, of the thread that may enter without the mutex; 0: nobody.
    owner: AtomicUsize,
    mutex: imp::Mutex<Habit>,
    /// The mutex's guard, while somebody holds it. It ends in a flag of one octet: the seven behind
    /// that would be moved with every guard of ours, in pieces that cost more than all else which
    /// entering by bias does.
    held: UnsafeCell<MaybeUninit<imp::MutexGuard<'static, Habit>>>,
    value: UnsafeCell<T>,
}

/// One thread's word on where it is.
struct Slot {
    /// The locks, by their addresses, that it has entered by bias, one of each [`Level`]; 0: none.
    inside: [AtomicUsize; 2],
}

/// A thread can be in one lock of each level by bias: in a handle's, and in its socket's.
type Level = usize;

/// Who came through the mutex lately.
struct Habit {
    /// Whose the bias is, or was last.
    owner: Option<&'static Slot>,
    /// The slot of the last thread, by its address.
    last: usize,
    streak: u32,
    /// How long a streak makes the next habitual user: the longer, the more often it was wrong.
    patience: u32,
}

// SAFETY: the value is reached by one thread at a time only, which the protocol above sees to;
// that thread may be any, so the value must be `Send`. Entering twice at a time would break this.
unsafe impl<T: Send> Sync for Biased<T> {}
// SAFETY: a guard is laid down and taken away by the thread that holds the mutex; while nobody
// does, there is none to go to another thread with the lock.
unsafe impl<T: Send> Send for Biased<T> {}

impl<T> Biased<T> {
    /// A lock of this rank around `value`, biased towards nobody.
    pub fn new(rank: Rank, value: T) -> Biased<T> {
        Biased {
            rank,
            level: usize::from(rank != Rank::Handle),
            owner: AtomicUsize::new(0),
            mutex: imp::Mutex::new(Habit {
                owner: None,
                last: 0,
                streak: 0,
                patience: STREAK,
            }),
            held: UnsafeCell::new(MaybeUninit::uninit()),
            value: UnsafeCell::new(value),
        }
    }

    /// Does somebody enter by bias?
    pub fn is_biased(&self) -> bool {
        self.owner.load(Ordering::Relaxed) != 0
    }

    /// Is anybody inside? For who knows that nobody comes or goes: the child of a fork, where others
    /// stay for ever where they were.
    pub fn is_held(&self) -> bool {
        let habit = match self.mutex.try_lock() {
            Ok(habit) => habit,
            Err(TryLockError::Poisoned(habit)) => habit.into_inner(),
            Err(TryLockError::WouldBlock) => return true,
        };
        let inside =
            |slot: &Slot| slot.inside[self.level].load(Ordering::Acquire) == self.address();
        habit.owner.is_some_and(inside)
    }

    /// Takes the lock, waiting for it.
    #[inline(always)]
    pub fn lock(&self) -> BiasedGuard<'_, T> {
        order::taking(self.rank);
        let slot = slot();
        if let Some(slot) = slot {
            let inside = &slot.inside[self.level];
            let outside = inside.load(Ordering::Relaxed) == 0;
            if self.owner.load(Ordering::Relaxed) == slot.address() && outside {
                inside.store(self.address(), Ordering::Relaxed);
                light_barrier();
                if self.owner.load(Ordering::Relaxed) == slot.address() {
                    return BiasedGuard {
                        of: self,
                        inside: Some(inside),
                        _stays: PhantomData,
                    };
                }
                inside.store(0, Ordering::Release);
            }
        }
        self.lock_unbiased(slot)
    }

    #[cold]
    #[inline(never)]
    fn lock_unbiased(&self, me: Option<&'static Slot>) -> BiasedGuard<'_, T> {
        let mut habit = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        if self.owner.load(Ordering::Relaxed) != 0 {
            self.owner.store(0, Ordering::Relaxed);
            heavy_barrier();
            let inside =
                |slot: &Slot| slot.inside[self.level].load(Ordering::Acquire) == self.address();
            while habit.owner.is_some_and(inside) {
                give_way();
            }
            habit.last = 0;
            habit.patience = (2 * habit.patience).min(STREAK_MAX);
        }
        if let Some(me) = me {
            if habit.last != me.address() {
                (habit.last, habit.streak) = (me.address(), 0);
            }
            habit.streak += 1;
            if habit.streak >= habit.patience && has_barrier() {
                habit.streak = 0;
                habit.owner = Some(me);
                // Others enter through the mutex, which is ours still, and end this.
                self.owner.store(me.address(), Ordering::Relaxed);
            }
        }
        // SAFETY: nobody else looks at it while the mutex is held, and the guard that is made now
        // borrows this lock, and takes it away at its end.
        unsafe { (*self.held.get()).write(lengthened(habit)) };
        BiasedGuard {
            of: self,
            inside: None,
            _stays: PhantomData,
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// The guard of a mutex, for as long as its lock is held.
///
/// # Safety
/// It must go before the mutex does.
unsafe fn lengthened(guard: imp::MutexGuard<'_, Habit>) -> imp::MutexGuard<'static, Habit> {
    // SAFETY: only a lifetime changes, and the caller says that it is not too long.
    unsafe { std::mem::transmute(guard) }
}

impl Slot {
    fn address(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// Holds a [`Biased`].
pub struct BiasedGuard<'a, T> {
    of: &'a Biased<T>,
    /// Where this thread has noted that it is inside, if it came in by bias; else it has the mutex.
    inside: Option<&'static AtomicUsize>,
    /// It goes with the thread, as the mutex's guard would.
    _stays: PhantomData<imp::MutexGuard<'a, Habit>>,
}

impl<T> Deref for BiasedGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: whoever holds a guard is alone with the value: it has the mutex and has seen
        // the biased user outside after ending the bias, or it is that user and has seen, while
        // its slot said so, that the bias stands. A thread that is inside one lock by bias takes
        // the mutex of any other of that level, and waits for itself for ever if it takes the same
        // one again.
        // Two guards at a time would break this.
        unsafe { &*self.of.value.get() }
    }
}

impl<T> DerefMut for BiasedGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; and the guard itself is borrowed mutably, so no reference made by
        // `deref` is alive.
        unsafe { &mut *self.of.value.get() }
    }
}

impl<T> Drop for BiasedGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        match self.inside {
            Some(inside) => inside.store(0, Ordering::Release),
            // SAFETY: who did not come in by bias has laid the mutex's guard down here, and nobody
            // else looks at it while that is held.
            None => unsafe { (*self.of.held.get()).assume_init_drop() },
        }
        order::given_back(self.of.rank);
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for BiasedGuard<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> std::fmt::Debug for Biased<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Biased")
            .field("rank", &self.rank)
            .finish_non_exhaustive()
    }
}

/// Says how all cores that run this process are made to order their memory accesses. Without it,
/// locks are biased towards nobody. Called once; later calls change nothing.
pub fn offer_barrier(barrier: fn()) {
    // Set already: by another context, to the same.
    let _ = BARRIER.set(barrier);
}

static BARRIER: OnceLock<fn()> = OnceLock::new();

/// How many entries in a row by one thread make it the habitual user. The barrier that ends a
/// bias takes as long as some hundred entries through the mutex do.
pub const STREAK: u32 = if cfg!(loom) { 1 } else { 256 };

/// The longest streak that is asked for, after many a bias that others have ended: entries by bias
/// save then several times what a barrier takes. With a longer one, a sender whose reactor looks in
/// every 200 µs would hardly ever be the habitual user again.
pub const STREAK_MAX: u32 = if cfg!(loom) { 2 } else { 1 << 10 };

#[cfg(not(loom))]
mod barriers {
    use std::sync::atomic::{Ordering, compiler_fence};

    pub(super) fn has_barrier() -> bool {
        super::BARRIER.get().is_some()
    }

    #[inline(always)]
    pub(super) fn light_barrier() {
        compiler_fence(Ordering::SeqCst);
    }

    pub(super) fn heavy_barrier() {
        if let Some(barrier) = super::BARRIER.get() {
            barrier();
        }
    }

    pub(super) fn give_way() {
        std::thread::yield_now();
    }
}

#[cfg(loom)]
mod barriers {
    use loom::sync::atomic::{Ordering, fence};

    pub(super) fn has_barrier() -> bool {
        true
    }

    pub(super) fn light_barrier() {
        fence(Ordering::SeqCst);
    }

    pub(super) fn heavy_barrier() {
        fence(Ordering::SeqCst);
    }

    pub(super) fn give_way() {
        loom::thread::yield_now();
    }
}

use barriers::{give_way, has_barrier, heavy_barrier, light_barrier};

#[cfg(not(loom))]
mod slots {
    use std::{
        cell::Cell,
        sync::{Mutex, PoisonError},
    };

    use super::{AtomicUsize, Slot};

    thread_local! {
        static MINE: Cell<Option<&'static Slot>> = const { Cell::new(None) };
        static LOAN: Loan = const { Loan };
    }

    /// Slots of threads that have ended. None is ever freed, so that whoever ends a bias may look
    /// at the slot of a thread that is gone; who takes one over comes after all its last user did.
    static FREE: Mutex<Vec<&'static Slot>> = Mutex::new(Vec::new());

    /// Gives this thread's slot back at its end.
    struct Loan;

    impl Drop for Loan {
        fn drop(&mut self) {
            if let Some(slot) = MINE.take() {
                FREE.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(slot);
            }
        }
    }

    /// This thread's slot; `None` when the thread is about to end.
    #[inline]
    pub(super) fn slot() -> Option<&'static Slot> {
        MINE.get().or_else(borrow)
    }

    #[cold]
    fn borrow() -> Option<&'static Slot> {
        LOAN.try_with(|_| ()).ok()?;
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let slot = free.unwrap_or_else(|| {
            Box::leak(Box::new(Slot {
                inside: [AtomicUsize::new(0), AtomicUsize::new(0)],
            }))
        });
        MINE.set(Some(slot));
        Some(slot)
    }
}

#[cfg(loom)]
mod slots {
    use super::{AtomicUsize, Slot};

    loom::thread_local! {
        static MINE: &'static Slot = Box::leak(Box::new(Slot {
            inside: [AtomicUsize::new(0), AtomicUsize::new(0)],
        }));
    }

    pub(super) fn slot() -> Option<&'static Slot> {
        MINE.try_with(|slot| *slot).ok()
    }
}

use slots::slot;
