//! Contexts.
//!
//! A C context is one of ours, which counts its sockets and knows its options. It ends in two
//! steps: all calls end with ETERM, and the sockets, which are still the program's to close, begin
//! to deliver what they have queued; then, once all of them were closed and have delivered it, it
//! is gone.

use std::{
    ffi::{c_int, c_void},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hubless::{
    OptionValue, SocketType,
    untyped::{self, Socket},
};

use crate::{
    entry::{guarded, status},
    errno::Errno,
    part::Part,
    signal::Signal,
    slots::{self, Free, Kind},
};

// Numbers of options.
const IO_THREADS: c_int = 1;
const MAX_SOCKETS: c_int = 2;
const MSG_T_SIZE: c_int = 6;
const LINGER: c_int = 17;

/// Sockets that C programs may open at one time, unless they say otherwise.
const SOCKETS: c_int = 1023;

/// What a context's handle stands for.
pub(crate) struct Face(Arc<Context>);

/// A context, which its sockets share.
pub(crate) struct Context {
    context: hubless::Context,
    /// Sockets that the program has not closed.
    open: Mutex<usize>,
    /// Raised when such a socket is closed while somebody waits for that.
    closed: Mutex<Option<Arc<Signal>>>,
}

impl Kind for Face {
    const MAGIC: u32 = 0xabad_cafe;

    fn free() -> &'static Free<Face> {
        static FREE: Free<Face> = Free::new();
        &FREE
    }
}

impl Context {
    fn new() -> Result<Context, Errno> {
        let context = Context {
            context: hubless::Context::new(),
            open: Mutex::new(0),
            closed: Mutex::new(None),
        };
        context.set(MAX_SOCKETS, SOCKETS)?;
        Ok(context)
    }

    fn open(&self) -> MutexGuard<'_, usize> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new socket. Whoever has it says [`socket_closed`](Context::socket_closed) in the end.
    pub(crate) fn socket(&self, kind: SocketType) -> Result<Socket, Errno> {
        // Held meanwhile, so that whoever waits for the end counts it.
        let mut open = self.open();
        let socket = self.helper(kind)?;
        *open += 1;
        Ok(socket)
    }

    /// A socket that the program does not know of.
    pub(crate) fn helper(&self, kind: SocketType) -> Result<Socket, Errno> {
        let socket = Socket::like_libzmq(&self.context, kind)?;
        if matches!(kind, SocketType::Sub | SocketType::XSub) {
            // They have nothing to say but subscriptions.
            socket.set_option(LINGER, 0)?;
        }
        Ok(socket)
    }

    /// The program has closed a socket.
    pub(crate) fn socket_closed(&self) {
        *self.open() -= 1;
        if let Some(signal) = &*self.waiters() {
            signal.raise();
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Option<Arc<Signal>>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the program has closed all sockets and all of them are done.
    fn wait(&self) -> Result<(), Errno> {
        if *self.open() > 0 {
            self.wait_for_closing()?;
        }
        self.context.wait_closed(None)?;
        Ok(())
    }

    fn wait_for_closing(&self) -> Result<(), Errno> {
        let signal = match &mut *self.waiters() {
            Some(signal) => Arc::clone(signal),
            none => Arc::clone(none.insert(Arc::new(Signal::new()?))),
        };
        loop {
            signal.lower();
            if *self.open() == 0 {
                break;
            }
            signal.wait(None)?;
        }
        // Several may wait, and this one has lowered it.
        signal.raise();
        Ok(())
    }

    fn set(&self, option: c_int, value: c_int) -> Result<(), Errno> {
        Ok(self.context.set_option(option, value)?)
    }

    fn value(&self, option: c_int) -> Result<c_int, Errno> {
        let value = match option {
            // The C handle's, which is not what the library has.
            MSG_T_SIZE => return Ok(size_of::<Part>() as c_int),
            _ => self.context.option(option)?,
        };
        Ok(match value {
            OptionValue::Number(number) => c_int::try_from(number).unwrap_or(c_int::MAX),
            OptionValue::Octets(text) => number_of(&text).unwrap_or(0),
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// Text that was set as a number.
fn number_of(text: &[u8]) -> Option<c_int> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The context of a handle.
///
/// # Safety
/// `context` is NULL, or a handle of ours.
///
/// # Errors
/// EFAULT if it is no context's; ETERM if it is another process's, which was forked.
pub(crate) unsafe fn find(context: *mut c_void) -> Result<Arc<Context>, Errno> {
    // SAFETY: the same as ours.
    match unsafe { slots::enter::<Face>(context) } {
        Some(face) => Ok(Arc::clone(&face.0)),
        // SAFETY: the same as ours.
        None if unsafe { slots::is_inherited::<Face>(context) } => Err(Errno::ETERM),
        None => Err(Errno::EFAULT),
    }
}

/// Makes a context. It has no threads before its first socket.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_new() -> *mut c_void {
    guarded(std::ptr::null_mut(), || {
        Ok(slots::insert(Face(Arc::new(Context::new()?))))
    })
}

/// Ends all calls on a context's sockets, waits until these are closed and have delivered what
/// they had queued, as long as they linger; then the context is gone.
///
/// # Safety
/// `context` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_term(context: *mut c_void) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        if unsafe { slots::forget_inherited::<Face>(context) } {
            return Ok(());
        }
        // SAFETY: the same as ours.
        let it = unsafe { find(context) }?;
        it.context.shutdown();
        untyped::let_go();
        it.wait()?;
        // SAFETY: the same as ours.
        let face = unsafe { slots::enter::<Face>(context) }.ok_or(Errno::EFAULT)?;
        drop(face.remove());
        Ok(())
    })
}

/// Ends all calls on a context's sockets.
///
/// # Safety
/// `context` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_shutdown(context: *mut c_void) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        if !unsafe { slots::is_inherited::<Face>(context) } {
            // SAFETY: the same as ours.
            unsafe { find(context) }?.context.shutdown();
        }
        Ok(())
    })
}

/// Sets an option of a context.
///
/// # Safety
/// `context` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int {
    // SAFETY: the same as ours.
    status(|| unsafe { find(context) }?.set(option, value))
}

/// The value of an option of a context.
///
/// # Safety
/// `context` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int {
    // SAFETY: the same as ours.
    guarded(-1, || unsafe { find(context) }?.value(option))
}

/// Makes a context with so many I/O threads.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_init(io_threads: c_int) -> *mut c_void {
    guarded(std::ptr::null_mut(), || {
        let context = Context::new()?;
        context.set(IO_THREADS, io_threads)?;
        Ok(slots::insert(Face(Arc::new(context))))
    })
}

/// As [`zmq_ctx_term`].
///
/// # Safety
/// The same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_term(context: *mut c_void) -> c_int {
    // SAFETY: the same as ours.
    unsafe { zmq_ctx_term(context) }
}

/// As [`zmq_ctx_term`].
///
/// # Safety
/// The same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_destroy(context: *mut c_void) -> c_int {
    // SAFETY: the same as ours.
    unsafe { zmq_ctx_term(context) }
}
