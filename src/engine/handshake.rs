//! From the first octet to both sides being ready.
//!
//! ```text
//!  we send         stage         the peer sends
//!  ff..7f 03   ─►  Signature
//!                  Major      ◄─ ff..7f
//!                     │       ◄─ 03 or more ───────────────┐  01: ZMTP 2.0
//!  the rest,   ─►  Rest                                    └► SocketType ─► socket type, identity
//!  NULL: READY        │       ◄─ the rest: our mechanism      Identity   ◄─ socket type
//!  commands    ─►  Secured    ◄─ commands                        │       ◄─ identity
//!                     └───────────────────► a Peer ◄─────────────┘
//! ```
//!
//! What is said in between is the [`mechanism`](super::mechanism)'s. Both sides must have the same
//! one; ZMTP 2.0, which has none, is spoken only where nothing is asked of a peer. One absolute
//! deadline holds for all of it, whatever drips in.

use bytes::Bytes;

use super::{
    Config, Peer,
    mechanism::{Mechanism, Scene, Turn, identity_for, refuse},
    reader::Reader,
    sealed::Channel,
};
use crate::{
    base::{
        auth::{AuthRequest, Verdict},
        event::{ProtocolError, Reason},
        socket_type::SocketType,
        time::Time,
        tuning::HANDSHAKE_OCTETS_MAX,
    },
    wire::{
        Revision,
        frame::{HEADER_OCTETS_MAX, Header},
        greeting::{self, GREETING_OCTETS, Greeting, MAJOR_OCTETS, Major, SIGNATURE_OCTETS},
        metadata::{IDENTITY, SOCKET_TYPE, USER_ID},
        v2,
    },
};

/// Octets that a peer's command or ZMTP 2.0 identity may have.
const WORD_OCTETS_MAX: u64 = (HANDSHAKE_OCTETS_MAX - GREETING_OCTETS - HEADER_OCTETS_MAX) as u64;

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    stage: Stage,
    deadline: Option<Time>,
    /// The peer's greeting as far as it has come.
    greeting: [u8; GREETING_OCTETS],
    octets: usize,
    /// Who the peer is and what else is known of it, once somebody has said so.
    known: Vec<(String, Bytes)>,
}

/// What a handshake comes to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Somebody must say whether the peer may come in: see [`Handshake::handle_verdict`].
    Asks(AuthRequest),
    Ready(Peer, Option<Box<Channel>>),
}

/// What is awaited from the peer.
#[derive(Debug)]
enum Stage {
    Signature,
    Major,
    Rest,
    Secured(Revision, Mechanism),
    SocketType,
    Identity(SocketType),
}

impl Handshake {
    /// Starts the clock, and sends the signature without waiting for anything: to a peer of
    /// ZMTP 1.0 nothing behind it would make sense.
    pub(super) fn begin(config: &Config, now: Time, out: &mut Vec<u8>) -> Handshake {
        send_greeting(config, 0, SIGNATURE_OCTETS, out);
        Handshake {
            stage: Stage::Signature,
            deadline: config
                .handshake_timeout
                .map(|timeout| deadline(now, timeout)),
            greeting: [0; GREETING_OCTETS],
            octets: 0,
            known: Vec::new(),
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
    ) -> Result<Option<Outcome>, Reason> {
        loop {
            match &mut self.stage {
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
                        // It would be let in unasked.
                        Major::Two if config.is_guarded() => {
                            return Err(protocol(ProtocolError::MechanismMismatch));
                        }
                        Major::Two => {
                            v2::encode(config.socket_type, announced(config), out);
                            Stage::SocketType
                        }
                        Major::Three => {
                            send_greeting(config, MAJOR_OCTETS, GREETING_OCTETS, out);
                            Mechanism::say_early(config, out);
                            Stage::Rest
                        }
                    };
                }
                Stage::Rest => {
                    if !self.gather(GREETING_OCTETS, rest) {
                        return Ok(None);
                    }
                    let greeting = Greeting::parse(&self.greeting);
                    if greeting.mechanism != greeting::mechanism(config.security.name()) {
                        return Err(protocol(ProtocolError::MechanismMismatch));
                    }
                    let revision = greeting.revision;
                    let (mechanism, turn) = Mechanism::begin(Scene { config, revision }, out)?;
                    self.stage = Stage::Secured(revision, mechanism);
                    if let Some(outcome) = self.follow(turn) {
                        return Ok(Some(outcome));
                    }
                }
                Stage::Secured(revision, mechanism) => {
                    let Some((_, body)) = reader.next(rest, admit_command)? else {
                        return Ok(None);
                    };
                    let revision = *revision;
                    let turn = mechanism.handle(Scene { config, revision }, &body, out)?;
                    if let Some(outcome) = self.follow(turn) {
                        return Ok(Some(outcome));
                    }
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
                    let socket_type = *theirs;
                    let Some((_, body)) = reader.next(rest, admit_identity)? else {
                        return Ok(None);
                    };
                    let identity = identity_for(config, &body)
                        .ok_or(protocol(ProtocolError::InvalidMetadata))?;
                    let peer = Peer {
                        revision: Revision::V2_0,
                        socket_type,
                        identity,
                        properties: Vec::new(),
                    };
                    return Ok(Some(Outcome::Ready(peer, None)));
                }
            }
        }
    }

    fn follow(&mut self, turn: Turn) -> Option<Outcome> {
        match turn {
            Turn::Waits => None,
            Turn::Asks(request) => Some(Outcome::Asks(request)),
            Turn::Done(mut peer, channel) => {
                // What is known of a peer goes before what it says of itself.
                for (name, value) in self.known.drain(..) {
                    peer.properties
                        .retain(|(said, _)| !said.eq_ignore_ascii_case(&name));
                    peer.properties.push((name, value));
                }
                Some(Outcome::Ready(peer, channel))
            }
        }
    }

    /// Takes the answer to a question.
    pub(super) fn handle_verdict(
        &mut self,
        config: &Config,
        verdict: Verdict,
        out: &mut Vec<u8>,
    ) -> Result<Option<Outcome>, Reason> {
        let Verdict::Allow {
            user_id,
            properties,
        } = verdict
        else {
            return Err(refuse(&verdict, out));
        };
        self.known = properties;
        // Of which type it is, and how it is addressed, is settled in the handshake.
        self.known.retain(|(name, _)| {
            let reserved = [SOCKET_TYPE, IDENTITY, USER_ID];
            !reserved.iter().any(|it| name.eq_ignore_ascii_case(it))
        });
        if !user_id.is_empty() {
            self.known.push((USER_ID.to_owned(), user_id));
        }
        let Stage::Secured(revision, mechanism) = &mut self.stage else {
            return Ok(None);
        };
        let revision = *revision;
        let turn = mechanism.admit(Scene { config, revision }, out);
        Ok(self.follow(turn))
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
    let mechanism = greeting::mechanism(config.security.name());
    let as_server = config.security.is_server();
    let octets = greeting::encode_with(mechanism, as_server, &config.identity);
    out.extend_from_slice(octets.get(from..to).unwrap_or_default());
}

/// What we tell a peer that we are called: most types say nothing.
fn announced(config: &Config) -> &[u8] {
    match config.socket_type.announces_identity() {
        true => &config.identity,
        false => &[],
    }
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
