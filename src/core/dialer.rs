//! A dialer: one connected endpoint, through all its connections.
//!
//! ```text
//!             ┌──────────────── after a wait ◄───────────────┐
//!             ▼                                              │
//!   dial ─► resolving ─► connecting (each address in turn) ──┤ all failed
//!                              │                             │
//!                              ▼                             │
//!                           session ── lost, may try again ──┘
//!                              └────── protocol error, refused: stopped
//! ```
//!
//! The wait is random, up to a limit that doubles from the shortest to the longest (full
//! jitter), and starts over once a handshake has succeeded.

use std::{collections::VecDeque, io, sync::Arc};

use super::{
    bells::Bells,
    gate::Answer,
    job::{Closing, Job},
    pollset::PollSet,
    session::{Fare, Session},
    socket::Socket,
    terms::Terms,
    way,
};
use crate::{
    base::{
        endpoint::{Endpoint, Host, IpcEndpoint, Port, TcpEndpoint},
        error::is_exhaustion,
        event::{EventKind, Reason, Unresolved},
        message::Message,
        options::{Options, Reconnect},
        time::Time,
        tuning,
    },
    engine::Fault,
    pipe::Lane,
    reactor::metal::{Address, Ready, SourceId, Stream},
};

/// A connected endpoint of the network.
pub(crate) struct Dialer {
    /// The endpoint's number.
    pub(super) id: u64,
    pub(super) endpoint: Arc<Endpoint>,
    /// What we send, what we receive. With `immediate`, new ones for each connection.
    pub(super) lanes: (Arc<Lane>, Arc<Lane>),
    /// The peer, from the start; with `immediate` only while connected.
    pub(super) peer: Option<(usize, u64)>,
    pub(super) closing: Option<Closing>,
    terms: Arc<Terms>,
    dial: Dial,
    /// Addresses not tried yet in this attempt.
    addresses: VecDeque<Address>,
    /// Attempts since the last handshake that succeeded.
    failures: u32,
    /// It was told that this attempt has begun.
    told: bool,
    /// What was last tried to connect with.
    tried: Option<SourceId>,
    /// The number of the last question to the resolver: no other dialer has asked by it.
    question: u64,
}

enum Dial {
    Waiting(Time),
    Resolving,
    Connecting {
        stream: Box<dyn Stream>,
        deadline: Option<Time>,
    },
    Session(Box<Session>),
}

/// Is there a reason to keep the dialer?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    /// It has more to do and gave others their turn.
    More,
    Ends,
}

impl Dialer {
    pub(super) fn new(
        id: u64,
        endpoint: Arc<Endpoint>,
        lanes: (Arc<Lane>, Arc<Lane>),
        peer: Option<(usize, u64)>,
        terms: Arc<Terms>,
    ) -> Dialer {
        Dialer {
            id,
            endpoint,
            lanes,
            peer,
            closing: None,
            terms,
            dial: Dial::Waiting(Time::START),
            addresses: VecDeque::new(),
            failures: 0,
            told: false,
            tried: None,
            question: 0,
        }
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.dial {
            Dial::Session(session) => Some(session),
            _ => None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        match &self.dial {
            Dial::Waiting(until) => Some(*until),
            Dial::Resolving => None,
            Dial::Connecting { deadline, .. } => *deadline,
            Dial::Session(session) => session.deadline(),
        }
    }

    /// Begins an attempt: looks the address up if it is a name.
    fn dial(&mut self, socket: &Socket, set: &PollSet, entry: usize, bells: &mut Bells) -> Fate {
        // With `immediate` each connection is a new peer, and too many may have left unread.
        if self.terms.options.immediate && socket.room_for_newcomers() == 0 {
            let now = socket.context.metal.now();
            self.dial = Dial::Waiting(now + tuning::HANDSHAKES_PAUSE);
            return Fate::Stays;
        }
        (self.told, self.tried) = (false, None);
        self.addresses.clear();
        let endpoint = Arc::clone(&self.endpoint);
        match &*endpoint {
            Endpoint::Tcp(tcp) => {
                let proxy = self.terms.options.socks();
                let TcpEndpoint { host, port, .. } = proxy.as_ref().unwrap_or(tcp);
                let Port::Number(port) = *port else {
                    return self.stop(socket, Reason::Local, bells);
                };
                match host {
                    Host::Name(name) => {
                        self.question = socket.context.next_serial();
                        self.dial = Dial::Resolving;
                        let (me, question) = (socket.me.clone(), self.question);
                        let done = move |found| {
                            if let Some(socket) = me.upgrade() {
                                socket.submit(vec![Job::Resolved {
                                    entry,
                                    question,
                                    found,
                                }]);
                            }
                        };
                        let ipv6 = self.terms.options.ipv6;
                        socket
                            .context
                            .metal
                            .resolve(name, port, ipv6, Box::new(done));
                        return Fate::Stays;
                    }
                    host => {
                        let Some(address) = socket.context.address_of(host, port) else {
                            return self.stop(socket, Reason::Local, bells);
                        };
                        self.addresses.push_back(Address::Tcp(address));
                    }
                }
            }
            Endpoint::Ipc(IpcEndpoint::Path(path)) => {
                self.addresses.push_back(Address::Path(path.clone()));
            }
            Endpoint::Ipc(IpcEndpoint::Abstract(name)) => {
                self.addresses
                    .push_back(Address::Abstract(name.clone().into_bytes()));
            }
            Endpoint::Ipc(IpcEndpoint::Any) | Endpoint::Inproc(_) => {
                return self.stop(socket, Reason::Local, bells);
            }
        }
        self.connect_next(socket, set, entry, None, bells)
    }

    /// The resolver has answered.
    pub(super) fn handle_resolved(
        &mut self,
        socket: &Socket,
        set: &PollSet,
        entry: usize,
        question: u64,
        found: io::Result<Vec<std::net::SocketAddr>>,
        bells: &mut Bells,
    ) -> Fate {
        if !matches!(self.dial, Dial::Resolving) || question != self.question {
            return Fate::Stays;
        }
        let error = match found {
            Ok(addresses) => {
                self.addresses
                    .extend(addresses.into_iter().map(Address::Tcp));
                Unresolved::error(None)
            }
            Err(error) => Unresolved::error(Some(error)),
        };
        self.connect_next(socket, set, entry, Some(error), bells)
    }

    /// Tries the next address; `error` is what became of the one before.
    fn connect_next(
        &mut self,
        socket: &Socket,
        set: &PollSet,
        entry: usize,
        mut error: Option<io::Error>,
        bells: &mut Bells,
    ) -> Fate {
        let metal = &socket.context.metal;
        let from = match way::source(&self.endpoint, &self.terms.options, socket) {
            Ok(from) => from,
            Err(fault) => {
                self.addresses.clear();
                error = Some(fault);
                None
            }
        };
        while let Some(address) = self.addresses.pop_front() {
            let options = &self.terms.options;
            let connected = match (&address, way::target(&self.endpoint, options)) {
                (Address::Tcp(proxy), Some(target)) => {
                    metal.connect_through(*proxy, target, from.as_ref(), options)
                }
                _ => metal.connect(&address, from.as_ref(), options),
            };
            let watched = connected.and_then(|stream| {
                set.selector.register(stream.source(), entry)?;
                Ok(stream)
            });
            let exhausted = matches!(&watched, Err(error) if is_exhaustion(error));
            if !exhausted && !std::mem::replace(&mut self.told, true) {
                socket.tell(EventKind::Connecting, &self.endpoint, None, bells);
            }
            match watched {
                Ok(stream) => {
                    self.tried = Some(stream.source());
                    // A proxy may take the connection and then say nothing.
                    let proxied = options.socks_proxy.as_ref();
                    let limit = options
                        .connect_timeout
                        .or(proxied.and(options.handshake_timeout));
                    let now = metal.now();
                    let deadline = limit.map(|limit| now + limit);
                    // On one machine it is often made at once.
                    match stream.finish_connect() {
                        Ok(()) => {
                            self.dial = Dial::Connecting { stream, deadline };
                            let ready = Ready {
                                token: entry,
                                readable: false,
                                writable: true,
                                closed: false,
                            };
                            return self.begin_session(socket, set, ready, now, bells);
                        }
                        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                            self.dial = Dial::Connecting { stream, deadline };
                            return Fate::Stays;
                        }
                        Err(fault) => {
                            set.unregister(stream.source());
                            error = Some(fault);
                        }
                    }
                }
                Err(fault) => error = Some(fault),
            }
        }
        let error = Arc::new(error.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
        log::debug!("{}: cannot connect: {error}", self.endpoint);
        let kind = EventKind::ConnectFailed(Arc::clone(&error));
        socket.tell_of(self.tried.take(), kind, &self.endpoint, bells);
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        if refused && self.terms.options.reconnect_stop.refused {
            return self.stop(socket, Reason::Io(error), bells);
        }
        self.retry(socket, Reason::Io(error), bells)
    }

    /// Waits before the next attempt, if there is to be one.
    fn retry(&mut self, socket: &Socket, reason: Reason, bells: &mut Bells) -> Fate {
        let metal = &socket.context.metal;
        let options = &self.terms.options;
        let Some(after) = options.reconnect_wait(self.failures, || metal.random()) else {
            return self.stop(socket, reason, bells);
        };
        self.failures += 1;
        self.dial = Dial::Waiting(metal.now() + after);
        socket.tell(
            EventKind::ConnectRetried { after },
            &self.endpoint,
            None,
            bells,
        );
        Fate::Stays
    }

    /// Ends for good; so does the peer.
    fn stop(&mut self, socket: &Socket, reason: Reason, bells: &mut Bells) -> Fate {
        self.lanes.0.close_reader();
        self.lanes.0.discard(false);
        self.lanes.1.close_writer();
        if let Some((key, serial)) = self.peer.take() {
            socket.peer_lost(key, serial, true, bells);
        }
        socket.note_stopped(self.id, bells);
        socket.tell(
            EventKind::ConnectStopped(reason),
            &self.endpoint,
            None,
            bells,
        );
        Fate::Ends
    }

    /// Something is ready.
    pub(super) fn drive(
        &mut self,
        socket: &Socket,
        set: &PollSet,
        entry: usize,
        ready: Ready,
        now: Time,
        bells: &mut Bells,
    ) -> Fate {
        match &mut self.dial {
            Dial::Waiting(_) | Dial::Resolving => Fate::Stays,
            Dial::Connecting { stream, .. } => match stream.finish_connect() {
                Ok(()) => {
                    // What came along with the connection, its end included, is not told of again.
                    let ready = Ready {
                        readable: true,
                        writable: true,
                        ..ready
                    };
                    self.begin_session(socket, set, ready, now, bells)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Fate::Stays,
                Err(error) => {
                    set.unregister(stream.source());
                    self.connect_next(socket, set, entry, Some(error), bells)
                }
            },
            Dial::Session(session) => {
                let fare = session.drive(socket, entry, ready, now, bells);
                self.follow_session(socket, set, fare, bells)
            }
        }
    }

    /// Somebody has said whether the peer may come in.
    pub(super) fn handle_answer(
        &mut self,
        socket: &Socket,
        set: &PollSet,
        entry: usize,
        answer: Option<Answer>,
        now: Time,
        bells: &mut Bells,
    ) -> Fate {
        let Dial::Session(session) = &mut self.dial else {
            return Fate::Stays;
        };
        let fare = session.handle_answer(socket, entry, answer, now, bells);
        self.follow_session(socket, set, fare, bells)
    }

    fn follow_session(
        &mut self,
        socket: &Socket,
        set: &PollSet,
        fare: Fare,
        bells: &mut Bells,
    ) -> Fate {
        match fare {
            Fare::Waits => {
                self.note_ready();
                Fate::Stays
            }
            Fare::More => {
                self.note_ready();
                Fate::More
            }
            Fare::Over(fault) => self.end_session(socket, set, &fault, bells),
        }
    }

    /// A deadline has passed.
    pub(super) fn handle_timeout(
        &mut self,
        socket: &Socket,
        set: &PollSet,
        entry: usize,
        now: Time,
        bells: &mut Bells,
    ) -> Fate {
        match &mut self.dial {
            Dial::Waiting(until) if *until <= now => self.dial(socket, set, entry, bells),
            Dial::Connecting { stream, deadline } if deadline.is_some_and(|at| at <= now) => {
                set.unregister(stream.source());
                let error = io::Error::from(io::ErrorKind::TimedOut);
                self.connect_next(socket, set, entry, Some(error), bells)
            }
            Dial::Session(session) => match session.handle_timeout(socket, now, bells) {
                Ok(()) => Fate::Stays,
                Err(fault) => self.end_session(socket, set, &fault, bells),
            },
            _ => Fate::Stays,
        }
    }

    /// Connected: the handshake begins.
    fn begin_session(
        &mut self,
        socket: &Socket,
        set: &PollSet,
        ready: Ready,
        now: Time,
        bells: &mut Bells,
    ) -> Fate {
        let Dial::Connecting { stream, .. } = std::mem::replace(&mut self.dial, Dial::Resolving)
        else {
            return Fate::Stays;
        };
        let lanes = (Arc::clone(&self.lanes.0), Arc::clone(&self.lanes.1));
        let mut session = Session::new(&self.terms, &self.endpoint, stream, lanes, self.peer, now);
        socket.tell(
            EventKind::Connected,
            &self.endpoint,
            Some(&session.info),
            bells,
        );
        session.say(socket, bells);
        let fare = session.drive(socket, ready.token, ready, now, bells);
        self.dial = Dial::Session(Box::new(session));
        self.follow_session(socket, set, fare, bells)
    }

    fn note_ready(&mut self) {
        if let Dial::Session(session) = &self.dial {
            if session.is_ready() {
                self.failures = 0;
                self.peer = session.peer;
            }
        }
    }

    /// The connection is over: there will be another one, or none.
    fn end_session(
        &mut self,
        socket: &Socket,
        set: &PollSet,
        fault: &Fault,
        bells: &mut Bells,
    ) -> Fate {
        self.note_ready();
        let Dial::Session(mut session) = std::mem::replace(&mut self.dial, Dial::Resolving) else {
            return Fate::Stays;
        };
        set.unregister(session.link.stream.source());
        let Options {
            immediate,
            reconnect,
            reconnect_stop,
            ..
        } = self.terms.options;
        let stops = !fault.retry
            || self.is_done()
            || reconnect == Reconnect::Never
            || (reconnect_stop.handshake_failed && fault.in_handshake)
            || (reconnect_stop.lost && session.link.is_serving());
        let terms = socket.terms();
        // A peer that comes and goes must not fill a lane that nobody reads.
        let has_room = |_: &&Message| self.lanes.1.room() > 0;
        session.leave_word(socket, terms.departure().filter(has_room), bells);
        let hiccup = terms.options.hiccup_message.as_ref();
        session.leave_word(socket, hiccup.filter(has_room), bells);
        session.end(socket, &fault.reason, immediate || stops, bells);
        if immediate {
            self.peer = None;
            self.lanes = self.terms.network_lanes(socket);
        }
        if stops {
            return self.stop(socket, fault.reason.clone(), bells);
        }
        self.retry(socket, fault.reason.clone(), bells)
    }

    /// Closes the connection, if there is one. With `again`, a new one is made at once.
    pub(super) fn close(
        &mut self,
        socket: &Socket,
        set: &PollSet,
        reason: Reason,
        again: bool,
        now: Time,
        bells: &mut Bells,
    ) -> Fate {
        if self.session().is_none() {
            return Fate::Stays;
        }
        let fault = Fault {
            reason,
            in_handshake: false,
            retry: true,
        };
        let fate = self.end_session(socket, set, &fault, bells);
        if again && fate == Fate::Stays {
            self.failures = 0;
            self.dial = Dial::Waiting(now);
        }
        fate
    }

    /// Is it closing, and nothing left to do?
    pub(super) fn is_done(&self) -> bool {
        self.closing.is_some() && self.lanes.0.is_finished()
    }

    /// Ends it now. Answers how many messages were thrown away.
    pub(super) fn shut(&mut self, socket: &Socket, set: &PollSet, bells: &mut Bells) -> u64 {
        match &mut self.dial {
            Dial::Session(session) => {
                set.unregister(session.link.stream.source());
                socket.work.note_writes(session.link.flush().writes);
                if session.link.cut() {
                    socket.note_writable(&session.link, bells);
                }
            }
            Dial::Connecting { stream, .. } => set.unregister(stream.source()),
            Dial::Waiting(_) | Dial::Resolving => {}
        }
        let unsent = self.lanes.0.discard(false);
        if let Dial::Session(session) = &mut self.dial {
            session.end(socket, &Reason::Local, true, bells);
        }
        self.dial = Dial::Resolving;
        if let Some((key, serial)) = self.peer.take() {
            socket.peer_lost(key, serial, true, bells);
        }
        unsent
    }
}
