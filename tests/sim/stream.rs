//! Connections: two directions of octets, each with a bounded buffer, a way that takes time, and
//! the ways it can end.
//!
//! ```text
//!   write ──► in flight ──────────► due ──────────► received ──► read
//!             arrival times,        held back by    the reader's
//!             in pieces, in order   a clog          kernel buffer
//!             └────────────── capacity ──────────────────┘
//! ```
//!
//! A stream's state holds the direction *towards* it. Its peer writes into that, and reads from
//! its own.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    time::Duration,
};

use hubless::{
    Time,
    internals::reactor::metal::{Address, SourceId},
};

use super::net::{Happening, Net};

/// One end of a connection.
#[derive(Debug)]
pub struct StreamState {
    pub(super) phase: Phase,
    pub(super) local: Address,
    pub(super) remote: Address,
    /// Nobody holds this end any more.
    pub(super) dropped: bool,

    /// Octets that were written, ever, and octets that were read.
    written: usize,
    read: usize,
    in_flight: VecDeque<u8>,
    /// Of those, how many have come as far as the clog.
    due: usize,
    received: VecDeque<u8>,
    /// No piece may overtake the one before it.
    last_arrival: Time,
    clogged: bool,
    /// Nothing reaches this end any more, not even that the other one is gone.
    silent: bool,
    /// The peer's last octet was sent; it was seen.
    ending: bool,
    ended: bool,

    /// Our own direction ended; writes fail.
    half_closed: bool,
    /// The connection was reset; the first call that learns of it gets the error.
    lost: bool,
    lost_told: bool,

    /// The reader met the end of what there was: the next octet is an edge.
    drained: bool,
    /// The writer met the end of the room: the next room is an edge.
    blocked: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Connecting,
    Failed(ErrorKind),
    With(SourceId),
}

impl StreamState {
    pub(super) fn new(phase: Phase, local: Address, remote: Address) -> StreamState {
        StreamState {
            phase,
            local,
            remote,
            dropped: false,
            written: 0,
            read: 0,
            in_flight: VecDeque::new(),
            due: 0,
            received: VecDeque::new(),
            last_arrival: Time::START,
            clogged: false,
            silent: false,
            ending: false,
            ended: false,
            half_closed: false,
            lost: false,
            lost_told: false,
            drained: true,
            blocked: true,
        }
    }

    pub(super) fn is_readable(&self) -> bool {
        !self.received.is_empty() || self.is_closed()
    }

    fn is_closed(&self) -> bool {
        self.ended || self.lost || matches!(self.phase, Phase::Failed(_))
    }

    fn peer(&self) -> Option<SourceId> {
        match self.phase {
            Phase::With(peer) => Some(peer),
            _ => None,
        }
    }
}

impl Net {
    pub(super) fn finish_connect(&mut self, id: SourceId) -> io::Result<()> {
        match self.streams[&id].phase {
            Phase::Connecting => Err(ErrorKind::WouldBlock.into()),
            Phase::Failed(kind) => Err(kind.into()),
            Phase::With(_) => Ok(()),
        }
    }

    pub(super) fn read(
        &mut self,
        id: SourceId,
        into: &mut Vec<u8>,
        limit: usize,
    ) -> io::Result<usize> {
        let result = self.read_some(id, into, limit);
        self.note("read", id, outcome(&result));
        result
    }

    fn read_some(&mut self, id: SourceId, into: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        assert!(
            limit > 0,
            "a read of nothing cannot tell the end from emptiness"
        );
        let stream = self.streams.get_mut(&id).expect("open");
        let peer = match stream.phase {
            Phase::Connecting => return Err(ErrorKind::WouldBlock.into()),
            Phase::Failed(kind) => return Err(kind.into()),
            Phase::With(peer) => peer,
        };
        if stream.received.is_empty() {
            if stream.lost && !std::mem::replace(&mut stream.lost_told, true) {
                return Err(ErrorKind::ConnectionReset.into());
            }
            if stream.lost || stream.ended {
                return Ok(0);
            }
            stream.drained = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.dice.chance(self.faults.would_block) {
            self.tell_later(id, true, false);
            return Err(ErrorKind::WouldBlock.into());
        }
        let most = limit.min(stream.received.len());
        let (count, cut) = cut_short(&mut self.dice, &self.faults, most);
        into.extend(stream.received.drain(..count));
        stream.read += count;
        if stream.received.is_empty() {
            stream.drained = count < limit;
        } else if cut {
            // To the reader it looks as if the rest came just now.
            self.tell_later(id, true, false);
        }
        if self.streams[&peer].blocked {
            let wait = self.latency();
            self.after(wait, Happening::Room { stream: peer });
        }
        Ok(count)
    }

    pub(super) fn write(&mut self, id: SourceId, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let result = self.write_some(id, slices);
        self.note("write", id, outcome(&result));
        result
    }

    fn write_some(&mut self, id: SourceId, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "a write of nothing");
        let stream = self.streams.get_mut(&id).expect("open");
        let peer = match stream.phase {
            Phase::Connecting => return Err(ErrorKind::WouldBlock.into()),
            Phase::Failed(kind) => return Err(kind.into()),
            Phase::With(peer) => peer,
        };
        if stream.lost {
            stream.lost_told = true;
            return Err(ErrorKind::ConnectionReset.into());
        }
        if stream.half_closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room = self.room_towards(peer);
        if room == 0 {
            self.streams.get_mut(&id).expect("open").blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.dice.chance(self.faults.would_block) {
            self.tell_later(id, false, true);
            return Err(ErrorKind::WouldBlock.into());
        }
        let most = offered.min(room);
        let (count, cut) = cut_short(&mut self.dice, &self.faults, most);
        let octets: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .take(count)
            .collect();
        self.send_off(peer, &octets);
        if cut {
            self.tell_later(id, false, true);
        } else if count < offered {
            self.streams.get_mut(&id).expect("open").blocked = true;
        }
        self.throw_trouble(id, peer);
        Ok(count)
    }

    /// Puts octets on their way, in up to three pieces.
    fn send_off(&mut self, to: SourceId, octets: &[u8]) {
        let mut left = octets.len();
        for piece in (0..3_u64).rev() {
            let octets = if piece == 0 || self.dice.chance(500) {
                left
            } else {
                self.dice.index(left + 1)
            };
            if octets > 0 {
                let time = self.arrival(to);
                self.at(time, Happening::Arrive { stream: to, octets });
                left -= octets;
            }
        }
        let stream = self.streams.get_mut(&to).expect("never removed");
        stream.in_flight.extend(octets);
        stream.written += octets.len();
    }

    /// When what is sent now arrives: behind all that was sent before.
    fn arrival(&mut self, to: SourceId) -> Time {
        let time = self.now + self.latency();
        let stream = self.streams.get_mut(&to).expect("never removed");
        stream.last_arrival = stream.last_arrival.max(time);
        stream.last_arrival
    }

    /// What may befall a connection that is in use.
    fn throw_trouble(&mut self, id: SourceId, peer: SourceId) {
        if self.dice.chance(self.faults.reset) {
            let wait = self.latency();
            let first = if self.dice.chance(500) { id } else { peer };
            self.after(wait, Happening::Lose { stream: first });
        }
        if self.dice.chance(self.faults.half_close) {
            let wait = self.latency();
            self.after(wait, Happening::HalfClose { stream: id });
        }
        if self.dice.chance(self.faults.clog) {
            self.clog(peer);
        }
        if self.dice.chance(self.faults.silence) {
            self.note("silence", id, 0);
            for end in [id, peer] {
                self.streams.get_mut(&end).expect("never removed").silent = true;
            }
        }
        if self.dice.chance(self.faults.swizzle) {
            let all: Vec<SourceId> = self.streams.keys().copied().collect();
            for stream in all {
                self.clog(stream);
            }
        }
    }

    fn clog(&mut self, id: SourceId) {
        let stream = self.streams.get_mut(&id).expect("never removed");
        if !stream.clogged && !stream.dropped {
            stream.clogged = true;
            let wait = self.up_to(CLOG);
            self.note("clog", id, wait.as_nanos() as u64);
            self.after(wait, Happening::Unclog { stream: id });
        }
    }

    pub(super) fn unclog(&mut self, id: SourceId) {
        let stream = self.streams.get_mut(&id).expect("never removed");
        if stream.clogged {
            stream.clogged = false;
            self.note("unclog", id, 0);
            self.land(id);
        }
    }

    /// Who sat on a silent connection learns that it is dead.
    pub fn end_silence(&mut self) {
        let all = self.streams.iter_mut();
        let silent =
            all.filter_map(|(id, stream)| std::mem::take(&mut stream.silent).then_some(*id));
        let silent: Vec<SourceId> = silent.collect();
        for stream in silent {
            self.lose(stream);
        }
    }

    pub(super) fn clogged_streams(&self) -> Vec<SourceId> {
        let clogged = self.streams.iter().filter(|(_, stream)| stream.clogged);
        clogged.map(|(id, _)| *id).collect()
    }

    /// A piece has come to the end of its way.
    pub(super) fn arrive(&mut self, id: SourceId, octets: usize) {
        let stream = self.streams.get_mut(&id).expect("never removed");
        // A reset may have emptied the way.
        stream.due = (stream.due + octets).min(stream.in_flight.len());
        self.note("arrive", id, octets as u64);
        self.land(id);
    }

    /// The last octet has come to the end of its way.
    pub(super) fn end(&mut self, id: SourceId) {
        self.streams.get_mut(&id).expect("never removed").ending = true;
        self.land(id);
    }

    /// Moves what is due to where it can be read, unless there is a clog.
    fn land(&mut self, id: SourceId) {
        let stream = self.streams.get_mut(&id).expect("never removed");
        if stream.clogged || stream.silent || stream.lost {
            return;
        }
        let octets = std::mem::take(&mut stream.due);
        if stream.dropped {
            // Octets for an end that is gone: the kernel answers with a reset.
            stream.in_flight.drain(..octets);
            if let (true, Some(peer)) = (octets > 0, stream.peer()) {
                let wait = self.latency();
                self.after(wait, Happening::Lose { stream: peer });
            }
            return;
        }
        stream.received.extend(stream.in_flight.drain(..octets));
        let ends_now = stream.ending && !stream.ended && stream.in_flight.is_empty();
        stream.ended |= ends_now;
        if (octets > 0 && std::mem::take(&mut stream.drained)) || ends_now {
            self.tell(id, true, false);
        }
    }

    /// Room was made at the peer.
    pub(super) fn room(&mut self, id: SourceId) {
        if self.is_writable(id) {
            let stream = self.streams.get_mut(&id).expect("never removed");
            if std::mem::take(&mut stream.blocked) && !stream.dropped {
                self.tell(id, false, true);
            }
        }
    }

    /// Room for octets towards `to`.
    fn room_towards(&self, to: SourceId) -> usize {
        let stream = &self.streams[&to];
        let held = stream.in_flight.len() + stream.received.len();
        self.faults.capacity_octets.saturating_sub(held)
    }

    pub(super) fn is_writable(&self, id: SourceId) -> bool {
        let stream = &self.streams[&id];
        match stream.phase {
            Phase::Connecting => false,
            Phase::Failed(_) => true,
            Phase::With(peer) => stream.lost || stream.half_closed || self.room_towards(peer) > 0,
        }
    }

    /// Has the peer closed this source, or has it failed?
    pub(super) fn is_closed(&self, source: SourceId) -> bool {
        let stream = self.streams.get(&source);
        stream.is_some_and(StreamState::is_closed)
    }

    /// This end learns that the connection was reset; what was on the way to it is gone, and
    /// perhaps what it had not read. The other end learns later.
    pub(super) fn lose(&mut self, id: SourceId) {
        let forget_received = self.dice.chance(500);
        let wait = self.latency();
        let stream = self.streams.get_mut(&id).expect("never removed");
        if stream.lost || stream.silent {
            return;
        }
        stream.lost = true;
        stream.in_flight.clear();
        stream.due = 0;
        if forget_received {
            stream.received.clear();
        }
        let peer = stream.peer();
        if !stream.dropped {
            self.note("lose", id, 0);
            self.tell(id, true, true);
        }
        if let Some(peer) = peer {
            self.after(wait, Happening::Lose { stream: peer });
        }
    }

    /// This end's own direction ends.
    pub(super) fn half_close(&mut self, id: SourceId) {
        let stream = self.streams.get_mut(&id).expect("never removed");
        if stream.half_closed || stream.lost || stream.dropped {
            return;
        }
        stream.half_closed = true;
        self.note("half close", id, 0);
        self.send_end(id);
        self.tell(id, false, true);
    }

    /// The last octet of this end leaves for the peer.
    fn send_end(&mut self, id: SourceId) {
        if let Some(peer) = self.streams[&id].peer() {
            let time = self.arrival(peer);
            self.at(time, Happening::End { stream: peer });
        }
    }

    /// Has no connection ended so far?
    pub fn is_intact(&self) -> bool {
        let mut made = self.streams.values().filter(|it| it.peer().is_some());
        made.all(|it| !(it.dropped || it.lost || it.half_closed))
    }

    /// Octets that were written and never read, of each direction of each connection that has
    /// ended; nothing of those that lost none.
    pub fn vanished(&self) -> impl Iterator<Item = usize> {
        let ended = self.streams.values().filter(|it| {
            let peer = it.peer().map(|peer| &self.streams[&peer]);
            it.dropped || it.lost || peer.is_some_and(|peer| peer.dropped || peer.lost)
        });
        ended
            .map(|it| it.written - it.read)
            .filter(|octets| *octets > 0)
    }

    pub(super) fn ends(&self, id: SourceId) -> (Address, Address) {
        let stream = &self.streams[&id];
        (stream.local.clone(), stream.remote.clone())
    }

    /// Registered: edges are owed for what was not reported as present.
    pub(super) fn owe_edges(&mut self, id: SourceId, readable: bool, writable: bool) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.drained = !readable;
            stream.blocked = !writable;
        }
    }

    /// Nobody holds this end any more. As the kernel does it: an orderly end, but a reset if
    /// something was left unread.
    pub(super) fn drop_stream(&mut self, id: SourceId) {
        self.forget_source(id);
        self.note("drop", id, 0);
        let stream = self.streams.get_mut(&id).expect("never removed");
        stream.dropped = true;
        let Some(peer) = stream.peer() else {
            return;
        };
        if stream.lost {
            return;
        }
        let unread = !stream.received.is_empty();
        stream.received.clear();
        if unread {
            let wait = self.latency();
            self.after(wait, Happening::Lose { stream: peer });
        } else if !stream.half_closed {
            self.send_end(id);
        }
    }
}

/// How much of `most` octets moves, and whether that is less for no reason.
fn cut_short(
    dice: &mut super::dice::Dice,
    faults: &super::faults::Faults,
    most: usize,
) -> (usize, bool) {
    let count = if dice.chance(faults.one_octet) {
        1
    } else if dice.chance(faults.short) {
        1 + dice.index(most)
    } else {
        most
    };
    (count, count < most)
}

/// A result as a number for the trace.
fn outcome(result: &io::Result<usize>) -> u64 {
    match result {
        Ok(octets) => *octets as u64,
        Err(error) => u64::MAX - error.kind() as u64,
    }
}

/// The longest a direction is clogged.
const CLOG: Duration = Duration::from_secs(2);
