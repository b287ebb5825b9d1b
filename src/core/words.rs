//! Words that a socket hears: from its own sessions, from inproc peers, from a handler of ZAP.
//!
//! Each names a peer by its key and serial, or a session by its entry and question, so that one
//! that is late does no harm.

use bytes::Bytes;

use super::{
    bells::{Bells, Word},
    job::Job,
    socket::Socket,
};
use crate::base::event::Reason;

impl Socket {
    /// A peer's messages have come, after there were none.
    pub(super) fn note_readable(&self, key: usize, serial: u64, bells: &mut Bells) {
        let mut state = self.state.lock();
        if state
            .peers
            .get(key)
            .is_some_and(|peer| peer.serial == serial)
        {
            state.readable(key, bells);
        }
    }

    /// A network peer (un)subscribes.
    ///
    /// # Errors
    /// The reason to close the connection.
    pub(super) fn note_subscription(
        &self,
        key: usize,
        serial: u64,
        topic: &Bytes,
        subscribe: bool,
        bells: &mut Bells,
    ) -> Result<(), Reason> {
        let mut state = self.state.lock();
        match state.peers.get(key) {
            Some(peer) if peer.serial == serial && !peer.gone => {
                state.handle_subscription(self, key, topic, subscribe, bells)
            }
            _ => Ok(()),
        }
    }

    /// A word from an inproc peer.
    pub(super) fn hear(&self, key: usize, serial: u64, word: Word) {
        match word {
            Word::Readable => self.hear_readable(key, serial),
            word => self.heed(key, serial, word).ring(self),
        }
    }

    /// The word that comes most: each message brings it where peers take turns.
    fn hear_readable(&self, key: usize, serial: u64) {
        let mut state = self.state.lock();
        match state.peers.get(key) {
            Some(peer) if peer.serial == serial => {}
            _ => return,
        }
        if !state.watchers.is_empty() {
            drop(state);
            return self.heed(key, serial, Word::Readable).ring(self);
        }
        state.pattern.readable(key);
        let first = state.recv_waiters.pop();
        drop(state);
        self.call();
        if let Some(waker) = first {
            waker.wake();
        }
    }

    /// As [`hear`](Socket::hear), for callers that hold a lock: they ring what is to be rung.
    pub(super) fn heed(&self, key: usize, serial: u64, word: Word) -> Bells {
        let mut bells = Bells::default();
        if let Word::Answered = word {
            let (entry, question) = (key, serial);
            bells.rare().jobs.push(Job::Answered { entry, question });
            return bells;
        }
        let mut state = self.state.lock();
        if state
            .peers
            .get(key)
            .is_none_or(|peer| peer.serial != serial)
        {
            return bells;
        }
        match word {
            Word::Answered => {}
            Word::Readable => state.readable(key, &mut bells),
            Word::Writable => state.writable(self, key, &mut bells),
            Word::HandOver(_) => state.hand_over(key, &mut bells),
            Word::Gone => {
                if !state.peers[key].gone {
                    state.note_departure(self, key, &mut bells);
                }
                self.peer_gone(&mut state, key, &mut bells);
            }
            Word::Subscription { .. } if state.peers[key].gone => {}
            Word::Subscription { subscribe, topic } => {
                let heard = state.handle_subscription(self, key, &topic, subscribe, &mut bells);
                if let Err(reason) = heard {
                    state.evict(self, key, reason, &mut bells);
                }
            }
        }
        drop(state);
        self.call();
        bells
    }
}
