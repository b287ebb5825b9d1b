//! Sockets whose type is known only when the program runs: for tools, and for other languages.
//!
//! The same sockets and the same path as the typed ones, with libzmq's manners where a type of
//! ours would have forbidden the misuse: a ROUTER's messages begin with a routing id, a REP
//! answers what it received last, a REQ whose peer is gone goes on waiting, and what makes no
//! sense is `WrongState`. A signal that comes while a call waits ends it.

mod lent;
mod readiness;
mod receive;
mod turn;

use std::{sync::Arc, task::Waker, time::Duration};

use super::{
    context::Context,
    interrupt::Interrupter,
    monitor::Monitor,
    owner::{Owner, Soon, Waiting},
    proxy::Proxy,
    router::framed,
};
use crate::{
    base::{
        endpoint::{Endpoint, IntoEndpoint},
        error::{Error, ErrorKind, RecvError, SendError},
        event::PeerInfo,
        message::Message,
        option_table::{OptionDefault, OptionRow, OptionValue},
        options::Options,
        socket_type::SocketType,
        stats::SocketStats,
        sync::Ordering,
    },
    core::{self, Listened, PeerState, Place, To},
    pattern::Received,
    pipe::Plain,
};

use self::turn::Turn;

pub use self::{
    lent::{lend, lend_on, let_go, take_lent},
    readiness::Watcher,
};
pub use super::exclusive::{Exclusive, ExclusiveGuard};
pub use crate::core::InPlace;

/// A socket of a type that is chosen at run time.
///
/// ```
/// use hubless::{Context, SocketType, untyped::Socket};
///
/// let context = Context::new();
/// let rep = Socket::new(&context, SocketType::Rep)?;
/// let req = Socket::new(&context, SocketType::Req)?;
/// rep.bind("inproc://any-type")?;
/// req.connect("inproc://any-type")?;
/// req.send("what type are you?")?;
/// assert_eq!(rep.recv()?[0], "what type are you?");
/// rep.send(format!("{}", rep.socket_type()))?;
/// assert_eq!(req.recv()?[0], "REP");
/// assert!(rep.send("twice").is_err());
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// A clone is the same socket, and all calls may be made from any thread. It closes with its
/// last clone.
#[derive(Clone, Debug)]
pub struct Socket {
    owner: Arc<Owner>,
    turn: Arc<Turn>,
}

/// How long a call may wait.
#[derive(Clone, Copy)]
enum Wait {
    /// As the socket's option says.
    Own,
    For(Duration),
}

impl Socket {
    /// A socket with our defaults.
    ///
    /// # Errors
    /// `Closed` if the context is, `TooMany` if it has as many sockets as it may.
    pub fn new(context: &Context, socket_type: SocketType) -> Result<Socket, Error> {
        Socket::with_options(context, socket_type, Options::default())
    }

    /// A socket with libzmq's defaults, where ours differ: it lingers for ever, tries to connect
    /// every 100 ms, takes messages of any size, and a ROUTER drops what it cannot route. Beyond
    /// what options say: heartbeats go to ZMTP 3.0 peers, too; the waits before connecting again are
    /// never shorter than was said; over inproc, sockets of any two types meet; and who does not wait
    /// feels the marks of the network's peers as they are set.
    ///
    /// # Errors
    /// As [`new`](Socket::new).
    pub fn like_libzmq(context: &Context, socket_type: SocketType) -> Result<Socket, Error> {
        let mut options = Options {
            like_libzmq: true,
            ..Options::default()
        };
        // How much is read and written at one time is about speed alone, and stays ours.
        let speed = |row: &OptionRow| row.name.ends_with("_BATCH_SIZE");
        let differs = |row: &&OptionRow| row.ours.is_some() && !speed(row);
        for row in OptionRow::of_sockets().iter().filter(differs) {
            if let OptionDefault::Number(number) = row.default {
                // What is only read, or no option of this type, stays ours.
                if row.check_like(socket_type, true, &number.into()).is_ok() {
                    row.set(&mut options, socket_type, &number.into())?;
                }
            }
        }
        options.message_frames_max = usize::MAX;
        let socket = Socket::with_options(context, socket_type, options)?;
        socket.owner.socket.feel_marks();
        Ok(socket)
    }

    fn with_options(
        context: &Context,
        kind: SocketType,
        mut options: Options,
    ) -> Result<Socket, Error> {
        context.inner.begin(&mut options, false, false);
        let socket = core::Socket::new(&context.inner, kind, options)?;
        socket.tell_who();
        Ok(Socket {
            owner: Owner::new(socket),
            turn: Arc::new(Turn::new()),
        })
    }

    /// Its type.
    pub fn socket_type(&self) -> SocketType {
        self.owner.socket.socket_type()
    }

    // ---- endpoints

    /// Binds, and says where to.
    ///
    /// # Errors
    /// As the typed sockets' `bind`.
    pub fn bind(&self, endpoint: impl IntoEndpoint) -> Result<Endpoint, Error> {
        self.owner.socket.bind(&endpoint.into_endpoint()?)
    }

    /// Connects: returns at once and goes on trying.
    ///
    /// # Errors
    /// As the typed sockets' `connect`.
    pub fn connect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        self.owner
            .socket
            .connect(&endpoint.into_endpoint()?)
            .map(drop)
    }

    /// Stops listening there.
    ///
    /// # Errors
    /// `NotFound` if it is not bound there.
    pub fn unbind(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        self.owner.socket.unbind(&endpoint.into_endpoint()?)
    }

    /// Ends a connected endpoint; what came from there and was not received is gone.
    ///
    /// # Errors
    /// `NotFound` if it is not connected there.
    pub fn disconnect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        let endpoint = endpoint.into_endpoint()?;
        self.owner.socket.disconnect_unread(&endpoint)
    }

    // ---- options

    /// Sets an option by libzmq's number, to libzmq's value: see `docs/OPTIONS.md`.
    ///
    /// # Errors
    /// `InvalidOption`: no such option, one that cannot act here, is another type's, is only read
    /// or settled already; a value of another kind or out of range. `Closed`.
    pub fn set_option(&self, number: i32, value: impl Into<OptionValue>) -> Result<(), Error> {
        self.owner.socket.set_option(row(number)?, &value.into())
    }

    /// The value of an option, by libzmq's number.
    ///
    /// # Errors
    /// `InvalidOption`: no such option, or it cannot be read here.
    pub fn option(&self, number: i32) -> Result<OptionValue, Error> {
        let row = row(number)?;
        if row.name == "EVENTS" {
            let look = self.look();
            return Ok((i32::from(look.readable) | i32::from(look.writable) << 1).into());
        }
        self.owner.socket.option(row)
    }

    // ---- sending

    /// Sends, waiting for room as long as the socket's send timeout says.
    ///
    /// # Errors
    /// `TimedOut`, `Unroutable`, `WrongState`, `Interrupted` (also by a signal), `Closed`; the
    /// message comes back.
    #[inline]
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let mut message = message.into();
        if self.send_plain(&mut message) {
            return Ok(());
        }
        self.send_slowly(message, Wait::Own)
    }

    /// Sends now or not at all.
    ///
    /// # Errors
    /// As [`send`](Socket::send), with `Full` in place of `TimedOut`.
    #[inline]
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let mut message = message.into();
        if self.send_plain(&mut message) {
            return Ok(());
        }
        let message = self.check_turn(message)?;
        match self.socket_type() {
            SocketType::Rep => self.reply(message),
            _ => self.owner.socket.send_now(To::Anyone, message),
        }
    }

    /// As [`try_send`](Socket::try_send), if there is nothing to it but to queue the message, and
    /// without moving that. False: the message is as it was.
    #[inline]
    pub fn send_plain(&self, message: &mut Message) -> bool {
        self.send_shortly(message)
    }

    /// As [`send_plain`](Socket::send_plain), of one frame with a copy of these octets, which go
    /// from here to where they wait. False: nothing was done.
    #[inline]
    pub fn send_octets(&self, octets: &[u8]) -> bool {
        self.send_shortly(octets)
    }

    #[inline(always)]
    fn send_shortly(&self, message: impl Plain) -> bool {
        match self.socket_type().is_lock_step() {
            true => self.send_in_turn(message),
            false => self.owner.socket.send_plain(To::Anyone, message),
        }
    }

    /// As [`send_plain`](Socket::send_plain), of those who take turns.
    #[inline(never)]
    fn send_in_turn(&self, message: impl Plain) -> bool {
        let socket = &self.owner.socket;
        match self.socket_type() {
            SocketType::Rep => match self.turn.end() {
                Some(route) => socket.reply_if_open(&route, message),
                None => false,
            },
            _ => !self.is_lost() && socket.send_plain(To::Anyone, message),
        }
    }

    /// Sends, waiting for room at most `timeout`.
    ///
    /// # Errors
    /// As [`send`](Socket::send).
    pub fn send_timeout(
        &self,
        message: impl Into<Message>,
        timeout: Duration,
    ) -> Result<(), SendError> {
        self.send_slowly(message.into(), Wait::For(timeout))
    }

    fn send_slowly(&self, message: Message, wait: Wait) -> Result<(), SendError> {
        let message = self.check_turn(message)?;
        if self.socket_type() == SocketType::Rep {
            return self.reply(message);
        }
        let timeout = match wait {
            Wait::Own => self.owner.socket.send_timeout(),
            Wait::For(timeout) => Some(timeout),
        };
        self.owner.send_hearing(To::Anyone, message, timeout, true)
    }

    /// Would a message with this first frame be taken now? For those who say a message frame by
    /// frame, and want to know at the first.
    ///
    /// # Errors
    /// What [`try_send`](Socket::try_send) would answer.
    pub fn try_admit(&self, first: &[u8]) -> Result<(), ErrorKind> {
        self.check_turn(Message::new())
            .map_err(|refused| refused.kind())?;
        match self.socket_type() {
            SocketType::Rep if self.turn.is_owed() => Ok(()),
            SocketType::Rep => Err(ErrorKind::WrongState),
            _ => self.owner.socket.admit(first),
        }
    }

    /// As [`try_admit`](Socket::try_admit), waiting for room as [`send`](Socket::send) does.
    ///
    /// # Errors
    /// What [`send`](Socket::send) would answer.
    pub fn admit(&self, first: &[u8]) -> Result<(), ErrorKind> {
        match self.try_admit(first) {
            Err(ErrorKind::Full) => {}
            done => return done,
        }
        let socket = &self.owner.socket;
        let mut place = Place::default();
        let deadline = self.owner.deadline(socket.send_timeout());
        let attempt = |waker: &Waker| socket.poll_admit(&mut place, first, waker);
        let waited = socket.block_hearing(deadline, false, true, attempt);
        socket.leave_send(&mut place);
        waited?
    }

    /// REQ: the peer that was asked is gone, and nobody has said that the socket may ask again.
    fn check_turn(&self, message: Message) -> Result<Message, SendError> {
        if !self.turn.lost.load(Ordering::Relaxed) {
            return Ok(message);
        }
        if !self.is_relaxed() {
            return Err(SendError::WrongState(message));
        }
        self.turn.lost.store(false, Ordering::Relaxed);
        Ok(message)
    }

    fn reply(&self, mut message: Message) -> Result<(), SendError> {
        // To whoever has gone meanwhile, nothing is to be said.
        if self.send_in_turn(&mut message) {
            return Ok(());
        }
        Err(match self.is_open() {
            true => SendError::WrongState(message),
            false => SendError::Closed(message),
        })
    }

    // ---- receiving

    /// The next message, waiting for it as long as the socket's receive timeout says.
    ///
    /// # Errors
    /// `TimedOut`, `WrongState`, `Interrupted` (also by a signal), `Closed`.
    #[inline]
    pub fn recv(&self) -> Result<Message, RecvError> {
        match self.owner.socket.recv_plain() {
            Some(message) => Ok(message),
            None => self.recv_slowly(self.owner.socket.recv_timeout()),
        }
    }

    /// As [`recv`](Socket::recv), with who has sent it, as far as that is known: over inproc,
    /// nobody is.
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn recv_from(&self) -> Result<(Message, Option<Arc<PeerInfo>>), RecvError> {
        let mut received = None;
        self.recv_received(self.owner.socket.recv_timeout(), &mut received)?;
        self.told(received)
    }

    fn told(
        &self,
        received: Option<Received>,
    ) -> Result<(Message, Option<Arc<PeerInfo>>), RecvError> {
        let mut received = received.ok_or(RecvError::Empty)?;
        let info = received.info.take();
        Ok((self.shape(received), info))
    }

    /// The next message, if it has been read already: for those who wait if not. What takes
    /// turns mostly has to wait, and is not even looked for.
    ///
    /// # Errors
    /// As [`try_recv`](Socket::try_recv).
    #[inline]
    pub fn recv_read(&self) -> Result<Message, RecvError> {
        if let Some(message) = self.owner.socket.recv_plain() {
            return Ok(message);
        }
        if self.socket_type().is_lock_step() {
            return Err(RecvError::Empty);
        }
        let received = self.owner.socket.recv_now()?;
        Ok(self.shape(received))
    }

    /// The next message, if it is here.
    ///
    /// # Errors
    /// `Empty`, `WrongState`, `Closed`.
    #[inline]
    pub fn try_recv(&self) -> Result<Message, RecvError> {
        if let Some(message) = self.owner.socket.recv_plain() {
            return Ok(message);
        }
        self.try_received().map(|received| self.shape(received))
    }

    fn try_received(&self) -> Result<Received, RecvError> {
        self.check_recv()?;
        match self.owner.socket.try_recv() {
            Err(RecvError::PeerLost) => {
                self.turn.lost.store(true, Ordering::Relaxed);
                Err(RecvError::Empty)
            }
            Err(RecvError::WrongState) if self.is_lost() => Err(RecvError::Empty),
            result => result,
        }
    }

    /// The next message, waiting for it at most `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
        match self.owner.socket.recv_plain() {
            Some(message) => Ok(message),
            None => self.recv_slowly(Some(timeout)),
        }
    }

    fn recv_slowly(&self, timeout: Option<Duration>) -> Result<Message, RecvError> {
        let mut received = None;
        self.recv_received(timeout, &mut received)?;
        received.map_or(Err(RecvError::Empty), |it| Ok(self.shape(it)))
    }

    fn recv_received(
        &self,
        timeout: Option<Duration>,
        into: &mut Option<Received>,
    ) -> Result<(), RecvError> {
        if self.owner.socket.is_interrupted() {
            return Err(RecvError::Interrupted);
        }
        match self.recv_soon(timeout, into) {
            Soon::Done(done) => done,
            Soon::Nothing(waiting) => self.recv_late(waiting, into),
        }
    }

    /// As [`Owner::recv_soon`]. A REQ whose peer is gone goes on waiting.
    fn recv_soon(&self, timeout: Option<Duration>, into: &mut Option<Received>) -> Soon {
        if let Err(wrong) = self.check_recv() {
            return Soon::Done(Err(wrong));
        }
        if !self.is_lost() {
            match self.owner.recv_soon(timeout, into) {
                Soon::Done(Err(RecvError::PeerLost)) => {
                    self.turn.lost.store(true, Ordering::Relaxed);
                }
                soon => return soon,
            }
        }
        Soon::Nothing(Waiting {
            until: self.owner.deadline(timeout),
            listened: Listened::NotAtAll,
        })
    }

    fn recv_late(&self, waiting: Waiting, into: &mut Option<Received>) -> Result<(), RecvError> {
        if !self.is_lost() {
            match self.owner.recv_late(waiting, true, into) {
                Err(RecvError::PeerLost) => self.turn.lost.store(true, Ordering::Relaxed),
                done => return done,
            }
        }
        // Nobody is left who could answer.
        let socket = &self.owner.socket;
        let mut place = Place::default();
        let closed = |waker: &Waker| socket.poll_peers(&mut place, waker, |_, _| false);
        let waited = socket.block_hearing(waiting.until, false, true, closed);
        socket.leave_change(&mut place);
        Err(match waited {
            Ok(_) => RecvError::Closed,
            Err(ErrorKind::Interrupted) => RecvError::Interrupted,
            Err(_) => RecvError::TimedOut,
        })
    }

    /// REP: the last request is to be answered first.
    fn check_recv(&self) -> Result<(), RecvError> {
        let owes = self.socket_type() == SocketType::Rep && self.turn.is_owed();
        if owes && self.owner.socket.is_open() {
            return Err(RecvError::WrongState);
        }
        Ok(())
    }

    fn shape(&self, received: Received) -> Message {
        match self.socket_type() {
            kind if kind.addresses() => framed(received),
            SocketType::Rep => {
                self.turn.begin(received.route);
                received.message
            }
            _ => received.message,
        }
    }

    // ---- looking on

    /// Watches what happens to its connections, from now on.
    pub fn monitor(&self) -> Monitor {
        Monitor::new(&self.owner.socket)
    }

    /// A handle that ends its blocking calls from another thread.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter::of_socket(&self.owner.socket)
    }

    /// Every peer, with its counters.
    pub fn peers(&self) -> Vec<PeerState> {
        self.owner.socket.peers()
    }

    /// The counters of all peers together, those that have left included.
    pub fn stats(&self) -> SocketStats {
        self.owner.socket.stats()
    }

    /// A proxy between this socket and another, whatever their types: see [`Proxy`]. A signal that
    /// comes while it waits ends it.
    pub fn proxy(&self, backend: &Socket, capture: Option<&Socket>) -> Proxy {
        let owner = |socket: &Socket| Arc::clone(&socket.owner);
        Proxy::between(owner(self), owner(backend), capture.map(owner))
    }

    /// Is it open still? Not once it, or its context, was closed.
    pub fn is_open(&self) -> bool {
        self.owner.socket.is_open()
    }

    /// Closes it for all its clones and does not wait: what is queued leaves behind the scenes,
    /// as long as the socket lingers.
    pub fn close_behind(&self) {
        self.owner.hasty.store(true, Ordering::Relaxed);
        let linger = self.owner.socket.options().linger;
        self.owner.socket.close(linger);
    }
}

fn row(number: i32) -> Result<&'static OptionRow, Error> {
    OptionRow::numbered(number)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOption, format!("number {number}")))
}
