//! Monitors: what happens to a socket's connections, as it happens.

use std::{
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use crate::{
    base::{error::RecvError, event::Event, sync::park::Parker},
    core::{Queue, Socket},
};

/// Reads a socket's events.
///
/// An iterator that waits for each event and ends when the socket has closed. It holds a
/// bounded number of events; a reader that lags finds an [`EventKind::Lagged`] where some are
/// missing. Several threads may read one monitor; each event goes to one of them.
///
/// ```
/// use std::time::Duration;
/// use hubless::{EventKind, Pull, Push};
///
/// let pull = Pull::new()?;
/// let events = pull.monitor();
/// let at = pull.bind("tcp://127.0.0.1:0")?;
/// let push = Push::new()?;
/// push.connect(&at)?;
/// loop {
///     let event = events.recv_timeout(Duration::from_secs(5))?;
///     println!("{event}"); // tcp://127.0.0.1:40123: listening
///     if let EventKind::HandshakeSucceeded = event.kind {
///         break;
///     }
/// }
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// [`EventKind::Lagged`]: crate::EventKind::Lagged
#[derive(Debug)]
pub struct Monitor {
    pub(super) queue: Arc<Queue>,
    socket: Arc<Socket>,
}

impl Monitor {
    pub(super) fn new(socket: &Arc<Socket>) -> Monitor {
        Monitor {
            queue: socket.monitor(),
            socket: Arc::clone(socket),
        }
    }

    /// The next event, waiting for it.
    ///
    /// # Errors
    /// `Closed` once the socket has closed and every event was read.
    pub fn recv(&self) -> Result<Event, RecvError> {
        self.wait(None)
    }

    /// The next event, waiting at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, or as [`recv`](Monitor::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Event, RecvError> {
        self.wait(Some(timeout))
    }

    /// The next event, if there is one now.
    ///
    /// # Errors
    /// `Empty` if there is none; `Closed` once the socket has closed and every event was read.
    pub fn try_recv(&self) -> Result<Event, RecvError> {
        match self.queue.try_next() {
            Poll::Ready(event) => event.ok_or(RecvError::Closed),
            Poll::Pending => Err(RecvError::Empty),
        }
    }

    /// The next event, as a future. `None` once the socket has closed. Dropping the future loses
    /// nothing.
    pub async fn recv_async(&self) -> Option<Event> {
        std::future::poll_fn(|context| self.queue.poll(context.waker())).await
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<Event, RecvError> {
        let (parker, waker): (_, Waker) = Parker::current();
        let metal = self.socket.context().metal();
        let until = timeout.map(|timeout| metal.now() + timeout);
        loop {
            match self.queue.poll(&waker) {
                Poll::Ready(Some(event)) => return Ok(event),
                Poll::Ready(None) => return Err(RecvError::Closed),
                Poll::Pending => {}
            }
            let now = metal.now();
            if until.is_some_and(|until| until <= now) {
                return Err(RecvError::TimedOut);
            }
            parker.park(until.map(|until| until.since(now)));
        }
    }
}

impl Iterator for Monitor {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv().ok()
    }
}
