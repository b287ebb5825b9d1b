//! Sockets as streams and sinks, for programs that compose these (feature `futures`).
//!
//! The same path as the futures and the blocking calls: a stream's `poll_next` is a receive, a
//! sink's `start_send` a send that does not wait. Only a message that finds no room stays in the
//! sink, until there is.

use std::{
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use futures_core::Stream;
use futures_sink::Sink;

use super::{
    monitor::Monitor,
    owner::Owner,
    reqrep::Responder,
    router::{self, PeerId},
    sockets::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub},
};
use crate::{
    base::{
        error::{RecvError, SendError},
        event::Event,
        message::Message,
    },
    core::{Place, To},
    pattern::Received,
};

/// What a socket receives, as a stream. It ends when the socket closes.
///
/// It holds a clone of its socket. Dropping it loses nothing: a message leaves the socket only
/// when the stream gives it.
///
/// ```
/// use std::{future::poll_fn, pin::Pin};
/// use futures_core::Stream;
/// use hubless::{Pull, RecvError};
///
/// async fn count(pull: &Pull) -> Result<usize, RecvError> {
///     let mut octets = 0;
///     let mut jobs = pull.stream();
///     // With the crate `futures`: while let Some(job) = jobs.try_next().await? { … }
///     while let Some(job) = poll_fn(|cx| Pin::new(&mut jobs).poll_next(cx)).await {
///         octets += job?.iter().map(|frame| frame.len()).sum::<usize>();
///     }
///     Ok(octets)
/// }
/// ```
#[must_use = "a stream does nothing unless it is polled"]
#[derive(Debug)]
pub struct Incoming<T> {
    owner: Arc<Owner>,
    place: Place,
    shape: fn(&Owner, Received) -> T,
}

impl<T> Incoming<T> {
    fn new(owner: &Arc<Owner>, shape: fn(&Owner, Received) -> T) -> Incoming<T> {
        Incoming {
            owner: Arc::clone(owner),
            place: Place::default(),
            shape,
        }
    }
}

impl<T> Stream for Incoming<T> {
    type Item = Result<T, RecvError>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let socket = &this.owner.socket;
        match socket.poll_recv(&mut this.place, context.waker()) {
            Poll::Ready(Ok(received)) => Poll::Ready(Some(Ok((this.shape)(&this.owner, received)))),
            Poll::Ready(Err(RecvError::Closed)) => Poll::Ready(None),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Pending => {
                // Whoever is about to wait writes out what it has left lying.
                socket.flush_before_wait();
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Incoming<T> {
    fn drop(&mut self) {
        self.owner.socket.leave_recv(&mut self.place);
    }
}

/// What a socket sends, as a sink.
///
/// It holds a clone of its socket. A message is flushed once the socket has taken it in; closing
/// the sink flushes it and leaves the socket open. A sink that is dropped unflushed may hold one
/// message that found no room: that one is not sent.
///
/// ```
/// use std::{future::poll_fn, pin::Pin};
/// use futures_sink::Sink;
/// use hubless::{Push, SendError};
///
/// async fn hand_out(push: &Push) -> Result<(), SendError> {
///     let mut jobs = push.sink();
///     // With the crate `futures`: jobs.send("wash".into()).await?
///     poll_fn(|cx| Pin::new(&mut jobs).poll_ready(cx)).await?;
///     Pin::new(&mut jobs).start_send("wash".into())?;
///     poll_fn(|cx| Pin::new(&mut jobs).poll_flush(cx)).await
/// }
/// ```
#[must_use = "a sink does nothing unless it is polled"]
#[derive(Debug)]
pub struct Outgoing {
    owner: Arc<Owner>,
    place: Place,
    /// Found no room.
    waits: Option<Message>,
}

impl Outgoing {
    fn new(owner: &Arc<Owner>) -> Outgoing {
        Outgoing {
            owner: Arc::clone(owner),
            place: Place::default(),
            waits: None,
        }
    }
}

impl Sink<Message> for Outgoing {
    type Error = SendError;

    fn poll_ready(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        self.poll_flush(context)
    }

    /// # Errors
    /// As [`try_send`](Push::try_send), but for `Full`: there is room for one message here. If
    /// that is taken, because nobody asked whether the sink is ready, it is `Full` after all.
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        let this = self.get_mut();
        if this.waits.is_some() {
            return Err(SendError::Full(message));
        }
        match this.owner.socket.try_send(To::Anyone, message) {
            Err(SendError::Full(message)) => {
                this.waits = Some(message);
                Ok(())
            }
            done => done,
        }
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        let socket = &this.owner.socket;
        socket.poll_send(
            &mut this.place,
            To::Anyone,
            &mut this.waits,
            context.waker(),
        )
    }

    fn poll_close(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        self.poll_flush(context)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.owner.socket.leave_send(&mut self.place);
    }
}

/// What a [`Router`] or a [`Stream`](crate::Stream) sends, as a sink of messages and whom they are for.
///
/// It is always ready: a message to somebody who is not there, or at its mark, comes back in the
/// error, as from [`send_to`](Router::send_to).
#[must_use = "a sink does nothing unless it is polled"]
#[derive(Debug)]
pub struct OutgoingTo {
    owner: Arc<Owner>,
}

impl Sink<(PeerId, Message)> for OutgoingTo {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(
        self: Pin<&mut Self>,
        (peer, message): (PeerId, Message),
    ) -> Result<(), SendError> {
        let socket = &self.owner.socket;
        socket.try_send(To::Peer(peer.as_bytes()), message)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }
}

/// A monitor is a stream of events that ends when its socket has closed.
impl Stream for Monitor {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Option<Event>> {
        self.queue.poll(context.waker())
    }
}

macro_rules! streams {
    ($($kind:ident),+) => {$(
        impl $kind {
            /// What it receives, as a stream (feature `futures`).
            pub fn stream(&self) -> Incoming<Message> {
                Incoming::new(&self.owner, |_, received| received.message)
            }
        }
    )+};
}

macro_rules! sinks {
    ($($kind:ident),+) => {$(
        impl $kind {
            /// What it sends, as a sink (feature `futures`).
            pub fn sink(&self) -> Outgoing {
                Outgoing::new(&self.owner)
            }
        }
    )+};
}

macro_rules! splits {
    ($($kind:ident),+) => {$(
        impl $kind {
            /// Both directions, for a task each (feature `futures`).
            pub fn split(self) -> (Outgoing, Incoming<Message>) {
                (self.sink(), self.stream())
            }
        }
    )+};
}

streams!(Pull, Sub, XSub, XPub, Dealer, Pair, Req);
sinks!(Push, Pub, XPub, XSub, Dealer, Pair, Req);
splits!(XPub, XSub, Dealer, Pair, Req);

macro_rules! addressed {
    ($($kind:path),+) => {$(
        impl $kind {
            /// What it receives and from whom, as a stream (feature `futures`).
            pub fn stream(&self) -> Incoming<(PeerId, Message)> {
                Incoming::new(&self.owner, |_, received| router::from(received))
            }

            /// What it sends and to whom, as a sink (feature `futures`).
            pub fn sink(&self) -> OutgoingTo {
                OutgoingTo {
                    owner: Arc::clone(&self.owner),
                }
            }

            /// Both directions, for a task each (feature `futures`).
            pub fn split(self) -> (OutgoingTo, Incoming<(PeerId, Message)>) {
                (self.sink(), self.stream())
            }
        }
    )+};
}

addressed!(Router, super::sockets::Stream);

impl Rep {
    /// Requests and what answers them, as a stream (feature `futures`).
    pub fn stream(&self) -> Incoming<(Message, Responder)> {
        Incoming::new(&self.owner, |owner, received| {
            Responder::new(&owner.socket, received)
        })
    }
}
