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
    Effects, Nothing, Peers, Received, Refusal, Rules, inlet::Inlet, outlet::Outlet, push_probe,
};
use crate::{
    base::{
        event::Reason,
        message::{Frame, Message},
        options::Options,
    },
    pipe::{Accepted, Plain},
};

/// REQ.
#[derive(Debug)]
pub struct Req {
    outlet: Outlet,
    inlet: Inlet,
    state: State,
    /// For the open request, and for the next one.
    correlate: bool,
    correlate_next: bool,
    relaxed: bool,
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
            inlet: Inlet::by_turns(),
            state: State::Idle,
            correlate: options.req_correlate,
            correlate_next: options.req_correlate,
            relaxed: options.req_relaxed,
            next_id: random as u32,
            probe: options.probe_router,
            shunned: Vec::new(),
        }
    }

    /// Is nothing known to wait?
    pub(super) fn is_heard_out(&self) -> bool {
        self.inlet.is_heard_out()
    }

    /// Asks by the short way: uncorrelated, when nothing has to be thrown away before.
    pub(super) fn send_in_turn(
        &mut self,
        peers: &mut Peers,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        let idle = matches!(self.state, State::Idle) && self.inlet.is_heard_out();
        if !idle || self.correlate_next {
            return None;
        }
        self.correlate = false;
        let (key, accepted) = self.outlet.send_in_turn(peers, message)?;
        self.note_asked(peers, key);
        Some((key, accepted))
    }

    fn note_asked(&mut self, peers: &Peers, key: usize) {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.state = State::Asked(Asked {
            key,
            serial: peers[key].serial,
            id,
            lost: false,
        });
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
            let peer = &mut peers[asked.key];
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

    /// The next message that answers what was asked, with its envelope, if that is here. Others are dropped.
    fn take(&mut self, peers: &mut Peers, asked: Asked, effects: &mut Effects) -> Option<Message> {
        // A peer that is lost may be forgotten already, and its key be another's.
        if peers.get(asked.key)?.serial != asked.serial {
            return None;
        }
        loop {
            let message = self.inlet.take_from(peers, asked.key, effects)?;
            let good = match self.inlet.is_bare() {
                true => !self.correlate,
                false => self.is_answer(&message, asked.id),
            };
            if good {
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

    fn adopt(&mut self, options: &Options) {
        self.correlate_next = options.req_correlate;
        self.relaxed = options.req_relaxed;
        self.probe = options.probe_router;
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
            if !self.relaxed {
                return Err(Refusal::Busy);
            }
            self.abandon(peers, effects);
        }
        self.correlate = self.correlate_next;
        // Before the request leaves: an inproc peer may answer while we are still in here.
        self.inlet.drain(peers, effects);
        let id = self.next_id;
        let correlated = [Frame::from(id.to_be_bytes()), Frame::empty()];
        let head = if self.correlate {
            &correlated[..]
        } else {
            &correlated[1..]
        };
        let (key, accepted) = self
            .outlet
            .send(peers, head, message)?
            .ok_or(Refusal::Full)?;
        effects.pushed.push((key, accepted));
        self.note_asked(peers, key);
        Ok(())
    }

    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let State::Asked(asked) = self.state else {
            return Err(Nothing::WrongState);
        };
        let answer = self.take(peers, asked, effects);
        let bare = self.inlet.is_bare();
        if answer.is_none() && !asked.lost {
            return Err(Nothing::Empty);
        }
        self.state = State::Idle;
        if asked.lost {
            self.inlet.drain(peers, effects);
        }
        let mut body = answer.ok_or(Nothing::PeerLost)?;
        if !bare {
            for _ in 0..1 + usize::from(self.correlate) {
                body.pop_front();
            }
        }
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
        (!busy || self.relaxed) && self.outlet.has_room(peers)
    }

    fn admit(&mut self, peers: &mut Peers, _: &[u8]) -> Result<(), Refusal> {
        if !self.relaxed && matches!(self.state, State::Asked(asked) if !asked.lost) {
            return Err(Refusal::Busy);
        }
        match self.outlet.has_room(peers) {
            true => Ok(()),
            false => Err(Refusal::Full),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::stage::{Stage, messages},
        *,
    };
    use crate::base::socket_type::SocketType;

    impl Stage {
        fn abandon(&mut self) {
            self.act(|pattern, peers, effects| pattern.abandon(peers, effects));
        }
    }

    fn correlating() -> Stage {
        Stage::new(
            SocketType::Req,
            Options {
                req_correlate: true,
                ..Options::default()
            },
        )
    }

    #[test]
    fn asks_and_listens_in_turn() {
        let mut req = Stage::plain(SocketType::Req);
        assert_eq!(req.send("nobody"), Err(Refusal::Full));
        let keys = [req.join(), req.join()];
        for round in 0..4 {
            let key = keys[round % 2];
            assert_eq!(req.recv(), Err(Nothing::WrongState));
            assert!(req.can_send() && !req.can_recv());
            assert_eq!(req.send(["a", "b"]), Ok(()));
            assert_eq!(req.send("too early"), Err(Refusal::Busy));
            assert!(!req.can_send() && !req.can_recv());
            assert_eq!(req.recv(), Err(Nothing::Empty));
            assert_eq!(req.sent(key), [Message::from(["", "a", "b"])]);
            req.give(key, ["", "x", "y"]);
            assert!(req.can_recv() && req.can_recv());
            assert_eq!(req.recv(), Ok(Message::from(["x", "y"])));
        }
    }

    #[test]
    fn only_a_well_formed_reply_of_the_peer_asked_is_heard() {
        let mut req = Stage::plain(SocketType::Req);
        let (asked, other) = (req.join(), req.join());
        req.send("?").expect("two are there");
        req.give(other, ["", "not asked"]);
        for frames in [vec!["x"], vec![""], vec!["x", "", "y"], vec!["x", "y"]] {
            req.give(asked, frames);
        }
        assert!(!req.can_recv());
        assert_eq!(req.recv(), Err(Nothing::Empty));
        req.give(asked, ["", "good"]);
        req.give(asked, ["", "twice"]);
        assert_eq!(req.recv(), Ok("good".into()));
        // What came unasked is thrown away with the next request.
        req.send("?").expect("two are there");
        assert_eq!(req.recv(), Err(Nothing::Empty));
        req.give(other, ["", "asked"]);
        assert_eq!(req.recv(), Ok("asked".into()));
    }

    #[test]
    fn what_came_unasked_gives_its_credit_back() {
        let mut req = Stage::with_hwm(SocketType::Req, 2);
        let key = req.join();
        while req.give(key, ["", "unasked"]) {}
        req.send("?").expect("it has room");
        assert_eq!(req.credited, [key]);
        assert!(req.give(key, ["", "answer"]));
        assert_eq!(req.recv(), Ok("answer".into()));
    }

    #[test]
    fn correlation_tells_a_late_reply() {
        let mut req = correlating();
        let key = req.join();
        req.send("1").expect("it is there");
        req.abandon();
        req.send("2").expect("it is there");
        assert_eq!(req.redialled, []);
        let id = |n: u8| Frame::from([0, 0, 0, n]);
        let request = |n: u8, text: &str| Message::from([id(n), "".into(), text.into()]);
        assert_eq!(req.sent(key), [request(7, "1"), request(8, "2")]);
        req.give(key, request(7, "late"));
        req.give(key, ["", "no id"]);
        req.give(key, Message::from([id(8), "".into()]));
        req.give(
            key,
            Message::from([id(8), "x".into(), "no delimiter".into()]),
        );
        req.give(key, request(8, "right"));
        assert_eq!(req.recv_all(), messages(["right"]));
    }

    #[test]
    fn an_abandoned_request_costs_the_connection() {
        let mut req = Stage::plain(SocketType::Req);
        let (first, second) = (req.join(), req.join());
        req.send("1").expect("two are there");
        req.abandon();
        req.abandon();
        assert_eq!(req.redialled, [first]);
        assert_eq!(req.recv(), Err(Nothing::WrongState));
        // Nothing goes there until that connection is lost.
        for _ in 0..2 {
            req.send("2").expect("the second is there");
            assert_eq!(req.sent(second).len(), 1);
            req.give(first, ["", "late"]);
            req.give(second, ["", "in time"]);
            assert_eq!(req.recv_all(), messages(["in time"]));
        }
        req.unready(first);
        // The request that had not left is not asked after all.
        assert_eq!(req.sent(first), []);
        req.send("3").expect("two are there");
        req.give(second, ["", "answer"]);
        req.recv_all();
        req.send("4").expect("two are there");
        assert_eq!(req.sent(first).len() + req.sent(second).len(), 2);
    }

    #[test]
    fn an_abandoned_request_that_has_no_connection_is_withdrawn() {
        let mut req = Stage::plain(SocketType::Req);
        let key = req.attach();
        req.send("1").expect("it queues");
        req.abandon();
        req.send("2").expect("it queues");
        assert_eq!(req.redialled, []);
        assert_eq!(req.sent(key), [Message::from(["", "2"])]);
        assert_eq!(req.peers[key].out.stats().dropped, 1);
    }

    #[test]
    fn a_lost_peer_is_told_once() {
        for gone in [false, true] {
            let mut req = Stage::plain(SocketType::Req);
            let key = req.join();
            req.send("?").expect("it is there");
            assert_eq!(req.sent(key).len(), 1);
            if gone {
                req.detach(key);
                assert_eq!(req.emptied, [key]);
            } else {
                req.unready(key);
            }
            assert!(req.can_recv());
            assert_eq!(req.recv(), Err(Nothing::PeerLost));
            assert!(!req.can_recv());
            assert_eq!(req.recv(), Err(Nothing::WrongState));
            assert_eq!(req.can_send(), !gone);
            if gone {
                assert_eq!(req.join(), key);
            }
            assert_eq!(req.send("again"), Ok(()));
        }
    }

    #[test]
    fn a_lost_peers_reply_is_still_heard() {
        for gone in [false, true] {
            let mut req = Stage::plain(SocketType::Req);
            let key = req.join();
            req.send("?").expect("it is there");
            req.sent(key);
            req.give(key, ["", "answer"]);
            req.unready(key);
            if gone {
                req.detach(key);
            }
            assert_eq!(req.emptied, []);
            assert_eq!(req.recv(), Ok("answer".into()));
            assert_eq!(req.recv(), Err(Nothing::WrongState));
            assert_eq!(req.emptied.len(), usize::from(gone));
        }
    }

    #[test]
    fn who_takes_a_lost_peers_key_does_not_answer_for_it() {
        let mut req = Stage::plain(SocketType::Req);
        let key = req.join();
        req.send("?").expect("it is there");
        req.detach(key);
        assert_eq!(req.join(), key);
        req.give(key, ["", "not asked"]);
        assert!(req.can_recv());
        assert_eq!(req.recv(), Err(Nothing::PeerLost));
        req.send("?").expect("another is there");
        req.detach(key);
        assert_eq!(req.join(), key);
        req.give(key, ["", "not asked"]);
        req.detach(key);
        assert_eq!(req.emptied, [key; 3]);
    }

    #[test]
    fn the_next_request_may_pass_over_the_news_of_a_loss() {
        let mut req = Stage::plain(SocketType::Req);
        let (first, second) = (req.join(), req.join());
        req.send("1").expect("two are there");
        req.give(first, ["", "unread"]);
        req.detach(first);
        assert!(req.can_send());
        assert_eq!(req.send("2"), Ok(()));
        assert_eq!(req.emptied, [first]);
        req.give(second, ["", "answer"]);
        assert_eq!(req.recv_all(), messages(["answer"]));
    }

    #[test]
    fn a_request_that_has_not_left_waits_for_the_next_connection() {
        let mut req = Stage::new(
            SocketType::Req,
            Options {
                probe_router: true,
                ..Options::default()
            },
        );
        let key = req.attach();
        req.send("patient").expect("it queues");
        req.unready(key);
        assert!(!req.can_recv());
        assert!(req.ready(key, "").is_ok());
        assert_eq!(req.sent(key), [Message::from(["", "patient"])]);
        req.give(key, ["", "answer"]);
        assert_eq!(req.recv(), Ok("answer".into()));
        req.unready(key);
        assert!(req.ready(key, "").is_ok());
        assert_eq!(req.sent(key), messages([""]));
    }

    #[test]
    fn who_leaves_unasked_is_forgotten_with_what_it_said() {
        let mut req = Stage::plain(SocketType::Req);
        let (asked, other) = (req.join(), req.join());
        req.send("?").expect("two are there");
        req.give(other, ["", "unasked"]);
        req.detach(other);
        assert_eq!(req.emptied, [other]);
        req.give(asked, ["", "answer"]);
        assert_eq!(req.recv_all(), messages(["answer"]));
    }
}
