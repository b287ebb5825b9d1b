//! The trace: a hash of everything that happened, in order, and the lines of it when one seed is
//! replayed.
//!
//! Two runs of one seed must give one hash; where they do not, something outside the seed (a
//! clock, a thread, the order of a hash map) has a say in the library.

use hubless::Time;

use super::dice::mix;

/// What happened so far, as one number.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    aloud: bool,
}

impl Trace {
    /// An empty trace; `aloud` prints every event as it happens.
    pub fn new(aloud: bool) -> Trace {
        Trace { hash: 0, aloud }
    }

    /// `what` happened to `who`; `amount` is a size, a delay or an outcome.
    pub fn note(&mut self, now: Time, what: &'static str, who: i32, amount: u64) {
        if self.aloud {
            eprintln!("{:>14} ns  {what:<16} {who:>5}  {amount}", now.as_nanos());
        }
        let mut word = 0xCBF2_9CE4_8422_2325; // FNV-1a, for the name
        for octet in what.bytes() {
            word = (word ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        for part in [now.as_nanos(), word, u64::from(who as u32), amount] {
            self.hash = mix(self.hash.wrapping_add(part).wrapping_add(1));
        }
    }

    /// The hash of all events so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
