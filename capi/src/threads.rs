//! Threads for programs that have none of their own.

use std::{
    ffi::c_void,
    ptr,
    thread::{self, JoinHandle},
};

use crate::{entry::guarded, errno::Errno};

/// What a thread runs.
pub type ThreadFn = unsafe extern "C" fn(argument: *mut c_void);

struct Argument(*mut c_void);

// SAFETY: the program hands it to another thread; that is what it asks for.
unsafe impl Send for Argument {}

impl Argument {
    fn get(self) -> *mut c_void {
        self.0
    }
}

/// Runs a function in a thread of its own.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_threadstart(run: Option<ThreadFn>, argument: *mut c_void) -> *mut c_void {
    guarded(ptr::null_mut(), || {
        let run = run.ok_or(Errno::EFAULT)?;
        let argument = Argument(argument);
        let thread = thread::Builder::new()
            // SAFETY: the program gives a function and what it takes.
            .spawn(move || unsafe { run(argument.get()) })
            .map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EAGAIN)))?;
        Ok(Box::into_raw(Box::new(thread)).cast())
    })
}

/// Waits for the end of a thread.
///
/// # Safety
/// `thread` is NULL, or was given by [`zmq_threadstart`] and not closed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_threadclose(thread: *mut c_void) {
    guarded((), || {
        if !thread.is_null() {
            // SAFETY: it came from `Box::into_raw`, and was not closed before.
            let thread = unsafe { Box::from_raw(thread.cast::<JoinHandle<()>>()) };
            drop(thread.join());
        }
        Ok(())
    });
}
