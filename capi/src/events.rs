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
    /// A receive was refused, or a send, and nobody was told since that another would not be.
    wants_message: bool,
    wants_room: bool,
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
            wants_message: false,
            wants_room: false,
        };
        edge.signal.raise();
        edge.look();
        Ok(edge)
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.signal.descriptor()
    }

    /// Somebody asks what is ready, and will be answered after this: what was told so far is no
    /// news any more.
    pub(crate) fn lower(&mut self) {
        self.signal.lower();
        self.look();
        (self.wants_message, self.wants_room) = (false, false);
    }

    /// A receive was refused, or a send: who waits for the descriptor now hears of what comes, also
    /// if it came between that refusal and this.
    pub(crate) fn refused(&mut self, what: Interest) {
        self.wants_message |= what.is_readable();
        self.wants_room |= what.is_writable();
        self.signal.lower();
        let (message, room) = self.look();
        if message && self.wants_message || room && self.wants_room {
            // Told once, so that one who never asks what is ready does not turn in circles.
            (self.wants_message, self.wants_room) = (false, false);
            self.signal.raise();
        }
    }

    /// A message was received: if there is another, that is news.
    pub(crate) fn received(&mut self) {
        self.wants_message = false;
        if self.reading.look(Interest::READABLE).is_ready() {
            self.signal.raise();
        }
    }

    /// Is there a message, and is there room? What is not ready now will be told of.
    fn look(&self) -> (bool, bool) {
        let message = self.reading.look(Interest::READABLE).is_ready();
        let room = self.writing.look(Interest::WRITABLE).is_ready();
        (message, room)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hubless::{Context, SocketType};

    use super::*;
    use crate::signal::{readable, wait_for};

    /// Two PAIRs that have met, and the edge of the first.
    fn stage(name: &str) -> (Edge, Socket, Socket) {
        let context = Context::new();
        let socket = || Socket::like_libzmq(&context, SocketType::Pair).expect("it is open");
        let (watched, other) = (socket(), socket());
        watched.set_option(23, 1).expect("SNDHWM");
        other.set_option(24, 1).expect("RCVHWM");
        watched.bind(name).expect("a free name");
        other.connect(name).expect("somebody is there");
        let mut edge = Edge::new(&watched).expect("a descriptor");
        edge.lower();
        (edge, watched, other)
    }

    fn tells(edge: &Edge) -> bool {
        let mut descriptors = [readable(edge.descriptor())];
        wait_for(&mut descriptors, Some(Duration::ZERO)) == Ok(1)
    }

    #[test]
    fn what_comes_between_a_refusal_and_its_note_is_told_of() {
        let (mut edge, watched, other) = stage("inproc://between");
        assert!(watched.try_recv().is_err());
        other.send("in between").expect("room");
        edge.refused(Interest::READABLE);
        assert!(tells(&edge));
        assert!(watched.try_recv().is_ok());
        edge.received();
        assert!(watched.try_recv().is_err());
        edge.refused(Interest::READABLE);
        assert!(!tells(&edge));
        other.send("later").expect("room");
        assert!(tells(&edge));
    }

    #[test]
    fn room_is_told_of_although_a_receive_is_refused_after_it_came() {
        let (mut edge, watched, other) = stage("inproc://room");
        while watched.try_send("no room in the end").is_ok() {}
        edge.refused(Interest::WRITABLE);
        assert!(!tells(&edge));
        while other.try_recv().is_ok() {}
        assert!(tells(&edge));
        assert!(watched.try_recv().is_err());
        edge.refused(Interest::READABLE);
        assert!(tells(&edge), "nobody has asked yet");
        assert!(watched.try_recv().is_err());
        edge.refused(Interest::READABLE);
        assert!(!tells(&edge), "it is told once");
    }
}
