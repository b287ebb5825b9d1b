//! ROUTER and STREAM: messages to and from peers by name.

use std::{borrow::Borrow, fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    owner::Owner,
    sockets::{Router, Stream},
};
use crate::{
    base::{
        error::{RecvError, SendError},
        event::PeerInfo,
        message::{Frame, Message},
        name::Name,
    },
    core::To,
    pattern::Received,
};

/// A peer's routing id: what it calls itself, or what the ROUTER made up for it.
///
/// ```
/// use hubless::PeerId;
///
/// let id = PeerId::from("ann");
/// assert_eq!(id, "ann");
/// assert_eq!(id.as_bytes(), b"ann");
/// assert_eq!(PeerId::from(&[0, 1, 255][..]).to_string(), "0001ff");
///
/// let ages = std::collections::BTreeMap::from([(id.clone(), 7)]);
/// assert_eq!(ages.get(&b"ann"[..]), Some(&7)); // by its octets
/// let envelope = hubless::Message::from([id.as_bytes(), b"", b"hello"]);
/// assert_eq!(envelope[0], "ann");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(Name);

impl PeerId {
    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for PeerId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for PeerId {
    fn from(id: &str) -> PeerId {
        PeerId(Name::copy_from(id.as_bytes()))
    }
}

impl From<&[u8]> for PeerId {
    fn from(id: &[u8]) -> PeerId {
        PeerId(Name::copy_from(id))
    }
}

impl From<Bytes> for PeerId {
    fn from(id: Bytes) -> PeerId {
        PeerId(Name::from(id))
    }
}

impl From<String> for PeerId {
    fn from(id: String) -> PeerId {
        PeerId(Name::from(Bytes::from(id)))
    }
}

impl From<Vec<u8>> for PeerId {
    fn from(id: Vec<u8>) -> PeerId {
        PeerId(Name::from(Bytes::from(id)))
    }
}

/// To put a name into an envelope.
impl From<PeerId> for Frame {
    fn from(id: PeerId) -> Frame {
        Frame::from(id.0)
    }
}

/// So that a map by peers can be asked by octets: a name hashes and sorts as they do.
impl Borrow<[u8]> for PeerId {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<[u8]> for PeerId {
    fn eq(&self, other: &[u8]) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<str> for PeerId {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for PeerId {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

impl fmt::Display for PeerId {
    /// As text if it is printable, else in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) => {
                f.write_str(text)
            }
            _ => self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
        }
    }
}

pub(super) fn from(received: Received) -> (PeerId, Message) {
    (PeerId(received.identity), received.message)
}

/// A message with its sender's routing id as the first frame.
pub(super) fn framed(received: Received) -> Message {
    joined(from(received))
}

fn joined((PeerId(name), mut message): (PeerId, Message)) -> Message {
    message.push_front(name);
    message
}

macro_rules! addressed {
    ($($kind:ident)+) => {$(
        impl $kind {
            /// Sends to the peer of that routing id. Never waits.
            ///
            /// # Errors
            /// `Unroutable` if there is no such peer, `Full` if it is at its mark, `TooLarge` for
            /// its context (option `MAX_MSGSZ`), `Closed`; the message comes back.
            pub fn send_to(
                &self,
                peer: impl AsRef<[u8]>,
                message: impl Into<Message>,
            ) -> Result<(), SendError> {
                self.owner
                    .socket
                    .try_send(To::Peer(peer.as_ref()), message.into())
            }

            /// Sends to the peer that the first frame names; that frame does not travel. Never waits.
            ///
            /// # Errors
            /// As [`send_to`](Self::send_to).
            pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
                self.owner.socket.try_send(To::Anyone, message.into())
            }

            /// The next message and its sender, from the peer whose turn it is; waits for one.
            ///
            /// # Errors
            /// `TimedOut` if a receive timeout was set, `Interrupted`, `Closed`.
            pub fn recv_from(&self) -> Result<(PeerId, Message), RecvError> {
                self.owner.recv_from()
            }

            /// The next message and its sender, if one is here.
            ///
            /// # Errors
            /// `Empty` or `Closed`.
            pub fn try_recv_from(&self) -> Result<(PeerId, Message), RecvError> {
                match self.owner.recv_named() {
                    Some(received) => Ok(received),
                    None => self.owner.socket.try_recv().map(from),
                }
            }

            /// The next message and its sender, waiting at most `timeout`.
            ///
            /// # Errors
            /// `TimedOut`, `Interrupted` or `Closed`.
            pub fn recv_from_timeout(&self, timeout: Duration) -> Result<(PeerId, Message), RecvError> {
                match self.owner.recv_named() {
                    Some(received) => Ok(received),
                    None => self.owner.recv_within(Some(timeout)).map(from),
                }
            }

            /// The next message and its sender, as a future for any executor.
            ///
            /// Cancel safety: one that is dropped before it is ready has taken nothing.
            ///
            /// # Errors
            /// `Closed`.
            pub fn recv_from_async(
                &self,
            ) -> impl Future<Output = Result<(PeerId, Message), RecvError>> + Send {
                let future = self.owner.recv_future();
                async move { future.await.map(from) }
            }

            /// The next message with its sender's routing id as the first frame; waits for one.
            ///
            /// # Errors
            /// As [`recv_from`](Self::recv_from).
            pub fn recv(&self) -> Result<Message, RecvError> {
                self.recv_from().map(joined)
            }

            /// As [`recv`](Self::recv), if a message is here.
            ///
            /// # Errors
            /// As [`try_recv_from`](Self::try_recv_from).
            pub fn try_recv(&self) -> Result<Message, RecvError> {
                self.try_recv_from().map(joined)
            }

            /// As [`recv`](Self::recv), waiting at most `timeout`.
            ///
            /// # Errors
            /// As [`recv_from_timeout`](Self::recv_from_timeout).
            pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
                self.recv_from_timeout(timeout).map(joined)
            }

            /// As [`recv`](Self::recv), as a future for any executor.
            ///
            /// Cancel safety: one that is dropped before it is ready has taken nothing.
            ///
            /// # Errors
            /// `Closed`.
            pub fn recv_async(&self) -> impl Future<Output = Result<Message, RecvError>> + Send {
                let future = self.recv_from_async();
                async move { future.await.map(joined) }
            }

            /// Iterates over messages and their senders, waiting for each. Ends when the socket
            /// closes or is interrupted, or a receive timeout that was set has passed.
            pub fn iter(&self) -> Addressed<'_> {
                Addressed { owner: &self.owner }
            }
        }

        impl<'a> IntoIterator for &'a $kind {
            type Item = (PeerId, Message);
            type IntoIter = Addressed<'a>;

            fn into_iter(self) -> Addressed<'a> {
                self.iter()
            }
        }
    )+};
}

addressed!(Router Stream);

impl Router {
    /// The next message, its sender, and what is known of it: see
    /// [`Dealer::recv_with_info`](crate::Dealer::recv_with_info).
    ///
    /// # Errors
    /// As [`recv_from`](Router::recv_from).
    pub fn recv_with_info(&self) -> Result<(PeerId, Message, Option<Arc<PeerInfo>>), RecvError> {
        let (received, info) = self.owner.recv_with_info()?;
        let (peer, message) = from(received);
        Ok((peer, message, info))
    }
}

impl Stream {
    /// Ends the connection of that name, once what was sent to it has left; the same as sending it
    /// nothing. What has come from it and is not yet received is dropped, and so is its name.
    ///
    /// # Errors
    /// `Unroutable` if there is no such connection, `Closed`.
    pub fn hang_up(&self, peer: impl AsRef<[u8]>) -> Result<(), SendError> {
        self.send_to(peer, Message::new())
    }
}

impl Owner {
    fn recv_from(&self) -> Result<(PeerId, Message), RecvError> {
        match self.recv_named() {
            Some(received) => Ok(received),
            None => self.recv().map(from),
        }
    }

    #[inline]
    fn recv_named(&self) -> Option<(PeerId, Message)> {
        let (name, message) = self.socket.recv_named()?;
        Some((PeerId(name), message))
    }
}

/// Messages and their senders one by one: see [`Router::iter`].
#[derive(Clone, Debug)]
pub struct Addressed<'a> {
    owner: &'a Owner,
}

impl Iterator for Addressed<'_> {
    type Item = (PeerId, Message);

    fn next(&mut self) -> Option<Self::Item> {
        self.owner.recv_from().ok()
    }
}
