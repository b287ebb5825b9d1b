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
//! keeps its room for them.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    fmt,
    mem::{ManuallyDrop, MaybeUninit},
    ptr, slice,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use hubless::{Frame, PeerInfo};

use crate::{
    entry::{guarded, octets, status},
    errno::Errno,
    flow::Heard,
};

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

/// What was asked of senders, as text: each stays as long as its sender is known to anybody.
static TEXTS: Mutex<Vec<Text>> = Mutex::new(Vec::new());

struct Text {
    sender: Weak<PeerInfo>,
    name: String,
    text: CString,
}

/// A property of a sender as text, which stays as long as that does.
fn text_of(sender: &Arc<PeerInfo>, name: &str) -> Option<*const c_char> {
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    let here = Arc::downgrade(sender);
    let known = |it: &&Text| Weak::ptr_eq(&it.sender, &here) && it.name == name;
    if let Some(known) = texts.iter().find(known) {
        return Some(known.text.as_ptr());
    }
    let value = match name {
        "Peer-Address" => Bytes::copy_from_slice(sender.address.as_bytes()),
        "Routing-Id" | "Identity" => sender.identity.clone(),
        "__fd" => Bytes::from(sender.descriptor?.to_string()),
        "Socket-Type" => Bytes::from_static(sender.socket_type?.name().as_bytes()),
        _ => sender.property(name)?.clone(),
    };
    // What a C string cannot hold ends it.
    let end = value.iter().position(|octet| *octet == 0);
    let text = CString::new(&value[..end.unwrap_or(value.len())]).ok()?;
    // Moving a CString moves no octet of it.
    let place = text.as_ptr();
    texts.retain(|text| text.sender.strong_count() > 0);
    texts.push(Text {
        sender: here,
        name: name.to_owned(),
        text,
    });
    Some(place)
}

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

    pub(crate) fn len(&self) -> usize {
        match self.kind {
            INLINE => usize::from(self.len),
            // SAFETY: the kind says which field of the union is there.
            SHARED => unsafe { self.body.shared.len() },
            // SAFETY: as above.
            _ => unsafe { self.body.owned.len() },
        }
    }

    fn data(&mut self) -> *mut u8 {
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

    fn clear_body(&mut self) {
        match self.kind {
            // SAFETY: the kind says which field of the union is there; it is not used again, for
            // the kind changes below.
            SHARED => unsafe { ManuallyDrop::drop(&mut self.body.shared) },
            // SAFETY: as above.
            OWNED => unsafe { ManuallyDrop::drop(&mut self.body.owned) },
            _ => {}
        }
        self.kind = INLINE;
        self.len = 0;
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

    /// Takes what it holds as a frame; it is empty then.
    pub(crate) fn take(&mut self) -> Frame {
        let frame = match self.kind {
            INLINE => Frame::copy_from(self.octets()),
            // SAFETY: the kind says which field of the union is there; it is taken, and the kind
            // changes below.
            SHARED => Frame::from(unsafe { ManuallyDrop::take(&mut self.body.shared) }),
            // SAFETY: as above.
            _ => Frame::from(unsafe { ManuallyDrop::take(&mut self.body.owned) }),
        };
        self.kind = INLINE;
        self.clear();
        frame
    }

    /// Holds this, instead of what it held. Gives back what was copied.
    #[inline(always)]
    pub(crate) fn put(
        &mut self,
        part: Heard<'_>,
        more: bool,
        sender: Option<&Arc<PeerInfo>>,
    ) -> Option<Frame> {
        self.flags = if more { MORE } else { 0 };
        self.set_sender(sender);
        match part {
            Heard::Small(octets) => self.put_small(octets),
            Heard::Frame(frame) if frame.len() <= FRAME_INLINE_MAX => {
                self.put_small(&frame);
                return Some(frame);
            }
            Heard::Frame(frame) => {
                self.clear_body();
                self.put_shared(frame.into_bytes());
            }
        }
        None
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

    /// The part must be empty.
    fn put_shared(&mut self, octets: Bytes) {
        self.body.shared = ManuallyDrop::new(octets);
        self.kind = SHARED;
    }

    pub(crate) fn has_more(&self) -> bool {
        self.flags & MORE != 0
    }

    fn sender(&self) -> Option<ManuallyDrop<Arc<PeerInfo>>> {
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

/// Called once with the octets and the hint, when nobody needs them any more.
pub type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// Octets that the program lent us.
struct Lent {
    data: *mut c_void,
    size: usize,
    free: FreeFn,
    hint: *mut c_void,
}

// SAFETY: the interface says that the function may be called from any thread; the octets are not
// the program's to change until then.
unsafe impl Send for Lent {}
// SAFETY: as above; they are only read.
unsafe impl Sync for Lent {}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: whoever lent them said that there are so many, until they are freed.
        unsafe { octets(self.data, self.size) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: this is the one call that was agreed upon.
        unsafe { (self.free)(self.data, self.hint) }
    }
}

/// Makes an empty message.
///
/// # Safety
/// `part` points to a `zmq_msg_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init(part: *mut Part) -> c_int {
    status(|| {
        if part.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: it points to a zmq_msg_t.
        unsafe { Part::init(part) };
        Ok(())
    })
}

/// Makes a message of `size` octets, for the program to fill.
///
/// # Safety
/// `part` points to a `zmq_msg_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_size(part: *mut Part, size: usize) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let part = unsafe { made(part) }?;
        if size <= INLINE_MAX {
            part.len = size as u8;
            // SAFETY: the field has no invalid values. What is sent is never what was left lying
            // in the program's memory.
            unsafe { (&raw mut part.body.inline).write_bytes(0, 1) };
            return Ok(());
        }
        let mut owned: Vec<u8> = Vec::new();
        owned.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        // SAFETY: there is room for so many, and the program fills it behind a pointer that the
        // compiler knows nothing of; an octet has no invalid values.
        unsafe { owned.set_len(size) };
        part.body.owned = ManuallyDrop::new(owned);
        part.kind = OWNED;
        Ok(())
    })
}

/// Makes a message of these octets, which `free` gets back, from whichever thread, when nobody
/// needs them; without `free` they must stay for ever.
///
/// # Safety
/// `part` points to a `zmq_msg_t`; `size` octets at `data` can be read until `free` was called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_data(
    part: *mut Part,
    data: *mut c_void,
    size: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let part = unsafe { made(part) }?;
        part.put_shared(match free {
            Some(free) => Bytes::from_owner(Lent {
                data,
                size,
                free,
                hint,
            }),
            // SAFETY: the same as ours.
            None => unsafe { constant(data, size) },
        });
        if free.is_none() {
            part.flags = ALSO_HELD;
        }
        Ok(())
    })
}

/// Octets that stay for ever.
///
/// # Safety
/// They do, and `size` of them can be read.
pub(crate) unsafe fn constant(data: *const c_void, size: usize) -> Bytes {
    // SAFETY: the same as ours.
    Bytes::from_static(unsafe { octets::<'static>(data, size) })
}

/// A part that was just made empty.
///
/// # Safety
/// `part` is NULL, or points to a `zmq_msg_t`.
unsafe fn made<'a>(part: *mut Part) -> Result<&'a mut Part, Errno> {
    if part.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: it points to a zmq_msg_t, and is a part after it was made one.
    unsafe {
        Part::init(part);
        Part::at(part)
    }
}

/// Releases a message.
///
/// # Safety
/// `part` is NULL, or points to a `zmq_msg_t` that was made, perhaps closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_close(part: *mut Part) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let part = unsafe { Part::at(part) }?;
        part.clear();
        part.kind = 0;
        Ok(())
    })
}

/// Gives `from`'s octets to `to`; `from` is empty then.
///
/// # Safety
/// Both are NULL, or point to messages that were made, perhaps closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_move(to: *mut Part, from: *mut Part) -> c_int {
    status(|| {
        if to == from {
            // SAFETY: the same as ours.
            return unsafe { Part::at(to) }.map(drop);
        }
        // SAFETY: the same as ours; they are two.
        let (to, from) = unsafe { (Part::at(to)?, Part::at(from)?) };
        to.clear();
        std::mem::swap(to, from);
        Ok(())
    })
}

/// Makes `to` hold what `from` holds; octets above 48 are shared, and not to be changed then.
///
/// # Safety
/// As [`zmq_msg_move`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_copy(to: *mut Part, from: *mut Part) -> c_int {
    status(|| {
        if to == from {
            // SAFETY: the same as ours.
            return unsafe { Part::at(to) }.map(drop);
        }
        // SAFETY: the same as ours; they are two.
        let (to, from) = unsafe { (Part::at(to)?, Part::at(from)?) };
        to.clear();
        if from.kind == OWNED {
            // SAFETY: the kind says which field of the union is there; it is taken, and the kind
            // changes at once.
            let owned = unsafe { ManuallyDrop::take(&mut from.body.owned) };
            from.put_shared(Bytes::from(owned));
        }
        if from.kind == SHARED {
            // SAFETY: the kind says which field of the union is there.
            let shared = unsafe { Bytes::clone(&from.body.shared) };
            to.put_shared(shared);
            from.flags |= ALSO_HELD;
        } else {
            to.put_inline(from.octets());
        }
        to.flags = from.flags;
        to.set_sender(from.sender().as_deref());
        Ok(())
    })
}

/// Where the octets are.
///
/// # Safety
/// `part` is NULL, or points to a `zmq_msg_t` that was made, perhaps closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_data(part: *mut Part) -> *mut c_void {
    guarded(ptr::null_mut(), || {
        // SAFETY: the same as ours.
        let part = unsafe { Part::at(part) }?;
        Ok(part.data().cast())
    })
}

/// How many octets there are.
///
/// # Safety
/// As [`zmq_msg_data`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_size(part: *const Part) -> usize {
    // SAFETY: the same as ours; nothing is changed through it.
    guarded(0, || Ok(unsafe { Part::at(part.cast_mut()) }?.len()))
}

/// 1 if more parts of the message follow.
///
/// # Safety
/// As [`zmq_msg_data`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_more(part: *const Part) -> c_int {
    guarded(0, || {
        // SAFETY: the same as ours; nothing is changed through it.
        let part = unsafe { Part::at(part.cast_mut()) }?;
        Ok(part.has_more().into())
    })
}

/// A property of a message: `ZMQ_MORE` 1, `ZMQ_SRCFD` 2, `ZMQ_SHARED` 3.
///
/// # Safety
/// As [`zmq_msg_data`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_get(part: *const Part, property: c_int) -> c_int {
    guarded(-1, || {
        // SAFETY: the same as ours; nothing is changed through it.
        let part = unsafe { Part::at(part.cast_mut()) }?;
        match property {
            1 => Ok(part.has_more().into()),
            2 => {
                let sender = part.sender();
                let descriptor = sender.and_then(|sender| sender.descriptor);
                descriptor.ok_or(Errno::EINVAL)
            }
            3 => Ok((part.flags & ALSO_HELD != 0).into()),
            _ => Err(Errno::EINVAL),
        }
    })
}

/// No property can be set.
///
/// # Safety
/// None of it is looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set(_part: *mut Part, _property: c_int, _value: c_int) -> c_int {
    status(|| Err(Errno::EINVAL))
}

/// A property of who sent a message, as text that stays as long as the message does.
///
/// # Safety
/// As [`zmq_msg_data`]; `property` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_gets(part: *const Part, property: *const c_char) -> *const c_char {
    guarded(ptr::null(), || {
        if property.is_null() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the same as ours; nothing is changed through it.
        let part = unsafe { Part::at(part.cast_mut()) }?;
        // SAFETY: it is not NULL, so it is a C string.
        let name = unsafe { CStr::from_ptr(property) };
        let name = name.to_str().map_err(|_| Errno::EINVAL)?;
        let text = part.sender().and_then(|sender| text_of(&sender, name));
        text.ok_or(Errno::EINVAL)
    })
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
            drop(part.put(Heard::Frame(Frame::from(&octets[..])), true, None));
            assert_eq!((part.len(), part.has_more()), (size, true));
            assert_eq!(part.octets(), octets);
            assert_eq!(part.take(), octets);
            assert_eq!((part.len(), part.has_more()), (0, false));
        }
    }
}
