//! Connections: what `connect` gives, to be asked whether the peer is there.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    base::{endpoint::Endpoint, error::Error},
    core::{Connected, Place, Socket},
};

/// A connected endpoint. Drop it, or ask whether its peer is ready.
///
/// ```
/// use std::time::Duration;
/// use hubless::{Pull, Push};
///
/// let pull = Pull::new()?;
/// let at = pull.bind("tcp://127.0.0.1:0")?;
/// let push = Push::new()?;
/// let connection = push.connect(&at)?;
/// connection.wait_ready(Duration::from_secs(5))?;
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    socket: Arc<Socket>,
    connected: Connected,
}

impl Connection {
    /// As [`begin`](Connection::begin), with the name the peer is to have.
    pub(super) fn begin_as(
        socket: &Arc<Socket>,
        endpoint: &Endpoint,
        name: Option<Bytes>,
    ) -> Result<Connection, Error> {
        let connected = socket.connect_as(endpoint, name)?;
        Ok(Connection {
            socket: Arc::clone(socket),
            connected,
        })
    }

    pub(super) fn begin(socket: &Arc<Socket>, endpoint: &Endpoint) -> Result<Connection, Error> {
        let connected = socket.connect(endpoint)?;
        Ok(Connection {
            socket: Arc::clone(socket),
            connected,
        })
    }

    /// Waits until the handshake with the peer is done.
    ///
    /// # Errors
    /// `TimedOut`; `NotFound` once the endpoint is gone (disconnected, or refused for good);
    /// `Closed` if the socket is.
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), Error> {
        let mut waiting = Waiting::new(self);
        let until = self.socket.context().metal().now() + timeout;
        self.socket
            .block_on(Some(until), false, |waker| waiting.poll(waker))?
    }

    /// As [`wait_ready`](Connection::wait_ready), without a limit, as a future. Dropping it loses
    /// nothing.
    ///
    /// # Errors
    /// As `wait_ready`, except for the time.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut waiting = Waiting::new(self);
        poll_fn(|context| waiting.poll(context.waker())).await
    }
}

/// One who waits for the peer. Its place in the line goes with it.
struct Waiting<'a> {
    connection: &'a Connection,
    place: Place,
}

impl<'a> Waiting<'a> {
    fn new(connection: &'a Connection) -> Waiting<'a> {
        Waiting {
            connection,
            place: Place::default(),
        }
    }

    fn poll(&mut self, waker: &Waker) -> Poll<Result<(), Error>> {
        let Connection { socket, connected } = self.connection;
        socket.poll_connected(*connected, &mut self.place, waker)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.connection.socket.leave_change(&mut self.place);
    }
}
