//! REQ (RFC 28): one request, then its reply.
//!
//! ```text
//!             send                         the reply, from the peer that was asked
//!   Idle ───────────────► Asked ───────────────────────────────────────────────► Idle
//!                           │  the peer is lost, and the request had left it      ▲
//!                           ├──────────────► Asked, lost ─── recv: PeerLost ──────┤
//!                           └─ abandon ───────────────────────────────────────────┘
//! ```
//!
//! On the wire a request is `[] [body] …`, with correlation `[id] [] [body] …`; a reply looks
//! the same. Correlated, a late reply is known by its id. If not, nothing tells it from the
//! reply to a later request, so the connection is closed and made anew when a request is
//! abandoned.

use bytes::Bytes;

use super::{
    Effects, Nothing, Peers, Received, Refusal, Rules, envelope::split, inlet::Inlet,
    outlet::Outlet, push_probe,
};
use crate::base::{
    event::Reason,
    message::{Frame, Message},
    options::Options,
};

/// REQ.
#[derive(Debug)]
pub struct Req {
    outlet: Outlet,
    inlet: Inlet,
    state: State,
    correlate: bool,
    next_id: u32,
    probe: bool,
    /// Peers whose connections are being made anew; nothing goes to them until they are lost.
    shunned: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Asked(Asked),
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    key: usize,
    serial: u64,
    id: u32,
    /// The connection is gone and has taken the request with it. A reply may lie in the lane.
    lost: bool,
}

impl Req {
    /// `random` is where the request ids begin.
    pub(super) fn new(options: &Options, random: u64) -> Req {
        Req {
            outlet: Outlet::default(),
            inlet: Inlet::default(),
            state: State::Idle,
            correlate: options.req_correlate,
            next_id: random as u32,
            probe: options.probe_router,
            shunned: Vec::new(),
        }
    }

    /// Gives the open request up; see [`Pattern::abandon`](super::Pattern::abandon).
    pub(super) fn abandon(&mut self, peers: &mut Peers, effects: &mut Effects) {
        let State::Asked(asked) = self.state else {
            return;
        };
        self.state = State::Idle;
        if asked.lost {
            self.inlet.drain(peers, effects);
        } else if !self.correlate {
            let peer = &peers[asked.key];
            if peer.ready {
                self.outlet.remove(asked.key);
                self.shunned.push(asked.key);
                effects.redialled.push(asked.key);
            } else {
                peer.out.discard(false);
            }
        }
    }

    /// The open request's peer, if it is this one.
    fn asked(&mut self, key: usize) -> Option<&mut Asked> {
        match &mut self.state {
            State::Asked(asked) if asked.key == key && !asked.lost => Some(asked),
            _ => None,
        }
    }

    /// Was this peer to be made anew? It has been, or will not be.
    fn forgive(&mut self, key: usize) -> bool {
        let before = self.shunned.len();
        self.shunned.retain(|shunned| *shunned != key);
        self.shunned.len() < before
    }

    /// The next message that answers what was asked, with its envelope. Others are dropped.
    fn take(&mut self, peers: &mut Peers, asked: Asked, effects: &mut Effects) -> Option<Message> {
        // A peer that is lost may be forgotten already, and its key be another's.
        if peers.get(asked.key)?.serial != asked.serial {
            return None;
        }
        loop {
            let message = self.inlet.take_from(peers, asked.key, effects)?;
            if self.is_answer(&message, asked.id) {
                return Some(message);
            }
        }
    }

    fn is_answer(&self, message: &Message, id: u32) -> bool {
        match message.frames() {
            [id_frame, delimiter, _, ..] if self.correlate => {
                *id_frame == id.to_be_bytes() && delimiter.is_empty()
            }
            [delimiter, _, ..] => !self.correlate && delimiter.is_empty(),
            _ => false,
        }
    }
}

impl Rules for Req {
    fn attach(&mut self, _: &mut Peers, key: usize, _: &mut Effects) {
        self.outlet.add(key);
        self.inlet.add(key);
    }

    fn ready(
        &mut self,
        peers: &mut Peers,
        key: usize,
        _: &Bytes,
        effects: &mut Effects,
    ) -> Result<(), Reason> {
        // A request that waits introduces us as well, and must stay the last in its lane.
        if self.probe && peers[key].out.queued() == 0 {
            push_probe(peers, key, effects);
        }
        Ok(())
    }

    fn unready(&mut self, peers: &mut Peers, key: usize, _: &mut Effects) {
        let queued = peers[key].out.queued() > 0;
        if self.forgive(key) {
            // What was abandoned must not be asked after all.
            peers[key].out.discard(false);
            self.outlet.add(key);
        } else if let Some(asked) = self.asked(key) {
            // A request that has not left will, once the connection is made anew.
            asked.lost = !queued;
        }
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        self.outlet.remove(key);
        self.forgive(key);
        match &mut self.state {
            State::Asked(asked) if asked.serial == peers[key].serial => asked.lost = true,
            _ => {
                peers[key].window.clear();
            }
        }
        self.inlet.detach(peers, key, effects);
    }

    fn readable(&mut self, key: usize) {
        self.inlet.readable(key);
    }

    fn writable(&mut self, key: usize) {
        self.outlet.writable(key);
    }

    fn send(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        if matches!(self.state, State::Asked(asked) if !asked.lost) {
            return Err(Refusal::Busy);
        }
        // Before the request leaves: an inproc peer may answer while we are still in here.
        self.inlet.drain(peers, effects);
        let id = self.next_id;
        let correlated = [Frame::from(id.to_be_bytes()), Frame::empty()];
        let head = if self.correlate {
            &correlated[..]
        } else {
            &correlated[1..]
        };
        let key = self.outlet.send(peers, head, message, effects)?;
        self.next_id = id.wrapping_add(1);
        self.state = State::Asked(Asked {
            key,
            serial: peers[key].serial,
            id,
            lost: false,
        });
        Ok(())
    }

    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let State::Asked(asked) = self.state else {
            return Err(Nothing::WrongState);
        };
        let answer = self.take(peers, asked, effects);
        if answer.is_none() && !asked.lost {
            return Err(Nothing::Empty);
        }
        self.state = State::Idle;
        if asked.lost {
            self.inlet.drain(peers, effects);
        }
        let message = answer.ok_or(Nothing::PeerLost)?;
        let (_, body) = split(message, 1 + usize::from(self.correlate));
        Ok(Received::plain(asked.key, body))
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        let State::Asked(asked) = self.state else {
            return false;
        };
        // Of a lost peer there is its reply, or the news.
        if asked.lost {
            return true;
        }
        match self.take(peers, asked, effects) {
            Some(message) => {
                self.inlet.hold(asked.key, message);
                true
            }
            None => false,
        }
    }

    fn can_send(&mut self, peers: &mut Peers) -> bool {
        let busy = matches!(self.state, State::Asked(asked) if !asked.lost);
        !busy && self.outlet.has_room(peers)
    }
}
