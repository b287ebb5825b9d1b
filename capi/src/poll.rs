//! `zmq_poll`: sockets and descriptors, until one of them is ready.

use std::{
    ffi::{c_int, c_long, c_short, c_void},
    os::fd::RawFd,
    slice,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use hubless::{
    ErrorKind, Interest,
    untyped::{Look, Socket, Watcher},
};

use crate::{
    entry::guarded,
    errno::Errno,
    signal::{Signal, readable, wait_for},
    socket::enter,
};

const POLLIN: c_short = 1;
const POLLOUT: c_short = 2;
const POLLERR: c_short = 4;
const POLLPRI: c_short = 8;

/// What is waited for: a socket, or a descriptor if that is NULL.
#[repr(C)]
#[derive(Debug)]
pub struct PollItem {
    socket: *mut c_void,
    descriptor: RawFd,
    events: c_short,
    revents: c_short,
}

/// Waits until something is ready, at most so many milliseconds (-1: for ever). Answers how many
/// are.
///
/// # Safety
/// `items` is NULL, or `count` of them can be written; their sockets are NULL or handles of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poll(items: *mut PollItem, count: c_int, timeout: c_long) -> c_int {
    guarded(-1, || {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        let timeout = u64::try_from(timeout).ok().map(Duration::from_millis);
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if count == 0 {
            wait_for(&mut [], timeout)?;
            return Ok(0);
        }
        if items.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: so many can be written.
        let items = unsafe { slice::from_raw_parts_mut(items, count) };
        let mut watching = None;
        loop {
            // SAFETY: the same as ours.
            let ready = unsafe { look_at(items) }?;
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if ready > 0 || left.is_some_and(|left| left.is_zero()) {
                return Ok(c_int::try_from(ready).unwrap_or(c_int::MAX));
            }
            if let [item] = &items[..] {
                if !item.socket.is_null() {
                    // SAFETY: the same as ours.
                    unsafe { wait_for_one(item, left) }?;
                    continue;
                }
            }
            let watching = match &mut watching {
                Some(watching) => watching,
                // SAFETY: the same as ours.
                none => none.insert(unsafe { Watching::new(items) }?),
            };
            watching.wait(left)?;
        }
    })
}

/// Looks at everything without waiting. Answers how many are ready.
///
/// Descriptors first: to ask a socket takes back what its own descriptor told, and that may be
/// among them.
///
/// # Safety
/// The items' sockets are NULL or handles of ours.
unsafe fn look_at(items: &mut [PollItem]) -> Result<usize, Errno> {
    let mut ready = look_at_descriptors(items)?;
    for item in items.iter_mut().filter(|item| !item.socket.is_null()) {
        // SAFETY: the same as ours.
        let mut face = unsafe { enter(item.socket) }?;
        if !face.socket.is_open() {
            return Err(Errno::ETERM);
        }
        item.revents = face.events() as c_short & item.events;
        ready += usize::from(item.revents != 0);
    }
    Ok(ready)
}

fn look_at_descriptors(items: &mut [PollItem]) -> Result<usize, Errno> {
    let mut items: Vec<&mut PollItem> = items
        .iter_mut()
        .filter(|item| item.socket.is_null())
        .collect();
    let mut descriptors: Vec<libc::pollfd> = items.iter().map(|item| described(item)).collect();
    if descriptors.is_empty() {
        return Ok(0);
    }
    let ready = wait_for(&mut descriptors, Some(Duration::ZERO))?;
    let bits = [
        (libc::POLLIN, POLLIN),
        (libc::POLLOUT, POLLOUT),
        (libc::POLLPRI, POLLPRI),
    ];
    for (item, found) in items.iter_mut().zip(&descriptors) {
        item.revents = 0;
        for (theirs, ours) in bits {
            if found.revents & theirs != 0 {
                item.revents |= ours;
            }
        }
        if found.revents & !(libc::POLLIN | libc::POLLOUT | libc::POLLPRI) != 0 {
            item.revents |= POLLERR;
        }
    }
    Ok(ready)
}

/// A descriptor as the system has it.
fn described(item: &PollItem) -> libc::pollfd {
    let mut events = 0;
    if item.events & POLLIN != 0 {
        events |= libc::POLLIN;
    }
    if item.events & POLLOUT != 0 {
        events |= libc::POLLOUT;
    }
    if item.events & POLLPRI != 0 {
        events |= libc::POLLPRI;
    }
    libc::pollfd {
        fd: item.descriptor,
        events,
        revents: 0,
    }
}

/// Waits for the only socket there is: this thread drives it meanwhile.
///
/// # Safety
/// The item's socket is a handle of ours.
unsafe fn wait_for_one(item: &PollItem, left: Option<Duration>) -> Result<(), Errno> {
    // SAFETY: the same as ours.
    let (socket, interest) = unsafe { awaited(item) }?;
    match socket.wait(interest, left) {
        Ok(_) | Err(ErrorKind::TimedOut) => Ok(()),
        Err(kind) => Err(kind.into()),
    }
}

/// What is waited for of a socket: what it cannot become ready for before it is used again, is not.
/// That its context ends is heard of in any case.
///
/// # Safety
/// The item's socket is a handle of ours.
unsafe fn awaited(item: &PollItem) -> Result<(Socket, Interest), Errno> {
    // SAFETY: the same as ours.
    let face = unsafe { enter(item.socket) }?;
    let mut interest = Interest::NOTHING;
    if item.events & POLLIN != 0 {
        interest = interest | Interest::READABLE;
    }
    if item.events & POLLOUT != 0 && !face.is_amid() {
        interest = interest | Interest::WRITABLE;
    }
    Ok((face.socket.clone(), interest))
}

/// Several are waited for.
struct Watching {
    signal: Arc<Signal>,
    sockets: Vec<(Watcher, Interest)>,
    descriptors: Vec<libc::pollfd>,
}

impl Watching {
    /// # Safety
    /// The items' sockets are NULL or handles of ours.
    unsafe fn new(items: &[PollItem]) -> Result<Watching, Errno> {
        let signal = Arc::new(Signal::new()?);
        let mut watching = Watching {
            descriptors: vec![readable(signal.descriptor())],
            sockets: Vec::new(),
            signal,
        };
        for item in items {
            if item.socket.is_null() {
                watching.descriptors.push(described(item));
            } else {
                // SAFETY: the same as ours.
                let (socket, interest) = unsafe { awaited(item) }?;
                let waker = Waker::from(Arc::clone(&watching.signal));
                watching.sockets.push((socket.watch(waker), interest));
            }
        }
        Ok(watching)
    }

    /// Waits until something may be ready.
    fn wait(&mut self, left: Option<Duration>) -> Result<(), Errno> {
        let mut looks = self.sockets.iter().map(|(watcher, it)| watcher.look(*it));
        if !looks.any(Look::is_ready) {
            wait_for(&mut self.descriptors, left)?;
            self.signal.lower();
        }
        Ok(())
    }
}
