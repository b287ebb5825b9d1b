//! Sockets: made, joined, closed.

use std::{
    ffi::{c_char, c_int, c_void},
    sync::Arc,
    vec,
};

use hubless::{
    Endpoint, Error, ErrorKind, Frame, OptionValue, PeerInfo, SocketType,
    untyped::{self, Socket},
};

use crate::{
    context::{self, Context},
    entry::{guarded, status, text},
    errno::Errno,
    events::Edge,
    monitor::Told,
    slots::{self, Free, Kind, Taken},
};

/// An option: a descriptor that listens already.
const USE_FD: c_int = 89;

/// What a socket's handle stands for: a socket of ours, and what it takes to speak and hear a
/// message part by part.
pub(crate) struct Face {
    pub(crate) context: Arc<Context>,
    pub(crate) socket: Socket,
    pub(crate) kind: SocketType,
    /// It is a STREAM, or a ROUTER that does as one.
    pub(crate) says_octets: bool,
    /// Parts that were said, of a message whose last was not.
    pub(crate) said: Vec<Frame>,
    /// Parts that were not asked for yet, of the message received last.
    pub(crate) heard: vec::IntoIter<Frame>,
    /// More parts follow the one received last.
    pub(crate) more: bool,
    /// Who sent the message received last, if it has more parts.
    pub(crate) sender: Option<Arc<PeerInfo>>,
    /// `ZMQ_FD`, once somebody has asked.
    pub(crate) edge: Option<Edge>,
    /// Who is told of its events.
    pub(crate) told: Option<Arc<Told>>,
}

impl Kind for Face {
    const MAGIC: u32 = 0xbadd_ecaf;

    fn free() -> &'static Free<Face> {
        static FREE: Free<Face> = Free::new();
        &FREE
    }
}

/// The socket of a handle.
///
/// # Safety
/// `socket` is NULL, or a handle of ours.
///
/// # Errors
/// ENOTSOCK if it is no socket's; ETERM if it is another process's, which was forked.
#[inline(always)]
pub(crate) unsafe fn enter(socket: *mut c_void) -> Result<Taken<Face>, Errno> {
    // SAFETY: the same as ours.
    unsafe { slots::enter::<Face>(socket).ok_or_else(|| absent(socket)) }
}

/// # Safety
/// As [`enter`].
#[cold]
unsafe fn absent(socket: *mut c_void) -> Errno {
    // SAFETY: the same as ours.
    match unsafe { slots::is_inherited::<Face>(socket) } {
        true => Errno::ETERM,
        false => Errno::ENOTSOCK,
    }
}

/// Makes a socket.
///
/// # Safety
/// `context` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void {
    guarded(std::ptr::null_mut(), || {
        // SAFETY: the same as ours.
        let context = unsafe { context::find(context) }?;
        let number = usize::try_from(kind).map_err(|_| Errno::EINVAL)?;
        let kind = *SocketType::ALL.get(number).ok_or(Errno::EINVAL)?;
        let socket = context.socket(kind)?;
        Ok(slots::insert(Face {
            context,
            socket,
            kind,
            says_octets: kind == SocketType::Stream,
            said: Vec::new(),
            heard: Vec::new().into_iter(),
            more: false,
            sender: None,
            edge: None,
            told: None,
        }))
    })
}

/// Closes a socket: what is queued leaves behind the scenes, as long as it lingers.
///
/// # Safety
/// `socket` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_close(socket: *mut c_void) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        if unsafe { slots::forget_inherited::<Face>(socket) } {
            return Ok(());
        }
        // SAFETY: the same as ours.
        let face = unsafe { enter(socket) }?.remove();
        let Some(face) = face else {
            return Err(Errno::ENOTSOCK);
        };
        let context = Arc::clone(&face.context);
        face.socket.close_behind();
        drop(face);
        // Before anybody may believe that all is closed.
        untyped::let_go();
        context.socket_closed();
        Ok(())
    })
}

/// Binds.
///
/// # Safety
/// `socket` is NULL, or a handle of ours; `endpoint` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: the same as ours.
    status(|| unsafe { join(socket, endpoint, |face, at| face.bind(at)) })
}

/// Connects.
///
/// # Safety
/// As [`zmq_bind`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: the same as ours.
    status(|| unsafe { join(socket, endpoint, |face, at| face.connect(at)) })
}

/// Stops listening there.
///
/// # Safety
/// As [`zmq_bind`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: the same as ours.
    status(|| unsafe { join(socket, endpoint, |face, at| face.part(at)) })
}

/// Ends a connected endpoint.
///
/// # Safety
/// As [`zmq_bind`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    // SAFETY: the same as ours.
    status(|| unsafe { join(socket, endpoint, |face, at| face.part(at)) })
}

/// # Safety
/// As [`zmq_bind`].
unsafe fn join(
    socket: *mut c_void,
    endpoint: *const c_char,
    act: impl FnOnce(&mut Face, &str) -> Result<(), Error>,
) -> Result<(), Errno> {
    // SAFETY: the same as ours.
    let mut face = unsafe { enter(socket) }?;
    if !face.socket.is_open() {
        return Err(Errno::ETERM);
    }
    // SAFETY: the same as ours.
    let endpoint = unsafe { text(endpoint) }?;
    act(&mut face, endpoint)?;
    Ok(())
}

impl Face {
    fn bind(&mut self, endpoint: &str) -> Result<(), Error> {
        let bound = self.socket.bind(endpoint)?;
        if let (false, OptionValue::Number(given @ 0..)) = (
            matches!(bound, Endpoint::Inproc(_)),
            self.socket.option(USE_FD)?,
        ) {
            // The library listens on a duplicate, for in safe Rust a number is nobody's. Programs
            // give theirs away.
            let given = c_int::try_from(given).unwrap_or(-1);
            // SAFETY: closing takes any number. This one is ours since the bind, as the interface
            // says; if the program closes it, too, that is its mistake, as it was before.
            unsafe { libc::close(given) };
        }
        Ok(())
    }

    fn connect(&mut self, endpoint: &str) -> Result<(), Error> {
        self.socket.connect(endpoint)
    }

    /// REQ and REP take turns: what was received last is to be taken whole before anything is said.
    pub(crate) fn is_amid(&self) -> bool {
        self.more && self.kind.is_lock_step() && !self.socket.is_relaxed()
    }

    /// It speaks: nothing is left of what a REQ has heard before.
    pub(crate) fn begin_to_speak(&mut self) -> Result<(), Errno> {
        if self.is_amid() {
            return Err(Errno::EFSM);
        }
        if self.kind.is_lock_step() {
            self.more = false;
            self.heard = Vec::new().into_iter();
            self.sender = None;
        }
        Ok(())
    }

    /// One way or the other: programs use either call for both.
    fn part(&mut self, endpoint: &str) -> Result<(), Error> {
        match self.socket.unbind(endpoint) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.socket.disconnect(endpoint),
            done => done,
        }
    }
}
