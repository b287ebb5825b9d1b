//! Options of sockets by number: numbers and octets as C has them, and the library's one table.

use std::{
    ffi::{c_int, c_void},
    ops::RangeInclusive,
    ptr,
};

use hubless::{OptionAccess, OptionKind, OptionRow, OptionValue};

use crate::{
    entry::{octets, status},
    errno::Errno,
    events::Edge,
    socket::{Face, enter},
};

const RCVMORE: c_int = 13;
const FD: c_int = 14;
const EVENTS: c_int = 15;
const TCP_ACCEPT_FILTER: c_int = 38;
const ROUTER_RAW: c_int = 41;
/// PLAIN_USERNAME, PLAIN_PASSWORD, ZAP_DOMAIN, SOCKS_USERNAME, SOCKS_PASSWORD: sent as they are
/// said, a zero at their end as well.
const SENT: [c_int; 5] = [45, 46, 55, 99, 100];
/// TCP_ACCEPT_FILTER, IPC_FILTER_PID, _UID, _GID, PLAIN_USERNAME, PLAIN_PASSWORD, SOCKS_PROXY, BINDTODEVICE: NULL takes them
/// back, while text without a letter means nothing.
const CLEARED_BY_NULL: [c_int; 8] = [38, 45, 46, 58, 59, 60, 68, 92];
/// IPC_FILTER_PID, _UID, _GID: lists, of which NULL leaves none.
const LISTS: RangeInclusive<c_int> = 58..=60;
const THREAD_SAFE: c_int = 81;
const CURVE_PUBLICKEY: c_int = 48;
const CURVE_SERVERKEY: c_int = 50;

/// Sets an option.
///
/// # Safety
/// `socket` is NULL, or a handle of ours; `len` octets at `value` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_setsockopt(
    socket: *mut c_void,
    option: c_int,
    value: *const c_void,
    len: usize,
) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let mut face = unsafe { enter(socket) }?;
        if !face.socket.is_open() {
            return Err(Errno::ETERM);
        }
        if value.is_null() && len > 0 {
            return Err(Errno::EINVAL);
        }
        let row = OptionRow::numbered(option).ok_or(Errno::EINVAL)?;
        if CLEARED_BY_NULL.contains(&option) && !value.is_null() && len == 0 {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the same as ours.
        let value = read(row, unsafe { octets(value, len) })?;
        let is_set = value != OptionValue::Number(0);
        face.socket.set_option(option, value)?;
        if option == ROUTER_RAW {
            face.says_octets = is_set;
        }
        Ok(())
    })
}

/// The value of an option, into so much room; `len` says then how much was needed.
///
/// # Safety
/// `socket` is NULL, or a handle of ours; `len` is NULL or can be written; so many octets at
/// `value` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_getsockopt(
    socket: *mut c_void,
    option: c_int,
    value: *mut c_void,
    len: *mut usize,
) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let mut face = unsafe { enter(socket) }?;
        if !face.socket.is_open() {
            return Err(Errno::ETERM);
        }
        // SAFETY: it is NULL or can be written.
        let len = unsafe { len.as_mut() }.ok_or(Errno::EFAULT)?;
        if value.is_null() {
            return Err(Errno::EFAULT);
        }
        let octets = face.value(option, *len)?;
        if octets.len() > *len {
            return Err(Errno::EINVAL);
        }
        // SAFETY: there is room for `len` octets, and these are no more.
        unsafe {
            ptr::copy_nonoverlapping(octets.as_ptr(), value.cast(), octets.len());
            ptr::write_bytes(value.cast::<u8>().add(octets.len()), 0, *len - octets.len());
        }
        *len = octets.len();
        Ok(())
    })
}

impl Face {
    /// The value of an option as C has it, for so much room.
    fn value(&mut self, option: c_int, room: usize) -> Result<Vec<u8>, Errno> {
        let number = |number: c_int| Ok(number.to_ne_bytes().to_vec());
        match option {
            RCVMORE => return number(self.more.into()),
            THREAD_SAFE => return number(0),
            FD => {
                let edge = match &mut self.edge {
                    Some(edge) => edge,
                    none => none.insert(Edge::new(&self.socket)?),
                };
                return number(edge.descriptor());
            }
            EVENTS => return number(self.events()),
            _ => {}
        }
        let row = OptionRow::numbered(option).ok_or(Errno::EINVAL)?;
        if row.access == OptionAccess::Set {
            return Err(Errno::EINVAL);
        }
        write(row, &self.socket.option(option)?, room)
    }

    /// `ZMQ_EVENTS`: 1 can receive, 2 can send.
    pub(crate) fn events(&mut self) -> c_int {
        if let Some(edge) = &mut self.edge {
            edge.lower();
        }
        let look = self.socket.look();
        let readable = look.readable || self.more;
        let writable = look.writable && !self.is_amid();
        c_int::from(readable) | c_int::from(writable) << 1
    }
}

/// A value as C has it.
fn read(row: &OptionRow, octets: &[u8]) -> Result<OptionValue, Errno> {
    let number = match row.kind {
        OptionKind::Int if LISTS.contains(&row.number) && octets.is_empty() => {
            return Ok(octets.into());
        }
        OptionKind::Int => i32::from_ne_bytes(exactly(octets)?).into(),
        OptionKind::I64 => i64::from_ne_bytes(exactly(octets)?),
        // All 64 bits count, and the library has them in a number with a sign.
        OptionKind::U64 => u64::from_ne_bytes(exactly(octets)?) as i64,
        OptionKind::Text if SENT.contains(&row.number) => return Ok(octets.into()),
        OptionKind::Text => {
            // A C string may be said with its end, or without.
            let end = octets.iter().position(|octet| *octet == 0);
            if end == Some(0) && row.number == TCP_ACCEPT_FILTER {
                return Err(Errno::EINVAL);
            }
            return Ok(octets[..end.unwrap_or(octets.len())].into());
        }
        _ => return Ok(octets.into()),
    };
    Ok(number.into())
}

fn exactly<const N: usize>(octets: &[u8]) -> Result<[u8; N], Errno> {
    octets.try_into().map_err(|_| Errno::EINVAL)
}

/// A value for C, for so much room: a number wants its own size.
fn write(row: &OptionRow, value: &OptionValue, room: usize) -> Result<Vec<u8>, Errno> {
    let number = |octets: &[u8]| match octets.len() == room {
        true => Ok(octets.to_vec()),
        false => Err(Errno::EINVAL),
    };
    Ok(match (row.kind, value) {
        (OptionKind::Int, OptionValue::Number(value)) => {
            let value = i32::try_from(*value).unwrap_or(i32::MAX);
            return number(&value.to_ne_bytes());
        }
        (_, OptionValue::Number(value)) => return number(&value.to_ne_bytes()),
        (_, OptionValue::Octets(key))
            if (CURVE_PUBLICKEY..=CURVE_SERVERKEY).contains(&row.number) =>
        {
            return key_for(key, room);
        }
        (OptionKind::Text, OptionValue::Octets(text)) => {
            let mut text = text.to_vec();
            text.push(0);
            text
        }
        (_, OptionValue::Octets(octets)) => octets.to_vec(),
        _ => return Err(Errno::EINVAL),
    })
}

/// A key: 32 octets, or the 41 of its text.
fn key_for(key: &[u8], room: usize) -> Result<Vec<u8>, Errno> {
    match room {
        32 => Ok(key.to_vec()),
        41 => crate::z85::encode(key).map(|mut text| {
            text.push(0);
            text
        }),
        _ => Err(Errno::EINVAL),
    }
}
