//! The outside world as loom walks it: selectors, streams and bells behind one lock.
//!
//! The strictest reading of the metal's contract, as in the simulator: an edge is told once. Each
//! look at the clock takes a while, and a poll with a limit takes all of it: what could have come
//! before may come after, and loom tries both.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    io::{self, ErrorKind, IoSlice},
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hubless::{
    Time,
    internals::{
        base::{context_options::ThreadOptions, options::Options},
        reactor::{
            Reactor,
            metal::{
                Acceptor, Address, Bell, Ends, Metal, Ready, Registry, Resolved, Selector,
                SourceId, Stream,
            },
        },
    },
};
use loom::sync::{Condvar, Mutex, MutexGuard};

/// The kernel. Clones are handles on the same one.
#[derive(Clone)]
pub struct Kernel(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    /// Nanoseconds. Not one of loom's, which would try all that the clock could say.
    now: AtomicU64,
    /// The reactor that was handed over, until somebody takes it to turn it.
    reactor: std::sync::Mutex<Option<Reactor>>,
}

#[derive(Default)]
struct State {
    last: SourceId,
    selectors: BTreeMap<SourceId, Watching>,
    /// What lies in each stream, in the pieces that one read takes.
    streams: BTreeMap<SourceId, VecDeque<Vec<u8>>>,
    /// Connections that wait at each listening point.
    waiting: BTreeMap<SourceId, VecDeque<SourceId>>,
    over: bool,
}

/// A selector.
#[derive(Default)]
struct Watching {
    tokens: BTreeMap<SourceId, usize>,
    pending: BTreeSet<SourceId>,
    rung: bool,
}

impl Kernel {
    pub fn new() -> Kernel {
        Kernel(Arc::new(Inner {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            now: AtomicU64::new(0),
            reactor: std::sync::Mutex::new(None),
        }))
    }

    /// The reactor, to be turned.
    pub fn take_reactor(&self) -> Reactor {
        let reactor = self.0.reactor.lock().unwrap().take();
        reactor.expect("a socket has gone out of the process")
    }

    /// Somebody connects to what was listened at first. Answers our end of that.
    pub fn connect(&self) -> SourceId {
        let mut state = self.state();
        let stream = state.fresh();
        state.streams.insert(stream, VecDeque::new());
        let (&acceptor, waiting) = state.waiting.iter_mut().next().expect("listening");
        waiting.push_back(stream);
        state.tell(acceptor);
        self.0.changed.notify_all();
        stream
    }

    /// One octet arrives.
    pub fn deliver(&self, stream: SourceId, octet: u8) {
        let mut state = self.state();
        let lying = state.streams.get_mut(&stream).expect("open");
        lying.push_back(vec![octet]);
        state.tell(stream);
        self.0.changed.notify_all();
    }

    /// How many listening points are watched.
    pub fn listening(&self) -> usize {
        let state = self.state();
        let watched = |source: &SourceId| state.watchers(*source).next().is_some();
        state
            .waiting
            .keys()
            .filter(|source| watched(source))
            .count()
    }

    /// Is there anything to tell who polls this selector?
    pub fn is_raised(&self, selector: SourceId) -> bool {
        self.state().is_ready(selector)
    }

    /// No more turns: whoever polls stops.
    pub fn end(&self) {
        let mut state = self.state();
        state.over = true;
        self.0.changed.notify_all();
    }

    /// Have turns been ended?
    pub fn is_over(&self) -> bool {
        self.state().over
    }

    fn pass(&self, time: Duration) -> Time {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
        Time::from_nanos(nanos + self.0.now.fetch_add(nanos, Ordering::Relaxed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    fn on(&self, id: SourceId) -> Handle {
        let kernel = self.clone();
        Handle { kernel, id }
    }
}

impl State {
    fn fresh(&mut self) -> SourceId {
        self.last += 1;
        self.last
    }

    fn watchers(&self, source: SourceId) -> impl Iterator<Item = SourceId> + '_ {
        let watches = move |watching: &Watching| watching.tokens.contains_key(&source);
        let selectors = self.selectors.iter();
        selectors
            .filter(move |(_, it)| watches(it))
            .map(|(id, _)| *id)
    }

    fn is_ready(&self, selector: SourceId) -> bool {
        let watching = &self.selectors[&selector];
        watching.rung || !watching.pending.is_empty()
    }

    /// An edge of `source`.
    fn tell(&mut self, source: SourceId) {
        for selector in self.watchers(source).collect::<Vec<_>>() {
            self.raise(selector, |watching| {
                watching.pending.insert(source);
            });
        }
    }

    /// Something comes to a selector; an edge for whoever watches that.
    fn raise(&mut self, selector: SourceId, by: impl FnOnce(&mut Watching)) {
        let was_ready = self.is_ready(selector);
        by(self.selectors.get_mut(&selector).expect("open"));
        if !was_ready {
            self.tell(selector);
        }
    }

    fn is_readable(&self, source: SourceId) -> bool {
        let lies = |lying: &VecDeque<Vec<u8>>| !lying.is_empty();
        self.streams.get(&source).is_some_and(lies)
            || self.waiting.get(&source).is_some_and(|it| !it.is_empty())
            || (self.selectors.contains_key(&source) && self.is_ready(source))
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kernel")
    }
}

impl Metal for Kernel {
    fn now(&self) -> Time {
        self.pass(Duration::from_micros(20))
    }

    fn random(&self) -> u64 {
        0
    }

    fn selector(&self) -> io::Result<Box<dyn Selector>> {
        let mut state = self.state();
        let id = state.fresh();
        state.selectors.insert(id, Watching::default());
        Ok(Box::new(self.on(id)))
    }

    fn connect(
        &self,
        _: &Address,
        _: Option<&Address>,
        _: &Options,
    ) -> io::Result<Box<dyn Stream>> {
        Err(ErrorKind::Unsupported.into())
    }

    fn listen(&self, _: &Address, _: &Options) -> io::Result<Box<dyn Acceptor>> {
        let mut state = self.state();
        let id = state.fresh();
        state.waiting.insert(id, VecDeque::new());
        Ok(Box::new(self.on(id)))
    }

    fn resolve(&self, _: &str, _: u16, _: bool, done: Resolved) {
        done(Ok(Vec::new()));
    }

    fn interface(&self, _: &str) -> Vec<SocketAddr> {
        Vec::new()
    }

    fn run(&self, reactor: Reactor, _: &ThreadOptions) -> io::Result<()> {
        *self.0.reactor.lock().unwrap() = Some(reactor);
        Ok(())
    }
}

/// A source, and the kernel it is of.
#[derive(Clone)]
struct Handle {
    kernel: Kernel,
    id: SourceId,
}

impl Selector for Handle {
    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let mut state = self.kernel.state();
        while !state.is_ready(self.id) && !state.over {
            match timeout {
                None => state = self.kernel.0.changed.wait(state).unwrap(),
                Some(wait) => {
                    self.kernel.pass(wait);
                    break;
                }
            }
        }
        let watching = state.selectors.get_mut(&self.id).expect("open");
        watching.rung = false;
        let pending = std::mem::take(&mut watching.pending);
        let tokens = pending.iter().map(|source| watching.tokens[source]);
        ready.extend(tokens.map(|token| Ready {
            token,
            readable: true,
            writable: true,
            closed: false,
        }));
        Ok(())
    }

    fn register(&self, source: SourceId, token: usize) -> io::Result<()> {
        let mut state = self.kernel.state();
        let readable = state.is_readable(source) || state.streams.contains_key(&source);
        state.raise(self.id, |watching| {
            watching.tokens.insert(source, token);
            if readable {
                watching.pending.insert(source);
            }
        });
        self.kernel.0.changed.notify_all();
        Ok(())
    }

    fn deregister(&self, source: SourceId) -> io::Result<()> {
        let mut state = self.kernel.state();
        let watching = state.selectors.get_mut(&self.id).expect("open");
        watching.pending.remove(&source);
        let was = watching.tokens.remove(&source);
        was.map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn bell(&self) -> io::Result<Arc<dyn Bell>> {
        Ok(Arc::new(self.clone()))
    }

    fn registry(&self) -> io::Result<Box<dyn Registry>> {
        Ok(Box::new(self.clone()))
    }

    fn descriptor(&self) -> io::Result<OwnedFd> {
        // Nobody reads it: `Kernel::is_raised` is asked.
        Ok(std::fs::File::open("/dev/null")?.into())
    }

    fn source(&self) -> SourceId {
        self.id
    }
}

impl Registry for Handle {
    fn register(&self, source: SourceId, token: usize) -> io::Result<()> {
        Selector::register(self, source, token)
    }

    fn deregister(&self, source: SourceId) -> io::Result<()> {
        Selector::deregister(self, source)
    }
}

impl Bell for Handle {
    fn ring(&self) {
        let mut state = self.kernel.state();
        if state.selectors.contains_key(&self.id) {
            state.raise(self.id, |watching| watching.rung = true);
            self.kernel.0.changed.notify_all();
        }
    }
}

impl Stream for Handle {
    fn source(&self) -> SourceId {
        self.id
    }

    fn finish_connect(&self) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, into: &mut Vec<u8>, _: usize) -> io::Result<usize> {
        let mut state = self.kernel.state();
        let lying = state.streams.get_mut(&self.id).expect("open");
        let octets = lying.pop_front().ok_or(ErrorKind::WouldBlock)?;
        into.extend_from_slice(&octets);
        if !lying.is_empty() {
            // One read takes one piece: what is left is told of again.
            state.tell(self.id);
            self.kernel.0.changed.notify_all();
        }
        Ok(octets.len())
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn ends(&self) -> Ends {
        Ends::default()
    }
}

impl Acceptor for Handle {
    fn source(&self) -> SourceId {
        self.id
    }

    fn accept(&self) -> io::Result<Box<dyn Stream>> {
        let mut state = self.kernel.state();
        let waiting = state.waiting.get_mut(&self.id).expect("open");
        let stream = waiting.pop_front().ok_or(ErrorKind::WouldBlock)?;
        Ok(Box::new(self.kernel.on(stream)))
    }

    fn local(&self) -> Address {
        Address::Tcp(([127, 0, 0, 1], u16::try_from(self.id).expect("few")).into())
    }
}
