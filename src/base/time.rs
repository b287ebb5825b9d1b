//! Time as the whole crate sees it: nanoseconds on one monotonic clock.
//!
//! The rooms below `core` never read a clock. They are handed a [`Time`] and hand deadlines back,
//! so that a test, or the simulator, can own time.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A point on the monotonic clock of one metal, in nanoseconds since that metal was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The moment the clock was made.
    pub const START: Time = Time(0);

    /// A point `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A clock, for those who must tell the time of what happens between two calls: handed to them, so
/// that a test can own it as well.
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> Time;
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Later by `wait`; a wait beyond the end of the clock (584 years) stops there.
    fn add(self, wait: Duration) -> Time {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        Time(self.0.saturating_add(nanos))
    }
}

impl Sub<Time> for Time {
    type Output = Duration;

    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}
