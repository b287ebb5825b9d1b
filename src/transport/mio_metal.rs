//! The metal that programs run on: the system's clock, sockets and threads.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, RandomState},
    hint, io, mem,
    net::SocketAddr,
    os::fd::OwnedFd,
    ptr,
    sync::{Once, mpsc},
    thread::{self, JoinHandle},
    time::Instant,
};

use super::{
    interfaces, ipc, resolver::Resolver, selector::MioSelector, socks5::SocksStream, sys, tcp,
};
use crate::{
    base::{
        context_options::ThreadOptions,
        options::Options,
        sync::{AtomicU64, AtomicUsize, Mutex, Ordering, Rank, biased::offer_barrier},
        time::Time,
        tuning,
    },
    reactor::{
        Reactor,
        metal::{Acceptor, Address, Metal, Resolved, Selector, SocksTarget, Stream},
    },
};

/// The real world, through mio.
pub struct MioMetal {
    started: Instant,
    seed: RandomState,
    drawn: AtomicU64,
    reactors: AtomicUsize,
    /// The threads that run them.
    threads: Mutex<Vec<(ThreadKey, JoinHandle<()>)>>,
    resolver: Resolver,
    cores: (usize, usize),
}

/// A metal, by its address, and a number of its own: one of our threads.
type ThreadKey = (usize, usize);

thread_local! {
    /// Which of our threads this is, if it is one. One of the program's may have no name of std's any
    /// more: it may be about to end.
    static ME: Cell<Option<ThreadKey>> = const { Cell::new(None) };
}

impl MioMetal {
    /// A metal whose clock starts now. It holds no descriptor and no thread of its own.
    pub fn new() -> MioMetal {
        teach_allocator();
        if let Some(barrier) = sys::barrier() {
            offer_barrier(barrier);
        }
        MioMetal {
            started: Instant::now(),
            seed: RandomState::new(),
            drawn: AtomicU64::new(0),
            reactors: AtomicUsize::new(0),
            threads: Mutex::new(Rank::Leaf, Vec::new()),
            resolver: Resolver::new(),
            cores: (
                thread::available_parallelism().map_or(1, usize::from),
                sys::cores(),
            ),
        }
    }
}

/// Frees one large block that was never touched. From then on glibc's allocator keeps twice as
/// much at hand before it gives memory back to the system; by default that is 128 KiB, and each
/// queue of bodies that was filled and emptied cost a page fault for every four of them (inproc,
/// 1 KiB, one core: 1.0 against 4.9 million messages a second). Other allocators do not mind.
fn teach_allocator() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        drop(hint::black_box(Vec::<u8>::with_capacity(
            tuning::LESSON_OCTETS,
        )))
    });
}

impl Default for MioMetal {
    fn default() -> MioMetal {
        MioMetal::new()
    }
}

impl Metal for MioMetal {
    fn now(&self) -> Time {
        let nanos = self.started.elapsed().as_nanos();
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// A keyed hash of a counter: std draws the key from the system's randomness.
    fn random(&self) -> u64 {
        self.seed
            .hash_one(self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    fn cores(&self) -> (usize, usize) {
        self.cores
    }

    fn selector(&self) -> io::Result<Box<dyn Selector>> {
        Ok(Box::new(MioSelector::new()?))
    }

    fn connect(
        &self,
        to: &Address,
        from: Option<&Address>,
        options: &Options,
    ) -> io::Result<Box<dyn Stream>> {
        match (to, from) {
            (Address::Tcp(to), None) => tcp::connect(*to, None, options),
            (Address::Tcp(to), Some(Address::Tcp(from))) => tcp::connect(*to, Some(*from), options),
            (Address::Path(_) | Address::Abstract(_), None) => ipc::connect(to, options),
            (_, Some(_)) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "only tcp connects from an address of its own",
            )),
        }
    }

    fn connect_through(
        &self,
        proxy: SocketAddr,
        target: SocksTarget,
        from: Option<&Address>,
        options: &Options,
    ) -> io::Result<Box<dyn Stream>> {
        let stream = self.connect(&Address::Tcp(proxy), from, options)?;
        let login = options.socks_login.as_ref();
        Ok(Box::new(SocksStream::new(stream, login, target)))
    }

    fn adopt(&self, listener: OwnedFd, options: &Options) -> io::Result<Box<dyn Acceptor>> {
        let socket = socket2::Socket::from(listener);
        socket.set_nonblocking(true)?;
        socket.set_cloexec(true)?;
        let at = socket.local_addr()?;
        if at.is_unix() {
            return ipc::adopt(socket, &at, options);
        }
        tcp::adopt(socket, options)
    }

    fn adopt_numbered(&self, number: i32, options: &Options) -> io::Result<Box<dyn Acceptor>> {
        self.adopt(sys::duplicate(number)?, options)
    }

    fn listen(&self, at: &Address, options: &Options) -> io::Result<Box<dyn Acceptor>> {
        match at {
            Address::Tcp(at) => tcp::listen(*at, options),
            Address::Path(_) | Address::Abstract(_) => ipc::listen(at, options),
        }
    }

    fn resolve(&self, host: &str, port: u16, ipv6: bool, done: Resolved) {
        self.resolver.resolve(host, port, ipv6, done);
    }

    fn interface(&self, name: &str) -> Vec<SocketAddr> {
        interfaces::addresses(name)
    }

    fn run(&self, mut reactor: Reactor, thread: &ThreadOptions) -> io::Result<()> {
        let number = self.reactors.fetch_add(1, Ordering::Relaxed);
        let key = (ptr::from_ref(self).addr(), number);
        let name = match &*thread.name_prefix {
            "" => format!("hubless-io-{number}"),
            prefix => format!("{prefix}/io-{number}"),
        };
        let builder = thread::Builder::new().name(name);
        let mut work = move || {
            ME.set(Some(key));
            sys::block_signals();
            sys::sharpen_timers();
            while reactor.turn(None) {}
        };
        if !thread.say_something() {
            let spawned = builder.spawn(work)?;
            self.threads.lock().push((key, spawned));
            return Ok(());
        }
        // Only the thread itself can be told, and whoever asked for it wants to know.
        let (tell, told) = mpsc::sync_channel(1);
        let thread = thread.clone();
        let spawned = builder.spawn(move || {
            let settled = sys::settle_thread(&thread);
            let runs = settled.is_ok();
            // Who started us waits for this.
            let _ = tell.send(settled);
            if runs {
                work();
            }
        })?;
        let settled = told.recv();
        if let Ok(Ok(())) = settled {
            self.threads.lock().push((key, spawned));
        }
        settled.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    }

    fn join(&self) {
        let threads = mem::take(&mut *self.threads.lock());
        for (_, other) in threads.into_iter().filter(|it| Some(it.0) != ME.get()) {
            // One that panicked has ended, too, and said so.
            let _ = other.join();
        }
    }
}

impl fmt::Debug for MioMetal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MioMetal")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::{Arc, mpsc},
        time::Duration,
    };

    use super::*;
    use crate::{
        base::sync::{
            Rank,
            biased::{Biased, STREAK, STREAK_MAX},
        },
        reactor::Tenant,
    };

    /// Tells the name of the thread that drives it.
    struct Witness(mpsc::Sender<Option<String>>);

    impl Tenant for Witness {
        fn drive(&self, _now: Time) -> Option<Time> {
            let name = thread::current().name().map(String::from);
            self.0.send(name).expect("the test listens");
            None
        }

        fn sweep(&self) -> Option<Duration> {
            None
        }

        fn lies(&self) -> bool {
            false
        }

        fn give_up(&self) {}
    }

    #[test]
    fn a_reactor_has_a_thread_until_it_is_stopped() {
        let metal = Arc::new(MioMetal::new());
        for number in 0..2 {
            let (tx, rx) = mpsc::channel();
            let (reactor, handle) = Reactor::new(metal.clone()).expect("descriptors are left");
            metal
                .run(reactor, &ThreadOptions::default())
                .expect("threads are left");
            let key = handle.adopt(Arc::new(Witness(tx)));
            for _ in 0..2 {
                handle.kick(key);
                let name = rx.recv().expect("it is driven");
                assert_eq!(name, Some(format!("hubless-io-{number}")));
            }
            handle.stop();
            drop(handle);
            // The witness goes with the reactor.
            assert_eq!(rx.recv(), Err(mpsc::RecvError));
        }
    }

    #[test]
    fn a_biased_lock_lets_in_one_at_a_time_whoever_has_the_habit() {
        let metal = MioMetal::new();
        let lock = Arc::new(Biased::new(Rank::Socket, (0u64, 0u64)));
        let rounds = 200;
        let worker = |each: u32| {
            let lock = Arc::clone(&lock);
            move || {
                for _ in 0..rounds {
                    for _ in 0..each {
                        let mut both = lock.lock();
                        assert_eq!(both.0, both.1, "somebody else is inside");
                        both.0 += 1;
                        std::hint::black_box(&mut *both);
                        both.1 += 1;
                    }
                    thread::yield_now();
                }
            }
        };
        // One that acquires the habit again and again, two that end it.
        let habitual = 3 * STREAK;
        let threads = [habitual, 3, 5].map(|each| thread::spawn(worker(each)));
        for thread in threads {
            thread.join().expect("nobody was inside with another");
        }
        let entries = u64::from(rounds * (habitual + 3 + 5));
        assert_eq!(*lock.lock(), (entries, entries));
        for _ in 0..=STREAK_MAX {
            drop(lock.lock());
        }
        assert_eq!(lock.is_biased(), sys::barrier().is_some());
        drop(metal);
    }

    #[test]
    fn the_clock_goes_forward() {
        let metal = MioMetal::new();
        let before = metal.now();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(1) {
            thread::yield_now();
        }
        assert!(metal.now() - before >= Duration::from_millis(1));
    }

    #[test]
    fn random_draws_differ_also_between_metals() {
        let (one, other) = (MioMetal::new(), MioMetal::new());
        let drawn: HashSet<u64> = (0..1000)
            .flat_map(|_| [one.random(), other.random()])
            .collect();
        assert_eq!(drawn.len(), 2000);
    }

    #[test]
    fn ipc_has_no_source_address() {
        let metal = MioMetal::new();
        let path = Address::Path("/tmp/hubless-nobody".into());
        let refused = metal.connect(&path, Some(&path), &Options::default());
        assert_eq!(
            refused.err().map(|error| error.kind()),
            Some(io::ErrorKind::InvalidInput)
        );
    }
}
