//! The short way of a message: where there is nothing to it but to queue it, or to take it.
//!
//! ```text
//!   send  one peer's turn, with credit, behind others ──► nothing else is looked at
//!   recv  one peer's turn, with a message waiting ──► nothing else is looked at
//!   else  the long way (`state.rs`)
//! ```
//!
//! Nothing is moved that need not be: octets that were just written in one width and are read in
//! another make the processor wait, longer than all else takes that is done here.

use super::{
    bells::Bells,
    socket::Socket,
    state::{Left, Pace, State},
};
use crate::{
    base::{message::Message, name::Name},
    pipe::Plain,
};

impl State {
    /// The short way of a message into one lane: no notes are taken if there is nothing to note.
    /// What it leaves to do goes to `left`, which is not moved about where that is nothing. False
    /// if it could not go that way, and has not gone at all.
    #[inline(always)]
    pub(super) fn send_plain(
        &mut self,
        socket: &Socket,
        message: impl Plain,
        left: &mut Left,
    ) -> bool {
        let whole = message.as_message();
        if !self.plain || whole.is_some_and(Message::is_empty) || socket.hub.is_watched() {
            return false;
        }
        if socket.publishes {
            let Some(published) = whole.and_then(|it| self.publish_plain(socket, it)) else {
                return false;
            };
            *left = published;
            return true;
        }
        let Some((key, accepted)) = self.pattern.send_plain(&mut self.peers, message) else {
            return false;
        };
        if !accepted.joins_others() {
            *left = self.judge_push(socket, key, accepted, &mut Pace::of(1));
        }
        true
    }

    /// The short way of a message to subscribers.
    fn publish_plain(&mut self, socket: &Socket, message: &Message) -> Option<Left> {
        let State {
            pattern,
            peers,
            effects,
            ..
        } = self;
        // Refused: that was at the mark of somebody, and the long way waits for room.
        pattern.publish(peers, message, effects)?.ok()?;
        if self.effects.is_empty() {
            return Some(Left::Nothing);
        }
        let mut bells = Box::<Bells>::default();
        self.follow(socket, &mut bells);
        Some(Left::Notes(bells))
    }

    /// The short way of a message to the application: there is one, and nothing else to do.
    #[inline(always)]
    pub(super) fn recv_plain(&mut self) -> Option<Message> {
        // Taken last: what else happens would move the message about.
        let key = self.turn_plain()?;
        self.received += 1;
        self.peers[key].window.pop_plain()
    }

    /// The same of a ROUTER, with the name of who sent it.
    #[inline(always)]
    pub(super) fn recv_named(&mut self) -> Option<(Name, Message)> {
        if !self.plain || !self.recv_waiters.is_empty() {
            return None;
        }
        let received = self.pattern.recv_named(&mut self.peers)?;
        self.received += 1;
        Some(received)
    }

    /// Whose message may go the short way: it is to be taken.
    #[inline(always)]
    pub(super) fn turn_plain(&mut self) -> Option<usize> {
        if !self.plain || !self.recv_waiters.is_empty() {
            return None;
        }
        self.pattern.turn_plain(&mut self.peers)
    }
}
