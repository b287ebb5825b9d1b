//! What a lane is made for, and how it answers those who hand it messages.

use crate::base::tuning;

/// What a lane keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Messages as they are: inproc, and everything received.
    Messages,
    /// Octets in frames of ZMTP 2.0 and 3.x, ready to be written.
    Octets,
    /// Octets as they are, without frames, ready to be written.
    Raw,
}

/// A message was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The reader had found nothing and must be rung.
    pub ring_reader: bool,
    /// Octets that wait to be written; 0 in a lane of messages.
    pub octets: usize,
    /// Nothing was waiting before.
    pub first: bool,
    /// There is no room for another one.
    pub full: bool,
}

impl Accepted {
    /// Does it lie behind others that will be seen to, with nothing more to do for it?
    #[inline]
    pub fn joins_others(&self) -> bool {
        !self.first && !self.full && !self.ring_reader && self.octets < tuning::FLUSH_OCTETS
    }
}

/// Why a message was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// At the high-water mark.
    Full,
    /// The reader is gone for good.
    Closed,
}
