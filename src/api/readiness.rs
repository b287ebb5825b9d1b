//! Readiness as a descriptor, for programs that have a loop of their own.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
};

use super::sockets::{Dealer, Pair, Pull, Rep, Req, Router, Stream, Sub, XPub, XSub};
use crate::{base::error::Error, core::Signal};

/// A descriptor that is readable while its socket has something to receive.
///
/// Hand it to a loop of your own: mio, epoll, kqueue, `poll(2)`, an executor's reactor. It is for
/// polling only: never read or write it. It is level-triggered by nature: as long as a receive
/// would not wait, it is readable, also after the socket has closed (the receive says so); once
/// the last message is taken, by whichever thread, it is not. In a loop that is edge-triggered,
/// as mio's is, receive with `try_recv` until that answers `Empty`: then the next message is an
/// edge.
///
/// Another thread that uses the socket may be faster: what is readable may be gone when you come.
/// While it is alive, each message that is received costs a little more, and one that comes while
/// none was here, or that leaves none behind, a system call. For several sockets in a loop of
/// their own a [`Poller`](crate::Poller) is cheaper.
///
/// ```
/// use std::time::Duration;
/// use hubless::{Interest, Poller, Pull, Push};
///
/// let pull = Pull::new()?;
/// pull.bind("inproc://shown-outside")?;
/// let readiness = pull.readiness()?;
///
/// let push = Push::new()?;
/// push.connect("inproc://shown-outside")?;
/// push.send("hello")?;
///
/// // A poller stands for any loop that takes descriptors.
/// let mut outside = Poller::new()?;
/// outside.add_descriptor(&readiness, 0, Interest::READABLE)?;
/// let mut ready = Vec::new();
/// assert_eq!(outside.wait(&mut ready, None)?, 1);
/// pull.try_recv()?;
/// assert_eq!(outside.wait(&mut ready, Some(Duration::ZERO))?, 0);
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Debug)]
pub struct Readiness {
    signal: Arc<Signal>,
    descriptor: OwnedFd,
}

impl Drop for Readiness {
    fn drop(&mut self) {
        self.signal.end();
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

macro_rules! shows {
    ($($kind:ident),+) => {$(
        impl $kind {
            /// A descriptor that is readable while there is something to receive, for a loop of
            /// your own. It takes three of the process's descriptors.
            ///
            /// # Errors
            /// `TooMany` when descriptors have run out.
            pub fn readiness(&self) -> Result<Readiness, Error> {
                let (signal, descriptor) = Signal::new(&self.owner.socket)
                    .map_err(|error| Error::from_io("a readiness", error))?;
                Ok(Readiness { signal, descriptor })
            }
        }
    )+};
}

shows!(
    Pull, Sub, XSub, XPub, Dealer, Router, Stream, Pair, Req, Rep
);
