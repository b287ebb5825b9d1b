//! What a socket can be told. Typed, checked when set, in the units Rust uses.
//!
//! The builders of the typed sockets fill an [`Options`]; it is read when a socket binds,
//! connects or queues. Defaults are those of a library that must not hang or storm: they differ
//! from libzmq's in linger, reconnection and size limits, as each field says.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use bytes::Bytes;

use super::{
    auth::{Gate, Security},
    endpoint::{Endpoint, Host, Port, TcpEndpoint},
    error::{Error, ErrorKind},
    filter::{LocalPeer, Network},
    message::Message,
    secret::Secret,
};

pub use super::reconnect::Reconnect;

/// All options of one socket.
#[derive(Clone, Debug)]
pub struct Options {
    /// Messages queued for one peer before a send waits, fails or drops; 0: no limit.
    pub send_hwm: usize,
    /// Messages received from one peer and not yet taken; 0: no limit.
    pub recv_hwm: usize,
    /// Octets queued for one peer, likewise, beside the messages; 0: no limit.
    pub send_hwm_octets: usize,
    /// Octets received from one peer and not yet taken; 0: no limit.
    pub recv_hwm_octets: usize,
    /// How long a closed socket goes on delivering what it has queued.
    pub linger: Linger,
    /// How long `send` waits; `None`: for ever.
    pub send_timeout: Option<Duration>,
    /// How long `recv` waits; `None`: for ever.
    pub recv_timeout: Option<Duration>,
    /// When to try again after a connection failed or was lost.
    pub reconnect: Reconnect,
    /// How long one attempt to connect may take; `None`: as long as the system tries.
    pub connect_timeout: Option<Duration>,
    /// How long a peer may take from the connection to the end of the handshake.
    pub handshake_timeout: Option<Duration>,
    /// A PING is sent this often; `None`: never.
    pub heartbeat_interval: Option<Duration>,
    /// Silence after a PING that ends the connection; `None`: as long as the interval.
    pub heartbeat_timeout: Option<Duration>,
    /// What our PING asks of the peer: close after this much silence. At most 6553.5 s on the
    /// wire.
    pub heartbeat_ttl: Option<Duration>,
    /// Octets in one message, all frames together; a peer that sends more is disconnected.
    pub message_octets_max: u64,
    /// Frames in one message; a peer that sends more is disconnected.
    pub message_frames_max: usize,
    /// Octets that one subscriber's topics may take at this publisher: their own, and 256 for each.
    pub topic_octets_max: usize,
    /// Handshakes that may be unfinished at one time; further peers wait in the backlog.
    pub handshakes_max: usize,
    /// Queue only for connections that are complete, instead of as soon as `connect` was called.
    pub immediate: bool,
    /// Keep only the newest message in each queue (one frame each; HWMs do not apply).
    pub conflate: bool,
    /// What we call ourselves towards a ROUTER; empty: it makes a name up. At most 255 octets,
    /// the first not zero.
    pub routing_id: Bytes,
    /// Kernel send buffer, octets; `None`: the system's choice.
    pub send_buffer: Option<usize>,
    /// Kernel receive buffer, octets; `None`: the system's choice.
    pub recv_buffer: Option<usize>,
    /// TCP keep-alive.
    pub keepalive: Keepalive,
    /// Use IPv6 too: names resolve to both families, `*` binds both.
    pub ipv6: bool,
    /// Connections the kernel queues for `accept`.
    pub backlog: u32,
    /// IP type of service (`IP_TOS`); 0: the system's.
    pub tos: u32,
    /// Priority of our packets in this machine's queues (`SO_PRIORITY`); 0: the system's.
    pub priority: u32,
    /// Microseconds the kernel looks for packets itself (`SO_BUSY_POLL`); 0: the system's choice.
    pub busy_poll_us: u32,
    /// How long sent octets may stay unacknowledged before TCP gives a connection up
    /// (`TCP_USER_TIMEOUT`); `None`: as the system is set.
    pub user_timeout: Option<Duration>,
    /// The network interface to bind to and connect through (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// Which I/O threads of the context may serve it, a bit for each; 0: all.
    pub affinity: u64,
    /// After what not to connect again.
    pub reconnect_stop: ReconnectStop,
    /// Whose TCP connections are accepted; none: everybody's.
    pub accept_from: Vec<Network>,
    /// Whose connections over Unix-domain sockets are accepted; none: everybody's.
    pub accept_local: Vec<LocalPeer>,
    /// The SOCKS5 proxy that TCP connections are made through, as `host:port`; after a source and a
    /// semicolon, if it is to be connected to from there.
    pub socks_proxy: Option<String>,
    /// The name and password shown to it.
    pub socks_login: Option<(Bytes, Secret)>,
    /// What was said by libzmq's numbers, and is not all in the fields above.
    pub told: Told,
    /// The number of a descriptor that listens: the next binds use it instead of a new socket.
    pub use_fd: Option<i32>,
    /// Octets that one read takes at most, large bodies apart; 0: as many as are wanted.
    pub read_octets_max: usize,
    /// Octets that one write offers at most; 0: as many as there are.
    pub write_octets_max: usize,
    /// What our READY says besides: names beginning with `X-`, and their values.
    pub properties: Vec<(String, Bytes)>,
    /// DEALER, ROUTER: the first message to each new peer.
    pub hello: Option<Message>,
    /// ROUTER: what is received, as if from a peer that came in, when it has gone.
    pub disconnect_message: Option<Message>,
    /// DEALER: what is received, as if from a peer we connected to, when the connection is lost.
    pub hiccup_message: Option<Message>,
    /// STREAM: an empty message shows that a peer has come, or gone.
    pub stream_notify: bool,
    /// ROUTER: a message that cannot be routed is refused, not dropped.
    pub mandatory: bool,
    /// ROUTER: a newcomer that calls itself as somebody here takes that one's place; else it is
    /// refused.
    pub router_handover: bool,
    /// ROUTER: connections speak octets without frames, like those of a STREAM.
    pub router_raw: bool,
    /// ROUTER: receive an empty message, as if from the peer, when one has come.
    pub notify_connect: bool,
    /// ROUTER: and when one has gone.
    pub notify_disconnect: bool,
    /// ROUTER, DEALER, REQ: send an empty message to each new peer.
    pub probe_router: bool,
    /// REQ: number each request on the wire, so that late answers are recognised.
    pub req_correlate: bool,
    /// REQ: a new request gives up the one that is open.
    pub req_relaxed: bool,
    /// XPUB: which subscriptions it shows.
    pub xpub_verbosity: Verbosity,
    /// XPUB: subscriptions are shown but not applied; the application says which count.
    pub xpub_manual: bool,
    /// XPUB in manual mode: the first message after a notice goes to its sender alone.
    pub xpub_last_value: bool,
    /// XSUB: every cancellation is passed on, not only that of the last subscription to a topic.
    pub verbose_unsubscribe: bool,
    /// PUB, XPUB: a full subscriber makes the send wait instead of losing the message.
    pub no_drop: bool,
    /// PUB, XPUB: the first message for each new subscriber.
    pub welcome: Option<Message>,
    /// PUB, XPUB, SUB: deliver what does *not* match. Set it on both sides.
    pub invert_matching: bool,
    /// The security mechanism, and what it needs.
    pub security: Security,
    /// Who says, on top of the mechanism, which peers may come in.
    pub authenticator: Option<Gate>,
    /// What the handler of ZAP is told that peers want to come into; with NULL, it is asked only
    /// if this is not empty. At most 255 octets.
    pub zap_domain: String,
    /// Where a domain is set nobody comes in without a handler of ZAP; where none is, CURVE asks
    /// no handler.
    pub zap_enforce_domain: bool,
    /// PUSH, DEALER: which of the peers that have room gets a message.
    pub balance: Balance,
    /// PUSH, DEALER, PAIR: what becomes of a message that finds no room. (For a publisher that is
    /// `no_drop`.)
    pub on_full: OnFull,
    /// One message in so many is timed; 0: none.
    pub time_one_in: u32,
    /// Where libzmq promises something else than we do, its promise is kept. Heartbeats reach ZMTP
    /// 3.0; before connecting again, the time that was said passes in full
    /// ([`reconnect_wait`](Options::reconnect_wait)); over inproc, sockets of any two types meet;
    /// who comes to a ROUTER under a name that is taken waits, instead of being refused; names may
    /// begin with a zero octet; what an option means to other types only is kept.
    pub like_libzmq: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            send_hwm: 1000,
            recv_hwm: 1000,
            send_hwm_octets: 0,
            recv_hwm_octets: 0,
            linger: Linger::For(Duration::from_secs(1)),
            send_timeout: None,
            recv_timeout: None,
            reconnect: Reconnect::default(),
            connect_timeout: None,
            handshake_timeout: Some(Duration::from_secs(30)),
            heartbeat_interval: None,
            heartbeat_timeout: None,
            heartbeat_ttl: None,
            message_octets_max: 1 << 30,
            message_frames_max: 65_536,
            topic_octets_max: 512 << 20,
            handshakes_max: 1024,
            immediate: false,
            conflate: false,
            routing_id: Bytes::new(),
            send_buffer: None,
            recv_buffer: None,
            keepalive: Keepalive::System,
            ipv6: false,
            backlog: 1024,
            tos: 0,
            priority: 0,
            busy_poll_us: 0,
            user_timeout: None,
            device: None,
            affinity: 0,
            reconnect_stop: ReconnectStop::default(),
            accept_from: Vec::new(),
            accept_local: Vec::new(),
            socks_proxy: None,
            socks_login: None,
            told: Told::default(),
            use_fd: None,
            read_octets_max: 0,
            write_octets_max: 0,
            properties: Vec::new(),
            hello: None,
            disconnect_message: None,
            hiccup_message: None,
            stream_notify: true,
            mandatory: true,
            router_handover: false,
            router_raw: false,
            notify_connect: false,
            notify_disconnect: false,
            probe_router: false,
            req_correlate: false,
            req_relaxed: false,
            xpub_verbosity: Verbosity::First,
            xpub_manual: false,
            xpub_last_value: false,
            verbose_unsubscribe: false,
            no_drop: false,
            welcome: None,
            invert_matching: false,
            security: Security::Null,
            authenticator: None,
            zap_domain: String::new(),
            zap_enforce_domain: false,
            balance: Balance::RoundRobin,
            on_full: OnFull::Block,
            time_one_in: 0,
            like_libzmq: false,
        }
    }
}

impl Options {
    /// Are all of them in range?
    ///
    /// # Errors
    /// `InvalidOption`, with the option's name.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::new(ErrorKind::InvalidOption, what));
        let zero = self.routing_id.first() == Some(&0) && !self.like_libzmq;
        if self.routing_id.len() > ROUTING_ID_OCTETS_MAX || zero {
            return wrong("routing_id: at most 255 octets, the first not zero");
        }
        if self
            .heartbeat_ttl
            .is_some_and(|ttl| ttl > HEARTBEAT_TTL_MAX)
        {
            return wrong("heartbeat_ttl: at most 6553.5 s");
        }
        if self
            .heartbeat_interval
            .is_some_and(|interval| interval.is_zero())
        {
            return wrong("heartbeat_interval: not zero");
        }
        if let Reconnect::Backoff { min, max } = self.reconnect {
            if min > max {
                return wrong("reconnect: the shortest wait is longer than the longest");
            }
        }
        let none = self.message_octets_max == 0 && !self.like_libzmq;
        if none || self.message_frames_max == 0 {
            return wrong("max_message_size, max_message_frames: at least 1");
        }
        if let Security::PlainClient { user, password } = &self.security {
            if user.len().max(password.expose().len()) > 255 {
                return wrong("plain_client: user and password of at most 255 octets each");
            }
        }
        if self.zap_domain.len() > 255 {
            return wrong("zap_domain: at most 255 octets");
        }
        if self.handshakes_max == 0 {
            return wrong("max_handshakes: at least 1");
        }
        if self.device.as_ref().is_some_and(|name| name.len() > 15) {
            return wrong("device: at most 15 octets");
        }
        if let Some((name, password)) = &self.socks_login {
            let fits = |octets: &[u8]| (1..=255).contains(&octets.len());
            if !fits(name) || password.expose().len() > 255 {
                return wrong("socks_login: at most 255 octets each, and a name");
            }
        }
        let octets = |(name, value): &(String, Bytes)| 5 + name.len() + value.len();
        if self.properties.iter().map(octets).sum::<usize>() > PROPERTIES_OCTETS_MAX {
            return wrong("property: at most 16 KiB in all");
        }
        for (name, _) in &self.properties {
            let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.+".contains(&octet);
            let known = name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("X-"));
            if !known || name.len() < 3 || name.len() > 255 || !name.bytes().all(fits) {
                return wrong("property: a name of X- and letters, digits, or one of -_.+");
            }
        }
        Ok(())
    }

    /// Can a SOCKS5 proxy be found by what was said of it? One that is said by libzmq's number is
    /// asked so when something is connected through it, not before.
    ///
    /// # Errors
    /// `InvalidOption`.
    pub fn check_proxy(&self) -> Result<(), Error> {
        if self.socks_proxy.is_some() && self.socks().is_none() {
            let what = "socks_proxy: a host and a port, as proxy:1080";
            return Err(Error::new(ErrorKind::InvalidOption, what));
        }
        Ok(())
    }

    /// The SOCKS5 proxy, if there is one; it may say from where to connect to it.
    pub fn socks(&self) -> Option<TcpEndpoint> {
        let text = format!("tcp://{}", self.socks_proxy.as_ref()?);
        let Ok(Endpoint::Tcp(proxy)) = text.parse() else {
            return None;
        };
        let said = matches!(proxy.port, Port::Number(1..)) && proxy.host != Host::Any;
        said.then_some(proxy)
    }

    /// Does a connection from there come in?
    pub fn accepts_from(&self, address: IpAddr) -> bool {
        let all = self.accept_from.is_empty();
        all || self.accept_from.iter().any(|it| it.contains(address))
    }

    /// Does a connection of that user, group and process come in?
    pub fn accepts_local(&self, uid: u32, gid: u32, pid: i32) -> bool {
        let same = |peer: &LocalPeer| match peer {
            LocalPeer::Process(process) => *process == pid,
            LocalPeer::User(user) => *user == uid,
            LocalPeer::Group(group) => *group == gid,
        };
        self.accept_local.is_empty() || self.accept_local.iter().any(same)
    }

    /// Says something more in our READY; a value said before under that name is replaced.
    pub fn add_property(&mut self, name: &str, value: &[u8]) {
        let same = |(known, _): &(String, Bytes)| known.eq_ignore_ascii_case(name);
        self.properties.retain(|property| !same(property));
        let value = Bytes::copy_from_slice(value);
        self.properties.push((name.to_owned(), value));
    }
}

/// What was said by libzmq's numbers one by one, in whatever order, and makes sense together.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Waits before reconnecting, the first and the longest: milliseconds.
    pub reconnect: Option<(i64, i64)>,
    /// Times of keep-alive probes: idle and interval, seconds.
    pub probe_times: (Option<Duration>, Option<Duration>),
    /// And how many.
    pub probe_count: Option<u32>,
    /// A password for the SOCKS5 proxy that has no name yet.
    pub socks_password: Option<Secret>,
    /// What is kept for endpoints of a kind that is not here, by libzmq's numbers.
    pub held: BTreeMap<i32, i64>,
}

/// Octets of all properties: a READY must be small enough for every peer's handshake.
const PROPERTIES_OCTETS_MAX: usize = 16 << 10;

/// The longest routing id (RFC 37, property `Identity`).
const ROUTING_ID_OCTETS_MAX: usize = 255;

/// The longest time to live a PING can tell: 65 535 tenths of a second.
const HEARTBEAT_TTL_MAX: Duration = Duration::from_millis(6_553_500);

/// How long a closed socket goes on delivering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linger {
    /// Drop what is queued at once.
    Drop,
    /// Deliver for at most this long. The default is one second.
    For(Duration),
    /// Deliver however long it takes. A process may hang at its end.
    Forever,
}

/// After what a connected endpoint is given up, besides what ends it anyway.
///
/// ```
/// use hubless::{Push, ReconnectStop};
///
/// let stop = ReconnectStop { refused: true, ..ReconnectStop::default() };
/// let push = Push::builder().reconnect_stop(stop).build()?;
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconnectStop {
    /// Nobody listens there.
    pub refused: bool,
    /// The handshake failed, for whatever reason.
    pub handshake_failed: bool,
    /// A connection that was ready is lost.
    pub lost: bool,
}

/// TCP keep-alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keepalive {
    /// As the system is set.
    #[default]
    System,
    /// Off.
    Off,
    /// On, with these times; `None` leaves the system's.
    On {
        /// Silence before the first probe.
        idle: Option<Duration>,
        /// Between probes.
        interval: Option<Duration>,
        /// Probes without answer that end the connection.
        count: Option<u32>,
    },
}

/// Which of the peers that have room gets the next message.
///
/// ```
/// use hubless::{Balance, Push};
///
/// let push = Push::builder().balance(Balance::LeastQueued).build()?;
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Balance {
    /// Each in turn, as libzmq does it.
    #[default]
    RoundRobin,
    /// The one for which the fewest messages wait here; in turn among those that are even. So a
    /// slow worker gets less. What waits in the kernel or at the peer is not known here: small
    /// buffers and marks let it show sooner. Looks at every peer for every message.
    LeastQueued,
}

/// What becomes of a message for which no peer has room, its queues being at their marks. While
/// there is no peer at all, a send waits.
///
/// ```
/// use hubless::{OnFull, Push};
///
/// let push = Push::builder().send_hwm(2).on_full(OnFull::DropNewest).build()?;
/// push.connect("inproc://nobody-there-yet")?;
/// push.send_all(["one", "two", "three"])?; // does not wait
/// assert_eq!((push.stats().sent.queued, push.stats().sent.refused), (2, 1));
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFull {
    /// The send waits, or is refused.
    #[default]
    Block,
    /// It is dropped, and counted as refused. So does a publisher, unless told otherwise.
    DropNewest,
    /// It takes the place of the oldest that has not begun to leave, which is dropped, and counted as
    /// replaced. The newest are kept, as many as the mark says; with a mark of one it is what
    /// `conflate` does.
    DropOldest,
}

/// Which subscriptions an XPUB shows to its application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// The first subscription to a topic and the last cancellation.
    #[default]
    First,
    /// Every subscription, and the last cancellation.
    Subscriptions,
    /// Every subscription and every cancellation.
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs rely on them, and the README names them: a change is a change for users.
    #[test]
    fn the_defaults_are_those_that_are_promised() {
        let options = Options::default();
        let seconds = Duration::from_secs;
        assert_eq!((options.send_hwm, options.recv_hwm), (1000, 1000));
        assert_eq!(options.linger, Linger::For(seconds(1)));
        let reconnect = Reconnect::Backoff {
            min: Duration::from_millis(100),
            max: seconds(5),
        };
        assert_eq!(options.reconnect, reconnect);
        assert_eq!(options.handshake_timeout, Some(seconds(30)));
        assert_eq!((options.send_timeout, options.recv_timeout), (None, None));
        assert_eq!(options.message_octets_max, 1 << 30);
        assert_eq!(options.message_frames_max, 65_536);
        assert_eq!(options.handshakes_max, 1024);
        assert!(options.check().is_ok());
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let refused = |name: &str, change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            let error = options.check().expect_err(name);
            assert_eq!(error.kind(), ErrorKind::InvalidOption);
            assert!(error.to_string().contains(name), "{name}: {error}");
        };
        refused("routing_id", |it| it.routing_id = vec![1; 256].into());
        refused("routing_id", |it| it.routing_id = vec![0, 1].into());
        refused("heartbeat_ttl", |it| {
            it.heartbeat_ttl = Some(Duration::from_secs(6554))
        });
        refused("heartbeat_interval", |it| {
            it.heartbeat_interval = Some(Duration::ZERO)
        });
        refused("reconnect", |it| {
            it.reconnect = Reconnect::Backoff {
                min: Duration::from_secs(2),
                max: Duration::from_secs(1),
            };
        });
        refused("max_message_size", |it| it.message_octets_max = 0);
        refused("max_message_frames", |it| it.message_frames_max = 0);
        refused("max_handshakes", |it| it.handshakes_max = 0);
        refused("zap_domain", |it| it.zap_domain = "d".repeat(256));
        refused("plain_client", |it| {
            it.security = Security::PlainClient {
                user: vec![b'u'; 256].into(),
                password: Default::default(),
            };
        });
    }
}
