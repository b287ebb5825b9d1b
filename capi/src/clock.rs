//! A stopwatch, and sleeping.

use std::{
    ffi::{c_int, c_ulong, c_void},
    ptr,
    time::{Duration, Instant},
};

use crate::{entry::guarded, errno::Errno};

/// Starts a stopwatch.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_stopwatch_start() -> *mut c_void {
    guarded(ptr::null_mut(), || {
        Ok(Box::into_raw(Box::new(Instant::now())).cast())
    })
}

/// Microseconds since it was started.
///
/// # Safety
/// `watch` is NULL, or a stopwatch that was not stopped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong {
    guarded(0, || {
        // SAFETY: the same as ours.
        let started = unsafe { watch.cast::<Instant>().as_ref() }.ok_or(Errno::EFAULT)?;
        Ok(c_ulong::try_from(started.elapsed().as_micros()).unwrap_or(c_ulong::MAX))
    })
}

/// Stops a stopwatch; answers the microseconds since it was started.
///
/// # Safety
/// As [`zmq_stopwatch_intermediate`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong {
    // SAFETY: the same as ours.
    let elapsed = unsafe { zmq_stopwatch_intermediate(watch) };
    if !watch.is_null() {
        // SAFETY: it came from `Box::into_raw`, and was not stopped before.
        drop(unsafe { Box::from_raw(watch.cast::<Instant>()) });
    }
    elapsed
}

/// Sleeps so many seconds.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_sleep(seconds: c_int) {
    let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    guarded((), || {
        std::thread::sleep(time); // tidy: owned time
        Ok(())
    });
}
