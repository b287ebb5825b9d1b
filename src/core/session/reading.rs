//! What a session reads, and where it goes.
//!
//! ```text
//!   stopped? ── the lane has room: what was left over first
//!      │
//!      ▼        ┌ a large body under way: straight into its own buffer
//!   read ───────┤
//!      ▲        └ else into the thread's scratch ─► engine ─► batch ─► lane
//!      │                                                       │ full: the rest is left over, stopped
//!      └── as much as asked for came, and the turn is not over ┘
//! ```
//!
//! How much is asked for is about what the lane has room for, so that little is left over.

use std::{collections::VecDeque, io, sync::Arc};

use bytes::Bytes;

use super::{Scratch, Session};
use crate::{
    base::{
        event::Reason,
        message::{Frame, Message},
        time::Time,
        tuning,
    },
    core::{bells::Bells, socket::Socket},
    engine::{Engine, Fault, Sink},
};

impl Session {
    /// Reads until there is no more, the lane is full, or others must have their turn (true).
    pub(super) fn read(
        &mut self,
        socket: &Socket,
        entry: usize,
        scratch: &mut Scratch,
        now: Time,
        bells: &mut Bells,
    ) -> Result<bool, Fault> {
        let Scratch { octets, batch, .. } = scratch;
        if self.engine.starts_at_once() {
            self.feed(socket, entry, &[], batch, now, bells)?;
        }
        let mut budget = tuning::TURN_OCTETS;
        loop {
            if self.stopped {
                if self.received.room() == 0 {
                    return Ok(false);
                }
                self.stopped = false;
                self.engine.resume_reading(now);
                // The engine may hold a finished message, besides what was not taken.
                let left = std::mem::take(&mut self.leftover);
                let from = std::mem::take(&mut self.leftover_taken);
                let taken = from + self.feed(socket, entry, &left[from..], batch, now, bells)?;
                if taken < left.len() {
                    self.leftover = left;
                    self.leftover_taken = taken;
                }
                continue;
            }
            let (read, limit) = match self.engine.large_body() {
                Some((body, limit)) => {
                    socket.work.note_read();
                    let read = self.link.stream.read(body, limit);
                    let count = self.judge(read)?;
                    if let Some(count) = count {
                        self.feed_body(socket, entry, count, batch, now, bells)?;
                    }
                    (count, limit)
                }
                None => {
                    octets.clear();
                    let limit = self.read_limit();
                    socket.work.note_read();
                    let read = self.link.stream.read(octets, limit);
                    let count = self.judge(read)?;
                    if count.is_some() {
                        let taken = self.feed(socket, entry, octets, batch, now, bells)?;
                        self.leftover.extend_from_slice(&octets[taken..]);
                    }
                    (count, limit)
                }
            };
            let Some(count) = read else { return Ok(false) };
            // Fewer octets than asked for: there are none left, and an edge will tell of more.
            if count < limit && !self.ending && !self.stopped {
                return Ok(false);
            }
            budget = budget.saturating_sub(count);
            if budget == 0 {
                return Ok(true);
            }
        }
    }

    /// How many octets to read: a header, where that of another large body is likely; else about as
    /// many as the lane has room for, so that little is left over and has to be kept.
    fn read_limit(&self) -> usize {
        let wanted = match self.message_octets {
            _ if self.expects_large => tuning::READ_OCTETS_AHEAD,
            0 => tuning::READ_OCTETS,
            octets => octets
                .saturating_mul(self.received.room())
                .clamp(tuning::READ_OCTETS_MIN, tuning::READ_OCTETS),
        };
        wanted.min(self.read_octets_max)
    }

    /// What a read has come to: octets, nothing now (`None`), or the end.
    fn judge(&mut self, read: io::Result<usize>) -> Result<Option<usize>, Fault> {
        match read {
            Ok(0) => Err(self.engine.handle_end()),
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => {
                let in_handshake = !self.engine.is_ready();
                let reason = Reason::Io(Arc::new(error));
                Err(Fault {
                    reason,
                    in_handshake,
                    retry: true,
                })
            }
        }
    }

    /// Decodes octets. Answers how many were taken before the lane was full.
    fn feed(
        &mut self,
        socket: &Socket,
        entry: usize,
        octets: &[u8],
        batch: &mut VecDeque<Message>,
        now: Time,
        bells: &mut Bells,
    ) -> Result<usize, Fault> {
        let mut at = 0;
        self.decoded = 0;
        loop {
            let (result, refused) = self.intake(socket, batch, bells, |engine, intake| {
                engine.handle_input(now, &octets[at..], intake)
            });
            let (taken, step) = result?;
            refused?;
            at += taken;
            self.expects_large &= self.decoded == 0;
            self.message_octets = at.checked_div(self.decoded).unwrap_or(0);
            if !self.step(socket, entry, step, bells)? {
                return Ok(at);
            }
        }
    }

    /// Tells the engine that octets were read into a large body.
    fn feed_body(
        &mut self,
        socket: &Socket,
        entry: usize,
        count: usize,
        batch: &mut VecDeque<Message>,
        now: Time,
        bells: &mut Bells,
    ) -> Result<(), Fault> {
        self.decoded = 0;
        let (result, refused) = self.intake(socket, batch, bells, |engine, intake| {
            engine.handle_large_body(now, count, intake)
        });
        let step = result?;
        refused?;
        self.expects_large |= self.decoded > 0;
        if self.step(socket, entry, step, bells)? {
            self.feed(socket, entry, &[], batch, now, bells)?;
        }
        Ok(())
    }

    /// Lets the engine decode, and passes on what comes out: also what came before an error.
    fn intake<R>(
        &mut self,
        socket: &Socket,
        batch: &mut VecDeque<Message>,
        bells: &mut Bells,
        act: impl FnOnce(&mut Engine, &mut Intake<'_>) -> R,
    ) -> (R, Result<(), Fault>) {
        let room = self.received.room();
        let peer = self.peer.filter(|_| self.engine.is_ready());
        let mut intake = Intake {
            socket,
            peer,
            batch,
            room,
            refused: None,
            bells,
        };
        let result = act(&mut self.engine, &mut intake);
        let refused = intake.refused.take();
        self.decoded += batch.len();
        if self.received.push_batch(batch) {
            if let Some((key, serial)) = self.peer {
                socket.note_readable(key, serial, bells);
            }
        }
        let fault = |reason| Fault {
            reason,
            in_handshake: false,
            retry: false,
        };
        (result, refused.map_or(Ok(()), |reason| Err(fault(reason))))
    }
}

/// Where decoded things go.
struct Intake<'a> {
    socket: &'a Socket,
    peer: Option<(usize, u64)>,
    batch: &'a mut VecDeque<Message>,
    room: usize,
    refused: Option<Reason>,
    bells: &'a mut Bells,
}

impl Intake<'_> {
    #[inline]
    fn make_room(&mut self) {
        if self.batch.capacity() == 0 {
            // It stays with the lane, and many a peer says one thing and then nothing.
            self.batch.reserve_exact(1);
        }
    }

    fn subscription(&mut self, topic: &Bytes, subscribe: bool) {
        let Some((key, serial)) = self.peer else {
            return;
        };
        let heard = self
            .socket
            .note_subscription(key, serial, topic, subscribe, self.bells);
        if let Err(reason) = heard {
            self.refused.get_or_insert(reason);
        }
    }
}

impl Sink for Intake<'_> {
    #[inline]
    fn message(&mut self, message: Message) {
        // A type that does not receive would leave it unread, and its lane full.
        if self.socket.receives {
            self.make_room();
            self.batch.push_back(message);
        }
    }

    /// It is made where it will lie: octets that were just written are not moved from one place
    /// to another at once, which costs several times what writing them does.
    #[inline]
    fn small_message(&mut self, octets: &[u8]) {
        if self.socket.receives {
            self.make_room();
            self.batch.push_back(Message::from(Frame::empty()));
            if let Some(message) = self.batch.back_mut() {
                message.fill(octets);
            }
        }
    }

    fn subscribe(&mut self, topic: Bytes) {
        self.subscription(&topic, true);
    }

    fn cancel(&mut self, topic: Bytes) {
        self.subscription(&topic, false);
    }

    #[inline]
    fn room(&self) -> usize {
        if self.refused.is_some() {
            0
        } else {
            self.room.saturating_sub(self.batch.len())
        }
    }
}
