//! Watchers of untyped sockets, for loops of somebody else's.

use super::Socket;
use crate::{
    base::interest::Interest,
    core::{Look, Watch},
};

/// Hears when a socket may be ready: its waker is woken once after each look that found nothing.
#[derive(Debug)]
pub struct Watcher {
    pub(super) socket: Socket,
    pub(super) watch: Watch,
}

impl Watcher {
    /// What is ready of `interest`? If nothing is, the waker is woken once something may be.
    pub fn look(&self, interest: Interest) -> Look {
        let look = self.socket.owner.socket.look(self.watch, interest);
        self.socket.judge(look)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.socket.owner.socket.unwatch(self.watch);
    }
}
