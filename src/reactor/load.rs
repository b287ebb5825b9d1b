//! What a reactor has done: its turns, how long they took, and how often it was woken.
//!
//! ```text
//!   poll ──► turn ──────────────► poll ──► turn …        the clock is read at both ends of a turn
//!            begin_turn   end_turn                        anyway, so this costs a few additions
//! ```

use std::time::Duration;

use crate::base::{stats::IoStats, time::Time, tuning};

/// The counters of one reactor.
#[derive(Debug)]
pub(super) struct Load {
    born: Time,
    /// When the turn under way began.
    began: Option<Time>,
    stats: IoStats,
}

impl Load {
    pub(super) fn new(now: Time) -> Load {
        Load {
            born: now,
            began: None,
            stats: IoStats::default(),
        }
    }

    /// The poll is over; `slept`: it was one that could wait.
    pub(super) fn begin_turn(&mut self, now: Time, slept: bool) {
        self.began = Some(now);
        self.stats.turns += 1;
        self.stats.wakeups += u64::from(slept);
    }

    /// All is done until the next poll.
    pub(super) fn end_turn(&mut self, now: Time) {
        let Some(began) = self.began.take() else {
            return;
        };
        let time = now.since(began);
        self.stats.busy += time;
        self.stats.longest_turn = self.stats.longest_turn.max(time);
        self.stats.slow_turns += u64::from(time >= tuning::SLOW_TURN);
    }

    /// Another thread rings.
    pub(super) fn note_bell(&mut self) {
        self.stats.bells += 1;
    }

    /// The counters as of `now`, the turn under way included in the time at work.
    pub(super) fn stats(&self, sockets: usize, now: Time) -> IoStats {
        let under_way = self.began.map_or(Duration::ZERO, |began| now.since(began));
        IoStats {
            sockets,
            busy: self.stats.busy + under_way,
            lifetime: now.since(self.born),
            ..self.stats
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::START + Duration::from_millis(millis)
    }

    #[test]
    fn turns_are_counted_and_timed_the_slow_ones_apart() {
        let mut load = Load::new(at(100));
        load.end_turn(at(100));
        for (from, to, slept) in [(110, 113, true), (120, 130, true), (130, 139, false)] {
            load.begin_turn(at(from), slept);
            load.end_turn(at(to));
            load.end_turn(at(to + 5));
        }
        load.begin_turn(at(150), true);
        let stats = load.stats(7, at(160));
        assert_eq!((stats.sockets, stats.turns, stats.wakeups), (7, 4, 3));
        assert_eq!(
            stats.slow_turns, 1,
            "ten milliseconds are slow, nine are not"
        );
        assert_eq!(stats.longest_turn, Duration::from_millis(10));
        assert_eq!(stats.busy, Duration::from_millis(3 + 10 + 9 + 10));
        assert_eq!(stats.lifetime, Duration::from_millis(60));
        assert!((stats.utilisation() - 32.0 / 60.0).abs() < 1e-9);
    }
}
