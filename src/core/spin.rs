//! Looking again before sleeping, while that pays.
//!
//! Waking a thread on another core takes tens of microseconds on virtual machines, more than all
//! work on a message. So a receiver that waits looks again for a short time before it sleeps, if
//! most of its last eight looks found something:
//!
//! ```text
//!              six of the last eight looks paid
//!        ┌───────────────────────────────────┐
//!      spins ──────────────────────────────► rests     sleeps at once; looks once after
//!        ▲     fewer                           │       2, 4, 8 … 1024 waits, to see if it pays
//!        └─────────────────────────────────────┘
//! ```
//!
//! A look offers its core to others in between, perhaps to its peer. Who else works there takes it
//! for a whole turn, milliseconds, while a sleeper is put before him as soon as it is woken. So a
//! look that comes back so late is the last one for at least 1024 waits, and for twice as many each
//! time that it happens again.
//!
//! A receiver from the network that gets many messages between two waits does not look: it will
//! find more of them the later it wakes. Inproc it does: there the sender has to wake it.

use std::time::Duration;

use crate::base::time::Time;

/// Whether the waits of one socket spin.
#[derive(Debug)]
pub(super) struct Spin {
    /// The last looks, one bit each: did they pay?
    recent: u8,
    /// Waits until the next look, and how many it was last time.
    rest: u32,
    rest_last: u32,
    /// Messages the socket had received before the last wait.
    received: u64,
    flooded: bool,
    /// The last look found something, but late.
    late: bool,
    /// Waits until the next look since somebody took the core, and how many it was last time.
    crowded: u32,
    crowded_last: u32,
    /// Looks since then.
    undisturbed: u32,
}

/// What a look has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    InTime,
    /// It took longer than it should.
    Late,
    /// So much longer that somebody else has had the core.
    Crowded,
}

impl Looked {
    /// A look that should have ended at `end`, and is over `now`.
    pub(super) fn of(now: Time, end: Time) -> Looked {
        match now {
            _ if now > end + TURN => Looked::Crowded,
            _ if now > end => Looked::Late,
            _ => Looked::InTime,
        }
    }
}

impl Spin {
    /// Nothing is known: the first wait looks.
    pub(super) fn new() -> Spin {
        Spin {
            recent: 0,
            rest: 0,
            rest_last: 1,
            received: 0,
            flooded: false,
            late: false,
            crowded: 0,
            crowded_last: 0,
            undisturbed: 0,
        }
    }

    /// Does this wait look again before it sleeps? `received`: messages so far; `buffered`: they
    /// come through the kernel, which takes them in meanwhile and wakes at little cost.
    pub(super) fn begin(&mut self, received: u64, buffered: bool) -> bool {
        let lot = received.wrapping_sub(self.received);
        self.received = received;
        self.flooded = lot > LOT_MAX;
        self.settle_late();
        if self.crowded == 0 && self.flooded && buffered {
            return false;
        }
        self.is_worth_it()
    }

    /// The same of a wait that is no part of a flood: of who takes turns.
    pub(super) fn begin_turn(&mut self) -> bool {
        self.settle_late();
        self.is_worth_it()
    }

    /// Somebody else had work for this core, and sleepers go before spinners; unless it was the
    /// sender, who has made good use of it.
    fn settle_late(&mut self) {
        if std::mem::take(&mut self.late) {
            self.note(self.flooded);
        }
    }

    fn is_worth_it(&mut self) -> bool {
        if self.crowded > 0 {
            self.crowded -= 1;
            return false;
        }
        if self.pays() || self.rest == 0 {
            return true;
        }
        self.rest -= 1;
        false
    }

    /// Did many messages come between the last two waits?
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded
    }

    /// The end of a look: has it `found` something, and `when`?
    pub(super) fn end(&mut self, found: bool, when: Looked) {
        if when == Looked::Crowded {
            self.crowded_last = (2 * self.crowded_last).clamp(REST_MAX, CROWDED_MAX);
            self.crowded = self.crowded_last;
            self.undisturbed = 0;
            return;
        }
        self.undisturbed = self.undisturbed.saturating_add(1);
        if self.undisturbed > self.crowded_last {
            self.crowded_last /= 2;
            self.undisturbed = 0;
        }
        if found && when == Looked::Late {
            self.late = true;
        } else {
            self.note(found);
        }
    }

    fn note(&mut self, paid: bool) {
        self.recent = self.recent << 1 | u8::from(paid);
        if paid {
            self.rest_last = 1;
        } else if !self.pays() {
            self.rest_last = (self.rest_last * 2).min(REST_MAX);
            self.rest = self.rest_last;
        }
    }

    fn pays(&self) -> bool {
        self.recent.count_ones() >= PAYING_MIN
    }
}

/// Messages between two waits up to which a receiver is in conversation, not in a flood.
const LOT_MAX: u64 = 4;

/// How many of the last eight looks must have paid for the next one. On one core with its peer, a
/// look may keep that from answering: there about half of them pay, and sleeping is better.
const PAYING_MIN: u32 = 6;

/// The longest rest, in waits.
const REST_MAX: u32 = 1024;

/// The longest rest since somebody took the core: at some microseconds a wait, a turn of his then
/// costs each a hundredth of that.
const CROWDED_MAX: u32 = 1 << 20;

/// What a look is late at least if somebody has had a turn on its core.
const TURN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_a_core_with_others_that_work_sleeps() {
        let mut spin = Spin::new();
        let (mut looks, mut taken) = (0u32, 0);
        for _ in 0..1 << 20 {
            if spin.begin(0, false) {
                looks += 1;
                // Every sixteenth look, somebody takes the core.
                let turn = looks % 16 == 0;
                taken += u32::from(turn);
                spin.end(
                    true,
                    if turn {
                        Looked::Crowded
                    } else {
                        Looked::InTime
                    },
                );
            }
        }
        assert!(
            (5..=11).contains(&taken),
            "{taken} turns in a million waits"
        );

        // He has gone: soon it looks again, and always.
        let waits = (0..1 << 20).position(|_| spin.begin(0, false));
        assert!(waits.is_some_and(|waits| waits <= CROWDED_MAX as usize));
        spin.end(true, Looked::InTime);
        for _ in 0..1 << 22 {
            assert!(spin.begin(0, false));
            spin.end(true, Looked::InTime);
        }
        assert_eq!(spin.crowded_last, 0, "and what was is forgotten");
    }

    #[test]
    fn it_goes_on_while_most_looks_pay() {
        let mut spin = Spin::new();
        for n in 0..100 {
            assert!(spin.begin(n, true), "look {n}");
            spin.end(n < 8 || n % 4 != 0, Looked::InTime);
        }
    }

    #[test]
    fn it_rests_longer_and_longer_when_they_do_not() {
        let mut spin = Spin::new();
        let mut looks = Vec::new();
        for n in 0..10_000 {
            if spin.begin(n, true) {
                looks.push(n);
                spin.end(false, Looked::InTime);
            }
        }
        assert_eq!(looks[..5], [0, 3, 8, 17, 34]);
        assert!(looks.len() < 20, "{looks:?}");
        let rests = looks.windows(2).map(|pair| pair[1] - pair[0]);
        assert_eq!(rests.max(), Some(u64::from(REST_MAX) + 1));
    }

    #[test]
    fn one_look_that_pays_is_followed_by_another() {
        let mut spin = Spin::new();
        let mut n = 0;
        for paid in [false, false, false, true, true, true, true, true, true] {
            while !spin.begin(n, true) {
                n += 1;
            }
            spin.end(paid, Looked::InTime);
        }
        for _ in 0..4 {
            n += 1;
            assert!(spin.begin(n, true));
            spin.end(true, Looked::InTime);
        }
    }

    #[test]
    fn a_flood_is_not_waited_for_awake() {
        let mut spin = Spin::new();
        for n in 0..8 {
            assert!(spin.begin(n, true));
            spin.end(true, Looked::InTime);
        }
        assert!(!spin.begin(1000, true));
        assert!(!spin.begin(2000, true));
        assert!(spin.begin(2001, true));
        assert!(spin.begin(9000, false), "but inproc it is");
    }
}
