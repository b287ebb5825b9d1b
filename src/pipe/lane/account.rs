//! What a lane has counted, and how long its messages have waited.
//!
//! A message that is timed has a place: its number among those that the lane accepted and did not
//! replace by newer ones. One in a lane of octets has left once as many have. In a lane of messages
//! the reader is told at which of its pops it comes, counted back from the end of the queue; so
//! neither is misled by messages that were dropped before.

use std::{collections::VecDeque, fmt};

use super::{Inner, Lane, Queue};
use crate::{
    base::{histogram::Histogram, stats::LaneStats, time::Time},
    pipe::timing::{Gaps, Timing},
};

/// A message that is timed: its place, or the reader's pop that gives it; and when it came.
pub(in crate::pipe) type Mark = (u64, Time);

/// The times of a lane.
#[derive(Debug)]
pub(super) struct Times {
    timing: Timing,
    gaps: Gaps,
    /// Timed messages that have not left, oldest first.
    marks: VecDeque<Mark>,
    waits: Histogram,
}

impl Lane {
    /// A message found no room, and is gone.
    pub fn count_refused(&self) {
        self.inner.lock().refused += 1;
    }

    /// Times the waits of its messages, those that come from now on, unless that is done already.
    pub fn start_timing(&self, timing: &Timing) {
        let drafts = self.takes_drafts();
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        if inner.times.is_some() {
            return;
        }
        let mut gaps = timing.gaps();
        if !drafts {
            inner.next_timed = inner.written + gaps.next();
        }
        inner.times = Some(Box::new(Times {
            timing: timing.clone(),
            gaps,
            marks: VecDeque::new(),
            waits: Histogram::new(),
        }));
    }

    /// A draft decides which of its messages are timed.
    pub(in crate::pipe) fn leave_marks(&self) {
        self.inner.lock().next_timed = u64::MAX;
    }

    /// How its messages are timed, if they are.
    pub(in crate::pipe) fn timing(&self) -> Option<Timing> {
        let inner = self.inner.lock();
        inner.times.as_ref().map(|times| times.timing.clone())
    }

    /// How long the messages that were timed have waited; `None` if none are.
    pub fn waits(&self) -> Option<Histogram> {
        let inner = self.inner.lock();
        inner.times.as_ref().map(|times| times.waits.clone())
    }

    /// A timed message that came at `arrived` leaves now. Answers when that is.
    pub(in crate::pipe) fn note_left(&self, arrived: Time) -> Time {
        let mut inner = self.inner.lock();
        let Some(times) = &mut inner.times else {
            return arrived;
        };
        let now = times.timing.clock.now();
        times.waits.record(now - arrived);
        now
    }

    /// The counters. Of a lane that a [`Window`](crate::pipe::Window) reads, ask the window: it
    /// knows what has been handed on since credit was last given.
    pub fn stats(&self) -> LaneStats {
        let inner = self.inner.lock();
        let queued = inner.queued();
        LaneStats {
            accepted: inner.written,
            delivered: inner.written - queued - inner.dropped - inner.lost,
            queued,
            refused: inner.refused,
            dropped: inner.dropped,
            replaced: inner.replaced,
            lost: inner.lost,
            octets: inner.octets,
            parts: inner.written + inner.frames_beyond,
            queued_octets: match &inner.queue {
                Queue::Messages(queue) => queue.iter().map(|it| it.octets() as u64).sum(),
                Queue::Octets { .. } => inner.waiting,
            },
        }
    }
}

impl Inner {
    /// The last messages were accepted, up to `written`, one of which is to be timed at least.
    #[cold]
    pub(super) fn mark_last(&mut self) {
        let Some(times) = &mut self.times else { return };
        let now = times.timing.clock.now();
        while self.next_timed <= self.written {
            // With conflation only the last one is still here.
            if !self.conflate || self.next_timed == self.written {
                times
                    .marks
                    .push_back((self.next_timed - self.replaced, now));
            }
            self.next_timed += times.gaps.next();
        }
    }

    /// A draft has timed some of the messages that it hands over; their numbers count from
    /// `before`.
    #[cold]
    pub(super) fn adopt_marks(&mut self, marks: &mut Vec<Mark>, before: u64) {
        let marks = marks.drain(..);
        if let Some(times) = &mut self.times {
            times
                .marks
                .extend(marks.map(|(index, at)| (before + index, at)));
        }
    }

    /// More messages were done with.
    pub(super) fn note_done(&mut self) {
        let Some(times) = &mut self.times else { return };
        let mut now = None;
        while let Some(&(number, at)) = times.marks.front() {
            if number > self.taken - self.replaced {
                break;
            }
            times.marks.pop_front();
            let now = *now.get_or_insert_with(|| times.timing.clock.now());
            times.waits.record(now - at);
        }
    }

    /// The message `number` will not be delivered.
    pub(super) fn forget_mark(&mut self, number: u64) {
        if let Some(times) = &mut self.times {
            times.marks.retain(|mark| mark.0 != number);
        }
    }

    /// The message at `place` is replaced: those behind it move up.
    pub(super) fn forget_place(&mut self, place: u64) {
        self.forget_mark(place);
        if let Some(times) = &mut self.times {
            for mark in times.marks.iter_mut().filter(|mark| mark.0 > place) {
                mark.0 -= 1;
            }
        }
    }

    /// The place of the message that was the `number`th to be accepted, or to be done with.
    pub(super) fn place(&self, number: u64) -> u64 {
        number - self.replaced
    }

    /// None of those that are timed will be delivered, or it is not known any more which.
    pub(super) fn forget_marks(&mut self) {
        if let Some(times) = &mut self.times {
            times.marks.clear();
        }
    }

    /// Messages were moved into a window that now holds `held`, after `popped` were taken from it:
    /// tells it which of its pops are timed.
    pub(super) fn hand_marks(&mut self, due: &mut VecDeque<Mark>, popped: u64, held: usize) {
        let (last, all) = (popped + held as u64, self.place(self.written));
        let Queue::Messages(queue) = &self.queue else {
            return;
        };
        let still_here = queue.len() as u64;
        let Some(times) = &mut self.times else { return };
        while let Some(&(place, at)) = times.marks.front() {
            let behind = all - place;
            if behind < still_here {
                break;
            }
            times.marks.pop_front();
            due.push_back((last - (behind - still_here), at));
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
