//! Actors: a thread and two ends of a PAIR, ended together.
//!
//! ```text
//!   owner ── Actor ══ PAIR, inproc ══ Mailbox ── thread
//!              │  stop or drop: one last message, then join
//! ```

use std::{
    cell::Cell,
    sync::LazyLock,
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;

use super::sockets::Pair;
use crate::{
    base::{
        error::{Error, RecvError, SendError},
        message::Message,
        sync::{AtomicU64, Ordering},
    },
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
    /// `Closed`.
    pub fn recv(&self) -> Result<Message, RecvError> {
        self.pair.recv()
    }

    /// What it says next, waiting at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut` or `Closed`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
        self.pair.recv_timeout(timeout)
    }

    /// What it has said, if anything.
    ///
    /// # Errors
    /// `Empty` or `Closed`.
    pub fn try_recv(&self) -> Result<Message, RecvError> {
        self.pair.try_recv()
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
