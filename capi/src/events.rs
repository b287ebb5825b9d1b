//! `ZMQ_FD`: a descriptor that becomes readable when a socket may have become ready.
//!
//! It tells of changes, not of a state: whoever is told asks for `ZMQ_EVENTS`, which takes the
//! news back, and uses the socket until that says that nothing is ready.

use std::{os::fd::RawFd, sync::Arc, task::Waker};

use hubless::{
    Interest,
    untyped::{Socket, Watcher},
};

use crate::{errno::Errno, signal::Signal};

/// See above.
#[derive(Debug)]
pub(crate) struct Edge {
    signal: Arc<Signal>,
    reading: Watcher,
    writing: Watcher,
}

impl Edge {
    /// One that tells at once what is ready now.
    pub(crate) fn new(socket: &Socket) -> Result<Edge, Errno> {
        let signal = Arc::new(Signal::new()?);
        let waker = Waker::from(Arc::clone(&signal));
        let edge = Edge {
            signal,
            reading: socket.watch(waker.clone()),
            writing: socket.watch(waker),
        };
        edge.signal.raise();
        edge.arm();
        Ok(edge)
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.signal.descriptor()
    }

    /// Somebody asks what is ready: what was told so far is no news any more.
    pub(crate) fn lower(&self) {
        self.signal.lower();
        self.arm();
    }

    /// A message was received: if there is another, that is news.
    pub(crate) fn received(&self) {
        if self.reading.look(Interest::READABLE).is_ready() {
            self.signal.raise();
        }
    }

    /// What is not ready now will be told of.
    fn arm(&self) {
        self.reading.look(Interest::READABLE);
        self.writing.look(Interest::WRITABLE);
    }
}
