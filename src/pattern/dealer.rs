//! DEALER (RFC 28): sends round robin, receives in turn, and leaves the frames alone.

use bytes::Bytes;

use super::{
    Effects, Nothing, Peers, Received, Refusal, Rules, inlet::Inlet, outlet::Outlet, push_probe,
};
use crate::base::{event::Reason, message::Message, options::Options};

/// DEALER.
#[derive(Debug)]
pub struct Dealer {
    outlet: Outlet,
    inlet: Inlet,
    probe: bool,
}

impl Dealer {
    pub(super) fn new(options: &Options) -> Dealer {
        Dealer {
            outlet: Outlet::default(),
            inlet: Inlet::default(),
            probe: options.probe_router,
        }
    }
}

impl Rules for Dealer {
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
        if self.probe {
            push_probe(peers, key, effects);
        }
        Ok(())
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        self.outlet.remove(key);
        self.inlet.detach(peers, key, effects);
    }

    fn readable(&mut self, key: usize) {
        self.inlet.readable(key);
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

    #[inline]
    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let (from, message) = self.inlet.take(peers, effects).ok_or(Nothing::Empty)?;
        Ok(Received::plain(from, message))
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        self.inlet.has_some(peers, effects)
    }

    fn can_send(&mut self, peers: &mut Peers) -> bool {
        self.outlet.has_room(peers)
    }
}
