//! Who waits for a socket, and how a thread waits.
//!
//! One currency: [`Waker`]. A blocking call is its future, polled in a short loop by a thread
//! that parks in between; a future of somebody's executor is polled by that. Wakers stand in a
//! line. What arrives wakes the first; whoever leaves something behind, or goes away after it
//! was woken, wakes the next.

use std::{collections::VecDeque, task::Waker};

/// A line of wakers.
#[derive(Debug, Default)]
pub struct Waiters {
    line: VecDeque<(u64, Waker)>,
    next: u64,
}

/// One waiter's place in a line; none at first.
#[derive(Debug, Default)]
pub struct Place(Option<u64>);

impl Waiters {
    /// Takes a place at the end of the line, or keeps the one it has.
    pub fn enter(&mut self, place: &mut Place, waker: &Waker) {
        if let Some(number) = place.0 {
            if let Some((_, old)) = self.line.iter_mut().find(|(other, _)| *other == number) {
                old.clone_from(waker);
                return;
            }
        }
        self.next += 1;
        place.0 = Some(self.next);
        self.line.push_back((self.next, waker.clone()));
    }

    /// Gives up a place. True if the waiter had been woken since it took it: what it was woken
    /// for is now somebody else's.
    pub fn leave(&mut self, place: &mut Place) -> bool {
        let Some(number) = place.0.take() else {
            return false;
        };
        let before = self.line.len();
        self.line.retain(|(other, _)| *other != number);
        before == self.line.len()
    }

    /// The first in line, who loses its place.
    pub fn pop(&mut self) -> Option<Waker> {
        self.line.pop_front().map(|(_, waker)| waker)
    }

    /// All of them, e.g. because the socket closes.
    pub fn all(&mut self) -> impl Iterator<Item = Waker> + '_ {
        self.line.drain(..).map(|(_, waker)| waker)
    }

    /// Does nobody wait?
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }
}
