//! `zmq_msg_*`: messages made, moved, copied, looked at, released.

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use bytes::Bytes;
use hubless::untyped;

use crate::{
    entry::{guarded, octets, status},
    part::Part,
};

/// Called once with the octets and the hint, when nobody needs them any more.
pub type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// Octets that the program lent us.
struct Lent {
    data: *mut c_void,
    size: usize,
    free: FreeFn,
    hint: *mut c_void,
}

// SAFETY: the interface says that the function may be called from any thread; the octets are not
// the program's to change until then.
unsafe impl Send for Lent {}
// SAFETY: as above; they are only read.
unsafe impl Sync for Lent {}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: whoever lent them said that there are so many, until they are freed.
        unsafe { octets(self.data, self.size) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: this is the one call that was agreed upon.
        unsafe { (self.free)(self.data, self.hint) }
    }
}

/// Makes an empty message.
///
/// # Safety
/// `part` points to a `zmq_msg_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init(part: *mut Part) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        unsafe { Part::made(part) }.map(drop)
    })
}

/// Makes a message of `size` octets, for the program to fill.
///
/// # Safety
/// `part` points to a `zmq_msg_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_size(part: *mut Part, size: usize) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        unsafe { Part::made(part) }?.reserve(size)
    })
}

/// Makes a message of these octets, which `free` gets back, from whichever thread, when nobody
/// needs them; without `free` they must stay for ever.
///
/// # Safety
/// `part` points to a `zmq_msg_t`; `size` octets at `data` can be read until `free` was called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_data(
    part: *mut Part,
    data: *mut c_void,
    size: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let part = unsafe { Part::made(part) }?;
        match free {
            Some(free) => {
                part.put_frame(untyped::lend(Lent {
                    data,
                    size,
                    free,
                    hint,
                }));
            }
            // SAFETY: the same as ours.
            None => part.put_constant(unsafe { constant(data, size) }),
        }
        Ok(())
    })
}

/// Octets that stay for ever.
///
/// # Safety
/// They do, and `size` of them can be read.
pub(crate) unsafe fn constant(data: *const c_void, size: usize) -> Bytes {
    // SAFETY: the same as ours.
    Bytes::from_static(unsafe { octets::<'static>(data, size) })
}

/// Releases a message.
///
/// # Safety
/// `part` is NULL, or points to a `zmq_msg_t` that was made, perhaps closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_close(part: *mut Part) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        unsafe { Part::at(part) }?.close();
        Ok(())
    })
}

/// Gives `from`'s octets to `to`; `from` is empty then.
///
/// # Safety
/// Both are NULL, or point to messages that were made, perhaps closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_move(to: *mut Part, from: *mut Part) -> c_int {
    status(|| {
        if to == from {
            // SAFETY: the same as ours.
            return unsafe { Part::at(to) }.map(drop);
        }
        // SAFETY: the same as ours; they are two.
        let (to, from) = unsafe { (Part::at(to)?, Part::at(from)?) };
        to.clear();
        std::mem::swap(to, from);
        Ok(())
    })
}

/// Makes `to` hold what `from` holds; octets above 48 are shared, and not to be changed then.
///
/// # Safety
/// As [`zmq_msg_move`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_copy(to: *mut Part, from: *mut Part) -> c_int {
    status(|| {
        if to == from {
            // SAFETY: the same as ours.
            return unsafe { Part::at(to) }.map(drop);
        }
        // SAFETY: the same as ours; they are two.
        let (to, from) = unsafe { (Part::at(to)?, Part::at(from)?) };
        to.copy_from(from);
        Ok(())
    })
}

/// Where the octets are.
///
/// # Safety
/// `part` is NULL, or points to a `zmq_msg_t` that was made, perhaps closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_data(part: *mut Part) -> *mut c_void {
    guarded(ptr::null_mut(), || {
        // SAFETY: the same as ours.
        Ok(unsafe { Part::at(part) }?.data().cast())
    })
}

/// How many octets there are.
///
/// # Safety
/// As [`zmq_msg_data`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_size(part: *const Part) -> usize {
    // SAFETY: the same as ours; nothing is changed through it.
    guarded(0, || Ok(unsafe { Part::at(part.cast_mut()) }?.len()))
}

/// 1 if more parts of the message follow.
///
/// # Safety
/// As [`zmq_msg_data`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_more(part: *const Part) -> c_int {
    guarded(0, || {
        // SAFETY: the same as ours; nothing is changed through it.
        let part = unsafe { Part::at(part.cast_mut()) }?;
        Ok(part.has_more().into())
    })
}
