//! The dice: every choice of a run comes from one of these, so one seed replays it.
//!
//! SplitMix64: the state is a counter, each number a hash of it. Small, quick, and any seed is
//! a good one.

/// A stream of numbers that the seed alone decides.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for `seed`; equal seeds throw equal numbers.
    pub fn new(seed: u64) -> Dice {
        Dice(mix(seed))
    }

    /// Dice of their own, so that throwing these does not disturb those they came from.
    pub fn fork(&mut self) -> Dice {
        Dice(self.throw())
    }

    /// 64 bits.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.throw() % end }
    }

    /// An index below `len`.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("an index fits")
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True `rate` times in a thousand. A rate of 0 throws nothing: switching a fault off does not
    /// cost a number.
    pub fn chance(&mut self, rate: u32) -> bool {
        rate > 0 && self.below(1000) < u64::from(rate)
    }

    /// Any order of `items`, all equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

/// SplitMix64's finaliser: spreads one bit of input over all bits of output.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
