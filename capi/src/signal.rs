//! A signal: a descriptor that is readable once raised, until it is lowered.
//!
//! For threads that wait for sockets and descriptors together, and for `ZMQ_FD`.

use std::{
    ffi::c_int,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    ptr,
    sync::Arc,
    task::Wake,
    time::Duration,
};

use crate::{errno::Errno, raised::Raised};

/// See above.
#[derive(Debug)]
pub(crate) struct Signal {
    shown: UnixStream,
    raiser: UnixStream,
    raised: Raised,
}

impl Signal {
    /// One that is not raised.
    pub(crate) fn new() -> Result<Signal, Errno> {
        let errno = |error: std::io::Error| Errno(error.raw_os_error().unwrap_or(libc::EMFILE));
        let (shown, raiser) = UnixStream::pair().map_err(errno)?;
        shown.set_nonblocking(true).map_err(errno)?;
        raiser.set_nonblocking(true).map_err(errno)?;
        Ok(Signal {
            shown,
            raiser,
            raised: Raised::new(),
        })
    }

    /// Its descriptor.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.shown.as_raw_fd()
    }

    /// The descriptor is readable from now on.
    pub(crate) fn raise(&self) {
        self.raised.raise(|| {
            // One octet always fits: it is the only one.
            let _ = (&self.raiser).write(&[1]);
        });
    }

    /// The descriptor is not readable any more, unless somebody raises it at this moment. Whoever
    /// calls this looks afterwards at what is told of.
    pub(crate) fn lower(&self) {
        self.raised.lower(|| {
            let _ = (&self.shown).read(&mut [0]);
        });
    }

    /// Waits until it is raised, at most `timeout`.
    ///
    /// # Errors
    /// EINTR.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<(), Errno> {
        wait_for(&mut [readable(self.descriptor())], timeout).map(drop)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Signal>) {
        self.raise();
    }

    fn wake_by_ref(self: &Arc<Signal>) {
        self.raise();
    }
}

/// A descriptor, to be waited for until it is readable.
pub(crate) fn readable(descriptor: RawFd) -> libc::pollfd {
    libc::pollfd {
        fd: descriptor,
        events: libc::POLLIN,
        revents: 0,
    }
}

/// Waits for descriptors, at most `timeout` (`None`: for ever). Answers how many are ready. Nothing
/// is locked meanwhile, and what was lent is let go of before.
///
/// # Errors
/// EINTR, EINVAL.
pub(crate) fn wait_for(
    descriptors: &mut [libc::pollfd],
    timeout: Option<Duration>,
) -> Result<usize, Errno> {
    hubless::untyped::let_go();
    let milliseconds = match timeout {
        None => -1,
        // Rounded up: whoever waits 0.3 ms does not want to turn in circles.
        Some(timeout) => c_int::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX),
    };
    let (place, count) = match descriptors {
        [] => (ptr::null_mut(), 0),
        some => (some.as_mut_ptr(), some.len()),
    };
    // SAFETY: the pointer is to so many of what poll reads and writes, or there is none.
    let ready = unsafe { libc::poll(place, count as libc::nfds_t, milliseconds) };
    usize::try_from(ready).map_err(|_| Errno::current())
}
