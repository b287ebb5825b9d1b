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
mod limits;
mod queue;

use std::collections::VecDeque;

pub(super) use self::account::Mark;
pub use self::limits::Limits;
use self::queue::{Inner, Queue};
use super::{Accepted, Outbox, Plain, Refused, Store, chunks::Chunks};
use crate::base::{
    message::{Frame, Message},
    sync::{AtomicBool, Mutex, Ordering, Rank, fence},
    tuning,
};

/// One direction of one peer.
pub struct Lane {
    inner: Mutex<Inner>,
    /// The reader has found nothing, and waits to be rung. Written under the lock.
    reader_waits: AtomicBool,
    /// The writer has accepted messages that are not here yet: see [`Draft`](super::Draft). Taken
    /// back under the lock.
    ///
    /// Each side sets its own word, then looks at the other's, with a fence between: a reader that
    /// found nothing knows of what is held back, or the writer finds it waiting.
    writer_holds: AtomicBool,
}

/// What a reader finds that wants one message.
pub(super) enum Only {
    Taken {
        message: Message,
        bare: bool,
        /// The writer must be rung.
        ring: bool,
    },
    None,
    /// There are others, or more to do.
    OneOfMany,
}

impl Lane {
    /// An empty lane; `hwm` 0 means no limit. Both ends begin as waiting: the first message rings
    /// the reader.
    pub fn new(store: Store, hwm: usize, conflate: bool) -> Lane {
        let queue = match store {
            Store::Messages => Queue::Messages(VecDeque::new()),
            Store::Octets | Store::Raw => Queue::Octets {
                chunks: Box::default(),
                control: Vec::new(),
                open: false,
            },
        };
        let inner = Inner {
            queue,
            raw: store == Store::Raw,
            bare: false,
            hwm: hwm as u64,
            lowered: false,
            conflate,
            limits: None,
            written: 0,
            taken: 0,
            credited: 0,
            writer_waits: false,
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
            reader_waits: AtomicBool::new(true),
            writer_holds: AtomicBool::new(false),
        }
    }

    // ---- the writer's side

    /// Its ends are a REQ and a REP, or are not. If so, what stands behind an empty frame goes
    /// without that, unless something was said already.
    pub fn join(&self, takes_turns: bool) {
        let mut inner = self.inner.lock();
        match takes_turns && inner.written == 0 {
            true => inner.bare = !inner.conflate,
            false => inner.dress(),
        }
    }

    /// Takes in the message made of `head` (an envelope), then `message`.
    ///
    /// # Errors
    /// [`Refused::Full`] at the mark: the refusal is not counted, and the writer will be rung
    /// once there is room. [`Refused::Closed`] when the reader is gone.
    #[inline]
    pub fn push(&self, head: &[Frame], message: &Message) -> Result<Accepted, Refused> {
        let mut inner = self.inner.lock();
        inner.admit(head, message, true)?;
        Ok(self.rings(inner.accept(head, message)))
    }

    /// As [`push`](Lane::push), but a message that finds no room is gone: it is counted as
    /// refused, and nobody waits.
    #[inline]
    pub fn push_or_drop(&self, head: &[Frame], message: &Message) -> Result<Accepted, Refused> {
        let mut inner = self.inner.lock();
        inner.admit(head, message, false)?;
        Ok(self.rings(inner.accept(head, message)))
    }

    /// Takes in a message behind an empty frame, if it is kept as it is and there is room.
    ///
    /// # Errors
    /// The message, as it was.
    pub(super) fn push_at_once<P: Plain>(&self, message: P) -> Result<Accepted, P> {
        let mut inner = self.inner.lock();
        if !inner.takes_at_once() {
            return Err(message);
        }
        let accepted = match inner.bare {
            true => inner.accept_bare(message.take()),
            false => inner.accept_whole(message.take_behind_nothing()),
        };
        Ok(self.rings(accepted))
    }

    /// Takes in a message whatever the mark says: a welcome, a probe, an event of our own.
    pub fn push_forced(&self, message: &Message) -> Accepted {
        let mut inner = self.inner.lock();
        self.rings(inner.accept(&[], message))
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
            inner.adopt_marks(marks, inner.place(inner.written));
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
        inner.take_in(batch) && self.quench()
    }

    /// Takes in the messages that a [`Draft`](super::Draft) has held back, within the room it was
    /// told of. Answers how many messages more it takes, and whether the reader must be rung; not
    /// if it is not to know (`rings`).
    pub(super) fn take_held(
        &self,
        held: &mut VecDeque<Message>,
        marks: &mut Vec<Mark>,
        rings: bool,
    ) -> (u64, bool) {
        let mut inner = self.inner.lock();
        if !marks.is_empty() {
            let before = inner.place(inner.written);
            inner.adopt_marks(marks, before);
        }
        self.writer_holds.store(false, Ordering::Relaxed);
        let ring = inner.take_in(held) && rings && self.quench();
        // A reader that is gone is noticed by the next message.
        let room = if inner.reader_gone { 0 } else { inner.room() };
        (room, ring)
    }

    /// The writer is about to hold messages back. Answers whether it may: not while the reader
    /// waits for them.
    pub(super) fn begin_to_hold(&self) -> bool {
        if self.does_reader_wait() {
            return false;
        }
        self.writer_holds.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        !self.does_reader_wait()
    }

    /// Has the reader found nothing, and not been rung since?
    #[inline]
    pub(super) fn does_reader_wait(&self) -> bool {
        self.reader_waits.load(Ordering::Relaxed)
    }

    /// How many messages more it takes; `wait`: if none, the writer will be rung.
    ///
    /// # Errors
    /// [`Refused::Closed`] when the reader is gone.
    pub(super) fn ask(&self, wait: bool) -> Result<u64, Refused> {
        let mut inner = self.inner.lock();
        if inner.reader_gone {
            return Err(Refused::Closed);
        }
        let room = inner.room();
        inner.writer_waits |= wait && room == 0;
        Ok(room)
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
        // How large the next one is shows when it is here.
        let most = if inner.limits.is_some() { 1 } else { u64::MAX };
        usize::try_from(room.min(most)).unwrap_or(usize::MAX)
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
        self.quench()
    }

    // ---- the reader's side

    /// Moves all messages into `window`, from which `popped` were taken before, and notes in `due`
    /// which of its pops are timed. Answers whether they are bare; `None` if there are none: then
    /// the reader will be rung.
    pub(super) fn fill(
        &self,
        window: &mut VecDeque<Message>,
        due: &mut VecDeque<Mark>,
        popped: u64,
    ) -> Option<bool> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let Queue::Messages(queue) = &mut inner.queue else {
            unreachable!("octets are taken by an outbox")
        };
        if queue.is_empty() {
            self.reader_waits.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            return None;
        }
        if inner.limits.is_some_and(|limits| limits.keep_newest) {
            // The others may yet give way to newer ones.
            window.extend(queue.pop_front());
        } else if window.is_empty() {
            std::mem::swap(queue, window);
        } else {
            window.append(queue);
        }
        inner.hand_marks(due, popped, window.len());
        Some(inner.bare)
    }

    /// Takes the message that is here, if it is the only one and nothing else is to be done for it,
    /// for a window that is empty, and from which `popped` were taken before. Unless there are more,
    /// the reader will be rung.
    pub(super) fn take_only(&self, popped: u64) -> Only {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let Queue::Messages(queue) = &mut inner.queue else {
            unreachable!("octets are taken by an outbox")
        };
        if queue.len() > 1 || inner.limits.is_some() || inner.times.is_some() {
            return Only::OneOfMany;
        }
        let only = queue.pop_front();
        self.reader_waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let Some(message) = only else {
            return Only::None;
        };
        inner.taken = popped + 1 + inner.dropped + inner.lost;
        Only::Taken {
            message,
            bare: inner.bare,
            ring: inner.lowered && inner.pass_credit(),
        }
    }

    /// Does the writer hold messages back? Asked by a reader that found nothing: if so, it has the
    /// writer hand them over.
    pub fn is_held_back(&self) -> bool {
        self.writer_holds.load(Ordering::Relaxed)
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
            outbox.take_control(control);
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
            inner.forget_mark(inner.place(inner.taken));
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

    /// Ends a reader's wait, under the lock. Answers whether it did wait.
    #[inline]
    fn quench(&self) -> bool {
        let waits = self.reader_waits.load(Ordering::Relaxed);
        if waits {
            self.reader_waits.store(false, Ordering::Relaxed);
        }
        waits
    }

    #[inline]
    fn rings(&self, mut accepted: Accepted) -> Accepted {
        accepted.ring_reader = self.quench();
        accepted
    }

    /// May a [`Draft`](super::Draft) frame messages before they come here?
    pub(super) fn takes_drafts(&self) -> bool {
        let inner = self.inner.lock();
        !inner.conflate
            && !inner.raw
            && inner.limits.is_none()
            && matches!(inner.queue, Queue::Octets { .. })
    }

    /// May messages be held back by a [`Draft`](super::Draft) while the reader has others?
    pub(super) fn may_be_held_back(&self) -> bool {
        let inner = self.inner.lock();
        !inner.conflate && inner.limits.is_none() && matches!(inner.queue, Queue::Messages(_))
    }

    /// Does it hold octets without frames?
    pub fn is_raw(&self) -> bool {
        self.inner.lock().raw
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
        // A writer that holds messages back asks with the next one; that the reader is rung for
        // it does no harm.
        self.reader_waits.store(true, Ordering::Relaxed);
        inner.hwm = hwm as u64;
        inner.credited = inner.credited.min(inner.taken);
        inner.pass_credit()
    }
}
