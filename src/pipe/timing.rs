//! How the waits of a lane's messages are timed: one in so many, picked by chance.
//!
//! ```text
//!   messages   . . . ● . . . . . . . ● . ● . . . .        ● timed: its arrival, later its leaving
//!              ◄─gap─►◄─────gap─────►◄─►                  gaps of 1 to 2n − 1, all alike: n on average
//! ```
//!
//! Picked by count and not by time, for a queue that is long is then looked at as often for each
//! message as one that is short; and by chance, so that no rhythm of the program falls in step.
//! A message that is not picked costs nothing: the credit of its writer and the step of its reader
//! are cut short where the next one is that was.

use std::{fmt, sync::Arc};

use crate::base::time::Clock;

/// What to time, and by which clock.
#[derive(Clone)]
pub struct Timing {
    pub(super) clock: Arc<dyn Clock>,
    every: u32,
    seed: u64,
}

impl Timing {
    /// One message in `every` on average, which is at least 1. The seed decides which.
    pub fn new(clock: Arc<dyn Clock>, every: u32, seed: u64) -> Timing {
        Timing { clock, every, seed }
    }

    /// The gaps between those that are timed.
    pub(super) fn gaps(&self) -> Gaps {
        Gaps {
            every: self.every.max(1).into(),
            // Not zero, which it would stay.
            state: self.seed | 1,
        }
    }
}

impl fmt::Debug for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timing")
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

/// Gaps by chance: Marsaglia's xorshift with 64 bits.
#[derive(Clone, Debug)]
pub(super) struct Gaps {
    every: u64,
    state: u64,
}

impl Gaps {
    /// After how many messages the next one is timed: 1 is the very next.
    pub(super) fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        1 + (self.state >> 11) % (2 * self.every - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::{
        base::{histogram::Histogram, message::Message, time::Time},
        pipe::{Draft, Lane, Outbox, Store, Window},
    };

    /// A clock that goes when it is told to.
    #[derive(Default)]
    struct Hand(AtomicU64);

    impl Hand {
        fn pass(&self, millis: u64) {
            self.0.fetch_add(millis * 1_000_000, Ordering::Relaxed);
        }
    }

    impl Clock for Hand {
        fn now(&self) -> Time {
            Time::from_nanos(self.0.load(Ordering::Relaxed))
        }
    }

    fn timed(every: u32, seed: u64) -> (Arc<Hand>, Timing) {
        let hand = Arc::new(Hand::default());
        let timing = Timing::new(Arc::clone(&hand) as _, every, seed);
        (hand, timing)
    }

    fn lane(store: Store, hwm: usize, timing: &Timing) -> Arc<Lane> {
        let lane = Lane::new(store, hwm, false);
        lane.start_timing(timing);
        Arc::new(lane)
    }

    #[test]
    fn gaps_are_as_long_as_was_said_on_average_and_all_lengths_occur() {
        for every in [1, 2, 10] {
            let mut gaps = timed(every, 0x9A95).1.gaps();
            let drawn: Vec<u64> = (0..20_000).map(|_| gaps.next()).collect();
            let mean = drawn.iter().sum::<u64>() as f64 / drawn.len() as f64;
            assert!((mean / f64::from(every) - 1.0).abs() < 0.03, "{mean}");
            let all = 1..2 * u64::from(every);
            assert!(all.clone().all(|gap| drawn.contains(&gap)));
            assert!(drawn.iter().all(|gap| all.contains(gap)));
        }
    }

    /// The twin: notes when every message came, and which ones the same gaps pick.
    struct Twin {
        came: VecDeque<(u64, Time)>,
        gaps: Gaps,
        written: u64,
        next: u64,
        waits: Histogram,
    }

    impl Twin {
        fn new(timing: &Timing) -> Twin {
            let mut gaps = timing.gaps();
            Twin {
                came: VecDeque::new(),
                next: gaps.next(),
                gaps,
                written: 0,
                waits: Histogram::new(),
            }
        }

        fn comes(&mut self, now: Time) {
            self.written += 1;
            self.came.push_back((self.written, now));
        }

        fn leaves(&mut self, now: Time) {
            let (number, came) = self.came.pop_front().expect("it came before");
            if number == self.next {
                self.waits.record(now - came);
                self.next += self.gaps.next();
            }
        }
    }

    fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
        println!("seed {seed:#x}");
        let mut state = seed;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) % below
        }
    }

    #[test]
    fn what_is_framed_has_left_when_its_last_octet_has() {
        for (seed, every, hwm) in [(3, 1, 5), (5, 3, 0), (7, 4, 9), (11, 50, 100)] {
            let mut roll = dice(seed);
            let (hand, timing) = timed(every, seed);
            let lane = lane(Store::Octets, hwm, &timing);
            lane.open(&[]);
            let mut draft = Draft::new(Arc::clone(&lane));
            let mut twin = Twin::new(&timing);
            let mut outbox = Outbox::new();
            // Octets written of the message that is first in line, five octets each.
            let mut begun = 0;
            for _ in 0..4000 {
                hand.pass(roll(3));
                match roll(4) {
                    0 | 1 => {
                        let mut message = Message::from("abc");
                        let went = draft.push_plain(&mut message).is_some()
                            || draft.push(&[], &message).is_ok();
                        if went {
                            twin.comes(hand.now());
                        }
                    }
                    2 => assert!(!draft.publish(), "octets ring nobody"),
                    _ => {
                        lane.exchange(&mut outbox);
                        let there: usize = outbox.segments().map(<[u8]>::len).sum();
                        let octets = roll(there as u64 + 1) as usize;
                        outbox.advance(octets);
                        lane.exchange(&mut outbox);
                        begun += octets;
                        while begun >= 5 {
                            begun -= 5;
                            twin.leaves(hand.now());
                        }
                    }
                }
            }
            assert!(twin.waits.count() > 10, "{:?}", twin.waits);
            assert_eq!(lane.waits(), Some(twin.waits));
        }
    }

    #[test]
    fn a_message_has_left_when_it_is_taken() {
        for (seed, every, hwm) in [(3, 1, 5), (5, 3, 0), (7, 4, 9), (11, 50, 100)] {
            let mut roll = dice(seed);
            let (hand, timing) = timed(every, seed);
            let lane = lane(Store::Messages, hwm, &timing);
            let mut window = Window::new(Arc::clone(&lane));
            let mut twin = Twin::new(&timing);
            for _ in 0..4000 {
                hand.pass(roll(3));
                match roll(4) {
                    0 => {
                        if lane.push(&[], &"m".into()).is_ok() {
                            twin.comes(hand.now());
                        }
                    }
                    1 => {
                        let count = lane.room().min(roll(8) as usize);
                        let mut batch = VecDeque::from(vec![Message::from("m"); count]);
                        lane.push_batch(&mut batch);
                        (0..count).for_each(|_| twin.comes(hand.now()));
                    }
                    _ => {
                        let timed = twin.came.front().is_some_and(|it| it.0 == twin.next);
                        let plain = window.pop_plain();
                        if plain.is_some() || window.pop().0.is_some() {
                            assert_eq!(window.take_timed(), timed.then(|| hand.now()));
                            twin.leaves(hand.now());
                        }
                    }
                }
            }
            assert!(twin.waits.count() > 10, "{:?}", twin.waits);
            assert_eq!(
                window.stats().delivered,
                twin.written - twin.came.len() as u64
            );
            assert_eq!(lane.waits(), Some(twin.waits));
        }
    }

    #[test]
    fn what_is_not_delivered_has_not_waited() {
        // Replaced by newer ones.
        let (hand, timing) = timed(1, 1);
        for store in [Store::Messages, Store::Octets] {
            let lane = Arc::new(Lane::new(store, 0, true));
            lane.start_timing(&timing);
            for _ in 0..3 {
                hand.pass(1);
                assert!(lane.push(&[], &"m".into()).is_ok());
            }
            if store == Store::Messages {
                let mut batch = VecDeque::from(["four", "five", "six"].map(Message::from));
                lane.push_batch(&mut batch);
            }
            hand.pass(5);
            if store == Store::Messages {
                let mut window = Window::new(Arc::clone(&lane));
                assert_eq!(window.pop().0, Some("six".into()));
                assert!(window.pop().0.is_none());
            } else {
                let mut outbox = Outbox::new();
                lane.open(&[]);
                lane.exchange(&mut outbox);
                outbox.advance(3);
                lane.exchange(&mut outbox);
            }
            let waits = lane.waits().expect("they are timed");
            assert_eq!((waits.count(), waits.sum()), (1, Duration::from_millis(5)));
        }

        // Cut in two by the end of a connection; the one behind it waits for the next.
        let lane = lane(Store::Octets, 0, &timing);
        lane.open(&[]);
        let mut draft = Draft::new(Arc::clone(&lane));
        (0..3).for_each(|_| assert!(draft.push(&[], &"m".into()).is_ok()));
        draft.publish();
        let mut outbox = Outbox::new();
        lane.exchange(&mut outbox);
        outbox.advance(3 + 1);
        hand.pass(7);
        lane.disconnect(&mut outbox);
        hand.pass(100);
        lane.open(&[]);
        lane.exchange(&mut outbox);
        outbox.advance(3);
        lane.exchange(&mut outbox);
        let waits = lane.waits().expect("they are timed");
        assert_eq!(
            (waits.count(), waits.sum()),
            (2, Duration::from_millis(114))
        );
        assert_eq!(lane.stats().lost, 1);

        // Thrown away.
        assert!(draft.push(&[], &"m".into()).is_ok());
        draft.discard(false);
        assert_eq!(lane.waits().expect("they are timed").count(), 2);
    }
}
