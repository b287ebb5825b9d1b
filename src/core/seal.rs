//! Sealing: what a connection with CURVE writes instead of what its outbox holds.
//!
//! ```text
//!   outbox   [ frame ][ frame      ][ frame ] …        as with NULL: framed, kept until it has left
//!   seal     [ sealed   ][ sealed         ]            what is being written, a batch of whole frames
//!              plain 12    plain 30                    frames that have left are taken off the outbox
//! ```
//!
//! Lanes hold plain frames whatever the mechanism, so messages that have not begun to leave can
//! go over another connection. Whoever writes seals, batch by batch, in the order of the wire.

use std::{collections::VecDeque, io};

use crate::{base::tuning, engine::Sealer, pipe::Outbox, wire::frame::Header};

/// Octets that a connection keeps for sealing while it has nothing to write.
const IDLE_OCTETS_MAX: usize = 4 << 10;

/// What is sealed and being written.
#[derive(Debug)]
pub(super) struct Seal {
    sealer: Sealer,
    /// Octets at the outbox's front that go as they are: the end of the handshake.
    clear: usize,
    octets: Vec<u8>,
    written: usize,
    /// Where the first of the parts begins in what is being written.
    left: usize,
    parts: VecDeque<Part>,
}

/// A frame, or clear octets.
#[derive(Debug)]
struct Part {
    /// Where it ends in what is being written.
    end: usize,
    /// Octets that it has in the outbox.
    plain: usize,
}

impl Seal {
    /// Seals all but the next `clear` octets.
    pub(super) fn new(sealer: Sealer, clear: usize) -> Seal {
        Seal {
            sealer,
            clear,
            octets: Vec::new(),
            written: 0,
            left: 0,
            parts: VecDeque::new(),
        }
    }

    /// What to write: if all is written, the next batch out of the outbox.
    pub(super) fn octets(&mut self, outbox: &Outbox) -> io::Result<&[u8]> {
        if self.parts.is_empty() {
            self.octets.clear();
            self.octets.shrink_to(2 * tuning::FLUSH_OCTETS);
            self.written = 0;
            self.left = 0;
            self.fill(outbox)?;
        }
        Ok(&self.octets[self.written..])
    }

    /// All is written, and there is no more: an idle connection keeps little.
    pub(super) fn rest(&mut self) {
        if self.parts.is_empty() && self.octets.capacity() > IDLE_OCTETS_MAX {
            self.octets = Vec::new();
            self.written = 0;
            self.left = 0;
        }
    }

    fn fill(&mut self, outbox: &Outbox) -> io::Result<()> {
        let not_whole = || io::Error::new(io::ErrorKind::InvalidData, "frames are not whole");
        let mut segments = outbox.segments();
        let mut rest: &[u8] = &[];
        while self.octets.len() < tuning::FLUSH_OCTETS {
            if rest.is_empty() {
                match segments.next() {
                    Some(segment) => rest = segment,
                    None => break,
                }
                continue;
            }
            let before = rest.len();
            if self.clear > 0 {
                let (clear, others) = rest.split_at(self.clear.min(before));
                self.octets.extend_from_slice(clear);
                self.clear -= clear.len();
                rest = others;
                self.note(clear.len());
                continue;
            }
            let decoded = Header::decode(rest).ok().flatten();
            let (header, taken) = decoded.ok_or_else(not_whole)?;
            let size = usize::try_from(header.octets).map_err(|_| not_whole())?;
            rest = &rest[taken..];
            if rest.is_empty() && size > 0 {
                // A large body lies by reference behind its header.
                rest = segments.next().ok_or_else(not_whole)?;
            }
            let (body, others) = rest.split_at_checked(size).ok_or_else(not_whole)?;
            rest = others;
            self.sealer
                .seal(header.more, header.command, body, &mut self.octets)
                .map_err(|_| io::Error::other("the counters of this connection are spent"))?;
            self.note(taken + size);
        }
        Ok(())
    }

    fn note(&mut self, plain: usize) {
        let end = self.octets.len();
        self.parts.push_back(Part { end, plain });
    }

    /// The stream took this many octets: what has left whole leaves the outbox.
    pub(super) fn advance(&mut self, octets: usize, outbox: &mut Outbox) {
        self.written += octets;
        let mut plain = 0;
        while let Some(part) = self.parts.front().filter(|part| part.end <= self.written) {
            plain += part.plain;
            self.left = part.end;
            self.parts.pop_front();
        }
        if plain > 0 {
            outbox.advance(plain);
        }
    }

    /// The connection is lost: a frame of which a part has left is cut.
    pub(super) fn cut(&mut self, outbox: &mut Outbox) {
        let Some(part) = self.parts.front() else {
            return;
        };
        if self.left < self.written && part.plain > 1 {
            outbox.advance(1);
        }
    }
}
