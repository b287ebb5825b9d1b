//! Framed octets that wait to be written, and where messages end among them.
//!
//! ```text
//!   Run   [00 05 h e l l o | 00 02 h i | 02 .. .. 00 04 00]      header of a large body at its end
//!                          ^ends       ^                           no end here: the message goes on
//!   Body  [ 1 KiB … of the user's own Bytes, never copied ]      last: the message ends with it
//!
//!   Chunks   sealed: Run, Body, Run, Body        tail: the run that still grows
//! ```
//!
//! Small frames are copied into a run back to back, large bodies enter by reference. The ends
//! are what makes accounting exact: after a short write it is known which messages have left
//! whole, and after a lost connection which one was cut.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

use crate::base::{
    message::{Frame, INLINE_OCTETS_MAX, copy_short},
    tuning,
};

/// A stretch of octets that leaves in one slice.
#[derive(Debug)]
pub(super) enum Chunk {
    Run(Run),
    Body { octets: Bytes, last: bool },
}

impl Chunk {
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Chunk::Run(run) => run.octets(),
            Chunk::Body { octets, .. } => octets,
        }
    }

    /// How many messages end within the first `upto` octets.
    pub(super) fn ends_within(&self, upto: usize) -> usize {
        match self {
            Chunk::Run(run) if upto == run.used => run.ends.len(),
            Chunk::Run(run) => run.ends.partition_point(|end| *end as usize <= upto),
            Chunk::Body { octets, last } => usize::from(*last && upto == octets.len()),
        }
    }

    /// Where the message ends that goes on at `from`, if it does so in this chunk.
    pub(super) fn end_after(&self, from: usize) -> Option<usize> {
        match self {
            Chunk::Run(run) => {
                let next = run.ends.partition_point(|end| *end as usize <= from);
                run.ends.get(next).map(|end| *end as usize)
            }
            Chunk::Body { octets, last } => last.then_some(octets.len()),
        }
    }

    /// Does a message end at `at`?
    pub(super) fn is_end(&self, at: usize) -> bool {
        match self {
            Chunk::Run(run) => run.ends.binary_search(&(at as u32)).is_ok(),
            Chunk::Body { octets, last } => *last && at == octets.len(),
        }
    }

    /// Forgets the first `count` octets, which must be all or end with a message. False if
    /// nothing is left.
    pub(super) fn drop_octets(&mut self, count: usize) -> bool {
        match self {
            Chunk::Run(run) if count < run.used => {
                run.buffer.copy_within(count..run.used, 0);
                run.used -= count;
                let gone = run.ends.partition_point(|end| *end as usize <= count);
                run.ends.drain(..gone);
                for end in &mut run.ends {
                    *end -= count as u32;
                }
                true
            }
            _ => false,
        }
    }
}

/// Octets framed back to back, and the positions at which messages end.
///
/// The buffer is as long as it may get and cleared once, so that a small frame goes in as one
/// copy of fixed size.
#[derive(Debug, Default)]
pub(super) struct Run {
    buffer: Vec<u8>,
    used: usize,
    ends: Vec<u32>,
    /// Whoever lent octets that were copied to here gets them back when these have left.
    lent: Vec<Bytes>,
}

impl Run {
    fn octets(&self) -> &[u8] {
        &self.buffer[..self.used]
    }

    /// Puts in a message of one frame that lies inline. False if there is no room.
    #[inline(always)]
    fn put_inline(&mut self, body: &[u8; INLINE_OCTETS_MAX], octets: u8) -> bool {
        let free = self.buffer.get_mut(self.used..).unwrap_or_default();
        let Some(place) = free.first_chunk_mut::<{ 2 + INLINE_OCTETS_MAX }>() else {
            return false;
        };
        place[0] = 0;
        place[1] = octets;
        place[2..].copy_from_slice(body);
        self.used += 2 + usize::from(octets);
        self.ends.push(self.used as u32);
        true
    }

    /// Puts in a message of one frame, a copy of these octets. False if there is no room.
    #[inline(always)]
    fn put_copy(&mut self, body: &[u8]) -> bool {
        let free = self.buffer.get_mut(self.used..).unwrap_or_default();
        if body.len() <= INLINE_OCTETS_MAX {
            let Some(place) = free.first_chunk_mut::<{ 2 + INLINE_OCTETS_MAX }>() else {
                return false;
            };
            place[0] = 0;
            place[1] = body.len() as u8;
            if let Some(place) = place.last_chunk_mut() {
                copy_short(body, place);
            }
        } else {
            if free.len() < HEADER_OCTETS_MAX + body.len() {
                return false;
            }
            self.put_header(body.len(), false);
            self.put(body);
            self.ends.push(self.used as u32);
            return true;
        }
        self.used += 2 + body.len();
        self.ends.push(self.used as u32);
        true
    }

    /// Puts in octets for which there is room.
    fn put(&mut self, octets: &[u8]) {
        let end = self.used + octets.len();
        self.buffer[self.used..end].copy_from_slice(octets);
        self.used = end;
    }

    /// Puts in the octets of a frame, for which there is room.
    fn put_body(&mut self, body: &Frame) {
        self.put(body);
        self.lent.extend(body.as_lent().cloned());
    }

    /// The header of a data frame: the same in ZMTP 2.0 and 3.x (RFC 37, "Framing").
    fn put_header(&mut self, octets: usize, more: bool) {
        let more = u8::from(more);
        match u8::try_from(octets) {
            Ok(octets) => self.put(&[more, octets]),
            Err(_) => {
                self.put(&[more | 0x02]);
                self.put(&(octets as u64).to_be_bytes());
            }
        }
    }

    /// Makes room for so many octets more: a little, or a full-size run.
    fn reserve(&mut self, octets: usize) {
        let needed = self.used + octets + SPARE;
        if needed <= self.buffer.len() {
            return;
        }
        if needed <= SMALL_RUN {
            let size = needed.next_power_of_two().max(RUN_OCTETS_MIN);
            self.buffer.resize(size, 0);
            return;
        }
        debug_assert!(
            needed <= FULL_RUN,
            "a run is sealed before it outgrows its buffer"
        );
        let mut full = pool_take();
        full.append(self);
        *self = full;
    }

    /// Appends what another run holds, and empties that.
    fn append(&mut self, other: &mut Run) {
        self.reserve(other.used);
        let shift = self.used as u32;
        self.put(other.octets());
        self.ends.extend(other.ends.iter().map(|end| end + shift));
        self.lent.append(&mut other.lent);
        other.clear();
    }

    /// Keeps nothing of the contents.
    fn clear(&mut self) {
        self.used = 0;
        self.ends.clear();
        self.lent.clear();
    }
}

/// Chunks in their order, whole messages only.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    sealed: VecDeque<Chunk>,
    tail: Run,
    sealed_octets: usize,
    sealed_messages: u64,
    /// Octets at the front of the first sealed chunk that belong to messages dropped since.
    front_dropped: usize,
    /// Size of the last run that was sealed or given away: what the next one is made to hold.
    last_run: usize,
    /// A small run that was written, for the next message of a conversation.
    spare: Option<Run>,
    /// What was put in here beyond one frame and two octets of header a message.
    beyond: Beyond,
}

/// What most messages do not have, so that they need not count it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beyond {
    pub(super) frames: u64,
    pub(super) header_octets: u64,
}

impl Chunks {
    #[inline]
    pub(super) fn octets(&self) -> usize {
        self.sealed_octets + self.tail.used
    }

    /// Octets of all frames, without their headers, and frames beyond one a message. Of a draft:
    /// whoever takes chunks out keeps no account of it.
    pub(super) fn measure(&self) -> (u64, u64) {
        let headers = 2 * self.messages() + self.beyond.header_octets;
        (self.octets() as u64 - headers, self.beyond.frames)
    }

    pub(super) fn messages(&self) -> u64 {
        self.sealed_messages + self.tail.ends.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.octets() == 0
    }

    /// Appends a message of one frame that lies inline, behind others in the same run. False if it
    /// cannot be done so.
    #[inline(always)]
    pub(super) fn push_inline(&mut self, octets: &[u8; INLINE_OCTETS_MAX], length: u8) -> bool {
        self.tail.used > 0 && self.tail.put_inline(octets, length)
    }

    /// As [`push_inline`](Chunks::push_inline), of a frame with a copy of these octets.
    #[inline(always)]
    pub(super) fn push_copy(&mut self, octets: &[u8]) -> bool {
        if self.tail.used == 0 || octets.len() > tuning::COPY_OCTETS_MAX {
            return false;
        }
        let pushed = self.tail.put_copy(octets);
        if pushed {
            self.beyond.header_octets += header_octets(octets.len()) - 2;
        }
        pushed
    }

    /// Appends one message: `head` frames, then `body` frames.
    #[inline]
    pub(super) fn push(&mut self, head: &[Frame], body: &[Frame]) {
        // The usual case, kept short.
        if let ([], [only]) = (head, body) {
            if let Some((octets, length)) = only.inline() {
                if self.tail.put_inline(octets, length) {
                    return;
                }
            }
        }
        self.push_frames(head, body);
    }

    #[cold]
    #[inline(never)]
    fn push_frames(&mut self, head: &[Frame], body: &[Frame]) {
        let mut left = head.len() + body.len();
        if left == 0 {
            self.push_frame(&Frame::empty(), true);
        }
        for frame in head.iter().chain(body) {
            left -= 1;
            self.push_frame(frame, left == 0);
        }
    }

    /// Appends one message in frames, or, if it is `raw`, without.
    #[inline]
    pub(super) fn push_as(&mut self, raw: bool, head: &[Frame], body: &[Frame]) {
        match raw {
            true => self.push_raw(head, body),
            false => self.push(head, body),
        }
    }

    /// Appends the octets of one message, of which there must be some, without any header.
    fn push_raw(&mut self, head: &[Frame], body: &[Frame]) {
        let frames = head.iter().chain(body);
        let mut frames = frames.filter(|frame| !frame.is_empty()).peekable();
        while let Some(frame) = frames.next() {
            let last = frames.peek().is_none();
            if let Some(body) = large(frame) {
                self.seal();
                self.push_sealed(Chunk::Body {
                    octets: body.clone(),
                    last,
                });
                continue;
            }
            let run = self.open_run(frame.len(), false);
            run.put_body(frame);
            if last {
                run.ends.push(run.used as u32);
            }
        }
    }

    fn push_frame(&mut self, frame: &Frame, last: bool) {
        let by_reference = large(frame);
        let copied = if by_reference.is_some() {
            0
        } else {
            frame.len()
        };
        self.beyond.header_octets += header_octets(frame.len()) - 2 * u64::from(last);
        self.beyond.frames += u64::from(!last);
        let run = self.open_run(HEADER_OCTETS_MAX + copied, by_reference.is_some());
        run.put_header(frame.len(), !last);
        match by_reference {
            Some(body) => {
                self.seal();
                self.push_sealed(Chunk::Body {
                    octets: body.clone(),
                    last,
                });
            }
            None => {
                run.put_body(frame);
                if last {
                    run.ends.push(run.used as u32);
                }
            }
        }
    }

    /// The tail, with room for so many octets more. `ends`: they are its last, for a large body
    /// follows; a run that holds nothing else is small.
    fn open_run(&mut self, octets: usize, ends: bool) -> &mut Run {
        if self.tail.used >= tuning::FLUSH_OCTETS {
            self.seal();
        }
        let busy = !ends && (self.last_run > SMALL_RUN || !self.sealed.is_empty());
        if self.tail.buffer.is_empty() {
            if busy {
                self.tail = pool_take();
            } else if let Some(spare) = self.spare.take() {
                self.tail = spare;
            }
        }
        self.tail.reserve(octets);
        &mut self.tail
    }

    fn seal(&mut self) {
        if self.tail.used > 0 {
            self.last_run = self.tail.used;
            let run = std::mem::take(&mut self.tail);
            self.push_sealed(Chunk::Run(run));
        }
    }

    fn push_sealed(&mut self, chunk: Chunk) {
        let octets = chunk.octets().len();
        self.sealed_octets += octets;
        self.sealed_messages += chunk.ends_within(octets) as u64;
        self.sealed.push_back(chunk);
    }

    /// Moves all of `others` behind what is here. A little is copied into the last run, so that
    /// many small lots make few chunks.
    pub(super) fn append(&mut self, others: &mut Chunks) {
        if others.spare.is_none() {
            others.spare = self.spare.take();
        }
        let (old, new) = (self.tail.used, others.tail.used);
        others.beyond = Beyond::default();
        others.last_run = new;
        if others.sealed.is_empty() {
            if old > 0 && new <= SMALL_RUN && old + new <= tuning::FLUSH_OCTETS {
                self.tail.append(&mut others.tail);
                return;
            }
        } else {
            others.last_run = others.last_run.max(SMALL_RUN + 1);
        }
        self.seal();
        self.sealed.append(&mut others.sealed);
        self.sealed_octets += std::mem::take(&mut others.sealed_octets);
        self.sealed_messages += std::mem::take(&mut others.sealed_messages);
        self.tail = std::mem::take(&mut others.tail);
    }

    /// Drops the oldest message. Answers how many octets that were; `None` if there is none.
    pub(super) fn drop_oldest(&mut self) -> Option<usize> {
        if self.sealed.is_empty() {
            self.seal();
        }
        let before = self.sealed_octets;
        loop {
            let chunk = self.sealed.front()?;
            let octets = chunk.octets().len();
            let end = chunk.end_after(self.front_dropped);
            self.sealed_octets -= end.unwrap_or(octets) - self.front_dropped;
            self.front_dropped = end.unwrap_or(octets);
            if self.front_dropped == octets {
                self.front_dropped = 0;
                if let Some(chunk) = self.sealed.pop_front() {
                    recycle(chunk, &mut self.spare);
                }
            }
            if end.is_some() {
                self.sealed_messages -= 1;
                return Some(before - self.sealed_octets);
            }
        }
    }

    /// Takes what was dropped out of the first chunk.
    fn settle_front(&mut self) {
        let dropped = std::mem::take(&mut self.front_dropped);
        if let (1.., Some(chunk)) = (dropped, self.sealed.front_mut()) {
            chunk.drop_octets(dropped);
        }
    }

    /// Moves chunks to `into`, up to the slices of one write; stops between messages only.
    pub(super) fn take(&mut self, into: &mut VecDeque<Chunk>) {
        self.seal();
        self.settle_front();
        if into.is_empty() && self.sealed.len() <= tuning::WRITE_SLICES_MAX {
            std::mem::swap(into, &mut self.sealed);
            self.sealed_octets = 0;
            self.sealed_messages = 0;
            return;
        }
        while let Some(chunk) = self.sealed.pop_front() {
            let octets = chunk.octets().len();
            let whole = chunk.is_end(octets);
            self.sealed_octets -= octets;
            self.sealed_messages -= chunk.ends_within(octets) as u64;
            into.push_back(chunk);
            if whole && into.len() >= tuning::WRITE_SLICES_MAX {
                break;
            }
        }
    }

    /// Takes back a run that was written.
    pub(super) fn keep_spare(&mut self, spare: &mut Option<Run>) {
        if self.spare.is_none() {
            self.spare = spare.take();
        }
    }

    /// Puts chunks that were taken back in front of all others.
    pub(super) fn put_back(&mut self, mut chunks: VecDeque<Chunk>) {
        self.settle_front();
        for chunk in &chunks {
            let octets = chunk.octets().len();
            self.sealed_octets += octets;
            self.sealed_messages += chunk.ends_within(octets) as u64;
        }
        chunks.append(&mut self.sealed);
        self.sealed = chunks;
    }

    /// Drops everything. Answers how many messages that was.
    pub(super) fn clear(&mut self) -> u64 {
        let messages = self.messages();
        *self = Chunks {
            last_run: self.last_run,
            spare: self.spare.take(),
            ..Chunks::default()
        };
        messages
    }
}

/// The octets of a frame that is not copied.
fn large(frame: &Frame) -> Option<&Bytes> {
    let shared = frame.shared()?;
    (shared.len() > tuning::COPY_OCTETS_MAX).then_some(shared)
}

/// Octets of the header of a frame of so many octets.
#[inline]
fn header_octets(octets: usize) -> u64 {
    if octets > 255 { 9 } else { 2 }
}

/// Octets of the longest header.
const HEADER_OCTETS_MAX: usize = 9;

/// What is kept free behind the octets reserved: a small frame goes in as one copy of this size,
/// whatever its length.
const SPARE: usize = 2 + INLINE_OCTETS_MAX;

/// Octets of the smallest run.
const RUN_OCTETS_MIN: usize = 256;

/// Octets of a full-size run: one flush, and the largest frame that may go over it.
const FULL_RUN: usize = tuning::FLUSH_OCTETS + HEADER_OCTETS_MAX + tuning::COPY_OCTETS_MAX + SPARE;

/// A lane whose last run was no larger is not busy: its next run starts small and is freed.
const SMALL_RUN: usize = 1 << 10;

/// Full-size runs kept for reuse, for all sockets together: a little more than 1 MiB at most.
const POOL_RUNS_MAX: usize = 16;

static POOL: Mutex<Vec<Run>> = Mutex::new(Vec::new());

/// A full-size run.
fn pool_take() -> Run {
    let pooled = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
    pooled.unwrap_or_else(|| Run {
        buffer: vec![0; FULL_RUN],
        used: 0,
        ends: Vec::with_capacity(1 << 10),
        lent: Vec::new(),
    })
}

/// Gives a chunk's memory back, once it was written: to all, or a small one into `spare`.
pub(super) fn recycle(chunk: Chunk, spare: &mut Option<Run>) {
    if let Chunk::Run(mut run) = chunk {
        run.clear();
        if run.buffer.len() == RUN_OCTETS_MIN {
            *spare = Some(run);
        } else if run.buffer.len() == FULL_RUN {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            if pool.len() < POOL_RUNS_MAX {
                pool.push(run);
            }
        }
    }
}
