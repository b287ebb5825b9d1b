//! Counters that balance: what was accepted is delivered, queued, dropped or lost, never gone.

use std::time::Duration;

use super::message::Message;

/// The counters of one lane: one direction of one peer.
///
/// At any quiet moment `accepted = delivered + queued + dropped + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStats {
    /// Messages taken in.
    pub accepted: u64,
    /// Messages handed on: to the kernel (its last octet), or to the application.
    pub delivered: u64,
    /// Messages waiting now.
    pub queued: u64,
    /// Messages refused because the lane was full, and so lost to this peer (not in `accepted`).
    pub refused: u64,
    /// Accepted messages replaced by newer ones (conflate) or thrown away at close.
    pub dropped: u64,
    /// How many of the dropped were replaced by newer ones.
    pub replaced: u64,
    /// Accepted messages that went down with a connection.
    pub lost: u64,
    /// Octets of all frames accepted.
    pub octets: u64,
    /// Frames of all messages accepted, envelopes included.
    pub parts: u64,
    /// Octets waiting now: with their headers, where they are framed to be written; of a lane
    /// within the process those that its reader has not moved to its own side.
    pub queued_octets: u64,
}

impl LaneStats {
    /// The sum of two lanes.
    #[must_use]
    pub fn plus(self, other: LaneStats) -> LaneStats {
        LaneStats {
            accepted: self.accepted + other.accepted,
            delivered: self.delivered + other.delivered,
            queued: self.queued + other.queued,
            refused: self.refused + other.refused,
            dropped: self.dropped + other.dropped,
            lost: self.lost + other.lost,
            replaced: self.replaced + other.replaced,
            octets: self.octets + other.octets,
            parts: self.parts + other.parts,
            queued_octets: self.queued_octets + other.queued_octets,
        }
    }

    /// Nobody is left to read what waits. Answers how many messages that are, for the caller to
    /// count as dropped or lost.
    pub(crate) fn forsake(&mut self) -> u64 {
        self.queued_octets = 0;
        std::mem::take(&mut self.queued)
    }

    /// Do the counters balance?
    pub fn balances(self) -> bool {
        self.accepted == self.delivered + self.queued + self.dropped + self.lost
    }
}

/// The counters of a socket, all its peers together.
///
/// ```
/// use hubless::{Pull, Push};
///
/// let (push, pull) = (Push::new()?, Pull::new()?);
/// pull.bind("inproc://counted")?;
/// push.connect("inproc://counted")?;
/// push.send("one")?;
/// pull.recv()?;
/// assert_eq!(push.stats().sent.delivered, 1);
/// assert_eq!(pull.stats().received.delivered, 1);
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// What was sent.
    pub sent: LaneStats,
    /// What was received.
    pub received: LaneStats,
    /// Peers whose handshake is done, now.
    pub peers: usize,
    /// Handshakes done with all peers, those that have left included.
    pub connections: u64,
    /// How many of them made a connection anew that had been lost.
    pub reconnects: u64,
    /// What it has asked of the system.
    pub calls: Calls,
}

/// System calls of a socket, and wake-ups. Inproc there are none but wake-ups: messages do not
/// pass through the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Reads from its connections.
    pub reads: u64,
    /// Writes to them, many messages in each under load.
    pub writes: u64,
    /// Looks for what is ready, by threads that wait for it and by its I/O thread.
    pub polls: u64,
    /// How often a thread that polls for it was rung out of that by another one.
    pub bells: u64,
    /// How often a thread that slept in one of its calls ran again.
    pub wakeups: u64,
}

/// What an I/O thread has done.
///
/// A turn is what it does between two waits. One that takes long keeps all other sockets of that
/// thread waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IoStats {
    /// Sockets that it serves now.
    pub sockets: usize,
    /// Turns: as many polls, each a system call.
    pub turns: u64,
    /// Polls that could have slept: it was woken by readiness, a bell or a deadline.
    pub wakeups: u64,
    /// How often another thread rang it out of its sleep.
    pub bells: u64,
    /// Turns that took 10 ms or more.
    pub slow_turns: u64,
    /// The longest turn.
    pub longest_turn: Duration,
    /// The time spent in turns; ρ of the thread is this over `lifetime`.
    pub busy: Duration,
    /// How long the thread has run.
    pub lifetime: Duration,
}

impl IoStats {
    /// ρ: the share of its life that it was at work, 0 to 1.
    pub fn utilisation(&self) -> f64 {
        let lifetime = self.lifetime.as_secs_f64();
        if lifetime > 0.0 {
            (self.busy.as_secs_f64() / lifetime).min(1.0)
        } else {
            0.0
        }
    }
}

/// Octets in all frames of a message; frames beyond the first are added to `more`. Nothing is
/// added for the usual message, which has one.
#[inline]
pub(crate) fn measure(message: &Message, more: &mut u64) -> u64 {
    match message.frames() {
        [only] => only.len() as u64,
        frames => {
            *more += frames.len().saturating_sub(1) as u64;
            frames.iter().map(|frame| frame.len() as u64).sum()
        }
    }
}
