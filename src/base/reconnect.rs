//! When to connect again: at random, sooner at first.
//!
//! ```text
//!   failures        0        1        2        3   …
//!   ours        0..min  0..2 min  0..4 min  0..max     many that lost one server come back spread out
//!   libzmq's   min..2 min        (no max said)         the time that was said passes in full
//!                 min    2 min     4 min      max      (a max said)
//! ```

use std::time::Duration;

use super::{options::Options, tuning};

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnect {
    /// Wait a random time of up to `min`, then up to twice that, and so on up to `max` (full
    /// jitter); start over at `min` once a handshake succeeded. The default is 100 ms to 5 s. A
    /// time below a millisecond is a millisecond, so that nobody who refuses us is hammered.
    Backoff {
        /// The first wait's limit.
        min: Duration,
        /// The limit of all waits.
        max: Duration,
    },
    /// Never: an endpoint that failed stays gone.
    Never,
}

impl Default for Reconnect {
    fn default() -> Reconnect {
        Reconnect::Backoff {
            min: Duration::from_millis(100),
            max: Duration::from_secs(5),
        }
    }
}

impl Options {
    /// How long to wait before connecting again after so many failures in a row; `None`: not to.
    ///
    /// Like libzmq it is the time that was said and a random share of it on top, or, with a longest
    /// one, twice as much each time.
    pub(crate) fn reconnect_wait(
        &self,
        failures: u32,
        random: impl FnOnce() -> u64,
    ) -> Option<Duration> {
        let Reconnect::Backoff { min, max } = self.reconnect else {
            return None;
        };
        let [min, max] = [min, max].map(|it| it.max(tuning::RECONNECT_MIN));
        if !self.like_libzmq {
            return Some(share(doubled(min, max, failures), random()));
        }
        match self.told.reconnect {
            Some((_, 0)) | None if min == max => Some(min.saturating_add(share(min, random()))),
            _ => Some(doubled(min, max, failures)),
        }
    }
}

/// `min`, doubled so many times, at most `max`.
fn doubled(min: Duration, max: Duration, times: u32) -> Duration {
    min.saturating_mul(1 << times.min(20)).min(max.max(min))
}

/// A random share of a time.
fn share(time: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let share = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(share as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_share_of_a_limit_that_doubles() {
        let [min, max] = [100, 500].map(Duration::from_millis);
        let mut options = Options {
            reconnect: Reconnect::Backoff { min, max },
            ..Options::default()
        };
        let wait = |failures, random| {
            let wait = options.reconnect_wait(failures, || random);
            wait.expect("it waits")
        };
        assert_eq!(wait(0, 0), Duration::ZERO);
        assert_eq!(wait(0, 1 << 63), Duration::from_millis(50));
        assert!(wait(0, u64::MAX) < min);
        assert_eq!(wait(1, 1 << 63), Duration::from_millis(100));
        assert_eq!(wait(3, 1 << 63), Duration::from_millis(250));
        assert!(wait(1000, u64::MAX) < max);
        options.reconnect = Reconnect::Never;
        assert_eq!(options.reconnect_wait(0, || 7), None);
        // Nobody who refuses us is hammered.
        let [min, max] = [Duration::ZERO; 2];
        options.reconnect = Reconnect::Backoff { min, max };
        let wait = options.reconnect_wait(9, || 1 << 63);
        assert_eq!(wait, Some(Duration::from_micros(500)));
    }

    #[test]
    fn like_libzmq_a_wait_is_never_shorter_than_was_said() {
        let [min, max] = [100, 500].map(Duration::from_millis);
        let wait = |max, failures, random| {
            let options = Options {
                reconnect: Reconnect::Backoff { min, max },
                like_libzmq: true,
                ..Options::default()
            };
            let wait = options.reconnect_wait(failures, || random);
            wait.expect("it waits").as_millis()
        };
        assert_eq!(wait(min, 0, 0), 100);
        assert_eq!(wait(min, 7, 1 << 63), 150);
        assert_eq!(wait(min, 7, u64::MAX), 199);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|it| wait(max, it, 7)),
            [100, 200, 400, 500, 500]
        );
    }
}
