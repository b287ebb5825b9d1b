//! The metal: all that hubless asks of the outside world, as narrow traits.
//!
//! ```text
//!   Metal ── clock, randomness, name resolution, where a reactor runs
//!     ├─ Selector   readiness of many sources (one per socket, one per reactor; they nest)
//!     │    ├─ Bell      wakes one selector from any thread
//!     │    └─ Registry  adds sources from any thread, while the owner polls
//!     ├─ Stream     a connection: octets in order, both ways
//!     └─ Acceptor   a listening point
//! ```
//!
//! Programs run on the `MioMetal` of the room `transport`. Tests run the whole library on a
//! simulated one, where time, order and faults come from a seed. The traits are called once per
//! turn, read or write, never per message, so they cost nothing that can be measured and no public
//! type carries a parameter.

use std::{
    fmt,
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::Reactor;
use crate::base::{context_options::ThreadOptions, options::Options, time::Time};

/// What names a source of readiness: a file descriptor, or the simulator's number for one.
pub type SourceId = i32;

/// The outside world.
pub trait Metal: Send + Sync + fmt::Debug + 'static {
    /// The monotonic clock.
    fn now(&self) -> Time;

    /// 64 random bits. Not for secrets.
    fn random(&self) -> u64;

    /// May a thread be made to wait? Not on a metal whose owner turns the reactors on that very
    /// thread: there, dropping a socket only begins to close it.
    fn may_block(&self) -> bool {
        true
    }

    /// Cores that this process may use, and cores that the machine has: with one, waiting awake
    /// only keeps others from their work.
    fn cores(&self) -> (usize, usize) {
        (1, 1)
    }

    /// A new selector.
    ///
    /// # Errors
    /// When descriptors run out.
    fn selector(&self) -> io::Result<Box<dyn Selector>>;

    /// Begins to connect. The stream becomes writable when the outcome is known; ask
    /// [`Stream::finish_connect`] then.
    ///
    /// # Errors
    /// What the system says at once.
    fn connect(
        &self,
        to: &Address,
        from: Option<&Address>,
        options: &Options,
    ) -> io::Result<Box<dyn Stream>>;

    /// Begins to connect through the SOCKS5 proxy at `proxy`. The stream is connected once the
    /// proxy has reached `target`.
    ///
    /// # Errors
    /// As [`connect`](Metal::connect); `Unsupported` on a metal that has no proxies.
    fn connect_through(
        &self,
        proxy: SocketAddr,
        target: SocksTarget,
        from: Option<&Address>,
        options: &Options,
    ) -> io::Result<Box<dyn Stream>> {
        let _ = (proxy, target, from, options);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes over a socket that listens already.
    ///
    /// # Errors
    /// If it does not, or is of no family that we speak; `Unsupported` on a metal without
    /// descriptors.
    fn adopt(&self, listener: OwnedFd, options: &Options) -> io::Result<Box<dyn Acceptor>> {
        let _ = (listener, options);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// As [`adopt`](Metal::adopt), by its number: it is not taken over, but shared.
    ///
    /// # Errors
    /// As [`adopt`](Metal::adopt); or there is no descriptor of that number.
    fn adopt_numbered(&self, number: i32, options: &Options) -> io::Result<Box<dyn Acceptor>> {
        let _ = (number, options);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Listens.
    ///
    /// # Errors
    /// What the system says, e.g. address in use.
    fn listen(&self, at: &Address, options: &Options) -> io::Result<Box<dyn Acceptor>>;

    /// Looks a name up, off the caller's thread if that could wait, and calls `done` with every
    /// address found, in the resolver's order. `done` may run on another thread, or before this
    /// returns.
    fn resolve(&self, host: &str, port: u16, ipv6: bool, done: Resolved);

    /// The addresses of a network interface, by its name; empty if there is none of that name.
    fn interface(&self, name: &str) -> Vec<SocketAddr>;

    /// Runs `reactor` until it says that it is done: on a thread of its own, which is as `thread`
    /// says, or whenever the owner of a manual metal says so.
    ///
    /// # Errors
    /// When a thread cannot be had, or not such a one.
    fn run(&self, reactor: Reactor, thread: &ThreadOptions) -> io::Result<()>;

    /// Waits until the threads that run reactors have ended, all but the caller's own. The
    /// reactors were told to stop. Nothing to wait for where their owner turns them.
    fn join(&self) {}
}

/// What to call when a name has been looked up.
pub type Resolved = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

/// An address of the metal: already resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A Unix-domain socket in the file system.
    Path(PathBuf),
    /// A Unix-domain socket in Linux's abstract name space.
    Abstract(Vec<u8>),
}

/// Whom a proxy is to connect to: an address or a name, which it looks up, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocksTarget {
    /// An IP address without brackets, or a name.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Readiness of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What the source was registered with.
    pub token: usize,
    /// There may be something to read (or to accept).
    pub readable: bool,
    /// There may be room to write.
    pub writable: bool,
    /// The peer has closed, or the source has failed; reading tells which.
    pub closed: bool,
}

/// Waits for readiness of many sources. Edge-triggered: readiness is told once, and again only
/// after the source was drained (read or written until it would block) and became ready anew.
pub trait Selector: Send {
    /// Waits until something is ready, the bell rang, or `timeout` has passed (`None`: for
    /// ever), and fills `ready` (which it clears first). A bell is not listed in `ready`.
    ///
    /// # Errors
    /// `Interrupted` when a signal came while it waited; anything else is a fault of the system.
    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()>;

    /// Watches a source for both directions, under `token`. Present readiness is reported.
    ///
    /// # Errors
    /// When the system has no room for it.
    fn register(&self, source: SourceId, token: usize) -> io::Result<()>;

    /// Stops watching a source.
    ///
    /// # Errors
    /// When it was not registered.
    fn deregister(&self, source: SourceId) -> io::Result<()>;

    /// The bell that wakes this selector, the same one each time.
    ///
    /// # Errors
    /// When descriptors run out.
    fn bell(&self) -> io::Result<Arc<dyn Bell>>;

    /// A second handle on what this selector watches, for threads other than its owner.
    ///
    /// # Errors
    /// When descriptors run out.
    fn registry(&self) -> io::Result<Box<dyn Registry>>;

    /// A descriptor for programs that poll by themselves: readable while this selector has
    /// something to tell.
    ///
    /// # Errors
    /// When descriptors run out; `Unsupported` where there are none.
    fn descriptor(&self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// This selector as a source for another one: readable while it has something ready.
    fn source(&self) -> SourceId;
}

/// Adds and removes the sources of one selector, also while its owner is polling it.
pub trait Registry: Send + Sync {
    /// As [`Selector::register`]; a poll under way sees the source at once.
    ///
    /// # Errors
    /// When the system has no room for it.
    fn register(&self, source: SourceId, token: usize) -> io::Result<()>;

    /// As [`Selector::deregister`]. A readiness that a poll has already collected may still be
    /// reported.
    ///
    /// # Errors
    /// When it was not registered.
    fn deregister(&self, source: SourceId) -> io::Result<()>;
}

/// Wakes one selector. Rings may melt into one.
pub trait Bell: Send + Sync {
    /// Makes the present or the next [`Selector::poll`] return at once.
    fn ring(&self);
}

/// A connection. All calls are non-blocking: `WouldBlock` means "not now, wait for readiness".
pub trait Stream: Send + Sync {
    /// The source to register.
    fn source(&self) -> SourceId;

    /// Has the connection been made? `WouldBlock` while that is open; an error if it failed.
    ///
    /// # Errors
    /// See above.
    fn finish_connect(&self) -> io::Result<()>;

    /// Appends at most `limit` octets to `into`, within its spare capacity or growing it to hold
    /// `limit` more. `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing now; otherwise the connection is lost.
    fn read(&self, into: &mut Vec<u8>, limit: usize) -> io::Result<usize>;

    /// Writes from the slices in turn; fewer octets than offered may be taken.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room now; otherwise the connection is lost.
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// The two ends, for events and metadata.
    fn ends(&self) -> Ends;
}

/// Who is at the two ends of a stream, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Our end as an endpoint, e.g. `tcp://127.0.0.1:5555`.
    pub local: String,
    /// The other end as an endpoint; `ipc://` and our path for Unix-domain sockets.
    pub remote: String,
    /// What ZMTP peers call `Peer-Address`: the IP without port, or `localhost:uid:gid:pid`.
    pub peer: String,
}

/// A listening point.
pub trait Acceptor: Send {
    /// The source to register.
    fn source(&self) -> SourceId;

    /// Takes one connection.
    ///
    /// # Errors
    /// `WouldBlock` when none is waiting; `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM` when resources
    /// have run out (try again later); anything else concerns that one connection only.
    fn accept(&self) -> io::Result<Box<dyn Stream>>;

    /// The address it really listens at, with the port the system chose.
    fn local(&self) -> Address;
}
