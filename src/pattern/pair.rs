//! PAIR (RFC 31): one peer, both ways.
//!
//! ```text
//!   attach ──► peer ──► gone, until it is read to the end
//!      │        ▲
//!      └──► waiting     ready is refused: occupied
//! ```
//!
//! The first that is attached is the peer, ready or not: what is sent to it waits in its lane.
//! Others wait without a role until it is gone, in the order they came.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Effects, Nothing, Peers, Received, Refusal, Rules};
use crate::{
    base::{
        event::Reason,
        message::Message,
        options::{OnFull, Options},
    },
    pipe::{Accepted, Plain, Refused},
};

/// PAIR.
#[derive(Debug, Default)]
pub struct Pair {
    peer: Option<usize>,
    waiting: VecDeque<usize>,
    /// Former peers that have something left to read, the first of them first.
    gone: VecDeque<usize>,
    on_full: OnFull,
}

impl Pair {
    pub(super) fn new(options: &Options) -> Pair {
        Pair {
            on_full: options.on_full,
            ..Pair::default()
        }
    }

    /// The short way of a message.
    #[inline(always)]
    pub(super) fn send_plain(
        &mut self,
        peers: &mut Peers,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        let key = self.peer?;
        Some((key, peers[key].out.push_plain(message)?))
    }

    /// The short way of a message: from the peer that is there.
    #[inline(always)]
    pub(super) fn turn_plain(&mut self, peers: &Peers) -> Option<usize> {
        let peer = self.peer.filter(|_| self.gone.is_empty())?;
        peers[peer].window.is_plain().then_some(peer)
    }
}

impl Rules for Pair {
    fn attach(&mut self, _: &mut Peers, key: usize, _: &mut Effects) {
        if self.peer.is_none() {
            self.peer = Some(key);
        } else {
            self.waiting.push_back(key);
        }
    }

    fn ready(
        &mut self,
        _: &mut Peers,
        key: usize,
        _: &Bytes,
        _: &mut Effects,
    ) -> Result<(), Reason> {
        if self.peer == Some(key) {
            Ok(())
        } else {
            Err(Reason::Occupied)
        }
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        if self.peer == Some(key) {
            self.peer = self.waiting.pop_front();
            if peers[key].window.has_some() {
                self.gone.push_back(key);
                return;
            }
        } else {
            self.waiting.retain(|other| *other != key);
        }
        effects.emptied.push(key);
    }

    #[inline]
    fn send(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let key = self.peer.ok_or(Refusal::Full)?;
        match peers[key].out.push(&[], message) {
            Ok(accepted) => {
                effects.pushed.push((key, accepted));
                Ok(())
            }
            Err(Refused::Full) if self.on_full == OnFull::DropNewest => {
                peers[key].out.lane().count_refused();
                Ok(())
            }
            Err(_) => Err(Refusal::Full),
        }
    }

    #[inline]
    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        while let Some(&key) = self.gone.front() {
            if let (Some(message), _) = peers[key].window.pop() {
                return Ok(Received::plain(key, message));
            }
            self.gone.pop_front();
            effects.emptied.push(key);
        }
        let key = self.peer.ok_or(Nothing::Empty)?;
        let (message, ring) = peers[key].window.pop();
        if ring {
            effects.credited.push(key);
        }
        let Some(message) = message else {
            if peers[key].window.is_held_back() {
                effects.held_back.push(key);
            }
            return Err(Nothing::Empty);
        };
        Ok(Received::plain(key, message))
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        while let Some(&key) = self.gone.front() {
            if peers[key].window.has_some() {
                return true;
            }
            self.gone.pop_front();
            effects.emptied.push(key);
        }
        let Some(key) = self.peer else {
            return false;
        };
        let some = peers[key].window.has_some();
        if !some && peers[key].window.is_held_back() {
            effects.held_back.push(key);
        }
        some
    }

    fn can_send(&mut self, peers: &mut Peers) -> bool {
        let drops = self.on_full == OnFull::DropNewest;
        self.peer
            .is_some_and(|key| drops || !peers[key].out.is_full(true))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::stage::{Stage, messages},
        *,
    };
    use crate::base::socket_type::SocketType;

    #[test]
    fn talks_both_ways_with_one() {
        let mut pair = Stage::with_hwm(SocketType::Pair, 2);
        assert_eq!(pair.send("nobody"), Err(Refusal::Full));
        assert!(!pair.can_send() && !pair.can_recv());
        let key = pair.attach();
        assert_eq!(pair.send("early"), Ok(()));
        assert!(pair.ready(key, "").is_ok());
        assert_eq!(pair.send("second"), Ok(()));
        assert_eq!(pair.send("third"), Err(Refusal::Full));
        assert!(!pair.can_send());
        assert_eq!(pair.sent(key), messages(["early", "second"]));
        assert!(pair.can_send());
        assert_eq!(pair.recv(), Err(Nothing::Empty));
        pair.give(key, "answer");
        assert!(pair.can_recv());
        assert_eq!(pair.recv(), Ok("answer".into()));
        assert_eq!(pair.credited, []);
        assert!(pair.give(key, "a") && pair.give(key, "b") && !pair.give(key, "c"));
        pair.recv_all();
        assert_eq!(pair.credited, [key]);
    }

    #[test]
    fn a_second_peer_is_refused() {
        let mut pair = Stage::plain(SocketType::Pair);
        let first = pair.join();
        assert!(matches!(pair.join_as(""), Err(Reason::Occupied)));
        assert_eq!(pair.emptied, [1]);
        assert_eq!(pair.send("for the first"), Ok(()));
        assert_eq!(pair.sent(first).len(), 1);
        pair.detach(first);
        assert_eq!(pair.emptied, [1, first]);
        let second = pair.join();
        assert_eq!(pair.send("for the second"), Ok(()));
        assert_eq!(pair.sent(second).len(), 1);
    }

    #[test]
    fn who_waits_takes_over_and_the_former_is_read_first() {
        let mut pair = Stage::plain(SocketType::Pair);
        let (first, second, third) = (pair.join(), pair.attach(), pair.attach());
        assert!(matches!(pair.ready(second, ""), Err(Reason::Occupied)));
        pair.give(first, "left behind");
        pair.detach(first);
        assert!(matches!(pair.ready(third, ""), Err(Reason::Occupied)));
        assert!(pair.ready(second, "").is_ok());
        pair.give(second, "new");
        assert_eq!(pair.send("x"), Ok(()));
        assert_eq!(pair.sent(second).len(), 1);
        assert!(pair.can_recv());
        assert_eq!(pair.emptied, []);
        assert_eq!(pair.recv_all(), messages(["left behind", "new"]));
        assert_eq!(pair.emptied, [first]);
        pair.detach(third);
        pair.detach(second);
        assert_eq!(pair.emptied, [first, third, second]);
    }
}
