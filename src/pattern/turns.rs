//! Whose turn it is: the ready peers in a ring, every step in constant time.
//!
//! Fair queueing (who is received from next) and load balancing (who is sent to next) are one
//! question: which of the peers that are ready has waited longest for its turn?
//!
//! ```text
//!            current
//!               │                 activate 7: joins behind the last, before the current one
//!               ▼                 deactivate 2: steps out, 5 is next
//!       ┌──► 2 ──► 5 ──► 0 ──┐    advance: 2 has had its turn and is last now
//!       └────────────────────┘
//!       idle: 1, 3
//! ```
//!
//! A ring, and not an array whose ready members are swapped to the front, because swapping
//! changes the order of those who did nothing: a peer that is always ready could be passed over
//! again and again while others come and go. Here the order of those who stay never changes, so
//! the turns of any two of them differ by at most one.

/// Peers and their turns. A peer is a small number: its key in the socket's slab.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// By key.
    peers: Vec<Peer>,
    current: Option<usize>,
    ready: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Unknown,
    Idle,
    /// In the ring, between these two; alone, it is its own neighbour.
    Ready {
        before: usize,
        after: usize,
    },
}

impl Turns {
    /// Nobody.
    pub fn new() -> Turns {
        Turns::default()
    }

    /// A peer has come. One that is ready gets its turn after all others that are.
    pub fn add(&mut self, key: usize, ready: bool) {
        if key >= self.peers.len() {
            self.peers.resize(key + 1, Peer::Unknown);
        }
        debug_assert_eq!(self.peers[key], Peer::Unknown, "peer {key} added twice");
        self.peers[key] = Peer::Idle;
        if ready {
            self.activate(key);
        }
    }

    /// A peer has gone. If it was its turn, it is the next one's.
    pub fn remove(&mut self, key: usize) {
        self.deactivate(key);
        if let Some(peer) = self.peers.get_mut(key) {
            *peer = Peer::Unknown;
        }
    }

    /// The peer is ready, and gets its turn after all others that are. False if it was ready
    /// before (it keeps its place), or is not known.
    pub fn activate(&mut self, key: usize) -> bool {
        if self.peers.get(key) != Some(&Peer::Idle) {
            return false;
        }
        let (before, after) = match self.current {
            None => (key, key),
            Some(current) => (self.neighbours(current).0, current),
        };
        self.peers[key] = Peer::Ready { before, after };
        self.link(before, key);
        self.link(key, after);
        self.current.get_or_insert(key);
        self.ready += 1;
        true
    }

    /// The peer is not ready any more. If it was its turn, it is the next one's. False if it was
    /// not ready before, or is not known.
    pub fn deactivate(&mut self, key: usize) -> bool {
        let Some(&Peer::Ready { before, after }) = self.peers.get(key) else {
            return false;
        };
        self.link(before, after);
        self.peers[key] = Peer::Idle;
        if self.current == Some(key) {
            self.current = (after != key).then_some(after);
        }
        self.ready -= 1;
        true
    }

    /// Whose turn it is; `None` if nobody is ready.
    #[inline]
    pub fn current(&self) -> Option<usize> {
        self.current
    }

    /// The current one has had its turn and is last now. Gives who is next: the same one if it
    /// is alone.
    #[inline]
    pub fn advance(&mut self) -> Option<usize> {
        let current = self.current?;
        self.current = Some(self.neighbours(current).1);
        self.current
    }

    /// This one has had its turn, if it was its turn or not, and is last now.
    pub fn pass(&mut self, key: usize) {
        if self.current == Some(key) {
            self.advance();
        } else if self.deactivate(key) {
            self.activate(key);
        }
    }

    /// Is this peer ready?
    #[inline]
    pub fn is_ready(&self, key: usize) -> bool {
        matches!(self.peers.get(key), Some(Peer::Ready { .. }))
    }

    /// How many are ready.
    #[inline]
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Those who are ready, in the order of their turns, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let following = |&key: &usize| Some(self.neighbours(key).1);
        std::iter::successors(self.current, following).take(self.ready)
    }

    #[inline(always)]
    fn neighbours(&self, key: usize) -> (usize, usize) {
        match self.peers[key] {
            Peer::Ready { before, after } => (before, after),
            other => unreachable!("peer {key} in the ring is {other:?}"),
        }
    }

    /// Makes two of the ring neighbours.
    fn link(&mut self, left: usize, right: usize) {
        if let Peer::Ready { after, .. } = &mut self.peers[left] {
            *after = right;
        }
        if let Peer::Ready { before, .. } = &mut self.peers[right] {
            *before = left;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use super::*;

    fn order(turns: &Turns) -> Vec<usize> {
        turns.iter().collect()
    }

    fn ready(keys: &[usize]) -> Turns {
        let mut turns = Turns::new();
        keys.iter().for_each(|&key| turns.add(key, true));
        turns
    }

    #[test]
    fn nobody_is_ready_at_first() {
        let mut turns = Turns::new();
        assert_eq!(
            (turns.current(), turns.advance(), turns.ready()),
            (None, None, 0)
        );
        turns.add(3, false);
        assert_eq!(
            (turns.current(), turns.advance(), turns.ready()),
            (None, None, 0)
        );
        assert!(!turns.is_ready(3));
        assert_eq!(order(&turns), []);
    }

    #[test]
    fn one_alone_is_always_next() {
        let mut turns = ready(&[4]);
        assert_eq!(
            (turns.current(), turns.advance(), turns.advance()),
            (Some(4), Some(4), Some(4))
        );
        assert!(turns.deactivate(4));
        assert_eq!((turns.current(), turns.ready()), (None, 0));
        assert!(turns.activate(4));
        assert_eq!((turns.current(), turns.ready()), (Some(4), 1));
    }

    #[test]
    fn turns_go_round_in_the_order_of_coming() {
        let mut turns = ready(&[2, 0, 5]);
        let served: Vec<_> = (0..7)
            .map(|_| (turns.current(), turns.advance()).0)
            .collect();
        assert_eq!(served, [2, 0, 5, 2, 0, 5, 2].map(Some));
    }

    #[test]
    fn who_is_served_out_of_turn_is_last() {
        let mut turns = ready(&[0, 1, 2, 3]);
        turns.pass(2);
        assert_eq!(order(&turns), [0, 1, 3, 2]);
        turns.pass(0);
        assert_eq!(order(&turns), [1, 3, 2, 0]);
        turns.pass(9);
        turns.deactivate(3);
        turns.pass(3);
        assert_eq!(order(&turns), [1, 2, 0], "who is not ready stays so");
    }

    #[test]
    fn who_becomes_ready_is_last() {
        let mut turns = ready(&[0, 1, 2]);
        turns.advance();
        turns.add(3, true);
        assert_eq!(order(&turns), [1, 2, 0, 3]);
        assert!(turns.deactivate(2));
        assert!(turns.activate(2));
        assert_eq!(order(&turns), [1, 0, 3, 2]);
    }

    #[test]
    fn the_next_one_takes_the_turn_of_who_steps_out() {
        let mut turns = ready(&[0, 1, 2]);
        assert!(turns.deactivate(0));
        assert_eq!(order(&turns), [1, 2]);
        turns.remove(1);
        assert_eq!(order(&turns), [2]);
        turns.remove(2);
        assert_eq!(order(&turns), []);
    }

    #[test]
    fn saying_it_twice_or_of_a_stranger_changes_nothing() {
        let mut turns = ready(&[0, 1]);
        assert!(!turns.activate(0));
        assert!(!turns.activate(9));
        assert!(!turns.deactivate(9));
        turns.remove(9);
        assert_eq!(order(&turns), [0, 1]);
        turns.deactivate(0);
        assert!(!turns.deactivate(0));
        turns.remove(0);
        assert!(!turns.activate(0));
        assert!(!turns.is_ready(0) && turns.is_ready(1));
        turns.add(0, true);
        assert_eq!(order(&turns), [1, 0]);
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 33) as usize % bound
        }
    }

    /// The twin is a plain queue: its front has the turn.
    #[test]
    fn as_a_plain_queue_would() {
        for seed in 1..=20_u64 {
            println!("seed {seed}");
            let mut random = Random(seed);
            let mut turns = Turns::new();
            let mut known = BTreeSet::new();
            let mut queue = VecDeque::new();
            for _ in 0..2000 {
                let key = random.below(12);
                match random.below(6) {
                    0 if known.insert(key) => {
                        let ready = random.below(2) == 0;
                        turns.add(key, ready);
                        if ready {
                            queue.push_back(key);
                        }
                    }
                    1 if random.below(4) == 0 => {
                        turns.remove(key);
                        known.remove(&key);
                        queue.retain(|&other| other != key);
                    }
                    2 => {
                        let news = known.contains(&key) && !queue.contains(&key);
                        assert_eq!(turns.activate(key), news);
                        if news {
                            queue.push_back(key);
                        }
                    }
                    3 => {
                        assert_eq!(turns.deactivate(key), queue.contains(&key));
                        queue.retain(|&other| other != key);
                    }
                    _ => {
                        if !queue.is_empty() {
                            queue.rotate_left(1);
                        }
                        assert_eq!(turns.advance(), queue.front().copied());
                    }
                }
                assert_eq!(turns.current(), queue.front().copied());
                assert_eq!(turns.ready(), queue.len());
                assert_eq!(turns.is_ready(key), queue.contains(&key));
                assert!(turns.iter().eq(queue.iter().copied()));
            }
        }
    }

    /// However the others come and go, those who stay ready get the same number of turns.
    #[test]
    fn those_who_stay_are_served_alike() {
        let seed = 0xFA1C_u64;
        println!("seed {seed:#x}");
        let mut random = Random(seed);
        let mut turns = Turns::new();
        (0..20).for_each(|key| turns.add(key, true));
        let mut served = [0_u32; 20];
        for _ in 0..20_000 {
            let restless = 5 + random.below(15);
            if !turns.activate(restless) {
                turns.deactivate(restless);
            }
            let Some(key) = turns.current() else { continue };
            served[key] += 1;
            turns.advance();
            let stayed = &served[..5];
            assert!(stayed.iter().max() <= stayed.iter().min().map(|least| least + 1).as_ref());
        }
        assert!(served[0] > 1000);
    }
}
