//! STREAM: octets as they come. No handshake, no frames, nothing that could be wrong.
//!
//! ```text
//!   TCP   …octets octets octets…      as many as a read gave
//!            │       │
//!            ▼       ▼
//!         message  message            of one frame each, at most 8 KiB
//! ```
//!
//! Pieces are cut small, so that a mark in messages is a bound in octets as well: a peer that never
//! stops is not read any more once so many lie unread.

use super::{Peer, Sink, Step};
use crate::{base::message::Message, base::socket_type::SocketType, wire::Revision};

/// Octets of the largest piece. libzmq's are as large.
const PIECE_OCTETS_MAX: usize = 8192;

/// Hands octets over, as far as there is room.
pub(super) fn cut(rest: &mut &[u8], sink: &mut impl Sink) -> Step {
    let mut room = sink.room();
    while !rest.is_empty() {
        if room == 0 {
            return Step::Full;
        }
        room = room.saturating_sub(1);
        let (piece, more) = rest.split_at(rest.len().min(PIECE_OCTETS_MAX));
        sink.message(Message::from(piece));
        *rest = more;
    }
    Step::Drained
}

/// Who is at the other end: somebody who says nothing about it.
pub(super) fn stranger() -> Peer {
    Peer {
        revision: Revision::V3_1,
        socket_type: SocketType::Stream,
        identity: bytes::Bytes::new(),
        properties: Vec::new(),
    }
}
