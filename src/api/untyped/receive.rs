//! Receiving with who has sent it, and in place: for those whose messages lie in memory of their
//! own.

use std::{sync::Arc, time::Duration};

use super::{Socket, Soon, Waiting};
use crate::{
    base::{error::RecvError, event::PeerInfo, message::Message},
    core::{InPlace, Listened},
};

impl Socket {
    /// As [`try_recv`](Socket::try_recv), if there is nothing to it but to take a message: that
    /// goes to `take`, with who has sent it, as far as that is known: over inproc, nobody is. The
    /// socket is locked meanwhile: `take` must not call it, and should do little. `None`: nothing
    /// was done.
    #[inline(always)]
    pub fn recv_plain_with<T>(
        &self,
        take: impl FnOnce(InPlace<'_>, Option<&Arc<PeerInfo>>) -> T,
    ) -> Option<T> {
        self.owner.socket.recv_plain_with(take)
    }

    /// As [`recv_from`](Socket::recv_from), if a message has been read already; or, of those who
    /// take turns, if one comes within the short time that a receiver looks again before it sleeps.
    /// For those who hold something that others may want, and let go of it before they wait: if
    /// this is `Empty`, that is for [`recv_late_from`](Socket::recv_late_from).
    ///
    /// # Errors
    /// As [`try_recv`](Socket::try_recv).
    pub fn recv_soon_from(&self) -> Result<(Message, Option<Arc<PeerInfo>>), RecvError> {
        let timeout = self.owner.socket.recv_timeout();
        let hurries = timeout == Some(Duration::ZERO) || self.owner.socket.is_interrupted();
        if self.socket_type().is_lock_step() && hurries {
            self.check_recv()?;
            return Err(RecvError::Empty);
        }
        let mut received = None;
        match self.recv_soon(timeout, &mut received) {
            Soon::Done(done) => done?,
            Soon::Nothing(_) => return Err(RecvError::Empty),
        }
        self.told(received)
    }

    /// As [`recv_from`](Socket::recv_from), after [`recv_soon_from`](Socket::recv_soon_from) has
    /// found nothing: it does not look again, but sleeps.
    ///
    /// # Errors
    /// The same.
    pub fn recv_late_from(&self) -> Result<(Message, Option<Arc<PeerInfo>>), RecvError> {
        let socket = &self.owner.socket;
        let takes_turns = self.socket_type().is_lock_step();
        let waiting = Waiting {
            until: self.owner.deadline(socket.recv_timeout()),
            listened: match takes_turns && !socket.is_on_network() {
                true => Listened::InVain,
                false => Listened::NotAtAll,
            },
        };
        let mut received = None;
        self.recv_late(waiting, &mut received)?;
        self.told(received)
    }

    /// As [`try_recv`](Socket::try_recv), with who has sent it.
    ///
    /// # Errors
    /// The same.
    pub fn try_recv_from(&self) -> Result<(Message, Option<Arc<PeerInfo>>), RecvError> {
        self.told(Some(self.try_received()?))
    }
}
