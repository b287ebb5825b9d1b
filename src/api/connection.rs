//! Connections: what `connect` gives, to be asked whether the peer is there.

use std::{sync::Arc, task::Waker, time::Duration};

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
        let mut place = Place::default();
        let until = self.socket.context().metal().now() + timeout;
        let attempt = |waker: &Waker| {
            self.socket
                .poll_connected(self.connected, &mut place, waker)
        };
        let waited = self.socket.block_on(Some(until), false, attempt);
        self.socket.leave_change(&mut place);
        waited?
    }

    /// As [`wait_ready`](Connection::wait_ready), without a limit, as a future. Dropping it loses
    /// nothing.
    ///
    /// # Errors
    /// As `wait_ready`, except for the time.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut place = Place::default();
        std::future::poll_fn(|context| {
            self.socket
                .poll_connected(self.connected, &mut place, context.waker())
        })
        .await
    }
}
