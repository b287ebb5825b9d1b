//! Proxies: two sockets joined, so that what one receives the other sends, both ways.
//!
//! ```text
//!   peers ══► frontend ── forward ──► backend ══► peers
//!   peers ◄══ frontend ◄── backward ── backend ◄══ peers
//!                     └──► capture: a copy of each message
//! ```
//!
//! One thread does it all. It asks for room before it takes a message, so that a side at its mark
//! leaves the other's messages in the other's queues, whose marks then hold back those who send.
//! It waits as any caller waits, for all of its sockets at once: driving one, woken by the others.

use std::{
    sync::Arc,
    task::{Poll, Waker, ready},
    thread::JoinHandle,
};

use super::{
    control::{Counts, Doing, ProxyControl, ProxyStats, Shared},
    owner::Owner,
    router::framed,
    sockets::{Dealer, Pair, Pub, Pull, Push, Router, Sub, TypedSocket, XPub, XSub},
};
use crate::{
    base::{
        error::{Error, SendError},
        lent,
        message::Message,
    },
    core::{Place, Socket, To},
    transport::worker,
};

/// A type whose messages a [`Proxy`] can pass on: all but REQ and REP, whose turns end at the
/// proxy. [`Router`] and [`Dealer`] stand for those.
pub trait Proxied: TypedSocket {}

macro_rules! proxied {
    ($($kind:ident)+) => {$(impl Proxied for $kind {})+};
}

proxied!(Dealer Pair Pub Pull Push Router Sub XPub XSub);

/// Joins two sockets: what one receives the other sends, both ways where both can.
///
/// | frontend | backend | makes |
/// |---|---|---|
/// | [`Router`] | [`Dealer`] | a queue of requests for many workers |
/// | [`Pull`] | [`Push`] | a streamer: work from many to many |
/// | [`XSub`] | [`XPub`] | a forwarder: news from many to many, subscriptions the other way |
///
/// ```
/// use hubless::{Dealer, Proxy, Rep, Req, Router};
///
/// let (frontend, backend) = (Router::new()?, Dealer::new()?);
/// frontend.bind("inproc://questions")?;
/// backend.bind("inproc://work")?;
/// let proxy = Proxy::new(&frontend, &backend).spawn()?;
///
/// let worker = Rep::new()?;
/// worker.connect("inproc://work")?;
/// std::thread::spawn(move || worker.serve(|question| question));
/// let client = Req::new()?;
/// client.connect("inproc://questions")?;
/// assert_eq!(client.request("who is there?")?[0], "who is there?");
///
/// let stats = proxy.stop();
/// assert_eq!((stats.forward.sent, stats.backward.sent), (1, 1));
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// Messages pass as they are: large bodies by reference, no octet is looked at. A side without
/// room is not taken messages for, so they wait where they are, up to the marks, and then hold
/// back who sends them. A `Router` drops what is for nobody, or for a peer at its mark, which is
/// counted; `Pub` and `XPub` drop by their own rules.
///
/// The sockets stay usable, and a proxy keeps them open like a clone. It ends when one of them is
/// closed or interrupted, or by `stop`.
///
/// REQ and REP take turns, which a proxy could not keep for them:
///
/// ```compile_fail,E0277
/// let (rep, dealer) = (hubless::Rep::new().unwrap(), hubless::Dealer::new().unwrap());
/// hubless::Proxy::new(&rep, &dealer);
/// ```
#[derive(Debug)]
#[must_use = "a proxy does nothing until it is run or spawned"]
pub struct Proxy {
    frontend: Arc<Owner>,
    backend: Arc<Owner>,
    capture: Option<Arc<Owner>>,
    shared: Arc<Shared>,
    /// A signal ends it.
    hears: bool,
}

impl Proxy {
    /// Joins these two. The same socket twice sends back to its peers what they send.
    pub fn new<F: Proxied, B: Proxied>(frontend: &F, backend: &B) -> Proxy {
        Proxy {
            frontend: Arc::clone(frontend.owner()),
            backend: Arc::clone(backend.owner()),
            capture: None,
            shared: Arc::default(),
            hears: false,
        }
    }

    /// Joins what is joined by whoever knows the types only now.
    pub(super) fn between(
        frontend: Arc<Owner>,
        backend: Arc<Owner>,
        capture: Option<Arc<Owner>>,
    ) -> Proxy {
        Proxy {
            frontend,
            backend,
            capture,
            shared: Arc::default(),
            hears: true,
        }
    }

    /// Sends a copy of each message to this socket, too, before it is passed on.
    ///
    /// A capture at its mark holds the proxy back; a [`Pub`] never does. What a `Router` received
    /// has the sender's routing id as its first frame.
    pub fn capture<C: Proxied>(mut self, socket: &C) -> Proxy {
        self.capture = Some(Arc::clone(socket.owner()));
        self
    }

    /// What pauses, resumes and stops it, from any thread.
    pub fn control(&self) -> ProxyControl {
        ProxyControl::new(&self.shared)
    }

    /// Passes messages in this thread, until it is stopped or one of the sockets is closed or
    /// interrupted. Answers what it has passed.
    pub fn run(self) -> ProxyStats {
        let _end = EndOnDrop(&self.shared);
        let Proxy {
            frontend,
            backend,
            capture,
            shared,
            hears,
        } = &self;
        let front = &*frontend.socket;
        let back = &*backend.socket;
        let capture = capture.as_ref().map(|owner| &*owner.socket);
        let mut ways = Vec::new();
        if front.socket_type().receives() && back.socket_type().sends() {
            ways.push(Way::new(front, back, capture, &shared.forward));
        }
        // One way is all there is between a socket and itself.
        if back.socket_type().receives()
            && front.socket_type().sends()
            && !Arc::ptr_eq(&frontend.socket, &backend.socket)
        {
            ways.push(Way::new(back, front, capture, &shared.backward));
        }
        let sockets = [Some(front), Some(back), capture];
        let mut passing = Passing {
            ways,
            ends: sockets.into_iter().flatten().map(End::new).collect(),
            shared,
        };
        // Whichever is on the network is driven by this thread, the other one by the reactor.
        let home = if front.is_on_network() { front } else { back };
        // It has no deadline; and one who is interrupted ends as one who is ready.
        let _ = home.block_hearing(None, true, *hears, |waker| passing.poll(waker));
        drop(passing);
        shared.end();
        shared.stats()
    }

    /// Passes messages in a thread of its own.
    ///
    /// # Errors
    /// `TooMany` or `Io` if there can be no more threads.
    pub fn spawn(self) -> Result<ProxyHandle, Error> {
        let control = self.control();
        let thread = worker::spawn("hubless-proxy", move || self.run())
            .map_err(|error| Error::from_io("a thread for a proxy", error))?;
        Ok(ProxyHandle {
            control,
            thread: Some(thread),
        })
    }
}

/// Those who wait for a proxy to pause hear of its end in any case.
struct EndOnDrop<'a>(&'a Shared);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A proxy in a thread of its own. Dropped, it stops the proxy and waits for its end.
#[derive(Debug)]
#[must_use = "dropping it stops the proxy"]
pub struct ProxyHandle {
    control: ProxyControl,
    thread: Option<JoinHandle<ProxyStats>>,
}

impl ProxyHandle {
    /// As [`ProxyControl::pause`].
    pub fn pause(&self) {
        self.control.pause();
    }

    /// As [`ProxyControl::resume`].
    pub fn resume(&self) {
        self.control.resume();
    }

    /// What it has passed so far.
    pub fn stats(&self) -> ProxyStats {
        self.control.stats()
    }

    /// What pauses, resumes and stops it, to give to others.
    pub fn control(&self) -> ProxyControl {
        self.control.clone()
    }

    /// Has it ended, because it was stopped, or a socket closed or interrupted?
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it and waits for its end. Messages that it has not taken stay with their socket.
    pub fn stop(mut self) -> ProxyStats {
        self.end()
    }

    /// Waits for its end: until somebody stops it or closes one of its sockets.
    pub fn join(mut self) -> ProxyStats {
        self.wait()
    }

    fn end(&mut self) -> ProxyStats {
        self.control.stop();
        self.wait()
    }

    fn wait(&mut self) -> ProxyStats {
        // Its thread's last word is what the counters say in any case.
        let told = self.thread.take().map(JoinHandle::join);
        told.and_then(Result::ok).unwrap_or_else(|| self.stats())
    }
}

impl Drop for ProxyHandle {
    fn drop(&mut self) {
        self.end();
    }
}

/// A socket of a proxy has closed: there is nothing more to pass.
struct Closed;

/// A proxy at work.
struct Passing<'a> {
    ways: Vec<Way<'a>>,
    ends: Vec<End<'a>>,
    shared: &'a Shared,
}

impl Passing<'_> {
    /// Passes what can be passed now. Ready when it is over; else `waker` will be woken.
    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        loop {
            match self.shared.follow(waker) {
                Doing::Ended => return Poll::Ready(()),
                Doing::Paused => {
                    for way in &mut self.ways {
                        way.leave();
                    }
                    break;
                }
                Doing::Running => {}
            }
            if self.ends.iter().any(|end| end.socket.is_interrupted()) {
                return Poll::Ready(());
            }
            let passed = self.pass_round(waker);
            lent::let_go();
            match passed {
                Ok(true) => {}
                Ok(false) => break,
                Err(Closed) => return Poll::Ready(()),
            }
        }
        for end in &mut self.ends {
            if end.is_over(waker) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// One burst each way. False if there was nothing to pass.
    fn pass_round(&mut self, waker: &Waker) -> Result<bool, Closed> {
        let (mut any, mut full) = (false, false);
        for way in &mut self.ways {
            way.moved = way.pass_burst(waker)?;
            any |= way.moved > 0;
            full |= way.moved == BURST;
        }
        if full {
            // As long as one way is busy nobody waits, so nobody drives for the other.
            for way in self.ways.iter().filter(|way| way.moved == 0) {
                way.from.drive_in_passing();
            }
        }
        Ok(any)
    }
}

/// A socket that may close, or be interrupted.
struct End<'a> {
    socket: &'a Socket,
    place: Place,
}

impl<'a> End<'a> {
    fn new(socket: &'a Socket) -> End<'a> {
        End {
            socket,
            place: Place::default(),
        }
    }

    /// Is it closed, or interrupted? If not, `waker` will hear of it. What was left lying there is
    /// written out.
    fn is_over(&mut self, waker: &Waker) -> bool {
        self.socket.flush_before_wait();
        let never = |_: usize, _: usize| false;
        let closed = self.socket.poll_peers(&mut self.place, waker, never);
        closed.is_ready() || self.socket.is_interrupted()
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.socket.leave_change(&mut self.place);
    }
}

/// One direction.
struct Way<'a> {
    from: &'a Socket,
    to: Outgoing<'a>,
    capture: Option<Outgoing<'a>>,
    place: Place,
    counts: &'a Counts,
    /// Messages passed in the last burst.
    moved: usize,
}

impl<'a> Way<'a> {
    fn new(
        from: &'a Socket,
        to: &'a Socket,
        capture: Option<&'a Socket>,
        counts: &'a Counts,
    ) -> Way<'a> {
        Way {
            from,
            to: Outgoing::new(to),
            capture: capture.map(Outgoing::new),
            place: Place::default(),
            counts,
            moved: 0,
        }
    }

    /// Passes up to [`BURST`] messages. Answers how many.
    fn pass_burst(&mut self, waker: &Waker) -> Result<usize, Closed> {
        for moved in 0..BURST {
            match self.pass(waker) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(closed)) => return Err(closed),
                Poll::Pending => return Ok(moved),
            }
        }
        Ok(BURST)
    }

    fn pass(&mut self, waker: &Waker) -> Poll<Result<(), Closed>> {
        if self.to.held.is_none() {
            let message = ready!(self.take(waker))?;
            self.counts.note_received(&message);
            if let Some(capture) = &mut self.capture {
                capture.held = Some(message.clone());
            }
            self.to.held = Some(message);
        }
        if let Some(capture) = &mut self.capture {
            ready!(capture.send(waker))?;
        }
        let octets = self.to.octets();
        let sent = ready!(self.to.send(waker))?;
        self.counts.note_sent(sent, octets);
        Poll::Ready(Ok(()))
    }

    /// The next message, once there is room for it.
    fn take(&mut self, waker: &Waker) -> Poll<Result<Message, Closed>> {
        let room = match (self.to.poll_room(waker), &mut self.capture) {
            (Poll::Ready(Ok(())), Some(capture)) => capture.poll_room(waker),
            (room, _) => room,
        };
        if room.is_pending() {
            // It does not stand in line for what it could not pass on.
            self.from.leave_recv(&mut self.place);
        }
        ready!(room)?;
        if let Some(message) = self.from.recv_plain() {
            return Poll::Ready(Ok(message));
        }
        let received = ready!(self.from.poll_recv(&mut self.place, waker));
        Poll::Ready(match received {
            Ok(received) if self.from.socket_type().addresses() => Ok(framed(received)),
            Ok(received) => Ok(received.message),
            Err(_) => Err(Closed),
        })
    }

    fn leave(&mut self) {
        self.from.leave_recv(&mut self.place);
        self.to.leave();
        if let Some(capture) = &mut self.capture {
            capture.leave();
        }
    }
}

impl Drop for Way<'_> {
    fn drop(&mut self) {
        self.leave();
        if let Some(message) = self.to.held.take() {
            // Taken in the moment in which somebody else took the room that there was for it.
            self.counts.note_sent(false, message.octets() as u64);
        }
    }
}

/// A socket to send to.
struct Outgoing<'a> {
    socket: &'a Socket,
    place: Place,
    /// Taken, and not yet sent: there was room for it, which somebody else may have used.
    held: Option<Message>,
}

impl<'a> Outgoing<'a> {
    fn new(socket: &'a Socket) -> Outgoing<'a> {
        Outgoing {
            socket,
            place: Place::default(),
            held: None,
        }
    }

    fn poll_room(&mut self, waker: &Waker) -> Poll<Result<(), Closed>> {
        match ready!(self.socket.poll_room(&mut self.place, waker)) {
            true => Poll::Ready(Ok(())),
            false => Poll::Ready(Err(Closed)),
        }
    }

    fn octets(&self) -> u64 {
        self.held.as_ref().map_or(0, Message::octets) as u64
    }

    /// Sends what is held. False if it was refused, and is gone.
    fn send(&mut self, waker: &Waker) -> Poll<Result<bool, Closed>> {
        let Some(message) = &mut self.held else {
            return Poll::Ready(Ok(true));
        };
        let result = if self.socket.send_plain(To::Anyone, message) {
            self.held = None;
            Ok(())
        } else if self.socket.socket_type().addresses() {
            // It waits for nobody: who is at its mark must not hold up all the others.
            let message = self.held.take().unwrap_or_default();
            self.socket.send_now(To::Anyone, message)
        } else {
            let Outgoing {
                socket,
                place,
                held,
            } = self;
            ready!(socket.poll_send(place, To::Anyone, held, waker))
        };
        Poll::Ready(match result {
            Ok(()) => Ok(true),
            Err(SendError::Closed(message)) => {
                // Whoever lets go of it counts it.
                self.held = Some(message);
                Err(Closed)
            }
            Err(_) => Ok(false),
        })
    }

    fn leave(&mut self) {
        self.socket.leave_send(&mut self.place);
    }
}

/// Messages that pass one way before the other has its turn, as in libzmq's proxy.
const BURST: usize = 1000;
