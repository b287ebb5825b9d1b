//! REQ and REP: a question, and its one answer.

use std::{future::Future, sync::Arc, time::Duration};

use super::sockets::{Rep, Req};
use crate::{
    base::{
        error::{Error, RecvError},
        event::PeerInfo,
        message::Message,
        time::Time,
    },
    core::{Socket, To},
    pattern::{Received, Route},
};

impl Req {
    /// Asks and waits for the answer. While another thread's request is open, waits for its end
    /// first.
    ///
    /// ```
    /// use std::thread;
    /// use hubless::{Rep, Req};
    ///
    /// let rep = Rep::new()?;
    /// let at = rep.bind("tcp://127.0.0.1:0")?;
    /// thread::spawn(move || {
    ///     for (request, responder) in &rep {
    ///         let name = request.as_str().unwrap_or("stranger");
    ///         responder.reply(format!("hello {name}"));
    ///     }
    /// });
    ///
    /// let req = Req::new()?;
    /// req.connect(&at)?;
    /// assert_eq!(req.request("world")?[0], "hello world");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// # Errors
    /// `PeerLost` if the peer that was asked has gone: the question may have been heard or not.
    /// `TimedOut` if a timeout was set, `Interrupted`, `Closed`. After each of them but the last
    /// the socket can ask again.
    pub fn request(&self, message: impl Into<Message>) -> Result<Message, Error> {
        let socket = &self.owner.socket;
        self.exchange(message.into(), socket.send_timeout(), socket.recv_timeout())
    }

    /// Asks and waits for the answer, at most `timeout` in all.
    ///
    /// A request that has timed out, or was interrupted, is given up: its connection is closed and
    /// made anew, so that an answer that comes late is not taken for another's. (With `correlate`
    /// the number on the wire does that, and the connection stays.)
    ///
    /// # Errors
    /// `TimedOut`; else as [`request`](Req::request).
    pub fn request_timeout(
        &self,
        message: impl Into<Message>,
        timeout: Duration,
    ) -> Result<Message, Error> {
        let until = self.owner.now() + timeout;
        self.owner
            .send_within(To::InTurn, message.into(), Some(timeout))?;
        self.answer(Some(until.since(self.owner.now())))
    }

    /// Asks, as a future for any executor.
    ///
    /// Cancel safety: a future that is dropped gives up its request, as one that has timed out.
    ///
    /// # Errors
    /// As [`request`](Req::request), but for the timeouts.
    pub fn request_async(
        &self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<Message, Error>> + Send {
        let message = message.into();
        async move {
            self.owner.send_future(To::InTurn, message).await?;
            let mut open = Open {
                socket: &self.owner.socket,
                answered: false,
            };
            let answer = self.owner.recv_future().await;
            open.answered = true;
            Ok(answer?.message)
        }
    }

    fn exchange(
        &self,
        message: Message,
        send_timeout: Option<Duration>,
        recv_timeout: Option<Duration>,
    ) -> Result<Message, Error> {
        self.owner.send_within(To::InTurn, message, send_timeout)?;
        self.answer(recv_timeout)
    }

    fn answer(&self, timeout: Option<Duration>) -> Result<Message, Error> {
        match self.owner.recv_within(timeout) {
            Ok(received) => Ok(received.message),
            Err(error) => {
                if matches!(error, RecvError::TimedOut | RecvError::Interrupted) {
                    self.owner.socket.abandon();
                }
                Err(error.into())
            }
        }
    }

    /// Gives up the open request, if there is one: the socket can ask again.
    pub fn abandon(&self) {
        self.owner.socket.abandon();
    }
}

/// A request that was sent, until its answer has come.
struct Open<'a> {
    socket: &'a Socket,
    answered: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.socket.abandon();
        }
    }
}

/// Answers one request. It may wait, and be given to another thread; several may be open.
///
/// Dropped without a word, it leaves the asker without an answer and harms nobody else. See
/// [`Rep`].
#[must_use = "the asker waits for the answer"]
#[derive(Debug)]
pub struct Responder {
    socket: Arc<Socket>,
    route: Option<Route>,
    asked_at: Time,
}

impl Responder {
    pub(super) fn new(socket: &Arc<Socket>, received: Received) -> (Message, Responder) {
        let responder = Responder {
            socket: Arc::clone(socket),
            route: received.route,
            asked_at: socket.context().metal().now(),
        };
        (received.message, responder)
    }

    /// Answers. True if the asker was still there to take it, connected as it was when it asked.
    /// Never waits: an asker with a full queue loses the answer.
    pub fn reply(self, message: impl Into<Message>) -> bool {
        match &self.route {
            Some(route) => self.socket.reply(route, message.into()),
            None => false,
        }
    }

    /// How long ago the request was received.
    pub fn age(&self) -> Duration {
        self.socket.context().metal().now().since(self.asked_at)
    }
}

impl Rep {
    /// The next request, and what answers it; waits for one.
    ///
    /// # Errors
    /// `TimedOut` if a receive timeout was set, `Interrupted`, `Closed`.
    pub fn recv(&self) -> Result<(Message, Responder), RecvError> {
        self.owner
            .recv()
            .map(|received| Responder::new(&self.owner.socket, received))
    }

    /// The next request, what answers it, and what is known of the asker: see
    /// [`Dealer::recv_with_info`](crate::Dealer::recv_with_info).
    ///
    /// # Errors
    /// As [`recv`](Rep::recv).
    pub fn recv_with_info(&self) -> Result<(Message, Responder, Option<Arc<PeerInfo>>), RecvError> {
        let (received, info) = self.owner.recv_with_info()?;
        let (request, responder) = Responder::new(&self.owner.socket, received);
        Ok((request, responder, info))
    }

    /// The next request, if it is here.
    ///
    /// # Errors
    /// `Empty` or `Closed`.
    pub fn try_recv(&self) -> Result<(Message, Responder), RecvError> {
        self.owner
            .socket
            .try_recv()
            .map(|received| Responder::new(&self.owner.socket, received))
    }

    /// The next request, waiting at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, `Interrupted` or `Closed`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<(Message, Responder), RecvError> {
        let received = self.owner.recv_within(Some(timeout))?;
        Ok(Responder::new(&self.owner.socket, received))
    }

    /// The next request, as a future for any executor.
    ///
    /// Cancel safety: one that is dropped before it is ready has taken nothing.
    ///
    /// # Errors
    /// `Closed`.
    pub fn recv_async(
        &self,
    ) -> impl Future<Output = Result<(Message, Responder), RecvError>> + Send {
        let future = self.owner.recv_future();
        async move {
            future
                .await
                .map(|received| Responder::new(&self.owner.socket, received))
        }
    }

    /// Answers every request by `answer`, until the socket closes.
    ///
    /// # Errors
    /// `TimedOut` if a receive timeout was set and no request came in that time, `Interrupted`.
    pub fn serve<M: Into<Message>>(
        &self,
        mut answer: impl FnMut(Message) -> M,
    ) -> Result<(), RecvError> {
        loop {
            match self.recv() {
                Ok((request, responder)) => {
                    responder.reply(answer(request));
                }
                Err(RecvError::Closed) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Iterates over requests, waiting for each. Ends when the socket closes or is interrupted, or
    /// a receive timeout that was set has passed.
    pub fn iter(&self) -> Requests<'_> {
        Requests { rep: self }
    }
}

/// Requests one by one: see [`Rep::iter`].
#[derive(Debug)]
pub struct Requests<'a> {
    rep: &'a Rep,
}

impl Iterator for Requests<'_> {
    type Item = (Message, Responder);

    fn next(&mut self) -> Option<Self::Item> {
        self.rep.recv().ok()
    }
}

impl<'a> IntoIterator for &'a Rep {
    type Item = (Message, Responder);
    type IntoIter = Requests<'a>;

    fn into_iter(self) -> Requests<'a> {
        self.iter()
    }
}
