//! The end of endpoints and of sockets: unbind, disconnect, close.
//!
//! ```text
//!   open ── close ──► closing ── every connection has ended ──► closed
//!                       │ what is queued leaves within the linger
//!                       └ what is queued for a name nobody has is left to whoever takes it
//! ```

use std::task::{Poll, Waker};

use super::{
    bells::Bells,
    endpoints::End,
    job::{Closing, Job},
    socket::Socket,
    state::Phase,
    wait::Place,
};
use crate::base::{
    endpoint::Endpoint,
    error::{Error, ErrorKind},
    options::Linger,
};

impl Socket {
    /// Stops listening at an endpoint, and closes what came in through it.
    ///
    /// # Errors
    /// `NotFound` if it is not bound.
    pub fn unbind(&self, endpoint: &Endpoint) -> Result<(), Error> {
        self.end(endpoint, true, false)
    }

    /// Ends a connected endpoint. What is queued for it is delivered as linger allows.
    ///
    /// # Errors
    /// `NotFound` if it is not connected.
    pub fn disconnect(&self, endpoint: &Endpoint) -> Result<(), Error> {
        self.end(endpoint, false, false)
    }

    /// As [`disconnect`](Socket::disconnect); what has come from there is not to be received any
    /// more.
    ///
    /// # Errors
    /// The same.
    pub fn disconnect_unread(&self, endpoint: &Endpoint) -> Result<(), Error> {
        self.end(endpoint, false, true)
    }

    fn end(&self, endpoint: &Endpoint, bound: bool, unread: bool) -> Result<(), Error> {
        // What was sent until now is in the lanes when their writers are closed.
        self.flush_all(false);
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        let list = &mut state.ends.list;
        let same = |end: &End| {
            end.bound == bound && (*end.real == *endpoint || (end.given == *endpoint && !bound))
        };
        let Some(at) = list.iter().position(same) else {
            return Err(Error::new(ErrorKind::NotFound, endpoint.to_string()));
        };
        let end = list.remove(at);
        if let Some((key, serial)) = end.peer {
            if state
                .peers
                .get(key)
                .is_some_and(|peer| peer.serial == serial)
            {
                if unread {
                    state.peers[key].window.close();
                }
                state.detach(key, &mut bells);
                state.follow(self, &mut bells);
                state.peer_left(&mut bells);
            }
        }
        drop(state);
        if let Endpoint::Inproc(name) = endpoint {
            if bound {
                self.unbind_inproc(name, endpoint, &mut bells);
            } else if let Some((_, serial)) = end.peer {
                self.context.forget_waiting(&[serial]);
            }
        } else {
            let until = self.linger_until(self.terms().options.linger);
            bells.rare().jobs.push(Job::Shut {
                endpoint: Some(end.id),
                until,
            });
        }
        bells.ring(self);
        Ok(())
    }

    /// Begins to close: nothing more is sent or received, what is queued leaves within `linger`.
    /// Other threads' calls end.
    pub fn close(&self, linger: Linger) {
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return;
        }
        state.phase = Phase::Closing;
        self.forget_interrupt(&mut state);
        let inproc: Vec<Endpoint> = state
            .ends
            .list
            .iter()
            .filter(|end| end.bound && end.real.is_inproc())
            .map(|end| end.given.clone())
            .collect();
        let keys: Vec<usize> = state.peers.iter().map(|(key, _)| key).collect();
        let mut serials = Vec::new();
        let mut legacies = Vec::new();
        for key in keys {
            serials.push(state.peers[key].serial);
            state.peers[key].window.close();
            if linger == Linger::Forever {
                legacies.extend(self.leave_to_name(&mut state, key));
            }
            state.detach(key, &mut bells);
        }
        state.follow(self, &mut bells);
        state.wake_all(&mut bells);
        drop(state);
        self.context.forget_waiting(&serials);
        for legacy in legacies {
            self.settle_legacy(legacy);
        }
        for endpoint in inproc {
            if let Endpoint::Inproc(name) = &endpoint {
                self.context.unbind_name(name, self);
            }
        }
        match self.net.get() {
            Some(_) => {
                let until = self.linger_until(linger);
                bells.rare().jobs.push(Job::Shut {
                    endpoint: None,
                    until,
                });
            }
            None => self.closed(0, &mut bells),
        }
        bells.ring(self);
    }

    /// The last connection has ended.
    pub(super) fn closed(&self, unsent: u64, bells: &mut Bells) {
        let mut state = self.state.lock();
        state.phase = Phase::Closed;
        state.settle_ways();
        state.ends.note_unsent(unsent);
        state.forget_all();
        bells.wakers.extend(state.change_waiters.all());
        drop(state);
        self.hub.close(&mut bells.wakers);
        bells.rare().closed = true;
    }

    /// Waits until closing is done. Answers how many messages were thrown away.
    pub fn poll_closed(&self, place: &mut Place, waker: &Waker) -> Poll<u64> {
        let mut state = self.state.lock();
        if state.phase == Phase::Closed {
            return Poll::Ready(state.ends.unsent);
        }
        state.change_waiters.enter(place, waker);
        Poll::Pending
    }

    pub(super) fn linger_until(&self, linger: Linger) -> Closing {
        let now = self.context.metal.now();
        match linger {
            Linger::Drop => Closing::Until(now),
            Linger::For(time) => Closing::Until(now + time),
            Linger::Forever => Closing::Unlimited,
        }
    }
}
