//! What every typed socket holds: a shared owner, whose end closes the socket.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{self, Poll, Waker},
    time::Duration,
};

use crate::{
    base::{
        error::{Error, ErrorKind, RecvError, SendError},
        message::Message,
        options::{Linger, Options},
        sync::{AtomicBool, Ordering},
        time::Time,
    },
    core::{Listened, Place, Socket, To, WithInfo},
    pattern::Received,
};

/// Closes its socket when the last clone is gone. Public in name only, for a sealed trait: the
/// module is not.
#[derive(Debug)]
pub struct Owner {
    pub(super) socket: Arc<Socket>,
    /// Its end does not wait for what is queued: that leaves behind the scenes.
    pub(super) hasty: AtomicBool,
}

impl Drop for Owner {
    /// Waits until what is queued has left, at most as long as the socket lingers.
    fn drop(&mut self) {
        self.socket.close(self.socket.options().linger);
        let hasty = self.hasty.load(Ordering::Relaxed);
        if !hasty && self.socket.context().metal().may_block() {
            self.wait_closed(None);
        }
    }
}

/// What comes of looking for a message without standing in line.
pub(super) enum Soon {
    Done(Result<(), RecvError>),
    /// Nothing is here yet.
    Nothing(Waiting),
}

/// How the rest of a wait is spent.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    pub(super) until: Option<Time>,
    pub(super) listened: Listened,
}

impl Owner {
    pub(super) fn new(socket: Arc<Socket>) -> Arc<Owner> {
        Arc::new(Owner {
            socket,
            hasty: AtomicBool::new(false),
        })
    }

    pub(super) fn now(&self) -> Time {
        self.socket.context().metal().now()
    }

    /// Changes one option.
    pub(super) fn change(&self, change: impl FnOnce(&mut Options)) -> Result<(), Error> {
        self.socket.change(|options| {
            change(options);
            Ok(())
        })
    }

    pub(super) fn deadline(&self, timeout: Option<Duration>) -> Option<Time> {
        timeout.map(|timeout| self.now() + timeout)
    }

    /// Waits for the end of closing. Answers how many messages were thrown away.
    fn wait_closed(&self, timeout: Option<Duration>) -> Option<u64> {
        let mut place = Place::default();
        let deadline = self.deadline(timeout);
        let closed = |waker: &Waker| self.socket.poll_closed(&mut place, waker);
        self.socket.block_on(deadline, false, closed).ok()
    }

    pub(super) fn close(&self, timeout: Duration) -> Result<CloseReport, Error> {
        self.socket.close(Linger::For(timeout));
        // What is queued is thrown away when the time is up; that takes a moment of its own.
        let patience = timeout.saturating_add(Duration::from_millis(500));
        match self.wait_closed(Some(patience)) {
            Some(unsent) => Ok(CloseReport { unsent }),
            None => Err(ErrorKind::TimedOut.into()),
        }
    }

    // ---- blocking calls: the futures below, run to their end

    #[inline]
    pub(super) fn send(&self, to: To<'_>, mut message: Message) -> Result<(), SendError> {
        if self.socket.send_plain(to, &mut message) {
            return Ok(());
        }
        self.send_within(to, message, self.socket.send_timeout())
    }

    pub(super) fn send_within(
        &self,
        to: To<'_>,
        message: Message,
        timeout: Option<Duration>,
    ) -> Result<(), SendError> {
        self.send_hearing(to, message, timeout, false)
    }

    /// With `signals`, one that comes while it waits ends it.
    pub(super) fn send_hearing(
        &self,
        to: To<'_>,
        message: Message,
        timeout: Option<Duration>,
        signals: bool,
    ) -> Result<(), SendError> {
        if self.socket.is_interrupted() {
            return Err(SendError::Interrupted(message));
        }
        let mut message = match (self.socket.send_now(to, message), to) {
            (Err(SendError::Full(message)), _) => Some(message),
            (Err(SendError::WrongState(message)), To::InTurn) => Some(message),
            (done, _) => return done,
        };
        let mut place = Place::default();
        let deadline = self.deadline(timeout);
        let attempt = |waker: &Waker| self.socket.poll_send(&mut place, to, &mut message, waker);
        match self.socket.block_hearing(deadline, false, signals, attempt) {
            Ok(sent) => sent,
            Err(why) => {
                self.socket.leave_send(&mut place);
                let message = message.unwrap_or_default();
                Err(match why {
                    ErrorKind::Interrupted => SendError::Interrupted(message),
                    _ => SendError::TimedOut(message),
                })
            }
        }
    }

    pub(super) fn recv(&self) -> Result<Received, RecvError> {
        self.recv_within(self.socket.recv_timeout())
    }

    pub(super) fn recv_within(&self, timeout: Option<Duration>) -> Result<Received, RecvError> {
        let mut received = None;
        if self.socket.is_interrupted() {
            return Err(RecvError::Interrupted);
        }
        match self.recv_soon(timeout, &mut received) {
            Soon::Done(done) => done?,
            Soon::Nothing(waiting) => self.recv_late(waiting, false, &mut received)?,
        }
        received.ok_or(RecvError::Empty)
    }

    /// What has been read already; or, of those who take turns, comes within the short time that a
    /// receiver looks again before it stands in line: they mostly have to wait, others mostly need
    /// not. What is received is some 200 octets, and goes `into` the caller's place.
    pub(super) fn recv_soon(&self, timeout: Option<Duration>, into: &mut Option<Received>) -> Soon {
        let (mut until, mut listened) = (None, Listened::Called);
        let takes_turns = self.socket.socket_type().is_lock_step();
        if takes_turns {
            until = self.deadline(timeout);
            listened = self.socket.listen(until);
        }
        if listened == Listened::Called {
            listened = Listened::NotAtAll;
            match self.socket.recv_now_into(into) {
                Err(RecvError::Empty) => {}
                done => return Soon::Done(done),
            }
        }
        if !takes_turns {
            until = self.deadline(timeout);
        }
        Soon::Nothing(Waiting { until, listened })
    }

    /// Waits, after [`recv_soon`](Owner::recv_soon) has found nothing. With `signals`, one that
    /// comes meanwhile ends it.
    pub(super) fn recv_late(
        &self,
        waiting: Waiting,
        signals: bool,
        into: &mut Option<Received>,
    ) -> Result<(), RecvError> {
        let Waiting { until, listened } = waiting;
        let mut place = Place::default();
        let receives = listened != Listened::InVain;
        let attempt = |waker: &Waker| self.socket.poll_recv_into(&mut place, waker, into);
        match self.socket.block_hearing(until, receives, signals, attempt) {
            Ok(done) => done,
            Err(why) => {
                self.socket.leave_recv(&mut place);
                Err(match why {
                    ErrorKind::Interrupted => RecvError::Interrupted,
                    _ => RecvError::TimedOut,
                })
            }
        }
    }

    /// The next message within the socket's own timeout, with what is known of its sender.
    pub(super) fn recv_with_info(&self) -> Result<WithInfo, RecvError> {
        let mut place = Place::default();
        let deadline = self.deadline(self.socket.recv_timeout());
        let attempt = |waker: &Waker| self.socket.poll_recv_with_info(&mut place, waker);
        match self.socket.block_on(deadline, true, attempt) {
            Ok(received) => received,
            Err(why) => {
                self.socket.leave_recv(&mut place);
                Err(match why {
                    ErrorKind::Interrupted => RecvError::Interrupted,
                    _ => RecvError::TimedOut,
                })
            }
        }
    }

    /// The next message alone, within the socket's own timeout.
    #[inline]
    pub(super) fn recv_message(&self) -> Result<Message, RecvError> {
        match self.socket.recv_plain() {
            Some(message) => Ok(message),
            None => self.recv().map(|received| received.message),
        }
    }

    /// Messages alone, at least one, at most `most`; within the socket's own timeout.
    pub(super) fn recv_many(
        &self,
        into: &mut Vec<Message>,
        most: usize,
    ) -> Result<usize, RecvError> {
        let count = self.socket.recv_more(into, most);
        if count > 0 || most == 0 {
            return Ok(count);
        }
        into.push(self.recv_message()?);
        Ok(1 + self.socket.recv_rest(into, most - 1))
    }

    /// The next message alone, if it is here.
    #[inline]
    pub(super) fn try_recv_message(&self) -> Result<Message, RecvError> {
        match self.socket.recv_plain() {
            Some(message) => Ok(message),
            None => self.socket.try_recv().map(|received| received.message),
        }
    }

    /// The next message alone, within `timeout`.
    pub(super) fn recv_message_within(&self, timeout: Duration) -> Result<Message, RecvError> {
        match self.socket.recv_plain() {
            Some(message) => Ok(message),
            None => self
                .recv_within(Some(timeout))
                .map(|received| received.message),
        }
    }

    /// Waits until `done` says so of the peers that are ready and of the subscribers.
    pub(super) fn wait_peers(
        &self,
        timeout: Duration,
        done: impl Fn(usize, usize) -> bool,
    ) -> Result<(), Error> {
        let mut place = Place::default();
        let deadline = self.deadline(Some(timeout));
        let attempt = |waker: &Waker| self.socket.poll_peers(&mut place, waker, &done);
        let waited = self.socket.block_on(deadline, false, attempt);
        self.socket.leave_change(&mut place);
        waited?
    }

    pub(super) fn recv_future(&self) -> RecvFuture<'_> {
        RecvFuture {
            socket: &self.socket,
            place: Place::default(),
        }
    }

    pub(super) fn send_future<'a>(&'a self, to: To<'a>, message: Message) -> SendFuture<'a> {
        SendFuture {
            socket: &self.socket,
            place: Place::default(),
            to,
            message: Some(message),
        }
    }
}

/// What closing has done.
///
/// ```
/// use std::time::Duration;
/// use hubless::Push;
///
/// let push = Push::new()?;
/// push.connect("inproc://nobody-there")?;
/// push.send("to whom?")?;
/// let report = push.close(Duration::from_millis(10))?;
/// assert_eq!(report.unsent, 1);
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// Messages that were accepted and could not be sent in time.
    pub unsent: u64,
}

/// A send under way. Dropping it before it is ready sends nothing.
#[must_use = "a future does nothing unless it is awaited"]
#[derive(Debug)]
pub(super) struct SendFuture<'a> {
    socket: &'a Socket,
    place: Place,
    to: To<'a>,
    message: Option<Message>,
}

impl Future for SendFuture<'_> {
    type Output = Result<(), SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.socket
            .poll_send(&mut this.place, this.to, &mut this.message, context.waker())
    }
}

impl Drop for SendFuture<'_> {
    fn drop(&mut self) {
        self.socket.leave_send(&mut self.place);
    }
}

/// A receive under way. Dropping it before it is ready takes nothing.
#[must_use = "a future does nothing unless it is awaited"]
#[derive(Debug)]
pub(super) struct RecvFuture<'a> {
    socket: &'a Socket,
    place: Place,
}

impl Future for RecvFuture<'_> {
    type Output = Result<Received, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let polled = this.socket.poll_recv(&mut this.place, context.waker());
        if polled.is_pending() {
            // Whoever is about to wait writes out what it has left lying.
            this.socket.flush_before_wait();
        }
        polled
    }
}

impl Drop for RecvFuture<'_> {
    fn drop(&mut self) {
        self.socket.leave_recv(&mut self.place);
    }
}
