//! Messages of several parts from and into arrays.

use std::ffi::{c_int, c_void};

use hubless::Frame;

use crate::{
    entry::{guarded, octets},
    errno::Errno,
    flow::{SNDMORE, hear, say},
    socket::enter,
};

/// Says `count` parts, each a copy: one message if `flags` have `ZMQ_SNDMORE`, else as many messages.
/// Answers the octets of the last.
///
/// # Safety
/// `socket` is NULL, or a handle of ours; `parts` is NULL, or `count` of them can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_sendiov(
    socket: *mut c_void,
    parts: *mut libc::iovec,
    count: usize,
    flags: c_int,
) -> c_int {
    guarded(-1, || {
        if parts.is_null() || count == 0 {
            return Err(Errno::EINVAL);
        }
        let last = count - 1;
        let mut sent = 0;
        for number in 0..count {
            // SAFETY: it is one of those that can be read.
            let part = unsafe { &*parts.add(number) };
            let flags = if number < last {
                flags
            } else {
                flags & !SNDMORE
            };
            // SAFETY: the same as ours.
            let frame = Frame::copy_from(unsafe { octets(part.iov_base, part.iov_len) });
            // SAFETY: the same as ours.
            unsafe { say(socket, &mut frame.into(), flags) }?;
            sent = c_int::try_from(part.iov_len).unwrap_or(c_int::MAX);
        }
        Ok(sent)
    })
}

/// Receives a message into at most `count` parts, each in memory of its own, which the caller
/// frees. Answers, and says in `count`, how many there are.
///
/// # Safety
/// `socket` is NULL, or a handle of ours; `count` is NULL or can be written; `parts` is NULL, or
/// `count` of them can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recviov(
    socket: *mut c_void,
    parts: *mut libc::iovec,
    count: *mut usize,
    flags: c_int,
) -> c_int {
    guarded(-1, || {
        // SAFETY: the same as ours.
        drop(unsafe { enter(socket) }?);
        // SAFETY: it is NULL or can be written, and so read.
        let count = unsafe { count.as_mut() }.ok_or(Errno::EINVAL)?;
        if parts.is_null() || *count == 0 {
            return Err(Errno::EINVAL);
        }
        let room = std::mem::take(count);
        for number in 0..room {
            // SAFETY: the same as ours.
            let (part, more) =
                unsafe { hear(socket, flags, |part, more, _| (part.into_frame(), more)) }?;
            let len = part.len();
            // SAFETY: malloc takes any size; of none it may give NULL, which nobody reads.
            let place = unsafe { libc::malloc(len) };
            if place.is_null() && len > 0 {
                return Err(Errno::ENOMEM);
            }
            // SAFETY: `place` was just made for so many octets; `number` is below `room`.
            unsafe {
                std::ptr::copy_nonoverlapping(part.as_ptr(), place.cast(), len);
                *parts.add(number) = libc::iovec {
                    iov_base: place,
                    iov_len: len,
                };
            }
            *count = number + 1;
            if !more {
                break;
            }
        }
        Ok(c_int::try_from(*count).unwrap_or(c_int::MAX))
    })
}
