//! What one connection is writing: the reading end of a lane of octets.
//!
//! Whoever owns the stream at the moment (see [`writer`](super::writer)) fills the outbox from
//! the lane, offers its slices to the stream and tells it how much was taken.

use std::{collections::VecDeque, io::IoSlice};

use super::chunks::{self, Chunk, Run};
use crate::base::tuning;

/// Octets on their way into a stream.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Words of the protocol; they leave before the chunks.
    pub(super) control: Vec<u8>,
    control_written: usize,
    pub(super) chunks: VecDeque<Chunk>,
    /// Octets of the first chunk that have left.
    written: usize,
    /// Has the message under way begun to leave (in a chunk before the first)?
    inside: bool,
    done: u64,
    /// A small run that was written, to be used again.
    pub(super) spare: Option<Run>,
    /// Octets of chunks that have left since this was last asked.
    left: u64,
}

impl Outbox {
    /// An outbox with nothing in it.
    pub fn new() -> Outbox {
        Outbox::default()
    }

    /// Is there nothing to write?
    pub fn is_empty(&self) -> bool {
        self.control.is_empty() && self.chunks.is_empty()
    }

    /// All that it holds, first to last: words of the protocol, then chunks. No segment is empty,
    /// and a frame lies in one, or a large body by itself in the one behind its header.
    #[inline]
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        let control = &self.control[self.control_written..];
        let data = self.chunks.iter().enumerate().map(|(index, chunk)| {
            let from = if index == 0 { self.written } else { 0 };
            &chunk.octets()[from..]
        });
        let all = std::iter::once(control).chain(data);
        all.filter(|octets| !octets.is_empty())
    }

    /// Words of the protocol that have not left, in octets.
    pub fn control_octets(&self) -> usize {
        self.control.len() - self.control_written
    }

    /// What to write, first to last.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; tuning::WRITE_SLICES_MAX]) -> usize {
        let mut count = 0;
        for octets in self.segments() {
            if count == slices.len() {
                break;
            }
            slices[count] = IoSlice::new(octets);
            count += 1;
        }
        count
    }

    /// The stream took this many octets.
    pub fn advance(&mut self, mut octets: usize) {
        let control = (self.control.len() - self.control_written).min(octets);
        self.control_written += control;
        octets -= control;
        self.left += octets as u64;
        if self.control_written == self.control.len() {
            self.control.clear();
            self.control_written = 0;
            if self.control.capacity() > CONTROL_KEPT {
                self.control = Vec::new();
            }
        }
        while let Some(chunk) = self.chunks.front() {
            let length = chunk.octets().len();
            let upto = length.min(self.written + octets);
            self.done += (chunk.ends_within(upto) - chunk.ends_within(self.written)) as u64;
            octets -= upto - self.written;
            if upto < length {
                self.written = upto;
                return;
            }
            self.inside = !chunk.is_end(length);
            self.written = 0;
            if let Some(chunk) = self.chunks.pop_front() {
                chunks::recycle(chunk, &mut self.spare);
            }
            if octets == 0 {
                return;
            }
        }
    }

    /// Takes over words of the protocol, and the room they lie in: a crowd that has nothing to say
    /// is not to keep it twice. Only while there are none here.
    pub(super) fn take_control(&mut self, control: &mut Vec<u8>) {
        if !control.is_empty() {
            std::mem::swap(&mut self.control, control);
        }
    }

    /// Messages that have left whole since this was last asked.
    pub(super) fn take_done(&mut self) -> u64 {
        std::mem::take(&mut self.done)
    }

    /// Octets of messages that have left since this was last asked.
    pub(super) fn take_left(&mut self) -> u64 {
        std::mem::take(&mut self.left)
    }

    /// Empties it after a lost connection: the chunks behind the message that was cut, and
    /// whether one was.
    pub(super) fn cut(&mut self) -> (VecDeque<Chunk>, bool) {
        self.control.clear();
        self.control_written = 0;
        self.left = 0;
        let mut chunks = std::mem::take(&mut self.chunks);
        let written = std::mem::take(&mut self.written);
        let inside = std::mem::take(&mut self.inside);
        let cut = match chunks.front() {
            Some(chunk) => {
                let at_end = if written == 0 {
                    !inside
                } else {
                    chunk.is_end(written)
                };
                !at_end
            }
            None => inside,
        };
        if cut {
            drop_message(&mut chunks, written);
        } else if written > 0 {
            drop_octets(&mut chunks, written);
        }
        (chunks, cut)
    }
}

/// Drops everything up to the end of the message that goes on at `from` of the first chunk.
fn drop_message(chunks: &mut VecDeque<Chunk>, mut from: usize) {
    while let Some(chunk) = chunks.front() {
        if let Some(end) = chunk.end_after(from) {
            return drop_octets(chunks, end);
        }
        chunks.pop_front();
        from = 0;
    }
}

/// Drops the first `count` octets of the first chunk.
fn drop_octets(chunks: &mut VecDeque<Chunk>, count: usize) {
    if let Some(chunk) = chunks.front_mut() {
        if !chunk.drop_octets(count) {
            chunks.pop_front();
        }
    }
}

/// Octets of room kept for words of the protocol, so that an answer to a PING allocates nothing.
/// A handshake needs more, once.
const CONTROL_KEPT: usize = 64;
