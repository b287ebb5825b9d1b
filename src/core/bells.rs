//! What must be done once all locks are released.
//!
//! Inside a lock nobody is woken and nothing is written: it is noted here, and rung afterwards.

use std::{sync::Arc, task::Waker};

use bytes::Bytes;

use super::{few::Few, gate::Question, job::Job, link::Link, socket::Socket};
use crate::{
    base::{
        lent,
        options::Linger,
        sync::{Rank, assert_unlocked},
    },
    pipe::Lane,
};

/// Notes of what to do outside the locks.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    pub(crate) wakers: Few<Waker>,
    pub(crate) flush: Few<Arc<Link>>,
    pub(crate) remote: Few<Remote>,
    rare: Option<Box<Rare>>,
}

/// What few calls note, kept apart so that all others need not carry it.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) jobs: Vec<Job>,
    /// Peers that ask to come in.
    pub(crate) questions: Vec<Question>,
    /// What to do for other sockets, which have heard something while a lock was held.
    pub(crate) others: Vec<(Arc<Socket>, Bells)>,
    /// The socket has closed for good: its context lets it go.
    pub(crate) closed: bool,
    /// It can hear of nothing any more, and closes.
    pub(crate) broken: bool,
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
    /// I have read this lane dry, and you hold messages back.
    HandOver(Arc<Lane>),
    /// I (un)subscribe.
    Subscription { subscribe: bool, topic: Bytes },
    /// I am gone.
    Gone,
    /// To a session, by its entry and the number of its question: the handler of ZAP has answered.
    Answered,
}

impl Bells {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
            && self.flush.is_empty()
            && self.remote.is_empty()
            && self.rare.is_none()
    }

    /// What few calls note.
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Will messages be fetched that peers hold back?
    pub(crate) fn fetch(&self) -> bool {
        let fetches = |remote: &Remote| matches!(remote.word, Word::HandOver(_));
        self.remote.iter().any(fetches)
    }

    /// Does all that was noted, for `socket`.
    #[inline]
    pub(crate) fn ring(self, socket: &Socket) {
        if self.is_empty() {
            // The usual case. There is nothing to free, which need not be looked after.
            std::mem::forget(self);
        } else {
            self.ring_all(socket);
        }
    }

    fn ring_all(self, socket: &Socket) {
        assert_unlocked(Rank::Registry);
        self.flush.for_each(|link| socket.flush(&link));
        self.remote.for_each(|remote| {
            if let Word::HandOver(lane) = &remote.word {
                if socket.sees_handed_over(lane) {
                    return;
                }
            }
            remote.socket.hear(remote.key, remote.serial, remote.word);
        });
        let mut rare = self.rare;
        if let Some(rare) = &mut rare {
            for (other, bells) in rare.others.drain(..) {
                bells.ring(&other);
            }
        }
        self.wakers.for_each(Waker::wake);
        if let Some(rare) = rare {
            rare.finish(socket);
        }
    }
}

impl Rare {
    fn finish(mut self, socket: &Socket) {
        for question in self.questions {
            self.jobs.push(socket.judge(&question));
        }
        if !self.jobs.is_empty() {
            socket.submit(self.jobs);
        }
        if self.broken {
            socket.close(Linger::Drop);
        }
        if self.closed {
            // Whoever waits for the end of the context has all back then that was lent.
            lent::let_go();
            socket.context.leave(socket);
        }
    }
}
