//! What happens to a socket's connections, told to whoever monitors it.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{endpoint::Endpoint, socket_type::SocketType, time::Time};

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
    /// Began to connect.
    Connecting,
    /// Connected; the handshake begins.
    Connected,
    /// Could not connect: refused, unreachable, name not found.
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
    /// All properties of their READY (or INITIATE), in order; and `User-Id`, if whoever let them in
    /// said who they are. Nobody can give one to himself.
    pub properties: Vec<(String, Bytes)>,
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
}
