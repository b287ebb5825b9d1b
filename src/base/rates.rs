//! Rates from counters that somebody looked at now and then.
//!
//! ```text
//!   looks     |        |     |           |        |          arrived, left, waiting at each
//!             └── λ = messages that arrived between two looks / the time between them
//!                 L = messages that waited, on average       W = L / λ   (Little's law)
//! ```
//!
//! The way of a message knows nothing of this: its counters are read by whoever wants rates, as
//! often as the rates are to be fine. No clock here: time is an argument.

use std::{collections::VecDeque, time::Duration};

use super::{stats::LaneStats, time::Time};

/// Looks at the counters of one direction.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    looks: VecDeque<Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Time,
    arrived: u64,
    left: u64,
    waiting: u64,
    /// Services that have ended, and their time.
    services: (u64, Duration),
}

impl Looks {
    /// Notes what the counters said at `at`, and how many services had ended, after what time
    /// together. What is older than [`KEPT`] is forgotten, and so is
    /// the oldest of more than [`LOOKS_MAX`].
    pub fn note(&mut self, at: Time, stats: LaneStats, services: (u64, Duration)) {
        while self.looks.len() >= LOOKS_MAX
            || self.looks.get(1).is_some_and(|next| at - next.at >= KEPT)
        {
            self.looks.pop_front();
        }
        self.looks.push_back(Look {
            at,
            arrived: stats.accepted,
            left: stats.accepted.saturating_sub(stats.queued),
            waiting: stats.queued,
            services,
        });
    }

    /// The rates over the last `span`, as far back as the looks go. `None` before there are two
    /// looks at different times.
    pub fn over(&self, span: Duration) -> Option<Rates> {
        let last = self.looks.back()?;
        let earlier = |look: &&Look| last.at - look.at >= span;
        let from = self.looks.iter().rposition(|look| earlier(&look));
        let looks = self.looks.range(from.unwrap_or(0)..);
        let first = *looks.clone().next()?;
        let seconds = (last.at - first.at).as_secs_f64();
        if seconds == 0.0 {
            return None;
        }
        // What waited between two looks is taken to have changed evenly.
        let pairs = looks.clone().zip(looks.skip(1));
        let area = |(a, b): (&Look, &Look)| {
            (b.at - a.at).as_secs_f64() * (a.waiting + b.waiting) as f64 / 2.0
        };
        Some(Rates {
            span: last.at - first.at,
            arrivals: last.arrived.saturating_sub(first.arrived) as f64 / seconds,
            departures: last.left.saturating_sub(first.left) as f64 / seconds,
            waiting: pairs.map(area).sum::<f64>() / seconds,
            service: mean(first.services, last.services),
        })
    }
}

/// What a queue does in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rates {
    /// The time that was looked at.
    pub span: Duration,
    /// λ: messages a second that came to the queue.
    pub arrivals: f64,
    /// Messages a second that left it.
    pub departures: f64,
    /// L: messages that waited in it, on average.
    pub waiting: f64,
    /// 1/μ: how long one server worked on a message, on average; `None` unless the socket times its
    /// messages ([`time_one_in`](crate::Builder::time_one_in)) and one was served in the span.
    pub service: Option<Duration>,
}

impl Rates {
    /// W: how long a message waited, on average; by Little's law, L = λ·W. Zero if none came.
    pub fn wait(&self) -> Duration {
        let seconds = self.waiting / self.arrivals;
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// μ: messages a second that one server can work on; `None` as in `service`.
    pub fn service_rate(&self) -> Option<f64> {
        let seconds = self.service?.as_secs_f64();
        (seconds > 0.0).then(|| 1.0 / seconds)
    }

    /// λ/μ: servers that are at work on average, in erlangs; so many are needed at least, or the
    /// queue grows without end. Over c servers it is ρ. `None` as in `service`.
    pub fn load(&self) -> Option<f64> {
        Some(self.arrivals * self.service?.as_secs_f64())
    }

    /// ρ = λ / (c·μ): the share of their time that `servers` work, if each message takes one of
    /// them `service` on average. From 1 on the queue grows without end.
    pub fn utilisation(&self, service: Duration, servers: usize) -> f64 {
        self.arrivals * service.as_secs_f64() / servers.max(1) as f64
    }
}

/// The mean time of the services between two looks.
fn mean(from: (u64, Duration), to: (u64, Duration)) -> Option<Duration> {
    let count = to.0.checked_sub(from.0).filter(|count| *count > 0)?;
    let seconds = to.1.saturating_sub(from.1).as_secs_f64() / count as f64;
    Some(Duration::from_secs_f64(seconds))
}

/// Looks older than this are forgotten, but for one.
const KEPT: Duration = Duration::from_secs(60);

/// Looks that are kept: one each 15 ms of a minute.
const LOOKS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody times services.
    const NONE: (u64, Duration) = (0, Duration::ZERO);

    fn at(millis: u64) -> Time {
        Time::START + Duration::from_millis(millis)
    }

    fn stats(accepted: u64, queued: u64) -> LaneStats {
        LaneStats {
            accepted,
            queued,
            delivered: accepted - queued,
            ..LaneStats::default()
        }
    }

    #[test]
    fn rates_are_those_between_the_looks() {
        let mut looks = Looks::default();
        assert_eq!(looks.over(KEPT), None);
        looks.note(at(0), stats(10, 0), NONE);
        assert_eq!(looks.over(KEPT), None, "one look tells nothing");
        looks.note(at(0), stats(10, 0), NONE);
        assert_eq!(looks.over(KEPT), None, "nor do two at one time");

        looks.note(at(500), stats(30, 8), NONE);
        looks.note(at(1000), stats(50, 8), NONE);
        let rates = looks.over(KEPT).expect("a second of looks");
        assert_eq!(rates.span, Duration::from_secs(1));
        assert_eq!((rates.arrivals, rates.departures), (40.0, 32.0));
        // Half a second from 0 to 8, half a second at 8.
        assert_eq!(rates.waiting, 6.0);
        assert_eq!(rates.wait(), Duration::from_millis(150));
        assert_eq!(rates.utilisation(Duration::from_millis(50), 4), 0.5);
    }

    #[test]
    fn a_span_is_the_last_one() {
        let mut looks = Looks::default();
        for second in 0..200 {
            // One message a second, then two.
            looks.note(
                at(1000 * second),
                stats(second + second.saturating_sub(150), 0),
                NONE,
            );
        }
        for (span, rate) in [(1, 2.0), (10, 2.0), (60, (60.0 + 49.0) / 60.0)] {
            let rates = looks.over(Duration::from_secs(span)).expect("looks");
            assert_eq!((rates.span.as_secs(), rates.arrivals), (span, rate));
        }
        let all = looks.over(Duration::from_secs(1000)).expect("looks");
        assert_eq!(all.span, KEPT, "what is older is forgotten");
    }

    #[test]
    fn looks_are_bounded_however_many_there_are() {
        let mut looks = Looks::default();
        for n in 0..3 * LOOKS_MAX as u64 {
            looks.note(at(n), stats(n, 0), NONE);
        }
        assert_eq!(looks.looks.len(), LOOKS_MAX);
        let rates = looks.over(KEPT).expect("looks");
        assert!((rates.arrivals - 1000.0).abs() < 1e-6, "{rates:?}");
        let idle = Rates {
            arrivals: 0.0,
            waiting: 0.0,
            ..rates
        };
        assert_eq!(idle.wait(), Duration::ZERO);
    }
}
