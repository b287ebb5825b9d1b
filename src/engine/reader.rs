//! The frame under way: puts frames together out of octets that come in any pieces.
//!
//! ```text
//!   idle ──half a header──► head ──header──┐
//!     │                                    ▼
//!     ├──header, half a body────────────► body ──its last octet──► idle, a frame
//!     └──a whole frame──► idle, a frame: its body is lent from the input, nothing is kept
//! ```
//!
//! The memory for a body grows with what arrives, not with what its header claims. Between frames
//! there is none.

use std::{io, ops::Deref, sync::Arc};

use bytes::{Buf, Bytes};

use crate::{
    base::{
        event::{ProtocolError, Reason},
        message::Frame,
        tuning::{GROW_OCTETS, LARGE_OCTETS},
    },
    wire::frame::{HEADER_OCTETS_MAX, Header},
};

/// A frame's body: still in the input, or gathered by the reader.
#[derive(Debug)]
pub(super) enum Body<'a> {
    Lent(&'a [u8]),
    Owned(Vec<u8>),
    /// Out of a sealed frame.
    Shared(Bytes),
}

impl Deref for Body<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Body::Lent(octets) => octets,
            Body::Owned(octets) => octets,
            Body::Shared(octets) => octets,
        }
    }
}

impl Body<'_> {
    /// The octets, to be changed.
    pub(super) fn into_octets(self) -> Vec<u8> {
        match self {
            Body::Lent(octets) => octets.to_vec(),
            Body::Owned(octets) => octets,
            Body::Shared(octets) => octets.into(),
        }
    }

    #[inline]
    pub(super) fn into_frame(self) -> Frame {
        match self {
            Body::Lent(octets) => Frame::copy_from(octets),
            Body::Owned(octets) => Frame::from(octets),
            Body::Shared(octets) => Frame::from(octets),
        }
    }

    /// All but the first `octets` octets.
    pub(super) fn into_tail(self, octets: usize) -> Bytes {
        match self {
            Body::Lent(body) => Bytes::copy_from_slice(body.get(octets..).unwrap_or_default()),
            Body::Owned(body) => {
                let mut body = Bytes::from(body);
                body.advance(octets.min(body.len()));
                body
            }
            Body::Shared(mut body) => {
                body.advance(octets.min(body.len()));
                body
            }
        }
    }
}

/// Puts frames together.
#[derive(Debug, Default)]
pub(super) struct Reader {
    head: [u8; HEADER_OCTETS_MAX],
    head_octets: usize,
    body: Option<Gathering>,
}

/// A body of which some octets are missing.
#[derive(Debug)]
struct Gathering {
    header: Header,
    total: usize,
    octets: Vec<u8>,
}

impl Reader {
    /// Is it between two frames?
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.head_octets == 0 && self.body.is_none()
    }

    /// Takes octets until one frame is whole; `None` if they do not suffice. `admit` judges a
    /// header before any memory is spent on its body.
    #[inline]
    pub(super) fn next<'a>(
        &mut self,
        rest: &mut &'a [u8],
        admit: impl FnOnce(Header) -> Result<(), ProtocolError>,
    ) -> Result<Option<(Header, Body<'a>)>, Reason> {
        let mut gathering = match self.body.take() {
            Some(gathering) => gathering,
            None => {
                let Some(header) = self.next_header(rest)? else {
                    return Ok(None);
                };
                admit(header).map_err(Reason::Protocol)?;
                let total = usize::try_from(header.octets).map_err(|_| out_of_memory())?;
                if let Some((body, others)) = rest.split_at_checked(total) {
                    *rest = others;
                    return Ok(Some((header, Body::Lent(body))));
                }
                Gathering {
                    header,
                    total,
                    octets: Vec::new(),
                }
            }
        };
        let (part, others) = rest
            .split_at_checked(gathering.missing())
            .unwrap_or((rest, &[]));
        *rest = others;
        gathering.reserve(part.len())?;
        gathering.octets.extend_from_slice(part);
        if gathering.missing() == 0 {
            return Ok(Some((gathering.header, Body::Owned(gathering.octets))));
        }
        gathering.reserve(1)?;
        self.body = Some(gathering);
        Ok(None)
    }

    #[inline]
    fn next_header(&mut self, rest: &mut &[u8]) -> Result<Option<Header>, Reason> {
        let too_large = |_| Reason::Protocol(ProtocolError::Unspecified);
        if self.head_octets == 0 {
            if let Some((header, taken)) = Header::decode(rest).map_err(too_large)? {
                *rest = rest.get(taken..).unwrap_or_default();
                return Ok(Some(header));
            }
        }
        while let Some((&octet, others)) = rest.split_first() {
            *rest = others;
            if let Some(place) = self.head.get_mut(self.head_octets) {
                *place = octet;
                self.head_octets = self.head_octets.saturating_add(1);
            }
            let head = self.head.get(..self.head_octets).unwrap_or_default();
            if let Some((header, _)) = Header::decode(head).map_err(too_large)? {
                self.head_octets = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    pub(super) fn kept_octets(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.octets.capacity())
    }

    /// Where to read a large body to, and how many octets have room there.
    pub(super) fn large_body(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let gathering = self.body.as_mut()?;
        if gathering.total < LARGE_OCTETS {
            return None;
        }
        let room = gathering.missing().min(gathering.spare());
        Some((&mut gathering.octets, room))
    }
}

impl Gathering {
    fn missing(&self) -> usize {
        self.total.saturating_sub(self.octets.len())
    }

    fn spare(&self) -> usize {
        self.octets.capacity().saturating_sub(self.octets.len())
    }

    /// Makes room for `octets` more, and then for some more that are expected: not above
    /// [`GROW_OCTETS`] at first, later a quarter of what has arrived, so that copying does not
    /// grow with the square of the size.
    fn reserve(&mut self, octets: usize) -> Result<(), Reason> {
        if self.spare() >= octets {
            return Ok(());
        }
        let arrived = self.octets.len().saturating_add(octets);
        let ahead = GROW_OCTETS.max(arrived / 4);
        let wanted = octets.saturating_add(ahead).min(self.missing());
        self.octets
            .try_reserve_exact(wanted)
            .map_err(|_| out_of_memory())
    }
}

fn out_of_memory() -> Reason {
    Reason::Io(Arc::new(io::ErrorKind::OutOfMemory.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(_: Header) -> Result<(), ProtocolError> {
        Ok(())
    }

    #[test]
    fn a_whole_frame_is_lent_and_nothing_is_kept() {
        let mut reader = Reader::default();
        let mut rest = &b"\0\x02hi\x01\x01x"[..];
        let (header, body) = reader.next(&mut rest, admit).expect("good").expect("whole");
        assert!(matches!(body, Body::Lent(b"hi")));
        assert!(!header.more);
        let (header, body) = reader.next(&mut rest, admit).expect("good").expect("whole");
        assert!(matches!(body, Body::Lent(b"x")));
        assert!(header.more && rest.is_empty() && reader.is_idle());
    }

    #[test]
    fn a_frame_in_single_octets_is_gathered() {
        for frame in [&b"\0\x02hi"[..], b"\x02\0\0\0\0\0\0\0\x02hi"] {
            let mut reader = Reader::default();
            let (last, others) = frame.split_last().expect("not empty");
            for octet in others {
                let mut rest = &[*octet][..];
                let frame = reader.next(&mut rest, admit).expect("good");
                assert!(frame.is_none() && rest.is_empty() && !reader.is_idle());
            }
            let octets = [*last, 7];
            let mut rest = &octets[..];
            let (_, body) = reader.next(&mut rest, admit).expect("good").expect("whole");
            assert_eq!((&*body, rest), (&b"hi"[..], &[7][..]));
            assert!(reader.is_idle());
        }
    }

    #[test]
    fn a_lying_size_costs_a_bounded_reserve() {
        let mut reader = Reader::default();
        let mut rest = &b"\x02\0\x10\0\0\0\0\0\0abc"[..];
        assert!(reader.next(&mut rest, admit).expect("good").is_none());
        let (octets, room) = reader.large_body().expect("large");
        assert_eq!(octets.as_slice(), b"abc");
        assert!(octets.capacity() <= GROW_OCTETS + 3 && room > 0);
    }

    #[test]
    fn a_large_body_is_read_in_place() {
        let total = 5 * GROW_OCTETS / 2;
        let mut input = crate::wire::frame::header(total, false, false).to_vec();
        input.push(1);
        let mut reader = Reader::default();
        let mut rest = &input[..];
        let mut frame = reader.next(&mut rest, admit).expect("good");
        while let Some((octets, room)) = reader.large_body() {
            assert!(room > 0 && octets.capacity() - octets.len() >= room);
            octets.resize(octets.len() + room.min(100_000), 1);
            frame = reader.next(&mut &[][..], admit).expect("good");
        }
        while frame.is_none() {
            frame = reader.next(&mut &[1][..], admit).expect("good");
        }
        let (_, body) = frame.expect("whole");
        assert_eq!(body.len(), total);
        assert!(body.iter().all(|&octet| octet == 1));
    }

    #[test]
    fn a_refused_header_costs_nothing() {
        let mut reader = Reader::default();
        let mut rest = &b"\x02\0\0\0\0\0\0\xff\0"[..];
        let refuse = |header: Header| match header.octets {
            0xff00 => Err(ProtocolError::Unspecified),
            _ => Ok(()),
        };
        assert!(reader.next(&mut rest, refuse).is_err());
        let mut rest = &b"\x02\x80\0\0\0\0\0\0\0"[..];
        assert!(Reader::default().next(&mut rest, admit).is_err());
    }
}
