//! Threads for helpers that wait: proxies, actors. No socket needs one.

use std::{
    io,
    thread::{self, JoinHandle},
};

use super::sys;

/// Runs `work` in a thread of that name, which leaves signals to the application's own.
///
/// # Errors
/// When a thread cannot be had.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(move || {
        sys::block_signals();
        work()
    })
}
