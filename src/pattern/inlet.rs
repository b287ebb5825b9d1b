//! Receiving from many: one whole message of each peer that has some, in turn.
//!
//! A peer is in its turn from the bell that ends its drought until its lane is found empty. One
//! that is gone is read to the end, then reported as emptied: exactly once, for it leaves the
//! turns in that moment.

use super::{Effects, Peers, turns::Turns};
use crate::base::message::{Frame, Message};

/// The receiving side of a socket with any number of peers.
#[derive(Debug, Default)]
pub(super) struct Inlet {
    turns: Turns,
    /// Its socket takes turns with its peers: who was heard is not looked at again before it rings.
    by_turns: bool,
    /// Looked at, found good, and put back: the next to be taken.
    held: Option<(usize, Message)>,
    /// The message taken last stands behind an empty frame that is not here.
    bare: bool,
}

impl Inlet {
    /// That of a socket that takes turns with its peers.
    pub(super) fn by_turns() -> Inlet {
        Inlet {
            by_turns: true,
            ..Inlet::default()
        }
    }

    /// Is nothing known to wait here?
    pub(super) fn is_heard_out(&self) -> bool {
        self.held.is_none() && self.turns.current().is_none()
    }

    /// A new peer. It gets a turn at once, since an inproc peer may have queued already.
    pub(super) fn add(&mut self, key: usize) {
        self.turns.add(key, true);
    }

    /// A peer has something again.
    pub(super) fn readable(&mut self, key: usize) {
        self.turns.activate(key);
    }

    /// A peer is not read until it is [`readable`](Inlet::readable) again.
    pub(super) fn pass_over(&mut self, key: usize) {
        self.turns.deactivate(key);
    }

    /// A peer leaves, and what it sent is read by nobody.
    pub(super) fn detach_unread(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        peers[key].window.clear();
        self.turns.remove(key);
        effects.emptied.push(key);
    }

    /// A peer is gone: it is emptied now, or will be.
    pub(super) fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        if self.holds(key) || peers[key].window.has_some() {
            self.turns.activate(key);
        } else {
            self.turns.remove(key);
            effects.emptied.push(key);
        }
    }

    /// The next message, and the key of who sent it.
    pub(super) fn take(
        &mut self,
        peers: &mut Peers,
        effects: &mut Effects,
    ) -> Option<(usize, Message)> {
        if let Some(held) = self.held.take() {
            self.bare = false;
            return Some(held);
        }
        while let Some(key) = self.turns.current() {
            if let Some(message) = self.pop(peers, key, effects) {
                if self.turns.current() == Some(key) {
                    self.turns.advance();
                }
                return Some((key, message));
            }
        }
        None
    }

    /// Whose message may go the short way: `None` unless there is one, and nothing to follow up.
    /// It has had its turn then, and the message is to be taken.
    #[inline(always)]
    pub(super) fn turn_plain(&mut self, peers: &Peers) -> Option<usize> {
        let (None, Some(key)) = (&self.held, self.turns.current()) else {
            return None;
        };
        if !peers[key].window.is_plain() {
            return None;
        }
        self.turns.advance();
        Some(key)
    }

    /// The next message of this peer, whoever's turn it is.
    pub(super) fn take_from(
        &mut self,
        peers: &mut Peers,
        key: usize,
        effects: &mut Effects,
    ) -> Option<Message> {
        match self.held.take_if(|(from, _)| *from == key) {
            Some((_, message)) => {
                self.bare = false;
                Some(message)
            }
            None if self.turns.is_ready(key) => self.pop(peers, key, effects),
            None => None,
        }
    }

    /// Stands the message taken last behind an empty frame that is not here? So may those of who
    /// takes turns.
    pub(super) fn is_bare(&self) -> bool {
        self.bare
    }

    /// Puts a message back that was just taken: it is the next one.
    pub(super) fn hold(&mut self, from: usize, mut message: Message) {
        debug_assert!(self.held.is_none(), "one message is looked at a time");
        if std::mem::take(&mut self.bare) {
            message.push_front(Frame::empty());
        }
        self.held = Some((from, message));
    }

    /// Was a message of this peer put back?
    pub(super) fn holds(&self, key: usize) -> bool {
        self.held.as_ref().is_some_and(|(from, _)| *from == key)
    }

    /// Is there a message?
    pub(super) fn has_some(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        if self.held.is_some() {
            return true;
        }
        while let Some(key) = self.turns.current() {
            if peers[key].window.has_some() {
                return true;
            }
            self.step_out(peers, key, effects);
        }
        false
    }

    /// Throws away all that has arrived.
    pub(super) fn drain(&mut self, peers: &mut Peers, effects: &mut Effects) {
        self.held = None;
        while let Some(key) = self.turns.current() {
            if peers[key].window.clear() {
                effects.credited.push(key);
            }
            self.step_out(peers, key, effects);
        }
    }

    fn pop(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) -> Option<Message> {
        // One that is gone is forgotten once it is found empty: not before its last message was
        // taken for good.
        let (message, ring, dry) = match self.by_turns && !peers[key].gone {
            true => peers[key].window.pop_in_turn(),
            false => {
                let (message, ring) = peers[key].window.pop();
                let dry = message.is_none();
                (message, ring, dry)
            }
        };
        if ring {
            effects.credited.push(key);
        }
        self.bare = peers[key].window.is_bare();
        if dry {
            self.step_out(peers, key, effects);
        }
        message
    }

    /// A peer's lane is empty.
    fn step_out(&mut self, peers: &Peers, key: usize, effects: &mut Effects) {
        if peers[key].gone {
            self.turns.remove(key);
            effects.emptied.push(key);
        } else {
            self.turns.deactivate(key);
            if peers[key].window.is_held_back() {
                effects.held_back.push(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::Peer, *};
    use crate::pipe::{Lane, Store};

    /// A peer that has said so much, unheard: its bell has not rung yet.
    fn peer(said: usize) -> (Inlet, Peers, Effects, usize) {
        let [out, received] = [0, 0].map(|hwm| Arc::new(Lane::new(Store::Messages, hwm, false)));
        let mut peers = Peers::new();
        let key = peers.insert(Peer::new(1, out, Arc::clone(&received)));
        let (mut inlet, mut effects) = (Inlet::default(), Effects::default());
        inlet.add(key);
        assert!(inlet.take(&mut peers, &mut effects).is_none());
        for _ in 0..said {
            assert!(received.push(&[], &"x".into()).is_ok());
        }
        (inlet, peers, effects, key)
    }

    #[test]
    fn who_leaves_before_its_bell_is_heard_is_read() {
        let (mut inlet, mut peers, mut effects, key) = peer(2);
        assert!(!inlet.has_some(&mut peers, &mut effects));
        peers[key].gone = true;
        inlet.detach(&mut peers, key, &mut effects);
        assert!(inlet.take(&mut peers, &mut effects).is_some());
        assert!(inlet.take_from(&mut peers, key, &mut effects).is_some());
        assert_eq!(effects.emptied, []);
        assert!(inlet.take(&mut peers, &mut effects).is_none());
        assert_eq!(effects.emptied, [key]);
    }

    #[test]
    fn who_is_emptied_is_so_once_however_late_that_is_followed_up() {
        let (mut inlet, mut peers, mut effects, key) = peer(0);
        peers[key].gone = true;
        inlet.detach(&mut peers, key, &mut effects);
        inlet.readable(key);
        assert!(inlet.take_from(&mut peers, key, &mut effects).is_none());
        assert!(inlet.take(&mut peers, &mut effects).is_none());
        assert!(!inlet.has_some(&mut peers, &mut effects));
        inlet.drain(&mut peers, &mut effects);
        assert_eq!(effects.emptied, [key]);
    }
}
