//! Proxies: two sockets joined in the caller's thread, until their context ends.

use std::ffi::{c_int, c_void};

use hubless::{
    ProxyHandle, SocketType, WayStats,
    untyped::{self, Socket},
};

use crate::{entry::status, errno::Errno, socket::enter};

/// Joins two sockets; a copy of each message goes to `capture`, unless that is NULL.
///
/// # Safety
/// Each is NULL, or a handle of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_proxy(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let [front, back] = unsafe { both(frontend, backend) }?;
        // SAFETY: the same as ours.
        let capture = unsafe { optional(capture) }?;
        if front.socket_type().is_lock_step() || back.socket_type().is_lock_step() {
            let same = frontend == backend;
            return pass_in_turns(&front, (!same).then_some(&back), capture.as_ref());
        }
        front.proxy(&back, capture.as_ref()).run();
        let all = [Some(front), Some(back), capture];
        Err(match all.iter().flatten().all(Socket::is_open) {
            true => Errno::EINTR,
            false => Errno::ETERM,
        })
    })
}

/// As [`zmq_proxy`], obeying `PAUSE`, `RESUME`, `TERMINATE` and `STATISTICS` on `control`.
///
/// # Safety
/// The same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_proxy_steerable(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> c_int {
    if control.is_null() {
        // SAFETY: the same as ours.
        return unsafe { zmq_proxy(frontend, backend, capture) };
    }
    status(|| {
        // SAFETY: the same as ours.
        let [front, back] = unsafe { both(frontend, backend) }?;
        // SAFETY: the same as ours.
        let capture = unsafe { optional(capture) }?;
        // SAFETY: the same as ours.
        let control = unsafe { enter(control) }?.socket.clone();
        let proxy = front.proxy(&back, capture.as_ref()).spawn()?;
        let obeyed = obey(&proxy, &control);
        proxy.stop();
        obeyed
    })
}

/// The old name of [`zmq_proxy`].
///
/// # Safety
/// The same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_device(
    _kind: c_int,
    frontend: *mut c_void,
    backend: *mut c_void,
) -> c_int {
    // SAFETY: the same as ours.
    unsafe { zmq_proxy(frontend, backend, std::ptr::null_mut()) }
}

/// Passes requests and answers, where REP and REQ take turns: one there, one back. What one socket
/// receives it sends itself, if there is no other.
fn pass_in_turns(
    front: &Socket,
    back: Option<&Socket>,
    capture: Option<&Socket>,
) -> Result<(), Errno> {
    let pass = |from: &Socket, to: &Socket| {
        let message = from.recv()?;
        if let Some(capture) = capture {
            capture.send(&message)?;
        }
        to.send(message)?;
        untyped::let_go();
        Ok::<(), Errno>(())
    };
    loop {
        pass(front, back.unwrap_or(front))?;
        if let Some(back) = back {
            pass(back, front)?;
        }
    }
}

/// # Safety
/// As [`zmq_proxy`].
unsafe fn both(frontend: *mut c_void, backend: *mut c_void) -> Result<[Socket; 2], Errno> {
    if frontend.is_null() || backend.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: the same as ours. One is left before the other is entered: they may be the same.
    unsafe {
        let front = enter(frontend)?.socket.clone();
        let back = enter(backend)?.socket.clone();
        Ok([front, back])
    }
}

/// # Safety
/// As [`zmq_proxy`].
unsafe fn optional(socket: *mut c_void) -> Result<Option<Socket>, Errno> {
    if socket.is_null() {
        return Ok(None);
    }
    // SAFETY: the same as ours.
    Ok(Some(unsafe { enter(socket) }?.socket.clone()))
}

/// Does what `control` says, until that is to end.
fn obey(proxy: &ProxyHandle, control: &Socket) -> Result<(), Errno> {
    loop {
        let said = control.recv()?;
        let mut reply = Vec::new();
        match said.first() {
            b"PAUSE" => proxy.pause(),
            b"RESUME" => proxy.resume(),
            b"TERMINATE" => {}
            b"STATISTICS" => reply = statistics(proxy),
            _ => {}
        }
        if control.socket_type() == SocketType::Rep || !reply.is_empty() {
            if reply.is_empty() {
                reply.push(Vec::new());
            }
            control.send(reply)?;
        }
        if said.first() == b"TERMINATE" {
            return Ok(());
        }
    }
}

/// Messages and octets that the frontend received and sent, then the backend.
fn statistics(proxy: &ProxyHandle) -> Vec<Vec<u8>> {
    let stats = proxy.stats();
    let received = |way: WayStats| [way.received, way.received_octets];
    let sent = |way: WayStats| [way.sent, way.sent_octets];
    let (forward, backward) = (stats.forward, stats.backward);
    [
        received(forward),
        sent(backward),
        received(backward),
        sent(forward),
    ]
    .iter()
    .flatten()
    .map(|number| number.to_ne_bytes().to_vec())
    .collect()
}
