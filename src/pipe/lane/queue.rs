//! What is queued in a lane, and the credit for it: the marks, counted.

use std::collections::VecDeque;

use super::{account::Times, limits::Limits};
use crate::{
    base::{
        envelope::wrapped,
        message::{Frame, Message},
        stats::measure,
    },
    pipe::{Accepted, Refused, chunks::Chunks},
};

/// What a lane's lock guards.
pub(super) struct Inner {
    pub(super) queue: Queue,
    /// Octets go without frames around them.
    pub(super) raw: bool,
    /// Of messages as they are: each stands behind an empty frame that is not here. What a REQ and
    /// a REP of one process say to each other need not be wrapped and unwrapped.
    pub(super) bare: bool,
    pub(super) hwm: u64,
    pub(super) lowered: bool,
    pub(super) conflate: bool,
    /// Besides the mark in messages; none as a rule.
    pub(super) limits: Option<Limits>,
    /// Messages accepted, ever.
    pub(super) written: u64,
    /// Messages the reader has done with, ever.
    pub(super) taken: u64,
    /// `taken` as far as the writer may know: a multiple of the low-water step.
    pub(super) credited: u64,
    pub(super) writer_waits: bool,
    pub(super) writer_gone: bool,
    pub(super) reader_gone: bool,
    pub(super) octets: u64,
    /// Frames beyond one a message.
    pub(super) frames_beyond: u64,
    /// Octets framed, and not yet written; of messages as they are, where octets are limited.
    pub(super) waiting: u64,
    pub(super) refused: u64,
    pub(super) dropped: u64,
    pub(super) replaced: u64,
    pub(super) lost: u64,
    /// The number of the next message to be timed on its arrival; none as a rule.
    pub(super) next_timed: u64,
    pub(super) times: Option<Box<Times>>,
}

/// What is queued.
pub(super) enum Queue {
    Messages(VecDeque<Message>),
    Octets {
        /// Apart, for a lane of messages has none.
        chunks: Box<Chunks>,
        /// Words of the protocol, which go before the next message and count against no mark.
        control: Vec<u8>,
        /// May messages leave? Not before the handshake is done.
        open: bool,
    },
}

impl Inner {
    /// Takes in messages as they are. False if there is no reader any more.
    pub(super) fn take_in(&mut self, batch: &mut VecDeque<Message>) -> bool {
        self.dress();
        let count = batch.len() as u64;
        self.written += count;
        let more = &mut self.frames_beyond;
        let octets = batch
            .iter()
            .map(|message| measure(message, more))
            .sum::<u64>();
        self.octets += octets;
        if self.reader_gone {
            self.dropped += count;
            self.taken += count;
            batch.clear();
            return false;
        }
        match &mut self.queue {
            Queue::Messages(queue) if self.conflate => {
                let replaced = queue.len() as u64 + count - 1;
                self.dropped += replaced;
                self.replaced += replaced;
                self.taken += replaced;
                queue.clear();
                queue.extend(batch.pop_back());
                batch.clear();
                self.forget_marks();
            }
            Queue::Messages(queue) if queue.is_empty() => std::mem::swap(queue, batch),
            Queue::Messages(queue) => queue.append(batch),
            Queue::Octets { .. } => unreachable!("octets are framed"),
        }
        if self.limits.is_some() {
            self.waiting += octets;
        }
        if self.written >= self.next_timed {
            self.mark_last();
        }
        true
    }

    pub(super) fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// How many messages more fit.
    pub(super) fn room(&self) -> u64 {
        if let Some(limits) = self.limits {
            if limits.keep_newest {
                return u64::MAX;
            }
            if limits.is_full(self.waiting) {
                return 0;
            }
        }
        if self.hwm == 0 || self.conflate {
            return u64::MAX;
        }
        (self.credited + self.hwm).saturating_sub(self.written)
    }

    pub(super) fn step(&self) -> u64 {
        if self.limits.is_some() {
            return 1;
        }
        self.hwm.div_ceil(2)
    }

    pub(super) fn queued(&self) -> u64 {
        self.written - self.taken.min(self.written)
    }

    /// Is a message taken in? If not, the writer waits for room, or the message is gone.
    #[inline]
    pub(super) fn admit(
        &mut self,
        head: &[Frame],
        message: &Message,
        waits: bool,
    ) -> Result<(), Refused> {
        if self.reader_gone {
            return Err(Refused::Closed);
        }
        let fits = match self.limits {
            Some(limits) => self.make_room(limits, head, message),
            None => true,
        };
        if !fits || self.is_full() {
            self.writer_waits |= waits;
            self.refused += u64::from(!waits);
            return Err(Refused::Full);
        }
        Ok(())
    }

    /// Is there room for a message, whatever it is?
    pub(super) fn takes_at_once(&self) -> bool {
        let whole = matches!(self.queue, Queue::Messages(_));
        whole && !self.reader_gone && self.limits.is_none() && !self.is_full()
    }

    #[inline]
    pub(super) fn accept(&mut self, head: &[Frame], message: &Message) -> Accepted {
        if let Queue::Messages(_) = self.queue {
            return match head {
                [nothing] if self.bare && nothing.is_empty() => self.accept_bare(message.clone()),
                _ => {
                    self.dress();
                    self.accept_whole(wrapped(head, message))
                }
            };
        }
        self.make_way();
        let Queue::Octets { chunks, .. } = &mut self.queue else {
            unreachable!("messages were seen to above")
        };
        let before = chunks.octets();
        chunks.push_as(self.raw, head, message.frames());
        let octets = chunks.octets();
        self.waiting += (octets - before) as u64;
        let frames = head.iter().chain(message.frames());
        self.octets += frames.clone().map(|frame| frame.len() as u64).sum::<u64>();
        self.frames_beyond += frames.count().saturating_sub(1) as u64;
        self.accepted(before == 0, octets)
    }

    #[inline]
    pub(super) fn accept_whole(&mut self, message: Message) -> Accepted {
        self.make_way();
        let octets = measure(&message, &mut self.frames_beyond);
        self.octets += octets;
        if self.limits.is_some() {
            self.waiting += octets;
        }
        let Queue::Messages(queue) = &mut self.queue else {
            unreachable!("octets are framed one by one")
        };
        let first = queue.is_empty();
        queue.push_back(message);
        self.accepted(first, 0)
    }

    /// Takes in what stands behind an empty frame, without that.
    #[inline]
    pub(super) fn accept_bare(&mut self, body: Message) -> Accepted {
        self.frames_beyond += 1;
        self.accept_whole(body)
    }

    /// From now on messages are here as they were said.
    pub(super) fn dress(&mut self) {
        if let (true, Queue::Messages(queue)) = (self.bare, &mut self.queue) {
            self.bare = false;
            queue
                .iter_mut()
                .for_each(|body| body.push_front(Frame::empty()));
        }
    }

    /// One more message: with conflation, what waited before it goes.
    pub(super) fn make_way(&mut self) {
        if self.conflate && self.queued() > 0 {
            self.conflate_away();
        }
        self.written += 1;
        if self.written >= self.next_timed {
            self.mark_last();
        }
    }

    pub(super) fn accepted(&mut self, first: bool, octets: usize) -> Accepted {
        Accepted {
            ring_reader: false,
            octets,
            first,
            full: self.is_full(),
        }
    }

    /// Throws away what is here; what was handed to an outbox is on its way. Answers how many
    /// messages that were.
    pub(super) fn clear(&mut self) -> u64 {
        self.forget_marks();
        match &mut self.queue {
            Queue::Messages(queue) => {
                let octets = queue.iter().map(|it| it.octets() as u64).sum::<u64>();
                self.waiting = self.waiting.saturating_sub(octets);
                queue.drain(..).count() as u64
            }
            Queue::Octets { chunks, .. } => {
                self.waiting = self.waiting.saturating_sub(chunks.octets() as u64);
                chunks.clear()
            }
        }
    }

    /// Drops what has not begun to leave.
    pub(super) fn conflate_away(&mut self) {
        let gone = self.clear();
        self.dropped += gone;
        self.replaced += gone;
        self.taken += gone;
    }

    /// Lets the writer know of what was taken, in whole steps. Answers whether to ring it.
    pub(super) fn pass_credit(&mut self) -> bool {
        let step = self.step();
        if step > 0 {
            self.credited = self.taken - self.taken % step;
        }
        let low = |limits: Limits| limits.is_low(self.waiting);
        let ring = self.writer_waits && !self.is_full() && self.limits.is_none_or(low);
        self.writer_waits &= !ring;
        ring
    }
}
