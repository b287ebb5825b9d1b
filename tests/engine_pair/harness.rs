//! Two engines, the wires between them, and time.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use hubless::{
    AuthRequest, Message, SocketType, Time, Verdict,
    internals::{
        base::{options::Options, tuning},
        engine::{Config, Engine, Fault, Peer, Sealer, Sink, Step},
        wire::frame,
    },
};

/// A small generator of random numbers; a seed replays it.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

#[derive(Debug, PartialEq)]
pub enum Told {
    Message(Message),
    Subscribed(Bytes),
    Cancelled(Bytes),
}

#[derive(Debug)]
pub struct Inbox {
    pub told: Vec<Told>,
    pub room: usize,
}

impl Sink for Inbox {
    fn message(&mut self, message: Message) {
        self.room = self.room.checked_sub(1).expect("a message without room");
        self.told.push(Told::Message(message));
    }

    fn subscribe(&mut self, topic: Bytes) {
        self.told.push(Told::Subscribed(topic));
    }

    fn cancel(&mut self, topic: Bytes) {
        self.told.push(Told::Cancelled(topic));
    }

    fn room(&self) -> usize {
        self.room
    }
}

/// One end: an engine, what reached its application, and the wire towards it.
#[derive(Debug)]
pub struct Side {
    pub engine: Engine,
    pub inbox: Inbox,
    pub peer: Option<Peer>,
    pub fault: Option<Fault>,
    pub wire: VecDeque<u8>,
    /// It took no more than there was room for, and may hold a message.
    pub full: bool,
    /// What it must seal its frames with, once ready.
    pub sealer: Option<Sealer>,
    /// What it has asked and nobody has answered.
    pub asked: Option<AuthRequest>,
    /// The answer to what it asks; `None`: nobody answers.
    pub verdict: Option<Verdict>,
}

impl Side {
    pub fn new(config: Config, now: Time) -> Side {
        Side {
            engine: Engine::new(Arc::new(config), now),
            inbox: Inbox {
                told: Vec::new(),
                room: 0,
            },
            peer: None,
            fault: None,
            wire: VecDeque::new(),
            full: false,
            sealer: None,
            asked: None,
            verdict: Some(Verdict::allow_as("")),
        }
    }

    /// Takes at most `octets` octets from the wire, with room for `room` messages.
    pub fn take(&mut self, now: Time, octets: usize, room: usize) {
        self.inbox.room = room;
        let octets = octets.min(self.wire.len());
        let step = match self.engine.large_body() {
            Some((body, most)) if octets > 0 => {
                let octets = octets.min(most);
                body.extend(self.wire.drain(..octets));
                let step = self.engine.handle_large_body(now, octets, &mut self.inbox);
                step.map(|step| (0, step))
            }
            _ => {
                let input: Vec<u8> = self.wire.iter().take(octets).copied().collect();
                self.engine.handle_input(now, &input, &mut self.inbox)
            }
        };
        match step {
            Ok((taken, step)) => {
                self.wire.drain(..taken);
                self.full = matches!(step, Step::Full);
                match step {
                    Step::Drained => assert!(taken == octets || taken == 0),
                    Step::Ready(peer) => assert!(self.peer.replace(*peer).is_none()),
                    Step::Asks(request) => self.asked = Some(*request),
                    Step::Full => assert_eq!(self.inbox.room, 0),
                }
            }
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// What it has to say, as it goes on the wire.
    pub fn output(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.engine.poll_output(&mut out);
        match self.engine.take_sealer() {
            // The handshake ends with what was in the output.
            Some(sealer) => self.sealer = Some(sealer),
            None => out = self.sealed(out),
        }
        out
    }

    /// Frames as they go on the wire.
    pub fn sealed(&mut self, frames: Vec<u8>) -> Vec<u8> {
        let Some(sealer) = &mut self.sealer else {
            return frames;
        };
        let (mut rest, mut out) = (&frames[..], Vec::new());
        while let Some((header, taken)) = frame::Header::decode(rest).expect("63 bits") {
            let (body, others) = rest[taken..].split_at(header.octets as usize);
            let sealed = sealer.seal(header.more, header.command, body, &mut out);
            sealed.expect("counters are left");
            rest = others;
        }
        out
    }

    /// Answers what it has asked, if it shall be answered.
    pub fn judge(&mut self, now: Time) {
        let (Some(_), Some(verdict)) = (&self.asked, &self.verdict) else {
            return;
        };
        self.asked = None;
        match self.engine.handle_verdict(now, verdict.clone()) {
            Ok(Step::Ready(peer)) => assert!(self.peer.replace(*peer).is_none()),
            Ok(step) => assert!(matches!(step, Step::Drained)),
            Err(fault) => self.fault = Some(fault),
        }
    }

    pub fn messages(&mut self) -> Vec<Message> {
        let told = self.inbox.told.drain(..);
        told.map(|told| match told {
            Told::Message(message) => message,
            other => panic!("no message: {other:?}"),
        })
        .collect()
    }
}

#[derive(Debug)]
pub struct Pair {
    pub sides: [Side; 2],
    pub now: Time,
    pub random: Random,
    /// Octets in a piece, at most.
    pub piece: usize,
    /// Room for messages in a piece, at most.
    pub room: usize,
}

/// The types that meet an engine: a STREAM speaks no ZMTP.
pub fn zmtp_types() -> impl Iterator<Item = SocketType> {
    SocketType::ALL
        .into_iter()
        .filter(|socket_type| socket_type.speaks_zmtp())
}

pub fn config(socket_type: SocketType) -> Config {
    Config::from_options(socket_type, &Options::default())
}

impl Pair {
    pub fn new(left: Config, right: Config, seed: u64, piece: usize) -> Pair {
        Pair {
            sides: [left, right].map(|config| Side::new(config, Time::START)),
            now: Time::START,
            random: Random(seed),
            piece,
            room: 1000,
        }
    }

    pub fn ready(left: Config, right: Config, seed: u64, piece: usize) -> Pair {
        let mut pair = Pair::new(left, right, seed, piece);
        pair.settle();
        assert!(pair.sides.iter().all(|side| side.engine.is_ready()));
        pair
    }

    /// Puts what an engine has to say on the other's wire.
    pub fn poll(&mut self) {
        for from in 0..2 {
            let out = self.sides[from].output();
            self.sides[1 - from].wire.extend(out);
        }
    }

    /// Lets octets flow until nothing moves.
    pub fn settle(&mut self) {
        loop {
            self.poll();
            let mut moved = false;
            for side in &mut self.sides {
                if side.fault.is_none() && (side.full || !side.wire.is_empty()) {
                    let octets = 1 + self.random.below(self.piece);
                    let room = 1 + self.random.below(self.room);
                    side.take(self.now, octets, room);
                    side.judge(self.now);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// `settle`s at each deadline that passes; `deaf` sides hear nothing.
    pub fn pass(&mut self, wait: Duration, deaf: bool) {
        let end = self.now + wait;
        loop {
            let due = |side: &Side| side.engine.poll_timeout();
            let due = self.sides.iter().filter_map(due).min();
            self.now = due.map_or(end, |due| due.min(end));
            for side in &mut self.sides {
                if let Err(fault) = side.engine.handle_timeout(self.now) {
                    side.fault = Some(fault);
                }
            }
            self.poll();
            if deaf {
                self.sides.iter_mut().for_each(|side| side.wire.clear());
            } else {
                self.settle();
            }
            if self.now == end {
                return;
            }
        }
    }

    pub fn send(&mut self, to: usize, message: &Message) {
        let mut out = Vec::new();
        frame::encode(message.frames(), &mut out);
        let out = self.sides[1 - to].sealed(out);
        self.sides[to].wire.extend(out);
    }
}

/// A message of random shape; the sizes are those at which something changes.
pub fn message(random: &mut Random) -> Message {
    const SIZES: [usize; 12] = [
        0,
        1,
        63,
        64,
        65,
        255,
        256,
        257,
        1000,
        tuning::LARGE_OCTETS - 1,
        tuning::LARGE_OCTETS,
        100_000,
    ];
    let frames = random.pick(&[1, 1, 1, 2, 3, 10]);
    let mut message = Message::new();
    for _ in 0..frames {
        let octets = random.pick(&SIZES);
        let fill = random.next() as u8;
        message.push(vec![fill; octets]);
    }
    message
}

pub fn beating(socket_type: SocketType, interval: u64) -> Config {
    Config {
        heartbeat_interval: Some(Duration::from_secs(interval)),
        heartbeat_ttl: Some(Duration::from_secs(5 * interval)),
        ..config(socket_type)
    }
}
