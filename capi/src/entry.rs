//! The door of every function: what unwinds becomes an errno, and so does a failure.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
};

use hubless::untyped;

use crate::errno::Errno;

/// What a call gives; `failure` and an errno if it does not succeed. What it was the last to need
/// of what programs lend goes back at its end, when nothing is locked any more.
#[inline]
pub(crate) fn guarded<T>(failure: T, call: impl FnOnce() -> Result<T, Errno>) -> T {
    let done = catch_unwind(AssertUnwindSafe(call));
    untyped::let_go();
    match done {
        Ok(Ok(value)) => value,
        Ok(Err(errno)) => {
            errno.set();
            failure
        }
        Err(_) => {
            // Our own mistake; the program goes on.
            Errno(libc::ENOTRECOVERABLE).set();
            failure
        }
    }
}

/// As [`guarded`], for functions that answer 0 or -1.
#[inline]
pub(crate) fn status(call: impl FnOnce() -> Result<(), Errno>) -> c_int {
    guarded(-1, || call().map(|()| 0))
}

/// The octets at `data`; none if it is NULL.
///
/// # Safety
/// `data` is NULL, or `size` octets at it can be read for as long as the slice is used.
pub(crate) unsafe fn octets<'a>(data: *const c_void, size: usize) -> &'a [u8] {
    if data.is_null() || size == 0 {
        return &[];
    }
    // SAFETY: the caller says so.
    unsafe { slice::from_raw_parts(data.cast(), size) }
}

/// The text at `text`.
///
/// # Safety
/// `text` is NULL or a C string that stays for as long as it is used.
///
/// # Errors
/// EINVAL if it is NULL or not UTF-8.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, Errno> {
    if text.is_null() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: it is not NULL, so the caller says that it is a C string.
    unsafe { CStr::from_ptr(text) }
        .to_str()
        .map_err(|_| Errno::EINVAL)
}
