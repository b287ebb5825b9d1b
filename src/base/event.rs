//! What happens to a socket's connections, told to whoever monitors it.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{endpoint::Endpoint, error::is_exhaustion, socket_type::SocketType, time::Time};

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The endpoint that was bound or connected.
    pub endpoint: Endpoint,
    /// Who is, or was, at the other end, as far as known.
    pub peer: Option<Arc<PeerInfo>>,
    /// The descriptor that it is about, the connection's or that which listens, for asking the system
    /// about it while it lasts. What has ended had it.
    pub descriptor: Option<i32>,
    /// When, on the context's clock.
    pub at: Time,
}

/// What can happen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// Listening.
    Listening,
    /// Could not listen.
    BindFailed(Arc<io::Error>),
    /// Took a connection; the handshake begins.
    Accepted,
    /// Could not take a connection, e.g. out of descriptors.
    AcceptFailed(Arc<io::Error>),
    /// Began to connect: to an address, so after a name was looked up.
    Connecting,
    /// Connected; the handshake begins.
    Connected,
    /// Could not connect: refused, unreachable; or there was nobody to connect to, or nothing to
    /// connect with: see [`is_unresolved`](EventKind::is_unresolved) and
    /// [`is_exhaustion`](EventKind::is_exhaustion).
    ConnectFailed(Arc<io::Error>),
    /// Will try again after this long.
    ConnectRetried {
        /// The wait.
        after: Duration,
    },
    /// Will not try again, because of what this says.
    ConnectStopped(Reason),
    /// Both sides are ready: messages flow.
    HandshakeSucceeded,
    /// The handshake failed.
    HandshakeFailed(Reason),
    /// A connection that was ready has ended.
    Disconnected(Reason),
    /// No longer listening.
    Closed,
    /// The peer subscribed.
    Subscribed(Bytes),
    /// The peer cancelled a subscription.
    Unsubscribed(Bytes),
    /// The queue to the peer is full.
    Congested,
    /// There is room for the peer again.
    Drained,
    /// The monitor did not keep up: this many events were lost here.
    Lagged(u64),
}

/// Why a connection ended or a handshake failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The peer closed the connection.
    PeerClosed,
    /// The system reported an error.
    Io(Arc<io::Error>),
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer was silent too long.
    HeartbeatTimeout,
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The peer refused us, with this reason (RFC 37, command ERROR).
    Refused(Bytes),
    /// We did not let the peer in; the status is that of RFC 27: 300, 400 or 500.
    Denied(u16),
    /// We did not let the peer in: the handler of ZAP that had to be asked was not there.
    NobodyToAsk,
    /// Somebody with the same routing id is connected already.
    DuplicateIdentity,
    /// Somebody with the same routing id took this connection's place.
    HandedOver,
    /// This socket takes one peer only, and has it.
    Occupied,
    /// We closed it: `disconnect`, `unbind` or `close`.
    Local,
}

/// How a peer broke the protocol. The number is libzmq's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum ProtocolError {
    /// Not further specified: bad greeting, frame too large, old revision.
    Unspecified = 0x1000_0000,
    /// A command that has no place here.
    UnexpectedCommand = 0x1000_0001,
    /// CURVE: a nonce that did not rise: something was sent twice, or in another order.
    InvalidSequence = 0x1000_0002,
    /// CURVE: a vouch that does not vouch for this client, at this server.
    KeyExchange = 0x1000_0003,
    /// A command whose parts do not fit.
    MalformedCommand = 0x1000_0011,
    /// CURVE: a malformed MESSAGE, or something else in its place.
    MalformedMessage = 0x1000_0012,
    /// A malformed HELLO.
    MalformedHello = 0x1000_0013,
    /// A malformed INITIATE.
    MalformedInitiate = 0x1000_0014,
    /// A malformed ERROR.
    MalformedError = 0x1000_0015,
    /// A malformed READY.
    MalformedReady = 0x1000_0016,
    /// A malformed WELCOME.
    MalformedWelcome = 0x1000_0017,
    /// Metadata that is broken or does not fit this socket.
    InvalidMetadata = 0x1000_0018,
    /// CURVE: a box that does not open: forged, damaged, or for other keys.
    Cryptographic = 0x1100_0001,
    /// The peer speaks another security mechanism.
    MechanismMismatch = 0x1100_0002,
    /// Not the peer's fault: the handler of ZAP answered without the delimiter.
    ZapUnspecified = 0x2000_0000,
    /// Not the peer's fault: the handler's answer has too few frames, or too many.
    ZapMalformedReply = 0x2000_0001,
    /// Not the peer's fault: the handler answered another request.
    ZapBadRequestId = 0x2000_0002,
    /// Not the peer's fault: the handler speaks another version of ZAP.
    ZapBadVersion = 0x2000_0003,
    /// Not the peer's fault: the handler gave a status other than 200, 300, 400 and 500.
    ZapInvalidStatus = 0x2000_0004,
    /// Not the peer's fault: the metadata in the handler's answer are broken.
    ZapInvalidMetadata = 0x2000_0005,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Our end, e.g. `tcp://127.0.0.1:5555`.
    pub local: String,
    /// Their end.
    pub remote: String,
    /// `Peer-Address` of ZMTP metadata: the IP, or `localhost:uid:gid:pid`.
    pub address: String,
    /// Their socket type, once they said.
    pub socket_type: Option<SocketType>,
    /// What they call themselves; empty if they do not.
    pub identity: Bytes,
    /// The connection's descriptor, for asking the system about it while it lasts; none over
    /// inproc.
    pub descriptor: Option<i32>,
    /// All properties of their READY (or INITIATE), in order; and `User-Id`, if whoever let them in
    /// said who they are. Nobody can give one to himself.
    pub properties: Vec<(String, Bytes)>,
}

impl EventKind {
    /// Was it because descriptors, or memory of the kernel's, have run out? It is tried again.
    ///
    /// ```
    /// use std::{io, sync::Arc};
    /// use hubless::EventKind;
    ///
    /// let error = io::Error::from_raw_os_error(24); // EMFILE
    /// assert!(EventKind::AcceptFailed(Arc::new(error)).is_exhaustion());
    /// ```
    pub fn is_exhaustion(&self) -> bool {
        let (EventKind::AcceptFailed(error)
        | EventKind::ConnectFailed(error)
        | EventKind::BindFailed(error)) = self
        else {
            return false;
        };
        is_exhaustion(error)
    }

    /// Was it because a name has no address, or could not be looked up?
    pub fn is_unresolved(&self) -> bool {
        let EventKind::ConnectFailed(error) = self else {
            return false;
        };
        error
            .get_ref()
            .is_some_and(|error| error.is::<Unresolved>())
    }
}

/// A name without an address.
#[derive(Debug)]
pub(crate) struct Unresolved(Option<io::Error>);

impl Unresolved {
    /// An error to fail to connect with; `error` is what the resolver said, if it was one.
    pub(crate) fn error(error: Option<io::Error>) -> io::Error {
        let kind = error
            .as_ref()
            .map_or(io::ErrorKind::NotFound, io::Error::kind);
        io::Error::new(kind, Unresolved(error))
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(error) => write!(f, "{error}"),
            None => f.write_str("the name has no address"),
        }
    }
}

impl std::error::Error for Unresolved {}

impl Event {
    /// What a monitor of libzmq would tell of it: the number of its event, and the value. A
    /// descriptor is that of a connection: a listener's, or that of an attempt which failed, is 0,
    /// and so is an error for which the system gave no number. Nothing for
    /// what it does not tell: all of inproc, the end of what was closed here, subscriptions,
    /// marks. Two events for what failed: a bind and its socket's end, most handshakes and the
    /// disconnection.
    ///
    /// ```
    /// use hubless::Pull;
    ///
    /// let pull = Pull::new()?;
    /// let events = pull.monitor();
    /// pull.bind("tcp://127.0.0.1:0")?;
    /// let event = events.recv()?;
    /// assert_eq!(event.libzmq()[0].0, 0x0008); // ZMQ_EVENT_LISTENING
    /// # Ok::<(), hubless::Error>(())
    /// ```
    pub fn libzmq(&self) -> Vec<(u16, u32)> {
        let ms = |time: &Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        if self.endpoint.is_inproc() {
            return Vec::new();
        }
        let descriptor = self
            .descriptor
            .and_then(|it| u32::try_from(it).ok())
            .unwrap_or(0);
        match &self.kind {
            EventKind::Connected => vec![(0x0001, descriptor)],
            // Over ipc a connection stands at once, or not at all.
            EventKind::Connecting if matches!(self.endpoint, Endpoint::Ipc(_)) => Vec::new(),
            EventKind::Connecting => vec![(0x0002, EINPROGRESS)],
            EventKind::ConnectRetried { after } => vec![(0x0004, ms(after))],
            EventKind::Listening => vec![(0x0008, descriptor)],
            EventKind::BindFailed(error) => vec![(0x0080, 0), (0x0010, errno(error))],
            EventKind::Accepted => vec![(0x0020, descriptor)],
            EventKind::AcceptFailed(error) => vec![(0x0040, errno(error))],
            EventKind::ConnectFailed(error)
                if is_exhaustion(error) || self.kind.is_unresolved() =>
            {
                // There was no socket yet that could be closed.
                Vec::new()
            }
            EventKind::Closed | EventKind::ConnectFailed(_) => vec![(0x0080, descriptor)],
            EventKind::Disconnected(Reason::Local) => Vec::new(),
            // With CURVE a word that does not open counts as a handshake that fails late.
            EventKind::Disconnected(Reason::Protocol(
                error @ (ProtocolError::InvalidSequence
                | ProtocolError::Cryptographic
                | ProtocolError::MalformedMessage),
            )) => vec![(0x2000, *error as u32), (0x0200, descriptor)],
            EventKind::Disconnected(_) => vec![(0x0200, descriptor)],
            EventKind::HandshakeSucceeded => vec![(0x1000, 0)],
            EventKind::HandshakeFailed(Reason::Local) => Vec::new(),
            EventKind::HandshakeFailed(reason) => {
                let lost = (0x0200, descriptor);
                reason.libzmq().into_iter().chain([lost]).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Reason {
    /// What libzmq tells of a handshake that fails for this reason, before the disconnection.
    fn libzmq(&self) -> Option<(u16, u32)> {
        Some(match self {
            // A peer of another type, and the like: there, only the disconnection is told.
            Reason::Protocol(ProtocolError::Unspecified | ProtocolError::InvalidMetadata) => {
                return None;
            }
            Reason::Protocol(error) => (0x2000, *error as u32),
            Reason::Refused(status) => match &status[..] {
                [kind @ b'3'..=b'5', b'0', b'0'] => (0x4000, u32::from(kind - b'0') * 100),
                _ => (0x0800, 0),
            },
            Reason::Denied(status) => (0x4000, u32::from(*status)),
            Reason::NobodyToAsk => (0x0800, EFAULT),
            Reason::PeerClosed => (0x0800, EPIPE),
            Reason::Io(error) => (0x0800, errno(error)),
            _ => (0x0800, 0),
        })
    }
}

/// Error numbers that libzmq tells where nothing of the system failed.
const EFAULT: u32 = 14;
const EPIPE: u32 = 32;
const EINPROGRESS: u32 = 115;

fn errno(error: &io::Error) -> u32 {
    error.raw_os_error().map_or(0, i32::unsigned_abs)
}

impl PeerInfo {
    /// The value of a property, its name compared without regard to case (RFC 37).
    pub fn property(&self, name: &str) -> Option<&Bytes> {
        let same = |(key, _): &&(String, Bytes)| key.eq_ignore_ascii_case(name);
        self.properties.iter().find(same).map(|(_, value)| value)
    }
}

impl fmt::Display for Event {
    /// As a line of a log: the endpoint, and what happened there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.endpoint, self.kind)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Listening => f.write_str("listening"),
            EventKind::BindFailed(error) => write!(f, "could not listen: {error}"),
            EventKind::Accepted => f.write_str("took a connection"),
            EventKind::AcceptFailed(error) => write!(f, "could not take a connection: {error}"),
            EventKind::Connecting => f.write_str("connecting"),
            EventKind::Connected => f.write_str("connected"),
            EventKind::ConnectFailed(error) => write!(f, "could not connect: {error}"),
            EventKind::ConnectRetried { after } => write!(f, "trying again after {after:?}"),
            EventKind::ConnectStopped(reason) => write!(f, "not trying again: {reason}"),
            EventKind::HandshakeSucceeded => f.write_str("ready"),
            EventKind::HandshakeFailed(reason) => write!(f, "the handshake failed: {reason}"),
            EventKind::Disconnected(reason) => write!(f, "disconnected: {reason}"),
            EventKind::Closed => f.write_str("no longer listening"),
            EventKind::Subscribed(topic) => {
                write!(f, "the peer subscribed to \"{}\"", topic.escape_ascii())
            }
            EventKind::Unsubscribed(topic) => {
                write!(f, "the peer cancelled \"{}\"", topic.escape_ascii())
            }
            EventKind::Congested => f.write_str("the queue to the peer is full"),
            EventKind::Drained => f.write_str("the queue to the peer has room again"),
            EventKind::Lagged(missed) => write!(f, "{missed} events were lost here"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::PeerClosed => f.write_str("the peer closed the connection"),
            Reason::Io(error) => write!(f, "{error}"),
            Reason::HandshakeTimeout => f.write_str("the handshake took too long"),
            Reason::HeartbeatTimeout => f.write_str("the peer was silent for too long"),
            Reason::Protocol(error) => write!(f, "{error}"),
            Reason::Refused(reason) => write!(f, "the peer refused: {}", reason.escape_ascii()),
            Reason::Denied(status) => write!(f, "the peer was not let in ({status})"),
            Reason::NobodyToAsk => f.write_str("nobody was there to let the peer in"),
            Reason::DuplicateIdentity => f.write_str("its routing id is taken"),
            Reason::HandedOver => f.write_str("another peer took over its routing id"),
            Reason::Occupied => f.write_str("this socket has its one peer"),
            Reason::Local => f.write_str("closed here"),
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProtocolError::Unspecified => "protocol error",
            ProtocolError::UnexpectedCommand => "unexpected command",
            ProtocolError::InvalidSequence => "a nonce that did not rise",
            ProtocolError::KeyExchange => "a vouch for somebody else",
            ProtocolError::MalformedCommand => "malformed command",
            ProtocolError::MalformedMessage => "malformed MESSAGE",
            ProtocolError::MalformedHello => "malformed HELLO",
            ProtocolError::MalformedInitiate => "malformed INITIATE",
            ProtocolError::MalformedError => "malformed ERROR",
            ProtocolError::MalformedReady => "malformed READY",
            ProtocolError::MalformedWelcome => "malformed WELCOME",
            ProtocolError::Cryptographic => "a box that does not open",
            ProtocolError::InvalidMetadata => "invalid metadata",
            ProtocolError::MechanismMismatch => "the peer speaks another mechanism",
            ProtocolError::ZapUnspecified => "an answer of ZAP without the delimiter",
            ProtocolError::ZapMalformedReply => "a malformed answer of ZAP",
            ProtocolError::ZapBadRequestId => "an answer of ZAP to another request",
            ProtocolError::ZapBadVersion => "an answer of another version of ZAP",
            ProtocolError::ZapInvalidStatus => "an answer of ZAP with an invalid status",
            ProtocolError::ZapInvalidMetadata => "an answer of ZAP with broken metadata",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_as_a_line_of_a_log() {
        let line = |kind| {
            let endpoint = Endpoint::Inproc("news".into());
            let (peer, at) = (None, Time::from_nanos(0));
            Event {
                kind,
                endpoint,
                peer,
                descriptor: Some(7),
                at,
            }
            .to_string()
        };
        assert_eq!(line(EventKind::Listening), "inproc://news: listening");
        assert_eq!(
            line(EventKind::Disconnected(Reason::PeerClosed)),
            "inproc://news: disconnected: the peer closed the connection"
        );
        let topic = Bytes::from_static(b"a\nb\xff");
        assert_eq!(
            line(EventKind::Subscribed(topic)),
            r#"inproc://news: the peer subscribed to "a\nb\xff""#
        );
        let after = Duration::from_millis(1500);
        assert_eq!(
            line(EventKind::ConnectRetried { after }),
            "inproc://news: trying again after 1.5s"
        );
    }

    #[test]
    fn each_event_that_libzmq_has_is_told_by_its_number() {
        let told = |text: &str, kind| {
            let endpoint = text.parse().expect("an endpoint");
            let (peer, at) = (None, Time::START);
            Event {
                kind,
                endpoint,
                peer,
                descriptor: Some(7),
                at,
            }
            .libzmq()
        };
        let tcp = |kind| told("tcp://127.0.0.1:1", kind);
        let taken = || Arc::new(io::Error::from_raw_os_error(98));
        let in_use = 98;
        assert_eq!(tcp(EventKind::Connected), [(0x0001, 7)]);
        assert_eq!(tcp(EventKind::Connecting)[0].0, 0x0002);
        assert_eq!(told("ipc:///tmp/x", EventKind::Connecting), []);
        let after = Duration::from_millis(7);
        assert_eq!(tcp(EventKind::ConnectRetried { after }), [(0x0004, 7)]);
        assert_eq!(tcp(EventKind::Listening), [(0x0008, 7)]);
        assert_eq!(told("inproc://x", EventKind::Listening), []);
        let failed = [(0x0080, 0), (0x0010, in_use)];
        assert_eq!(tcp(EventKind::BindFailed(taken())), failed);
        assert_eq!(tcp(EventKind::Accepted), [(0x0020, 7)]);
        assert_eq!(tcp(EventKind::AcceptFailed(taken())), [(0x0040, in_use)]);
        assert_eq!(tcp(EventKind::Closed), [(0x0080, 7)]);
        assert_eq!(tcp(EventKind::ConnectFailed(taken())), [(0x0080, 7)]);
        let lost = (0x0200, 7);
        assert_eq!(tcp(EventKind::Disconnected(Reason::PeerClosed)), [lost]);
        let again = Reason::Protocol(ProtocolError::InvalidSequence);
        assert_eq!(
            tcp(EventKind::Disconnected(again)),
            [(0x2000, 0x1000_0002), lost]
        );
        assert_eq!(tcp(EventKind::Disconnected(Reason::Local)), []);
        assert_eq!(tcp(EventKind::HandshakeSucceeded), [(0x1000, 0)]);
        let failed = |reason| tcp(EventKind::HandshakeFailed(reason));
        let late = (0x0800, 0);
        assert_eq!(failed(Reason::HandshakeTimeout), [late, lost]);
        let mismatch = Reason::Protocol(ProtocolError::MechanismMismatch);
        assert_eq!(failed(mismatch), [(0x2000, 0x1100_0002), lost]);
        let stranger = Reason::Protocol(ProtocolError::InvalidMetadata);
        assert_eq!(failed(stranger), [lost]);
        let refused = Reason::Refused(Bytes::from_static(b"400"));
        assert_eq!(failed(refused), [(0x4000, 400), lost]);
        assert_eq!(failed(Reason::Denied(500)), [(0x4000, 500), lost]);
        assert_eq!(failed(Reason::NobodyToAsk), [(0x0800, 14), lost]);
        assert_eq!(failed(Reason::PeerClosed), [(0x0800, 32), lost]);
        let version = Reason::Protocol(ProtocolError::ZapBadVersion);
        assert_eq!(failed(version), [(0x2000, 0x2000_0003), lost]);
    }
}
