//! The lane: one bounded queue between a socket and one peer, in one direction.
//!
//! Credit is counted as libzmq counts it, in whole messages, and comes back in steps:
//!
//! ```text
//!   high-water mark 8, low-water step 4
//!
//!   written   0 1 2 3 4 5 6 7 8 | full ...............| 9 10 11 12 | full
//!   taken     0                 | 1  2  3  4          |            |
//!   credited  0                 | 0  0  0  4 ─ rings the writer    |
//! ```
//!
//! A writer that was refused says that it waits; the reader's step that makes room says so in
//! its answer, and whoever took that step rings the writer, after it has let go of the lane. In
//! the same way a reader that found nothing is rung by the message that ends the drought. A lane
//! knows nobody: bells are its callers' business.

mod account;

use std::collections::VecDeque;

pub(super) use self::account::Mark;
use self::account::Times;
use super::{Accepted, Outbox, Refused, Store, chunks::Chunks};
use crate::base::{
    message::{Frame, Message},
    stats::measure,
    sync::{Mutex, Rank},
    tuning,
};

/// One direction of one peer.
pub struct Lane {
    inner: Mutex<Inner>,
}

struct Inner {
    queue: Queue,
    hwm: u64,
    lowered: bool,
    conflate: bool,
    /// Messages accepted, ever.
    written: u64,
    /// Messages the reader has done with, ever.
    taken: u64,
    /// `taken` as far as the writer may know: a multiple of the low-water step.
    credited: u64,
    writer_waits: bool,
    reader_waits: bool,
    writer_gone: bool,
    reader_gone: bool,
    octets: u64,
    /// Frames beyond one a message.
    frames_beyond: u64,
    /// Octets framed, and not yet written.
    waiting: u64,
    refused: u64,
    dropped: u64,
    replaced: u64,
    lost: u64,
    /// The number of the next message to be timed on its arrival; none as a rule.
    next_timed: u64,
    times: Option<Box<Times>>,
}

enum Queue {
    Messages(VecDeque<Message>),
    Octets {
        chunks: Chunks,
        /// Words of the protocol, which go before the next message and count against no mark.
        control: Vec<u8>,
        /// May messages leave? Not before the handshake is done.
        open: bool,
    },
}

impl Lane {
    /// An empty lane; `hwm` 0 means no limit. Both ends begin as waiting: the first message rings
    /// the reader.
    pub fn new(store: Store, hwm: usize, conflate: bool) -> Lane {
        let queue = match store {
            Store::Messages => Queue::Messages(VecDeque::new()),
            Store::Octets => Queue::Octets {
                chunks: Chunks::default(),
                control: Vec::new(),
                open: false,
            },
        };
        let inner = Inner {
            queue,
            hwm: hwm as u64,
            lowered: false,
            conflate,
            written: 0,
            taken: 0,
            credited: 0,
            writer_waits: false,
            reader_waits: true,
            writer_gone: false,
            reader_gone: false,
            octets: 0,
            frames_beyond: 0,
            waiting: 0,
            refused: 0,
            dropped: 0,
            replaced: 0,
            lost: 0,
            next_timed: u64::MAX,
            times: None,
        };
        Lane {
            inner: Mutex::new(Rank::Lane, inner),
        }
    }

    // ---- the writer's side

    /// Takes in the message made of `head` (an envelope), then `message`.
    ///
    /// # Errors
    /// [`Refused::Full`] at the mark: the refusal is not counted, and the writer will be rung
    /// once there is room. [`Refused::Closed`] when the reader is gone.
    #[inline]
    pub fn push(&self, head: &[Frame], message: &Message) -> Result<Accepted, Refused> {
        let mut inner = self.inner.lock();
        inner.admit(true)?;
        Ok(inner.accept(head, message))
    }

    /// As [`push`](Lane::push), but takes the message away: shared bodies are not counted up and
    /// down again. It stays the caller's if it is refused.
    #[inline]
    pub fn push_owned(&self, message: &mut Message) -> Result<Accepted, Refused> {
        let mut inner = self.inner.lock();
        inner.admit(true)?;
        if let Queue::Octets { .. } = inner.queue {
            return Ok(inner.accept(&[], message));
        }
        let message = std::mem::replace(message, Message::from(Frame::empty()));
        Ok(inner.accept_whole(message))
    }

    /// As [`push`](Lane::push), but a message that finds no room is gone: it is counted as
    /// refused, and nobody waits.
    #[inline]
    pub fn push_or_drop(&self, head: &[Frame], message: &Message) -> Result<Accepted, Refused> {
        let mut inner = self.inner.lock();
        inner.admit(false)?;
        Ok(inner.accept(head, message))
    }

    /// Takes in a message whatever the mark says: a welcome, a probe, an event of our own.
    pub fn push_forced(&self, message: &Message) -> Accepted {
        self.inner.lock().accept(&[], message)
    }

    /// Takes in what a [`Draft`](super::Draft) has framed within the room it was told of. Answers
    /// how many messages more it takes; `wait`: if none, the writer will be rung.
    ///
    /// # Errors
    /// [`Refused::Closed`] when the reader is gone: what came too late is counted as lost.
    pub(super) fn take_in(
        &self,
        framed: &mut Chunks,
        marks: &mut Vec<Mark>,
        wait: bool,
    ) -> Result<u64, Refused> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        if !marks.is_empty() {
            inner.adopt_marks(marks, inner.written);
        }
        let Queue::Octets { chunks, .. } = &mut inner.queue else {
            unreachable!("messages are not framed")
        };
        let messages = framed.messages();
        inner.written += messages;
        let (octets, frames_beyond) = framed.measure();
        inner.octets += octets;
        inner.frames_beyond += frames_beyond;
        if inner.reader_gone {
            framed.clear();
            inner.taken += messages;
            inner.lost += messages;
            inner.forget_marks();
            return Err(Refused::Closed);
        }
        inner.waiting += framed.octets() as u64;
        chunks.append(framed);
        let room = inner.room();
        inner.writer_waits |= wait && room == 0;
        Ok(room)
    }

    /// Takes in all of `batch`, which the caller has kept within [`room`](Lane::room). Answers
    /// whether the reader must be rung.
    pub fn push_batch(&self, batch: &mut VecDeque<Message>) -> bool {
        if batch.is_empty() {
            return false;
        }
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let count = batch.len() as u64;
        inner.written += count;
        let more = &mut inner.frames_beyond;
        inner.octets += batch
            .iter()
            .map(|message| measure(message, more))
            .sum::<u64>();
        if inner.reader_gone {
            inner.dropped += count;
            inner.taken += count;
            batch.clear();
            return false;
        }
        match &mut inner.queue {
            Queue::Messages(queue) if inner.conflate => {
                let replaced = queue.len() as u64 + count - 1;
                inner.dropped += replaced;
                inner.replaced += replaced;
                inner.taken += replaced;
                queue.clear();
                queue.extend(batch.pop_back());
                batch.clear();
                inner.forget_marks();
            }
            Queue::Messages(queue) if queue.is_empty() => std::mem::swap(queue, batch),
            Queue::Messages(queue) => queue.append(batch),
            Queue::Octets { .. } => unreachable!("batches are received, octets are sent"),
        }
        if inner.written >= inner.next_timed {
            inner.mark_last();
        }
        std::mem::take(&mut inner.reader_waits)
    }

    /// How many messages more it takes now. None at the mark: then the writer will be rung.
    pub fn room(&self) -> usize {
        let mut inner = self.inner.lock();
        if inner.reader_gone {
            // It takes all, and throws it away.
            return usize::MAX;
        }
        let room = inner.room();
        inner.writer_waits |= room == 0;
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// Is it at its mark? If so, and `wait` is set, the writer will be rung.
    pub fn is_full(&self, wait: bool) -> bool {
        let mut inner = self.inner.lock();
        let full = inner.is_full();
        inner.writer_waits |= full && wait;
        full
    }

    /// Queues subscriptions, before the messages that wait; they count against no mark. Answers
    /// whether it took them: not while it is closed, for all of them are said once it opens.
    pub fn push_subscription(&self, octets: &[u8]) -> bool {
        match &mut self.inner.lock().queue {
            Queue::Octets {
                control,
                open: true,
                ..
            } => {
                control.extend_from_slice(octets);
                true
            }
            _ => false,
        }
    }

    /// Queues words of the protocol itself: greeting, READY, PING, PONG.
    pub fn push_control(&self, octets: &[u8]) {
        if let Queue::Octets { control, .. } = &mut self.inner.lock().queue {
            control.extend_from_slice(octets);
        }
    }

    /// Octets of words that wait.
    pub fn control_octets(&self) -> usize {
        match &self.inner.lock().queue {
            Queue::Octets { control, .. } => control.len(),
            Queue::Messages(_) => 0,
        }
    }

    /// The writer is done: what is queued may still be read. Answers whether the reader waits.
    pub fn close_writer(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.writer_gone = true;
        std::mem::take(&mut inner.reader_waits)
    }

    // ---- the reader's side

    /// Moves all messages into `window`, from which `popped` were taken before, and notes in `due`
    /// which of its pops are timed. If there are none, the reader will be rung.
    pub(super) fn fill(
        &self,
        window: &mut VecDeque<Message>,
        due: &mut VecDeque<Mark>,
        popped: u64,
    ) -> bool {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let Queue::Messages(queue) = &mut inner.queue else {
            unreachable!("octets are taken by an outbox")
        };
        if queue.is_empty() {
            inner.reader_waits = true;
            return false;
        }
        if window.is_empty() {
            std::mem::swap(queue, window);
        } else {
            window.append(queue);
        }
        inner.hand_marks(due, popped, window.len());
        true
    }

    /// The reader has done with `taken` messages, ever. Answers whether the writer must be rung.
    pub fn credit(&self, taken: u64) -> bool {
        let mut inner = self.inner.lock();
        inner.taken = taken + inner.dropped + inner.lost;
        inner.pass_credit()
    }

    /// As [`credit`](Lane::credit), for the counters. The writer learns of it only if all is taken
    /// and the mark was lowered: the reader's steps may be too large for it.
    pub(super) fn note_taken(&self, taken: u64, all: bool) -> bool {
        let mut inner = self.inner.lock();
        inner.taken = taken + inner.dropped + inner.lost;
        all && inner.lowered && inner.pass_credit()
    }

    /// The reader has done with `taken` messages, ever, and throws the rest away: `unread` that
    /// it had taken out, and all that is queued. Counted as dropped.
    pub(super) fn abandon(&self, taken: u64, unread: u64) {
        let mut inner = self.inner.lock();
        inner.dropped += unread;
        inner.taken = taken + inner.dropped + inner.lost;
        drop(inner);
        self.discard(false);
    }

    /// The reader's low-water step: how often credit is due, in messages.
    pub fn step(&self) -> u64 {
        match self.inner.lock().step() {
            0 => tuning::CREDIT_MESSAGES,
            step => step,
        }
    }

    /// Reports what has left through `outbox` and, if that is empty, takes what may leave next.
    /// Answers whether the writer must be rung.
    pub fn exchange(&self, outbox: &mut Outbox) -> bool {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let done = outbox.take_done();
        inner.taken += done;
        inner.note_done();
        inner.waiting = inner.waiting.saturating_sub(outbox.take_left());
        let Queue::Octets {
            chunks,
            control,
            open,
        } = &mut inner.queue
        else {
            unreachable!("messages are taken through a window")
        };
        chunks.keep_spare(&mut outbox.spare);
        if outbox.is_empty() {
            outbox.control.append(control);
            if *open {
                chunks.take(&mut outbox.chunks);
            }
        }
        inner.pass_credit()
    }

    /// The handshake is done: messages may leave, after `first`, the octets that open the
    /// conversation (all subscriptions).
    pub fn open(&self, first: &[u8]) {
        if let Queue::Octets { control, open, .. } = &mut self.inner.lock().queue {
            control.extend_from_slice(first);
            *open = true;
        }
    }

    /// The connection is lost. The message that was partly written is gone and counted; what
    /// lies behind stays in the lane for the next connection. Answers whether the writer must be
    /// rung.
    pub fn disconnect(&self, outbox: &mut Outbox) -> bool {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let done = outbox.take_done();
        let (rest, cut) = outbox.cut();
        inner.taken += done;
        inner.note_done();
        inner.taken += u64::from(cut);
        inner.lost += u64::from(cut);
        if cut {
            inner.forget_mark(inner.taken);
        }
        let Queue::Octets {
            chunks,
            control,
            open,
        } = &mut inner.queue
        else {
            unreachable!("messages have no connection")
        };
        control.clear();
        *open = false;
        chunks.put_back(rest);
        inner.waiting = chunks.octets() as u64;
        inner.pass_credit()
    }

    /// Throws away what is queued, counted as dropped, or as lost with a connection. Answers how
    /// many messages that were.
    pub fn discard(&self, lost_with_connection: bool) -> u64 {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let count = inner.clear();
        if lost_with_connection {
            inner.lost += count;
        } else {
            inner.dropped += count;
        }
        inner.taken += count;
        inner.pass_credit();
        count
    }

    /// The reader is gone: nothing more is taken in. Answers whether the writer waits.
    pub fn close_reader(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.reader_gone = true;
        std::mem::take(&mut inner.writer_waits)
    }

    // ---- both

    /// May a [`Draft`](super::Draft) frame messages before they come here?
    pub(super) fn takes_drafts(&self) -> bool {
        let inner = self.inner.lock();
        !inner.conflate && matches!(inner.queue, Queue::Octets { .. })
    }

    /// Is the writer done, and nothing left to read?
    pub fn is_finished(&self) -> bool {
        let inner = self.inner.lock();
        inner.writer_gone && inner.queued() == 0
    }

    /// Has the writer said that it is done?
    pub fn is_writer_gone(&self) -> bool {
        self.inner.lock().writer_gone
    }

    /// Messages accepted and not yet done with.
    pub fn queued(&self) -> u64 {
        self.inner.lock().queued()
    }

    /// Changes the mark. Answers whether the writer must be rung.
    pub fn set_hwm(&self, hwm: usize) -> bool {
        let mut inner = self.inner.lock();
        inner.lowered |= hwm > 0 && (inner.hwm == 0 || (hwm as u64) < inner.hwm);
        inner.hwm = hwm as u64;
        inner.credited = inner.credited.min(inner.taken);
        inner.pass_credit()
    }
}

impl Inner {
    fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// How many messages more fit.
    fn room(&self) -> u64 {
        if self.hwm == 0 || self.conflate {
            return u64::MAX;
        }
        (self.credited + self.hwm).saturating_sub(self.written)
    }

    fn step(&self) -> u64 {
        self.hwm.div_ceil(2)
    }

    fn queued(&self) -> u64 {
        self.written - self.taken.min(self.written)
    }

    /// Is a message taken in? If not, the writer waits for room, or the message is gone.
    #[inline]
    fn admit(&mut self, waits: bool) -> Result<(), Refused> {
        if self.reader_gone {
            return Err(Refused::Closed);
        }
        if self.is_full() {
            self.writer_waits |= waits;
            self.refused += u64::from(!waits);
            return Err(Refused::Full);
        }
        Ok(())
    }

    #[inline]
    fn accept(&mut self, head: &[Frame], message: &Message) -> Accepted {
        if let Queue::Messages(_) = self.queue {
            return self.accept_whole(if head.is_empty() {
                message.clone()
            } else {
                head.iter().chain(message.frames()).cloned().collect()
            });
        }
        self.make_way();
        let Queue::Octets { chunks, .. } = &mut self.queue else {
            unreachable!("messages were seen to above")
        };
        let before = chunks.octets();
        chunks.push(head, message.frames());
        let octets = chunks.octets();
        self.waiting += (octets - before) as u64;
        let frames = head.iter().chain(message.frames());
        self.octets += frames.clone().map(|frame| frame.len() as u64).sum::<u64>();
        self.frames_beyond += frames.count().saturating_sub(1) as u64;
        self.accepted(before == 0, octets)
    }

    #[inline]
    fn accept_whole(&mut self, message: Message) -> Accepted {
        self.make_way();
        self.octets += measure(&message, &mut self.frames_beyond);
        let Queue::Messages(queue) = &mut self.queue else {
            unreachable!("octets are framed one by one")
        };
        let first = queue.is_empty();
        queue.push_back(message);
        self.accepted(first, 0)
    }

    /// One more message: with conflation, what waited before it goes.
    fn make_way(&mut self) {
        if self.conflate && self.queued() > 0 {
            self.conflate_away();
        }
        self.written += 1;
        if self.written >= self.next_timed {
            self.mark_last();
        }
    }

    fn accepted(&mut self, first: bool, octets: usize) -> Accepted {
        Accepted {
            ring_reader: std::mem::take(&mut self.reader_waits),
            octets,
            first,
            full: self.is_full(),
        }
    }

    /// Throws away what is here; what was handed to an outbox is on its way. Answers how many
    /// messages that were.
    fn clear(&mut self) -> u64 {
        self.forget_marks();
        match &mut self.queue {
            Queue::Messages(queue) => queue.drain(..).count() as u64,
            Queue::Octets { chunks, .. } => {
                self.waiting = self.waiting.saturating_sub(chunks.octets() as u64);
                chunks.clear()
            }
        }
    }

    /// Drops what has not begun to leave.
    fn conflate_away(&mut self) {
        let gone = self.clear();
        self.dropped += gone;
        self.replaced += gone;
        self.taken += gone;
    }

    /// Lets the writer know of what was taken, in whole steps. Answers whether to ring it.
    fn pass_credit(&mut self) -> bool {
        let step = self.step();
        if step > 0 {
            self.credited = self.taken - self.taken % step;
        }
        let ring = self.writer_waits && !self.is_full();
        self.writer_waits &= !ring;
        ring
    }
}
