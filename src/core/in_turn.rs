//! What those say who take turns: a REQ's requests, and a REP's answers.
//!
//! Each is one message to one peer, and the next thing that its sender does is to wait. Where
//! nothing has to be noted it goes the short way: from the caller's hands into the peer's lane.

use super::{
    bells::Bells,
    socket::Socket,
    state::{Pace, Phase, State},
};
use crate::{
    base::{message::Message, sync::biased::BiasedGuard},
    pattern::Route,
    pipe::Plain,
};

impl Socket {
    /// REQ: asks by the short way, if it can go that way now. False: nothing was done.
    #[inline(never)]
    pub(super) fn send_in_turn(&self, message: impl Plain) -> bool {
        let mut state = self.state.lock();
        let whole = message.as_message();
        if !state.plain || self.hub.is_watched() || whole.is_some_and(Message::is_empty) {
            return false;
        }
        let State { pattern, peers, .. } = &mut *state;
        let Some((key, accepted)) = pattern.send_in_turn(peers, message) else {
            return false;
        };
        let left = state.judge_push(self, key, accepted, &mut Pace::of(1));
        drop(state);
        self.finish(left);
        // Perhaps nobody waits for what comes of it.
        self.leave_to_reactor();
        true
    }

    /// REP: answers along `route`. True if the peer was still there to take it.
    pub fn reply(&self, route: &Route, mut message: Message) -> bool {
        self.reply_along(self.state.lock(), route, &mut message)
    }

    /// As [`reply`](Socket::reply), while the socket is open. Answers whether it is; if not, the
    /// message is as it was.
    pub fn reply_if_open(&self, route: &Route, message: impl Plain) -> bool {
        let state = self.state.lock();
        let open = state.phase == Phase::Open;
        if open {
            self.reply_along(state, route, message);
        }
        open
    }

    fn reply_along(
        &self,
        mut state: BiasedGuard<'_, State>,
        route: &Route,
        message: impl Plain,
    ) -> bool {
        if message
            .as_message()
            .is_some_and(|it| state.is_too_large(it))
        {
            return false;
        }
        let State { pattern, peers, .. } = &mut *state;
        let pushed = pattern.reply(peers, route, message);
        state.note_back(self);
        let Some((key, accepted)) = pushed else {
            return false;
        };
        if self.hub.is_watched() {
            let mut bells = Bells::default();
            state.effects.pushed.push((key, accepted));
            state.follow(self, &mut bells);
            drop(state);
            bells.ring(self);
        } else {
            let left = state.judge_push(self, key, accepted, &mut Pace::of(1));
            drop(state);
            self.finish(left);
        }
        true
    }
}
