//! Interrupting: a handle that ends blocking calls from another thread.

use std::{fmt, sync::Arc};

use super::poller::Inbox;
use crate::core::Socket;

/// Ends the blocking calls of a socket, or of a [`Poller`](crate::Poller), from another thread:
/// for Ctrl-C, or a button that says "stop".
///
/// After [`interrupt`](Interrupter::interrupt) every call that might wait, be it under way or
/// made later, on whichever clone and in whichever thread, answers `Interrupted`, until
/// [`resume`](Interrupter::resume). So it does not matter what the other thread was doing just
/// then. Calls that never wait (`try_recv`, `try_send`, a `Router`'s sends) go on, and so do
/// futures, which end by being dropped. Closing is not interrupted.
///
/// Cancel safety: an interrupted receive has taken nothing, `try_recv` finds what is here; an
/// interrupted send gives its message back; an interrupted request is given up, as one that has
/// timed out, and may have been heard.
///
/// ```
/// use std::thread;
/// use hubless::{Pull, RecvError};
///
/// let pull = Pull::new()?;
/// pull.bind("inproc://interrupted")?;
/// let interrupter = pull.interrupter();
/// let other = thread::spawn(move || interrupter.interrupt());
/// assert_eq!(pull.recv(), Err(RecvError::Interrupted)); // nothing came, and it does not wait
/// assert_eq!(pull.try_recv(), Err(RecvError::Empty));
/// # other.join().unwrap();
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// It takes locks: do not call it in a signal handler itself, but in a thread that hears of
/// signals (as the crates `ctrlc` and `signal-hook` have it; see the example `interrupt`).
#[derive(Clone)]
pub struct Interrupter {
    target: Target,
}

#[derive(Clone)]
enum Target {
    Socket(Arc<Socket>),
    Poller(Arc<Inbox>),
}

impl Interrupter {
    pub(super) fn of_socket(socket: &Arc<Socket>) -> Interrupter {
        Interrupter {
            target: Target::Socket(Arc::clone(socket)),
        }
    }

    pub(super) fn of_poller(inbox: &Arc<Inbox>) -> Interrupter {
        Interrupter {
            target: Target::Poller(Arc::clone(inbox)),
        }
    }

    /// Ends blocking calls, and refuses new ones.
    pub fn interrupt(&self) {
        match &self.target {
            Target::Socket(socket) => socket.interrupt(),
            Target::Poller(inbox) => inbox.interrupt(),
        }
    }

    /// Blocking calls wait again.
    pub fn resume(&self) {
        match &self.target {
            Target::Socket(socket) => socket.resume(),
            Target::Poller(inbox) => inbox.resume(),
        }
    }

    /// Are blocking calls refused? Not of a socket that has closed: there they end anyway.
    pub fn is_interrupted(&self) -> bool {
        match &self.target {
            Target::Socket(socket) => socket.is_interrupted(),
            Target::Poller(inbox) => inbox.is_interrupted(),
        }
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupter")
            .field("is_interrupted", &self.is_interrupted())
            .finish_non_exhaustive()
    }
}
