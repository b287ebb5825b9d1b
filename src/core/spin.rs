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
//! A receiver from the network that gets many messages between two waits does not look: it will
//! find more of them the later it wakes. Inproc it does: there the sender has to wake it.

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
        }
    }

    /// Does this wait look again before it sleeps? `received`: messages so far; `buffered`: they
    /// come through the kernel, which takes them in meanwhile and wakes at little cost.
    pub(super) fn begin(&mut self, received: u64, buffered: bool) -> bool {
        let lot = received.wrapping_sub(self.received);
        self.received = received;
        self.flooded = lot > LOT_MAX;
        if std::mem::take(&mut self.late) {
            // Somebody else had work for this core, and sleepers go before spinners; unless it
            // was the sender, who has made good use of it.
            self.note(self.flooded);
        }
        if self.flooded && buffered {
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

    /// What a look has come to: has it `found` something, and was that `late`, after its time?
    pub(super) fn end(&mut self, found: bool, late: bool) {
        if found && late {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_while_most_looks_pay() {
        let mut spin = Spin::new();
        for n in 0..100 {
            assert!(spin.begin(n, true), "look {n}");
            spin.end(n < 8 || n % 4 != 0, false);
        }
    }

    #[test]
    fn it_rests_longer_and_longer_when_they_do_not() {
        let mut spin = Spin::new();
        let mut looks = Vec::new();
        for n in 0..10_000 {
            if spin.begin(n, true) {
                looks.push(n);
                spin.end(false, false);
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
            spin.end(paid, false);
        }
        for _ in 0..4 {
            n += 1;
            assert!(spin.begin(n, true));
            spin.end(true, false);
        }
    }

    #[test]
    fn a_flood_is_not_waited_for_awake() {
        let mut spin = Spin::new();
        for n in 0..8 {
            assert!(spin.begin(n, true));
            spin.end(true, false);
        }
        assert!(!spin.begin(1000, true));
        assert!(!spin.begin(2000, true));
        assert!(spin.begin(2001, true));
        assert!(spin.begin(9000, false), "but inproc it is");
    }
}
