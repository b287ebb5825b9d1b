//! Monitors: a socket's events, told as messages on an inproc PAIR.
//!
//! ```text
//!   socket ── event ── waker: Told ── try_send ──► PAIR at the address ══► the program's PAIR
//! ```
//!
//! Nobody waits for the reader: what finds no room is lost.

use std::{
    ffi::{c_char, c_int, c_void},
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{self, Poll, Wake, Waker},
};

use hubless::{Event, Message, Monitor, SocketType, untyped::Socket};

use crate::{
    entry::{status, text},
    errno::Errno,
    socket::{Face, enter},
};

/// What is told last.
const STOPPED: u16 = 0x0400;
const LINGER: c_int = 17;

/// Who is told of a socket's events.
pub(crate) struct Told {
    line: Mutex<Option<Line>>,
}

struct Line {
    events: Monitor,
    pair: Socket,
    /// The events that are wanted.
    mask: c_int,
    /// As long as the socket is open.
    _told: Arc<Told>,
}

impl Told {
    /// Tells everything that has happened since.
    fn tell(self: &Arc<Told>) {
        let mut guard = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = &*guard else {
            return;
        };
        let waker = Waker::from(Arc::new(Hears(Arc::downgrade(self))));
        let mut context = task::Context::from_waker(&waker);
        loop {
            match pin!(line.events.recv_async()).poll(&mut context) {
                Poll::Ready(Some(event)) => line.tell(&event),
                Poll::Ready(None) => break,
                Poll::Pending => return,
            }
        }
        let ended = guard.take();
        drop(guard);
        if let Some(line) = ended {
            line.end();
        }
    }

    /// Tells no more.
    pub(crate) fn stop(&self) {
        let line = self
            .line
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(line) = line {
            line.end();
        }
    }
}

impl Line {
    fn tell(&self, event: &Event) {
        for (number, value) in event.libzmq() {
            if self.mask & c_int::from(number) != 0 {
                self.say(number, value, &event.endpoint.to_string());
            }
        }
    }

    fn say(&self, number: u16, value: u32, endpoint: &str) {
        let mut what = [0; 6];
        what[..2].copy_from_slice(&number.to_ne_bytes());
        what[2..].copy_from_slice(&value.to_ne_bytes());
        // A reader that is slow, or gone, misses it.
        let _ = self.pair.try_send(Message::from((&what[..], endpoint)));
    }

    fn end(self) {
        if self.mask & c_int::from(STOPPED) != 0 {
            self.say(STOPPED, 0, "");
        }
        self.pair.close_behind();
    }
}

/// Woken when there is something to tell.
struct Hears(Weak<Told>);

impl Wake for Hears {
    fn wake(self: Arc<Hears>) {
        if let Some(told) = self.0.upgrade() {
            told.tell();
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").finish_non_exhaustive()
    }
}

/// Tells a socket's events on a PAIR that is bound at `address`; to nobody if that is NULL.
///
/// # Safety
/// `socket` is NULL, or a handle of ours; `address` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor(
    socket: *mut c_void,
    address: *const c_char,
    events: c_int,
) -> c_int {
    status(|| {
        // SAFETY: the same as ours.
        let mut face = unsafe { enter(socket) }?;
        if !face.socket.is_open() {
            return Err(Errno::ETERM);
        }
        if events & !0xffff != 0 {
            return Err(Errno::EINVAL);
        }
        if address.is_null() {
            face.tell_nobody();
            return Ok(());
        }
        // SAFETY: the same as ours.
        let address = unsafe { text(address) }?;
        match address.split_once("://") {
            Some(("inproc", _)) => face.tell_at(address, events),
            Some(_) => Err(Errno::EPROTONOSUPPORT),
            None => Err(Errno::EINVAL),
        }
    })
}

impl Face {
    fn tell_nobody(&mut self) {
        if let Some(told) = self.told.take() {
            told.stop();
        }
    }

    fn tell_at(&mut self, address: &str, mask: c_int) -> Result<(), Errno> {
        self.tell_nobody();
        if mask == 0 {
            return Ok(());
        }
        let pair = self.context.helper(SocketType::Pair)?;
        pair.set_option(LINGER, 0)?;
        if let Err(error) = pair.bind(address) {
            pair.close_behind();
            return Err(error.into());
        }
        let told = Arc::new(Told {
            line: Mutex::new(None),
        });
        let line = Line {
            events: self.socket.monitor(),
            pair,
            mask,
            _told: Arc::clone(&told),
        };
        *told.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        told.tell();
        self.told = Some(told);
        Ok(())
    }
}
