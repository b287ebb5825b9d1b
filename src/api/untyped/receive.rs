//! Receiving in place: for those whose messages lie in memory of their own.

use std::sync::Arc;

use super::Socket;
use crate::{
    base::{error::RecvError, event::PeerInfo},
    core::InPlace,
};

impl Socket {
    /// As [`recv_read`](Socket::recv_read); the message goes to `take`, with who has sent it, as
    /// far as that is known: over inproc, nobody is. The socket is locked meanwhile: `take` must
    /// not call it, and should do little.
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn recv_read_with<T>(
        &self,
        mut take: impl FnMut(InPlace<'_>, Option<&Arc<PeerInfo>>) -> T,
    ) -> Result<T, RecvError> {
        if let Some(taken) = self.owner.socket.recv_plain_with(&mut take) {
            return Ok(taken);
        }
        if self.socket_type().is_lock_step() {
            return Err(RecvError::Empty);
        }
        let (message, sender) = self.told(self.owner.socket.recv_now()?);
        Ok(take(InPlace::Whole(message), sender.as_ref()))
    }

    /// As [`try_recv`](Socket::try_recv); the message goes to `take`, as
    /// [there](Socket::recv_read_with).
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_recv_with<T>(
        &self,
        mut take: impl FnMut(InPlace<'_>, Option<&Arc<PeerInfo>>) -> T,
    ) -> Result<T, RecvError> {
        if let Some(taken) = self.owner.socket.recv_plain_with(&mut take) {
            return Ok(taken);
        }
        let (message, sender) = self.told(self.try_received()?);
        Ok(take(InPlace::Whole(message), sender.as_ref()))
    }
}
