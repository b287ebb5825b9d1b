//! Actors: a thread and two ends of a PAIR, ended together.
//!
//! ```text
//!   owner ── Actor ══ PAIR, inproc ══ Mailbox ── thread
//!              │  stop or drop: one last message, then join
//! ```

use std::{
    cell::Cell,
    sync::LazyLock,
    task::{Poll, Waker},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;

use super::sockets::Pair;
use crate::{
    base::{
        error::{Error, ErrorKind, RecvError, SendError},
        message::Message,
        sync::{AtomicU64, Ordering},
    },
    core::{Place, Socket},
    transport::worker,
};

/// A thread that is talked to by messages, and ends with its owner.
///
/// ```
/// use hubless::Actor;
///
/// let actor = Actor::spawn("counter", |mailbox| {
///     let mut octets = 0;
///     for message in &mailbox {
///         octets += message.octets();
///         mailbox.send(octets.to_string()).ok();
///     }
///     octets // said when it is told to stop
/// })?;
/// actor.send("apples")?;
/// assert_eq!(actor.recv()?[0], "6");
/// actor.send("pears")?;
/// assert_eq!(actor.stop().unwrap(), 11);
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// What was sent before [`stop`](Actor::stop) is read before the mailbox ends. Dropped, it stops
/// its thread and waits for that. Messages between the two are without limit in either direction,
/// so that neither ever waits to send; an owner who must not run ahead asks for answers.
#[derive(Debug)]
#[must_use = "dropping it stops its thread"]
pub struct Actor<T> {
    pair: Pair,
    /// The last message: known by where it lies, so that no other can be taken for it.
    last: Bytes,
    thread: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> Actor<T> {
    /// Starts a thread of that name.
    ///
    /// # Errors
    /// `TooMany` or `Io` if there can be no more sockets or threads.
    pub fn spawn(
        name: &str,
        work: impl FnOnce(Mailbox) -> T + Send + 'static,
    ) -> Result<Actor<T>, Error> {
        // Lazy, since loom's atomics cannot be made in a constant.
        static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(0));
        let at = format!(
            "inproc://hubless-actor-{}",
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let pair = || Pair::builder().send_hwm(0).recv_hwm(0).build();
        let (ours, theirs) = (pair()?, pair()?);
        ours.bind(&at)?;
        theirs.connect(&at)?;
        let last = Bytes::from(vec![0; LAST_OCTETS]);
        let mailbox = Mailbox {
            pair: theirs,
            last: last.clone(),
            ended: Cell::new(false),
        };
        let thread = worker::spawn(name, move || work(mailbox))
            .map_err(|error| Error::from_io("a thread for an actor", error))?;
        Ok(Actor {
            pair: ours,
            last,
            thread: Some(thread),
        })
    }
}

impl<T> Actor<T> {
    /// Sends it a message. Never waits.
    ///
    /// # Errors
    /// `Full`, with the message, once its thread has let go of its mailbox.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.pair.try_send(message)
    }

    /// What it says next; waits for that.
    ///
    /// # Errors
    /// `Closed` once its thread has ended, or let go of its mailbox, and all it said is read;
    /// `Interrupted`.
    pub fn recv(&self) -> Result<Message, RecvError> {
        Listening::new(&self.pair).recv_within(None)
    }

    /// What it says next, waiting at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`; else as [`recv`](Actor::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
        Listening::new(&self.pair).recv_within(Some(timeout))
    }

    /// What it has said, if anything.
    ///
    /// # Errors
    /// `Empty`; else as [`recv`](Actor::recv).
    pub fn try_recv(&self) -> Result<Message, RecvError> {
        match Listening::new(&self.pair).poll(Waker::noop()) {
            Poll::Ready(said) => said,
            Poll::Pending => Err(RecvError::Empty),
        }
    }

    /// Our end of the pair: for a poller, futures, counters.
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Has its thread ended?
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends its mailbox after what was sent so far, and waits for its thread.
    ///
    /// # Errors
    /// What its thread panicked with.
    pub fn stop(mut self) -> thread::Result<T> {
        self.end()
            .unwrap_or_else(|| Err(Box::new("it was joined before")))
    }

    fn end(&mut self) -> Option<thread::Result<T>> {
        let thread = self.thread.take()?;
        // Whoever has let go of the mailbox need not be told.
        self.pair.try_send(&self.last).ok();
        Some(thread.join())
    }
}

impl<T> Drop for Actor<T> {
    fn drop(&mut self) {
        // A panic was told by its own thread already.
        self.end();
    }
}

/// An owner who waits for a word of the thread, or for the thread's end.
struct Listening<'a> {
    socket: &'a Socket,
    word: Place,
    end: Place,
}

impl<'a> Listening<'a> {
    fn new(pair: &'a Pair) -> Listening<'a> {
        Listening {
            socket: &pair.owner.socket,
            word: Place::default(),
            end: Place::default(),
        }
    }

    fn poll(&mut self, waker: &Waker) -> Poll<Result<Message, RecvError>> {
        // Looked at first: what was said before the end is here by then.
        let nobody = |peers: usize, _: usize| peers == 0;
        let ended = self.socket.poll_peers(&mut self.end, waker, nobody);
        match self.socket.poll_recv(&mut self.word, waker) {
            Poll::Pending if ended.is_ready() => Poll::Ready(Err(RecvError::Closed)),
            said => said.map_ok(|received| received.message),
        }
    }

    fn recv_within(&mut self, timeout: Option<Duration>) -> Result<Message, RecvError> {
        let socket = self.socket;
        let until = timeout.map(|timeout| socket.context().metal().now() + timeout);
        match socket.block_on(until, true, |waker| self.poll(waker)) {
            Ok(said) => said,
            Err(ErrorKind::Interrupted) => Err(RecvError::Interrupted),
            Err(_) => Err(RecvError::TimedOut),
        }
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.socket.leave_recv(&mut self.word);
        self.socket.leave_change(&mut self.end);
    }
}

/// An actor's end: what its owner sends, until the owner stops it.
#[derive(Debug)]
pub struct Mailbox {
    pair: Pair,
    last: Bytes,
    ended: Cell<bool>,
}

impl Mailbox {
    /// The next message; waits for it.
    ///
    /// # Errors
    /// `Closed` once the owner has stopped the actor.
    pub fn recv(&self) -> Result<Message, RecvError> {
        self.read(|pair| pair.recv())
    }

    /// The next message, waiting at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`; else as [`recv`](Mailbox::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
        self.read(|pair| pair.recv_timeout(timeout))
    }

    /// The next message, if it is here.
    ///
    /// # Errors
    /// `Empty`; else as [`recv`](Mailbox::recv).
    pub fn try_recv(&self) -> Result<Message, RecvError> {
        self.read(|pair| pair.try_recv())
    }

    /// Says something to the owner. Never waits.
    ///
    /// # Errors
    /// `Full`, with the message, once the owner is gone.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.pair.try_send(message)
    }

    /// Iterates over messages, waiting for each, until the owner stops the actor.
    pub fn iter(&self) -> impl Iterator<Item = Message> + '_ {
        std::iter::from_fn(|| self.recv().ok())
    }

    fn read(
        &self,
        take: impl FnOnce(&Pair) -> Result<Message, RecvError>,
    ) -> Result<Message, RecvError> {
        if self.ended.get() {
            return Err(RecvError::Closed);
        }
        let message = take(&self.pair)?;
        if message.first().as_ptr() != self.last.as_ptr() {
            return Ok(message);
        }
        self.ended.set(true);
        Err(RecvError::Closed)
    }
}

impl<'a> IntoIterator for &'a Mailbox {
    type Item = Message;
    type IntoIter = Box<dyn Iterator<Item = Message> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

/// More than lie inline, so that the last message is shared and keeps its place.
const LAST_OCTETS: usize = 65;
