//! How peers come and go.
//!
//! ```text
//!   network, connected   attach ─► ready ─► lost ─► ready ─► … ─► gone     lanes stay throughout
//!   network, accepted              ready (attaches) ───────────► gone
//!   inproc               attach ─► ready (once both are there) ► gone
//! ```
//!
//! A peer that is gone keeps its key while messages of it are unread, and while its connection
//! still delivers what was queued for it.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::{
    bells::{Bells, Remote, Word},
    job::Job,
    link::Link,
    socket::Socket,
    state::{Phase, State},
    terms::Terms,
};
use crate::{
    base::{
        endpoint::Endpoint,
        error::{Error, ErrorKind},
        event::{EventKind, PeerInfo, Reason},
        time::Time,
        tuning,
    },
    pattern::Peer,
    pipe::{Lane, Store},
    reactor::metal::SourceId,
    wire::{Revision, encode_subscription, frame::encode},
};

/// What the core knows of a peer; the pattern knows the rest.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) wire: Wire,
    /// The entry of the poll set that serves it.
    pub(super) entry: Option<usize>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) info: Option<Arc<PeerInfo>>,
    pub(super) revision: Revision,
    /// It stands in the list of those whose octets were left lying.
    pub(super) unflushed: bool,
    /// The sweep after which the oldest of it was sent.
    pub(super) marked: u64,
    /// Its lane was last seen at the mark.
    pub(super) congested: bool,
    /// It came in through a name that we have bound (inproc).
    pub(super) came_in: bool,
    /// A dialer or a session works for it: it may be gone, and what is queued still leaves.
    pub(super) served: bool,
    /// What is queued for it is another's to deliver (inproc).
    pub(super) bequeathed: bool,
    /// It is gone, and all that it sent is read.
    pub(super) emptied: bool,
    /// Handshakes done with it, ever.
    pub(super) connections: u64,
    /// When the last one was done, if it is connected still.
    pub(super) connected_at: Option<Time>,
}

/// How a peer is reached now.
#[derive(Debug)]
pub(super) enum Wire {
    /// Not at all: not connected (yet, or any more).
    None,
    /// Over a connection.
    Link(Arc<Link>),
    /// In this process.
    Remote {
        socket: Weak<Socket>,
        key: usize,
        serial: u64,
    },
    /// It is a question about a peer of this socket's: see [`zap`](super::zap).
    Session {
        socket: Weak<Socket>,
        entry: usize,
        question: u64,
    },
}

impl Attached {
    pub(super) fn new(endpoint: &Arc<Endpoint>) -> Attached {
        Attached {
            wire: Wire::None,
            entry: None,
            endpoint: Arc::clone(endpoint),
            info: None,
            revision: Revision::V3_1,
            unflushed: false,
            marked: 0,
            congested: false,
            came_in: false,
            served: false,
            bequeathed: false,
            emptied: false,
            connections: 0,
            connected_at: None,
        }
    }

    /// Who it is, as a message of it says: within the process, nobody.
    #[inline]
    pub(super) fn sender(&self) -> Option<&Arc<PeerInfo>> {
        self.info.as_ref().filter(|_| !self.endpoint.is_inproc())
    }

    pub(super) fn is_linked_by(&self, link: &Arc<Link>) -> bool {
        matches!(&self.wire, Wire::Link(ours) if Arc::ptr_eq(ours, link))
    }

    pub(super) fn tell(
        &self,
        socket: &Socket,
        kind: impl FnOnce() -> EventKind,
        bells: &mut Bells,
    ) {
        if socket.hub.is_watched() {
            socket.tell(kind(), &self.endpoint, self.info.as_ref(), bells);
        }
    }
}

/// A connection whose handshake is done, and what its peer is to become.
pub(super) struct Newcomer<'a> {
    pub(super) link: &'a Arc<Link>,
    pub(super) received: &'a Arc<Lane>,
    pub(super) entry: usize,
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) info: &'a Arc<PeerInfo>,
    pub(super) revision: Revision,
    /// The peer this connection belongs to already: we connected.
    pub(super) known: Option<(usize, u64)>,
}

impl Terms {
    /// The two lanes of a network peer of `socket`: what we send, what we receive.
    pub(super) fn network_lanes(&self, socket: &Socket) -> (Arc<Lane>, Arc<Lane>) {
        let options = &self.options;
        let store = match self.config.raw {
            true => Store::Raw,
            false => Store::Octets,
        };
        let out = Lane::new(store, options.send_hwm, options.conflate);
        let received = Lane::new(Store::Messages, options.recv_hwm, options.conflate);
        if !options.conflate {
            out.set_limits(self.send_limits());
            received.set_limits(self.recv_limits());
        }
        socket.time_lanes([&out, &received]);
        (Arc::new(out), Arc::new(received))
    }
}

impl Socket {
    /// A handshake is done: the peer takes its place.
    ///
    /// # Errors
    /// The reason to close the connection instead.
    pub(super) fn peer_ready(
        &self,
        newcomer: &Newcomer<'_>,
        bells: &mut Bells,
    ) -> Result<(usize, u64), Reason> {
        let now = self.context.metal.now();
        let mut state = self.state.lock();
        if state.phase != Phase::Open && newcomer.known.is_none() {
            return Err(Reason::Local);
        }
        let (key, serial) = match newcomer.known {
            Some((key, serial)) => {
                match state.peers.get(key).filter(|peer| peer.serial == serial) {
                    None => return Err(Reason::Local),
                    // Closed here before it was reached: what was queued for it leaves now.
                    Some(peer) if peer.gone => {
                        state.link(key, newcomer, &[], now, bells);
                        return Ok((key, serial));
                    }
                    Some(_) => (key, serial),
                }
            }
            None => {
                let lanes = (
                    Arc::clone(&newcomer.link.lane),
                    Arc::clone(newcomer.received),
                );
                state.attach(self, newcomer.endpoint, lanes)
            }
        };
        let identity = &newcomer.info.identity;
        let ready = state
            .with_pattern(|pattern, peers, effects| pattern.ready(peers, key, identity, effects));
        if let Err(reason) = ready {
            if newcomer.known.is_none() {
                state.detach(key, bells);
            }
            state.follow(self, bells);
            return Err(reason);
        }
        state.note_arrival(self, key, bells);
        let mut first = Vec::new();
        for topic in state.pattern.subscriptions() {
            encode_subscription(newcomer.revision, true, &topic, &mut first);
        }
        if let Some(hello) = &self.terms().options.hello {
            encode(hello.frames(), &mut first);
        }
        state.link(key, newcomer, &first, now, bells);
        state.follow(self, bells);
        state.peer_came(bells);
        Ok((key, serial))
    }

    /// A peer's connection is lost. If `gone`, it will not come back.
    pub(super) fn peer_lost(&self, key: usize, serial: u64, gone: bool, bells: &mut Bells) {
        let mut state = self.state.lock();
        if state
            .peers
            .get(key)
            .is_none_or(|peer| peer.serial != serial)
        {
            return;
        }
        state.attached[key].wire = Wire::None;
        state.attached[key].entry = None;
        state.attached[key].connected_at = None;
        if gone {
            state.detach(key, bells);
            let attached = &mut state.attached[key];
            attached.served = false;
            if attached.emptied {
                state.forget(key);
            }
        } else if !state.peers[key].gone {
            state.with_pattern(|pattern, peers, effects| pattern.unready(peers, key, effects));
        }
        state.follow(self, bells);
        state.peer_left(bells);
    }

    /// An inproc peer has left.
    pub(super) fn peer_gone(&self, state: &mut State, key: usize, bells: &mut Bells) {
        state.attached[key].wire = Wire::None;
        state.attached[key].connected_at = None;
        state.peers[key].out.discard(true);
        state.detach(key, bells);
        state.follow(self, bells);
        state.peer_left(bells);
    }

    /// How many newcomers there is room for, if all those who have left unread are to be read.
    pub(super) fn room_for_newcomers(&self) -> usize {
        tuning::DEPARTED_MAX.saturating_sub(self.state.lock().departed)
    }

    /// Tells the monitors.
    pub(super) fn tell(
        &self,
        kind: EventKind,
        endpoint: &Endpoint,
        peer: Option<&Arc<PeerInfo>>,
        bells: &mut Bells,
    ) {
        let descriptor = peer.and_then(|peer| peer.descriptor);
        let now = || self.context.metal.now();
        self.hub
            .tell(kind, endpoint, peer, descriptor, now, &mut bells.wakers);
    }

    /// Tells them of something that has a descriptor, and no peer.
    pub(super) fn tell_of(
        &self,
        descriptor: Option<SourceId>,
        kind: EventKind,
        endpoint: &Endpoint,
        bells: &mut Bells,
    ) {
        self.hub.tell(
            kind,
            endpoint,
            None,
            descriptor,
            || self.context.metal.now(),
            &mut bells.wakers,
        );
    }
}

impl State {
    /// Can a peer come, and have this name?
    ///
    /// # Errors
    /// `Closed`, `InvalidOption`.
    pub(super) fn check_newcomer(&self, name: Option<&Bytes>) -> Result<(), Error> {
        let wrong = |what| Err(Error::new(ErrorKind::InvalidOption, what));
        match name {
            _ if self.phase != Phase::Open => Err(ErrorKind::Closed.into()),
            None => Ok(()),
            Some(name) if self.pattern.find(name).is_some() => wrong("that name is taken"),
            Some(_) => Ok(()),
        }
    }

    /// ROUTER: a new peer has this name, whatever it calls itself.
    pub(super) fn name_peer(&mut self, key: usize, name: Option<Bytes>) {
        if let Some(name) = name {
            self.with_pattern(|pattern, peers, _| pattern.name(peers, key, name));
        }
    }

    /// A new peer with these lanes: what we send, what we receive.
    pub(super) fn attach(
        &mut self,
        socket: &Socket,
        endpoint: &Arc<Endpoint>,
        (out, received): (Arc<Lane>, Arc<Lane>),
    ) -> (usize, u64) {
        let (key, serial) = self.enter(socket, endpoint, (out, received));
        self.with_pattern(|pattern, peers, effects| pattern.attach(peers, key, effects));
        (key, serial)
    }

    /// As [`attach`](State::attach), without the pattern's knowledge.
    pub(super) fn enter(
        &mut self,
        socket: &Socket,
        endpoint: &Arc<Endpoint>,
        (out, received): (Arc<Lane>, Arc<Lane>),
    ) -> (usize, u64) {
        let serial = socket.context.next_serial();
        let mut peer = Peer::new(serial, out, received);
        if socket.socket_type.is_lock_step() {
            peer.out.hold_nothing();
        }
        let key = self.peers.insert(peer);
        let same = self.attached.insert(Attached::new(endpoint));
        assert_eq!(
            key, same,
            "peers and what is attached to them live and die together"
        );
        (key, serial)
    }

    /// A peer's connection is ready: what is queued leaves, after `first`.
    fn link(
        &mut self,
        key: usize,
        newcomer: &Newcomer<'_>,
        first: &[u8],
        now: Time,
        bells: &mut Bells,
    ) {
        self.connected(key, now);
        let attached = &mut self.attached[key];
        attached.wire = Wire::Link(Arc::clone(newcomer.link));
        attached.entry = Some(newcomer.entry);
        attached.info = Some(Arc::clone(newcomer.info));
        attached.revision = newcomer.revision;
        attached.served = true;
        newcomer.link.set_peer(key);
        self.peers[key].out.publish();
        newcomer.link.lane.open(first);
        bells.flush.push(Arc::clone(newcomer.link));
    }

    /// A handshake is done with a peer.
    pub(super) fn connected(&mut self, key: usize, now: Time) {
        self.connections += 1;
        let attached = &mut self.attached[key];
        self.reconnects += u64::from(attached.connections > 0);
        attached.connections += 1;
        attached.connected_at = Some(now);
    }

    /// Nothing more is sent to a peer. What it sent may still be read, and what is queued for it
    /// leaves while its connection lasts.
    pub(super) fn detach(&mut self, key: usize, bells: &mut Bells) {
        if self.peers[key].gone {
            return;
        }
        let last_words = self.peers[key].out.publish();
        if let Wire::Remote {
            socket,
            key: theirs,
            serial,
        } = &self.attached[key].wire
        {
            if let Some(socket) = socket.upgrade() {
                let remote = |word| Remote {
                    socket: Arc::clone(&socket),
                    key: *theirs,
                    serial: *serial,
                    word,
                };
                let readable = last_words.then(|| remote(Word::Readable));
                bells.remote.extend(readable);
                bells.remote.push(remote(Word::Gone));
            }
            self.attached[key].wire = Wire::None;
            self.attached[key].connected_at = None;
        } else if matches!(self.attached[key].wire, Wire::Session { .. }) {
            // A session has asked, and will read the answer if there is one.
        } else if !self.attached[key].served && !self.attached[key].bequeathed {
            // It was never reached, and now nobody tries any more.
            let unsent = self.peers[key].out.discard(false);
            self.ends.note_unsent(unsent);
        }
        self.peers[key].out.close();
        self.departed += 1;
        self.with_pattern(|pattern, peers, effects| pattern.detach(peers, key, effects));
    }

    /// A peer that was gone is read to the end: it is forgotten once its connection has ended,
    /// too.
    pub(super) fn forget(&mut self, key: usize) {
        if let Some(attached) = self.attached.get_mut(key) {
            attached.emptied = true;
            if attached.served {
                return;
            }
        }
        if let Some(peer) = self.peers.try_remove(key) {
            self.attached.remove(key);
            self.departed -= 1;
            // What came after it was read to the end is read by nobody.
            let mut received = peer.window.stats();
            received.dropped += received.forsake();
            self.past.1 = self.past.1.plus(received);
            self.keep_times(peer.window.lane(), false);
            self.leaving.push(peer.out.into_lane());
            self.settle_leaving();
        }
    }

    /// Closed: what has come is read by nobody any more.
    pub(super) fn forget_all(&mut self) {
        let keys: Vec<usize> = self.peers.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.attached[key].served = false;
            self.forget(key);
        }
    }

    /// Counts what went through lanes that are done with.
    pub(super) fn settle_leaving(&mut self) {
        for lane in std::mem::take(&mut self.leaving) {
            let mut stats = lane.stats();
            if stats.queued > 0 && Arc::strong_count(&lane) > 1 {
                self.leaving.push(lane);
                continue;
            }
            // Nobody is left who could read it.
            stats.lost += stats.forsake();
            self.past.0 = self.past.0.plus(stats);
            self.keep_times(&lane, true);
        }
    }

    /// The receiver has read far enough: whoever fills the lane may go on.
    pub(super) fn follow_credit(&mut self, key: usize, bells: &mut Bells) {
        let (Some(attached), Some(peer)) = (self.attached.get(key), self.peers.get(key)) else {
            return;
        };
        match &attached.wire {
            Wire::None | Wire::Session { .. } => {}
            Wire::Link(_) => {
                if let Some(entry) = attached.entry {
                    let serial = peer.serial;
                    bells.rare().jobs.push(Job::Resume { entry, serial });
                }
            }
            Wire::Remote {
                socket,
                key,
                serial,
            } => {
                if let Some(socket) = socket.upgrade() {
                    let (key, serial) = (*key, *serial);
                    bells.remote.push(Remote {
                        socket,
                        key,
                        serial,
                        word: Word::Writable,
                    });
                }
            }
        }
    }

    /// Closes a peer's connection.
    pub(super) fn evict(&mut self, socket: &Socket, key: usize, reason: Reason, bells: &mut Bells) {
        let serial = self.peers[key].serial;
        match (&self.attached[key].wire, self.attached[key].entry) {
            (Wire::Link(_), Some(entry)) => bells.rare().jobs.push(Job::Close {
                entry,
                serial,
                reason,
            }),
            (Wire::Remote { .. }, _) => {
                self.attached[key].tell(socket, || EventKind::Disconnected(reason), bells);
                self.detach(key, bells);
            }
            _ => {}
        }
    }

    /// Lets a peer go: its connection is closed once what is queued for it has left, or the linger
    /// is over. What it sent and nobody has read is dropped.
    pub(super) fn part(&mut self, socket: &Socket, key: usize, bells: &mut Bells) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| !peer.gone) else {
            return;
        };
        let serial = peer.serial;
        peer.window.close();
        self.ends.forget_peer((key, serial));
        self.detach(key, bells);
        self.peer_left(bells);
        bells.rare().jobs.push(Job::Part {
            entry: self.attached[key].entry,
            serial,
            until: socket.linger_until(socket.terms().options.linger),
        });
    }

    /// Closes a peer's connection and makes it anew.
    pub(super) fn redial(&mut self, key: usize, bells: &mut Bells) {
        let serial = self.peers[key].serial;
        match (&self.attached[key].wire, self.attached[key].entry) {
            (Wire::Link(_), Some(entry)) => bells.rare().jobs.push(Job::Redial { entry, serial }),
            (Wire::Remote { .. }, _) => bells.rare().jobs.push(Job::RedialInproc { key, serial }),
            _ => {}
        }
    }
}
