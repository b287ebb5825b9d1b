//! A socket: its peers and pattern behind one lock, and the calls programs make.
//!
//! ```text
//!   try_send / poll_send ─► lock ─► pattern ─► lane ─► unlock ─► flush or leave to the sweep, ring
//!   try_recv / poll_recv ─► lock ─► pattern ─► window ─► unlock ─► ring
//!   drive (reactor, or a caller that waits) ─► poll set ─► sessions ─► lock ─► … ─► unlock ─► ring
//! ```
//!
//! How peers come and go is in [`attach`](super::attach); what the poll set does in
//! [`pollset`](super::pollset); how a thread waits in [`wait`](super::wait).

use std::{
    sync::{Arc, OnceLock, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use slab::Slab;

use super::{
    attach::Attached,
    bells::{Bells, Remote},
    context::Context,
    job::Job,
    monitor::{Hub, Queue},
    pollset::PollSet,
    spin::Spin,
    state::{Left, Phase, Refused, State},
    terms::{Standing, check_type},
    wait::Place,
    work::Work,
};
use crate::{
    base::{
        context_options::ContextOptions,
        endpoint::Endpoint,
        error::{Error, RecvError, SendError},
        event::PeerInfo,
        histogram::Histogram,
        message::Message,
        name::Name,
        options::{Balance, Options},
        socket_type::SocketType,
        stats::LaneStats,
        sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, Rank, biased::Biased, park::Alarm},
    },
    pattern::{Effects, Pattern, Received, Refusal},
    pipe::Plain,
    reactor::Handle,
};

/// A socket of any type.
pub struct Socket {
    /// Ourselves, for those who must outlive a call.
    pub(super) me: Weak<Socket>,
    pub(super) context: Arc<Context>,
    pub(super) socket_type: SocketType,
    pub(super) receives: bool,
    /// A message may go the short way.
    sends_plain: bool,
    pub(super) publishes: bool,
    pub(super) standing: Standing,
    pub(super) state: Biased<State>,
    /// Held while subscriptions are told to inproc peers, so that they keep their order.
    pub(super) announcing: Mutex<()>,
    pub(super) set: Mutex<Option<PollSet>>,
    pub(super) net: OnceLock<Net>,
    pub(super) jobs: Mutex<Vec<Job>>,
    /// Somebody found the poll set taken: whoever has it shall look again.
    pub(super) wanted: AtomicBool,
    /// The poll set is out of the reactor's hands: see [`lease`](super::lease).
    pub(super) leased: AtomicBool,
    /// Waits that have begun under a lease, and turns in passing, ever; and how many the reactor has seen.
    pub(super) lease_uses: AtomicU64,
    pub(super) lease_seen: AtomicU64,
    /// The reactor has stopped checking the lease.
    pub(super) long_wait: AtomicBool,
    /// When octets were last written.
    pub(super) flushed_at: AtomicU64,
    /// A sweep is writing out what lay.
    pub(super) sweeping: AtomicBool,
    /// Whether receivers that wait look again before they sleep.
    pub(super) spin: Mutex<Spin>,
    /// A word has come since a receiver found nothing: see [`listening`](super::listening).
    pub(super) called: AtomicBool,
    /// Threads asleep while another one drives.
    pub(super) parked: AtomicUsize,
    /// Somebody watches: see [`watch`](super::watch).
    pub(super) watched: AtomicBool,
    /// As in the state, to be looked at without its lock.
    pub(super) interrupted: AtomicBool,
    pub(super) hub: Hub,
    pub(super) work: Arc<Work>,
}

/// A message, and what is known of its sender; `None` if that has left.
pub type WithInfo = (Received, Option<Arc<PeerInfo>>);

/// What a socket needs once it leaves the process.
pub(super) struct Net {
    pub(super) reactor: Handle,
    /// Our key with the reactor.
    pub(super) key: usize,
    /// The number of its thread.
    pub(super) io_thread: usize,
    /// Ends a poll of our set.
    pub(super) alarm: Arc<dyn Alarm>,
}

/// One peer, at a moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerState {
    /// A number that no other peer of the context has, nor had before.
    pub number: u64,
    /// The endpoint it came by: connected, or bound and accepted.
    pub endpoint: Endpoint,
    /// Who it is; `None` before the first connection.
    pub info: Option<Arc<PeerInfo>>,
    /// Is its handshake done?
    pub ready: bool,
    /// ROUTER: the name it is addressed by.
    pub routing_id: Bytes,
    /// Handshakes done with it, ever: more than one if we connected, and had to do so again.
    pub connections: u64,
    /// How long the present connection has stood since its handshake; `None` without one.
    pub connected_for: Option<Duration>,
    /// What we sent it.
    pub sent: LaneStats,
    /// What it sent us.
    pub received: LaneStats,
    /// How long messages to it have waited, those that were timed; `None` if none are.
    pub sent_waits: Option<Histogram>,
    /// How long messages of it have waited, likewise.
    pub received_waits: Option<Histogram>,
}

/// To whom a message goes.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// Whoever's turn it is, or whoever wants it.
    Anyone,
    /// As `Anyone`; but a REQ whose last request is still open waits for its end.
    InTurn,
    /// The peer of that routing id.
    Peer(&'a [u8]),
}

impl Socket {
    /// A socket without any endpoint.
    ///
    /// # Errors
    /// When the context is closed, or its sockets have run out, or the type cannot do what the
    /// options ask for.
    pub fn new(
        context: &Arc<Context>,
        socket_type: SocketType,
        options: Options,
    ) -> Result<Arc<Socket>, Error> {
        check_type(socket_type, &options)?;
        let random = context.metal.random();
        let ContextOptions {
            sent_octets_max, ..
        } = context.options();
        let limit = Some(sent_octets_max).filter(|octets| *octets < i32::MAX as usize);
        let socket = Arc::new_cyclic(|me| Socket {
            me: me.clone(),
            context: Arc::clone(context),
            socket_type,
            receives: socket_type.receives(),
            sends_plain: options.balance == Balance::RoundRobin
                && matches!(
                    socket_type,
                    SocketType::Push
                        | SocketType::Dealer
                        | SocketType::Pair
                        | SocketType::Pub
                        | SocketType::XPub
                ),
            publishes: matches!(socket_type, SocketType::Pub | SocketType::XPub),
            state: Biased::new(
                Rank::Socket,
                State::new(socket_type, &options, limit, random),
            ),
            standing: Standing::new(socket_type, options),
            announcing: Mutex::new(Rank::Announce, ()),
            set: Mutex::new(Rank::PollSet, None),
            net: OnceLock::new(),
            jobs: Mutex::new(Rank::Leaf, Vec::new()),
            wanted: AtomicBool::new(false),
            leased: AtomicBool::new(false),
            lease_uses: AtomicU64::new(0),
            lease_seen: AtomicU64::new(0),
            long_wait: AtomicBool::new(false),
            flushed_at: AtomicU64::new(0),
            sweeping: AtomicBool::new(false),
            spin: Mutex::new(Rank::Leaf, Spin::new()),
            called: AtomicBool::new(false),
            parked: AtomicUsize::new(0),
            watched: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            hub: Hub::new(),
            work: Arc::default(),
        });
        context.enter(&socket)?;
        Ok(socket)
    }

    /// Its type.
    pub fn socket_type(&self) -> SocketType {
        self.socket_type
    }

    /// Has it ever left the process?
    pub fn is_on_network(&self) -> bool {
        self.net.get().is_some()
    }

    /// Its context.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    // ---- sending

    /// Sends now or not at all.
    ///
    /// # Errors
    /// See [`SendError`]; the message is inside.
    pub fn try_send(&self, to: To<'_>, mut message: Message) -> Result<(), SendError> {
        if self.send_plain(to, &mut message) {
            return Ok(());
        }
        self.send_now(to, message)
    }

    /// As [`try_send`](Socket::try_send), after the short way was tried.
    ///
    /// # Errors
    /// See [`SendError`]; the message is inside.
    pub fn send_now(&self, to: To<'_>, message: Message) -> Result<(), SendError> {
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        let result = state.send(self, to, &message, &mut bells);
        drop(state);
        bells.ring(self);
        if matches!(to, To::Anyone) {
            // Perhaps nobody waits for what comes of it.
            self.leave_to_reactor();
        }
        result.map_err(|refusal| refusal.with(message))
    }

    /// Sends by the short way, if it can go that way now. False: nothing was done, the long one
    /// may do better.
    #[inline(always)]
    pub fn send_plain(&self, to: To<'_>, message: impl Plain) -> bool {
        if !self.sends_plain || !matches!(to, To::Anyone) {
            return self.socket_type == SocketType::Req && self.send_in_turn(message);
        }
        let mut state = self.state.lock();
        let mut left = Left::Nothing;
        if !state.send_plain(self, message, &mut left) {
            return false;
        }
        drop(state);
        self.finish(left);
        true
    }

    /// Does what a send has left to do.
    #[inline(always)]
    pub(super) fn finish(&self, left: Left) {
        match left {
            Left::Nothing => {}
            Left::Flush(link) => self.flush(&link),
            Left::Ring(Remote {
                socket: other,
                key,
                serial,
                word,
            }) => other.hear(key, serial, word),
            Left::Notes(bells) => bells.ring(self),
        }
    }

    /// Sends, or takes a place among those who wait to. `message` is taken once it is sent or
    /// refused for good.
    ///
    /// Cancel safety: until this answers `Ready` the message is still the caller's.
    pub fn poll_send(
        &self,
        place: &mut Place,
        to: To<'_>,
        message: &mut Option<Message>,
        waker: &Waker,
    ) -> Poll<Result<(), SendError>> {
        let Some(body) = message.as_ref() else {
            return Poll::Ready(Ok(()));
        };
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        let result = state.send(self, to, body, &mut bells);
        let waits = matches!(
            (&result, to),
            (Err(Refused::By(Refusal::Full)), To::Anyone | To::InTurn)
                | (Err(Refused::By(Refusal::Busy)), To::InTurn)
        );
        if waits {
            state.send_waiters.enter(place, waker);
        } else {
            state.send_waiters.leave(place);
            // There may be room for the next one, too.
            bells.wakers.extend(state.send_waiters.pop());
        }
        drop(state);
        bells.ring(self);
        if matches!(to, To::Anyone) {
            self.leave_to_reactor();
        }
        match result {
            _ if waits => Poll::Pending,
            Ok(()) => {
                *message = None;
                Poll::Ready(Ok(()))
            }
            Err(refusal) => Poll::Ready(Err(refusal.with(message.take().unwrap_or_default()))),
        }
    }

    /// A sender goes away without having sent.
    pub fn leave_send(&self, place: &mut Place) {
        let mut state = self.state.lock();
        let next = if state.send_waiters.leave(place) {
            state.send_waiters.pop()
        } else {
            None
        };
        drop(state);
        if let Some(waker) = next {
            waker.wake();
        }
    }

    // ---- receiving

    /// Receives what has arrived.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn try_recv(&self) -> Result<Received, RecvError> {
        match self.recv_now() {
            Err(RecvError::Empty) if self.drive_in_passing() => self.recv_now(),
            done => done,
        }
    }

    /// Receives what has been read already.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv_now(&self) -> Result<Received, RecvError> {
        let mut received = None;
        self.recv_now_into(&mut received)?;
        received.ok_or(RecvError::Empty)
    }

    /// As [`recv_now`](Socket::recv_now); the message goes `into` the caller's place.
    pub fn recv_now_into(&self, into: &mut Option<Received>) -> Result<(), RecvError> {
        loop {
            let mut bells = Bells::default();
            let mut state = self.state.lock();
            let result = state.recv_into(self, &mut bells, into, |_, _| ());
            drop(state);
            let again = result.is_err() && bells.fetch();
            bells.ring(self);
            if !again {
                return result;
            }
        }
    }

    /// Receives by the short way, if there is a message and nothing else to do. `None`: nothing
    /// was done, the long one may do better.
    #[inline(always)]
    pub fn recv_plain(&self) -> Option<Message> {
        if self.socket_type.is_lock_step() {
            return None;
        }
        self.state.lock().recv_plain()
    }

    /// From now on what is received says who has sent it.
    pub fn tell_who(&self) {
        self.state.lock().tells_who = true;
    }

    /// From now on a send that reaches a peer's mark does not make room by itself: who does not
    /// wait finds the next one refused, as at libzmq.
    pub fn feel_marks(&self) {
        self.state.lock().feels_marks = true;
    }

    /// ROUTER: as [`recv_plain`](Socket::recv_plain), with the name of who sent it.
    #[inline(always)]
    pub fn recv_named(&self) -> Option<(Name, Message)> {
        self.state.lock().recv_named()
    }

    /// Receives, or takes a place among those who wait to.
    ///
    /// Cancel safety: a message leaves the socket only in the call that answers `Ready`.
    pub fn poll_recv(&self, place: &mut Place, waker: &Waker) -> Poll<Result<Received, RecvError>> {
        let mut received = None;
        let polled = self.poll_recv_into(place, waker, &mut received);
        polled.map(|result| result.and_then(|()| received.ok_or(RecvError::Empty)))
    }

    /// As [`poll_recv`](Socket::poll_recv); the message goes `into` the caller's place.
    pub fn poll_recv_into(
        &self,
        place: &mut Place,
        waker: &Waker,
        into: &mut Option<Received>,
    ) -> Poll<Result<(), RecvError>> {
        self.poll_recv_seeing(place, waker, into, |_, _| ())
    }

    /// As [`poll_recv`](Socket::poll_recv), with what is known of the sender.
    pub fn poll_recv_with_info(
        &self,
        place: &mut Place,
        waker: &Waker,
    ) -> Poll<Result<WithInfo, RecvError>> {
        let (mut received, mut info) = (None, None);
        let see = |attached: &Slab<Attached>, key| {
            info = attached.get(key).and_then(|attached| attached.info.clone());
        };
        let polled = self.poll_recv_seeing(place, waker, &mut received, see);
        polled.map(|result| {
            result?;
            Ok((received.ok_or(RecvError::Empty)?, info))
        })
    }

    #[inline]
    fn poll_recv_seeing(
        &self,
        place: &mut Place,
        waker: &Waker,
        into: &mut Option<Received>,
        see: impl FnOnce(&Slab<Attached>, usize),
    ) -> Poll<Result<(), RecvError>> {
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        let result = state.recv_into(self, &mut bells, into, see);
        let waits = matches!(result, Err(RecvError::Empty));
        if waits {
            state.recv_waiters.enter(place, waker);
        } else {
            state.recv_waiters.leave(place);
            if !state.recv_waiters.is_empty() {
                bells.wakers.extend(state.recv_waiters.pop());
            }
        }
        drop(state);
        bells.ring(self);
        if waits {
            Poll::Pending
        } else {
            Poll::Ready(result)
        }
    }

    /// A receiver goes away without having received.
    pub fn leave_recv(&self, place: &mut Place) {
        let mut state = self.state.lock();
        let next = if state.recv_waiters.leave(place) {
            state.recv_waiters.pop()
        } else {
            None
        };
        drop(state);
        if let Some(waker) = next {
            waker.wake();
        }
    }

    /// REQ: the open request is given up.
    pub fn abandon(&self) {
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        state.with_pattern(|pattern, peers, effects| pattern.abandon(peers, effects));
        state.wake_sender(&mut bells);
        if state.watchers.are_steady() {
            state.note_drained(&mut bells);
        }
        state.follow(self, &mut bells);
        drop(state);
        bells.ring(self);
    }

    /// SUB, XSUB: subscribes or cancels; XPUB in manual mode: applies it. False on other types.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn subscribe(&self, topic: &[u8], subscribe: bool) -> Result<bool, RecvError> {
        self.announcing(|pattern, effects| pattern.subscribe(topic, subscribe, effects))
    }

    /// SUB: the same of this very topic, and none that goes on after it.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn subscribe_exact(&self, topic: &[u8], subscribe: bool) -> Result<bool, RecvError> {
        self.announcing(|pattern, effects| pattern.subscribe_exact(topic, subscribe, effects))
    }

    /// Changes what is subscribed to, and tells the peers.
    fn announcing(
        &self,
        change: impl FnOnce(&mut Pattern, &mut Effects) -> bool,
    ) -> Result<bool, RecvError> {
        let mut bells = Bells::default();
        let order = self.announcing.lock();
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(RecvError::Closed);
        }
        let able = state.with_pattern(|pattern, _, effects| change(pattern, effects));
        state.follow(self, &mut bells);
        drop(state);
        bells.tell_subscriptions();
        drop(order);
        bells.ring(self);
        Ok(able)
    }

    // ---- telling

    /// A new monitor.
    pub fn monitor(&self) -> Arc<Queue> {
        self.hub.watch()
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket")
            .field("socket_type", &self.socket_type)
            .finish_non_exhaustive()
    }
}
