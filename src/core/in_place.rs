//! Receiving in place: a small message is copied from where it waits to where it is wanted.
//!
//! Each move of a message on the way is some 80 octets; two or three of them cost more than all
//! else that the short way does.

use std::sync::Arc;

use super::{attach::Attached, socket::Socket};
use crate::base::{event::PeerInfo, message::Message};

/// A message where it is.
#[derive(Debug)]
pub enum InPlace<'a> {
    /// One frame of at most 64 octets, to be copied.
    Small(&'a [u8]),
    /// Any other.
    Whole(Message),
}

impl Socket {
    /// As [`recv_plain`](Socket::recv_plain), given to `take` with who has sent it.
    #[inline(always)]
    pub fn recv_plain_with<T>(
        &self,
        take: impl FnOnce(InPlace<'_>, Option<&Arc<PeerInfo>>) -> T,
    ) -> Option<T> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let key = state.turn_plain()?;
        let sender = state.attached.get(key).and_then(Attached::sender);
        let window = &mut state.peers[key].window;
        let taken = match window.front_plain()?.frames() {
            [small] if small.inline().is_some() => {
                let taken = take(InPlace::Small(small), sender);
                // It holds nothing outside of itself; dropping it would move it first.
                std::mem::forget(window.pop_plain());
                taken
            }
            _ => take(InPlace::Whole(window.pop_plain()?), sender),
        };
        state.received += 1;
        Some(taken)
    }
}
