//! From the first octet to both sides being ready.
//!
//! ```text
//!  we send         stage         the peer sends
//!  ff..7f      ─►  Signature
//!  03          ─►  Major      ◄─ ff..7f
//!                     │       ◄─ 03 or more ───────────────┐  01: ZMTP 2.0
//!  the rest    ─►  Rest                                    └► SocketType ─► socket type, identity
//!  READY       ─►  Ready      ◄─ the rest: NULL               Identity   ◄─ socket type
//!                     │       ◄─ READY                           │       ◄─ identity
//!                     └───────────────────► a Peer ◄─────────────┘
//! ```
//!
//! NULL is symmetric: each side sends READY as soon as it has the other's greeting (RFC 37, "The
//! NULL Security Mechanism"). One absolute deadline holds for all of it, whatever drips in.

use bytes::Bytes;

use super::{Config, Peer, reader::Reader};
use crate::{
    base::{
        event::{ProtocolError, Reason},
        socket_type::SocketType,
        time::Time,
        tuning::HANDSHAKE_OCTETS_MAX,
    },
    wire::{
        Revision,
        command::{Command, encode_error, encode_ready, parse_error},
        frame::{HEADER_OCTETS_MAX, Header},
        greeting::{self, GREETING_OCTETS, Greeting, MAJOR_OCTETS, Major, NULL, SIGNATURE_OCTETS},
        metadata, v2,
    },
};

/// Octets that a peer's READY, ERROR or ZMTP 2.0 identity may have.
const WORD_OCTETS_MAX: u64 = (HANDSHAKE_OCTETS_MAX - GREETING_OCTETS - HEADER_OCTETS_MAX) as u64;

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    stage: Stage,
    deadline: Option<Time>,
    /// The peer's greeting as far as it has come.
    greeting: [u8; GREETING_OCTETS],
    octets: usize,
}

/// What is awaited from the peer.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Signature,
    Major,
    Rest,
    Ready(Revision),
    SocketType,
    Identity(SocketType),
}

impl Handshake {
    /// Starts the clock, and sends the signature without waiting for anything.
    pub(super) fn begin(config: &Config, now: Time, out: &mut Vec<u8>) -> Handshake {
        send_greeting(config, 0, SIGNATURE_OCTETS, out);
        Handshake {
            stage: Stage::Signature,
            deadline: config
                .handshake_timeout
                .map(|timeout| deadline(now, timeout)),
            greeting: [0; GREETING_OCTETS],
            octets: 0,
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Takes octets and answers them. `None`: all are taken, and the handshake goes on.
    pub(super) fn handle(
        &mut self,
        config: &Config,
        reader: &mut Reader,
        rest: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Peer>, Reason> {
        loop {
            match self.stage {
                Stage::Signature => {
                    let complete = self.gather(SIGNATURE_OCTETS, rest);
                    let come = self.greeting.get(..self.octets).unwrap_or_default();
                    if !greeting::begins_signature(come) {
                        return Err(protocol(ProtocolError::Unspecified));
                    }
                    if !complete {
                        return Ok(None);
                    }
                    send_greeting(config, SIGNATURE_OCTETS, MAJOR_OCTETS, out);
                    self.stage = Stage::Major;
                }
                Stage::Major => {
                    if !self.gather(MAJOR_OCTETS, rest) {
                        return Ok(None);
                    }
                    let [.., octet] = self
                        .greeting
                        .first_chunk::<MAJOR_OCTETS>()
                        .unwrap_or(&[0; 11]);
                    self.stage = match greeting::major(*octet) {
                        Major::One => return Err(protocol(ProtocolError::Unspecified)),
                        Major::Two => {
                            v2::encode(config.socket_type, announced(config), out);
                            Stage::SocketType
                        }
                        Major::Three => {
                            send_greeting(config, MAJOR_OCTETS, GREETING_OCTETS, out);
                            Stage::Rest
                        }
                    };
                }
                Stage::Rest => {
                    if !self.gather(GREETING_OCTETS, rest) {
                        return Ok(None);
                    }
                    let greeting = Greeting::parse(&self.greeting);
                    if greeting.mechanism != NULL {
                        return Err(protocol(ProtocolError::MechanismMismatch));
                    }
                    send_ready(config, out);
                    self.stage = Stage::Ready(greeting.revision);
                }
                Stage::Ready(revision) => {
                    let Some((_, body)) = reader.next(rest, admit_command)? else {
                        return Ok(None);
                    };
                    return handle_word(config, revision, &body, out).map(Some);
                }
                Stage::SocketType => {
                    let Some((&octet, others)) = rest.split_first() else {
                        return Ok(None);
                    };
                    *rest = others;
                    let theirs = SocketType::from_v2_octet(octet)
                        .filter(|&theirs| config.socket_type.accepts(theirs))
                        .ok_or(protocol(ProtocolError::InvalidMetadata))?;
                    self.stage = Stage::Identity(theirs);
                }
                Stage::Identity(theirs) => {
                    let Some((_, body)) = reader.next(rest, admit_identity)? else {
                        return Ok(None);
                    };
                    let identity = identity_for(config.socket_type, &body)
                        .ok_or(protocol(ProtocolError::InvalidMetadata))?;
                    return Ok(Some(Peer {
                        revision: Revision::V2_0,
                        socket_type: theirs,
                        identity,
                        properties: Vec::new(),
                    }));
                }
            }
        }
    }

    /// Fills the greeting up to `octets` octets; `false` if the input did not suffice.
    fn gather(&mut self, octets: usize, rest: &mut &[u8]) -> bool {
        while self.octets < octets {
            let Some((&octet, others)) = rest.split_first() else {
                return false;
            };
            *rest = others;
            if let Some(place) = self.greeting.get_mut(self.octets) {
                *place = octet;
            }
            self.octets = self.octets.saturating_add(1);
        }
        true
    }
}

fn protocol(error: ProtocolError) -> Reason {
    Reason::Protocol(error)
}

#[allow(clippy::arithmetic_side_effects)] // stops at the end of time
fn deadline(now: Time, timeout: std::time::Duration) -> Time {
    now + timeout
}

fn send_greeting(config: &Config, from: usize, to: usize, out: &mut Vec<u8>) {
    let octets = greeting::encode(&config.identity);
    out.extend_from_slice(octets.get(from..to).unwrap_or_default());
}

/// What we tell a peer that we are called: most types say nothing.
fn announced(config: &Config) -> &[u8] {
    match config.socket_type.announces_identity() {
        true => &config.identity,
        false => &[],
    }
}

fn send_ready(config: &Config, out: &mut Vec<u8>) {
    let socket_type = (metadata::SOCKET_TYPE, config.socket_type.name().as_bytes());
    let identity = config.socket_type.announces_identity();
    let identity = identity.then_some((metadata::IDENTITY, &config.identity[..]));
    let others = config.properties.iter();
    let others = others.map(|(name, value)| (name.as_str(), &value[..]));
    encode_ready([socket_type].into_iter().chain(identity).chain(others), out);
}

fn admit_command(header: Header) -> Result<(), ProtocolError> {
    if !header.command {
        return Err(ProtocolError::UnexpectedCommand);
    }
    admit_word(header)
}

fn admit_identity(header: Header) -> Result<(), ProtocolError> {
    if header.command || header.more {
        return Err(ProtocolError::UnexpectedCommand);
    }
    admit_word(header)
}

fn admit_word(header: Header) -> Result<(), ProtocolError> {
    match header.octets <= WORD_OCTETS_MAX {
        true => Ok(()),
        false => Err(ProtocolError::Unspecified),
    }
}

/// READY or ERROR: nothing else may be said now.
fn handle_word(
    config: &Config,
    revision: Revision,
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<Peer, Reason> {
    let command = Command::parse(body);
    match command.map(|command| (command.name, command.data)) {
        Some((b"READY", data)) => handle_ready(config, revision, data, out),
        Some((b"ERROR", data)) => Err(match parse_error(data) {
            Some(reason) => Reason::Refused(Bytes::copy_from_slice(reason)),
            None => protocol(ProtocolError::MalformedError),
        }),
        _ => Err(protocol(ProtocolError::UnexpectedCommand)),
    }
}

fn handle_ready(
    config: &Config,
    revision: Revision,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<Peer, Reason> {
    let invalid = protocol(ProtocolError::InvalidMetadata);
    let Ok(properties) = metadata::parse(data) else {
        return Err(invalid);
    };
    let (mut socket_type, mut identity) = (None, Bytes::new());
    for (name, value) in &properties {
        if name.eq_ignore_ascii_case(metadata::SOCKET_TYPE) {
            let theirs = SocketType::from_name(value);
            socket_type = theirs.filter(|&theirs| config.socket_type.accepts(theirs));
            if socket_type.is_none() {
                break;
            }
        } else if name.eq_ignore_ascii_case(metadata::IDENTITY) {
            let Some(name) = identity_for(config.socket_type, value) else {
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
        revision,
        socket_type,
        identity,
        properties,
    })
}

/// The name by which a socket of type `ours` shall know a peer that calls itself `name`; `None`
/// if that cannot be a name: too long, or beginning with the zero that marks those we make up.
fn identity_for(ours: SocketType, name: &[u8]) -> Option<Bytes> {
    match (ours, name) {
        (SocketType::Router, [0, ..]) => None,
        (SocketType::Router, _) if name.len() > 255 => None,
        (SocketType::Router, _) => Some(Bytes::copy_from_slice(name)),
        _ => Some(Bytes::new()),
    }
}
