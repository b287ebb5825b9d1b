//! REP (RFC 28): answers each request along the way it came.
//!
//! ```text
//!   request   [id] … [] [body] …          the envelope becomes the route
//!   reply     [id] … [] [answer] …
//! ```
//!
//! Any number of requests may be open at once: each has a route of its own. Whether an
//! application must answer one before it takes the next is for the layer above to say.

use super::{
    Effects, Nothing, Peers, Received, Rules,
    envelope::{measure, split},
    inlet::Inlet,
};
use crate::base::message::{Frame, Message};

/// Where the answer to a request goes.
#[derive(Debug)]
pub struct Route {
    key: usize,
    serial: u64,
    /// Up to and including the delimiter.
    envelope: Vec<Frame>,
}

/// REP.
#[derive(Debug, Default)]
pub struct Rep {
    inlet: Inlet,
}

impl Rep {
    /// Answers along `route`; see [`Pattern::reply`](super::Pattern::reply).
    pub(super) fn reply(
        &mut self,
        peers: &mut Peers,
        route: &Route,
        message: &Message,
        effects: &mut Effects,
    ) -> bool {
        let Some(peer) = peers.get(route.key) else {
            return false;
        };
        if peer.gone || peer.serial != route.serial {
            return false;
        }
        match peer.out.push_or_drop(&route.envelope, message) {
            Ok(accepted) => {
                effects.pushed.push((route.key, accepted));
                true
            }
            Err(_) => false,
        }
    }

    /// The next message that is a request, and the size of its envelope. Others are dropped.
    fn take(
        &mut self,
        peers: &mut Peers,
        effects: &mut Effects,
    ) -> Option<(usize, Message, usize)> {
        loop {
            let (from, message) = self.inlet.take(peers, effects)?;
            if let Some(count) = measure(&message) {
                return Some((from, message, count));
            }
        }
    }
}

impl Rules for Rep {
    fn attach(&mut self, _: &mut Peers, key: usize, _: &mut Effects) {
        self.inlet.add(key);
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        self.inlet.detach(peers, key, effects);
    }

    fn readable(&mut self, key: usize) {
        self.inlet.readable(key);
    }

    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let (from, message, count) = self.take(peers, effects).ok_or(Nothing::Empty)?;
        let (envelope, body) = split(message, count);
        let route = Route {
            key: from,
            serial: peers[from].serial,
            envelope,
        };
        Ok(Received {
            route: Some(route),
            ..Received::plain(from, body)
        })
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        match self.take(peers, effects) {
            Some((from, message, _)) => {
                self.inlet.hold(from, message);
                true
            }
            None => false,
        }
    }
}
