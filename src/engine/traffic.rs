//! After READY: messages, subscriptions and the commands between them.
//!
//! ```text
//!                 ┌ COMMAND ──► PING ► a PONG;  SUBSCRIBE, CANCEL ► the sink, if we publish;
//!   frame ────────┤             all others are ignored
//!                 └ message ──► begins with 01, 00 ► a subscription, if we publish
//!                               more frames ► kept until the last ► the sink, whole
//! ```
//!
//! Commands may come between the frames of a message and leave it untouched. A publisher takes
//! subscriptions in both forms on every connection, as messages in any frame (RFC 37, "The PUB
//! and XPUB Socket Types").

use super::{
    Config, Engine, Sink, Step,
    reader::Body,
    sealed::{Opened, Opener, SEALED_OCTETS},
};
use crate::{
    base::{
        event::{ProtocolError, Reason},
        message::{Frame, INLINE_OCTETS_MAX, Message},
        socket_type::SocketType,
        time::Time,
        tuning::HANDSHAKE_OCTETS_MAX,
    },
    wire::{
        Revision,
        command::{Command, parse_ping, parse_subscription},
        frame::{COMMAND, Header},
    },
};

/// The message under way.
#[derive(Debug)]
pub(super) struct Traffic {
    taste: Taste,
    frames: Vec<Frame>,
    /// Octets of all its frames, the one under way included.
    octets: u64,
    /// A finished message for which the sink had no room.
    held: Option<Box<Message>>,
}

/// What a socket type takes from its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taste {
    Messages,
    /// PUB: all else is discarded.
    Subscriptions,
    /// XPUB.
    Both,
    /// PUSH: all is discarded.
    Nothing,
}

impl Traffic {
    pub(super) fn new(socket_type: SocketType) -> Traffic {
        Traffic {
            taste: match socket_type {
                SocketType::Pub => Taste::Subscriptions,
                SocketType::XPub => Taste::Both,
                SocketType::Push => Taste::Nothing,
                _ => Taste::Messages,
            },
            frames: Vec::new(),
            octets: 0,
            held: None,
        }
    }

    pub(super) fn kept_octets(&self) -> usize {
        let frames = self.frames.capacity().saturating_mul(size_of::<Frame>());
        let bodies = self.frames.iter().map(|frame| frame.len()).sum::<usize>();
        let held = self.held.as_ref().map_or(0, |held| held.octets());
        frames.saturating_add(bodies).saturating_add(held)
    }

    /// Judges a header. Commands have an allowance of their own, so that a small limit on
    /// messages does not forbid heartbeats.
    #[inline]
    fn admit(&mut self, config: &Config, header: Header) -> Result<(), ProtocolError> {
        let (octets, most) = match header.command {
            true => {
                let allowance = HANDSHAKE_OCTETS_MAX as u64;
                (header.octets, config.message_octets_max.max(allowance))
            }
            false => {
                self.octets = self.octets.saturating_add(header.octets);
                (self.octets, config.message_octets_max)
            }
        };
        let frames = match header.command {
            true => 0,
            false => self.frames.len().saturating_add(1),
        };
        match octets <= most && frames <= config.message_frames_max {
            true => Ok(()),
            false => Err(ProtocolError::Unspecified),
        }
    }

    /// Judges the header of a sealed frame: what is inside may be a command, or a frame.
    fn admit_sealed(&self, config: &Config, header: Header) -> Result<(), ProtocolError> {
        let left = config.message_octets_max.saturating_sub(self.octets);
        let most = left.max(HANDSHAKE_OCTETS_MAX as u64);
        match header.octets.saturating_sub(SEALED_OCTETS) <= most {
            true => Ok(()),
            false => Err(ProtocolError::Unspecified),
        }
    }

    /// The frame inside a sealed one, judged as if it had come by itself.
    fn open<'a>(
        &mut self,
        config: &Config,
        opener: &'a mut Opener,
        sealed: Body<'_>,
    ) -> Result<(Header, Body<'a>), Reason> {
        let Opened {
            more,
            command,
            body,
        } = opener.open(sealed)?;
        let header = Header {
            more,
            command,
            octets: body.len() as u64,
        };
        self.admit(config, header).map_err(Reason::Protocol)?;
        Ok((header, body))
    }

    /// The frame that makes its message whole gives that message.
    #[inline]
    fn handle_frame(
        &mut self,
        header: Header,
        body: Body<'_>,
        sink: &mut impl Sink,
    ) -> Option<Message> {
        let publishes = matches!(self.taste, Taste::Subscriptions | Taste::Both);
        match parse_subscription(&body) {
            Some((true, _)) if publishes => sink.subscribe(body.into_tail(1)),
            Some((false, _)) if publishes => sink.cancel(body.into_tail(1)),
            _ if matches!(self.taste, Taste::Subscriptions | Taste::Nothing) => {}
            _ if !header.more && self.frames.is_empty() => {
                self.octets = 0;
                return Some(Message::from(body.into_frame()));
            }
            _ => self.frames.push(body.into_frame()),
        }
        if header.more {
            return None;
        }
        self.octets = 0;
        match self.frames.is_empty() {
            true => None,
            false => Some(Message::from(std::mem::take(&mut self.frames))),
        }
    }
}

impl Engine {
    /// Takes frames until the octets or the sink's room have come to an end.
    pub(super) fn handle_traffic(
        &mut self,
        now: Time,
        rest: &mut &[u8],
        sink: &mut impl Sink,
    ) -> Result<Step, Reason> {
        // Out of the way: the body that it has just opened may lie in it.
        let mut opener = self.opener.take();
        let mut room = sink.room();
        if let Some(message) = self.traffic.held.take() {
            self.hand_over(*message, &mut room, sink);
        }
        // Octets that were left when a PING came: if fewer are left in the end, the peer has been
        // heard after it.
        let mut left_at_ping = 0;
        let step = loop {
            if self.traffic.held.is_some() {
                break Step::Full;
            }
            let is_plain = opener.is_none() && self.traffic.taste == Taste::Messages;
            if is_plain && self.reader.is_idle() {
                self.take_small_messages(rest, &mut room, sink);
                let message_next = rest.first().is_some_and(|flags| flags & COMMAND == 0);
                if room == 0 && message_next {
                    break Step::Full;
                }
            }
            let Engine {
                reader,
                traffic,
                config,
                ..
            } = self;
            let frame = match &mut opener {
                None => reader.next(rest, |header| traffic.admit(config, header))?,
                Some(opener) => reader
                    .next(rest, |header| traffic.admit_sealed(config, header))?
                    .map(|(_, sealed)| traffic.open(config, opener, sealed))
                    .transpose()?,
            };
            let Some((header, body)) = frame else {
                break Step::Drained;
            };
            if header.command {
                if self.handle_command(now, body, sink)? {
                    left_at_ping = rest.len();
                }
            } else if let Some(message) = self.traffic.handle_frame(header, body, sink) {
                self.hand_over(message, &mut room, sink);
            }
        };
        if rest.len() < left_at_ping {
            self.heartbeat.heard_after_ping();
        }
        if let Some(opener) = &mut opener {
            opener.tidy_up();
        }
        self.opener = opener;
        Ok(step)
    }

    #[inline]
    fn hand_over(&mut self, message: Message, room: &mut usize, sink: &mut impl Sink) {
        match room.checked_sub(1) {
            Some(left) => {
                *room = left;
                sink.message(message);
            }
            None => self.traffic.held = Some(Box::new(message)),
        }
    }

    /// The short way for what is most frequent: runs of messages of one short frame, whole in
    /// the input. Stops at anything else.
    #[inline]
    fn take_small_messages(&mut self, rest: &mut &[u8], room: &mut usize, sink: &mut impl Sink) {
        if !self.traffic.frames.is_empty() || self.config.message_frames_max == 0 {
            return;
        }
        let octets_max = self.config.message_octets_max;
        while let Some(left) = room.checked_sub(1) {
            let [0, size, tail @ ..] = *rest else {
                return;
            };
            let Some((body, others)) = tail.split_at_checked(usize::from(*size)) else {
                return;
            };
            if u64::from(*size) > octets_max {
                return;
            }
            *room = left;
            *rest = others;
            match body.len() <= INLINE_OCTETS_MAX {
                true => sink.small_message(body),
                false => sink.message(Message::from(Frame::copy_from(body))),
            }
        }
    }

    /// `true`: it was a PING.
    fn handle_command(
        &mut self,
        now: Time,
        body: Body<'_>,
        sink: &mut impl Sink,
    ) -> Result<bool, Reason> {
        if self.revision == Some(Revision::V2_0) {
            return Ok(false);
        }
        let Some(command) = Command::parse(&body) else {
            return Ok(false);
        };
        let publishes = self.config.socket_type.publishes();
        let topic_at = command.name.len().saturating_add(1);
        match command.name {
            b"PING" => {
                let malformed = Reason::Protocol(ProtocolError::MalformedCommand);
                let (ttl, context) = parse_ping(command.data).ok_or(malformed)?;
                self.heartbeat.handle_ping(now, ttl, context);
                return Ok(true);
            }
            b"SUBSCRIBE" if publishes => sink.subscribe(body.into_tail(topic_at)),
            b"CANCEL" if publishes => sink.cancel(body.into_tail(topic_at)),
            _ => {}
        }
        Ok(false)
    }
}
