//! What a socket's lock guards: the pattern, its peers, and who waits.
//!
//! The pattern says what is to be done in [`Effects`]; here they are followed up, into notes of
//! what to do once the lock is released ([`Bells`]).

use std::sync::Arc;

use slab::Slab;

use super::{
    attach::{Attached, Wire},
    bells::{Bells, Remote, Word},
    endpoints::Ends,
    link::Link,
    socket::{Socket, To},
    times::Timed,
    wait::Waiters,
    watch::Watchers,
};
use crate::{
    base::{
        error::{RecvError, SendError},
        event::EventKind,
        interest::Interest,
        message::{Frame, Message},
        options::Options,
        socket_type::SocketType,
        stats::LaneStats,
        sync::Ordering,
        tuning,
    },
    pattern::{Effects, Nothing, Pattern, Peers, Received, Refusal},
    pipe::{Accepted, Lane},
};

/// What the socket's lock guards.
pub(super) struct State {
    pub(super) pattern: Pattern,
    pub(super) peers: Peers,
    /// The same keys as `peers`.
    pub(super) attached: Slab<Attached>,
    pub(super) effects: Effects,
    pub(super) recv_waiters: Waiters,
    pub(super) send_waiters: Waiters,
    /// Those who wait for peers, subscribers or the end.
    pub(super) change_waiters: Waiters,
    /// Those who want to know what is ready, and take nothing.
    pub(super) watchers: Watchers,
    /// Peers whose octets a sender left lying.
    pub(super) unflushed: Vec<usize>,
    /// Sweeps so far: by them it is known what has lain for long.
    pub(super) sweeps: u64,
    /// The next send writes at once: its caller has waited, and so does perhaps its peer.
    pub(super) eager: bool,
    pub(super) phase: Phase,
    /// Open, and nobody wants to know of each call: messages may take the short way.
    pub(super) plain: bool,
    /// Octets of the largest message that is sent, if that is said: then none takes the short way.
    sent_octets_max: Option<usize>,
    /// Whoever receives wants to know who has sent it.
    pub(super) tells_who: bool,
    /// A lane at its mark is left to others, so that who does not wait finds it full.
    pub(super) feels_marks: bool,
    /// Blocking calls are refused: see [`interrupt`](super::interrupt).
    pub(super) interrupted: bool,
    /// Messages handed to the application, ever.
    pub(super) received: u64,
    /// Everything bound and connected.
    pub(super) ends: Ends,
    /// Peers that have left, and whose messages are not all taken yet.
    pub(super) departed: usize,
    /// Counters of peers that are gone: sent, received.
    pub(super) past: (LaneStats, LaneStats),
    /// Handshakes done, ever; and those of them with a peer that was connected before.
    pub(super) connections: u64,
    pub(super) reconnects: u64,
    /// Lanes of peers that are gone, which the other side (inproc) has not read to the end.
    pub(super) leaving: Vec<Arc<Lane>>,
    /// Of a socket that times its messages.
    pub(super) timed: Option<Box<Timed>>,
}

/// A socket's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Nothing more is taken; what is queued still leaves.
    Closing,
    Closed,
}

/// Why a send did not happen.
#[derive(Clone, Copy)]
pub(super) enum Refused {
    By(Refusal),
    TooLarge,
    Closed,
}

impl Refused {
    /// As an error that gives the message back.
    pub(super) fn with(self, message: Message) -> SendError {
        match self {
            Refused::By(Refusal::Full) => SendError::Full(message),
            Refused::By(Refusal::Unroutable) => SendError::Unroutable(message),
            Refused::By(Refusal::Busy | Refusal::WrongState) => SendError::WrongState(message),
            Refused::TooLarge => SendError::TooLarge(message),
            Refused::Closed => SendError::Closed(message),
        }
    }
}

impl State {
    pub(super) fn new(
        socket_type: SocketType,
        options: &Options,
        sent_octets_max: Option<usize>,
        random: u64,
    ) -> State {
        State {
            pattern: Pattern::new(socket_type, options, random),
            peers: Peers::new(),
            attached: Slab::new(),
            effects: Effects::default(),
            recv_waiters: Waiters::default(),
            send_waiters: Waiters::default(),
            change_waiters: Waiters::default(),
            watchers: Watchers::default(),
            unflushed: Vec::new(),
            sweeps: 0,
            eager: true,
            phase: Phase::Open,
            plain: sent_octets_max.is_none(),
            sent_octets_max,
            interrupted: false,
            tells_who: false,
            feels_marks: false,
            received: 0,
            ends: Ends::default(),
            departed: 0,
            past: Default::default(),
            connections: 0,
            reconnects: 0,
            leaving: Vec::new(),
            timed: (options.time_one_in > 0).then(Box::default),
        }
    }

    /// To be called after what decides upon the short way has changed.
    pub(super) fn settle_ways(&mut self) {
        let noted = self.interrupted || self.watchers.are_steady() || self.is_serving();
        self.plain = self.phase == Phase::Open && !noted && self.sent_octets_max.is_none();
    }

    /// Is it larger than messages may be?
    pub(super) fn is_too_large(&self, message: &Message) -> bool {
        self.sent_octets_max
            .is_some_and(|most| message.octets() > most)
    }

    #[inline]
    pub(super) fn send(
        &mut self,
        socket: &Socket,
        to: To<'_>,
        message: &Message,
        bells: &mut Bells,
    ) -> Result<(), Refused> {
        if self.phase != Phase::Open {
            return Err(Refused::Closed);
        }
        if self.is_too_large(message) {
            return Err(Refused::TooLarge);
        }
        let nothing;
        let message = if message.is_empty() {
            nothing = Message::from(Frame::empty());
            &nothing
        } else {
            message
        };
        let State {
            pattern,
            peers,
            effects,
            ..
        } = self;
        let result = match to {
            To::Anyone | To::InTurn => pattern.send(peers, message, effects),
            To::Peer(identity) => pattern.send_to(peers, identity, message, effects),
        };
        self.follow(socket, bells);
        result.map_err(Refused::By)
    }

    /// Receives. What that is are some 200 octets: it goes `into` the caller's
    /// place at once, and `see` is told whom it came from.
    #[inline]
    pub(super) fn recv_into(
        &mut self,
        socket: &Socket,
        bells: &mut Bells,
        into: &mut Option<Received>,
        see: impl FnOnce(&Slab<Attached>, usize),
    ) -> Result<(), RecvError> {
        if self.phase != Phase::Open {
            return Err(RecvError::Closed);
        }
        self.note_back(socket);
        let State {
            pattern,
            peers,
            effects,
            ..
        } = self;
        let result = pattern.recv(peers, effects).map(|received| {
            let received = into.insert(received);
            if self.tells_who {
                let sender = self.attached.get(received.from);
                received.info = sender.and_then(Attached::sender).cloned();
            }
            see(&self.attached, received.from);
            received.from
        });
        if let (Ok(from), true) = (&result, self.timed.is_some()) {
            self.note_takes(*from);
        }
        if !self.effects.is_empty() {
            self.follow(socket, bells);
        }
        if self.watchers.are_steady() {
            self.note_drained(bells);
            self.follow(socket, bells);
        }
        match result {
            Ok(_) => {
                self.received += 1;
                if socket.socket_type.is_lock_step() && self.pattern.is_heard_out() {
                    socket.called.store(false, Ordering::Relaxed);
                }
                if matches!(self.pattern, Pattern::Req(_)) {
                    self.wake_sender(bells);
                }
                Ok(())
            }
            Err(Nothing::Empty) => {
                socket.called.store(false, Ordering::Relaxed);
                Err(RecvError::Empty)
            }
            Err(Nothing::WrongState) => Err(RecvError::WrongState),
            Err(Nothing::PeerLost) => {
                self.wake_sender(bells);
                Err(RecvError::PeerLost)
            }
        }
    }

    /// Messages of a peer have come, after there were none.
    pub(super) fn readable(&mut self, key: usize, bells: &mut Bells) {
        self.pattern.readable(key);
        self.wake_receiver(bells);
    }

    /// One of those who wait for a message looks again.
    pub(super) fn wake_receiver(&mut self, bells: &mut Bells) {
        bells.wakers.extend(self.recv_waiters.pop());
        self.watchers.ring(Interest::READABLE, bells);
    }

    /// One of those who wait for room looks again.
    pub(super) fn wake_sender(&mut self, bells: &mut Bells) {
        bells.wakers.extend(self.send_waiters.pop());
        self.watchers.ring(Interest::WRITABLE, bells);
    }

    /// All of those who wait for room look again: some wait for that of a certain peer.
    fn wake_senders(&mut self, bells: &mut Bells) {
        bells.wakers.extend(self.send_waiters.all());
        self.watchers.ring(Interest::WRITABLE, bells);
    }

    /// A peer's lane has room, after there was none.
    pub(super) fn writable(&mut self, socket: &Socket, key: usize, bells: &mut Bells) {
        self.pattern.writable(key);
        match self.pattern {
            // Who waits for room at another peer has no use for this, and would keep it to himself.
            Pattern::Publish(_) | Pattern::Router(_) | Pattern::Stream(_) => {
                self.wake_senders(bells);
            }
            _ => self.wake_sender(bells),
        }
        let attached = &mut self.attached[key];
        if std::mem::take(&mut attached.congested) {
            attached.tell(socket, || EventKind::Drained, bells);
        }
    }

    /// The first of each line looks again.
    pub(super) fn wake_one_of_each(&mut self, bells: &mut Bells) {
        bells.wakers.extend(self.recv_waiters.pop());
        bells.wakers.extend(self.send_waiters.pop());
        bells.wakers.extend(self.change_waiters.pop());
    }

    /// Everybody who waits for anything looks again.
    pub(super) fn wake_all(&mut self, bells: &mut Bells) {
        bells.wakers.extend(self.recv_waiters.all());
        bells.wakers.extend(self.send_waiters.all());
        bells.wakers.extend(self.change_waiters.all());
        self.watchers.ring_all(bells);
    }

    /// A new peer: a sender may go on.
    pub(super) fn peer_came(&mut self, bells: &mut Bells) {
        self.wake_sender(bells);
        bells.wakers.extend(self.change_waiters.all());
    }

    /// A peer left. A REQ may have lost its answer, an XPUB shows what is no longer subscribed
    /// to, a ROUTER may hear who waited for that name, a sender may have waited for that very peer, or for its place.
    pub(super) fn peer_left(&mut self, bells: &mut Bells) {
        if matches!(
            self.pattern,
            Pattern::Req(_) | Pattern::Publish(_) | Pattern::Router(_)
        ) {
            bells.wakers.extend(self.recv_waiters.all());
            self.watchers.ring(Interest::READABLE, bells);
        }
        self.wake_senders(bells);
        bells.wakers.extend(self.change_waiters.all());
    }

    /// A subscription changed: who waits for subscribers looks again, and so does a publisher
    /// that a full subscriber held up.
    pub(super) fn subscription_changed(&mut self, bells: &mut Bells) {
        bells.wakers.extend(self.change_waiters.all());
        self.wake_senders(bells);
    }

    /// Turns what the pattern has done into notes of what to do outside the lock.
    pub(super) fn follow(&mut self, socket: &Socket, bells: &mut Bells) {
        if let Some((key, accepted)) = self.effects.take_only_push() {
            self.follow_push(socket, key, accepted, &mut Pace::of(1), bells);
        }
        // Following one thing up may bring another: a peer that is closed is read to the end.
        while !self.effects.is_empty() {
            self.follow_once(socket, bells);
        }
    }

    fn follow_once(&mut self, socket: &Socket, bells: &mut Bells) {
        let mut effects = std::mem::take(&mut self.effects);
        let mut pace = Pace::of(effects.pushed.len());
        for (key, accepted) in effects.pushed.drain(..) {
            self.follow_push(socket, key, accepted, &mut pace, bells);
        }
        for key in effects.credited.drain(..) {
            self.follow_credit(key, bells);
        }
        for key in effects.held_back.drain(..) {
            self.fetch(key, bells);
        }
        for announcement in effects.announced.drain(..) {
            self.announce(&announcement, bells);
        }
        for (key, reason) in effects.evicted.drain(..) {
            self.evict(socket, key, reason, bells);
        }
        for key in effects.parted.drain(..) {
            self.part(socket, key, bells);
        }
        for key in effects.redialled.drain(..) {
            self.redial(key, bells);
        }
        for key in effects.emptied.drain(..) {
            self.forget(key);
        }
        if self.effects.is_empty() {
            self.effects = effects;
        }
    }

    /// Calls the pattern; what it leaves to do is noted for [`follow`](State::follow).
    pub(super) fn with_pattern<R>(
        &mut self,
        act: impl FnOnce(&mut Pattern, &mut Peers, &mut Effects) -> R,
    ) -> R {
        let State {
            pattern,
            peers,
            effects,
            ..
        } = self;
        act(pattern, peers, effects)
    }

    /// A message went into a peer's lane: notes what that leaves to do.
    fn follow_push(
        &mut self,
        socket: &Socket,
        key: usize,
        accepted: Accepted,
        pace: &mut Pace,
        bells: &mut Bells,
    ) {
        if accepted.full && socket.hub.is_watched() && !self.attached[key].congested {
            self.attached[key].congested = true;
            self.attached[key].tell(socket, || EventKind::Congested, bells);
            // Whoever makes room tells us, so that it can be told that it is drained.
            self.peers[key].out.is_full(true);
        }
        match self.judge_push(socket, key, accepted, pace) {
            Left::Flush(link) => bells.flush.push(link),
            Left::Ring(remote) => bells.remote.push(remote),
            Left::Nothing | Left::Notes(_) => {}
        }
    }

    /// A message went into a peer's lane. Decides when it leaves:
    ///
    /// * at once, by this thread, if the connection is idle and the caller has waited, or nothing
    ///   was written for a while: the usual request, reply or event;
    /// * at once if a whole batch has gathered, or the lane is at its mark (but if the mark is to
    ///   be felt: then whoever waits writes, or the sweep);
    /// * else when more have gathered, the caller waits, or the reactor sweeps.
    pub(super) fn judge_push(
        &mut self,
        socket: &Socket,
        key: usize,
        accepted: Accepted,
        pace: &mut Pace,
    ) -> Left {
        let State {
            peers,
            attached,
            unflushed,
            eager,
            sweeps,
            feels_marks,
            ..
        } = self;
        let attached = &mut attached[key];
        match &attached.wire {
            Wire::None => Left::Nothing,
            Wire::Session {
                socket,
                entry,
                question,
            } => match socket.upgrade() {
                None => Left::Nothing,
                Some(socket) => Left::Ring(Remote {
                    socket,
                    key: *entry,
                    serial: *question,
                    word: Word::Answered,
                }),
            },
            Wire::Remote {
                socket: other,
                key,
                serial,
            } => match accepted.ring_reader.then(|| other.upgrade()).flatten() {
                None => Left::Nothing,
                Some(socket) => {
                    let (key, serial) = (*key, *serial);
                    let word = Word::Readable;
                    Left::Ring(Remote {
                        socket,
                        key,
                        serial,
                        word,
                    })
                }
            },
            Wire::Link(link) => {
                let felt = accepted.full && *feels_marks;
                let batch = accepted.octets >= tuning::FLUSH_OCTETS || accepted.full;
                let first = accepted.first && link.is_idle();
                if !felt && (batch || (first && pace.is_slow(socket, *eager))) {
                    *eager = socket.socket_type.is_lock_step();
                    peers[key].out.publish();
                    return Left::Flush(Arc::clone(link));
                }
                if accepted.first {
                    attached.marked = *sweeps;
                }
                if !attached.unflushed {
                    attached.unflushed = true;
                    unflushed.push(key);
                    if unflushed.len() == 1 {
                        // The first to lie is written out by the next sweep already.
                        *sweeps += 1;
                        socket.sweep_soon();
                    }
                }
                Left::Nothing
            }
        }
    }
}

/// Is this message one of many? Judged once for all peers that it goes to.
pub(super) struct Pace {
    peers: u32,
    slow: Option<bool>,
}

impl Pace {
    /// Of a message to so many peers.
    #[inline]
    pub(super) fn of(peers: usize) -> Pace {
        let peers = u32::try_from(peers).unwrap_or(u32::MAX);
        Pace { peers, slow: None }
    }

    /// No: the caller has waited, or been quiet for longer than putting it into all their lanes
    /// takes. Else publishing to a thousand would look like quiet, and every message would be a
    /// thousand writes.
    #[inline]
    fn is_slow(&mut self, socket: &Socket, eager: bool) -> bool {
        let quiet = tuning::SWEEP.max(tuning::PUSH_MAX.saturating_mul(self.peers));
        let judge = || eager || socket.is_quiet_for(quiet);
        *self.slow.get_or_insert_with(judge)
    }
}

/// What a send by the short way leaves to do.
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// Write out this link.
    Flush(Arc<Link>),
    /// Ring an inproc peer.
    Ring(Remote),
    /// All of this.
    Notes(Box<Bells>),
}
