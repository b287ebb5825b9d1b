//! `zmq_msg_get`, `zmq_msg_set`, `zmq_msg_gets`: what a message tells of itself, and of who sent it.

use std::{
    ffi::{CStr, CString, c_char, c_int},
    ptr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use hubless::{PeerInfo, SocketType};

use crate::{
    entry::{guarded, status},
    errno::Errno,
    part::Part,
};

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
        "Routing-Id" | "Identity" if tells_identity(sender) => sender.identity.clone(),
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

/// Peers of some types say who they are, if only that they are nobody.
fn tells_identity(sender: &PeerInfo) -> bool {
    use SocketType::{Dealer, Req, Router};
    let does = matches!(sender.socket_type, Some(Req | Dealer | Router));
    does || !sender.identity.is_empty()
}

/// A property of a message: `ZMQ_MORE` 1, `ZMQ_SRCFD` 2, `ZMQ_SHARED` 3.
///
/// # Safety
/// As [`zmq_msg_data`](crate::zmq_msg_data).
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
            3 => Ok(part.is_also_held().into()),
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
/// As [`zmq_msg_data`](crate::zmq_msg_data); `property` is NULL or a C string.
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
