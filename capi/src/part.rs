//! `zmq_msg_t`: 64 octets, aligned as a pointer, in the program's own memory.
//!
//! ```text
//!    0        8     9      10    11         16                                    64
//!   ┌────────┬─────┬──────┬─────┬──────────┬─────────────────────────────────────┐
//!   │ sender │ kind│ flags│ len │ (unused) │ the octets, up to 48 of them        │
//!   └────────┴─────┴──────┴─────┴──────────┤ or Bytes: counted, not to be changed│
//!                                          │ or Vec: the program's to fill       │
//!                                          └─────────────────────────────────────┘
//! ```
//!
//! Whatever is above 64 octets becomes a frame of ours, and a frame of ours becomes it, without a
//! copy. Below that frames hold them inside, and a message that is received into again and again
//! keeps its room for them. What the program lends stays where it is, however little: it is to have
//! it back once it was written, or received and closed, and not before.

use std::{
    fmt,
    mem::{ManuallyDrop, MaybeUninit},
    ptr, slice,
    sync::Arc,
};

use bytes::Bytes;
use hubless::{Frame, PeerInfo, untyped};

use crate::{errno::Errno, flow::Heard};

/// A part of a message. C programs know it as 64 octets.
#[repr(C)]
pub struct Part {
    /// An `Arc` as a pointer, or NULL.
    sender: *const PeerInfo,
    kind: u8,
    flags: u8,
    len: u8,
    body: Body,
}

#[repr(C)]
union Body {
    inline: [MaybeUninit<u8>; INLINE_MAX],
    shared: ManuallyDrop<Bytes>,
    owned: ManuallyDrop<Vec<u8>>,
}

/// Octets that a part holds inside.
const INLINE_MAX: usize = 48;

/// Octets that a frame holds inside.
const FRAME_INLINE_MAX: usize = 64;

/// What a part is; anything else was never made, or is closed.
const INLINE: u8 = 0xa1;
const SHARED: u8 = 0xa2;
const OWNED: u8 = 0xa3;

/// More parts of this message follow.
const MORE: u8 = 1;
/// Somebody else holds these octets, too.
const ALSO_HELD: u8 = 2;
/// Somebody wants these octets back: they stay shared, however few.
const LENT: u8 = 4;

impl Part {
    /// The part at `place`.
    ///
    /// # Safety
    /// `place` is NULL, or 64 octets that the caller owns, aligned as a pointer, which once were
    /// zeroed or made a part.
    ///
    /// # Errors
    /// EFAULT if it is NULL, or no part (any more).
    #[inline]
    pub(crate) unsafe fn at<'a>(place: *mut Part) -> Result<&'a mut Part, Errno> {
        if place.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the caller says that it is one, or was; the fields that decide have no invalid
        // values.
        let part = unsafe { &mut *place };
        match part.kind {
            INLINE | SHARED | OWNED => Ok(part),
            _ => Err(Errno::EFAULT),
        }
    }

    /// Makes an empty part, whatever was there.
    ///
    /// # Safety
    /// `place` can be written. What was there is not released.
    #[inline]
    pub(crate) unsafe fn init(place: *mut Part) {
        // SAFETY: the caller says that these fields can be written.
        unsafe {
            (&raw mut (*place).sender).write(ptr::null());
            (&raw mut (*place).kind).write(INLINE);
            (&raw mut (*place).flags).write(0);
            (&raw mut (*place).len).write(0);
        }
    }

    /// A part that was just made empty, whatever was there.
    ///
    /// # Safety
    /// `place` is NULL, or can be written. What was there is not released.
    ///
    /// # Errors
    /// EFAULT if it is NULL.
    pub(crate) unsafe fn made<'a>(place: *mut Part) -> Result<&'a mut Part, Errno> {
        if place.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the same as ours; it is a part after it was made one.
        unsafe {
            Part::init(place);
            Part::at(place)
        }
    }

    /// Makes room for so many octets, for the program to fill. The part must be empty.
    ///
    /// # Errors
    /// ENOMEM if there is no such room.
    pub(crate) fn reserve(&mut self, size: usize) -> Result<(), Errno> {
        if size <= INLINE_MAX {
            self.len = size as u8;
            // SAFETY: the field has no invalid values. What is sent is never what was left lying
            // in the program's memory.
            unsafe { (&raw mut self.body.inline).write_bytes(0, 1) };
            return Ok(());
        }
        let mut owned: Vec<u8> = Vec::new();
        owned.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        // SAFETY: there is room for so many, and the program fills it behind a pointer that the
        // compiler knows nothing of; an octet has no invalid values.
        unsafe { owned.set_len(size) };
        self.body.owned = ManuallyDrop::new(owned);
        self.kind = OWNED;
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        match self.kind {
            INLINE => usize::from(self.len),
            // SAFETY: the kind says which field of the union is there.
            SHARED => unsafe { self.body.shared.len() },
            // SAFETY: as above.
            _ => unsafe { self.body.owned.len() },
        }
    }

    /// Where the octets are.
    pub(crate) fn data(&mut self) -> *mut u8 {
        match self.kind {
            // SAFETY: the kind says which field of the union is there.
            INLINE => unsafe { self.body.inline.as_mut_ptr().cast() },
            // SAFETY: as above. The program must not write there, but if nobody else holds it.
            SHARED => unsafe { self.body.shared.as_ptr().cast_mut() },
            // SAFETY: as above.
            _ => unsafe { (*self.body.owned).as_mut_ptr() },
        }
    }

    fn octets(&self) -> &[u8] {
        match self.kind {
            // SAFETY: the first `len` octets were written.
            INLINE => unsafe {
                slice::from_raw_parts(self.body.inline.as_ptr().cast(), self.len.into())
            },
            // SAFETY: the kind says which field of the union is there.
            SHARED => unsafe { &self.body.shared },
            // SAFETY: as above.
            _ => unsafe { &self.body.owned },
        }
    }

    /// Releases what it holds; it is empty then.
    pub(crate) fn clear(&mut self) {
        self.clear_body();
        self.flags = 0;
        self.set_sender(None);
    }

    /// As [`clear`](Self::clear); it is no part any more then.
    pub(crate) fn close(&mut self) {
        self.clear();
        self.kind = 0;
    }

    fn clear_body(&mut self) {
        let kind = std::mem::replace(&mut self.kind, INLINE);
        self.len = 0;
        match kind {
            // SAFETY: the kind said which field of the union is there; it is not used again, for
            // the kind has changed: also for whoever gets octets back and looks here.
            SHARED => unsafe { ManuallyDrop::drop(&mut self.body.shared) },
            // SAFETY: as above.
            OWNED => unsafe { ManuallyDrop::drop(&mut self.body.owned) },
            _ => {}
        }
    }

    #[inline]
    fn set_sender(&mut self, sender: Option<&Arc<PeerInfo>>) {
        if self.sender == sender.map_or(ptr::null(), Arc::as_ptr) {
            // Counting costs more than all else that is done here.
            return;
        }
        let sender = sender.map_or(ptr::null(), |it| Arc::into_raw(Arc::clone(it)));
        let old = std::mem::replace(&mut self.sender, sender);
        if !old.is_null() {
            // SAFETY: it came from `Arc::into_raw`, and nobody else has it.
            drop(unsafe { Arc::from_raw(old) });
        }
    }

    /// Releases what it holds, but for what the next message may need, too: room for a small one,
    /// and its sender.
    pub(crate) fn make_room(&mut self) {
        if self.kind == OWNED {
            // SAFETY: the kind says which field of the union is there.
            let owned = unsafe { &mut *self.body.owned };
            if owned.capacity() == FRAME_INLINE_MAX {
                owned.clear();
                return;
            }
        }
        self.clear_body();
    }

    /// A copy of what it holds, if frames hold so little inside: whoever sends that leaves the part
    /// as it is until it is sent, and with it where its octets are.
    #[inline]
    pub(crate) fn copy_if_small(&self) -> Option<Frame> {
        let small = self.len() <= FRAME_INLINE_MAX && self.flags & LENT == 0;
        small.then(|| Frame::copy_from(self.octets()))
    }

    /// Takes what it holds as a frame; it is empty then.
    pub(crate) fn take(&mut self) -> Frame {
        let frame = match self.kind {
            INLINE => Frame::copy_from(self.octets()),
            SHARED => {
                // SAFETY: the kind says which field of the union is there; it is taken, and the
                // kind changes below.
                let octets = unsafe { ManuallyDrop::take(&mut self.body.shared) };
                match self.flags & LENT {
                    0 => Frame::from(octets),
                    _ => untyped::lend_on(octets),
                }
            }
            // SAFETY: as above.
            _ => Frame::from(unsafe { ManuallyDrop::take(&mut self.body.owned) }),
        };
        self.kind = INLINE;
        self.clear();
        frame
    }

    /// Holds again what was [taken](Part::take), and is where it was.
    pub(crate) fn put_back(&mut self, taken: Frame, also_held: bool) {
        self.put(Heard::Frame(taken), false, None, &mut None);
        if also_held {
            self.flags |= ALSO_HELD;
        }
    }

    /// Holds this, instead of what it held. What was copied goes to `copied`.
    #[inline(always)]
    pub(crate) fn put(
        &mut self,
        part: Heard<'_>,
        more: bool,
        sender: Option<&Arc<PeerInfo>>,
        copied: &mut Option<Frame>,
    ) {
        self.flags = if more { MORE } else { 0 };
        self.set_sender(sender);
        match part {
            Heard::Small(octets) => self.put_small(octets),
            Heard::Frame(frame) => *copied = self.put_frame(frame),
        }
    }

    pub(crate) fn put_frame(&mut self, frame: Frame) -> Option<Frame> {
        match untyped::take_lent(frame) {
            Ok(lent) => {
                self.clear_body();
                self.put_shared(lent);
                self.flags |= LENT;
                None
            }
            Err(small) if small.len() <= FRAME_INLINE_MAX => {
                self.put_small(&small);
                Some(small)
            }
            Err(frame) => {
                self.clear_body();
                self.put_shared(frame.into_bytes());
                None
            }
        }
    }

    /// At most 64 octets.
    #[inline(always)]
    fn put_small(&mut self, octets: &[u8]) {
        if octets.len() <= INLINE_MAX {
            self.clear_body();
            self.put_inline(octets);
        } else {
            self.make_room();
            self.put_owned(octets);
        }
    }

    /// The part must be empty, or have room.
    fn put_owned(&mut self, octets: &[u8]) {
        if self.kind != OWNED {
            self.body.owned = ManuallyDrop::new(Vec::with_capacity(FRAME_INLINE_MAX));
            self.kind = OWNED;
        }
        // SAFETY: the kind says which field of the union is there.
        let owned = unsafe { &mut *self.body.owned };
        owned.extend_from_slice(octets);
    }

    /// The part must be empty.
    #[inline]
    fn put_inline(&mut self, octets: &[u8]) {
        debug_assert!(octets.len() <= INLINE_MAX);
        // SAFETY: there is room for so many, and the part cannot overlap what was just given.
        unsafe {
            ptr::copy_nonoverlapping(
                octets.as_ptr(),
                (&raw mut self.body.inline).cast(),
                octets.len(),
            );
        }
        self.len = octets.len() as u8;
    }

    /// Holds the same as `from`, instead of what it held.
    pub(crate) fn copy_from(&mut self, from: &mut Part) {
        self.clear();
        if from.kind == OWNED {
            // SAFETY: the kind says which field of the union is there; it is taken, and the kind
            // changes at once.
            let owned = unsafe { ManuallyDrop::take(&mut from.body.owned) };
            from.put_shared(Bytes::from(owned));
        }
        if from.kind == SHARED {
            // SAFETY: the kind says which field of the union is there.
            self.put_shared(unsafe { Bytes::clone(&from.body.shared) });
            from.flags |= ALSO_HELD;
        } else {
            self.put_inline(from.octets());
        }
        self.flags = from.flags;
        self.set_sender(from.sender().as_deref());
    }

    /// Holds octets that nobody frees. The part must be empty.
    pub(crate) fn put_constant(&mut self, octets: Bytes) {
        self.put_shared(octets);
        self.flags = ALSO_HELD;
    }

    /// The part must be empty.
    fn put_shared(&mut self, octets: Bytes) {
        self.body.shared = ManuallyDrop::new(octets);
        self.kind = SHARED;
    }

    pub(crate) fn has_more(&self) -> bool {
        self.flags & MORE != 0
    }

    /// Does somebody else hold these octets, too?
    pub(crate) fn is_also_held(&self) -> bool {
        self.flags & ALSO_HELD != 0
    }

    /// Who sent it, as far as the message was received.
    pub(crate) fn sender(&self) -> Option<ManuallyDrop<Arc<PeerInfo>>> {
        if self.sender.is_null() {
            return None;
        }
        // SAFETY: it came from `Arc::into_raw` and stays held by this part, for what is made of it
        // is not dropped.
        Some(ManuallyDrop::new(unsafe { Arc::from_raw(self.sender) }))
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({} octets)", self.len())
    }
}

const _: () = assert!(size_of::<Part>() == 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_goes_in_and_comes_out() {
        for size in [0, 1, INLINE_MAX, INLINE_MAX + 1, 64, 65, 5000] {
            let octets: Vec<u8> = (0..size).map(|n| n as u8).collect();
            let mut part = MaybeUninit::<Part>::uninit();
            // SAFETY: it is a place of the right size, made before it is used.
            let part = unsafe {
                Part::init(part.as_mut_ptr());
                part.assume_init_mut()
            };
            part.put(
                Heard::Frame(Frame::from(&octets[..])),
                true,
                None,
                &mut None,
            );
            assert_eq!((part.len(), part.has_more()), (size, true));
            assert_eq!(part.octets(), octets);
            assert_eq!(part.take(), octets);
            assert_eq!((part.len(), part.has_more()), (0, false));
        }
    }
}
