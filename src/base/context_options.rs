//! What a context can be told: how many I/O threads and what these are like, how many sockets, and
//! what its sockets begin with.

use std::collections::BTreeSet;

/// All options of a context. Those of I/O threads hold for threads that are started after they
/// were set, which is when the first socket goes out of the process; the rest for sockets that are
/// made from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextOptions {
    /// How many I/O threads there may be; with none, sockets stay in the process.
    pub io_threads: usize,
    /// Sockets that may be open at one time.
    pub sockets_max: usize,
    /// What the I/O threads are like.
    pub threads: ThreadOptions,
    /// Octets of the largest message that a socket sends.
    pub sent_octets_max: usize,
    /// Sockets begin with IPv6.
    pub ipv6: bool,
    /// Sockets begin with a linger; else with none at all, so that closing never waits.
    pub lingers: bool,
}

/// What the I/O threads of a context are like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadOptions {
    /// What their names begin with; empty: nothing.
    pub name_prefix: String,
    /// The system's number of a scheduling policy (`SCHED_FIFO`, …); `None`: as the system is set.
    pub policy: Option<i32>,
    /// Their priority under it; under policies without one, any but 0 asks for the best "nice".
    pub priority: Option<i32>,
    /// The processors they may run on; none: all.
    pub processors: BTreeSet<usize>,
}

impl Default for ContextOptions {
    fn default() -> ContextOptions {
        ContextOptions {
            io_threads: 1,
            sockets_max: SOCKETS_MAX,
            threads: ThreadOptions::default(),
            sent_octets_max: i32::MAX as usize,
            ipv6: false,
            lingers: true,
        }
    }
}

impl ThreadOptions {
    /// Is there anything that a thread must be told when it starts, besides its name?
    pub fn say_something(&self) -> bool {
        self.policy.is_some() || self.priority.is_some() || !self.processors.is_empty()
    }
}

/// Sockets a context may have at most, and has unless it is told otherwise.
pub const SOCKETS_MAX: usize = 65_535;
