//! inproc: two sockets of one context, joined lane to lane.
//!
//! There is no stream, no engine and no thread: what one side sends is at once in the window of
//! the other. Who connects first waits under the name, and may queue up to its own mark; once
//! both are there the mark is the sum of the sender's and the receiver's (0 on either side: no
//! limit).
//!
//! ```text
//!   A.peers[a].out ══ lane A→B ══► B.peers[b].window
//!   A.peers[a].window ◄══ lane B→A ══ B.peers[b].out
//! ```
//!
//! While the receiver has others to read, the sender holds messages back in its draft, and hands
//! them over in lots. A receiver that has read all says so in the lane, and has what is held back
//! handed over:
//!
//! ```text
//!   receiver                      lane                           sender
//!   finds nothing ──────────────► reader waits ◄──────────────── looks, at each message: hands over
//!   held back? ◄───────────────── writer holds ◄──────────────── before it keeps the first of a lot
//!     no: it will be rung
//!     yes: hand over ──────────────────────────────────────────► publishes, rings readable
//! ```
//!
//! A REQ and a REP that meet so leave out the empty frame in front of what they say to each other: their
//! lanes know of it ([`Lane::join`]).
//!
//! The two sockets' locks are never held together: each side is entered in turn, and words
//! between them (readable, writable, subscription, gone) carry the peer's serial, so that one
//! that is late does no harm.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    attach::{Attached, Wire},
    bells::{Bells, Remote, Word},
    context::{Legacy, Waiting},
    socket::Socket,
    state::{Phase, State},
};
use crate::{
    base::{
        endpoint::Endpoint,
        error::{Error, ErrorKind},
        event::{EventKind, PeerInfo, ProtocolError, Reason},
        options::Options,
        socket_type::SocketType,
        tuning,
    },
    pattern::Peer,
    pipe::{Lane, Limits, Store},
};

impl Socket {
    /// Takes a name, and everybody who waits under it.
    pub(super) fn bind_inproc(&self, name: &str, endpoint: &Endpoint) -> Result<(), Error> {
        let me = self.me.upgrade().ok_or(ErrorKind::Closed)?;
        let (waiting, legacies) = self.context.bind_name(name, &me)?;
        let mut bells = Bells::default();
        self.tell(EventKind::Listening, endpoint, None, &mut bells);
        bells.ring(self);
        for Waiting {
            socket,
            key,
            serial,
        } in waiting
        {
            if let Some(connecter) = socket.upgrade() {
                connecter.join(&me, key, serial);
            }
        }
        for legacy in legacies {
            self.inherit_or_leave(legacy);
        }
        Ok(())
    }

    /// What is queued for a name that nobody has yet shall be for whoever takes it, although this
    /// socket closes.
    pub(super) fn leave_to_name(&self, state: &mut State, key: usize) -> Option<Legacy> {
        let attached = &mut state.attached[key];
        let waits = matches!(attached.wire, Wire::None) && !attached.came_in;
        if !waits || !attached.endpoint.is_inproc() || state.peers[key].gone {
            return None;
        }
        let out = &mut state.peers[key].out;
        out.publish();
        if out.queued() == 0 {
            return None;
        }
        attached.bequeathed = true;
        Some(Legacy {
            endpoint: Arc::clone(&attached.endpoint),
            messages: Arc::clone(out.lane()),
            from: self.socket_type,
            identity: named(self.socket_type, &self.terms().options),
        })
    }

    /// Gives what was left to whom it is for, if he is there already.
    pub(super) fn settle_legacy(&self, legacy: Legacy) {
        if let Some((heir, legacy)) = self.context.keep_legacy(legacy, None) {
            heir.inherit_or_leave(legacy);
        }
    }

    /// Takes in what was left, or leaves it to the next who has the name, if this one is closing.
    fn inherit_or_leave(&self, legacy: Legacy) {
        let Some(legacy) = self.inherit(legacy) else {
            return;
        };
        let mut next = self.context.keep_legacy(legacy, Some(self));
        while let Some((heir, legacy)) = next {
            let refused = heir.inherit(legacy);
            next = refused.and_then(|legacy| self.context.keep_legacy(legacy, Some(&heir)));
        }
    }

    /// Takes in what was left by a socket that is gone: a peer that is read to its end. Gives it
    /// back if nobody can be let in any more.
    fn inherit(&self, legacy: Legacy) -> Option<Legacy> {
        if !self.meets(legacy.from) {
            return None;
        }
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Some(legacy);
        }
        let nowhere = Arc::new(Lane::new(Store::Messages, 0, false));
        let (key, _) = state.attach(self, &legacy.endpoint, (nowhere, legacy.messages));
        state.attached[key].came_in = true;
        // Refused or not, it is gone.
        let _ = state.inproc_ready(self, key, &legacy.identity, &mut bells);
        state.follow(self, &mut bells);
        self.peer_gone(&mut state, key, &mut bells);
        state.readable(key, &mut bells);
        drop(state);
        bells.ring(self);
        None
    }

    /// Connects to a name, now or as soon as somebody takes it.
    pub(super) fn connect_inproc(
        &self,
        inproc: &str,
        endpoint: &Endpoint,
        name: Option<Bytes>,
    ) -> Result<(usize, u64), Error> {
        let terms = self.terms();
        let options = &terms.options;
        let lane = |hwm| Arc::new(Lane::new(Store::Messages, hwm, options.conflate));
        let lanes = (lane(options.send_hwm), lane(options.recv_hwm));
        if !options.conflate {
            lanes.0.set_limits(terms.send_limits());
            lanes.1.set_limits(terms.recv_limits());
        }
        self.time_lanes([&lanes.0, &lanes.1]);
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        state.check_newcomer(name.as_ref())?;
        let (key, serial) = state.attach(self, &Arc::new(endpoint.clone()), lanes);
        state.name_peer(key, name);
        state.follow(self, &mut bells);
        state.peer_came(&mut bells);
        drop(state);
        bells.ring(self);
        self.join_whoever_has(inproc, key, serial, None);
        Ok((key, serial))
    }

    /// Joins our peer `key` to who has a name, other than `gone`, who is closing; if nobody has,
    /// to whoever takes it.
    fn join_whoever_has(&self, name: &str, key: usize, serial: u64, gone: Option<&Arc<Socket>>) {
        let waiting = Waiting {
            socket: self.me.clone(),
            key,
            serial,
        };
        if let Some(binder) = self.context.find_name(name, waiting, gone) {
            self.join(&binder, key, serial);
        }
    }

    /// May it meet a socket of this type within the process? Like libzmq, everybody may.
    fn meets(&self, other: SocketType) -> bool {
        self.socket_type.accepts(other) || self.terms().options.like_libzmq
    }

    /// Joins our peer `key` to `binder`.
    fn join(&self, binder: &Arc<Socket>, key: usize, serial: u64) {
        let mut bells = Bells::default();
        let state = self.state.lock();
        let Some(peer) = state
            .peers
            .get(key)
            .filter(|peer| peer.serial == serial && !peer.gone)
        else {
            return;
        };
        let (out, received) = (Arc::clone(peer.out.lane()), Arc::clone(peer.window.lane()));
        let endpoint = Arc::clone(&state.attached[key].endpoint);
        drop(state);
        if !self.meets(binder.socket_type) {
            let reason = Reason::Protocol(ProtocolError::InvalidMetadata);
            let mut state = self.state.lock();
            self.tell(
                EventKind::HandshakeFailed(reason),
                &endpoint,
                None,
                &mut bells,
            );
            self.peer_gone(&mut state, key, &mut bells);
            drop(state);
            bells.ring(self);
            return;
        }
        let (ours, bound) = (self.terms(), binder.terms());
        out.set_hwm(sum(ours.options.send_hwm, bound.options.recv_hwm));
        received.set_hwm(sum(bound.options.send_hwm, ours.options.recv_hwm));

        if !ours.options.conflate {
            out.set_limits(shared(ours.send_limits(), bound.recv_limits()));
            received.set_limits(shared(bound.send_limits(), ours.recv_limits()));
        }
        let takes_turns = self.socket_type.is_lock_step() && binder.socket_type.is_lock_step();
        let differ = self.socket_type != binder.socket_type;
        for lane in [&out, &received] {
            lane.join(takes_turns && differ);
        }
        binder.time_lanes([&out, &received]);
        let mut state = self.state.lock();
        if let Some(peer) = state.peers.get_mut(key).filter(|it| it.serial == serial) {
            peer.out.renew();
            peer.window.renew();
        }
        drop(state);
        let now = self.context.metal.now();
        // Their side first: it has to know where to ring us before we ring it.
        let mut their_bells = Bells::default();
        let mut theirs = binder.state.lock();
        if theirs.phase != Phase::Open {
            drop(theirs);
            if let Endpoint::Inproc(name) = &*endpoint {
                self.join_whoever_has(name, key, serial, Some(binder));
            }
            return;
        }
        let (their_key, their_serial) = theirs.attach(binder, &endpoint, (received, out));
        let wire = Wire::Remote {
            socket: self.me.clone(),
            key,
            serial,
        };
        theirs.attached[their_key].wire = wire;
        theirs.attached[their_key].came_in = true;
        theirs.attached[their_key].info = Some(info(self, &endpoint));
        let identity = named(self.socket_type, &ours.options);
        let ready = theirs.inproc_ready(binder, their_key, &identity, &mut their_bells);
        if ready.is_err() {
            // Gone before anybody knew of it: nothing is to be told.
            theirs.attached[their_key].wire = Wire::None;
            binder.peer_gone(&mut theirs, their_key, &mut their_bells);
        } else {
            theirs.connected(their_key, now);
            theirs.follow(binder, &mut their_bells);
            theirs.peer_came(&mut their_bells);
        }
        drop(theirs);

        if let Err(reason) = ready {
            let mut state = self.state.lock();
            self.tell(
                EventKind::HandshakeFailed(reason),
                &endpoint,
                None,
                &mut bells,
            );
            if state
                .peers
                .get(key)
                .is_some_and(|peer| peer.serial == serial)
            {
                self.peer_gone(&mut state, key, &mut bells);
            }
            drop(state);
        } else {
            let order = self.announcing.lock();
            let mut state = self.state.lock();
            let alive = state
                .peers
                .get(key)
                .is_some_and(|peer| peer.serial == serial && !peer.gone);
            let remote = |word| Remote {
                socket: Arc::clone(binder),
                key: their_key,
                serial: their_serial,
                word,
            };
            if alive {
                let socket = Arc::downgrade(binder);
                let wire = Wire::Remote {
                    socket,
                    key: their_key,
                    serial: their_serial,
                };
                state.attached[key].wire = wire;
                state.attached[key].info = Some(info(binder, &endpoint));
                let identity = named(binder.socket_type, &bound.options);
                let ready = state.inproc_ready(self, key, &identity, &mut bells);
                match ready {
                    Ok(()) => {
                        state.connected(key, now);
                        for topic in state.pattern.subscriptions() {
                            bells.remote.push(remote(Word::Subscription {
                                subscribe: true,
                                topic,
                            }));
                        }
                        // What was queued while we waited was rung to nobody.
                        bells.remote.push(remote(Word::Readable));
                        state.writable(self, key, &mut bells);
                        state.peer_came(&mut bells);
                    }
                    Err(_) => self.peer_gone(&mut state, key, &mut bells),
                }
                state.follow(self, &mut bells);
            } else {
                bells.remote.push(remote(Word::Gone));
            }
            drop(state);
            bells.tell_subscriptions();
            drop(order);
        }
        their_bells.ring(binder);
        bells.ring(self);
        // Theirs are told last. One that was made meanwhile is told twice, which does no harm.
        let order = binder.announcing.lock();
        let topics = binder.state.lock().pattern.subscriptions();
        let heard: Vec<Bells> = topics
            .into_iter()
            .map(|topic| {
                let subscribe = true;
                self.heed(key, serial, Word::Subscription { subscribe, topic })
            })
            .collect();
        drop(order);
        for bells in heard {
            bells.ring(self);
        }
    }

    /// Has everything handed over that peers hold back, so that it can be counted.
    pub(super) fn fetch_all(&self) {
        let mut bells = Bells::default();
        let state = self.state.lock();
        let held_back =
            |(key, peer): (usize, &Peer)| peer.window.lane().is_held_back().then_some(key);
        let keys: Vec<usize> = state.peers.iter().filter_map(held_back).collect();
        for key in keys {
            state.fetch(key, &mut bells);
        }
        drop(state);
        bells.ring(self);
    }

    /// A peer holds back what goes into `lane`, which we have read to the end: does it hand that
    /// over by itself, being about to send more? Then it need not be disturbed.
    pub(super) fn sees_handed_over(&self, lane: &Lane) -> bool {
        let metal = &self.context.metal;
        if metal.cores().0 < 2 {
            return false;
        }
        let end = metal.now() + tuning::HAND_OVER;
        while lane.is_held_back() {
            if metal.now() >= end {
                return false;
            }
            std::hint::spin_loop();
        }
        true
    }

    /// Joins anew, so that an answer to what was asked before cannot arrive.
    pub(super) fn redial_inproc(&self, key: usize, serial: u64) {
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        if state
            .peers
            .get(key)
            .is_none_or(|peer| peer.serial != serial || peer.gone)
        {
            return;
        }
        let endpoint = Arc::clone(&state.attached[key].endpoint);
        let came_in = state.attached[key].came_in;
        state.detach(key, &mut bells);
        state.follow(self, &mut bells);
        drop(state);
        bells.ring(self);
        if let (Endpoint::Inproc(name), false) = (&*endpoint, came_in) {
            if let Ok(peer) = self.connect_inproc(name, &endpoint, None) {
                self.state.lock().ends.move_peer((key, serial), peer);
            }
        }
    }

    /// Gives a name back; those who came in through it leave.
    pub(super) fn unbind_inproc(&self, name: &str, endpoint: &Endpoint, bells: &mut Bells) {
        self.context.unbind_name(name, self);
        let mut state = self.state.lock();
        let came_in = |(key, attached): (usize, &Attached)| {
            (attached.came_in && *attached.endpoint == *endpoint).then_some(key)
        };
        let keys: Vec<usize> = state.attached.iter().filter_map(came_in).collect();
        for key in keys {
            state.detach(key, bells);
        }
        state.follow(self, bells);
        state.peer_left(bells);
    }
}

impl State {
    /// A peer in this process holds messages back, and shall hand them over.
    pub(super) fn fetch(&self, key: usize, bells: &mut Bells) {
        let wire = self.attached.get(key).map(|attached| &attached.wire);
        if let Some(Wire::Remote {
            socket,
            key: theirs,
            serial,
        }) = wire
        {
            if let Some(socket) = socket.upgrade() {
                bells.remote.push(Remote {
                    socket,
                    key: *theirs,
                    serial: *serial,
                    word: Word::HandOver(Arc::clone(self.peers[key].window.lane())),
                });
            }
        }
    }

    /// Hands over what is held back for an inproc peer, who has asked for it.
    pub(super) fn hand_over(&mut self, key: usize, bells: &mut Bells) {
        if !self.peers[key].out.publish() {
            return;
        }
        if let Wire::Remote {
            socket,
            key,
            serial,
        } = &self.attached[key].wire
        {
            if let Some(socket) = socket.upgrade() {
                bells.remote.push(Remote {
                    socket,
                    key: *key,
                    serial: *serial,
                    word: Word::Readable,
                });
            }
        }
    }
}

/// The mark of a lane between two sockets of one process.
pub(super) fn sum(sender: usize, receiver: usize) -> usize {
    if sender == 0 || receiver == 0 {
        0
    } else {
        sender.saturating_add(receiver)
    }
}

/// The limits of a lane between two sockets of one process.
fn shared(sender: Limits, receiver: Limits) -> Limits {
    Limits {
        octets: sum(sender.octets, receiver.octets),
        keep_newest: sender.keep_newest,
    }
}

/// What a socket calls itself towards a peer in the same process.
fn named(socket_type: SocketType, options: &Options) -> Bytes {
    if socket_type.announces_identity() {
        options.routing_id.clone()
    } else {
        Bytes::new()
    }
}

/// Who is at the other end.
fn info(peer: &Socket, endpoint: &Endpoint) -> Arc<PeerInfo> {
    Arc::new(PeerInfo {
        local: endpoint.to_string(),
        remote: endpoint.to_string(),
        socket_type: Some(peer.socket_type),
        identity: named(peer.socket_type, &peer.terms().options),
        ..PeerInfo::default()
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use crate::{
        base::{
            context_options::ContextOptions,
            endpoint::{Endpoint, IntoEndpoint},
            message::Message,
            options::{Linger, Options},
            socket_type::SocketType,
        },
        core::{Context, Socket, To},
        transport::MioMetal,
    };

    #[test]
    fn what_is_left_to_one_who_is_closing_is_for_the_next() {
        let metal = Arc::new(MioMetal::new());
        let context = Context::new(metal, ContextOptions::default());
        let socket = |kind| Socket::new(&context, kind, Options::default()).expect("it is open");
        let name: Endpoint = "inproc://heirs".into_endpoint().expect("a name");
        let [push, closing, next] =
            [SocketType::Push, SocketType::Pull, SocketType::Pull].map(socket);
        push.connect(&name).expect("a name");
        push.send_now(To::Anyone, Message::from("for whoever comes"))
            .expect("room");
        push.close(Linger::Forever);
        // One takes the name, and is closed before he has taken in what was left to it.
        let (_, mut left) = context.bind_name("heirs", &closing).expect("a free name");
        closing.close(Linger::Drop);
        closing.inherit_or_leave(left.pop().expect("a message that nobody has"));
        context.unbind_name("heirs", &closing);
        next.bind(&name).expect("a free name");
        let received = next.try_recv().expect("a message");
        assert_eq!(received.message[0], "for whoever comes");
        next.close(Linger::Drop);
    }
}
