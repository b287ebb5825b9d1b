//! What the targets share: an engine that hears octets in pieces, and cryptography that lets everything
//! through, so that what lies inside of boxes is reached, too.

use std::sync::Arc;

use bytes::Bytes;
use hubless::{
    KeyPair, Message, PublicKey, SecretKey, SocketType, Time, Verdict,
    internals::{
        base::{
            auth::Security,
            keys::{Curve, Primitives},
            options::Options,
        },
        engine::{Config, Engine, Sealer, Sink, Step},
    },
};

/// Every box opens, and all keys agree on the same one.
#[derive(Debug)]
pub struct Open;

impl Primitives for Open {
    fn fill_random(&self, octets: &mut [u8]) {
        octets.fill(7);
    }

    fn public_of(&self, secret: &[u8; 32]) -> [u8; 32] {
        *secret
    }

    fn agree(&self, _: &PublicKey, ours: &SecretKey) -> Option<SecretKey> {
        Some(ours.clone())
    }

    fn seal(&self, _: &SecretKey, _: &[u8; 24], _: &mut [u8]) -> [u8; 16] {
        [0; 16]
    }

    fn open(&self, _: &SecretKey, _: &[u8; 24], _: &[u8; 16], _: &mut [u8]) -> bool {
        true
    }
}

/// A socket with this security; PUB hears subscriptions, ROUTER names, PULL messages.
pub fn config(socket_type: SocketType, security: Security) -> Config {
    let options = Options {
        security,
        message_octets_max: 1 << 20,
        message_frames_max: 64,
        ..Options::default()
    };
    Config::from_options(socket_type, &options)
}

/// Either side of CURVE, by [`Open`].
pub fn open_curve(client: bool) -> Security {
    let keys = KeyPair::derive(SecretKey::from([7; 32]), &Open);
    Security::Curve(Curve {
        server: client.then(|| keys.public()),
        keys: Arc::new(keys),
        primitives: Arc::new(Open),
    })
}

/// Takes everything, up to its room.
#[derive(Debug, Default)]
struct Inbox {
    room: usize,
    octets: usize,
}

impl Sink for Inbox {
    fn message(&mut self, message: Message) {
        self.room = self.room.checked_sub(1).expect("a message without room");
        assert!(message.octets() <= 1 << 20 && message.len() <= 64);
        self.octets += message.octets();
    }

    fn subscribe(&mut self, topic: Bytes) {
        self.octets += topic.len();
    }

    fn cancel(&mut self, topic: Bytes) {
        self.octets += topic.len();
    }

    fn room(&self) -> usize {
        self.room
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct Side {
    engine: Engine,
    inbox: Inbox,
    sealer: Option<Sealer>,
    heard: usize,
}

impl Side {
    pub fn new(config: Config) -> Side {
        Side {
            engine: Engine::new(Arc::new(config), Time::START),
            inbox: Inbox::default(),
            sealer: None,
            heard: 0,
        }
    }

    /// Hears octets, `piece` at a time. False once the connection is over.
    pub fn hear(&mut self, octets: &[u8], piece: usize) -> bool {
        octets.chunks(piece.max(1)).all(|piece| self.take(piece))
    }

    fn take(&mut self, mut rest: &[u8]) -> bool {
        self.heard += rest.len();
        let mut full = 0;
        loop {
            self.inbox.room = 3;
            if let Some((body, most)) = self.engine.large_body() {
                let (now, later) = rest.split_at(most.min(rest.len()));
                body.extend_from_slice(now);
                rest = later;
                let step = self
                    .engine
                    .handle_large_body(Time::START, now.len(), &mut self.inbox);
                if !self.follow(step, &mut full) {
                    return false;
                }
            }
            let taken = match self.engine.handle_input(Time::START, rest, &mut self.inbox) {
                Ok((taken, step)) => {
                    if !self.follow(Ok(step), &mut full) {
                        return false;
                    }
                    taken
                }
                Err(fault) => {
                    let _ = fault.to_string();
                    return false;
                }
            };
            rest = &rest[taken..];
            let mut out = Vec::new();
            self.engine.poll_output(&mut out);
            assert!(out.len() < 64 << 10, "more is said than was asked for");
            // Memory is bounded by what has come, not by what was announced.
            assert!(self.engine.kept_octets() <= (4 << 20) + 4 * self.heard);
            if rest.is_empty() && full == 0 {
                return true;
            }
            full = 0;
        }
    }

    fn follow(
        &mut self,
        step: Result<Step, hubless::internals::engine::Fault>,
        full: &mut usize,
    ) -> bool {
        match step {
            Ok(Step::Drained) => true,
            Ok(Step::Full) => {
                *full += 1;
                true
            }
            Ok(Step::Asks(request)) => {
                let _ = format!("{request:?}");
                let verdict = Verdict::allow_as("somebody");
                let step = self.engine.handle_verdict(Time::START, verdict);
                self.follow(step, full)
            }
            Ok(Step::Ready(_)) => {
                if let Some(mut sealer) = self.engine.take_sealer() {
                    let sealed = sealer.seal(false, false, b"hello", &mut Vec::new());
                    sealed.expect("counters are left");
                    self.sealer = Some(sealer);
                }
                *full += 1;
                true
            }
            Err(fault) => {
                let _ = fault.to_string();
                false
            }
        }
    }

    pub fn is_ready(&self) -> bool {
        self.engine.is_ready()
    }
}

/// The first octet chooses, the second cuts.
pub fn dice(data: &[u8]) -> Option<(u8, usize, &[u8])> {
    let (&choice, rest) = data.split_first()?;
    let (&piece, rest) = rest.split_first()?;
    let piece = if piece == 0 { usize::MAX } else { piece.into() };
    Some((choice, piece, rest))
}
