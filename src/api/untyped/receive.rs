//! Receiving with who has sent it, and in place: for those whose messages lie in memory of their
//! own.

use std::sync::Arc;

use super::Socket;
use crate::{
    base::{error::RecvError, event::PeerInfo, message::Message},
    core::InPlace,
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

    /// As [`recv_read`](Socket::recv_read), with who has sent it.
    ///
    /// # Errors
    /// The same.
    pub fn recv_read_from(&self) -> Result<(Message, Option<Arc<PeerInfo>>), RecvError> {
        if self.socket_type().is_lock_step() {
            return Err(RecvError::Empty);
        }
        let received = self.owner.socket.recv_now()?;
        Ok(self.told(received))
    }

    /// As [`try_recv`](Socket::try_recv), with who has sent it.
    ///
    /// # Errors
    /// The same.
    pub fn try_recv_from(&self) -> Result<(Message, Option<Arc<PeerInfo>>), RecvError> {
        self.try_received().map(|it| self.told(it))
    }
}
