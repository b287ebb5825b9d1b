//! PUSH and PULL (RFC 30): work is handed to whoever has room, and taken from all in turn.

use super::{Effects, Nothing, Peers, Received, Refusal, Rules, inlet::Inlet, outlet::Outlet};
use crate::base::message::Message;

/// PUSH: round robin over the peers that are not full. Peers that are still connecting take
/// their share, for their lanes queue.
#[derive(Debug, Default)]
pub struct Push {
    outlet: Outlet,
}

impl Rules for Push {
    fn attach(&mut self, _: &mut Peers, key: usize, _: &mut Effects) {
        self.outlet.add(key);
    }

    fn detach(&mut self, _: &mut Peers, key: usize, effects: &mut Effects) {
        self.outlet.remove(key);
        effects.emptied.push(key);
    }

    fn writable(&mut self, key: usize) {
        self.outlet.writable(key);
    }

    #[inline]
    fn send(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        self.outlet.send(peers, &[], message, effects).map(drop)
    }

    fn can_send(&mut self, peers: &mut Peers) -> bool {
        self.outlet.has_room(peers)
    }
}

/// PULL: one message of each peer in turn.
#[derive(Debug, Default)]
pub struct Pull {
    inlet: Inlet,
}

impl Rules for Pull {
    fn attach(&mut self, _: &mut Peers, key: usize, _: &mut Effects) {
        self.inlet.add(key);
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        self.inlet.detach(peers, key, effects);
    }

    fn readable(&mut self, key: usize) {
        self.inlet.readable(key);
    }

    #[inline]
    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let (from, message) = self.inlet.take(peers, effects).ok_or(Nothing::Empty)?;
        Ok(Received::plain(from, message))
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        self.inlet.has_some(peers, effects)
    }
}
