//! What tcp and ipc have in common once a socket stands: reading, writing, accepting.

use std::io::{self, IoSlice};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::sys;

/// A fresh stream socket, non-blocking, closed on exec.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn new(domain: Domain, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new(domain, Type::STREAM.nonblocking(), protocol)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn new(domain: Domain, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Does it listen?
pub(super) fn check_listening(socket: &Socket) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if !socket.is_listener()? {
        let what = "the socket does not listen";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let _ = socket;
    Ok(())
}

/// Why a peer that no filter lets in is not accepted.
pub(super) fn unwelcome() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "no filter lets it in")
}

/// Sets the sizes of the kernel's buffers, in octets; `None`: the system's choice.
pub(super) fn size_buffers(
    socket: &Socket,
    send: Option<usize>,
    recv: Option<usize>,
) -> io::Result<()> {
    if let Some(octets) = send {
        socket.set_send_buffer_size(octets)?;
    }
    if let Some(octets) = recv {
        socket.set_recv_buffer_size(octets)?;
    }
    Ok(())
}

/// Does this outcome of a connect mean that the outcome is still open? A signal does not stop an
/// attempt that has begun.
pub(super) fn is_under_way(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR))
}

/// Appends at most `limit` octets to `into`; see [`Stream::read`](crate::reactor::metal::Stream).
pub(super) fn read(socket: &Socket, into: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
    debug_assert!(limit > 0, "nothing read looks like the end of the stream");
    uninterrupted(|| sys::read(socket, into, limit))
}

/// Writes from the slices in turn; see [`Stream::write`](crate::reactor::metal::Stream).
pub(super) fn write(socket: &Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    uninterrupted(|| match slices {
        // One slice needs no message header, which the kernel would have to copy in and check.
        [only] => socket.send_with_flags(only, NO_SIGNAL),
        _ => socket.send_vectored_with_flags(slices, NO_SIGNAL),
    })
}

/// Takes one connection, non-blocking, closed on exec. A connection that was gone before we came
/// is passed over.
pub(super) fn accept(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    loop {
        match uninterrupted(|| accept_one(listener)) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            other => return other,
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn accept_one(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    listener.accept4(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn accept_one(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    let (socket, from) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok((socket, from))
}

/// Has the connection been made? `WouldBlock` while that is open.
pub(super) fn finish_connect(socket: &Socket) -> io::Result<()> {
    match socket.peer_addr() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            // It has failed, or is under way.
            Err(match socket.take_error()? {
                Some(error) => error,
                None => io::ErrorKind::WouldBlock.into(),
            })
        }
        Err(error) => Err(error),
    }
}

/// Does again what a signal has cut short.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// socket2 sets `SO_NOSIGPIPE` where there is no such flag.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: libc::c_int = 0;
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;
