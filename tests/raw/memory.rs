//! What this process takes of the machine, as the system counts it.

use std::{
    fs,
    sync::{Mutex, MutexGuard, PoisonError},
};

static ALONE: Mutex<()> = Mutex::new(());

/// Held while a test measures: what others do meanwhile would be counted as its own.
pub fn alone() -> MutexGuard<'static, ()> {
    // A test that failed has held it, too.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Octets of memory that are really there; 0 where the system does not tell.
pub fn resident() -> usize {
    let Ok(text) = fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages = text.split_whitespace().nth(1).expect("the second number");
    pages.parse::<usize>().expect("a number") * 4096
}

/// Open descriptors; 0 where the system does not tell.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Checks that what is done within takes no more than `most` octets for good.
pub fn grows_by_at_most<T>(most: usize, act: impl FnOnce() -> T) -> T {
    let before = resident();
    let done = act();
    let grown = resident().saturating_sub(before);
    assert!(grown <= most, "{grown} octets more, {most} allowed");
    done
}
