//! What must be done once all locks are released.
//!
//! Inside a lock nobody is woken and nothing is written: it is noted here, and rung afterwards.

use std::{sync::Arc, task::Waker};

use bytes::Bytes;

use super::{few::Few, gate::Question, job::Job, link::Link, socket::Socket};
use crate::base::sync::{Rank, assert_unlocked};

/// Notes of what to do outside the locks.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    pub(crate) wakers: Few<Waker>,
    pub(crate) flush: Few<Arc<Link>>,
    pub(crate) remote: Few<Remote>,
    pub(crate) jobs: Vec<Job>,
    /// Peers that ask to come in.
    pub(crate) questions: Vec<Question>,
    /// What to do for other sockets, which have heard something while a lock was held.
    pub(crate) others: Vec<(Arc<Socket>, Bells)>,
    /// The socket has closed for good: its context lets it go.
    pub(crate) closed: bool,
}

/// A word for the other side of an inproc connection.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) socket: Arc<Socket>,
    pub(crate) key: usize,
    pub(crate) serial: u64,
    pub(crate) word: Word,
}

/// What inproc peers tell each other.
#[derive(Debug)]
pub(crate) enum Word {
    /// Messages have come, after you found none.
    Readable,
    /// There is room again, after you found none.
    Writable,
    /// I (un)subscribe.
    Subscription { subscribe: bool, topic: Bytes },
    /// I am gone.
    Gone,
    /// To a session, by its entry and the number of its question: the handler of ZAP has answered.
    Answered,
}

impl Bells {
    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
            && self.flush.is_empty()
            && self.remote.is_empty()
            && self.jobs.is_empty()
            && self.questions.is_empty()
            && self.others.is_empty()
            && !self.closed
    }

    /// Does all that was noted, for `socket`.
    pub(crate) fn ring(mut self, socket: &Socket) {
        if self.is_empty() {
            return;
        }
        assert_unlocked(Rank::Registry);
        for link in self.flush {
            socket.flush(&link);
        }
        for Remote {
            socket: other,
            key,
            serial,
            word,
        } in self.remote
        {
            other.hear(key, serial, word);
        }
        for (other, bells) in self.others {
            bells.ring(&other);
        }
        for waker in self.wakers {
            waker.wake();
        }
        for question in self.questions {
            self.jobs.push(socket.judge(&question));
        }
        if !self.jobs.is_empty() {
            socket.submit(self.jobs);
        }
        if self.closed {
            socket.context.leave(socket);
        }
    }
}
