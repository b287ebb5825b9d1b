//! What can go wrong, and who is to blame.
//!
//! [`Error`] is what setting things up gives: binding, connecting, options. Sending and receiving
//! have errors of their own, [`SendError`] and [`RecvError`], because a refused send gives the
//! message back and a receive fails in few ways only. Each kind has exactly one errno, the one
//! libzmq gives for the same fault.

use std::{error, fmt, io};

use super::message::Message;

/// Why an operation on a socket or context failed.
///
/// ```
/// use hubless::{ErrorKind, Pull};
///
/// let refused = Pull::new()?.bind("tcp://127.0.0.1:http").unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::InvalidEndpoint);
/// assert!(refused.to_string().contains("tcp://127.0.0.1:http"));
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<io::Error>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is no endpoint: bad syntax, port or address.
    InvalidEndpoint,
    /// No such transport here.
    UnknownTransport,
    /// An option's value is out of range, or does not go with this socket type.
    InvalidOption,
    /// Somebody else is bound to that address or name.
    AddressInUse,
    /// No such address or interface on this machine.
    AddressNotAvailable,
    /// Nothing was bound or connected to that endpoint.
    NotFound,
    /// Access refused by the system.
    PermissionDenied,
    /// A path that is too long for a Unix-domain socket.
    NameTooLong,
    /// Descriptors, sockets or threads have run out.
    TooMany,
    /// None of the context's I/O threads may serve the socket: it has none, or affinity leaves none.
    NoThread,
    /// The socket or its context is closed.
    Closed,
    /// The time given has passed.
    TimedOut,
    /// It would have to wait.
    Full,
    /// A message is larger than its context lets messages be.
    TooLarge,
    /// No peer of that routing id.
    Unroutable,
    /// The peer that held the request is gone.
    PeerLost,
    /// Not possible in the socket's present state.
    WrongState,
    /// Somebody interrupted it (see [`Interrupter`](crate::Interrupter)), or a signal did.
    Interrupted,
    /// Another error of the system.
    Io,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Error {
        Error {
            kind,
            context: context.into(),
            source: None,
        }
    }

    /// What the system said about `context` (an endpoint, mostly).
    pub(crate) fn from_io(context: impl Into<String>, source: io::Error) -> Error {
        let kind = match (source.kind(), source.raw_os_error()) {
            (io::ErrorKind::AddrInUse, _) => ErrorKind::AddressInUse,
            (io::ErrorKind::AddrNotAvailable, _) => ErrorKind::AddressNotAvailable,
            (_, Some(libc::ENODEV)) => ErrorKind::AddressNotAvailable,
            (io::ErrorKind::PermissionDenied, _) => ErrorKind::PermissionDenied,
            (_, Some(libc::ENAMETOOLONG)) => ErrorKind::NameTooLong,
            (_, Some(libc::EMFILE | libc::ENFILE)) => ErrorKind::TooMany,
            (io::ErrorKind::TimedOut, _) => ErrorKind::TimedOut,
            (io::ErrorKind::Interrupted, _) => ErrorKind::Interrupted,
            _ => ErrorKind::Io,
        };
        Error {
            kind,
            context: context.into(),
            source: Some(source),
        }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The number C programs know it by (`errno`, or libzmq's own above 156384712).
    pub fn errno(&self) -> i32 {
        match (self.kind, &self.source) {
            // The system tells more exactly: an address that is not ours is no missing interface.
            (ErrorKind::Io | ErrorKind::AddressNotAvailable, Some(source)) => {
                source.raw_os_error().unwrap_or(self.kind.errno())
            }
            (kind, _) => kind.errno(),
        }
    }
}

/// Has something run out that may come back?
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    const EXHAUSTED: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error
        .raw_os_error()
        .is_some_and(|code| EXHAUSTED.contains(&code))
}

/// libzmq's own error numbers start here.
const ZMQ_HAUSNUMERO: i32 = 156_384_712;

impl ErrorKind {
    /// The number C programs know this kind by.
    pub const fn errno(self) -> i32 {
        match self {
            ErrorKind::InvalidEndpoint | ErrorKind::InvalidOption => libc::EINVAL,
            ErrorKind::UnknownTransport => libc::EPROTONOSUPPORT,
            ErrorKind::AddressInUse => libc::EADDRINUSE,
            ErrorKind::AddressNotAvailable => libc::ENODEV,
            ErrorKind::NotFound => libc::ENOENT,
            ErrorKind::PermissionDenied => libc::EACCES,
            ErrorKind::NameTooLong => libc::ENAMETOOLONG,
            ErrorKind::TooMany => libc::EMFILE,
            ErrorKind::NoThread => ZMQ_HAUSNUMERO + 54,
            ErrorKind::Closed => ZMQ_HAUSNUMERO + 53,
            ErrorKind::TimedOut | ErrorKind::Full => libc::EAGAIN,
            ErrorKind::TooLarge => libc::EMSGSIZE,
            ErrorKind::Unroutable => libc::EHOSTUNREACH,
            ErrorKind::PeerLost => libc::ECONNRESET,
            ErrorKind::WrongState => ZMQ_HAUSNUMERO + 51,
            ErrorKind::Interrupted => libc::EINTR,
            ErrorKind::Io => libc::EIO,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            ErrorKind::InvalidEndpoint => "not an endpoint",
            ErrorKind::UnknownTransport => "unknown transport",
            ErrorKind::InvalidOption => "option out of range",
            ErrorKind::AddressInUse => "address in use",
            ErrorKind::AddressNotAvailable => "address not available",
            ErrorKind::NotFound => "neither bound nor connected",
            ErrorKind::PermissionDenied => "permission denied",
            ErrorKind::NameTooLong => "name too long",
            ErrorKind::TooMany => "too many open descriptors, sockets or threads",
            ErrorKind::NoThread => "no I/O thread may serve it",
            ErrorKind::Closed => "closed",
            ErrorKind::TimedOut => "timed out",
            ErrorKind::Full => "would have to wait",
            ErrorKind::TooLarge => "larger than messages may be",
            ErrorKind::Unroutable => "no peer of that routing id",
            ErrorKind::PeerLost => "the peer that was asked is gone",
            ErrorKind::WrongState => "not possible in this state",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::Io => "system error",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())?;
        if !self.context.is_empty() {
            write!(f, ": {}", self.context)?;
        }
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
        Error::new(kind, "")
    }
}

impl From<ErrorKind> for io::ErrorKind {
    fn from(kind: ErrorKind) -> io::ErrorKind {
        match kind {
            ErrorKind::InvalidEndpoint
            | ErrorKind::InvalidOption
            | ErrorKind::NameTooLong
            | ErrorKind::TooLarge => io::ErrorKind::InvalidInput,
            ErrorKind::UnknownTransport => io::ErrorKind::Unsupported,
            ErrorKind::AddressInUse => io::ErrorKind::AddrInUse,
            ErrorKind::AddressNotAvailable => io::ErrorKind::AddrNotAvailable,
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
            ErrorKind::Closed => io::ErrorKind::BrokenPipe,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::Full => io::ErrorKind::WouldBlock,
            ErrorKind::Unroutable => io::ErrorKind::HostUnreachable,
            ErrorKind::PeerLost => io::ErrorKind::ConnectionReset,
            ErrorKind::Interrupted => io::ErrorKind::Interrupted,
            ErrorKind::TooMany | ErrorKind::NoThread | ErrorKind::WrongState | ErrorKind::Io => {
                io::ErrorKind::Other
            }
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(error.kind.into(), error)
    }
}

/// A send that was refused. It holds the message: nothing is lost that was not accepted.
///
/// ```
/// use hubless::{Push, SendError};
///
/// let push = Push::new()?; // neither bound nor connected
/// match push.try_send("precious") {
///     Err(SendError::Full(message)) => assert_eq!(message[0], "precious"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// `try_send`: no peer has room now, or there is no peer.
    Full(Message),
    /// Larger than its context lets messages be (option `MAX_MSGSZ`).
    TooLarge(Message),
    /// `send_timeout`: no peer had room in time.
    TimedOut(Message),
    /// ROUTER: no peer of that routing id.
    Unroutable(Message),
    /// REQ and REP: it is not this side's turn.
    WrongState(Message),
    /// The socket was interrupted: see [`Interrupter`](crate::Interrupter).
    Interrupted(Message),
    /// The socket or its context is closed.
    Closed(Message),
}

impl SendError {
    /// The message, ours again.
    pub fn into_message(self) -> Message {
        match self {
            SendError::Full(message)
            | SendError::TooLarge(message)
            | SendError::TimedOut(message)
            | SendError::Unroutable(message)
            | SendError::WrongState(message)
            | SendError::Interrupted(message)
            | SendError::Closed(message) => message,
        }
    }

    /// The kind, as [`Error`] has it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            SendError::Full(_) => ErrorKind::Full,
            SendError::TooLarge(_) => ErrorKind::TooLarge,
            SendError::TimedOut(_) => ErrorKind::TimedOut,
            SendError::Unroutable(_) => ErrorKind::Unroutable,
            SendError::WrongState(_) => ErrorKind::WrongState,
            SendError::Interrupted(_) => ErrorKind::Interrupted,
            SendError::Closed(_) => ErrorKind::Closed,
        }
    }

    /// Might the same send succeed later?
    pub fn is_temporary(&self) -> bool {
        matches!(self, SendError::Full(_) | SendError::TimedOut(_))
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message not sent: {}", self.kind().text())
    }
}

impl error::Error for SendError {}

impl From<SendError> for Error {
    fn from(refused: SendError) -> Error {
        Error::new(refused.kind(), "send")
    }
}

impl From<SendError> for io::Error {
    fn from(refused: SendError) -> io::Error {
        Error::from(refused).into()
    }
}

/// Why a receive gave no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecvError {
    /// `try_recv`: nothing has arrived.
    Empty,
    /// `recv_timeout`: nothing arrived in time.
    TimedOut,
    /// REQ and REP: it is not this side's turn.
    WrongState,
    /// REQ: the peer that was asked is gone, and its answer with it. The socket may ask again.
    PeerLost,
    /// The socket was interrupted: see [`Interrupter`](crate::Interrupter).
    Interrupted,
    /// The socket or its context is closed.
    Closed,
}

impl RecvError {
    /// The kind, as [`Error`] has it.
    pub fn kind(self) -> ErrorKind {
        match self {
            RecvError::Empty => ErrorKind::Full,
            RecvError::TimedOut => ErrorKind::TimedOut,
            RecvError::WrongState => ErrorKind::WrongState,
            RecvError::PeerLost => ErrorKind::PeerLost,
            RecvError::Interrupted => ErrorKind::Interrupted,
            RecvError::Closed => ErrorKind::Closed,
        }
    }

    /// Might the same receive succeed later?
    pub fn is_temporary(self) -> bool {
        matches!(self, RecvError::Empty | RecvError::TimedOut)
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecvError::Empty => "no message: nothing has arrived",
            RecvError::TimedOut => "no message: timed out",
            RecvError::WrongState => "no message: not possible in this state",
            RecvError::PeerLost => "no answer: the peer that was asked is gone",
            RecvError::Interrupted => "no message: interrupted",
            RecvError::Closed => "no message: closed",
        })
    }
}

impl error::Error for RecvError {}

impl From<RecvError> for Error {
    fn from(failed: RecvError) -> Error {
        Error::new(failed.kind(), "receive")
    }
}

impl From<RecvError> for io::Error {
    fn from(failed: RecvError) -> io::Error {
        Error::from(failed).into()
    }
}
