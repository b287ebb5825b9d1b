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

use std::{
    collections::VecDeque,
    ffi::c_void,
    ops::{Deref, DerefMut},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use hubless::untyped::{Exclusive, ExclusiveGuard};

/// What a kind of handle is known by, and where its free slots are.
pub(crate) trait Kind: Send + Sized + 'static {
    const MAGIC: u32;
    fn free() -> &'static Free<Self>;
}

/// Slots that wait to be used again, the oldest first.
pub(crate) struct Free<T: 'static>(Mutex<VecDeque<&'static Slot<T>>>);

/// See above. The magic comes first in every kind, so that one kind's handle is no other's.
#[repr(C)]
pub(crate) struct Slot<T> {
    magic: AtomicU32,
    value: Exclusive<Option<T>>,
}

/// The magic of a slot that stands for nothing.
const NOTHING: u32 = 0xdead_beef;

/// Slots that must have been let go before the first of them is used again.
const RESTING: usize = 1024;

impl<T> Free<T> {
    pub(crate) const fn new() -> Free<T> {
        Free(Mutex::new(VecDeque::new()))
    }
}

/// Puts a value into a slot, and gives the handle.
pub(crate) fn insert<T: Kind>(value: T) -> *mut c_void {
    let mut free = T::free().0.lock().unwrap_or_else(PoisonError::into_inner);
    let rested = (free.len() > RESTING).then(|| free.pop_front()).flatten();
    drop(free);
    let slot: &'static Slot<T> = rested.unwrap_or_else(|| {
        Box::leak(Box::new(Slot {
            magic: AtomicU32::new(NOTHING),
            value: Exclusive::new(None),
        }))
    });
    let mut taken = slot.value.lock();
    *taken = Some(value);
    slot.magic.store(T::MAGIC, Ordering::Release);
    drop(taken);
    ptr::from_ref(slot).cast_mut().cast()
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
    if handle.is_null() || !handle.cast::<Slot<T>>().is_aligned() {
        return None;
    }
    // SAFETY: every handle that we give points to at least four octets, aligned, that are never
    // freed and begin with a magic that is written atomically.
    let magic = unsafe { &*handle.cast::<AtomicU32>() };
    if magic.load(Ordering::Acquire) != T::MAGIC {
        return None;
    }
    // SAFETY: only slots of this kind have this magic, and slots are never freed.
    Some(unsafe { &*handle.cast::<Slot<T>>() })
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
        let mut free = T::free().0.lock().unwrap_or_else(PoisonError::into_inner);
        free.push_back(slot);
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
}
