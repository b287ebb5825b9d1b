//! The peers of one socket, as the patterns see them: two lanes and a name.

use std::sync::Arc;

use bytes::Bytes;
use slab::Slab;

use crate::{
    base::{event::Reason, name::Name},
    pipe::{Accepted, Draft, Lane, Window},
};

/// All peers of a socket. Keys are small numbers, used again after a peer has left.
pub type Peers = Slab<Peer>;

/// One peer.
#[derive(Debug)]
pub struct Peer {
    /// What we send them.
    pub out: Draft,
    /// What they sent us.
    pub window: Window,
    /// Never used again, unlike the key.
    pub serial: u64,
    /// ROUTER: the name it is addressed by.
    pub identity: Name,
    /// Is its handshake done (or is it inproc)?
    pub ready: bool,
    /// It has left for good, and stays only until what it sent has been read.
    pub gone: bool,
}

impl Peer {
    /// A peer with these two lanes, neither ready nor gone.
    pub fn new(serial: u64, out: Arc<Lane>, received: Arc<Lane>) -> Peer {
        Peer {
            out: Draft::new(out),
            window: Window::new(received),
            serial,
            identity: Name::none(),
            ready: false,
            gone: false,
        }
    }
}

/// What a pattern has done that its caller must follow up, once the socket's lock is released.
#[derive(Debug, Default)]
pub struct Effects {
    /// Messages went into these peers' lanes.
    pub pushed: Vec<(usize, Accepted)>,
    /// What these peers sent has been read far enough: ring whoever fills their lanes.
    pub credited: Vec<usize>,
    /// These peers have nothing here, and hold messages back: have them handed over.
    pub held_back: Vec<usize>,
    /// These peers were gone and are read to the end: forget them.
    pub emptied: Vec<usize>,
    /// Close these peers' connections.
    pub evicted: Vec<(usize, Reason)>,
    /// Close these peers' connections for good, once what is queued for them has left.
    pub parted: Vec<usize>,
    /// Close and make anew these peers' connections: an answer that may still come is not wanted.
    pub redialled: Vec<usize>,
    /// Tell every peer of these subscriptions.
    pub announced: Vec<Announcement>,
}

impl Effects {
    /// The message that went into a lane, if that is all there is: the usual case. It is taken.
    #[inline]
    pub fn take_only_push(&mut self) -> Option<(usize, Accepted)> {
        let only = self.pushed.pop()?;
        if self.is_empty() {
            return Some(only);
        }
        self.pushed.push(only);
        None
    }

    /// Is there nothing to follow up?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pushed.is_empty()
            && self.credited.is_empty()
            && self.held_back.is_empty()
            && self.emptied.is_empty()
            && self.evicted.is_empty()
            && self.parted.is_empty()
            && self.redialled.is_empty()
            && self.announced.is_empty()
    }
}

/// A subscription made or cancelled by our application, for all publishers to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Made, or cancelled.
    pub subscribe: bool,
    /// The prefix.
    pub topic: Bytes,
    /// As a message beginning with 1 or 0, whatever the peer's revision: XSUB says it so.
    pub as_message: bool,
}
