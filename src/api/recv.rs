//! Receiving: the same calls on every type that receives messages as they are.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    owner::Owner,
    sockets::{Dealer, Pair, Pull, Req, Sub, XPub, XSub},
};
use crate::base::{error::RecvError, event::PeerInfo, message::Message};

macro_rules! receives {
    ($($kind:ident: $doc:literal),+) => {$(
        impl $kind {
            #[doc = $doc]
            ///
            /// # Errors
            /// `TimedOut` if a receive timeout was set, `Interrupted`, `Closed`, and on REQ `WrongState` if
            /// nothing was asked, `PeerLost` if the peer that was asked is gone.
            pub fn recv(&self) -> Result<Message, RecvError> {
                self.owner.recv_message()
            }

            /// The next message, and what is known of its sender: address, properties, and who
            /// it is, if it was asked. `None` if the sender has left.
            ///
            /// # Errors
            /// As [`recv`](Self::recv).
            pub fn recv_with_info(&self) -> Result<(Message, Option<Arc<PeerInfo>>), RecvError> {
                let received = self.owner.recv_with_info();
                received.map(|(received, info)| (received.message, info))
            }

            /// The next message, if it is here.
            ///
            /// # Errors
            /// `Empty` if none is; else as [`recv`](Self::recv).
            pub fn try_recv(&self) -> Result<Message, RecvError> {
                self.owner.try_recv_message()
            }

            /// The next message, waiting at most `timeout`.
            ///
            /// # Errors
            /// `TimedOut`; else as [`recv`](Self::recv).
            pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
                self.owner.recv_message_within(timeout)
            }

            /// The next message, as a future for any executor.
            ///
            /// Cancel safety: a message leaves the socket only when the future is ready; one that
            /// is dropped before has taken nothing.
            ///
            /// # Errors
            /// As [`recv`](Self::recv), but for the timeout.
            pub fn recv_async(&self) -> impl Future<Output = Result<Message, RecvError>> + Send {
                let future = self.owner.recv_future();
                async move { future.await.map(|received| received.message) }
            }

            /// Iterates over messages, waiting for each. Ends when the socket closes or is
            /// interrupted, or a receive timeout that was set has passed.
            pub fn iter(&self) -> Iter<'_> {
                Iter { owner: &self.owner }
            }

            /// Iterates over the messages that are here.
            pub fn try_iter(&self) -> impl Iterator<Item = Message> + '_ {
                std::iter::from_fn(|| self.try_recv().ok())
            }
        }

        impl<'a> IntoIterator for &'a $kind {
            type Item = Message;
            type IntoIter = Iter<'a>;

            fn into_iter(self) -> Iter<'a> {
                self.iter()
            }
        }
    )+};
}

receives!(
    Pull: "The next message, from the peer whose turn it is; waits for one.",
    Sub: "The next message that matches a subscription; waits for one.",
    XSub: "The next message; waits for one.",
    XPub: "What a subscriber says: 1 or 0 and a topic when it subscribes or cancels, or a message \
           of an XSUB; waits for one.",
    Dealer: "The next message, from the peer whose turn it is; waits for one.",
    Pair: "The next message of the peer; waits for one.",
    Req: "The answer to the open request; waits for it."
);

macro_rules! receives_many {
    ($($kind:ident),+) => {$(
        impl $kind {
            /// Receives what is here, at most `most` messages, onto the end of `into`; waits until
            /// there is one. Gives how many came. They are those that so many calls of
            /// [`recv`](Self::recv) would have given, in the same order and as fair, for one entry
            /// into the socket: for receivers of small messages by the million.
            ///
            /// ```
            /// use hubless::{Pull, Push};
            ///
            /// let pull = Pull::new()?;
            /// pull.bind("inproc://letters")?;
            /// let push = Push::new()?;
            /// push.connect("inproc://letters")?;
            /// push.send_all(["a", "b", "c"])?;
            ///
            /// let mut batch = Vec::new();
            /// assert_eq!(pull.recv_many(&mut batch, 2)?, 2);
            /// for message in batch.drain(..) {
            ///     println!("{}", message[0].as_str().unwrap_or("?"));
            /// }
            /// assert_eq!(pull.recv_many(&mut batch, 2)?, 1);
            /// # Ok::<(), hubless::Error>(())
            /// ```
            ///
            /// # Errors
            /// As [`recv`](Self::recv); then nothing has come.
            pub fn recv_many(
                &self,
                into: &mut Vec<Message>,
                most: usize,
            ) -> Result<usize, RecvError> {
                self.owner.recv_many(into, most)
            }
        }
    )+};
}

receives_many!(Pull, Sub, XSub, XPub, Dealer, Pair);

/// Messages one by one: see [`Pull::iter`].
///
/// ```
/// use std::{thread, time::Duration};
/// use hubless::{Pull, Push};
///
/// let pull = Pull::new()?;
/// pull.bind("inproc://numbers")?;
/// let reader = pull.clone();
/// let adding = thread::spawn(move || {
///     let mut sum = 0;
///     for number in &reader {
///         sum += number.as_str().unwrap_or_default().parse().unwrap_or(0);
///         if sum == 6 {
///             reader.close(Duration::ZERO)?; // the loop ends with the socket
///         }
///     }
///     Ok::<i32, hubless::Error>(sum)
/// });
///
/// let push = Push::new()?;
/// push.connect("inproc://numbers")?;
/// push.send_all(["1", "2", "3"])?;
/// assert_eq!(adding.join().unwrap()?, 6);
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    owner: &'a Owner,
}

impl Iterator for Iter<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.owner.recv_message().ok()
    }
}
