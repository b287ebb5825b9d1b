//! Builders: every option of a socket, typed, before the socket exists.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    context::Context,
    sockets::{Dealer, Pair, Pub, Pull, Push, Req, Router, Stream, Sub, TypedSocket, XPub, XSub},
};
#[cfg(feature = "curve")]
use crate::{
    base::keys::{Curve, KeyPair, PublicKey},
    engine::Dryoc,
};
use crate::{
    base::{
        auth::{AuthRequest, Authenticator, Credentials, Gate, Security, Verdict},
        error::Error,
        filter::{LocalPeer, Network},
        message::Message,
        options::{
            Balance, Keepalive, Linger, OnFull, Options, Reconnect, ReconnectStop, Verbosity,
        },
        secret::Secret,
    },
    core::Socket,
};

/// Sets the options of a socket of type `S`, then makes it.
///
/// ```
/// use std::time::Duration;
/// use hubless::{Linger, Push};
///
/// let push = Push::builder()
///     .send_hwm(10_000)
///     .linger(Linger::For(Duration::from_millis(200)))
///     .send_timeout(Duration::from_secs(1))
///     .build()?;
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder makes its socket in `build`"]
pub struct Builder<S> {
    options: Options,
    /// Whether these were said: what is not is the context's to say.
    said_linger: bool,
    said_ipv6: bool,
    context: Option<Context>,
    kind: PhantomData<fn() -> S>,
}

impl<S: TypedSocket> Builder<S> {
    pub(super) fn new() -> Builder<S> {
        Builder {
            options: Options::default(),
            said_linger: false,
            said_ipv6: false,
            context: None,
            kind: PhantomData,
        }
    }

    /// Makes the socket.
    ///
    /// # Errors
    /// `InvalidOption` if an option is out of range, `Closed` if the context is, `TooMany` if it
    /// has as many sockets as it may.
    pub fn build(mut self) -> Result<S, Error> {
        let context = self.context.unwrap_or_else(|| Context::global().clone());
        let (linger, ipv6) = (self.said_linger, self.said_ipv6);
        context.inner.begin(&mut self.options, linger, ipv6);
        self.options.check()?;
        self.options.check_proxy()?;
        Ok(S::from_core(Socket::new(
            &context.inner,
            S::TYPE,
            self.options,
        )?))
    }

    /// The options, one of which, of that name, is about to be set.
    pub(super) fn options_mut(&mut self, name: &str) -> &mut Options {
        self.said_linger |= name == "LINGER";
        self.said_ipv6 |= matches!(name, "IPV6" | "IPV4ONLY");
        &mut self.options
    }

    /// The context it belongs to, instead of the shared one.
    pub fn context(mut self, context: &Context) -> Self {
        self.context = Some(context.clone());
        self
    }

    /// Messages queued for one peer before a send waits, fails or drops. 0: no limit. Default
    /// 1000. Over inproc the limit is the sum of the sender's and the receiver's.
    pub fn send_hwm(mut self, messages: usize) -> Self {
        self.options.send_hwm = messages;
        self
    }

    /// Messages received from one peer and not yet taken, before reading from it stops. 0: no
    /// limit. Default 1000.
    pub fn recv_hwm(mut self, messages: usize) -> Self {
        self.options.recv_hwm = messages;
        self
    }

    /// Octets queued for one peer, as they are framed, before a send waits, fails or drops: a mark
    /// beside the one in messages, whichever is reached first. A message that is larger alone goes
    /// when nothing else waits. Over inproc the limit is the sum of the sender's and the
    /// receiver's. Default 0: no limit.
    ///
    /// ```
    /// use hubless::{Push, SendError};
    ///
    /// let push = Push::builder().send_hwm_octets(1 << 20).build()?;
    /// push.connect("inproc://nobody-there-yet")?;
    /// push.try_send(vec![0; 1_000_000]).unwrap();
    /// assert!(matches!(push.try_send(vec![0; 100_000]), Err(SendError::Full(_))));
    /// # Ok::<(), hubless::Error>(())
    /// ```
    pub fn send_hwm_octets(mut self, octets: usize) -> Self {
        self.options.send_hwm_octets = octets;
        self
    }

    /// Octets received from one peer and not yet taken, before reading from it stops: with the
    /// message that reaches the mark. Default 0: no limit.
    pub fn recv_hwm_octets(mut self, octets: usize) -> Self {
        self.options.recv_hwm_octets = octets;
        self
    }

    /// How long a closed or dropped socket goes on delivering. Default one second.
    pub fn linger(mut self, linger: Linger) -> Self {
        self.options_mut("LINGER").linger = linger;
        self
    }

    /// How long `send` waits. Default: for ever.
    pub fn send_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.send_timeout = timeout.into();
        self
    }

    /// How long `recv` waits. Default: for ever.
    pub fn recv_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.recv_timeout = timeout.into();
        self
    }

    /// When to connect again. Default: random waits of up to 100 ms, doubling to 5 s.
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.options.reconnect = reconnect;
        self
    }

    /// How long one attempt to connect may take. Default: as long as the system tries.
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.connect_timeout = timeout.into();
        self
    }

    /// How long a peer may take for its handshake. Default 30 s.
    pub fn handshake_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.handshake_timeout = timeout.into();
        self
    }

    /// How often to send a PING. Default: never (RFC 37, "Connection Heartbeating").
    pub fn heartbeat_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.options.heartbeat_interval = interval.into();
        self
    }

    /// Silence after a PING that ends the connection. Default: as long as the interval.
    pub fn heartbeat_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.heartbeat_timeout = timeout.into();
        self
    }

    /// The silence after which the peer shall close, told it with each PING; in tenths of a
    /// second, at most 6553.5 s. Default: none.
    pub fn heartbeat_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.options.heartbeat_ttl = ttl.into();
        self
    }

    /// Octets in one message, all frames together; a peer that sends more is disconnected.
    /// Default 1 GiB.
    pub fn max_message_size(mut self, octets: u64) -> Self {
        self.options.message_octets_max = octets;
        self
    }

    /// Frames in one message; a peer that sends more is disconnected. Default 65 536.
    pub fn max_message_frames(mut self, frames: usize) -> Self {
        self.options.message_frames_max = frames;
        self
    }

    /// Handshakes that may be unfinished at one time. Default 1024.
    pub fn max_handshakes(mut self, count: usize) -> Self {
        self.options.handshakes_max = count;
        self
    }

    /// Queue only for connections that are complete, not from `connect` on. Default false.
    pub fn immediate(mut self, immediate: bool) -> Self {
        self.options.immediate = immediate;
        self
    }

    /// Kernel send buffer, octets.
    pub fn send_buffer(mut self, octets: usize) -> Self {
        self.options.send_buffer = Some(octets);
        self
    }

    /// Kernel receive buffer, octets.
    pub fn recv_buffer(mut self, octets: usize) -> Self {
        self.options.recv_buffer = Some(octets);
        self
    }

    /// TCP keep-alive. Default: the system's.
    pub fn keepalive(mut self, keepalive: Keepalive) -> Self {
        self.options.keepalive = keepalive;
        self
    }

    /// Use IPv6 too. Default false.
    pub fn ipv6(mut self, ipv6: bool) -> Self {
        self.options_mut("IPV6").ipv6 = ipv6;
        self
    }

    /// Connections the kernel queues for us. Default 1024.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.options.backlog = connections;
        self
    }

    /// IP type of service.
    pub fn tos(mut self, tos: u32) -> Self {
        self.options.tos = tos;
        self
    }

    /// Who says which peers may come in, over the network: a closure, or an [`Authenticator`] of
    /// your own. It comes on top of the mechanism: a peer must satisfy both. ZMTP 2.0 is not
    /// spoken then. Default: nobody.
    ///
    /// ```
    /// use hubless::{AuthRequest, Pull};
    ///
    /// let local = |peer: &AuthRequest| peer.address == "127.0.0.1";
    /// let pull = Pull::builder().authenticator(local).build()?;
    /// # Ok::<(), hubless::Error>(())
    /// ```
    pub fn authenticator(mut self, authenticator: impl Authenticator + 'static) -> Self {
        self.options.authenticator = Some(Gate(Arc::new(authenticator)));
        self
    }

    /// Speak PLAIN, and judge the name and password that each peer shows, whichever side
    /// connects. Who is let in has its name as property `User-Id`. Both travel unencrypted.
    ///
    /// ```
    /// use hubless::{Pull, Push};
    ///
    /// let check = |user: &[u8], password: &[u8]| user == b"joe" && password == b"open sesame";
    /// let pull = Pull::builder().plain_server(check).build()?;
    /// let at = pull.bind("tcp://127.0.0.1:0")?;
    /// let push = Push::builder().plain_client("joe", "open sesame").build()?;
    /// push.connect(at)?;
    /// push.send("hello")?;
    /// assert_eq!(pull.recv()?, "hello".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn plain_server(
        mut self,
        check: impl Fn(&[u8], &[u8]) -> bool + Send + Sync + 'static,
    ) -> Self {
        let judge = move |request: &AuthRequest| match &request.credentials {
            Credentials::Plain { user, password } if check(user, password.expose()) => {
                Verdict::allow_as(user)
            }
            _ => Verdict::Deny,
        };
        self.options.security = Security::PlainServer(Some(Gate(Arc::new(judge))));
        self
    }

    /// Speak PLAIN, and have the handler of ZAP (RFC 27) judge the name and password that each peer
    /// shows: a [`Rep`](crate::Rep) or [`Router`] of this context, bound to `inproc://zeromq.zap.01`. Without
    /// one nobody comes in.
    pub fn plain_server_by_zap(mut self) -> Self {
        self.options.security = Security::PlainServer(None);
        self
    }

    /// What the handler of ZAP is told that peers want to come into: a name of your own, of at most
    /// 255 octets. With one, the handler is asked about peers without security, too. Default: none.
    pub fn zap_domain(mut self, domain: impl Into<String>) -> Self {
        self.options.zap_domain = domain.into();
        self
    }

    /// Where a domain is set, let nobody in while no handler of ZAP is bound; where none is set, let CURVE
    /// ask no handler. Default false: without a handler NULL and CURVE let peers in.
    pub fn zap_enforce_domain(mut self, enforce: bool) -> Self {
        self.options.zap_enforce_domain = enforce;
        self
    }

    /// Speak CURVE as the server: encrypted, and each peer must know our public key and prove its
    /// own. Which keys may come in an [`authenticator`](Builder::authenticator) says; without one,
    /// all may.
    ///
    /// ```
    /// use hubless::{AuthRequest, Credentials, KeyPair, Pull, Push, Verdict};
    ///
    /// let (ours, theirs) = (KeyPair::generate(), KeyPair::generate());
    /// let joe = theirs.public();
    /// let known = move |peer: &AuthRequest| match peer.credentials {
    ///     Credentials::Curve { key } if key == joe => Verdict::allow_as("joe"),
    ///     _ => Verdict::Deny,
    /// };
    /// let pull = Pull::builder()
    ///     .curve_server(ours.clone())
    ///     .authenticator(known)
    ///     .build()?;
    /// let at = pull.bind("tcp://127.0.0.1:0")?;
    /// let push = Push::builder().curve_client(ours.public(), theirs).build()?;
    /// push.connect(at)?;
    /// push.send("hello")?;
    /// assert_eq!(pull.recv()?, "hello".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "curve")]
    pub fn curve_server(mut self, keys: impl Into<KeyPair>) -> Self {
        self.options.security = curve(keys.into(), None);
        self
    }

    /// Speak CURVE as the client of the server that has this public key, whichever side connects;
    /// prove to have these keys.
    #[cfg(feature = "curve")]
    pub fn curve_client(mut self, server: PublicKey, keys: impl Into<KeyPair>) -> Self {
        self.options.security = curve(keys.into(), Some(server));
        self
    }

    /// Speak PLAIN, and show this name and password, of at most 255 octets each.
    pub fn plain_client(mut self, user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        self.options.security = Security::PlainClient {
            user: Bytes::copy_from_slice(user.as_ref()),
            password: Secret::copy_from(password.as_ref()),
        };
        self
    }

    /// Priority of its packets in the queues of this machine (`SO_PRIORITY`). Linux.
    pub fn priority(mut self, priority: u32) -> Self {
        self.options.priority = priority;
        self
    }

    /// How long the kernel looks for packets itself, in whole microseconds (`SO_BUSY_POLL`).
    /// Linux.
    pub fn busy_poll(mut self, time: Duration) -> Self {
        self.options.busy_poll_us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self
    }

    /// How long sent octets may stay unacknowledged before TCP gives a connection up
    /// (`TCP_USER_TIMEOUT`). Linux. Default: as the system is set.
    pub fn user_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.user_timeout = timeout.into();
        self
    }

    /// The network interface to bind to and connect through, e.g. `eth0` (`SO_BINDTODEVICE`).
    /// Linux.
    pub fn device(mut self, name: impl Into<String>) -> Self {
        self.options.device = Some(name.into());
        self
    }

    /// Which I/O threads of the context may serve it, a bit for each, the first being the lowest.
    /// Default 0: all.
    pub fn affinity(mut self, io_threads: u64) -> Self {
        self.options.affinity = io_threads;
        self
    }

    /// Accept TCP connections from this network, and from others that were so named; from no
    /// other. Default: from everywhere.
    pub fn accept_from(mut self, network: Network) -> Self {
        self.options.accept_from.push(network);
        self
    }

    /// Accept connections over Unix-domain sockets of this user, group or process, and of others
    /// that were so named; of no other. Default: of everybody.
    pub fn accept_local(mut self, peer: LocalPeer) -> Self {
        self.options.accept_local.push(peer);
        self
    }

    /// Connect over TCP through the SOCKS5 proxy (RFC 1928) at this `host:port`. Names of
    /// endpoints are the proxy's to resolve. From where to connect to it may be said before, as in
    /// endpoints: `192.0.2.1:0;host:port`.
    pub fn socks_proxy(mut self, proxy: impl Into<String>) -> Self {
        self.options.socks_proxy = Some(proxy.into());
        self
    }

    /// The name and password to show to the proxy (RFC 1929), if it asks. They travel
    /// unencrypted.
    pub fn socks_login(mut self, name: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        let name = Bytes::copy_from_slice(name.as_ref());
        self.options.socks_login = Some((name, Secret::copy_from(password.as_ref())));
        self
    }

    /// Octets that are read at one time, large bodies apart. Default: as many as are wanted.
    pub fn max_read_size(mut self, octets: usize) -> Self {
        self.options.read_octets_max = octets;
        self
    }

    /// Octets that are written at one time. Default: as many as there are.
    pub fn max_write_size(mut self, octets: usize) -> Self {
        self.options.write_octets_max = octets;
        self
    }

    /// After what a connected endpoint is given up.
    pub fn reconnect_stop(mut self, stop: ReconnectStop) -> Self {
        self.options.reconnect_stop = stop;
        self
    }

    /// Times one message in `messages`, on average, picked by chance: how long it waits, and how
    /// long the thread works on it that takes it. [`times`](crate::Pull::times) tells. What is
    /// not timed costs what it did before; a message that is costs a few hundred nanoseconds.
    /// 1 times them all. Default 0: none.
    ///
    /// ```
    /// use hubless::{Pull, Push};
    ///
    /// let pull = Pull::builder().time_one_in(1).build()?;
    /// let push = Push::new()?;
    /// pull.bind("inproc://timed")?;
    /// push.connect("inproc://timed")?;
    /// push.send_all(["wash", "slice", "fry"])?;
    /// pull.iter().take(3).for_each(drop);
    /// let times = pull.times().unwrap();
    /// assert_eq!(times.received.count(), 3);
    /// println!("half of them waited no longer than {:?}", times.received.quantile(0.5));
    /// # Ok::<(), hubless::Error>(())
    /// ```
    pub fn time_one_in(mut self, messages: u32) -> Self {
        self.options.time_one_in = messages;
        self
    }

    /// Says something about us in the handshake: a name beginning with `X-`, and its value. The
    /// peer finds it among the [`properties`](crate::PeerInfo::properties).
    pub fn property(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.options.add_property(name, value.as_ref());
        self
    }
}

#[cfg(feature = "curve")]
fn curve(keys: KeyPair, server: Option<PublicKey>) -> Security {
    Security::Curve(Curve {
        keys: Arc::new(keys),
        server,
        primitives: Arc::new(Dryoc),
    })
}

macro_rules! publishers_on_full {
    ($($kind:ident),+) => {$(
        impl Builder<$kind> {
            /// What becomes of a message for a subscriber at its mark. Default
            /// [`DropNewest`](OnFull::DropNewest); [`Block`](OnFull::Block) is `no_drop`.
            pub fn on_full(mut self, on_full: OnFull) -> Self {
                self.options.on_full = on_full;
                self.options.no_drop = on_full == OnFull::Block;
                self
            }
        }
    )+};
}

publishers_on_full!(Pub, XPub);

/// Options that some types have: one row each.
macro_rules! options_of_some {
    ($(($($kind:ident)+) $name:ident($value:ident: $type:ty) => $field:ident = $set:expr, $doc:expr;)+) => {$($(
        impl Builder<$kind> {
            #[doc = $doc]
            pub fn $name(mut self, $value: $type) -> Self {
                self.options.$field = $set;
                self
            }
        }
    )+)+};
}

options_of_some! {
    (Req Dealer Router) routing_id(id: impl AsRef<[u8]>) => routing_id = Bytes::copy_from_slice(id.as_ref()),
        "What we call ourselves towards a ROUTER: 1 to 255 octets, the first not zero.";
    (Push Pull Pub Sub Dealer) conflate(newest_only: bool) => conflate = newest_only,
        "Keep only the newest message in each queue; high-water marks do not apply. For messages of one frame.";
    (Dealer Router Req) probe_router(probe: bool) => probe_router = probe,
        "Send an empty message to each new peer, so that a ROUTER knows of us before we say anything.";
    (Push Dealer) balance(balance: Balance) => balance = balance,
        "Which of the peers that have room gets a message. Default: each in turn.";
    (Push Dealer Pair) on_full(on_full: OnFull) => on_full = on_full,
        "What becomes of a message for which no peer has room. Default: the send waits.";
    (Req) correlate(correlate: bool) => req_correlate = correlate,
        "Number each request on the wire. The peer must be a REP, or return what it does not know.";
    (Req) relaxed(relaxed: bool) => req_relaxed = relaxed,
        "A new request gives up the one that is open, instead of waiting for its end.";
    (Router) mandatory(mandatory: bool) => mandatory = mandatory,
        "A message that cannot be routed is refused. Default true; if false, it is dropped.";
    (Dealer Router) hello(message: impl Into<Message>) => hello = Some(message.into()),
        "The first message to each new peer, whenever it is connected.";
    (Router) disconnect_message(message: impl Into<Message>) => disconnect_message = Some(message.into()),
        "What is received, as if from a peer that came in, when its connection has ended.";
    (Dealer) hiccup_message(message: impl Into<Message>) => hiccup_message = Some(message.into()),
        "What is received, as if from a peer we connected to, when the connection is lost.";
    (Stream) notify(notify: bool) => stream_notify = notify,
        "An empty message shows that a peer has come, or gone. Default true.";
    (Router) handover(handover: bool) => router_handover = handover,
        "A newcomer with a routing id that is taken takes it over; the old connection is closed. Default: the newcomer is refused.";
    (Router) raw(raw: bool) => router_raw = raw,
        "Octets without frames, as a STREAM has them: for programs that come from libzmq. A connection is told of by an empty \
         message when it comes and when it goes; an empty message to it ends it. A name that is not known is as `mandatory` says.";
    (XPub) verbosity(verbosity: Verbosity) => xpub_verbosity = verbosity,
        "Which subscriptions are shown.";
    (XPub) manual(manual: bool) => xpub_manual = manual,
        "Subscriptions are shown but not applied; `subscribe` applies one to the peer of the last message received.";
    (XPub) last_value(to_last: bool) => xpub_last_value = to_last,
        "Manual mode: the first message after a subscription was received goes to that subscriber alone, if it matches: the last value of a topic, for those who come late.";
    (XSub) verbose_unsubscribe(verbose: bool) => verbose_unsubscribe = verbose,
        "Tell the publishers of every cancellation, not only of the end of the last subscription to a topic.";
    (Router) notify_connect(notify: bool) => notify_connect = notify,
        "Receive an empty message, as if from the peer, when one has come.";
    (Router) notify_disconnect(notify: bool) => notify_disconnect = notify,
        "Receive an empty message, as if from the peer, when one has gone, behind all that it sent.";
    (Pub XPub) no_drop(wait: bool) => no_drop = wait,
        "A subscriber at its mark makes the send wait, instead of losing the message. Default false.";
    (Pub XPub) welcome(message: impl Into<Message>) => welcome = Some(message.into()),
        "The first message for each new subscriber. (Its SUB shows it only if it matches.)";
    (Pub XPub) max_topic_octets(octets: usize) => topic_octets_max = octets,
        "Octets that one subscriber's topics may take here: their own, and 256 for each. A peer that \
         subscribes to more is disconnected. Default 512 MiB, some two million topics.";
    (Pub XPub Sub) invert_matching(invert: bool) => invert_matching = invert,
        "Deliver what does not match. Set it on both sides.";
}
