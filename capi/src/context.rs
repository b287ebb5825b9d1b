//! Contexts.
//!
//! A C context may be set up until its first socket is made; only then is there one of ours. It
//! ends in two steps: all calls end with ETERM, and the sockets, which are still the program's to
//! close, begin to deliver what they have queued; then, once all of them were closed and have
//! delivered it, it is gone.

use std::{
    ffi::{c_int, c_void},
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hubless::{SocketType, untyped::Socket};

use crate::{
    entry::{guarded, status},
    errno::Errno,
    signal::Signal,
    slots::{self, Free, Kind},
};

const IO_THREADS: c_int = 1;
const MAX_SOCKETS: c_int = 2;
/// Read: the socket limit. Set: a priority of threads.
const SOCKET_LIMIT: c_int = 3;
const THREAD_SCHED_POLICY: c_int = 4;
const MAX_MSGSZ: c_int = 5;
const MSG_T_SIZE: c_int = 6;
const THREAD_AFFINITY_CPU_ADD: c_int = 7;
const THREAD_AFFINITY_CPU_REMOVE: c_int = 8;
const THREAD_NAME_PREFIX: c_int = 9;
const IPV6: c_int = 42;
const BLOCKY: c_int = 70;

/// Numbers of socket options.
const LINGER: c_int = 17;

/// Sockets a context can have at most.
const SOCKETS_MAX: c_int = 65_535;

/// What a context's handle stands for.
pub(crate) struct Face(Arc<Context>);

/// A context, which its sockets share.
pub(crate) struct Context {
    /// The process that made it: in the child of a fork nothing of it works.
    process: u32,
    inner: Mutex<Inner>,
    /// Rung when a socket is closed in a context that ends.
    closed: Mutex<Option<Arc<Signal>>>,
}

struct Inner {
    settings: Settings,
    context: Option<hubless::Context>,
    /// Sockets that the program has not closed.
    open: usize,
    shut: bool,
}

#[derive(Clone)]
struct Settings {
    io_threads: c_int,
    max_sockets: c_int,
    max_msgsz: c_int,
    sched_policy: c_int,
    processors: Vec<c_int>,
    name_prefix: c_int,
    ipv6: bool,
    blocky: bool,
}

impl Kind for Face {
    const MAGIC: u32 = 0xabad_cafe;

    fn free() -> &'static Free<Face> {
        static FREE: Free<Face> = Free::new();
        &FREE
    }
}

impl Context {
    fn new() -> Context {
        let settings = Settings {
            io_threads: 1,
            max_sockets: 1023,
            max_msgsz: c_int::MAX,
            sched_policy: -1,
            processors: Vec::new(),
            name_prefix: 0,
            ipv6: false,
            blocky: true,
        };
        Context {
            process: process::id(),
            inner: Mutex::new(Inner {
                settings,
                context: None,
                open: 0,
                shut: false,
            }),
            closed: Mutex::new(None),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Was it made by this very process, and not by one that has forked?
    pub(crate) fn is_ours(&self) -> bool {
        self.process == process::id()
    }

    /// A new socket. Whoever has it says [`socket_closed`](Context::socket_closed) in the end.
    pub(crate) fn socket(&self, kind: SocketType) -> Result<Socket, Errno> {
        let mut inner = self.inner();
        if inner.shut {
            return Err(Errno::ETERM);
        }
        if inner.open >= usize::try_from(inner.settings.max_sockets).unwrap_or(0) {
            return Err(Errno::EMFILE);
        }
        let socket = self.helper_of(&mut inner, kind)?;
        inner.open += 1;
        Ok(socket)
    }

    /// A socket that the program does not know of.
    pub(crate) fn helper(&self, kind: SocketType) -> Result<Socket, Errno> {
        self.helper_of(&mut self.inner(), kind)
    }

    fn helper_of(&self, inner: &mut Inner, kind: SocketType) -> Result<Socket, Errno> {
        let settings = &inner.settings;
        let context = inner.context.get_or_insert_with(|| {
            hubless::Context::builder()
                .io_threads(usize::try_from(settings.io_threads).unwrap_or(0))
                .build()
        });
        let socket = Socket::like_libzmq(context, kind)?;
        if settings.ipv6 {
            socket.set_option(IPV6, 1)?;
        }
        let subscribes = matches!(kind, SocketType::Sub | SocketType::XSub);
        if !settings.blocky || subscribes {
            socket.set_option(LINGER, 0)?;
        }
        Ok(socket)
    }

    /// The program has closed a socket.
    pub(crate) fn socket_closed(&self) {
        let mut inner = self.inner();
        inner.open -= 1;
        let rings = inner.shut;
        drop(inner);
        if rings {
            let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(signal) = &*closed {
                signal.raise();
            }
        }
    }

    fn shut(&self) {
        let mut inner = self.inner();
        inner.shut = true;
        let context = inner.context.clone();
        drop(inner);
        if let Some(context) = context {
            context.shutdown();
        }
    }

    /// Waits until the program has closed all sockets and all of them are done.
    fn wait(&self) -> Result<(), Errno> {
        let signal = Arc::new(Signal::new()?);
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&signal));
        while self.inner().open > 0 {
            signal.wait(None)?;
            signal.lower();
        }
        let context = self.inner().context.clone();
        if let Some(context) = context {
            context.wait_closed(None)?;
        }
        Ok(())
    }

    fn set(&self, option: c_int, value: c_int) -> Result<(), Errno> {
        let mut inner = self.inner();
        let settings = &mut inner.settings;
        let flag = || match value {
            0 | 1 => Ok(value == 1),
            _ => Err(Errno::EINVAL),
        };
        match option {
            IO_THREADS if value >= 0 => settings.io_threads = value,
            MAX_SOCKETS if (1..=SOCKETS_MAX).contains(&value) => settings.max_sockets = value,
            MAX_MSGSZ if value >= 0 => settings.max_msgsz = value,
            SOCKET_LIMIT if value >= 0 => {}
            THREAD_SCHED_POLICY if value >= 0 => settings.sched_policy = value,
            THREAD_AFFINITY_CPU_ADD if value >= 0 => settings.processors.push(value),
            THREAD_AFFINITY_CPU_REMOVE if settings.processors.contains(&value) => {
                settings.processors.retain(|known| *known != value);
            }
            THREAD_NAME_PREFIX if value >= 0 => settings.name_prefix = value,
            IPV6 => settings.ipv6 = flag()?,
            BLOCKY => settings.blocky = flag()?,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn value(&self, option: c_int) -> Result<c_int, Errno> {
        let inner = self.inner();
        let settings = &inner.settings;
        Ok(match option {
            IO_THREADS => settings.io_threads,
            MAX_SOCKETS => settings.max_sockets,
            SOCKET_LIMIT => SOCKETS_MAX,
            THREAD_SCHED_POLICY => settings.sched_policy,
            MAX_MSGSZ => settings.max_msgsz,
            MSG_T_SIZE => 64,
            THREAD_NAME_PREFIX => settings.name_prefix,
            IPV6 => settings.ipv6.into(),
            BLOCKY => settings.blocky.into(),
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// The context of a handle.
///
/// # Safety
/// `context` is NULL, or a handle of ours.
///
/// # Errors
/// EFAULT if it is no context's.
pub(crate) unsafe fn find(context: *mut c_void) -> Result<Arc<Context>, Errno> {
    // SAFETY: the same as ours.
    let face = unsafe { slots::enter::<Face>(context) }.ok_or(Errno::EFAULT)?;
    Ok(Arc::clone(&face.0))
}

/// Makes a context. It has no threads before its first socket.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_new() -> *mut c_void {
    guarded(std::ptr::null_mut(), || {
        Ok(slots::insert(Face(Arc::new(Context::new()))))
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
        let it = unsafe { find(context) }?;
        if it.is_ours() {
            it.shut();
            it.wait()?;
        }
        // SAFETY: the same as ours.
        let face = unsafe { slots::enter::<Face>(context) }.ok_or(Errno::EFAULT)?;
        let gone = face.remove();
        if !it.is_ours() {
            // Its threads are the other process's, and with them what they had locked.
            std::mem::forget((gone, it));
        }
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
        let context = unsafe { find(context) }?;
        if context.is_ours() {
            context.shut();
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
        let context = Context::new();
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
