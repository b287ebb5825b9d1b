//! Sending to one of many: each message to the next peer in turn that has room.
//!
//! A full peer steps out of its turn until its lane rings; meanwhile the others share the work.

use super::{Peers, Refusal, turns::Turns};
use crate::{
    base::message::{Frame, Message},
    pipe::{Accepted, Refused},
};

/// The sending side of a socket that spreads its messages.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    turns: Turns,
}

impl Outlet {
    /// A new peer, which may take messages at once.
    pub(super) fn add(&mut self, key: usize) {
        self.turns.add(key, true);
    }

    /// Nothing more goes to this peer.
    pub(super) fn remove(&mut self, key: usize) {
        self.turns.remove(key);
    }

    /// A peer that was full has room.
    pub(super) fn writable(&mut self, key: usize) {
        self.turns.activate(key);
    }

    /// Sends `head` (an envelope) and `message` to whoever's turn it is. Answers who that was,
    /// for the caller to follow up.
    ///
    /// # Errors
    /// [`Refusal::Full`] if nobody has room: whoever has it again will ring.
    pub(super) fn send(
        &mut self,
        peers: &mut Peers,
        head: &[Frame],
        message: &Message,
    ) -> Result<(usize, Accepted), Refusal> {
        while let Some(key) = self.turns.current() {
            match peers[key].out.push(head, message) {
                Ok(accepted) => {
                    self.turns.advance();
                    return Ok((key, accepted));
                }
                // Full: its lane will ring. Closed: it is about to be detached.
                Err(Refused::Full | Refused::Closed) => self.turns.deactivate(key),
            };
        }
        Err(Refusal::Full)
    }

    /// The short way of a message: `None` unless whoever's turn it is can take it just so.
    #[inline(always)]
    pub(super) fn send_plain(
        &mut self,
        peers: &mut Peers,
        message: &mut Message,
    ) -> Option<(usize, Accepted)> {
        let key = self.turns.current()?;
        let accepted = peers[key].out.push_plain(message)?;
        self.turns.advance();
        Some((key, accepted))
    }

    /// Has anybody room? If not, whoever has it again will ring.
    pub(super) fn has_room(&mut self, peers: &mut Peers) -> bool {
        while let Some(key) = self.turns.current() {
            if !peers[key].out.is_full(true) {
                return true;
            }
            self.turns.deactivate(key);
        }
        false
    }
}
