//! The typed sockets, and what all of them can do.
//!
//! A type has the calls that make sense for it and no others: a [`Sub`] cannot send, a [`Push`]
//! cannot receive. Sending is in [`send`](super::send), receiving in [`recv`](super::recv), REQ
//! and REP in [`reqrep`](super::reqrep), ROUTER in [`router`](super::router).

use std::{sync::Arc, time::Duration};

use super::{
    builder::Builder,
    connection::Connection,
    interrupt::Interrupter,
    monitor::Monitor,
    owner::{CloseReport, Owner},
};
use crate::{
    base::{
        endpoint::{Endpoint, IntoEndpoint},
        error::Error,
        socket_type::SocketType,
        stats::SocketStats,
    },
    core::{PeerState, Socket, Times},
};

/// A socket of a certain type. Sealed: the types are those of this module.
pub trait TypedSocket: sealed::Sealed + Sized {
    /// Its type.
    const TYPE: SocketType;

    #[doc(hidden)]
    fn from_core(socket: Arc<Socket>) -> Self;

    #[doc(hidden)]
    fn as_core(&self) -> &Arc<Socket>;
}

pub(super) mod sealed {
    use std::sync::Arc;

    use super::Owner;

    pub trait Sealed {
        /// What it shares with its clones.
        fn owner(&self) -> &Arc<Owner>;
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

        impl sealed::Sealed for $kind {
            fn owner(&self) -> &Arc<Owner> {
                &self.owner
            }
        }

        impl TypedSocket for $kind {
            const TYPE: SocketType = SocketType::$type;

            fn from_core(socket: Arc<Socket>) -> $kind {
                $kind { owner: Owner::new(socket) }
            }

            fn as_core(&self) -> &Arc<Socket> {
                &self.owner.socket
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
                Connection::begin(&self.owner.socket, &endpoint.into_endpoint()?)
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
                self.owner.socket.stats()
            }

            /// How long messages have waited, and how long work on them took; `None` unless the
            /// builder's [`time_one_in`](Builder::time_one_in) asked for it.
            pub fn times(&self) -> Option<Times> {
                self.owner.socket.times()
            }

            /// Watches what happens to its connections, from now on.
            pub fn monitor(&self) -> Monitor {
                Monitor::new(&self.owner.socket)
            }

            /// A handle that ends its blocking calls from another thread.
            pub fn interrupter(&self) -> Interrupter {
                Interrupter::of_socket(&self.owner.socket)
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
    /// PAIR: one peer, both ways; two threads, mostly.
    ///
    /// ```
    /// use hubless::Pair;
    ///
    /// let (left, right) = (Pair::new()?, Pair::new()?);
    /// left.bind("inproc://both-ways")?;
    /// right.connect("inproc://both-ways")?;
    /// left.send("ready?")?;
    /// assert_eq!(right.recv()?[0], "ready?");
    /// right.send("go")?;
    /// assert_eq!(left.recv()?[0], "go");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// There is nobody to choose from:
    ///
    /// ```compile_fail,E0599
    /// let pair = hubless::Pair::new().unwrap();
    /// pair.send_to("ann", "hello");
    /// ```
    Pair = Pair;
    /// PUB: sends each message to every subscriber it matches.
    ///
    /// ```
    /// use std::time::Duration;
    /// use hubless::{Pub, Sub};
    ///
    /// let publisher = Pub::new()?;
    /// let at = publisher.bind("tcp://127.0.0.1:0")?;
    /// let sub = Sub::new()?;
    /// sub.subscribe("weather.")?;
    /// sub.connect(&at)?;
    ///
    /// // A subscription takes a moment to travel; what is sent before it is here is missed.
    /// publisher.wait_subscribers(1, Duration::from_secs(5))?;
    /// publisher.send(("sports.oslo", "2:1"))?;
    /// publisher.send(("weather.oslo", "4"))?;
    /// assert_eq!(sub.recv()?[0], "weather.oslo");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// It cannot receive:
    ///
    /// ```compile_fail,E0599
    /// let publisher = hubless::Pub::new().unwrap();
    /// publisher.recv();
    /// ```
    Pub = Pub;
    /// SUB: receives what it has subscribed to, by prefix. See [`Pub`] for the two together.
    ///
    /// ```
    /// use std::time::Duration;
    /// use hubless::{RecvError, Sub};
    ///
    /// let sub = Sub::new()?;
    /// sub.subscribe("weather.")?;
    /// sub.subscribe("sports.")?;
    /// sub.unsubscribe("sports.")?;
    /// sub.connect("inproc://news")?; // nobody need be there yet
    /// assert_eq!(sub.recv_timeout(Duration::from_millis(10)), Err(RecvError::TimedOut));
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// It cannot send:
    ///
    /// ```compile_fail,E0599
    /// let subscriber = hubless::Sub::new().unwrap();
    /// subscriber.send("hello");
    /// ```
    Sub = Sub;
    /// REQ: asks, then takes the answer. See [`request`](Req::request).
    ///
    /// It serves nobody:
    ///
    /// ```compile_fail,E0599
    /// let req = hubless::Req::new().unwrap();
    /// req.serve(|request| request);
    /// ```
    Req = Req;
    /// REP: takes a request and answers it.
    ///
    /// Each request comes with the [`Responder`](crate::Responder) that answers it, so several may
    /// be open, in several threads.
    ///
    /// ```
    /// use hubless::{Rep, Req};
    ///
    /// let rep = Rep::new()?;
    /// rep.bind("inproc://adding")?;
    /// let (ann, bob) = (Req::new()?, Req::new()?);
    /// ann.connect("inproc://adding")?;
    /// bob.connect("inproc://adding")?;
    ///
    /// ann.send("from ann")?;
    /// let (_, to_ann) = rep.recv()?;
    /// bob.send("from bob")?;
    /// let (_, to_bob) = rep.recv()?;
    /// to_bob.reply("to bob");
    /// to_ann.reply("to ann");
    /// assert_eq!(ann.recv()?[0], "to ann");
    /// assert_eq!(bob.recv()?[0], "to bob");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// It cannot speak first:
    ///
    /// ```compile_fail,E0599
    /// let rep = hubless::Rep::new().unwrap();
    /// rep.send("hello");
    /// ```
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
    /// DEALER: sends to its peers in turn, receives from them in turn; many questions at once.
    ///
    /// See [`Router`] for the two together. It does not choose a peer:
    ///
    /// ```compile_fail,E0599
    /// let dealer = hubless::Dealer::new().unwrap();
    /// dealer.send_to("ann", "hello");
    /// ```
    Dealer = Dealer;
    /// ROUTER: sends to the peer it names, says from which peer it received.
    ///
    /// ```
    /// use hubless::{Dealer, Router, SendError};
    ///
    /// let router = Router::new()?;
    /// let at = router.bind("tcp://127.0.0.1:0")?;
    /// let ann = Dealer::builder().routing_id("ann").build()?;
    /// ann.connect(&at)?;
    /// ann.send("here I am")?;
    ///
    /// let (who, message) = router.recv_from()?;
    /// assert_eq!(who, "ann");
    /// assert_eq!(message[0], "here I am");
    /// router.send_to(&who, "welcome")?;
    /// assert_eq!(ann.recv()?[0], "welcome");
    ///
    /// let refused = router.send_to("bob", "where are you?");
    /// assert_eq!(refused, Err(SendError::Unroutable("where are you?".into())));
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// It does not wait for a peer, for it would not know for which:
    ///
    /// ```compile_fail,E0599
    /// let router = hubless::Router::new().unwrap();
    /// router.send_timeout("hello", std::time::Duration::from_secs(1));
    /// ```
    Router = Router;
    /// STREAM: octets to and from peers that do not speak ZMTP: a browser, a printer, a terminal.
    ///
    /// Each connection has a name, as a [`Router`]'s peers have: made up, or given by
    /// [`connect_as`](Stream::connect_as). What is received is a name and some octets, as they came:
    /// where they are cut means nothing. An empty message shows that a connection was made, and
    /// another one that it is over (unless [`notify`](crate::Builder::notify) says no). What is
    /// sent goes out as it is; sending nothing, or [`hang_up`](Stream::hang_up), ends the
    /// connection after what was sent before.
    ///
    /// ```
    /// use std::{io::{Read, Write}, net::TcpStream};
    /// use hubless::{Endpoint, Stream};
    ///
    /// let stream = Stream::new()?;
    /// let at = stream.bind("tcp://127.0.0.1:0")?;
    /// # let at = at.to_string();
    /// # let address = at.trim_start_matches("tcp://").to_owned();
    /// let browser = std::thread::spawn(move || {
    ///     let mut page = String::new();
    ///     let mut connection = TcpStream::connect(address)?;
    ///     connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    ///     connection.read_to_string(&mut page)?; // to the end of the connection
    ///     Ok::<String, std::io::Error>(page)
    /// });
    ///
    /// let (who, nothing) = stream.recv_from()?;
    /// assert!(nothing[0].is_empty()); // it is there
    /// let mut request = Vec::new();
    /// while !request.ends_with(b"\r\n\r\n") {
    ///     request.extend_from_slice(&stream.recv_from()?.1[0]);
    /// }
    /// stream.send_to(&who, "HTTP/1.0 200 OK\r\n\r\nhello")?;
    /// stream.hang_up(&who)?;
    /// assert!(browser.join().unwrap().unwrap().ends_with("hello"));
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// Connections that we have made are made again when they are lost, under the same name, as
    /// the option `reconnect` says. A peer that sends more than is received is not read any more:
    /// at most `recv_hwm` pieces of up to 8 KiB lie here. There is no `inproc`, and no security: a
    /// builder that asks for any is refused.
    ///
    /// It does not wait for a peer, for it would not know for which:
    ///
    /// ```compile_fail,E0599
    /// let stream = hubless::Stream::new().unwrap();
    /// stream.send_timeout("hello", std::time::Duration::from_secs(1));
    /// ```
    Stream = Stream;
    /// PULL: takes work from its peers in turn. See [`Push`] for the two together.
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
    /// ```
    /// use hubless::{Pull, Push};
    ///
    /// let pull = Pull::new()?;
    /// let at = pull.bind("tcp://127.0.0.1:0")?;
    /// let push = Push::new()?;
    /// push.connect(&at)?; // returns at once: what is sent before the peer is there waits for it
    /// push.send_all(["wash", "slice", "fry"])?;
    /// assert_eq!(pull.iter().take(3).last().unwrap()[0], "fry");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// It cannot receive:
    ///
    /// ```compile_fail,E0599
    /// let push = hubless::Push::new().unwrap();
    /// push.recv();
    /// ```
    Push = Push;
    /// XPUB: a PUB that shows its subscriptions.
    ///
    /// ```
    /// use hubless::{Sub, XPub};
    ///
    /// let publisher = XPub::new()?;
    /// publisher.bind("inproc://shown")?;
    /// let sub = Sub::new()?;
    /// sub.connect("inproc://shown")?;
    /// sub.subscribe("weather.")?;
    /// assert_eq!(publisher.recv()?[0], b"\x01weather.");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// It does not ask:
    ///
    /// ```compile_fail,E0599
    /// let publisher = hubless::XPub::new().unwrap();
    /// publisher.request("hello");
    /// ```
    XPub = XPub;
    /// XSUB: a SUB that says its subscriptions in messages.
    ///
    /// ```
    /// use std::time::Duration;
    /// use hubless::{Pub, XSub};
    ///
    /// let publisher = Pub::new()?;
    /// publisher.bind("inproc://said")?;
    /// let sub = XSub::new()?;
    /// sub.connect("inproc://said")?;
    /// sub.send(b"\x01weather.")?;
    /// publisher.wait_subscribers(1, Duration::from_secs(5))?;
    /// publisher.send("weather.oslo 4")?;
    /// assert_eq!(sub.recv()?[0], "weather.oslo 4");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// It has no subscribers of its own:
    ///
    /// ```compile_fail,E0599
    /// let sub = hubless::XSub::new().unwrap();
    /// sub.wait_subscribers(1, std::time::Duration::from_secs(1));
    /// ```
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

impl Sub {
    /// Receives what has this very topic as its first frame, and nothing whose topic goes on
    /// after it: `news` without `newspaper`. Publishers know prefixes only, so they send that as
    /// well; it is dropped here. Counted as [`subscribe`](Sub::subscribe) is, and apart from it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use hubless::{Pub, Sub};
    ///
    /// let publisher = Pub::new()?;
    /// publisher.bind("inproc://exactly")?;
    /// let sub = Sub::new()?;
    /// sub.subscribe_exact("news")?;
    /// sub.connect("inproc://exactly")?;
    /// publisher.wait_subscribers(1, Duration::from_secs(5))?;
    /// publisher.send(("newspaper", "sold out"))?;
    /// publisher.send(("news", "rain"))?;
    /// assert_eq!(sub.recv()?[1], "rain");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`.
    pub fn subscribe_exact(&self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
        self.owner.socket.subscribe_exact(topic.as_ref(), true)?;
        Ok(())
    }

    /// Takes one [`subscribe_exact`](Sub::subscribe_exact) back.
    ///
    /// # Errors
    /// `Closed`.
    pub fn unsubscribe_exact(&self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
        self.owner.socket.subscribe_exact(topic.as_ref(), false)?;
        Ok(())
    }
}

subscribes!(
    Sub: "Receives what begins with `topic`; an empty topic is everything. Subscriptions are \
          counted: as many [`unsubscribe`](Self::unsubscribe) calls take them back. They are \
          made anew with each connection, and no high-water mark applies to them.",
    XSub: "Receives what begins with `topic`, as if the message 1 + `topic` had been sent.",
    XPub: "In manual mode: lets the peer of the last message received have what begins with \
           `topic`."
);
