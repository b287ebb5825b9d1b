//! One connection's protocol, sans-IO: octets and time in; messages, subscriptions and octets out.
//!
//! ```text
//!                     ┌───────────── Engine ─────────────┐
//!   handle_input ───► │ Handshake ──READY──► Traffic     │ ───► Sink: messages, subscriptions
//!   handle_timeout ─► │     └────── Fault ──────┘        │ ───► Step::Asks, Step::Ready
//!                     │ Reader: the frame under way      │
//!   poll_output ◄──── │ Heartbeat: who is silent         │ ───► poll_timeout
//!                     └──────────────────────────────────┘
//! ```
//!
//! The engine decodes and judges; it encodes only what the protocol itself says (greeting, READY,
//! ERROR, PING, PONG). Messages to the peer never pass through it: whoever queues them frames
//! them, by [`wire`](crate::wire), for the revision that [`Step::Ready`] told. It must not know of
//! sockets, queues or clocks.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod fault;
mod handshake;
mod heartbeat;
mod mechanism;
mod raw;
mod reader;
mod sealed;
mod traffic;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use self::{
    handshake::{Handshake, Outcome},
    heartbeat::Heartbeat,
    reader::Reader,
    sealed::{Channel, Opener},
    traffic::Traffic,
};
use crate::base::{
    auth::{AuthRequest, Security, Verdict},
    event::Reason,
    message::Message,
    options::Options,
    socket_type::SocketType,
    time::Time,
};

#[cfg(feature = "curve")]
pub use self::mechanism::Dryoc;
pub use self::{fault::Fault, sealed::Sealer};
pub use crate::wire::Revision;

/// What all connections of a socket have in common.
#[derive(Clone, Debug)]
pub struct Config {
    /// What we are.
    pub socket_type: SocketType,
    /// Octets without handshake and frames.
    pub raw: bool,
    /// What we call ourselves; announced if the type does that.
    pub identity: Bytes,
    /// Further properties of our READY: names beginning with `X-`.
    pub properties: Vec<(String, Bytes)>,
    /// From [`Engine::new`] to the end of the handshake; `None`: no limit.
    pub handshake_timeout: Option<Duration>,
    /// A PING this often; `None`: never.
    pub heartbeat_interval: Option<Duration>,
    /// Silence after a PING that ends the connection; `None`: as long as the interval.
    pub heartbeat_timeout: Option<Duration>,
    /// Silence after our PING that shall make the peer end the connection.
    pub heartbeat_ttl: Option<Duration>,
    /// Are PINGs sent to ZMTP 3.0, too?
    pub pings_3_0: bool,
    /// May a peer's name begin with a zero octet?
    pub zero_names: bool,
    /// Octets in all frames of a message.
    pub message_octets_max: u64,
    /// Frames in a message.
    pub message_frames_max: usize,
    /// The security mechanism.
    pub security: Security,
    /// With NULL and CURVE: is somebody to be asked who may come in? With PLAIN, the server's
    /// side always asks.
    pub asks: bool,
}

impl Config {
    /// What a socket's options say about its connections.
    pub fn from_options(socket_type: SocketType, options: &Options) -> Config {
        Config {
            socket_type,
            raw: !socket_type.speaks_zmtp() || options.router_raw,
            identity: options.routing_id.clone(),
            properties: options.properties.clone(),
            handshake_timeout: options.handshake_timeout,
            heartbeat_interval: options.heartbeat_interval,
            heartbeat_timeout: options.heartbeat_timeout,
            heartbeat_ttl: options.heartbeat_ttl,
            pings_3_0: options.like_libzmq,
            zero_names: options.like_libzmq,
            message_octets_max: options.message_octets_max,
            message_frames_max: options.message_frames_max,
            security: complete(&options.security),
            asks: options.authenticator.is_some() || may_ask_handler(options),
        }
    }

    /// Is anything asked of a peer?
    fn is_guarded(&self) -> bool {
        self.asks || !matches!(self.security, Security::Null)
    }
}

/// A mechanism with all that its handshakes need.
fn complete(security: &Security) -> Security {
    match security {
        #[cfg(feature = "curve")]
        Security::CurveKeys(keys) => Security::Curve(keys.complete(Arc::new(Dryoc))),
        security => security.clone(),
    }
}

/// With these options, might a handler of ZAP have to be asked? With PLAIN that is so anyway.
fn may_ask_handler(options: &Options) -> bool {
    match options.security {
        Security::Null => !options.zap_domain.is_empty(),
        _ => !(options.zap_enforce_domain && options.zap_domain.is_empty()),
    }
}

/// What a handshake tells about the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it speaks.
    pub revision: Revision,
    /// What it is; compatible with what we are.
    pub socket_type: SocketType,
    /// What a ROUTER shall call it: at most 255 octets, the first not zero; empty if it leaves
    /// that to us. Always empty at other types, which go by no names (RFC 37).
    pub identity: Bytes,
    /// All properties of its READY in their order, `Socket-Type` and `Identity` included.
    pub properties: Vec<(String, Bytes)>,
}

/// Where decoded things go.
pub trait Sink {
    /// A whole message. Called at most as often as [`room`](Sink::room) said.
    fn message(&mut self, message: Message);
    /// The same, of one frame with a copy of these octets, at most
    /// [`INLINE_OCTETS_MAX`](crate::base::message::INLINE_OCTETS_MAX) of them.
    fn small_message(&mut self, octets: &[u8]) {
        self.message(Message::from(octets));
    }
    /// The peer subscribes; PUB and XPUB only. Needs no room.
    fn subscribe(&mut self, topic: Bytes);
    /// The peer cancels a subscription.
    fn cancel(&mut self, topic: Bytes);
    /// How many more messages may be handed over in this call. Asked once, at its beginning.
    fn room(&self) -> usize;
}

/// Why the engine took no more.
#[derive(Debug)]
pub enum Step {
    /// All octets are taken.
    Drained,
    /// Somebody must say whether this peer may come in: take the answer to
    /// [`Engine::handle_verdict`]. The handshake's deadline runs on.
    Asks(Box<AuthRequest>),
    /// The handshake is complete: attach this peer, then call again with the rest.
    Ready(Box<Peer>),
    /// The sink has no room. Call again with the rest when it has, even if there is no rest: a
    /// finished message may be waiting inside.
    Full,
}

/// One connection's protocol.
///
/// After each `handle_` call, look at [`poll_output`](Engine::poll_output) and
/// [`poll_timeout`](Engine::poll_timeout). After a [`Fault`] send what is left in the output (it
/// may tell the peer why), then close: the engine gives nothing more than that fault again.
#[derive(Debug)]
pub struct Engine {
    config: Arc<Config>,
    state: State,
    revision: Option<Revision>,
    reader: Reader,
    traffic: Traffic,
    heartbeat: Heartbeat,
    /// With CURVE: what seals and opens all that follows the handshake.
    sealer: Option<Sealer>,
    opener: Option<Box<Opener>>,
    /// Greeting pieces, READY, ERROR. Empty in traffic.
    output: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Handshake(Box<Handshake>),
    Traffic,
    /// Octets as they come; true once its peer has been told of.
    Raw(bool),
    Ended(Box<Fault>),
}

impl Engine {
    /// A connection that was made just now. The first piece of the greeting is in the output.
    pub fn new(config: Arc<Config>, now: Time) -> Engine {
        let mut output = Vec::new();
        let state = if config.raw {
            State::Raw(false)
        } else {
            let handshake = Handshake::begin(&config, now, &mut output);
            State::Handshake(Box::new(handshake))
        };
        Engine {
            state,
            revision: None,
            reader: Reader::default(),
            traffic: Traffic::new(config.socket_type),
            heartbeat: Heartbeat::new(&config),
            sealer: None,
            opener: None,
            output,
            config,
        }
    }

    /// Takes octets from the peer, in whatever pieces they come. Gives how many were taken and why
    /// not more; all of them, if [`Step::Drained`].
    ///
    /// # Errors
    /// If the connection must end. Messages handed over before are good.
    pub fn handle_input(
        &mut self,
        now: Time,
        input: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(usize, Step), Fault> {
        if !input.is_empty() {
            self.heartbeat.heard();
        }
        let mut rest = input;
        let step = match &mut self.state {
            State::Traffic => self.handle_traffic(now, &mut rest, sink),
            State::Handshake(handshake) => {
                let done =
                    handshake.handle(&self.config, &mut self.reader, &mut rest, &mut self.output);
                match done {
                    Ok(outcome) => Ok(self.follow(now, outcome)),
                    Err(reason) => Err(reason),
                }
            }
            State::Raw(true) => Ok(raw::cut(&mut rest, sink)),
            State::Raw(told) => {
                *told = true;
                Ok(Step::Ready(Box::new(raw::stranger())))
            }
            State::Ended(fault) => return Err((**fault).clone()),
        };
        match step {
            Ok(step) => Ok((input.len().saturating_sub(rest.len()), step)),
            Err(reason) => Err(self.end(reason)),
        }
    }

    fn follow(&mut self, now: Time, outcome: Option<Outcome>) -> Step {
        let (peer, channel) = match outcome {
            None => return Step::Drained,
            Some(Outcome::Asks(request)) => return Step::Asks(Box::new(request)),
            Some(Outcome::Ready(peer, channel)) => (peer, channel),
        };
        if let Some(Channel { sealer, opener }) = channel.map(|channel| *channel) {
            self.sealer = Some(sealer);
            self.opener = Some(Box::new(opener));
        }
        self.state = State::Traffic;
        self.revision = Some(peer.revision);
        self.heartbeat.start(now, peer.revision);
        Step::Ready(Box::new(peer))
    }

    /// Takes the answer to a [`Step::Asks`].
    ///
    /// # Errors
    /// If the peer may not come in: then the connection must end.
    pub fn handle_verdict(&mut self, now: Time, verdict: Verdict) -> Result<Step, Fault> {
        let done = match &mut self.state {
            State::Handshake(handshake) => {
                handshake.handle_verdict(&self.config, verdict, &mut self.output)
            }
            State::Traffic | State::Raw(_) => return Ok(Step::Drained),
            State::Ended(fault) => return Err((**fault).clone()),
        };
        match done {
            Ok(outcome) => Ok(self.follow(now, outcome)),
            Err(reason) => Err(self.end(reason)),
        }
    }

    /// The question of a [`Step::Asks`] cannot be answered: the connection must end for this
    /// reason.
    pub fn handle_no_verdict(&mut self, reason: Reason) -> Fault {
        match &self.state {
            State::Ended(fault) => (**fault).clone(),
            _ => self.end(reason),
        }
    }

    /// After [`Step::Ready`]: what must seal every frame from now on, if this is not `None`. What
    /// was in the output before goes as it is; what comes into it later is to be sealed, too.
    pub fn take_sealer(&mut self) -> Option<Sealer> {
        self.sealer.take()
    }

    /// If a large body is under way: where to read it to, and how many octets at most may be
    /// appended there before [`handle_large_body`](Engine::handle_large_body) is called. So much
    /// is reserved already. Ask before each read.
    pub fn large_body(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        match self.state {
            State::Traffic => self.reader.large_body(),
            _ => None,
        }
    }

    /// Takes note of `octets` octets that were appended to the large body.
    ///
    /// # Errors
    /// As [`handle_input`](Engine::handle_input).
    pub fn handle_large_body(
        &mut self,
        now: Time,
        octets: usize,
        sink: &mut impl Sink,
    ) -> Result<Step, Fault> {
        if octets > 0 {
            self.heartbeat.heard();
        }
        let (_, step) = self.handle_input(now, &[], sink)?;
        Ok(step)
    }

    /// Appends octets that must leave, whole frames once the greeting is through. They go out at
    /// once during the handshake; in traffic between two frames, best between two messages.
    pub fn poll_output(&mut self, out: &mut Vec<u8>) {
        if !self.output.is_empty() {
            out.append(&mut std::mem::take(&mut self.output));
        }
        self.heartbeat.poll_output(out);
    }

    /// When to call [`handle_timeout`](Engine::handle_timeout), if nothing changes before.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Handshake(handshake) => handshake.deadline(),
            State::Traffic => self.heartbeat.poll_timeout(),
            State::Raw(_) | State::Ended(_) => None,
        }
    }

    /// Does what is due. Hand over what can be read first: octets that lie unread in the system
    /// are not silence.
    ///
    /// # Errors
    /// If the handshake took too long or the peer was silent too long.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), Fault> {
        let late = match &self.state {
            State::Handshake(handshake) => match handshake.deadline() {
                Some(deadline) if deadline <= now => Some(Reason::HandshakeTimeout),
                _ => None,
            },
            State::Traffic => match self.heartbeat.handle_timeout(now) {
                true => None,
                false => Some(Reason::HeartbeatTimeout),
            },
            State::Raw(_) => None,
            State::Ended(fault) => return Err((**fault).clone()),
        };
        match late {
            None => Ok(()),
            Some(reason) => Err(self.end(reason)),
        }
    }

    /// We stopped reading by our own will: until we resume, silence is not the peer's fault.
    pub fn pause_reading(&mut self) {
        self.heartbeat.pause();
    }

    /// We read again: time limits on silence begin anew.
    pub fn resume_reading(&mut self, now: Time) {
        self.heartbeat.resume(now);
    }

    /// The peer will send no more. Half a message is dropped.
    pub fn handle_end(&mut self) -> Fault {
        match &self.state {
            State::Ended(fault) => (**fault).clone(),
            _ => self.end(Reason::PeerClosed),
        }
    }

    /// Is the handshake complete, and nothing wrong since?
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Traffic | State::Raw(true))
    }

    /// Is there nothing to wait for? Then call [`handle_input`](Engine::handle_input) without any
    /// input, and the peer is ready.
    pub fn starts_at_once(&self) -> bool {
        matches!(self.state, State::Raw(false))
    }

    /// What is spoken, once the handshake is complete.
    pub fn revision(&self) -> Option<Revision> {
        self.revision
    }

    /// Octets of memory kept for what is under way: a frame, a message, what must leave. Nothing
    /// between messages.
    pub fn kept_octets(&self) -> usize {
        let kept = self.reader.kept_octets();
        let kept = kept.saturating_add(self.traffic.kept_octets());
        kept.saturating_add(self.output.capacity())
    }

    fn end(&mut self, reason: Reason) -> Fault {
        let fault = Fault::new(reason, matches!(self.state, State::Handshake(_)));
        self.state = State::Ended(Box::new(fault.clone()));
        self.reader = Reader::default();
        self.traffic = Traffic::new(self.config.socket_type);
        self.heartbeat = Heartbeat::new(&self.config);
        self.sealer = None;
        self.opener = None;
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Inbox(Vec<Message>);

    impl Sink for Inbox {
        fn message(&mut self, message: Message) {
            self.0.push(message);
        }

        fn subscribe(&mut self, _: Bytes) {}

        fn cancel(&mut self, _: Bytes) {}

        fn room(&self) -> usize {
            2 - self.0.len()
        }
    }

    fn ready(socket_type: SocketType, theirs: &str) -> Engine {
        let config = Config::from_options(socket_type, &Options::default());
        let mut engine = Engine::new(Arc::new(config), Time::START);
        let mut input = crate::wire::greeting::encode(b"").to_vec();
        let socket_type = [("Socket-Type", theirs.as_bytes())];
        crate::wire::command::encode_ready(socket_type, &mut input);
        input.extend_from_slice(b"\0\x01x");
        let (taken, step) = engine
            .handle_input(Time::START, &input, &mut Inbox::default())
            .expect("good");
        let Step::Ready(peer) = step else {
            panic!("not ready: {step:?}");
        };
        assert_eq!(
            taken,
            input.len() - 3,
            "what follows READY is left for later"
        );
        assert_eq!(peer.socket_type.name(), theirs);
        assert!(engine.is_ready());
        assert_eq!(engine.revision(), Some(Revision::V3_1));
        engine
    }

    #[test]
    fn the_whole_greeting_and_ready_leave_in_the_end() {
        let mut engine = ready(SocketType::Pull, "PUSH");
        let mut out = Vec::new();
        engine.poll_output(&mut out);
        assert_eq!(out[..64], crate::wire::greeting::encode(b""));
        assert_eq!(
            out[64..],
            *b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL"
        );
    }

    #[test]
    fn ready_goes_with_the_greeting_unless_somebody_is_asked() {
        let peer = crate::wire::greeting::encode(b"");
        for asks in [false, true] {
            let mut config = Config::from_options(SocketType::Pull, &Options::default());
            config.asks = asks;
            let mut engine = Engine::new(Arc::new(config), Time::START);
            let mut out = Vec::new();
            engine.poll_output(&mut out);
            assert_eq!(out, peer[..10], "what every version understands");
            out.clear();
            engine
                .handle_input(Time::START, &peer[..11], &mut Inbox::default())
                .expect("good");
            engine.poll_output(&mut out);
            let (greeting, ready) = out.split_at(54);
            assert_eq!(greeting, &peer[10..]);
            assert_eq!(ready.is_empty(), asks);
        }
    }

    #[test]
    fn a_sink_without_room_stops_the_engine_before_the_message() {
        let mut engine = ready(SocketType::Pull, "PUSH");
        let mut inbox = Inbox::default();
        let input = b"\0\x01a\x01\x01b\0\x01c\x04\x06\x05READY\0\x01d\x04\x06\x05READY";
        let input = &input[..];
        let (taken, step) = engine
            .handle_input(Time::START, input, &mut inbox)
            .expect("good");
        assert!(matches!(step, Step::Full));
        assert_eq!(taken, 17, "the command was taken, the message not");
        assert_eq!(inbox.0, [Message::from("a"), Message::from(["b", "c"])]);
        inbox.0.clear();
        let (taken, step) = engine
            .handle_input(Time::START, &input[17..], &mut inbox)
            .expect("good");
        assert!(matches!(step, Step::Drained));
        assert_eq!((taken, inbox.0), (input.len() - 17, vec!["d".into()]));
    }

    #[test]
    fn a_fault_is_final() {
        let mut engine = ready(SocketType::Pull, "PUSH");
        let mut inbox = Inbox::default();
        let fault = engine
            .handle_input(Time::START, b"\0\x01a\x04\x06\x04PING\0\0\x01b", &mut inbox)
            .expect_err("a PING of one octet");
        assert!(!fault.in_handshake);
        assert_eq!(inbox.0, [Message::from("a")]);
        assert!(!engine.is_ready() && engine.poll_timeout().is_none());
        let again = engine.handle_input(Time::START, b"\0\0", &mut inbox);
        assert_eq!(
            format!("{:?}", again.expect_err("still")),
            format!("{fault:?}")
        );
        assert!(engine.handle_timeout(Time::START).is_err());
    }
}
