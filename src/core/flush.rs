//! Writing out: what senders have left in lanes leaves through their links.

use std::sync::Arc;

use super::{
    attach::{Attached, Wire},
    bells::Bells,
    job::Job,
    link::{Flushed, Link},
    socket::Socket,
    state::State,
};

impl Socket {
    /// Writes what a link's lane holds, and rings who waits for the room.
    pub(super) fn flush(&self, link: &Arc<Link>) {
        let flushed = link.flush(self.context.metal.now());
        self.flushed(link, flushed);
    }

    /// Follows a flush up.
    pub(super) fn flushed(&self, link: &Arc<Link>, flushed: Flushed) {
        if flushed.ring_writer {
            let mut bells = Bells::default();
            self.note_writable(link, &mut bells);
            bells.ring(self);
        }
        if flushed.finished {
            let state = self.state.lock();
            let key = link.peer();
            let attached = state.attached.get(key);
            let entry = attached.filter(|attached| attached.is_linked_by(link));
            let done = entry.and_then(|attached| attached.entry).map(|entry| {
                let serial = state.peers[key].serial;
                Job::Finished { entry, serial }
            });
            drop(state);
            if let Some(job) = done {
                self.submit(vec![job]);
            }
        }
    }

    /// Writes out all that senders have left lying. Done before waiting, and by the sweep.
    ///
    /// Answers how many messages the application has received so far.
    pub(super) fn flush_all(&self, waits: bool) -> u64 {
        let mut links = Vec::new();
        let mut state = self.state.lock();
        state.eager |= waits;
        let mut unflushed = std::mem::take(&mut state.unflushed);
        for key in unflushed.drain(..) {
            let State {
                attached, peers, ..
            } = &mut *state;
            if let Some(attached) = attached.get_mut(key) {
                attached.unflushed = false;
                peers[key].out.publish();
                if let Wire::Link(link) = &attached.wire {
                    links.push(Arc::clone(link));
                }
            }
        }
        state.unflushed = unflushed;
        let received = state.received;
        drop(state);
        for link in links {
            self.flush(&link);
        }
        received
    }

    /// A link's lane has room again.
    pub(super) fn note_writable(&self, link: &Arc<Link>, bells: &mut Bells) {
        let mut state = self.state.lock();
        let key = link.peer();
        let linked = |attached: &Attached| attached.is_linked_by(link);
        if state.attached.get(key).is_some_and(linked) && !state.peers[key].gone {
            state.writable(self, key, bells);
        }
    }

    /// Writes out what was left lying, because the caller is about to wait.
    pub fn flush_before_wait(&self) {
        self.flush_all(true);
    }
}
