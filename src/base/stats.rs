//! Counters that balance: what was accepted is delivered, queued, dropped or lost, never gone.

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
