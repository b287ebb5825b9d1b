//! DEALER (RFC 28): sends round robin, receives in turn, and leaves the frames alone.

use bytes::Bytes;

use super::{
    Effects, Nothing, Peers, Received, Refusal, Rules, inlet::Inlet, outlet::Outlet, push_probe,
};
use crate::{
    base::{event::Reason, message::Message, options::Options},
    pipe::{Accepted, Plain},
};

/// DEALER.
#[derive(Debug)]
pub struct Dealer {
    outlet: Outlet,
    inlet: Inlet,
    probe: bool,
}

impl Dealer {
    /// The short way of a message.
    #[inline(always)]
    pub(super) fn send_plain(
        &mut self,
        peers: &mut Peers,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        self.outlet.send_plain(peers, message)
    }

    /// The short way of a message.
    #[inline(always)]
    pub(super) fn turn_plain(&mut self, peers: &Peers) -> Option<usize> {
        self.inlet.turn_plain(peers)
    }

    /// The next message, and who sent it.
    #[inline]
    pub(super) fn take(
        &mut self,
        peers: &mut Peers,
        effects: &mut Effects,
    ) -> Option<(usize, Message)> {
        self.inlet.take(peers, effects)
    }

    pub(super) fn new(options: &Options) -> Dealer {
        Dealer {
            outlet: Outlet::new(options),
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
        effects
            .pushed
            .extend(self.outlet.send(peers, &[], message)?);
        Ok(())
    }

    #[inline]
    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let (from, message) = self.take(peers, effects).ok_or(Nothing::Empty)?;
        Ok(Received::plain(from, message))
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        self.inlet.has_some(peers, effects)
    }

    fn can_send(&mut self, peers: &mut Peers) -> bool {
        self.outlet.has_room(peers)
    }

    fn adopt(&mut self, options: &Options) {
        self.probe = options.probe_router;
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
    fn sends_and_receives_in_turn_and_leaves_frames_alone() {
        let mut dealer = Stage::plain(SocketType::Dealer);
        let (a, b) = (dealer.join(), dealer.join());
        for n in 0..4 {
            assert_eq!(dealer.send(["", "id", &n.to_string()]), Ok(()));
        }
        for (key, expected) in [(a, ["0", "2"]), (b, ["1", "3"])] {
            let expected = expected.map(|n| Message::from(["", "id", n]));
            assert_eq!(dealer.sent(key), expected);
        }
        for (key, text) in [(a, "a0"), (a, "a1"), (b, "b0")] {
            dealer.give(key, text);
        }
        assert!(dealer.can_recv() && dealer.can_send());
        assert_eq!(dealer.recv_all(), messages(["a0", "b0", "a1"]));
    }

    #[test]
    fn a_probe_goes_to_each_who_is_ready_whatever_the_mark() {
        let options = Options {
            probe_router: true,
            send_hwm: 1,
            ..Options::default()
        };
        let mut dealer = Stage::new(SocketType::Dealer, options);
        let key = dealer.attach();
        assert_eq!(dealer.send("early"), Ok(()));
        assert!(dealer.ready(key, "").is_ok());
        assert_eq!(dealer.sent(key), messages(["early", ""]));
        dealer.unready(key);
        assert!(dealer.ready(key, "").is_ok());
        assert_eq!(dealer.sent(key), messages([""]));
    }

    #[test]
    fn who_has_left_gets_nothing_and_is_read_to_the_end() {
        let mut dealer = Stage::plain(SocketType::Dealer);
        let key = dealer.join();
        dealer.give(key, "last");
        dealer.detach(key);
        assert_eq!(dealer.send("x"), Err(Refusal::Full));
        assert_eq!(dealer.recv_all(), messages(["last"]));
        assert_eq!(dealer.emptied, [key]);
    }
}
