//! PUSH and PULL (RFC 30): work is handed to whoever has room, and taken from all in turn.

use super::{Effects, Nothing, Peers, Received, Refusal, Rules, inlet::Inlet, outlet::Outlet};
use crate::{
    base::{message::Message, options::Options},
    pipe::{Accepted, Plain},
};

/// PUSH: round robin over the peers that are not full. Peers that are still connecting take
/// their share, for their lanes queue.
#[derive(Debug, Default)]
pub struct Push {
    outlet: Outlet,
}

impl Push {
    pub(super) fn new(options: &Options) -> Push {
        Push {
            outlet: Outlet::new(options),
        }
    }

    /// The short way of a message.
    #[inline(always)]
    pub(super) fn send_plain(
        &mut self,
        peers: &mut Peers,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        self.outlet.send_plain(peers, message)
    }
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
        effects
            .pushed
            .extend(self.outlet.send(peers, &[], message)?);
        Ok(())
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

impl Pull {
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
        let (from, message) = self.take(peers, effects).ok_or(Nothing::Empty)?;
        Ok(Received::plain(from, message))
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        self.inlet.has_some(peers, effects)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::stage::{Stage, messages},
        *,
    };
    use crate::base::{
        options::{Balance, OnFull},
        socket_type::SocketType,
    };

    #[test]
    fn push_deals_in_turn() {
        let mut push = Stage::plain(SocketType::Push);
        let keys = [push.join(), push.join(), push.join()];
        for text in ["0", "1", "2", "3", "4", "5"] {
            assert_eq!(push.send(text), Ok(()));
        }
        assert_eq!(push.sent(keys[0]), messages(["0", "3"]));
        assert_eq!(push.sent(keys[1]), messages(["1", "4"]));
        assert_eq!(push.sent(keys[2]), messages(["2", "5"]));
    }

    #[test]
    fn push_passes_over_who_is_full_until_the_lane_rings() {
        let mut push = Stage::with_hwm(SocketType::Push, 2);
        let (slow, quick) = (push.join(), push.join());
        for n in 0..10 {
            assert_eq!(push.send(n.to_string()), Ok(()));
            push.sent(quick);
        }
        assert_eq!(push.peers[slow].out.queued(), 2);
        assert_eq!(push.next(slow), Some("0".into()));
        // Who has room again joins behind the others.
        assert_eq!(push.send("quick"), Ok(()));
        assert_eq!(push.send("again"), Ok(()));
        assert_eq!(push.sent(slow), messages(["2", "again"]));
        assert_eq!(push.sent(quick), messages(["quick"]));
    }

    fn choosing(balance: Balance, on_full: OnFull, hwm: usize) -> Stage {
        let options = Options {
            balance,
            on_full,
            send_hwm: hwm,
            ..Options::default()
        };
        Stage::new(SocketType::Push, options)
    }

    #[test]
    fn push_gives_to_whom_the_least_waits_for_in_turn_if_even() {
        let mut push = choosing(Balance::LeastQueued, OnFull::Block, 100);
        let keys = [push.join(), push.join(), push.join()];
        let queued = |push: &Stage| keys.map(|key| push.peers[key].out.queued());
        for text in ["0", "1", "2", "3"] {
            assert_eq!(push.send(text), Ok(()));
        }
        assert_eq!(queued(&push), [2, 1, 1]);
        assert_eq!(push.sent(keys[1]), messages(["1"]));
        for (text, waiting) in [
            ("4", [2, 1, 1]),
            ("5", [2, 1, 2]),
            ("6", [2, 2, 2]),
            ("7", [3, 2, 2]),
            ("8", [3, 2, 3]),
            ("9", [3, 3, 3]),
        ] {
            assert_eq!(push.send(text), Ok(()));
            assert_eq!(queued(&push), waiting, "after {text}");
        }
        assert_eq!(push.sent(keys[2]), messages(["2", "5", "8"]));
        assert_eq!(push.send("again"), Ok(()));
        assert_eq!(push.sent(keys[2]), messages(["again"]));
    }

    #[test]
    fn push_drops_what_finds_no_room_at_anybody() {
        for balance in [Balance::RoundRobin, Balance::LeastQueued] {
            let mut push = choosing(balance, OnFull::DropNewest, 2);
            assert_eq!(push.send("nobody there"), Err(Refusal::Full));
            assert!(!push.can_send());
            let keys = [push.join(), push.join()];
            for n in 0..9 {
                assert_eq!(push.send(n.to_string()), Ok(()));
                assert!(push.can_send());
            }
            let refused = keys.map(|key| push.peers[key].out.stats().refused);
            assert_eq!(refused.iter().sum::<u64>(), 5);
            assert!(refused[0].abs_diff(refused[1]) <= 1, "in turn: {refused:?}");
            assert_eq!(push.sent(keys[0]), messages(["0", "2"]));
            assert_eq!(push.send("room"), Ok(()));
            assert_eq!(push.sent(keys[0]), messages(["room"]));
            assert_eq!(push.sent(keys[1]), messages(["1", "3"]));
        }
    }

    #[test]
    fn push_refuses_at_the_mark_of_all_and_goes_on_when_one_rings() {
        let mut push = Stage::with_hwm(SocketType::Push, 4);
        assert!(!push.can_send());
        assert_eq!(push.send("nobody"), Err(Refusal::Full));
        let keys = [push.join(), push.join()];
        for n in 0..8 {
            assert!(push.can_send());
            assert_eq!(push.send(n.to_string()), Ok(()));
        }
        assert!(!push.can_send());
        assert_eq!(push.send("more"), Err(Refusal::Full));
        // Credit comes back at the low-water step of two.
        push.next(keys[1]);
        assert_eq!(push.send("more"), Err(Refusal::Full));
        push.next(keys[1]);
        assert!(push.can_send());
        assert_eq!(push.send("more"), Ok(()));
        assert_eq!(push.sent(keys[1]), messages(["5", "7", "more"]));
        assert_eq!(push.peers[keys[0]].out.stats().refused, 0);
    }

    #[test]
    fn push_queues_for_who_is_connecting_and_keeps_it() {
        let mut push = Stage::plain(SocketType::Push);
        let key = push.attach();
        assert_eq!(push.send("early"), Ok(()));
        assert!(push.ready(key, "").is_ok());
        push.unready(key);
        assert_eq!(push.send("between"), Ok(()));
        assert!(push.ready(key, "").is_ok());
        assert_eq!(push.sent(key), messages(["early", "between"]));
    }

    #[test]
    fn push_neither_receives_nor_sends_to_who_has_left() {
        let mut push = Stage::plain(SocketType::Push);
        let (closed, left, stays) = (push.join(), push.join(), push.join());
        push.give(left, "ignored");
        push.detach(left);
        assert_eq!(push.emptied, [left]);
        push.close(closed);
        for _ in 0..3 {
            assert_eq!(push.send("x"), Ok(()));
        }
        assert_eq!(push.sent(stays).len(), 3);
        push.detach(closed);
        push.detach(stays);
        assert_eq!(push.emptied, [left, closed, stays]);
        assert_eq!(push.send("x"), Err(Refusal::Full));
        assert!(!push.can_recv());
        assert_eq!(push.recv(), Err(Nothing::WrongState));
    }

    #[test]
    fn pull_takes_one_of_each_in_turn() {
        let mut pull = Stage::plain(SocketType::Pull);
        let keys = [pull.join(), pull.join(), pull.join()];
        assert!(!pull.can_recv());
        assert_eq!(pull.recv(), Err(Nothing::Empty));
        for n in 0..100 {
            keys.iter()
                .for_each(|&key| assert!(pull.give(key, format!("{key}:{n}"))));
        }
        let mut counts = [0; 3];
        for _ in 0..150 {
            let received = pull.receive().expect("300 messages were sent");
            let expected = format!("{}:{}", received.from, counts[received.from]);
            assert_eq!(received.message, Message::from(expected));
            counts[received.from] += 1;
        }
        assert_eq!(counts, [50; 3]);
        assert_eq!(pull.recv_all().len(), 150);
        assert_eq!(pull.send("x"), Err(Refusal::WrongState));
        assert!(!pull.can_send());
    }

    #[test]
    fn pull_hears_the_bell_that_ends_a_drought() {
        let mut pull = Stage::plain(SocketType::Pull);
        let key = pull.join();
        for _ in 0..3 {
            assert_eq!(pull.recv(), Err(Nothing::Empty));
            assert!(!pull.can_recv());
            pull.give(key, "rain");
            assert!(pull.can_recv());
            assert_eq!(pull.recv_all(), messages(["rain"]));
        }
    }

    #[test]
    fn pull_sees_what_a_peer_queued_before_it_came() {
        let mut pull = Stage::plain(SocketType::Pull);
        let key = pull.attach();
        // The first message's bell rang before anybody listened.
        let lane = pull.peers[key].window.lane().clone();
        assert!(lane.push(&[], &"early".into()).is_ok());
        assert_eq!(pull.recv(), Ok("early".into()));
    }

    #[test]
    fn pull_gives_credit_in_steps() {
        let mut pull = Stage::with_hwm(SocketType::Pull, 4);
        let key = pull.join();
        (0..4).for_each(|_| assert!(pull.give(key, "x")));
        assert!(!pull.give(key, "x"));
        pull.recv().expect("four wait");
        assert_eq!(pull.credited, []);
        pull.recv().expect("three wait");
        assert_eq!(pull.credited, [key]);
        assert!(pull.give(key, "x") && pull.give(key, "x") && !pull.give(key, "x"));
    }

    #[test]
    fn pull_reads_who_is_gone_to_the_end_and_says_so_once() {
        let mut pull = Stage::plain(SocketType::Pull);
        let (silent, talker) = (pull.join(), pull.join());
        pull.give(talker, "last");
        pull.give(talker, "words");
        pull.detach(silent);
        assert_eq!(pull.emptied, [silent]);
        pull.detach(talker);
        assert_eq!(pull.emptied, [silent]);
        assert_eq!(pull.recv_all(), messages(["last", "words"]));
        assert_eq!(pull.emptied, [silent, talker]);
        assert!(!pull.can_recv());
        assert_eq!(pull.emptied.len(), 2);
        // The key is used again, by another.
        let next = pull.join();
        pull.give(next, "hello");
        assert_eq!(pull.recv_all(), messages(["hello"]));
    }
}
