//! Sending: the same calls on every type that sends.

use std::{future::Future, time::Duration};

use super::sockets::{Dealer, Pair, Pub, Push, Req, XPub, XSub};
use crate::{
    base::{error::SendError, message::Message},
    core::To,
};

macro_rules! sends {
    ($($kind:ident: $doc:literal),+) => {$(
        impl $kind {
            #[doc = $doc]
            ///
            /// # Errors
            /// The message comes back in the error: `TimedOut` if a send timeout was set,
            /// `Interrupted`, `Closed`, `TooLarge` for its context (option `MAX_MSGSZ`), and on
            /// REQ `WrongState` while a request is open.
            pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
                self.owner.send(To::Anyone, message.into())
            }

            /// Sends now or not at all.
            ///
            /// # Errors
            /// `Full` if that would have to wait; else as [`send`](Self::send).
            pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
                self.owner.socket.try_send(To::Anyone, message.into())
            }

            /// Sends, waiting at most `timeout`.
            ///
            /// # Errors
            /// `TimedOut`; else as [`send`](Self::send).
            pub fn send_timeout(
                &self,
                message: impl Into<Message>,
                timeout: Duration,
            ) -> Result<(), SendError> {
                self.owner.send_within(To::Anyone, message.into(), Some(timeout))
            }

            /// Sends, as a future for any executor.
            ///
            /// Cancel safety: a future that is dropped before it is ready has sent nothing.
            ///
            /// # Errors
            /// As [`send`](Self::send), but for the timeout.
            pub fn send_async(
                &self,
                message: impl Into<Message>,
            ) -> impl Future<Output = Result<(), SendError>> + Send {
                self.owner.send_future(To::Anyone, message.into())
            }

            /// Sends every message of an iterator, waiting as [`send`](Self::send) does.
            ///
            /// # Errors
            /// The first refusal ends it.
            pub fn send_all<M: Into<Message>>(
                &self,
                messages: impl IntoIterator<Item = M>,
            ) -> Result<(), SendError> {
                messages.into_iter().try_for_each(|message| self.send(message))
            }
        }
    )+};
}

sends!(
    Push: "Hands a message to the peer whose turn it is, skipping those at their mark; waits \
           while there is none.",
    Pub: "Sends a message to every subscriber that it matches by the prefix of its first frame. \
          Never waits: who is at its mark loses it, and it is counted, unless `no_drop` is set.",
    XPub: "Sends a message to every subscriber that it matches by the prefix of its first frame. \
           Never waits: who is at its mark loses it, and it is counted, unless `no_drop` is set.",
    XSub: "A message that begins with 1 or 0 subscribes to the topic behind that octet, or \
           cancels; any other goes to every publisher.",
    Dealer: "Sends a message to the peer whose turn it is, skipping those at their mark; waits \
             while there is none.",
    Pair: "Sends a message to the peer; waits while there is none, or it is at its mark.",
    Req: "Asks: sends a request to the peer whose turn it is; waits while there is none. The \
          answer comes by `recv`. (`request` does both.)"
);
