//! A signal: a descriptor that is readable while a socket has something to receive.
//!
//! It is the descriptor of a selector that watches nothing but its own bell. Raising it is a
//! ring; lowering it is a poll, which takes the ring. A steady watcher of the socket is woken at
//! both turns; then what is true is looked up, under the signal's lock, so that of two who come
//! at a time the later one sees what the earlier one has done.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, OnceLock, Weak},
    task::{Wake, Waker},
    time::Duration,
};

use super::{bells::Bells, socket::Socket, watch::Watch};
use crate::{
    base::{
        interest::Interest,
        sync::{Mutex, Rank},
    },
    reactor::metal::{Bell, Ready, Selector},
};

/// Shows whether a socket has something to receive.
pub struct Signal {
    socket: Weak<Socket>,
    watch: OnceLock<Watch>,
    bell: Arc<dyn Bell>,
    flag: Mutex<Flag>,
}

struct Flag {
    selector: Box<dyn Selector>,
    ready: Vec<Ready>,
    raised: bool,
}

impl Signal {
    /// A signal of this socket, and its descriptor.
    ///
    /// # Errors
    /// When descriptors have run out: it takes three.
    pub fn new(socket: &Arc<Socket>) -> io::Result<(Arc<Signal>, OwnedFd)> {
        let selector = socket.context.metal.selector()?;
        let descriptor = selector.descriptor()?;
        let flag = |selector| Flag {
            selector,
            ready: Vec::new(),
            raised: false,
        };
        let signal = Arc::new(Signal {
            socket: Arc::downgrade(socket),
            watch: OnceLock::new(),
            bell: selector.bell()?,
            flag: Mutex::new(Rank::Signal, flag(selector)),
        });
        let watch = socket.watch(Waker::from(Arc::clone(&signal)), true);
        // Nobody wakes a watcher that has not looked yet, so this is the first to ask.
        signal.watch.get_or_init(|| watch);
        signal.settle();
        Ok((signal, descriptor))
    }

    /// Ends it: the descriptor stays as it is.
    pub fn end(&self) {
        if let (Some(socket), Some(watch)) = (self.socket.upgrade(), self.watch.get()) {
            socket.unwatch(*watch);
        }
    }

    /// Looks what is true, and shows it.
    fn settle(&self) {
        let (Some(socket), Some(watch)) = (self.socket.upgrade(), self.watch.get()) else {
            return;
        };
        let mut bells = Bells::default();
        let mut guard = self.flag.lock();
        let flag = &mut *guard;
        let readable = socket
            .look_noting(*watch, Interest::READABLE, &mut bells)
            .readable;
        if readable && !flag.raised {
            self.bell.ring();
        } else if flag.raised && !readable {
            if let Err(error) = flag.selector.poll(&mut flag.ready, Some(Duration::ZERO)) {
                log::error!("a signal's selector failed: {error}");
            }
        }
        flag.raised = readable;
        drop(guard);
        bells.ring(&socket);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Signal>) {
        self.settle();
    }

    fn wake_by_ref(self: &Arc<Signal>) {
        self.settle();
    }
}

impl std::fmt::Debug for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signal")
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}
