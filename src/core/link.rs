//! A link: the stream of one connection, and who writes it.
//!
//! Any thread may flush a link: the sender, a caller about to wait, the reactor. The writer's
//! byte lets one of them through, who moves whatever the lane holds into the stream until there
//! is nothing left or the stream takes no more. Only whole batches leave the lane, so words of
//! the protocol fall between messages.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use super::seal::Seal;
use crate::{
    base::{
        sync::{AtomicUsize, Mutex, Ordering, Rank},
        tuning,
    },
    engine::Sealer,
    pipe::{Lane, Outbox, writer::Writer},
    reactor::metal::Stream,
};

/// One connection's stream.
pub(crate) struct Link {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) lane: Arc<Lane>,
    writer: Writer,
    writing: Mutex<Writing>,
    /// The key of the peer it serves, once there is one.
    peer: AtomicUsize,
}

/// What whoever writes works on.
struct Writing {
    outbox: Outbox,
    /// With CURVE, once the handshake is done.
    seal: Option<Box<Seal>>,
}

/// What a flush brings about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flushed {
    /// The lane has room again, and its writer waits for that.
    pub(crate) ring_writer: bool,
    /// The lane's writer had said that it is done, and all is written.
    pub(crate) finished: bool,
    /// System calls made.
    pub(crate) writes: u32,
}

impl Link {
    /// A link whose stream is not known to take octets yet: see [`writable`](Link::writable).
    pub(crate) fn new(stream: Box<dyn Stream>, lane: Arc<Lane>) -> Link {
        Link {
            stream,
            lane,
            writer: Writer::blocked(),
            writing: Mutex::new(
                Rank::Outbox,
                Writing {
                    outbox: Outbox::new(),
                    seal: None,
                },
            ),
            peer: AtomicUsize::new(usize::MAX),
        }
    }

    /// The peer it serves from now on.
    pub(crate) fn set_peer(&self, key: usize) {
        self.peer.store(key, Ordering::Relaxed);
    }

    /// The key of the peer it serves; of nobody before the handshake is done.
    pub(crate) fn peer(&self) -> usize {
        self.peer.load(Ordering::Relaxed)
    }

    /// Has it ever served a peer: was its handshake done?
    pub(crate) fn is_serving(&self) -> bool {
        self.peer() != usize::MAX
    }

    /// Writes what there is, unless somebody is at it (who then looks again).
    pub(crate) fn flush(&self) -> Flushed {
        if self.writer.begin() {
            self.write()
        } else {
            Flushed::default()
        }
    }

    /// The stream takes octets (again).
    pub(crate) fn writable(&self) -> Flushed {
        if self.writer.writable() {
            self.write()
        } else {
            Flushed::default()
        }
    }

    /// Is nobody writing, and nothing stuck?
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.writer.is_idle()
    }

    fn write(&self) -> Flushed {
        let mut flushed = Flushed::default();
        loop {
            let again = match self.write_out(&mut flushed) {
                Ok(()) => {
                    flushed.finished |= self.lane.is_finished();
                    self.writer.finish()
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writer.block(),
                Err(error) => {
                    // The reading side learns of it too, and ends the connection.
                    log::debug!("{}: writing failed: {error}", self.stream.ends().remote);
                    self.writer.shut();
                    return flushed;
                }
            };
            if !again {
                return flushed;
            }
        }
    }

    /// From now on everything is sealed, but for the words that are queued already. Not while
    /// others may queue words: before the lane is open.
    pub(crate) fn seal(&self, sealer: Sealer) {
        let mut writing = self.writing.lock();
        let clear = writing.outbox.control_octets() + self.lane.control_octets();
        writing.seal = Some(Box::new(Seal::new(sealer, clear)));
    }

    /// Moves octets from the lane into the stream until the lane is empty.
    fn write_out(&self, flushed: &mut Flushed) -> io::Result<()> {
        let mut writing = self.writing.lock();
        let Writing { outbox, seal } = &mut *writing;
        if let Some(seal) = seal {
            return self.write_sealed(outbox, seal, flushed);
        }
        loop {
            flushed.ring_writer |= self.lane.exchange(outbox);
            if outbox.is_empty() {
                return Ok(());
            }
            flushed.writes += 1;
            match self.write_once(outbox) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(octets) => outbox.advance(octets),
                Err(error) => {
                    flushed.ring_writer |= self.lane.exchange(outbox);
                    return Err(error);
                }
            }
        }
    }

    /// Offers the stream what there is, one time.
    fn write_once(&self, outbox: &Outbox) -> io::Result<usize> {
        let mut segments = outbox.segments();
        if let (Some(only), None) = (segments.next(), segments.next()) {
            // The usual case: a kilobyte of slices need not be made up for it.
            return self.stream.write(&[IoSlice::new(only)]);
        }
        let mut slices = [IoSlice::new(&[]); tuning::WRITE_SLICES_MAX];
        let count = outbox.slices(&mut slices);
        self.stream.write(&slices[..count])
    }

    /// As [`write_out`](Link::write_out), sealed.
    #[inline(never)]
    fn write_sealed(
        &self,
        outbox: &mut Outbox,
        seal: &mut Seal,
        flushed: &mut Flushed,
    ) -> io::Result<()> {
        loop {
            flushed.ring_writer |= self.lane.exchange(outbox);
            if outbox.is_empty() {
                seal.rest();
                return Ok(());
            }
            let octets = seal.octets(outbox)?;
            flushed.writes += 1;
            match self.stream.write(&[IoSlice::new(octets)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(octets) => seal.advance(octets, outbox),
                Err(error) => {
                    flushed.ring_writer |= self.lane.exchange(outbox);
                    return Err(error);
                }
            }
        }
    }

    /// Ends it: nobody writes any more. The message that was cut is counted as lost; all others
    /// stay in the lane. Answers whether the lane's writer must be rung.
    pub(crate) fn cut(&self) -> bool {
        self.writer.shut();
        let mut writing = self.writing.lock();
        let Writing { outbox, seal } = &mut *writing;
        if let Some(mut seal) = seal.take() {
            seal.cut(outbox);
        }
        self.lane.disconnect(outbox)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}
