//! The simulated metal: the library's traits over the simulated world.
//!
//! Every call takes the world's lock, does its part and gives the lock back before anything of
//! the library's runs. There is one thread, so nobody ever waits for that lock; it is there
//! because the traits ask for `Send` and `Sync`.

use std::{
    fmt,
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
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

use super::{dice::Dice, faults::Faults, net::Net};

/// The simulated metal. Clones are handles on the same world.
#[derive(Clone)]
pub struct SimMetal {
    net: Arc<Mutex<Net>>,
    /// Reactors handed over and not yet taken by who turns them.
    reactors: Arc<Mutex<Vec<Reactor>>>,
    /// No selector tells anything any more.
    deaf: Arc<AtomicBool>,
}

impl SimMetal {
    /// A world of its own. `aloud` prints its trace.
    pub fn new(dice: Dice, faults: Faults, aloud: bool) -> SimMetal {
        SimMetal {
            net: Arc::new(Mutex::new(Net::new(dice, faults, aloud))),
            reactors: Arc::default(),
            deaf: Arc::default(),
        }
    }

    /// The world, for as long as the guard lives.
    pub fn net(&self) -> MutexGuard<'_, Net> {
        lock(&self.net)
    }

    /// From now on every selector fails, as if somebody had closed it.
    pub fn go_deaf(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// The reactors that were handed over since this was asked last.
    pub fn take_reactors(&self) -> Vec<Reactor> {
        std::mem::take(&mut *lock(&self.reactors))
    }
}

impl fmt::Debug for SimMetal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimMetal")
    }
}

/// A panic under the lock is reported once, not again by every drop that follows.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metal for SimMetal {
    fn now(&self) -> Time {
        self.net().now
    }

    fn random(&self) -> u64 {
        self.net().for_library.throw()
    }

    fn may_block(&self) -> bool {
        false // the one thread turns the reactors too
    }

    fn selector(&self) -> io::Result<Box<dyn Selector>> {
        let id = self.net().open_selector();
        Ok(Box::new(SimSelector {
            handle: self.on(id),
        }))
    }

    fn connect(
        &self,
        to: &Address,
        from: Option<&Address>,
        _options: &Options,
    ) -> io::Result<Box<dyn Stream>> {
        let id = self.net().connect(to, from)?;
        Ok(Box::new(SimStream {
            handle: self.on(id),
        }))
    }

    fn listen(&self, at: &Address, options: &Options) -> io::Result<Box<dyn Acceptor>> {
        let id = self.net().listen(at, options.backlog)?;
        Ok(Box::new(SimAcceptor {
            handle: self.on(id),
        }))
    }

    fn resolve(&self, host: &str, port: u16, ipv6: bool, done: Resolved) {
        self.net().resolve(host, port, ipv6, done);
    }

    fn interface(&self, name: &str) -> Vec<SocketAddr> {
        match name {
            "lo" => vec![SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0)],
            _ => Vec::new(),
        }
    }

    fn run(&self, reactor: Reactor, _: &ThreadOptions) -> io::Result<()> {
        lock(&self.reactors).push(reactor);
        Ok(())
    }
}

impl SimMetal {
    fn on(&self, id: SourceId) -> Handle {
        Handle {
            metal: self.clone(),
            id,
        }
    }
}

/// A source, and the world it is in.
#[derive(Clone)]
struct Handle {
    metal: SimMetal,
    id: SourceId,
}

struct SimSelector {
    handle: Handle,
}

impl Selector for SimSelector {
    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        if self.handle.metal.deaf.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        self.handle.metal.net().poll(self.handle.id, ready, timeout)
    }

    fn register(&self, source: SourceId, token: usize) -> io::Result<()> {
        let Handle { metal, id } = &self.handle;
        metal.net().register(*id, source, token)
    }

    fn deregister(&self, source: SourceId) -> io::Result<()> {
        let Handle { metal, id } = &self.handle;
        metal.net().deregister(*id, source)
    }

    fn bell(&self) -> io::Result<Arc<dyn Bell>> {
        Ok(Arc::new(SimBell(self.handle.clone())))
    }

    fn registry(&self) -> io::Result<Box<dyn Registry>> {
        Ok(Box::new(SimRegistry(self.handle.clone())))
    }

    fn source(&self) -> SourceId {
        self.handle.id
    }
}

impl Drop for SimSelector {
    fn drop(&mut self) {
        self.handle.metal.net().close_selector(self.handle.id);
    }
}

struct SimRegistry(Handle);

impl Registry for SimRegistry {
    fn register(&self, source: SourceId, token: usize) -> io::Result<()> {
        self.0.metal.net().register(self.0.id, source, token)
    }

    fn deregister(&self, source: SourceId) -> io::Result<()> {
        self.0.metal.net().deregister(self.0.id, source)
    }
}

struct SimBell(Handle);

impl Bell for SimBell {
    fn ring(&self) {
        self.0.metal.net().ring(self.0.id);
    }
}

struct SimStream {
    handle: Handle,
}

impl Stream for SimStream {
    fn source(&self) -> SourceId {
        self.handle.id
    }

    fn finish_connect(&self) -> io::Result<()> {
        self.handle.metal.net().finish_connect(self.handle.id)
    }

    fn read(&self, into: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        self.handle.metal.net().read(self.handle.id, into, limit)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.handle.metal.net().write(self.handle.id, slices)
    }

    fn ends(&self) -> Ends {
        let (local, remote) = self.handle.metal.net().ends(self.handle.id);
        let peer = match &remote {
            Address::Tcp(address) => address.ip().to_string(),
            Address::Path(_) | Address::Abstract(_) => "localhost:0:0:1".to_owned(),
        };
        Ends {
            local: endpoint(&local),
            remote: endpoint(&remote),
            peer,
        }
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.handle.metal.net().drop_stream(self.handle.id);
    }
}

struct SimAcceptor {
    handle: Handle,
}

impl Acceptor for SimAcceptor {
    fn source(&self) -> SourceId {
        self.handle.id
    }

    fn accept(&self) -> io::Result<Box<dyn Stream>> {
        let id = self.handle.metal.net().accept(self.handle.id)?;
        let handle = self.handle.metal.on(id);
        Ok(Box::new(SimStream { handle }))
    }

    fn local(&self) -> Address {
        self.handle.metal.net().listens_at(self.handle.id)
    }
}

impl Drop for SimAcceptor {
    fn drop(&mut self) {
        self.handle.metal.net().drop_acceptor(self.handle.id);
    }
}

/// An address as an endpoint's text.
fn endpoint(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("tcp://{address}"),
        Address::Path(path) => format!("ipc://{}", path.display()),
        Address::Abstract(name) => format!("ipc://@{}", String::from_utf8_lossy(name)),
    }
}
