//! Frames: runs of octets that travel whole.
//!
//! ```text
//!   Frame ── Inline { len, [u8; 64] }        copied, never counted
//!         └─ Shared(Bytes, lent)             reference counted, never copied; or lent, however few
//! ```
//!
//! 64 octets is the size people measure, so that is where inline ends: a frame is 72 octets wide.

use std::{fmt, ops::Deref, str::Utf8Error};

use bytes::Bytes;

/// Bodies up to this many octets live inside the frame itself.
pub const INLINE_OCTETS_MAX: usize = 64;

/// One frame: a run of octets that travels whole.
///
/// A frame is a slice (`Deref<Target = [u8]>`). Cloning copies at most 64 octets or counts one
/// reference.
#[derive(Clone)]
pub struct Frame(Repr);

#[derive(Clone)]
enum Repr {
    Inline {
        len: u8,
        octets: [u8; INLINE_OCTETS_MAX],
    },
    Shared {
        octets: Bytes,
        /// Somebody wants them back: see [`lent`](super::lent).
        lent: bool,
    },
}

impl Frame {
    /// A frame of no octets.
    pub const fn empty() -> Frame {
        Frame(Repr::Inline {
            len: 0,
            octets: [0; INLINE_OCTETS_MAX],
        })
    }

    /// A frame with a copy of `octets`.
    #[inline]
    pub fn copy_from(octets: &[u8]) -> Frame {
        if octets.len() <= INLINE_OCTETS_MAX {
            let mut place = [0; INLINE_OCTETS_MAX];
            copy_short(octets, &mut place);
            Frame(Repr::Inline {
                len: octets.len() as u8,
                octets: place,
            })
        } else {
            Frame::shared_of(super::bodies::copy(octets))
        }
    }

    /// The octets.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, octets } => &octets[..usize::from(*len)],
            Repr::Shared { octets, .. } => octets,
        }
    }

    /// The octets as text.
    ///
    /// # Errors
    /// If they are not UTF-8.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self)
    }

    /// The octets as [`Bytes`]: a copy up to 64 octets, free above.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Inline { len, octets } => Bytes::copy_from_slice(&octets[..usize::from(len)]),
            Repr::Shared { octets, .. } => octets,
        }
    }

    #[inline]
    fn shared_of(octets: Bytes) -> Frame {
        let lent = false;
        Frame(Repr::Shared { octets, lent })
    }

    /// A frame of octets that somebody wants back, few or many.
    pub(crate) fn lent(octets: Bytes) -> Frame {
        let lent = true;
        Frame(Repr::Shared { octets, lent })
    }

    /// The octets, if they are lent.
    pub(crate) fn as_lent(&self) -> Option<&Bytes> {
        match &self.0 {
            Repr::Shared { octets, lent: true } => Some(octets),
            _ => None,
        }
    }

    /// The octets, if they are lent; else the frame.
    #[inline]
    pub(crate) fn into_lent(self) -> Result<Bytes, Frame> {
        match self.0 {
            Repr::Shared { octets, lent: true } => Ok(octets),
            own => Err(Frame(own)),
        }
    }

    /// The octets of a small frame where they lie, and how many of them count.
    #[inline]
    pub(crate) fn inline(&self) -> Option<(&[u8; INLINE_OCTETS_MAX], u8)> {
        match &self.0 {
            Repr::Inline { len, octets } => Some((octets, *len)),
            Repr::Shared { .. } => None,
        }
    }

    /// Makes a small frame one with a copy of these octets, at most 64 of them, where it lies.
    #[inline]
    pub(crate) fn fill(&mut self, octets: &[u8]) {
        match &mut self.0 {
            Repr::Inline { len, octets: place } => {
                *len = octets.len() as u8;
                copy_short(octets, place);
            }
            Repr::Shared { .. } => *self = Frame::copy_from(octets),
        }
    }

    /// The shared octets behind this frame, if it has any: what can be sent without a copy.
    pub(crate) fn shared(&self) -> Option<&Bytes> {
        match &self.0 {
            Repr::Inline { .. } => None,
            Repr::Shared { octets, .. } => Some(octets),
        }
    }
}

/// Copies at most 64 octets to the beginning of `place`, by two overlapping moves of a fixed size
/// instead of a call.
#[inline]
pub(crate) fn copy_short(octets: &[u8], place: &mut [u8; INLINE_OCTETS_MAX]) {
    macro_rules! two_of {
        ($size:literal) => {
            if let (Some(first), Some(last)) =
                (octets.first_chunk::<$size>(), octets.last_chunk::<$size>())
            {
                place[..$size].copy_from_slice(first);
                place[octets.len() - $size..octets.len()].copy_from_slice(last);
                return;
            }
        };
    }
    two_of!(32);
    two_of!(16);
    two_of!(8);
    two_of!(4);
    for (to, from) in place.iter_mut().zip(octets) {
        *to = *from;
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Frame {
    fn default() -> Frame {
        Frame::empty()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Frame) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Frame {}

macro_rules! frame_equals {
    ($($other:ty),*) => {$(
        impl PartialEq<$other> for Frame {
            fn eq(&self, other: &$other) -> bool {
                let other: &[u8] = other.as_ref();
                self.as_slice() == other
            }
        }
    )*};
}

frame_equals!(str, &str, [u8], &[u8], Vec<u8>, String, Bytes);

impl<const N: usize> PartialEq<[u8; N]> for Frame {
    fn eq(&self, other: &[u8; N]) -> bool {
        self.as_slice() == other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Frame {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.as_slice() == *other
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 32;
        if self.len() <= SHOWN {
            write!(f, "b\"{}\"", self.escape_ascii())
        } else {
            write!(
                f,
                "b\"{}…\" ({} octets)",
                self[..SHOWN].escape_ascii(),
                self.len()
            )
        }
    }
}

impl From<&[u8]> for Frame {
    fn from(octets: &[u8]) -> Frame {
        Frame::copy_from(octets)
    }
}

impl<const N: usize> From<&[u8; N]> for Frame {
    fn from(octets: &[u8; N]) -> Frame {
        Frame::copy_from(octets)
    }
}

impl<const N: usize> From<[u8; N]> for Frame {
    fn from(octets: [u8; N]) -> Frame {
        Frame::copy_from(&octets)
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Frame {
        Frame::copy_from(text.as_bytes())
    }
}

impl From<&String> for Frame {
    fn from(text: &String) -> Frame {
        Frame::copy_from(text.as_bytes())
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Frame {
        Frame::from(text.into_bytes())
    }
}

impl From<Vec<u8>> for Frame {
    fn from(octets: Vec<u8>) -> Frame {
        if octets.len() <= INLINE_OCTETS_MAX {
            Frame::copy_from(&octets)
        } else {
            Frame::shared_of(Bytes::from(octets))
        }
    }
}

impl From<Bytes> for Frame {
    fn from(octets: Bytes) -> Frame {
        if octets.len() <= INLINE_OCTETS_MAX {
            Frame::copy_from(&octets)
        } else {
            Frame::shared_of(octets)
        }
    }
}

impl From<&Bytes> for Frame {
    fn from(octets: &Bytes) -> Frame {
        Frame::from(octets.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_ends_where_it_says() {
        assert!(Frame::from(vec![1; INLINE_OCTETS_MAX]).shared().is_none());
        assert!(
            Frame::from(vec![1; INLINE_OCTETS_MAX + 1])
                .shared()
                .is_some()
        );
    }
}
