//! Binding, connecting, and the end of it.

use std::{
    fmt::Display,
    os::fd::OwnedFd,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;

use super::{
    bells::Bells,
    dialer::Dialer,
    job::Job,
    listener::Listener,
    lying,
    pollset::PollSet,
    socket::{Net, Socket},
    state::{Phase, State},
    terms::{Terms, check_name},
    wait::Place,
    work::Work,
};
use crate::{
    base::{
        endpoint::{Endpoint, Host, IpcEndpoint, Port, TcpEndpoint},
        error::{Error, ErrorKind},
        event::EventKind,
        options::Linger,
        sync::{Ordering, park::Alarm},
        time::Time,
        tuning,
    },
    pattern::Peer,
    reactor::{
        Tenant,
        metal::{Acceptor, Address, Bell},
    },
};

/// What a socket is bound and connected to.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) list: Vec<End>,
    /// What was last bound or connected.
    last: Option<Arc<Endpoint>>,
    /// Messages thrown away in closing.
    pub(super) unsent: u64,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) id: u64,
    /// As it was given, and as it came to be.
    pub(super) given: Endpoint,
    pub(super) real: Arc<Endpoint>,
    pub(super) bound: bool,
    /// The peer behind a connected endpoint.
    pub(super) peer: Option<(usize, u64)>,
    /// Nobody tries to reach it any more.
    stopped: bool,
}

/// A peer of an endpoint that was connected: tells when it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    endpoint: u64,
}

impl Socket {
    /// Binds. Answers where to: with the port, path or address that was chosen.
    ///
    /// # Errors
    /// With the endpoint in its text.
    pub fn bind(&self, endpoint: &Endpoint) -> Result<Endpoint, Error> {
        endpoint.check_bind()?;
        self.check_open(endpoint)?;
        if let Endpoint::Inproc(name) = endpoint {
            self.bind_inproc(name, endpoint)?;
            let id = self.context.next_serial();
            self.note_end(End::new(id, endpoint, endpoint, true, None), None)
                .inspect_err(|_| self.context.unbind_name(name, self))?;
            return Ok(endpoint.clone());
        }
        let failed = |error| Error::from_io(endpoint.to_string(), error);
        let terms = self.terms();
        let address = self.bind_address(endpoint, terms.options.ipv6)?;
        self.net(endpoint)?;
        let metal = &self.context.metal;
        let listening = match terms.options.use_fd {
            Some(number) => metal.adopt_numbered(number, &terms.options),
            None => metal.listen(&address, &terms.options),
        };
        let acceptor = listening.map_err(|error| {
            let mut bells = Bells::default();
            let again = |code| std::io::Error::from_raw_os_error(code);
            let told = error.raw_os_error().map_or(error.kind().into(), again);
            let told = Arc::new(told);
            self.tell(EventKind::BindFailed(told), endpoint, None, &mut bells);
            bells.ring(self);
            failed(error)
        })?;
        self.begin_listening(acceptor, Some(endpoint), terms)
    }

    /// Binds to where a socket of the system's listens already, and takes it over.
    ///
    /// # Errors
    /// If it does not listen, or is of no family that we speak; `Closed`.
    pub fn bind_listener(&self, listener: OwnedFd) -> Result<Endpoint, Error> {
        let failed = |error| Error::from_io("a listener", error);
        if !self.is_open() {
            return Err(Error::new(ErrorKind::Closed, "a listener"));
        }
        self.net(&"a listener")?;
        let terms = self.terms();
        let acceptor = self.context.metal.adopt(listener, &terms.options);
        self.begin_listening(acceptor.map_err(failed)?, None, terms)
    }

    /// Listens. `given` is the endpoint as it was asked for.
    fn begin_listening(
        &self,
        acceptor: Box<dyn Acceptor>,
        given: Option<&Endpoint>,
        terms: Arc<Terms>,
    ) -> Result<Endpoint, Error> {
        let real = match acceptor.local() {
            Address::Tcp(address) => Endpoint::from(address),
            Address::Path(path) => Endpoint::Ipc(IpcEndpoint::Path(path)),
            Address::Abstract(name) => Endpoint::Ipc(IpcEndpoint::Abstract(
                String::from_utf8_lossy(&name).into_owned(),
            )),
        };
        let id = self.context.next_serial();
        let end = End::new(id, given.unwrap_or(&real), &real, true, None);
        let listener = Listener::new(id, Arc::clone(&end.real), acceptor, terms);
        self.note_end(end, Some(Job::Listen(Box::new(listener))))?;
        self.run_jobs();
        Ok(real)
    }

    /// Connects: returns at once, and goes on trying.
    ///
    /// # Errors
    /// Only for what can be judged now: the endpoint, a closed socket, no descriptors.
    pub fn connect(&self, endpoint: &Endpoint) -> Result<Connected, Error> {
        self.connect_as(endpoint, self.take_next_name())
    }

    /// Connects to a peer that a ROUTER shall call `named`, whatever it calls itself.
    ///
    /// # Errors
    /// As [`connect`](Socket::connect); `InvalidOption` if the name is taken or cannot be one.
    pub fn connect_as(
        &self,
        endpoint: &Endpoint,
        named: Option<Bytes>,
    ) -> Result<Connected, Error> {
        endpoint.check_connect()?;
        self.check_open(endpoint)?;
        if let Some(name) = &named {
            check_name(name, self.terms().options.like_libzmq)?;
        }
        let id = self.context.next_serial();
        if let Endpoint::Inproc(name) = endpoint {
            let peer = self.connect_inproc(name, endpoint, named)?;
            self.note_end(End::new(id, endpoint, endpoint, false, Some(peer)), None)?;
            return Ok(Connected { endpoint: id });
        }
        let terms = self.terms();
        if matches!(endpoint, Endpoint::Tcp(_)) {
            // Rather nowhere than past the proxy.
            terms.options.check_proxy()?;
        }
        self.net(endpoint)?;
        let shared = Arc::new(endpoint.clone());
        let lanes = terms.network_lanes(self);
        let mut peer = None;
        if terms.options.immediate && named.is_some() {
            let what = "with `immediate`, a peer cannot be named before it is there";
            return Err(Error::new(ErrorKind::InvalidOption, what));
        }
        if !terms.options.immediate {
            let mut bells = Bells::default();
            let mut state = self.state.lock();
            let both = (Arc::clone(&lanes.0), Arc::clone(&lanes.1));
            state.check_newcomer(named.as_ref())?;
            let (key, serial) = state.attach(self, &shared, both);
            state.name_peer(key, named);
            state.attached[key].served = true;
            peer = Some((key, serial));
            state.follow(self, &mut bells);
            state.peer_came(&mut bells);
            drop(state);
            bells.ring(self);
        }
        let end = End::new(id, endpoint, endpoint, false, peer);
        let dialer = Dialer::new(id, shared, lanes, peer, terms);
        self.note_end(end, Some(Job::Dial(Box::new(dialer))))?;
        self.run_jobs();
        Ok(Connected { endpoint: id })
    }

    /// Waits until `done` says so of the peers that are ready and of the subscribers.
    pub fn poll_peers(
        &self,
        place: &mut Place,
        waker: &Waker,
        done: impl Fn(usize, usize) -> bool,
    ) -> Poll<Result<(), Error>> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        if done(state.ready_peers(), state.pattern.subscribers()) {
            state.change_waiters.leave(place);
            return Poll::Ready(Ok(()));
        }
        state.change_waiters.enter(place, waker);
        Poll::Pending
    }

    /// Waits until the peer behind a connected endpoint is ready.
    ///
    /// # Errors
    /// `NotFound` once the endpoint is gone: disconnected, refused for good.
    pub fn poll_connected(
        &self,
        connected: Connected,
        place: &mut Place,
        waker: &Waker,
    ) -> Poll<Result<(), Error>> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        let Some(end) = state
            .ends
            .list
            .iter()
            .find(|end| end.id == connected.endpoint)
        else {
            return Poll::Ready(Err(ErrorKind::NotFound.into()));
        };
        let found = match end.peer {
            Some((key, serial)) => state.peers.get(key).filter(|peer| peer.serial == serial),
            None if end.stopped => None,
            // With `immediate` there is no peer before it is ready.
            None => {
                let of_end = |(key, peer): &(usize, &Peer)| {
                    peer.ready && *state.attached[*key].endpoint == *end.real
                };
                match state.peers.iter().find(of_end) {
                    Some((_, peer)) => Some(peer),
                    None => {
                        state.change_waiters.enter(place, waker);
                        return Poll::Pending;
                    }
                }
            }
        };
        match found {
            Some(peer) if peer.ready => Poll::Ready(Ok(())),
            Some(peer) if !peer.gone => {
                state.change_waiters.enter(place, waker);
                Poll::Pending
            }
            _ => Poll::Ready(Err(ErrorKind::NotFound.into())),
        }
    }

    /// A connected endpoint is given up for good: who waits for its peer is to know.
    pub(super) fn note_stopped(&self, id: u64, bells: &mut Bells) {
        let mut state = self.state.lock();
        if let Some(end) = state.ends.list.iter_mut().find(|end| end.id == id) {
            end.stopped = true;
            bells.wakers.extend(state.change_waiters.all());
        }
    }

    /// A waiter for peers goes away.
    pub fn leave_change(&self, place: &mut Place) {
        self.state.lock().change_waiters.leave(place);
    }

    /// Everything bound (true) or connected, as it came to be.
    pub fn endpoints(&self, bound: bool) -> Vec<Endpoint> {
        let state = self.state.lock();
        let ends = state.ends.list.iter().filter(|end| end.bound == bound);
        ends.map(|end| (*end.real).clone()).collect()
    }

    /// Notes an endpoint, unless the socket was closed while that was made: closing ends what it
    /// finds. What is to be `done` for it stands in line from the same moment, so before whatever
    /// ends it.
    fn note_end(&self, end: End, done: Option<Job>) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(Error::new(ErrorKind::Closed, end.given.to_string()));
        }
        self.jobs.lock().extend(done);
        state.ends.last = Some(Arc::clone(&end.real));
        state.ends.list.push(end);
        Ok(())
    }

    /// Is the socket open, and has it a use for this transport?
    fn check_open(&self, endpoint: &Endpoint) -> Result<(), Error> {
        if endpoint.is_inproc() && !self.socket_type.speaks_zmtp() {
            let what = format!("{endpoint}: a STREAM is for the network");
            return Err(Error::new(ErrorKind::UnknownTransport, what));
        }
        if self.state.lock().phase == Phase::Open {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Closed, endpoint.to_string()))
    }

    /// What a bound endpoint means on this machine.
    fn bind_address(&self, endpoint: &Endpoint, ipv6: bool) -> Result<Address, Error> {
        let nowhere = || Error::new(ErrorKind::AddressNotAvailable, endpoint.to_string());
        match endpoint {
            Endpoint::Tcp(TcpEndpoint { host, port, .. }) => {
                let port = match port {
                    Port::Number(port) => *port,
                    Port::Any => 0,
                };
                let mut address = match host {
                    Host::Any if ipv6 => ([0u16; 8], port).into(),
                    Host::Any => ([0u8; 4], port).into(),
                    Host::Name(name) => {
                        self.context.local_address(name, ipv6).ok_or_else(nowhere)?
                    }
                    host => self.context.address_of(host, port).ok_or_else(nowhere)?,
                };
                address.set_port(port);
                Ok(Address::Tcp(address))
            }
            Endpoint::Ipc(IpcEndpoint::Path(path)) => Ok(Address::Path(path.clone())),
            Endpoint::Ipc(IpcEndpoint::Abstract(name)) => {
                Ok(Address::Abstract(name.clone().into_bytes()))
            }
            Endpoint::Ipc(IpcEndpoint::Any) => Ok(Address::Path(self.context.fresh_path())),
            Endpoint::Inproc(_) => Err(nowhere()),
        }
    }

    /// Goes out of the process: takes a place on a reactor, and a poll set.
    ///
    /// # Errors
    /// What has run out, for what.
    fn net(&self, what: &dyn Display) -> Result<&Net, Error> {
        if let Some(net) = self.net.get() {
            return Ok(net);
        }
        let failed = |error| Error::from_io(what.to_string(), error);
        let affinity = self.terms().options.affinity;
        let (io_thread, reactor) = self.context.reactor(affinity, what)?;
        let mut guard = self.set.lock();
        if let Some(net) = self.net.get() {
            return Ok(net);
        }
        let me = self.me.upgrade().ok_or(ErrorKind::Closed)?;
        let selector = self.context.metal.selector().map_err(failed)?;
        let alarm: Arc<dyn Alarm> = Arc::new(Ringer(
            selector.bell().map_err(failed)?,
            Arc::clone(&self.work),
        ));
        let key = reactor.adopt(me);
        let leased = self.is_born_leased();
        if leased {
            let now = self.context.metal.now();
            reactor.drive_at(key, now + tuning::LEASE_CHECK);
        } else if let Err(error) = reactor.watch(key, selector.source()) {
            reactor.release(key);
            return Err(failed(error));
        }
        self.leased.store(leased, Ordering::SeqCst);
        *guard = Some(PollSet::new(selector, leased));
        drop(guard);
        let net = self.net.get_or_init(|| Net {
            reactor,
            key,
            io_thread,
            alarm,
        });
        if !self.is_open() {
            // Closed meanwhile, perhaps without having seen the set, which is to end, too.
            self.submit(vec![Job::Shut {
                endpoint: None,
                until: self.linger_until(Linger::Drop),
            }]);
            return Err(Error::new(ErrorKind::Closed, what.to_string()));
        }
        Ok(net)
    }

    /// Has the reactor sweep soon.
    pub(super) fn sweep_soon(&self) {
        if let Some(net) = self.net.get() {
            lying::note(&self.me);
            net.reactor.sweep_soon(net.key);
        }
    }
}

/// A selector's bell as an alarm, whose rings are counted.
struct Ringer(Arc<dyn Bell>, Arc<Work>);

impl Alarm for Ringer {
    fn ring(&self) {
        self.1.note_bell();
        self.0.ring();
    }
}

impl Tenant for Socket {
    fn drive(&self, now: Time) -> Option<Time> {
        self.drive_for_reactor(now)
    }

    fn sweep(&self) -> Option<Duration> {
        self.sweep_once()
    }

    fn lies(&self) -> bool {
        Socket::lies(self)
    }

    fn give_up(&self) {
        self.close(Linger::Drop);
    }
}

impl End {
    fn new(
        id: u64,
        given: &Endpoint,
        real: &Endpoint,
        bound: bool,
        peer: Option<(usize, u64)>,
    ) -> End {
        End {
            id,
            given: given.clone(),
            real: Arc::new(real.clone()),
            bound,
            peer,
            stopped: false,
        }
    }
}

impl Ends {
    /// Messages were thrown away.
    pub(super) fn note_unsent(&mut self, messages: u64) {
        self.unsent += messages;
    }

    /// What was last bound or connected, as it came to be.
    pub(super) fn last(&self) -> Option<Arc<Endpoint>> {
        self.last.clone()
    }

    /// A connected endpoint's peer is let go, and the endpoint with it.
    pub(super) fn forget_peer(&mut self, peer: (usize, u64)) {
        self.list.retain(|end| end.peer != Some(peer));
    }

    /// A connected endpoint's peer was replaced by another.
    pub(super) fn move_peer(&mut self, from: (usize, u64), to: (usize, u64)) {
        if let Some(end) = self.list.iter_mut().find(|end| end.peer == Some(from)) {
            end.peer = Some(to);
        }
    }
}

impl State {
    /// Peers whose handshake is done.
    pub(super) fn ready_peers(&self) -> usize {
        self.peers.iter().filter(|(_, peer)| peer.ready).count()
    }
}
