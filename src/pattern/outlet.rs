//! Sending to one of many: each message to the next peer in turn that has room.
//!
//! A full peer steps out of its turn until its lane rings; meanwhile the others share the work.
//! If messages without room are dropped, nobody waits for a ring, and nobody steps out.

use super::{Peers, Refusal, turns::Turns};
use crate::{
    base::{
        message::{Frame, Message},
        options::{Balance, OnFull, Options},
    },
    pipe::{Accepted, Plain, Refused},
};

/// The sending side of a socket that spreads its messages.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    turns: Turns,
    balance: Balance,
    on_full: OnFull,
}

impl Outlet {
    /// Spreads as these options say.
    pub(super) fn new(options: &Options) -> Outlet {
        Outlet {
            turns: Turns::new(),
            balance: options.balance,
            on_full: options.on_full,
        }
    }

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
    /// for the caller to follow up; `None` if it was dropped.
    ///
    /// # Errors
    /// [`Refusal::Full`] if nobody has room: whoever has it again will ring.
    pub(super) fn send(
        &mut self,
        peers: &mut Peers,
        head: &[Frame],
        message: &Message,
    ) -> Result<Option<(usize, Accepted)>, Refusal> {
        if self.on_full == OnFull::DropNewest {
            return self.send_or_drop(peers, head, message);
        }
        while let Some(key) = self.next(peers) {
            match peers[key].out.push(head, message) {
                Ok(accepted) => {
                    self.turns.pass(key);
                    return Ok(Some((key, accepted)));
                }
                // Full: its lane will ring. Closed: it is about to be detached.
                Err(Refused::Full | Refused::Closed) => self.turns.deactivate(key),
            };
        }
        Err(Refusal::Full)
    }

    /// The same where a message without room is dropped: at the peer whose turn it was.
    fn send_or_drop(
        &mut self,
        peers: &mut Peers,
        head: &[Frame],
        message: &Message,
    ) -> Result<Option<(usize, Accepted)>, Refusal> {
        let mut key = self.next(peers).ok_or(Refusal::Full)?;
        if peers[key].out.is_full(false) {
            let mut others = self.turns.iter();
            let room = others.find(|key| !peers[*key].out.is_full(false));
            key = room.unwrap_or(key);
        }
        self.turns.pass(key);
        let accepted = peers[key].out.push_or_drop(head, message);
        Ok(accepted.ok().map(|accepted| (key, accepted)))
    }

    /// Whose turn it is.
    fn next(&self, peers: &Peers) -> Option<usize> {
        match self.balance {
            Balance::RoundRobin => self.turns.current(),
            Balance::LeastQueued => self.turns.iter().min_by_key(|key| peers[*key].out.queued()),
        }
    }

    /// The short way of a message: `None` unless whoever's turn it is can take it just so.
    /// Not for those who have a choice.
    #[inline(always)]
    pub(super) fn send_plain(
        &mut self,
        peers: &mut Peers,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        debug_assert_eq!(self.balance, Balance::RoundRobin);
        let key = self.turns.current()?;
        let accepted = peers[key].out.push_plain(message)?;
        self.turns.advance();
        Some((key, accepted))
    }

    /// Sends behind an empty frame, if whoever's turn it is takes it at once, and nothing is to be
    /// said but that. `None`: it was not sent.
    pub(super) fn send_in_turn(
        &mut self,
        peers: &mut Peers,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        let key = self.turns.current()?;
        let accepted = peers[key].out.push_at_once(message).ok()?;
        self.turns.advance();
        Some((key, accepted))
    }

    /// Has anybody room? If not, whoever has it again will ring.
    pub(super) fn has_room(&mut self, peers: &mut Peers) -> bool {
        while let Some(key) = self.turns.current() {
            if self.on_full == OnFull::DropNewest || !peers[key].out.is_full(true) {
                return true;
            }
            self.turns.deactivate(key);
        }
        false
    }
}
