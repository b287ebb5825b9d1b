//! A context: the reactors, the inproc names and the sockets that share them.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io,
    net::{SocketAddr, SocketAddrV6},
    path::PathBuf,
    sync::{Arc, Weak},
    task::{Poll, Waker},
};

use bytes::Bytes;

use super::{
    socket::Socket,
    terms::may_serve,
    wait::{Place, Waiters},
};
use crate::{
    base::{
        context_options::ContextOptions,
        endpoint::{Endpoint, Host},
        error::{Error, ErrorKind},
        option_table::{OptionName, OptionRow, OptionValue},
        options::{Linger, Options},
        socket_type::SocketType,
        stats::IoStats,
        sync::{AtomicU64, Mutex, Ordering, Rank, park::Parker},
        tuning,
    },
    pipe::Lane,
    reactor::{Handle, Reactor, metal::Metal},
};

/// Sockets that share reactors and inproc names.
pub struct Context {
    pub(super) metal: Arc<dyn Metal>,
    options: Mutex<ContextOptions>,
    serial: AtomicU64,
    registry: Mutex<Registry>,
}

struct Registry {
    reactors: Vec<Handle>,
    /// Open sockets, by address; a `Vec` in the order of their making.
    sockets: Vec<Weak<Socket>>,
    names: BTreeMap<String, Weak<Socket>>,
    /// Those who connected to a name that nobody has yet, by name, in order.
    waiting: BTreeMap<String, Vec<Waiting>>,
    /// What such have left to whoever takes the name, and closed.
    legacies: BTreeMap<String, Vec<Legacy>>,
    closed: bool,
    end_waiters: Waiters,
}

/// Messages for whoever takes a name, of a socket that has closed.
pub(super) struct Legacy {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) messages: Arc<Lane>,
    pub(super) from: SocketType,
    /// What it called itself.
    pub(super) identity: Bytes,
}

/// A peer that waits for the other side.
pub(super) struct Waiting {
    pub(super) socket: Weak<Socket>,
    pub(super) key: usize,
    pub(super) serial: u64,
}

impl Context {
    /// A context on this metal. Its reactors are made when first needed.
    pub fn new(metal: Arc<dyn Metal>, options: ContextOptions) -> Arc<Context> {
        let registry = Registry {
            reactors: Vec::new(),
            sockets: Vec::new(),
            names: BTreeMap::new(),
            waiting: BTreeMap::new(),
            legacies: BTreeMap::new(),
            closed: false,
            end_waiters: Waiters::default(),
        };
        Arc::new(Context {
            metal,
            options: Mutex::new(Rank::Leaf, options),
            serial: AtomicU64::new(1),
            registry: Mutex::new(Rank::Registry, registry),
        })
    }

    /// The metal it runs on.
    pub fn metal(&self) -> &Arc<dyn Metal> {
        &self.metal
    }

    /// The options as they stand now.
    pub fn options(&self) -> ContextOptions {
        self.options.lock().clone()
    }

    /// Sets an option of libzmq's.
    ///
    /// # Errors
    /// `InvalidOption`: there is none, it cannot act here or is only read; a value of another kind,
    /// or out of range.
    pub fn set_option(&self, option: OptionName<'_>, value: &OptionValue) -> Result<(), Error> {
        let row = OptionRow::find_of_context(option, true)?;
        row.set_of_context(&mut self.options.lock(), value)
    }

    /// The value of an option of libzmq's.
    ///
    /// # Errors
    /// `InvalidOption`: there is none, or it is only set.
    pub fn option(&self, option: OptionName<'_>) -> Result<OptionValue, Error> {
        OptionRow::find_of_context(option, false)?.value_of_context(&self.options.lock())
    }

    /// Has a socket's options begin as the context says, but for what was said of them already.
    pub fn begin(&self, options: &mut Options, said_linger: bool, said_ipv6: bool) {
        let ContextOptions { lingers, ipv6, .. } = self.options();
        if !lingers && !said_linger {
            options.linger = Linger::Drop;
        }
        if ipv6 && !said_ipv6 {
            options.ipv6 = true;
        }
    }

    /// What its I/O threads have done, those that have been started.
    pub fn io_stats(&self) -> Vec<IoStats> {
        let now = self.metal.now();
        let reactors = self.with_registry(|registry| registry.reactors.clone());
        reactors.iter().map(|reactor| reactor.stats(now)).collect()
    }

    /// A number never given before.
    pub(super) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a socket in.
    pub(super) fn enter(&self, socket: &Arc<Socket>) -> Result<(), Error> {
        let sockets_max = self.options.lock().sockets_max;
        let mut registry = self.registry.lock();
        if registry.closed {
            return Err(Error::new(ErrorKind::Closed, "the context"));
        }
        if registry.sockets.len() >= sockets_max {
            return Err(Error::new(ErrorKind::TooMany, "sockets in this context"));
        }
        registry.sockets.push(Arc::downgrade(socket));
        Ok(())
    }

    /// Lets a socket go that has closed.
    pub(super) fn leave(&self, socket: &Socket) {
        let gone: *const Socket = socket;
        let mut wakers = Vec::new();
        self.with_registry(|registry| {
            registry
                .sockets
                .retain(|other| !std::ptr::eq(other.as_ptr(), gone));
            if registry.sockets.is_empty() {
                wakers.extend(registry.end_waiters.all());
            }
        });
        for waker in wakers {
            waker.wake();
        }
    }

    fn with_registry<R>(&self, act: impl FnOnce(&mut Registry) -> R) -> R {
        act(&mut self.registry.lock())
    }

    /// The reactor with the fewest sockets, among those whose bit is in `affinity` (0: all).
    /// Reactors are made up to the number of I/O threads.
    ///
    /// # Errors
    /// `NoThread` if there is none among them; what the system says about a new thread.
    pub(super) fn reactor(
        &self,
        affinity: u64,
        what: &dyn Display,
    ) -> Result<(usize, Handle), Error> {
        let fits = |number: usize| may_serve(affinity, number);
        let failed = |error| Error::from_io(what.to_string(), error);
        let none = || Error::new(ErrorKind::NoThread, what.to_string());
        let ContextOptions {
            io_threads,
            threads,
            ..
        } = self.options();
        let mut registry = self.registry.lock();
        if registry.closed {
            return Err(Error::new(ErrorKind::Closed, what.to_string()));
        }
        let made = registry.reactors.len();
        let last = (made..io_threads).any(fits);
        let here = (0..made).any(fits);
        if !last && !here {
            return Err(none());
        }
        while registry.reactors.len() < io_threads && last {
            let number = registry.reactors.len();
            let (reactor, handle) = Reactor::new(Arc::clone(&self.metal)).map_err(failed)?;
            self.metal.run(reactor, &threads).map_err(failed)?;
            registry.reactors.push(handle.clone());
            if fits(number) {
                return Ok((number, handle));
            }
        }
        let least = registry
            .reactors
            .iter()
            .enumerate()
            .filter(|(number, handle)| fits(*number) && !handle.is_stopped())
            .min_by_key(|(_, handle)| handle.load())
            .map(|(number, handle)| (number, handle.clone()));
        least.ok_or_else(none)
    }

    /// Gives `socket` a name, and whoever waits under it.
    pub(super) fn bind_name(
        &self,
        name: &str,
        socket: &Arc<Socket>,
    ) -> Result<(Vec<Waiting>, Vec<Legacy>), Error> {
        let mut registry = self.registry.lock();
        if registry.names.contains_key(name) {
            return Err(Error::new(
                ErrorKind::AddressInUse,
                format!("inproc://{name}"),
            ));
        }
        registry
            .names
            .insert(name.to_owned(), Arc::downgrade(socket));
        let waiting = registry.waiting.remove(name).unwrap_or_default();
        Ok((waiting, registry.legacies.remove(name).unwrap_or_default()))
    }

    /// Keeps what a socket has left to a name. If somebody has taken that meanwhile, other than
    /// `gone`, who is closing, it is his.
    pub(super) fn keep_legacy(
        &self,
        legacy: Legacy,
        gone: Option<&Socket>,
    ) -> Option<(Arc<Socket>, Legacy)> {
        let Endpoint::Inproc(name) = &*legacy.endpoint else {
            return None;
        };
        let is_gone = |it: &Arc<Socket>| gone.is_some_and(|gone| std::ptr::eq(gone, &**it));
        let mut registry = self.registry.lock();
        let heir = registry.names.get(name).and_then(Weak::upgrade);
        match heir.filter(|it| !is_gone(it)) {
            Some(heir) => Some((heir, legacy)),
            None => {
                let name = name.clone();
                registry.legacies.entry(name).or_default().push(legacy);
                None
            }
        }
    }

    /// Who has a name, other than `gone`, who is closing. If nobody does, `waiting` waits under it.
    pub(super) fn find_name(
        &self,
        name: &str,
        waiting: Waiting,
        gone: Option<&Arc<Socket>>,
    ) -> Option<Arc<Socket>> {
        let mut registry = self.registry.lock();
        let found = registry.names.get(name).and_then(Weak::upgrade);
        let is_gone = |it: &Arc<Socket>| gone.is_some_and(|gone| Arc::ptr_eq(gone, it));
        let found = found.filter(|it| !is_gone(it));
        if found.is_none() {
            registry
                .waiting
                .entry(name.to_owned())
                .or_default()
                .push(waiting);
        }
        found
    }

    /// Who has a name.
    pub(super) fn named(&self, name: &str) -> Option<Arc<Socket>> {
        self.registry.lock().names.get(name).and_then(Weak::upgrade)
    }

    /// Takes a name back from `socket`.
    pub(super) fn unbind_name(&self, name: &str, socket: &Socket) {
        let mut registry = self.registry.lock();
        let owner: *const Socket = socket;
        if registry
            .names
            .get(name)
            .is_some_and(|other| std::ptr::eq(other.as_ptr(), owner))
        {
            registry.names.remove(name);
        }
    }

    /// Peers that no longer wait under a name.
    pub(super) fn forget_waiting(&self, serials: &[u64]) {
        let mut registry = self.registry.lock();
        if registry.waiting.is_empty() {
            return;
        }
        registry.waiting.retain(|_, list| {
            list.retain(|waiting| !serials.contains(&waiting.serial));
            !list.is_empty()
        });
    }

    /// The address of an interface, or of a name that stands for an address of this machine.
    pub(super) fn local_address(&self, name: &str, ipv6: bool) -> Option<SocketAddr> {
        let fits = |address: &SocketAddr| address.is_ipv4() || ipv6;
        if let Some(address) = self.metal.interface(name).into_iter().find(fits) {
            return Some(address);
        }
        self.look_up(name, ipv6).into_iter().find(fits)
    }

    /// The address that a host in numbers stands for; of a zone, with the interface's number.
    pub(super) fn address_of(&self, host: &Host, port: u16) -> Option<SocketAddr> {
        match host {
            Host::Ip(ip) => Some((*ip, port).into()),
            Host::Zoned(ip, zone) => {
                let scope_of = |address: SocketAddr| match address {
                    SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id()),
                    _ => None,
                };
                let named = || self.metal.interface(zone).into_iter().find_map(scope_of);
                let scope = zone.parse().ok().or_else(named)?;
                Some(SocketAddrV6::new(*ip, port, 0, scope).into())
            }
            Host::Any | Host::Name(_) => None,
        }
    }

    /// Looks a name up and waits for the answer, for a while.
    fn look_up(&self, name: &str, ipv6: bool) -> Vec<SocketAddr> {
        let (parker, waker) = Parker::current();
        let answer = Arc::new(Mutex::new(Rank::Leaf, None));
        let slot = Arc::clone(&answer);
        let done = move |found: io::Result<Vec<SocketAddr>>| {
            *slot.lock() = Some(found.unwrap_or_default());
            waker.wake();
        };
        self.metal.resolve(name, 0, ipv6, Box::new(done));
        let until = self.metal.now() + tuning::LOOK_UP_MAX;
        loop {
            if let Some(found) = answer.lock().take() {
                return found;
            }
            let now = self.metal.now();
            if now >= until {
                return Vec::new();
            }
            parker.park(Some(until.since(now)));
        }
    }

    /// A path for a Unix-domain socket that nobody uses.
    pub(super) fn fresh_path(&self) -> PathBuf {
        let number = self.next_serial();
        let random = self.metal.random();
        std::env::temp_dir().join(format!("hubless-{random:016x}-{number}"))
    }

    /// Begins to close: every socket closes, with its own linger or `linger`, and no new ones
    /// are made. Waiting calls end.
    pub fn close(&self, linger: Option<Linger>) {
        let (sockets, legacies) = self.with_registry(|registry| {
            registry.closed = true;
            let legacies = std::mem::take(&mut registry.legacies);
            (registry.sockets.clone(), legacies)
        });
        drop(legacies);
        for socket in sockets.iter().filter_map(Weak::upgrade) {
            socket.close(linger.unwrap_or(socket.terms().options.linger));
        }
    }

    /// Waits until every socket has closed.
    pub fn poll_closed(&self, place: &mut Place, waker: &Waker) -> Poll<()> {
        self.with_registry(|registry| {
            if registry.sockets.is_empty() {
                return Poll::Ready(());
            }
            registry.end_waiters.enter(place, waker);
            Poll::Pending
        })
    }

    /// Whoever waited for that does so no more.
    pub fn leave_end(&self, place: &mut Place) {
        self.with_registry(|registry| registry.end_waiters.leave(place));
    }

    /// Does somebody wait for that?
    #[cfg(test)]
    pub fn is_awaited(&self) -> bool {
        self.with_registry(|registry| !registry.end_waiters.is_empty())
    }

    /// Ends its I/O threads, and waits for that, if it was closed and so has every socket. No lock
    /// may be held that a reactor takes.
    pub fn end_threads(&self) {
        let is_over = self.with_registry(|registry| registry.closed && registry.sockets.is_empty());
        if is_over {
            self.stop_reactors();
            self.metal.join();
        }
    }

    fn stop_reactors(&self) {
        for reactor in self.with_registry(|registry| registry.reactors.clone()) {
            reactor.stop();
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.stop_reactors();
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("options", &self.options())
            .finish_non_exhaustive()
    }
}
