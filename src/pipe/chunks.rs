//! Framed octets that wait to be written, and where messages end among them.
//!
//! ```text
//!   Run   [00 05 h e l l o | 00 02 h i | 02 .. .. 00 04 00]      header of a large body at its end
//!                          ^ends       ^                           no end here: the message goes on
//!   Body  [ 1 KiB … of the user's own Bytes, never copied ]      last: the message ends with it
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

use crate::base::{message::Frame, tuning};

/// A stretch of octets that leaves in one slice.
#[derive(Debug)]
pub(super) enum Chunk {
    Run(Run),
    Body { octets: Bytes, last: bool },
}

impl Chunk {
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Chunk::Run(run) => &run.octets,
            Chunk::Body { octets, .. } => octets,
        }
    }

    /// How many messages end within the first `upto` octets.
    pub(super) fn ends_within(&self, upto: usize) -> usize {
        match self {
            Chunk::Run(run) if upto == run.octets.len() => run.ends.len(),
            Chunk::Run(run) => run.ends.partition_point(|end| *end as usize <= upto),
            Chunk::Body { octets, last } => usize::from(*last && upto == octets.len()),
        }
    }

    /// Is `at` the end of a message (or the start of the chunk, if `fresh`)?
    pub(super) fn is_end(&self, at: usize) -> bool {
        match self {
            Chunk::Run(run) => run.ends.binary_search(&(at as u32)).is_ok(),
            Chunk::Body { octets, last } => *last && at == octets.len(),
        }
    }
}

/// Octets framed back to back, and the positions at which messages end.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) octets: Vec<u8>,
    pub(super) ends: Vec<u32>,
}

impl Run {
    /// Keeps nothing of the contents.
    fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }
}

/// The chunks of one lane, whole messages only.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: VecDeque<Chunk>,
    octets: usize,
    messages: u64,
    /// Size of the last run that was taken: what the next one is made to hold.
    last_run: usize,
}

impl Chunks {
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// Appends one message: `head` frames, then `body` frames. `frames` is their number.
    pub(super) fn push(&mut self, head: &[Frame], body: &[Frame]) {
        self.messages += 1;
        if let ([], [only]) = (head, body) {
            // The usual case, kept short.
            if only.len() <= tuning::COPY_OCTETS_MAX {
                let run = self.open_run();
                let before = run.octets.len();
                put_header(&mut run.octets, only.len(), false);
                run.octets.extend_from_slice(only);
                let after = run.octets.len();
                run.ends.push(after as u32);
                self.octets += after - before;
                return;
            }
        }
        let mut left = head.len() + body.len();
        if left == 0 {
            self.push_frame(&Frame::empty(), true);
        }
        for frame in head.iter().chain(body) {
            left -= 1;
            self.push_frame(frame, left == 0);
        }
    }

    fn push_frame(&mut self, frame: &Frame, last: bool) {
        let by_reference = frame
            .shared()
            .filter(|body| body.len() > tuning::COPY_OCTETS_MAX);
        let run = self.open_run();
        let before = run.octets.len();
        put_header(&mut run.octets, frame.len(), !last);
        if by_reference.is_none() {
            run.octets.extend_from_slice(frame);
            if last {
                run.ends.push(run.octets.len() as u32);
            }
        }
        self.octets += run.octets.len() - before;
        if let Some(body) = by_reference {
            self.octets += body.len();
            self.chunks.push_back(Chunk::Body {
                octets: body.clone(),
                last,
            });
        }
    }

    /// The run at the end, made anew if the last one is full or a body lies behind it.
    fn open_run(&mut self) -> &mut Run {
        let fits = match self.chunks.back() {
            Some(Chunk::Run(run)) => run.octets.len() < tuning::FLUSH_OCTETS,
            _ => false,
        };
        if !fits {
            let busy = self.last_run > SMALL_RUN || !self.chunks.is_empty();
            self.chunks
                .push_back(Chunk::Run(if busy { pool_take() } else { Run::default() }));
        }
        match self.chunks.back_mut() {
            Some(Chunk::Run(run)) => run,
            _ => unreachable!("a run was just made sure of"),
        }
    }

    /// Moves chunks to `into`, up to the slices of one write; stops between messages only.
    pub(super) fn take(&mut self, into: &mut VecDeque<Chunk>) {
        if into.is_empty() && self.chunks.len() <= tuning::WRITE_SLICES_MAX {
            std::mem::swap(into, &mut self.chunks);
            self.octets = 0;
            self.messages = 0;
        } else {
            while let Some(chunk) = self.chunks.pop_front() {
                let octets = chunk.octets().len();
                let whole = chunk.is_end(octets);
                self.octets -= octets;
                self.messages -= chunk.ends_within(octets) as u64;
                into.push_back(chunk);
                if whole && into.len() >= tuning::WRITE_SLICES_MAX {
                    break;
                }
            }
        }
        if let Some(Chunk::Run(run)) = into.back() {
            self.last_run = run.octets.len();
        }
    }

    /// Puts chunks that were taken back in front of all others.
    pub(super) fn put_back(&mut self, mut chunks: VecDeque<Chunk>) {
        for chunk in &chunks {
            let octets = chunk.octets().len();
            self.octets += octets;
            self.messages += chunk.ends_within(octets) as u64;
        }
        chunks.append(&mut self.chunks);
        self.chunks = chunks;
    }

    /// Drops everything. Answers how many messages that was.
    pub(super) fn clear(&mut self) -> u64 {
        self.chunks.clear();
        self.octets = 0;
        std::mem::take(&mut self.messages)
    }
}

/// The header of a data frame: the same in ZMTP 2.0 and 3.x (RFC 37, "Framing").
fn put_header(into: &mut Vec<u8>, octets: usize, more: bool) {
    let more = u8::from(more);
    match u8::try_from(octets) {
        Ok(octets) => into.extend_from_slice(&[more, octets]),
        Err(_) => {
            let mut header = [0; 9];
            header[0] = more | 0x02;
            header[1..].copy_from_slice(&(octets as u64).to_be_bytes());
            into.extend_from_slice(&header);
        }
    }
}

/// A lane whose last run was no larger is not busy: its next run starts small and is freed.
const SMALL_RUN: usize = 1 << 10;

/// Full-size runs kept for reuse, for all sockets together: 1 MiB at most.
const POOL_RUNS_MAX: usize = 16;

static POOL: Mutex<Vec<Run>> = Mutex::new(Vec::new());

/// A run with room for one flush, and a little more for the frame that goes over it.
fn pool_take() -> Run {
    let pooled = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
    pooled.unwrap_or_else(|| Run {
        octets: Vec::with_capacity(tuning::FLUSH_OCTETS + (1 << 10)),
        ends: Vec::with_capacity(1 << 10),
    })
}

/// Gives a chunk's memory back, once it was written.
pub(super) fn recycle(chunk: Chunk) {
    if let Chunk::Run(mut run) = chunk {
        let full_size = tuning::FLUSH_OCTETS..2 * tuning::FLUSH_OCTETS;
        if full_size.contains(&run.octets.capacity()) {
            run.clear();
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            if pool.len() < POOL_RUNS_MAX {
                pool.push(run);
            }
        }
    }
}
