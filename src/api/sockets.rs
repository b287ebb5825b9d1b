//! The typed sockets, and what all of them can do.
//!
//! A type has the calls that make sense for it and no others: a [`Sub`] cannot send, a [`Push`]
//! cannot receive. Sending is in [`send`](super::send), receiving in [`recv`](super::recv), REQ
//! and REP in [`reqrep`](super::reqrep), ROUTER in [`router`](super::router).

use std::{sync::Arc, task::Waker, time::Duration};

use super::{
    builder::Builder,
    monitor::Monitor,
    owner::{CloseReport, Owner},
};
use crate::{
    base::{
        endpoint::{Endpoint, IntoEndpoint},
        error::Error,
        socket_type::SocketType,
        stats::LaneStats,
    },
    core::{Connected, PeerState, Place, Socket},
};

/// A socket of a certain type. Sealed: the types are those of this module.
pub trait TypedSocket: sealed::Sealed + Sized {
    /// Its type.
    const TYPE: SocketType;

    #[doc(hidden)]
    fn from_core(socket: Arc<Socket>) -> Self;
}

pub(super) mod sealed {
    pub trait Sealed {}
}

/// The counters of a socket, all its peers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// What was sent.
    pub sent: LaneStats,
    /// What was received.
    pub received: LaneStats,
}

/// A connected endpoint. Drop it, or ask whether its peer is ready.
#[derive(Clone, Debug)]
pub struct Connection {
    owner: Arc<Socket>,
    connected: Connected,
}

impl Connection {
    /// Waits until the handshake with the peer is done.
    ///
    /// # Errors
    /// `TimedOut`; `NotFound` once the endpoint is gone (disconnected, or refused for good);
    /// `Closed` if the socket is.
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), Error> {
        let mut place = Place::default();
        let until = self.owner.context().metal().now() + timeout;
        let attempt = |waker: &Waker| self.owner.poll_connected(self.connected, &mut place, waker);
        let waited = self.owner.block_on(Some(until), false, attempt);
        self.owner.leave_change(&mut place);
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
            self.owner
                .poll_connected(self.connected, &mut place, context.waker())
        })
        .await
    }
}

macro_rules! typed {
    ($($(#[$doc:meta])* $kind:ident = $type:ident;)+) => {$(
        $(#[$doc])*
        ///
        /// A clone is the same socket. It closes when the last clone is dropped, which waits
        /// until what is queued has left, at most as long as the socket lingers (one second,
        /// unless told otherwise). All calls take `&self` and may be made from any thread.
        #[derive(Clone, Debug)]
        pub struct $kind {
            pub(super) owner: Arc<Owner>,
        }

        impl sealed::Sealed for $kind {}

        impl TypedSocket for $kind {
            const TYPE: SocketType = SocketType::$type;

            fn from_core(socket: Arc<Socket>) -> $kind {
                $kind { owner: Arc::new(Owner { socket }) }
            }
        }

        impl $kind {
            /// A socket with default options, in the shared context.
            ///
            /// # Errors
            /// `TooMany` if the context has as many sockets as it may.
            pub fn new() -> Result<$kind, Error> {
                $kind::builder().build()
            }

            /// Sets options first.
            pub fn builder() -> Builder<$kind> {
                Builder::new()
            }

            /// Binds, and says where to: with the port, path or name that was chosen for `*`. A
            /// socket can be bound and connected any number of times.
            ///
            /// # Errors
            /// `InvalidEndpoint`, `UnknownTransport`, `AddressInUse`, `AddressNotAvailable`,
            /// `PermissionDenied`, `NameTooLong`, …: see [`ErrorKind`](crate::ErrorKind). The
            /// endpoint is in the text.
            pub fn bind(&self, endpoint: impl IntoEndpoint) -> Result<Endpoint, Error> {
                self.owner.socket.bind(&endpoint.into_endpoint()?)
            }

            /// Connects: returns at once and goes on trying, also when the connection is lost
            /// later. The handle tells when the peer is ready.
            ///
            /// # Errors
            /// Only for what can be judged now: `InvalidEndpoint`, `UnknownTransport`,
            /// `NameTooLong`, `TooMany`, `Closed`.
            pub fn connect(&self, endpoint: impl IntoEndpoint) -> Result<Connection, Error> {
                let connected = self.owner.socket.connect(&endpoint.into_endpoint()?)?;
                Ok(Connection { owner: Arc::clone(&self.owner.socket), connected })
            }

            /// Stops listening where [`bind`](Self::bind) said, and closes the connections that
            /// came in there, once what is queued for them has left or the linger is over.
            ///
            /// # Errors
            /// `NotFound` if it is not bound there.
            pub fn unbind(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
                self.owner.socket.unbind(&endpoint.into_endpoint()?)
            }

            /// Ends a connected endpoint, once what is queued for it has left or the linger is
            /// over.
            ///
            /// # Errors
            /// `NotFound` if it is not connected there.
            pub fn disconnect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
                self.owner.socket.disconnect(&endpoint.into_endpoint()?)
            }

            /// Everything it is bound to.
            pub fn bound(&self) -> Vec<Endpoint> {
                self.owner.socket.endpoints(true)
            }

            /// Waits until at least `count` peers are ready, at most `timeout`.
            ///
            /// # Errors
            /// `TimedOut` or `Closed`.
            pub fn wait_peers(&self, count: usize, timeout: Duration) -> Result<(), Error> {
                self.owner.wait_peers(timeout, |peers, _| peers >= count)
            }

            /// Every peer, with its counters.
            pub fn peers(&self) -> Vec<PeerState> {
                self.owner.socket.peers()
            }

            /// The counters of all peers together, those that have left included.
            pub fn stats(&self) -> SocketStats {
                let (sent, received) = self.owner.socket.stats();
                SocketStats { sent, received }
            }

            /// Watches what happens to its connections, from now on.
            pub fn monitor(&self) -> Monitor {
                Monitor::new(&self.owner.socket)
            }

            /// Closes it for all its clones: calls that wait end with `Closed`, what is queued
            /// still leaves, at most until `timeout`. The report says how much did not.
            ///
            /// # Errors
            /// `TimedOut` if even that could not be ended in time.
            pub fn close(&self, timeout: Duration) -> Result<CloseReport, Error> {
                self.owner.close(timeout)
            }

            /// Its type.
            pub fn socket_type(&self) -> SocketType {
                SocketType::$type
            }

            /// What is inside, for our own tests.
            #[doc(hidden)]
            pub fn core(&self) -> &Arc<Socket> {
                &self.owner.socket
            }
        }
    )+};
}

typed! {
    /// PAIR: one peer, both ways.
    Pair = Pair;
    /// PUB: sends each message to every subscriber it matches.
    ///
    /// It cannot receive:
    ///
    /// ```compile_fail,E0599
    /// let publisher = hubless::Pub::new().unwrap();
    /// publisher.recv();
    /// ```
    Pub = Pub;
    /// SUB: receives what it has subscribed to, by prefix.
    ///
    /// It cannot send:
    ///
    /// ```compile_fail,E0599
    /// let subscriber = hubless::Sub::new().unwrap();
    /// subscriber.send("hello");
    /// ```
    Sub = Sub;
    /// REQ: asks, then takes the answer.
    Req = Req;
    /// REP: takes a request and answers it.
    ///
    /// An answer cannot be given twice:
    ///
    /// ```compile_fail,E0382
    /// let rep = hubless::Rep::new().unwrap();
    /// let (request, responder) = rep.recv().unwrap();
    /// responder.reply("once");
    /// responder.reply("twice");
    /// ```
    Rep = Rep;
    /// DEALER: sends to its peers in turn, receives from them in turn.
    Dealer = Dealer;
    /// ROUTER: sends to the peer it names, says from which peer it received.
    Router = Router;
    /// PULL: takes work from its peers in turn.
    ///
    /// It cannot send:
    ///
    /// ```compile_fail,E0599
    /// let pull = hubless::Pull::new().unwrap();
    /// pull.send("hello");
    /// ```
    Pull = Pull;
    /// PUSH: hands work to its peers in turn.
    ///
    /// It cannot receive:
    ///
    /// ```compile_fail,E0599
    /// let push = hubless::Push::new().unwrap();
    /// push.recv();
    /// ```
    Push = Push;
    /// XPUB: a PUB that shows its subscriptions.
    XPub = XPub;
    /// XSUB: a SUB that says its subscriptions in messages.
    XSub = XSub;
}

macro_rules! subscribers {
    ($($kind:ident),+) => {$(
        impl $kind {
            /// Waits until at least `count` peers have subscribed to something, at most
            /// `timeout`: what is sent then reaches them.
            ///
            /// # Errors
            /// `TimedOut` or `Closed`.
            pub fn wait_subscribers(&self, count: usize, timeout: Duration) -> Result<(), Error> {
                self.owner.wait_peers(timeout, |_, subscribers| subscribers >= count)
            }

            /// Peers that have subscribed to something.
            pub fn subscriber_count(&self) -> usize {
                self.owner.socket.subscribers()
            }
        }
    )+};
}

subscribers!(Pub, XPub);

macro_rules! subscribes {
    ($($kind:ident: $doc:literal),+) => {$(
        impl $kind {
            #[doc = $doc]
            ///
            /// # Errors
            /// `Closed`.
            pub fn subscribe(&self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
                self.owner.socket.subscribe(topic.as_ref(), true)?;
                Ok(())
            }

            /// Takes one [`subscribe`](Self::subscribe) back. Of a topic that is not subscribed
            /// to it does nothing.
            ///
            /// # Errors
            /// `Closed`.
            pub fn unsubscribe(&self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
                self.owner.socket.subscribe(topic.as_ref(), false)?;
                Ok(())
            }
        }
    )+};
}

subscribes!(
    Sub: "Receives what begins with `topic`; an empty topic is everything. Subscriptions are \
          counted: as many [`unsubscribe`](Self::unsubscribe) calls take them back. They are \
          made anew with each connection, and no high-water mark applies to them.",
    XSub: "Receives what begins with `topic`, as if the message 1 + `topic` had been sent.",
    XPub: "In manual mode: lets the peer of the last message received have what begins with \
           `topic`."
);
