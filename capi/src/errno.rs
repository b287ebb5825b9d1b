//! Error numbers: the system's, and libzmq's four.

use std::{
    ffi::{CStr, c_char, c_int},
    fmt,
};

use hubless::{Error, ErrorKind, RecvError, SendError};

use crate::entry::guarded;

/// Where libzmq's own numbers begin.
const FIRST: c_int = 156_384_712;

/// An error number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) c_int);

impl Errno {
    pub(crate) const EFSM: Errno = Errno(FIRST + 51);
    pub(crate) const ENOCOMPATPROTO: Errno = Errno(FIRST + 52);
    pub(crate) const ETERM: Errno = Errno(FIRST + 53);
    pub(crate) const EMTHREAD: Errno = Errno(FIRST + 54);

    pub(crate) const EFAULT: Errno = Errno(libc::EFAULT);
    pub(crate) const EINTR: Errno = Errno(libc::EINTR);
    pub(crate) const EINVAL: Errno = Errno(libc::EINVAL);
    pub(crate) const ENOMEM: Errno = Errno(libc::ENOMEM);
    pub(crate) const ENOTSOCK: Errno = Errno(libc::ENOTSOCK);
    pub(crate) const ENOTSUP: Errno = Errno(libc::ENOTSUP);
    pub(crate) const EPROTONOSUPPORT: Errno = Errno(libc::EPROTONOSUPPORT);

    /// Of this thread, now.
    pub(crate) fn current() -> Errno {
        Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }

    /// This thread's, from now on.
    pub(crate) fn set(self) {
        // SAFETY: the system gives each thread a place of its own for its errno, which lives as
        // long as the thread does.
        unsafe { *place() = self.0 }
    }
}

/// Where this thread's errno is.
fn place() -> *mut c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten"))]
    // SAFETY: takes nothing, and gives a pointer that is good in this thread.
    return unsafe { libc::__errno_location() };
    #[cfg(not(any(target_os = "linux", target_os = "emscripten")))]
    // SAFETY: as above, by the name it has on BSD and macOS.
    return unsafe { libc::__error() };
}

impl From<ErrorKind> for Errno {
    fn from(kind: ErrorKind) -> Errno {
        Errno(kind.errno())
    }
}

impl From<Error> for Errno {
    fn from(error: Error) -> Errno {
        Errno(error.errno())
    }
}

impl From<SendError> for Errno {
    fn from(error: SendError) -> Errno {
        error.kind().into()
    }
}

impl From<RecvError> for Errno {
    fn from(error: RecvError) -> Errno {
        error.kind().into()
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({})", self.0)
    }
}

/// The errno of this thread's last failure.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_errno() -> c_int {
    guarded(0, || Ok(Errno::current().0))
}

/// An error number as text, which must not be freed.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_strerror(number: c_int) -> *const c_char {
    guarded(c"".as_ptr(), || {
        let text: &CStr = match Errno(number) {
            Errno::EFSM => c"Operation cannot be accomplished in current state",
            Errno::ENOCOMPATPROTO => c"The protocol is not compatible with the socket type",
            Errno::ETERM => c"Context was terminated",
            Errno::EMTHREAD => c"No thread available",
            Errno(libc::EHOSTUNREACH) => c"Host unreachable",
            // SAFETY: strerror takes any number and gives text that stays until its next call in
            // this thread, at the least.
            _ => return Ok(unsafe { libc::strerror(number) }.cast_const()),
        };
        Ok(text.as_ptr())
    })
}

/// The version of the interface.
///
/// # Safety
/// Each pointer is NULL or points to an int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) {
    guarded((), || {
        for (place, number) in [(major, 4), (minor, 3), (patch, 6)] {
            if !place.is_null() {
                // SAFETY: the caller's pointers are NULL or to ints.
                unsafe { *place = number };
            }
        }
        Ok(())
    });
}

/// 1 if the capability of this name is here.
///
/// # Safety
/// `name` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_has(name: *const c_char) -> c_int {
    guarded(0, || {
        if name.is_null() {
            return Ok(0);
        }
        // SAFETY: it is not NULL, so it is a C string.
        let name = unsafe { CStr::from_ptr(name) };
        let curve = cfg!(feature = "curve") && name == c"curve";
        Ok(c_int::from(name == c"ipc" || curve))
    })
}
