//! Security mechanisms: what is said between the greeting and READY, and who may come in.
//!
//! ```text
//!   begin ──► handle, for each command of the peer ──► Turn::Waits | Asks | Done
//!                                                             │
//!                            answer, with the verdict ◄───────┘
//! ```
//!
//! A mechanism sees commands and verdicts; octets go out through a vector. One file each.

mod curve;
#[cfg(feature = "curve")]
mod dryoc;
mod null;
mod plain;

use bytes::Bytes;

#[cfg(feature = "curve")]
pub use self::dryoc::Dryoc;

use super::{Config, Peer, sealed::Channel};
use crate::{
    base::{
        auth::{AuthRequest, Credentials, Security, Verdict},
        event::{ProtocolError, Reason},
        socket_type::SocketType,
    },
    wire::{
        Revision,
        command::{Command, encode_error, parse_error},
        metadata,
    },
};

/// One side of one handshake.
#[derive(Debug)]
pub(super) enum Mechanism {
    Null(null::Null),
    PlainClient(plain::Client),
    PlainServer(plain::Server),
    CurveClient(Box<curve::Client>),
    CurveServer(Box<curve::Server>),
}

/// What a step of the handshake has come to.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is the peer's turn.
    Waits,
    /// Somebody must say whether the peer may come in.
    Asks(AuthRequest),
    /// Both sides are ready; with CURVE, what seals and opens all that follows.
    Done(Peer, Option<Box<Channel>>),
}

/// What every step needs to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) config: &'a Config,
    pub(super) revision: Revision,
}

impl Mechanism {
    /// Says what can be said before the peer has told its mechanism: it leaves in one write with
    /// the greeting, and saves a round trip.
    pub(super) fn say_early(config: &Config, out: &mut Vec<u8>) {
        if matches!(config.security, Security::Null) {
            null::Null::say_early(config, out);
        }
    }

    /// Says what is ours to say first.
    pub(super) fn begin(scene: Scene<'_>, out: &mut Vec<u8>) -> Result<(Mechanism, Turn), Reason> {
        Ok(match &scene.config.security {
            Security::Null => {
                let (null, turn) = null::Null::begin(scene);
                (Mechanism::Null(null), turn)
            }
            Security::PlainClient { user, password } => {
                let client = plain::Client::begin(user, password, out);
                (Mechanism::PlainClient(client), Turn::Waits)
            }
            Security::PlainServer(_) => {
                let server = plain::Server::begin();
                (Mechanism::PlainServer(server), Turn::Waits)
            }
            // Never begun with: see `complete` in the engine.
            Security::CurveKeys(_) => return Err(protocol(ProtocolError::MechanismMismatch)),
            Security::Curve(curve) => match curve.server {
                Some(key) => {
                    let client = curve::Client::begin(curve, key, out)?;
                    (Mechanism::CurveClient(Box::new(client)), Turn::Waits)
                }
                None => {
                    let server = curve::Server::begin(curve);
                    (Mechanism::CurveServer(Box::new(server)), Turn::Waits)
                }
            },
        })
    }

    /// Takes a command of the peer.
    pub(super) fn handle(
        &mut self,
        scene: Scene<'_>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Turn, Reason> {
        match self {
            Mechanism::Null(null) => null.handle(scene, body, out),
            Mechanism::PlainClient(client) => client.handle(scene, body, out),
            Mechanism::PlainServer(server) => server.handle(scene, body, out),
            Mechanism::CurveClient(client) => client.handle(scene, body, out),
            Mechanism::CurveServer(server) => server.handle(scene, body, out),
        }
    }

    /// The peer that was asked about may come in.
    pub(super) fn admit(&mut self, scene: Scene<'_>, out: &mut Vec<u8>) -> Turn {
        match self {
            Mechanism::Null(null) => null.admit(scene, out),
            Mechanism::PlainServer(server) => server.admit(out),
            Mechanism::CurveServer(server) => server.admit(scene.config, out),
            Mechanism::PlainClient(_) | Mechanism::CurveClient(_) => Turn::Waits,
        }
    }
}

/// Tells the peer of a verdict against it, if that is to be told.
pub(super) fn refuse(verdict: &Verdict, out: &mut Vec<u8>) -> Reason {
    let status = verdict.status();
    if *verdict != Verdict::NotNow {
        encode_error(status.to_string().as_bytes(), out);
    }
    Reason::Denied(status)
}

fn protocol(error: ProtocolError) -> Reason {
    Reason::Protocol(error)
}

/// Name and data of a command; an ERROR ends it here.
fn heed(body: &[u8]) -> Result<Command<'_>, Reason> {
    let unexpected = protocol(ProtocolError::UnexpectedCommand);
    let command = Command::parse(body).ok_or(unexpected)?;
    match command.name {
        b"ERROR" => Err(refused(command.data)),
        _ => Ok(command),
    }
}

/// What an ERROR's data comes to.
fn refused(data: &[u8]) -> Reason {
    match parse_error(data) {
        Some(reason) => Reason::Refused(Bytes::copy_from_slice(reason)),
        None => protocol(ProtocolError::MalformedError),
    }
}

/// Our properties.
fn announce(config: &Config) -> Vec<u8> {
    let mut data = Vec::new();
    let socket_type = config.socket_type.name().as_bytes();
    metadata::encode(metadata::SOCKET_TYPE, socket_type, &mut data);
    if config.socket_type.announces_identity() {
        metadata::encode(metadata::IDENTITY, &config.identity, &mut data);
    }
    for (name, value) in &config.properties {
        metadata::encode(name, value, &mut data);
    }
    data
}

/// The peer that its properties make. One that does not fit is told so.
fn meet(scene: Scene<'_>, data: &[u8], out: &mut Vec<u8>) -> Result<Peer, Reason> {
    let invalid = protocol(ProtocolError::InvalidMetadata);
    let ours = scene.config.socket_type;
    let Ok(mut properties) = metadata::parse(data) else {
        return Err(invalid);
    };
    // Who it is, a peer cannot say itself.
    properties.retain(|(name, _)| !name.eq_ignore_ascii_case(metadata::USER_ID));
    let (mut socket_type, mut identity) = (None, Bytes::new());
    for (name, value) in &properties {
        if name.eq_ignore_ascii_case(metadata::SOCKET_TYPE) {
            let theirs = SocketType::from_name(value);
            socket_type = theirs.filter(|&theirs| ours.accepts(theirs));
            if socket_type.is_none() {
                break;
            }
        } else if name.eq_ignore_ascii_case(metadata::IDENTITY) {
            let Some(name) = identity_for(scene.config, value) else {
                encode_error(b"Invalid identity", out);
                return Err(invalid);
            };
            identity = name;
        }
    }
    let Some(socket_type) = socket_type else {
        encode_error(b"Invalid socket type", out);
        return Err(invalid);
    };
    Ok(Peer {
        revision: scene.revision,
        socket_type,
        identity,
        properties,
    })
}

/// The name by which a socket with this configuration shall know a peer that calls itself `name`; `None`
/// if that cannot be a name: too long, or beginning with the zero that marks those we make up.
pub(super) fn identity_for(config: &Config, name: &[u8]) -> Option<Bytes> {
    match (config.socket_type, name) {
        (SocketType::Router, [0, ..]) if !config.zero_names => None,
        (SocketType::Router, _) if name.len() > 255 => None,
        (SocketType::Router, _) => Some(Bytes::copy_from_slice(name)),
        _ => Some(Bytes::new()),
    }
}

/// A question about a peer that has not told its name.
fn ask(credentials: Credentials) -> Turn {
    Turn::Asks(AuthRequest::new(Bytes::new(), credentials))
}
