//! Counters that balance: what was accepted is delivered, queued, dropped or lost, never gone.

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
    /// Accepted messages that went down with a connection.
    pub lost: u64,
    /// Octets of all frames accepted.
    pub octets: u64,
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
            octets: self.octets + other.octets,
        }
    }

    /// Do the counters balance?
    pub fn balances(self) -> bool {
        self.accepted == self.delivered + self.queued + self.dropped + self.lost
    }
}
