//! A histogram of times: buckets that grow with what they hold, sixteen for each doubling.
//!
//! ```text
//!   bucket       0  1  …  15 │ 16  17 … 31 │ 32  33 … 47 │ 48  49 …  63 │ …
//!   from, ns     0  1  …  15 │ 16  17 … 31 │ 32  34 … 62 │ 64  68 … 124 │ …
//!   width, ns    1           │ 1           │ 2           │ 4            │ 8 …
//! ```
//!
//! A bucket is at most a sixteenth as wide as the times it holds are long, so a quantile is at
//! most 6.25 % above the truth, and never below it, however long times get. Up to a second that
//! takes 3 KiB; it never takes more than 8.

use std::{fmt, time::Duration};

/// How often which time was seen.
///
/// Times are kept in nanoseconds, in buckets a sixteenth as wide as what they hold. Quantiles are
/// the upper ends of buckets: at most 6.25 % too long, never too short.
///
/// ```
/// use std::time::Duration;
/// use hubless::Histogram;
///
/// let mut waits = Histogram::new();
/// for micros in 1..=1000 {
///     waits.record(Duration::from_micros(micros));
/// }
/// assert_eq!((waits.count(), waits.max()), (1000, Duration::from_millis(1)));
/// assert_eq!(waits.mean(), Duration::from_nanos(500_500));
/// let p99 = waits.quantile(0.99);
/// assert!(p99 >= Duration::from_micros(990) && p99 <= Duration::from_millis(1));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// By bucket, as far as there was anything to count.
    counts: Vec<u64>,
    count: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl Histogram {
    /// Nothing seen yet.
    pub fn new() -> Histogram {
        Histogram::default()
    }

    /// Counts a time. What is above 584 years counts as that.
    pub fn record(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(ns);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Counts all that another one has counted.
    pub fn add(&mut self, other: &Histogram) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (ours, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *ours += theirs;
        }
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, exact to the nanosecond.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// The longest of them, exact to the nanosecond; zero if there was none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// Their mean; zero if there was none.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.checked_div(self.count).unwrap_or(0))
    }

    /// The time that this share of them did not exceed: 0.5 is the median. At most 6.25 % above
    /// the truth, never below it; zero if there was none.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share.clamp(0.0, 1.0) * self.count as f64).ceil() as u64;
        let rank = rank.max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_ns(bucket).min(self.max_ns));
            }
        }
        self.max()
    }

    /// How many were no longer than `time`. Exact where a bucket ends at `time`; else those of
    /// the bucket that `time` falls into are left out.
    pub fn count_within(&self, time: Duration) -> u64 {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(ns);
        let whole = bucket + usize::from(upper_ns(bucket) == ns);
        self.counts.iter().take(whole).sum()
    }

    /// What was counted, bucket by bucket: its longest time, and how many. Empty ones are left
    /// out.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let full = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        full.map(|(bucket, count)| (Duration::from_nanos(upper_ns(bucket)), *count))
    }
}

/// Buckets for each doubling.
const STEPS: u64 = 16;

/// The logarithm of that.
const STEPS_LOG: u32 = STEPS.trailing_zeros();

fn bucket_of(ns: u64) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let shift = ns.ilog2() - STEPS_LOG;
    let step = (ns >> shift) - STEPS;
    ((u64::from(shift) + 1) * STEPS + step) as usize
}

/// The longest time of a bucket.
fn upper_ns(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((STEPS + bucket % STEPS) << shift) + ((1 << shift) - 1)
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("mean", &self.mean())
            .field("p50", &self.quantile(0.5))
            .field("p90", &self.quantile(0.9))
            .field("p99", &self.quantile(0.99))
            .field("p99.9", &self.quantile(0.999))
            .field("max", &self.max())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(ns: u64) -> Duration {
        Duration::from_nanos(ns)
    }

    #[test]
    fn buckets_meet_without_a_gap_and_are_a_sixteenth_wide() {
        let last = bucket_of(u64::MAX);
        assert_eq!((last, upper_ns(last)), (975, u64::MAX));
        for bucket in 0..last {
            let upper = upper_ns(bucket);
            assert_eq!(bucket_of(upper), bucket);
            assert_eq!(bucket_of(upper + 1), bucket + 1);
            let lower = bucket
                .checked_sub(1)
                .map_or(0, |before| upper_ns(before) + 1);
            assert!((upper - lower) <= lower / STEPS, "{lower} to {upper}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let mut state = 0x5EED_u64;
        println!("seed {state:#x}");
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Of all sizes up to some minutes.
            state >> (26 + state % 38)
        };
        let mut times: Vec<u64> = (0..10_000).map(|_| random()).collect();
        let mut histogram = Histogram::new();
        times.iter().for_each(|&ns| histogram.record(nanos(ns)));
        times.sort_unstable();
        for share in [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((share * 10_000.0_f64).ceil() as usize).max(1);
            let truth = times[rank - 1];
            let told = histogram.quantile(share).as_nanos() as u64;
            assert!(
                told >= truth && told - truth <= truth / 16,
                "{share}: {told} for {truth}"
            );
        }
        assert_eq!(histogram.count(), 10_000);
        assert_eq!(histogram.sum(), nanos(times.iter().sum()));
        assert_eq!(histogram.max(), nanos(times[9999]));
        assert_eq!(
            histogram.buckets().map(|(_, count)| count).sum::<u64>(),
            10_000
        );
    }

    #[test]
    fn two_added_are_one_that_saw_both() {
        let (mut one, mut other, mut both) = Default::default();
        let times = [0, 1, 15, 16, 1_000, 1_000_000, u64::MAX];
        for (n, ns) in times.into_iter().enumerate() {
            let part: &mut Histogram = if n % 2 == 0 { &mut one } else { &mut other };
            part.record(nanos(ns));
            Histogram::record(&mut both, nanos(ns));
        }
        other.add(&one);
        assert_eq!(other, both);
        assert_eq!(both.max(), nanos(u64::MAX));
    }

    #[test]
    fn nothing_seen_is_nothing_told() {
        let none = Histogram::new();
        assert_eq!((none.mean(), none.quantile(0.5)), Default::default());
        assert_eq!(
            (none.max(), none.count_within(nanos(9))),
            Default::default()
        );
    }

    #[test]
    fn what_is_within_a_time_leaves_the_rest_of_its_bucket_out() {
        let mut times = Histogram::new();
        [3, 64, 67, 68]
            .into_iter()
            .for_each(|ns| times.record(nanos(ns)));
        let within = [2, 3, 66, 67, 71].map(|ns| times.count_within(nanos(ns)));
        assert_eq!(within, [0, 1, 1, 3, 4]);
    }
}
