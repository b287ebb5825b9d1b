//! Sending and receiving, part by part.
//!
//! A message is whole or not at all: its parts are kept until the last one is said, but whether
//! there is room for it is judged at the first. Who has to wait does so outside of the slot, so
//! that other calls on the same socket go on; a REQ or REP only after it has looked again for some
//! microseconds.

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::Arc,
};

use bytes::Bytes;
use hubless::{
    ErrorKind, Frame, Interest, Message, PeerInfo, RecvError, SendError, untyped::InPlace,
};

use crate::{
    entry::{guarded, octets},
    errno::Errno,
    message,
    part::Part,
    slots::Taken,
    socket::{Face, enter},
};

/// Do not wait.
pub(crate) const DONTWAIT: c_int = 1;
/// More parts follow.
pub(crate) const SNDMORE: c_int = 2;

/// Says one part, the only frame of this message. It stays there if it is refused.
///
/// # Safety
/// `handle` is NULL, or a handle of ours.
#[inline(always)]
pub(crate) unsafe fn say(
    handle: *mut c_void,
    part: &mut Message,
    flags: c_int,
) -> Result<(), Errno> {
    // SAFETY: the same as ours.
    let face = unsafe { enter(handle) }?;
    if is_plain(&face, flags) && face.socket.send_plain(part) {
        return Ok(());
    }
    // SAFETY: the same as ours.
    unsafe { say_long(handle, face, part, flags) }
}

/// Is what is said now a message of its own, and may it go the short way?
#[inline(always)]
fn is_plain(face: &Face, flags: c_int) -> bool {
    // What is not taken whole yet, those who take turns have to hear or to throw away first.
    let amid = face.more && face.kind.is_lock_step();
    flags & SNDMORE == 0 && face.said.is_empty() && face.kind.sends() && !amid
}

/// # Safety
/// As [`say`].
#[cold]
unsafe fn say_long(
    handle: *mut c_void,
    face: Taken<Face>,
    part: &mut Message,
    flags: c_int,
) -> Result<(), Errno> {
    let whole = std::mem::take(part);
    let said = match flags & SNDMORE == 0 && face.said.is_empty() {
        true => say_alone(face, whole, flags),
        // SAFETY: the same as ours.
        false => unsafe { say_of_several(handle, face, last_of(whole).1, flags) },
    };
    said.map_err(|(refused, errno)| {
        *part = refused.into();
        errno
    })
}

fn say_alone(mut face: Taken<Face>, part: Message, flags: c_int) -> Result<(), (Frame, Errno)> {
    if !face.kind.sends() {
        return Err((last_of(part).1, Errno::ENOTSUP));
    }
    if let Err(errno) = face.begin_to_speak() {
        return Err((last_of(part).1, errno));
    }
    match face.socket.try_send(part) {
        Ok(()) => Ok(()),
        // A routing id, and nothing for whoever has it.
        Err(SendError::Unroutable(_)) if face.kind.addresses() => Ok(()),
        Err(refused) => wait_for_room(face, refused, flags).map_err(|refused| {
            let errno = Errno::from(refused.kind());
            (last_of(refused.into_message()).1, errno)
        }),
    }
}

/// # Safety
/// As [`say`].
unsafe fn say_of_several(
    handle: *mut c_void,
    mut face: Taken<Face>,
    part: Frame,
    flags: c_int,
) -> Result<(), (Frame, Errno)> {
    if !face.kind.sends() {
        return Err((part, Errno::ENOTSUP));
    }
    if face.said.is_empty() {
        if let Err(errno) = face.begin_to_speak() {
            return Err((part, errno));
        }
        let mut admitted = face.socket.try_admit(&part);
        if flags & DONTWAIT == 0 && admitted == Err(ErrorKind::Full) {
            let socket = face.socket.clone();
            drop(face);
            admitted = socket.admit(&part);
            // SAFETY: the same as ours.
            face = match unsafe { enter(handle) } {
                Ok(face) => face,
                Err(errno) => return Err((part, errno)),
            };
        }
        if let Err(kind) = admitted {
            if let Some(edge) = &mut face.edge {
                edge.refused(Interest::WRITABLE);
            }
            return Err((part, kind.into()));
        }
    }
    face.said.push(part);
    // Octets for a STREAM's peer are whole as they are, whatever else is to follow.
    let whole = face.says_octets && face.said.len() == 2;
    if flags & SNDMORE != 0 && !whole {
        return Ok(());
    }
    let message = Message::from(std::mem::take(&mut face.said));
    let refused = match face.socket.try_send(message) {
        Ok(()) => return Ok(()),
        Err(refused) => refused,
    };
    match wait_for_room(face, refused, flags) {
        // Whom it was for has gone since the first part was admitted.
        Ok(()) | Err(SendError::Unroutable(_)) => Ok(()),
        Err(refused) => {
            let errno = Errno::from(refused.kind());
            let (rest, last) = last_of(refused.into_message());
            // SAFETY: the same as ours.
            if let Ok(mut face) = unsafe { enter(handle) } {
                face.said = rest;
            }
            Err((last, errno))
        }
    }
}

/// Sends what there was no room for, if it may wait.
fn wait_for_room(mut face: Taken<Face>, refused: SendError, flags: c_int) -> Result<(), SendError> {
    match refused {
        SendError::Full(message) if flags & DONTWAIT == 0 => {
            let socket = face.socket.clone();
            drop(face);
            socket.send(message)
        }
        refused => {
            if let Some(edge) = &mut face.edge {
                edge.refused(Interest::WRITABLE);
            }
            Err(refused)
        }
    }
}

/// A message as the parts before the last, and the last.
fn last_of(message: Message) -> (Vec<Frame>, Frame) {
    let mut frames = message.into_frames();
    let last = frames.pop().unwrap_or_default();
    (frames, last)
}

/// One part that is received.
pub(crate) enum Heard<'a> {
    /// To be copied: at most 64 octets.
    Small(&'a [u8]),
    Frame(Frame),
}

impl Heard<'_> {
    pub(crate) fn into_frame(self) -> Frame {
        match self {
            Heard::Small(octets) => Frame::copy_from(octets),
            Heard::Frame(frame) => frame,
        }
    }
}

/// Receives one part, which goes to `take`: what it is, whether more follow, and who has sent it.
/// The socket may be locked meanwhile, so `take` must call nothing of a program's.
///
/// # Safety
/// `handle` is NULL, or a handle of ours.
#[inline(always)]
pub(crate) unsafe fn hear<T>(
    handle: *mut c_void,
    flags: c_int,
    mut take: impl FnMut(Heard<'_>, bool, Option<&Arc<PeerInfo>>) -> T,
) -> Result<T, Errno> {
    // SAFETY: the same as ours.
    let mut face = unsafe { enter(handle) }?;
    if face.more {
        return Ok(next_part(&mut face, take));
    }
    if !face.kind.receives() {
        return Err(Errno::ENOTSUP);
    }
    let mut whole = None;
    let plain = |message: InPlace<'_>, sender: Option<&Arc<PeerInfo>>| match message {
        InPlace::Small(octets) => Some(take(Heard::Small(octets), false, sender)),
        InPlace::Whole(message) => {
            whole = Some((message, sender.cloned()));
            None
        }
    };
    // Who takes turns with its peer mostly has to wait, and is not even looked at.
    let plain = match face.kind.is_lock_step() {
        true => None,
        false => face.socket.recv_plain_with(plain),
    };
    if let Some(Some(taken)) = plain {
        if let Some(edge) = &mut face.edge {
            edge.received();
        }
        return Ok(taken);
    }
    let received = match whole {
        Some(received) => Ok(received),
        None if flags & DONTWAIT == 0 => face.socket.recv_soon_from(),
        None => face.socket.try_recv_from(),
    };
    let (message, sender) = match received {
        Ok(received) => received,
        Err(RecvError::Empty) if flags & DONTWAIT == 0 => {
            let socket = face.socket.clone();
            drop(face);
            let received = socket.recv_late_from()?;
            // SAFETY: the same as ours.
            face = unsafe { enter(handle) }?;
            received
        }
        Err(error) => {
            if let Some(edge) = &mut face.edge {
                edge.refused(Interest::READABLE);
            }
            return Err(error.into());
        }
    };
    if let Some(edge) = &mut face.edge {
        edge.received();
    }
    Ok(match message.into_single() {
        Ok(part) => take(Heard::Frame(part), false, sender.as_ref()),
        Err(several) => {
            face.heard = several.into_frames().into_iter();
            face.sender = sender;
            next_part(&mut face, take)
        }
    })
}

fn next_part<T>(
    face: &mut Face,
    mut take: impl FnMut(Heard<'_>, bool, Option<&Arc<PeerInfo>>) -> T,
) -> T {
    let part = face.heard.next().unwrap_or_default();
    face.more = !face.heard.as_slice().is_empty();
    let taken = take(Heard::Frame(part), face.more, face.sender.as_ref());
    if !face.more {
        face.sender = None;
    }
    taken
}

/// A size as C has it.
fn size(octets: usize) -> c_int {
    c_int::try_from(octets).unwrap_or(c_int::MAX)
}

/// Says one part, a copy of these octets. Answers how many they are.
///
/// # Safety
/// `socket` is NULL, or a handle of ours; `size` octets at `data` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send(
    socket: *mut c_void,
    data: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    guarded(-1, || {
        if data.is_null() && len > 0 {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the same as ours.
        let part = unsafe { octets(data, len) };
        // SAFETY: the same as ours.
        let face = unsafe { enter(socket) }?;
        if !(is_plain(&face, flags) && face.socket.send_octets(part)) {
            // SAFETY: the same as ours.
            unsafe { say_long(socket, face, &mut Message::from(part), flags) }?;
        }
        Ok(size(len))
    })
}

/// As [`zmq_send`], without a copy: the octets stay for ever.
///
/// # Safety
/// The same, and they do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send_const(
    socket: *mut c_void,
    data: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    guarded(-1, || {
        if data.is_null() && len > 0 {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the same as ours.
        let part: Bytes = unsafe { message::constant(data, len) };
        // SAFETY: the same as ours.
        unsafe { say(socket, &mut Message::from(part), flags) }?;
        Ok(size(len))
    })
}

/// Says one part; the message is empty then. Answers how many octets it had.
///
/// # Safety
/// `part` is NULL, or points to a message; `socket` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_send(part: *mut Part, socket: *mut c_void, flags: c_int) -> c_int {
    guarded(-1, || {
        // SAFETY: the same as ours.
        let part = unsafe { Part::at(part) }?;
        let len = part.len();
        if let Some(copy) = part.copy_if_small() {
            // SAFETY: the same as ours.
            unsafe { say(socket, &mut Message::from(copy), flags) }?;
            part.clear();
            return Ok(size(len));
        }
        let also_held = part.is_also_held();
        let mut whole = Message::from(part.take());
        // SAFETY: the same as ours.
        let said = unsafe { say(socket, &mut whole, flags) };
        if said.is_err() {
            part.put_back(last_of(whole).1, also_held);
        }
        said.map(|()| size(len))
    })
}

/// As [`zmq_msg_send`].
///
/// # Safety
/// The same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_sendmsg(socket: *mut c_void, part: *mut Part, flags: c_int) -> c_int {
    // SAFETY: the same as ours.
    unsafe { zmq_msg_send(part, socket, flags) }
}

/// Receives one part into so much room; what does not fit is gone. Answers how many octets it had.
///
/// # Safety
/// `socket` is NULL, or a handle of ours; `len` octets at `data` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recv(
    socket: *mut c_void,
    data: *mut c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    guarded(-1, || {
        let copy = |part: &[u8]| {
            if !data.is_null() {
                let fits = len.min(part.len());
                // SAFETY: so many can be written there, and a part of ours is elsewhere.
                unsafe { ptr::copy_nonoverlapping(part.as_ptr(), data.cast(), fits) };
            }
            size(part.len())
        };
        // What was copied goes after the socket was left: it may be the program's to free.
        let mut copied = None;
        let take = |part: Heard<'_>, _, _: Option<&_>| match part {
            Heard::Small(octets) => copy(octets),
            Heard::Frame(frame) => copy(copied.insert(frame)),
        };
        // SAFETY: the same as ours.
        unsafe { hear(socket, flags, take) }
    })
}

/// Receives one part. Answers how many octets it has.
///
/// # Safety
/// `part` is NULL, or points to a message; `socket` is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_recv(part: *mut Part, socket: *mut c_void, flags: c_int) -> c_int {
    guarded(-1, || {
        // SAFETY: the same as ours.
        let place = unsafe { Part::at(part) }?;
        // What it held goes before a socket is locked, and what it holds but a copy of after that:
        // it may be the program's to free.
        place.make_room();
        let mut copied = None;
        let put = |part: Heard<'_>, more, sender: Option<&_>| {
            place.put(part, more, sender, &mut copied);
        };
        // SAFETY: the same as ours.
        match unsafe { hear(socket, flags, put) } {
            Ok(()) => Ok(size(place.len())),
            Err(errno) => {
                place.clear();
                Err(errno)
            }
        }
    })
}

/// As [`zmq_msg_recv`].
///
/// # Safety
/// The same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recvmsg(socket: *mut c_void, part: *mut Part, flags: c_int) -> c_int {
    // SAFETY: the same as ours.
    unsafe { zmq_msg_recv(part, socket, flags) }
}
