//! Counters that several threads count on.

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use crate::{entry::guarded, errno::Errno};

/// Makes a counter at zero.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_atomic_counter_new() -> *mut c_void {
    guarded(ptr::null_mut(), || {
        Ok(Box::into_raw(Box::new(AtomicI32::new(0))).cast())
    })
}

/// # Safety
/// `counter` is NULL, or a counter that was not destroyed.
unsafe fn count<'a>(counter: *mut c_void) -> Option<&'a AtomicI32> {
    // SAFETY: the same as ours.
    unsafe { counter.cast::<AtomicI32>().as_ref() }
}

/// Sets a counter.
///
/// # Safety
/// `counter` is NULL, or a counter that was not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_set(counter: *mut c_void, value: c_int) {
    guarded((), || {
        // SAFETY: the same as ours.
        if let Some(count) = unsafe { count(counter) } {
            count.store(value, Ordering::SeqCst);
        }
        Ok(())
    });
}

/// Counts one more; answers what it was before.
///
/// # Safety
/// As [`zmq_atomic_counter_set`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_inc(counter: *mut c_void) -> c_int {
    guarded(0, || {
        // SAFETY: the same as ours.
        let count = unsafe { count(counter) };
        Ok(count.map_or(0, |count| count.fetch_add(1, Ordering::SeqCst)))
    })
}

/// Counts one less; answers 0 once it is at zero, and 1 before.
///
/// # Safety
/// As [`zmq_atomic_counter_set`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_dec(counter: *mut c_void) -> c_int {
    guarded(0, || {
        // SAFETY: the same as ours.
        let count = unsafe { count(counter) };
        let before = count.map_or(1, |count| count.fetch_sub(1, Ordering::SeqCst));
        Ok(c_int::from(before != 1))
    })
}

/// What a counter is at.
///
/// # Safety
/// As [`zmq_atomic_counter_set`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_value(counter: *mut c_void) -> c_int {
    guarded(0, || {
        // SAFETY: the same as ours.
        let count = unsafe { count(counter) };
        Ok(count.map_or(0, |count| count.load(Ordering::SeqCst)))
    })
}

/// Destroys a counter, and makes the pointer to it NULL.
///
/// # Safety
/// `counter` is NULL, or points to NULL, or to a counter that was not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_destroy(counter: *mut *mut c_void) {
    guarded((), || {
        // SAFETY: the same as ours.
        let place = unsafe { counter.as_mut() }.ok_or(Errno::EFAULT)?;
        let counter = std::mem::replace(place, ptr::null_mut());
        if !counter.is_null() {
            // SAFETY: it came from `Box::into_raw`, and was not destroyed before.
            drop(unsafe { Box::from_raw(counter.cast::<AtomicI32>()) });
        }
        Ok(())
    });
}
