//! Slots: what handles point to. They are never freed, so that a stale handle is recognised.
//!
//! ```text
//!   handle ──► Slot { magic, value }
//!                magic   what it is, or that it is nothing any more
//!                value   one thread at a time is in here
//! ```
//!
//! A slot that was let go is used again, but only after many others: whoever holds on to an old
//! handle for a while meets an errno, not somebody else's socket.
//!
//! In the child of a fork there is one thread, and whoever else was in a slot stays there for ever.
//! So what needs the threads of its process is only inherited there: its magic says so, and nobody
//! waits for it. The rest goes on, unless somebody was in it.

use std::{
    collections::VecDeque,
    ffi::c_void,
    ops::{Deref, DerefMut},
    ptr,
    sync::{
        Mutex, MutexGuard, Once, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering},
    },
};

use hubless::untyped::{Exclusive, ExclusiveGuard};

/// What a kind of handle is known by, and where its free slots are.
pub(crate) trait Kind: Send + Sized + 'static {
    const MAGIC: u32;
    /// Does it work in the child of a fork as well?
    const OUTLIVES_FORKS: bool = false;
    fn free() -> &'static Free<Self>;
}

/// The slots of a kind.
pub(crate) struct Free<T: 'static> {
    /// Those that wait to be used again, the oldest first.
    waiting: Mutex<VecDeque<&'static Slot<T>>>,
    /// Another thread was at these when this process was forked: they wait for ever.
    lost: AtomicBool,
    /// The one that was made last.
    last: AtomicPtr<Slot<T>>,
    /// Forks are told of.
    heard: Once,
}

/// See above. The magic comes first in every kind, so that one kind's handle is no other's.
#[repr(C)]
pub(crate) struct Slot<T> {
    magic: AtomicU32,
    value: Exclusive<Option<T>>,
    /// The one that was made before it.
    before: *mut Slot<T>,
}

// SAFETY: the pointer is to another slot, or NULL, and does not change once others see it; both
// other fields can be shared, for the value is reached by one thread at a time only.
unsafe impl<T: Send> Sync for Slot<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Slot<T> {}

/// The magic of a slot that stands for nothing.
const NOTHING: u32 = 0xdead_beef;

/// Slots that must have been let go before the first of them is used again.
const RESTING: usize = 1024;

/// The magic of what was this before a fork, in the child.
const fn inherited(magic: u32) -> u32 {
    !magic
}

impl<T: Kind> Free<T> {
    pub(crate) const fn new() -> Free<T> {
        Free {
            waiting: Mutex::new(VecDeque::new()),
            lost: AtomicBool::new(false),
            last: AtomicPtr::new(ptr::null_mut()),
            heard: Once::new(),
        }
    }

    fn waiting(&self) -> Option<MutexGuard<'_, VecDeque<&'static Slot<T>>>> {
        let is_lost = self.lost.load(Ordering::Relaxed);
        (!is_lost).then(|| self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One that has rested, or a new one.
    fn slot(&self) -> &'static Slot<T> {
        // SAFETY: it is given a function.
        self.heard.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(forked::<T>));
        });
        let rested = self.waiting().and_then(|mut waiting| {
            let has_rested = waiting.len() > RESTING;
            has_rested.then(|| waiting.pop_front()).flatten()
        });
        rested.unwrap_or_else(|| self.add())
    }

    fn add(&self) -> &'static Slot<T> {
        let slot = Box::leak(Box::new(Slot {
            magic: AtomicU32::new(NOTHING),
            value: Exclusive::new(None),
            before: ptr::null_mut(),
        }));
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            slot.before = last;
            let put = self
                .last
                .compare_exchange(last, slot, Ordering::Release, Ordering::Relaxed);
            match put {
                Ok(_) => return slot,
                Err(other) => last = other,
            }
        }
    }
}

/// What becomes of slots in the child of a fork.
///
/// # Safety
/// There is one thread.
unsafe extern "C" fn forked<T: Kind>() {
    let free = T::free();
    if let Err(TryLockError::WouldBlock) = free.waiting.try_lock() {
        free.lost.store(true, Ordering::Relaxed);
    }
    let mut next = free.last.load(Ordering::Acquire);
    // SAFETY: slots are never freed.
    while let Some(slot) = unsafe { next.as_ref() } {
        if slot.magic.load(Ordering::Relaxed) == T::MAGIC {
            if !T::OUTLIVES_FORKS {
                slot.magic.store(inherited(T::MAGIC), Ordering::Relaxed);
            } else if slot.value.is_held() {
                slot.magic.store(NOTHING, Ordering::Relaxed);
            }
        }
        next = slot.before;
    }
}

/// Puts a value into a slot, and gives the handle.
pub(crate) fn insert<T: Kind>(value: T) -> *mut c_void {
    let slot = T::free().slot();
    let mut taken = slot.value.lock();
    *taken = Some(value);
    slot.magic.store(T::MAGIC, Ordering::Release);
    drop(taken);
    ptr::from_ref(slot).cast_mut().cast()
}

/// Was it made before this process was forked, and does it not work here? Nobody waits for it.
///
/// # Safety
/// As [`enter`].
#[cold]
pub(crate) unsafe fn is_inherited<T: Kind>(handle: *mut c_void) -> bool {
    // SAFETY: the same as ours.
    let magic = unsafe { magic::<T>(handle) };
    magic.is_some_and(|magic| magic.load(Ordering::Acquire) == inherited(T::MAGIC))
}

/// Lets such a handle go. What it stood for stays as it is, for its threads, and with them what
/// they had locked, are the other process's. False if it is none.
///
/// # Safety
/// As [`enter`].
pub(crate) unsafe fn forget_inherited<T: Kind>(handle: *mut c_void) -> bool {
    // SAFETY: the same as ours.
    let magic = unsafe { magic::<T>(handle) };
    magic.is_some_and(|magic| {
        let inherited = inherited(T::MAGIC);
        let order = Ordering::Relaxed;
        magic
            .compare_exchange(inherited, NOTHING, order, order)
            .is_ok()
    })
}

/// What a handle stands for; `None` if it is NULL, stale or another kind's. Waits while another
/// thread is in it.
///
/// # Safety
/// `handle` is NULL, or was given by this library for whatever purpose.
#[inline(always)]
pub(crate) unsafe fn enter<T: Kind>(handle: *mut c_void) -> Option<Taken<T>> {
    // SAFETY: the caller says so.
    let slot = unsafe { find::<T>(handle) }?;
    let value = slot.value.lock();
    // It may have been let go while we waited.
    value.is_some().then_some(Taken { slot, value })
}

/// # Safety
/// As [`enter`].
#[inline(always)]
unsafe fn find<T: Kind>(handle: *mut c_void) -> Option<&'static Slot<T>> {
    // SAFETY: the same as ours.
    let magic = unsafe { magic::<T>(handle) }?;
    if magic.load(Ordering::Acquire) != T::MAGIC {
        return None;
    }
    // SAFETY: only slots of this kind have this magic, and slots are never freed.
    Some(unsafe { &*handle.cast::<Slot<T>>() })
}

/// # Safety
/// As [`enter`].
#[inline(always)]
unsafe fn magic<'a, T: Kind>(handle: *mut c_void) -> Option<&'a AtomicU32> {
    if handle.is_null() || !handle.cast::<Slot<T>>().is_aligned() {
        return None;
    }
    // SAFETY: every handle that we give points to at least four octets, aligned, that are never
    // freed and begin with a magic that is written atomically.
    Some(unsafe { &*handle.cast::<AtomicU32>() })
}

/// One thread's stay in a slot that stands for something.
pub(crate) struct Taken<T: 'static> {
    slot: &'static Slot<T>,
    value: ExclusiveGuard<'static, Option<T>>,
}

impl<T: Kind> Taken<T> {
    /// Lets the slot go: from now on its handle stands for nothing.
    pub(crate) fn remove(mut self) -> Option<T> {
        self.slot.magic.store(NOTHING, Ordering::Release);
        let value = self.value.take();
        let slot = self.slot;
        drop(self);
        if let Some(mut waiting) = T::free().waiting() {
            waiting.push_back(slot);
        }
        value
    }
}

impl<T> Deref for Taken<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value.as_ref().expect("it was there when we came in")
    }
}

impl<T> DerefMut for Taken<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("it was there when we came in")
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use hubless::Context;

    use super::*;

    struct Number(u32);
    struct Word;

    impl Kind for Number {
        const MAGIC: u32 = 1;
        fn free() -> &'static Free<Number> {
            static FREE: Free<Number> = Free::new();
            &FREE
        }
    }

    impl Kind for Word {
        const MAGIC: u32 = 2;
        const OUTLIVES_FORKS: bool = true;
        fn free() -> &'static Free<Word> {
            static FREE: Free<Word> = Free::new();
            &FREE
        }
    }

    #[test]
    fn a_handle_that_is_stale_or_of_another_kind_stands_for_nothing() {
        let handle = insert(Number(7));
        let word = insert(Word);
        // SAFETY: all of these are NULL or handles of ours.
        unsafe {
            assert!(enter::<Number>(ptr::null_mut()).is_none());
            assert!(enter::<Number>(word).is_none());
            let mut number = enter::<Number>(handle).expect("it was just made");
            number.0 += 1;
            drop(number);
            let number = enter::<Number>(handle).expect("still there");
            assert_eq!(number.remove().map(|it| it.0), Some(8));
            assert!(enter::<Number>(handle).is_none());
        }
        let other = insert(Number(9));
        assert_ne!(handle, other, "not used again so soon");
    }
    /// Forks while another thread is in the slots, and tells what the child saw.
    fn in_a_child(look: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child looks, and leaves.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: what waits for ever ends with a signal; without the tests' own end.
            unsafe {
                libc::alarm(20);
                libc::_exit(libc::c_int::from(!look()));
            }
        }
        let mut status = -1;
        // SAFETY: a child's number, and a place for its status.
        unsafe { assert_eq!(libc::waitpid(child, &mut status, 0), child) };
        status == 0
    }

    #[test]
    fn nobody_waits_in_a_child_for_who_was_in_a_slot() {
        // It offers the barrier that a bias needs.
        let _context = Context::new();
        // In there by the mutex, or by bias, after having been there often.
        for entries in [0, 2000] {
            let handles = [insert(Number(1)), insert(Number(2))].map(|it| it.expose_provenance());
            let words = [insert(Word), insert(Word)].map(|it| it.expose_provenance());
            let at = |address: usize| ptr::with_exposed_provenance_mut::<c_void>(address);
            let (tell, told) = mpsc::channel();
            let (end, ends) = mpsc::channel::<()>();
            let inside = thread::spawn(move || {
                // SAFETY: handles of ours.
                unsafe {
                    for address in [handles[0], words[0]] {
                        for _ in 0..entries {
                            drop(enter::<Number>(at(address)));
                            drop(enter::<Word>(at(address)));
                        }
                    }
                    let number = enter::<Number>(at(handles[0]));
                    tell.send(number.is_some()).expect("somebody listens");
                    ends.recv().expect("an end");
                    drop(number);
                    let word = enter::<Word>(at(words[0]));
                    tell.send(word.is_some()).expect("somebody listens");
                    ends.recv().expect("an end");
                }
            });
            assert_eq!(told.recv(), Ok(true));
            // SAFETY: handles of ours.
            let inherits = || unsafe {
                handles.iter().all(|handle| {
                    enter::<Number>(at(*handle)).is_none()
                        && is_inherited::<Number>(at(*handle))
                        && forget_inherited::<Number>(at(*handle))
                        && !is_inherited::<Number>(at(*handle))
                        && !forget_inherited::<Number>(at(*handle))
                })
            };
            assert!(in_a_child(inherits), "after {entries} entries");
            end.send(()).expect("it waits");
            assert_eq!(told.recv(), Ok(true));
            // SAFETY: as above.
            let goes_on = || unsafe {
                enter::<Word>(at(words[0])).is_none() && enter::<Word>(at(words[1])).is_some()
            };
            assert!(in_a_child(goes_on), "after {entries} entries");
            // SAFETY: as above.
            unsafe {
                assert!(
                    enter::<Number>(at(handles[0])).is_some(),
                    "nothing changed here"
                )
            };
            end.send(()).expect("it waits");
            inside.join().expect("no panic");
        }
    }
}
