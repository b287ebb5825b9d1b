//! Names to addresses, off the loop.
//!
//! The system's resolver waits: for a file, for a name server, for its timeout. So a lookup runs
//! on a thread of its own, of which there are a few at most. A thread is made when there is work
//! and ends when there is none; lookups are rare (one for each attempt to connect), and a thread
//! costs far less than a question to a name server. Numeric addresses are answered at once.

use std::{
    collections::VecDeque,
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use super::sys;
use crate::{
    base::{
        lent,
        sync::{Mutex, Rank},
        tuning::{LOOKUPS_WAITING_MAX, RESOLVER_THREADS_MAX},
    },
    reactor::metal::Resolved,
};

/// Looks names up.
pub(super) struct Resolver {
    work: Arc<Mutex<Work>>,
}

/// What is to be done, and by how many.
#[derive(Default)]
struct Work {
    waiting: VecDeque<Lookup>,
    threads: usize,
}

struct Lookup {
    host: String,
    port: u16,
    ipv6: bool,
    done: Resolved,
}

impl Resolver {
    pub(super) fn new() -> Resolver {
        Resolver {
            work: Arc::new(Mutex::new(Rank::Leaf, Work::default())),
        }
    }

    /// Calls `done` with the addresses of `host`: at once if it is numeric, from another thread
    /// otherwise. Names give IPv6 addresses only if `ipv6`; a numeric address is what it is.
    pub(super) fn resolve(&self, host: &str, port: u16, ipv6: bool, done: Resolved) {
        if let Some(address) = numeric(host) {
            return done(Ok(vec![SocketAddr::new(address, port)]));
        }
        let lookup = Lookup {
            host: host.to_owned(),
            port,
            ipv6,
            done,
        };
        let mut work = self.work.lock();
        if work.waiting.len() >= LOOKUPS_WAITING_MAX {
            drop(work);
            let busy = "too many names are being looked up";
            return (lookup.done)(Err(io::Error::new(io::ErrorKind::ResourceBusy, busy)));
        }
        work.waiting.push_back(lookup);
        if work.threads == RESOLVER_THREADS_MAX {
            return;
        }
        work.threads += 1;
        drop(work);
        self.add_thread();
    }

    /// Starts a thread that was counted already.
    fn add_thread(&self) {
        let work = self.work.clone();
        let thread = thread::Builder::new().name("hubless-resolver".into());
        let Err(error) = thread.spawn(move || look_up_all(&work)) else {
            return;
        };
        let stranded = {
            let mut work = self.work.lock();
            work.threads -= 1;
            match work.threads {
                0 => std::mem::take(&mut work.waiting),
                // Another thread will come to it.
                _ => VecDeque::new(),
            }
        };
        for lookup in stranded {
            (lookup.done)(Err(io::Error::new(error.kind(), error.to_string())));
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// The life of a resolver thread: until nothing waits.
fn look_up_all(work: &Mutex<Work>) {
    sys::block_signals();
    loop {
        let lookup = {
            let mut work = work.lock();
            let Some(lookup) = work.waiting.pop_front() else {
                // Under the same lock as the look, so that nothing can be added unseen.
                work.threads -= 1;
                return;
            };
            lookup
        };
        let answer = look_up(&lookup.host, lookup.port, lookup.ipv6);
        // A panic of a waker of the application's must not take away one of our few threads.
        if catch_unwind(AssertUnwindSafe(|| (lookup.done)(answer))).is_err() {
            log::error!("whoever asked for a name panicked at the answer");
        }
        // Whoever asked may have driven a socket.
        lent::let_go();
    }
}

/// Asks the system. Waits.
fn look_up(host: &str, port: u16, ipv6: bool) -> io::Result<Vec<SocketAddr>> {
    let found = wanted((host, port).to_socket_addrs()?, ipv6);
    if found.is_empty() {
        let none = match ipv6 {
            true => format!("{host} has no address"),
            false => format!("{host} has no IPv4 address"),
        };
        return Err(io::Error::new(io::ErrorKind::NotFound, none));
    }
    Ok(found)
}

/// In the resolver's order; IPv6 only if asked.
fn wanted(found: impl Iterator<Item = SocketAddr>, ipv6: bool) -> Vec<SocketAddr> {
    found.filter(|address| ipv6 || address.is_ipv4()).collect()
}

/// `127.0.0.1`, `::1` or `[::1]`.
fn numeric(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread::ThreadId, time::Duration};

    use super::*;

    type Answer = (io::Result<Vec<SocketAddr>>, ThreadId);

    fn asked(resolver: &Resolver, host: &str, ipv6: bool) -> mpsc::Receiver<Answer> {
        let (tx, rx) = mpsc::channel();
        let done = move |answer| {
            let _ = tx.send((answer, thread::current().id()));
        };
        resolver.resolve(host, 5555, ipv6, Box::new(done));
        rx
    }

    fn answered(rx: &mpsc::Receiver<Answer>) -> Answer {
        rx.recv_timeout(Duration::from_secs(60)).expect("an answer")
    }

    #[test]
    fn numeric_addresses_are_answered_at_once_and_here() {
        let resolver = Resolver::new();
        for (host, address) in [
            ("127.0.0.1", "127.0.0.1:5555"),
            ("::1", "[::1]:5555"),
            ("[fe80::2]", "[fe80::2]:5555"),
        ] {
            let rx = asked(&resolver, host, false);
            let (answer, thread) = rx.try_recv().expect("answered already");
            assert_eq!(answer.expect("an address"), [address.parse().expect("one")]);
            assert_eq!(thread, thread::current().id());
        }
        assert_eq!(numeric("[127.0.0.1]"), None);
        assert_eq!(numeric("[::1"), None);
    }

    #[test]
    fn names_are_answered_elsewhere_and_without_ipv6_unless_asked() {
        let resolver = Resolver::new();
        let (answer, thread) = answered(&asked(&resolver, "localhost", false));
        let found = answer.expect("localhost has an address");
        assert!(found.contains(&SocketAddr::from(([127, 0, 0, 1], 5555))));
        assert!(found.iter().all(SocketAddr::is_ipv4), "{found:?}");
        assert_ne!(thread, thread::current().id());

        let (answer, _) = answered(&asked(&resolver, "localhost", true));
        assert!(answer.expect("localhost has an address").len() >= found.len());
    }

    #[test]
    fn every_address_is_given_in_order_and_ipv6_only_if_asked() {
        let found: Vec<SocketAddr> = ["[::1]:9", "127.0.0.2:9", "127.0.0.1:9"]
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect();
        assert_eq!(wanted(found.iter().copied(), true), found);
        assert_eq!(wanted(found.iter().copied(), false), found[1..]);
    }

    #[test]
    fn a_name_that_cannot_be_is_an_error() {
        let resolver = Resolver::new();
        for host in ["", "no such host", "a\0b"] {
            let (answer, _) = answered(&asked(&resolver, host, true));
            assert!(answer.is_err(), "{host:?}: {answer:?}");
        }
    }

    #[test]
    fn a_burst_is_answered_in_full_and_the_threads_end() {
        let resolver = Resolver::new();
        let burst: Vec<_> = (0..100)
            .map(|_| asked(&resolver, "localhost", false))
            .collect();
        assert!(resolver.work.lock().threads <= RESOLVER_THREADS_MAX);
        for rx in &burst {
            assert!(answered(rx).0.is_ok());
        }
        while resolver.work.lock().threads > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn a_full_queue_refuses_and_a_panic_costs_no_thread() {
        let resolver = Resolver::new();
        // All threads are held up, inside the answer of a lookup.
        let (hold, held) = mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let (tx, arrived) = mpsc::channel();
        for _ in 0..RESOLVER_THREADS_MAX {
            let (held, tx) = (held.clone(), tx.clone());
            let done = move |_| {
                tx.send(()).expect("the test listens");
                let _ = held.lock().map(|held| held.recv());
                panic!("as an application might");
            };
            resolver.resolve("localhost", 1, false, Box::new(done));
        }
        for _ in 0..RESOLVER_THREADS_MAX {
            arrived.recv().expect("each has a thread of its own");
        }
        let queued: Vec<_> = (0..LOOKUPS_WAITING_MAX)
            .map(|_| asked(&resolver, "localhost", false))
            .collect();
        let (refused, _) = answered(&asked(&resolver, "localhost", false));
        assert_eq!(
            refused.expect_err("full").kind(),
            io::ErrorKind::ResourceBusy
        );
        drop(hold);
        for rx in &queued {
            assert!(answered(rx).0.is_ok());
        }
    }
}
