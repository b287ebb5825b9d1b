//! Timers: functions that are called again and again, when the program says so.

use std::{
    ffi::{c_int, c_long, c_void},
    ptr,
    time::{Duration, Instant},
};

use crate::{
    entry::{guarded, status},
    errno::Errno,
    slots::{self, Free, Kind, Taken},
};

/// Called when a timer is due.
pub type TimerFn = unsafe extern "C" fn(id: c_int, argument: *mut c_void);

/// Timers, by their ids, which begin at 1.
pub(crate) struct Timers {
    list: Vec<Timer>,
    last: c_int,
}

#[derive(Clone, Copy)]
struct Timer {
    id: c_int,
    interval: Duration,
    due: Instant,
    call: TimerFn,
    argument: *mut c_void,
}

// SAFETY: the program hands the argument to whichever thread executes the timers.
unsafe impl Send for Timer {}

impl Kind for Timers {
    const MAGIC: u32 = 0xcafe_dada;
    const OUTLIVES_FORKS: bool = true;

    fn free() -> &'static Free<Timers> {
        static FREE: Free<Timers> = Free::new();
        &FREE
    }
}

impl Timers {
    fn find(&mut self, id: c_int) -> Result<&mut Timer, Errno> {
        let mut timers = self.list.iter_mut();
        timers.find(|timer| timer.id == id).ok_or(Errno::EINVAL)
    }

    /// The one that is due next.
    fn next(&self) -> Option<&Timer> {
        self.list.iter().min_by_key(|timer| timer.due)
    }
}

/// # Safety
/// `timers` is NULL, or a handle of ours.
unsafe fn enter(timers: *mut c_void) -> Result<Taken<Timers>, Errno> {
    // SAFETY: the same as ours.
    unsafe { slots::enter(timers) }.ok_or(Errno::EFAULT)
}

/// Makes a list of timers.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_new() -> *mut c_void {
    guarded(ptr::null_mut(), || {
        Ok(slots::insert(Timers {
            list: Vec::new(),
            last: 0,
        }))
    })
}

/// Destroys a list of timers, and makes the pointer to it NULL.
///
/// # Safety
/// `timers` is NULL, or points to NULL or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_destroy(timers: *mut *mut c_void) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let place = unsafe { timers.as_mut() }.ok_or(Errno::EFAULT)?;
        // SAFETY: the same as ours.
        drop(unsafe { enter(*place) }?.remove());
        *place = ptr::null_mut();
        Ok(())
    })
}

/// Adds a timer that is due every `interval` milliseconds. Answers its id.
///
/// # Safety
/// `timers` is NULL, or a handle of ours; `call` may be called with `argument`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_add(
    timers: *mut c_void,
    interval: usize,
    call: Option<TimerFn>,
    argument: *mut c_void,
) -> c_int {
    guarded(-1, || {
        // SAFETY: the same as ours.
        let mut timers = unsafe { enter(timers) }?;
        let call = call.ok_or(Errno::EFAULT)?;
        let id = timers.last.checked_add(1).ok_or(Errno::ENOMEM)?;
        timers.last = id;
        let interval = Duration::from_millis(interval as u64);
        timers.list.push(Timer {
            id,
            interval,
            due: after(interval),
            call,
            argument,
        });
        Ok(id)
    })
}

fn after(interval: Duration) -> Instant {
    let now = Instant::now();
    // What is due in so many years is never due.
    now.checked_add(interval)
        .unwrap_or(now + Duration::from_secs(1 << 32))
}

/// Ends a timer.
///
/// # Safety
/// `timers` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_cancel(timers: *mut c_void, id: c_int) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let mut timers = unsafe { enter(timers) }?;
        timers.find(id)?;
        timers.list.retain(|timer| timer.id != id);
        Ok(())
    })
}

/// Changes a timer's interval, which begins now.
///
/// # Safety
/// `timers` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_set_interval(
    timers: *mut c_void,
    id: c_int,
    interval: usize,
) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let mut timers = unsafe { enter(timers) }?;
        let timer = timers.find(id)?;
        timer.interval = Duration::from_millis(interval as u64);
        timer.due = after(timer.interval);
        Ok(())
    })
}

/// Has a timer's interval begin now.
///
/// # Safety
/// `timers` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_reset(timers: *mut c_void, id: c_int) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let mut timers = unsafe { enter(timers) }?;
        let timer = timers.find(id)?;
        timer.due = after(timer.interval);
        Ok(())
    })
}

/// Milliseconds until the next timer is due; -1 if there is none.
///
/// # Safety
/// `timers` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_timeout(timers: *mut c_void) -> c_long {
    guarded(-1, || {
        // SAFETY: the same as ours.
        let timers = unsafe { enter(timers) }?;
        let Some(timer) = timers.next() else {
            return Ok(-1);
        };
        let left = timer.due.saturating_duration_since(Instant::now());
        Ok(c_long::try_from(left.as_micros().div_ceil(1000)).unwrap_or(c_long::MAX))
    })
}

/// Calls what is due. A function that is called may use the list.
///
/// # Safety
/// `timers` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_execute(timers: *mut c_void) -> c_int {
    status(|| {
        let now = Instant::now();
        let mut called = Vec::new();
        loop {
            // SAFETY: the same as ours.
            let mut list = unsafe { enter(timers) }?;
            let due = |timer: &&Timer| timer.due <= now && !called.contains(&timer.id);
            let Some(timer) = list
                .list
                .iter()
                .filter(due)
                .min_by_key(|it| it.due)
                .copied()
            else {
                return Ok(());
            };
            list.find(timer.id)?.due = after(timer.interval);
            drop(list);
            called.push(timer.id);
            // SAFETY: the program gave them to be called so.
            unsafe { (timer.call)(timer.id, timer.argument) };
        }
    })
}
