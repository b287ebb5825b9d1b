//! What other threads ask of whoever drives a poll set.

use std::{io, net::SocketAddr};

use super::{dialer::Dialer, gate::Answer, listener::Listener};
use crate::base::{event::Reason, time::Time};

/// One thing to be done to a poll set.
pub(crate) enum Job {
    /// Take a listener in.
    Listen(Box<Listener>),
    /// Take a dialer in.
    Dial(Box<Dialer>),
    /// A name was looked up.
    Resolved {
        entry: usize,
        question: u64,
        found: io::Result<Vec<SocketAddr>>,
    },
    /// Somebody has said whether a peer may come in, or a handler was asked.
    Judged {
        entry: usize,
        question: u64,
        answer: Answer,
    },
    /// The handler has answered.
    Answered { entry: usize, question: u64 },
    /// The lane of a session that stopped reading has room.
    Resume { entry: usize, serial: u64 },
    /// All that was queued for a peer that is gone has left.
    Finished { entry: usize, serial: u64 },
    /// Close a peer's connection.
    Close {
        entry: usize,
        serial: u64,
        reason: Reason,
    },
    /// Close a peer's connection for good, delivering what is queued until then.
    Part {
        /// Where it was served, if it was connected.
        entry: Option<usize>,
        serial: u64,
        until: Closing,
    },
    /// Close a peer's connection and make it anew.
    Redial { entry: usize, serial: u64 },
    /// The same for an inproc peer.
    RedialInproc { key: usize, serial: u64 },
    /// End the endpoint of this number (`None`: all), delivering what is queued until then.
    Shut {
        endpoint: Option<u64>,
        until: Closing,
    },
}

/// Until when a closing connection may deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    Until(Time),
    Unlimited,
}

/// The sooner of a deadline and the end of closing.
pub(super) fn earliest(deadline: Option<Time>, closing: Option<Closing>) -> Option<Time> {
    match (deadline, closing) {
        (Some(deadline), Some(Closing::Until(until))) => Some(deadline.min(until)),
        (None, Some(Closing::Until(until))) => Some(until),
        (deadline, _) => deadline,
    }
}

/// Has the time for closing passed?
pub(super) fn is_past(closing: Option<Closing>, now: Time) -> bool {
    matches!(closing, Some(Closing::Until(until)) if until <= now)
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Job::Listen(_) => "Listen",
            Job::Dial(_) => "Dial",
            Job::Resolved { .. } => "Resolved",
            Job::Judged { .. } => "Judged",
            Job::Answered { .. } => "Answered",
            Job::Resume { .. } => "Resume",
            Job::Finished { .. } => "Finished",
            Job::Close { .. } => "Close",
            Job::Part { .. } => "Part",
            Job::Redial { .. } => "Redial",
            Job::RedialInproc { .. } => "RedialInproc",
            Job::Shut { .. } => "Shut",
        })
    }
}
