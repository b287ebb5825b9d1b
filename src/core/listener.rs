//! A listener: takes connections in, and rests when it must.
//!
//! When descriptors have run out, too many handshakes are unfinished, or too many peers have left
//! unread, nothing is accepted for a while: newcomers wait in the kernel's backlog, and those who
//! are in are served.

use std::{io, sync::Arc};

use super::{bells::Bells, socket::Socket, terms::Terms};
use crate::{
    base::{endpoint::Endpoint, error::is_exhaustion, event::EventKind, time::Time, tuning},
    reactor::metal::{Acceptor, Stream},
};

/// A bound endpoint of the network.
pub(crate) struct Listener {
    /// The endpoint's number.
    pub(super) id: u64,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) acceptor: Box<dyn Acceptor>,
    pub(super) terms: Arc<Terms>,
    /// Nothing is accepted before.
    rests_until: Option<Time>,
}

impl Listener {
    pub(super) fn new(
        id: u64,
        endpoint: Arc<Endpoint>,
        acceptor: Box<dyn Acceptor>,
        terms: Arc<Terms>,
    ) -> Listener {
        Listener {
            id,
            endpoint,
            acceptor,
            terms,
            rests_until: None,
        }
    }

    /// When to look again, if it rests.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.rests_until
    }

    /// Takes connections, at most `room`. The second value says that more may be waiting.
    pub(super) fn accept(
        &mut self,
        socket: &Socket,
        room: usize,
        now: Time,
        bells: &mut Bells,
    ) -> (Vec<Box<dyn Stream>>, bool) {
        let mut streams = Vec::new();
        if self.rests_until.is_some_and(|until| until > now) {
            return (streams, false);
        }
        self.rests_until = None;
        for _ in 0..tuning::TURN_ACCEPTS {
            if streams.len() >= room {
                self.rests_until = Some(now + tuning::HANDSHAKES_PAUSE);
                return (streams, false);
            }
            match self.acceptor.accept() {
                Ok(stream) => streams.push(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return (streams, false);
                }
                Err(error) => {
                    let rest = is_exhaustion(&error);
                    if error.kind() == io::ErrorKind::PermissionDenied {
                        // A filter at work.
                        log::debug!("{}: {error}", self.endpoint);
                    } else {
                        log::warn!("{}: cannot accept: {error}", self.endpoint);
                    }
                    let kind = EventKind::AcceptFailed(Arc::new(error));
                    socket.tell(kind, &self.endpoint, None, bells);
                    if rest {
                        self.rests_until = Some(now + tuning::ACCEPT_PAUSE);
                        return (streams, false);
                    }
                }
            }
        }
        (streams, true)
    }
}
