//! Readiness of many sources: mio's Poll, edge-triggered.
//!
//! mio rounds a timeout up to whole milliseconds, which is twenty times too long for the sweep of
//! small writes. A short wait is therefore made in steps: a look without a wait; then, if nothing
//! was there, `ppoll`, which counts nanoseconds, on the descriptor of the selector itself
//! (readable while something is ready); then a second look. While there is work this costs no
//! system call more, and nothing is registered, armed, or left behind ringing when the selector
//! changes hands, as a timer descriptor would be. On a virtual machine 50 µs became 74 µs in the
//! middle with either, on a thread whose timers are sharp (as a reactor's are); 127 µs elsewhere.

use std::{
    cell::OnceCell,
    fmt, io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::Arc,
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, Waker, unix::SourceFd};

use super::sys;
use crate::{
    base::tuning::{POLL_EVENTS, SHORT_WAIT},
    reactor::metal::{Bell, Ready, Registry, Selector, SourceId},
};

/// The token of the bell; no source can have it.
const BELL: Token = Token(usize::MAX);

/// What every source is watched for.
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A mio Poll as the reactor wants it.
pub(super) struct MioSelector {
    poll: Poll,
    events: Events,
    bell: OnceCell<Arc<MioBell>>,
}

impl MioSelector {
    /// Nothing watched yet. Costs one descriptor, and a second one once its bell is asked for.
    pub(super) fn new() -> io::Result<MioSelector> {
        Ok(MioSelector {
            poll: Poll::new()?,
            events: Events::with_capacity(POLL_EVENTS),
            bell: OnceCell::new(),
        })
    }
}

impl Selector for MioSelector {
    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        match timeout {
            Some(wait) if sys::WAITS_PRECISELY && !wait.is_zero() && wait < SHORT_WAIT => {
                self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
                if self.events.is_empty() {
                    sys::wait_readable(self.source(), wait)?;
                    self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
                }
            }
            other => self.poll.poll(&mut self.events, other)?,
        }
        // A selector that nests in another is told of once: what is left here would be forgotten.
        while collect(&self.events, ready) >= POLL_EVENTS {
            self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        }
        Ok(())
    }

    fn register(&self, source: SourceId, token: usize) -> io::Result<()> {
        register(self.poll.registry(), source, token)
    }

    fn deregister(&self, source: SourceId) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&source))
    }

    fn bell(&self) -> io::Result<Arc<dyn Bell>> {
        if let Some(bell) = self.bell.get() {
            return Ok(bell.clone());
        }
        let bell = Arc::new(MioBell(Waker::new(self.poll.registry(), BELL)?));
        Ok(self.bell.get_or_init(|| bell).clone())
    }

    fn descriptor(&self) -> io::Result<OwnedFd> {
        sys::share(&self.poll)
    }

    fn registry(&self) -> io::Result<Box<dyn Registry>> {
        Ok(Box::new(MioRegistry(self.poll.registry().try_clone()?)))
    }

    fn source(&self) -> SourceId {
        self.poll.as_raw_fd()
    }
}

impl fmt::Debug for MioSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MioSelector").field(&self.source()).finish()
    }
}

/// The part of a selector that other threads may hold.
struct MioRegistry(mio::Registry);

impl Registry for MioRegistry {
    fn register(&self, source: SourceId, token: usize) -> io::Result<()> {
        register(&self.0, source, token)
    }

    fn deregister(&self, source: SourceId) -> io::Result<()> {
        self.0.deregister(&mut SourceFd(&source))
    }
}

fn register(registry: &mio::Registry, source: RawFd, token: usize) -> io::Result<()> {
    debug_assert_ne!(Token(token), BELL, "the bell's token");
    registry.register(&mut SourceFd(&source), Token(token), BOTH)
}

/// Wakes a selector.
#[derive(Debug)]
struct MioBell(Waker);

impl Bell for MioBell {
    fn ring(&self) {
        if let Err(error) = self.0.wake() {
            log::error!("a bell did not ring: {error}");
        }
    }
}

/// Adds what one poll told of; answers how many events that were.
fn collect(events: &Events, ready: &mut Vec<Ready>) -> usize {
    let mut count = 0;
    for event in events {
        count += 1;
        if event.token() == BELL {
            continue;
        }
        let failed = event.is_error() || event.is_write_closed();
        let closed = failed || event.is_read_closed();
        ready.push(Ready {
            token: event.token().0,
            // What has ended or failed says so to whoever reads or writes next.
            readable: event.is_readable() || closed,
            writable: event.is_writable() || failed,
            closed,
        });
    }
    count
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
        thread,
        time::Instant,
    };

    use super::*;

    const SOON: Option<Duration> = Some(Duration::from_secs(10));

    fn pair() -> (UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("descriptors are left");
        ours.set_nonblocking(true).expect("a socket can");
        (ours, theirs)
    }

    fn polled(selector: &mut MioSelector, timeout: Option<Duration>) -> Vec<Ready> {
        let stale = Ready {
            token: 1000,
            readable: false,
            writable: false,
            closed: false,
        };
        let mut ready = vec![stale];
        selector.poll(&mut ready, timeout).expect("no fault");
        ready
    }

    #[test]
    fn one_poll_tells_of_everything_however_much_it_is() {
        let mut selector = MioSelector::new().expect("descriptors are left");
        let (ours, mut theirs) = pair();
        let sources: Vec<_> = (0..=POLL_EVENTS)
            .map(|_| ours.try_clone().expect("descriptors are left"))
            .collect();
        for (token, source) in sources.iter().enumerate() {
            selector.register(source.as_raw_fd(), token).expect("room");
        }
        theirs.write_all(b"x").expect("room");
        let mut told: Vec<usize> = polled(&mut selector, SOON)
            .iter()
            .filter_map(|ready| ready.readable.then_some(ready.token))
            .collect();
        told.sort_unstable();
        told.dedup();
        assert!(told.into_iter().eq(0..=POLL_EVENTS));
    }

    #[test]
    fn present_readiness_is_told_once() {
        let mut selector = MioSelector::new().expect("descriptors are left");
        let (mut ours, mut theirs) = pair();
        theirs.write_all(b"x").expect("room");
        selector.register(ours.as_raw_fd(), 7).expect("room");

        let ready = polled(&mut selector, SOON);
        let both = Ready {
            token: 7,
            readable: true,
            writable: true,
            closed: false,
        };
        assert_eq!(ready, [both]);
        assert_eq!(polled(&mut selector, Some(Duration::ZERO)), []);

        ours.read_exact(&mut [0]).expect("one octet is there");
        theirs.write_all(b"y").expect("room");
        assert!(polled(&mut selector, SOON)[0].readable);

        drop(theirs);
        let ready = polled(&mut selector, SOON);
        assert!(ready[0].closed && ready[0].readable);

        selector.deregister(ours.as_raw_fd()).expect("registered");
        assert!(selector.deregister(ours.as_raw_fd()).is_err());
    }

    #[test]
    fn the_bell_wakes_from_another_thread_and_is_not_listed() {
        let mut selector = MioSelector::new().expect("descriptors are left");
        let bell = selector.bell().expect("descriptors are left");
        assert!(Arc::ptr_eq(&bell, &selector.bell().expect("made already")));

        bell.ring();
        bell.ring();
        assert_eq!(polled(&mut selector, None), []);

        let ringer = thread::spawn(move || bell.ring());
        assert_eq!(polled(&mut selector, None), []);
        ringer.join().expect("it does not panic");
    }

    #[test]
    fn selectors_nest() {
        let mut outer = MioSelector::new().expect("descriptors are left");
        let mut inner = MioSelector::new().expect("descriptors are left");
        let bell = inner.bell().expect("descriptors are left");
        outer.register(inner.source(), 1).expect("room");
        assert_eq!(polled(&mut outer, Some(Duration::ZERO)), []);

        for _ in 0..2 {
            bell.ring();
            let ready = polled(&mut outer, SOON);
            assert!(ready.len() == 1 && ready[0].token == 1 && ready[0].readable);
            assert_eq!(polled(&mut inner, Some(Duration::ZERO)), []);
        }

        // Present readiness is seen by a registration that comes later: a lease given back.
        outer.deregister(inner.source()).expect("registered");
        bell.ring();
        outer.register(inner.source(), 2).expect("room");
        assert_eq!(polled(&mut outer, SOON)[0].token, 2);
    }

    #[test]
    fn a_registry_adds_while_the_owner_polls() {
        let mut selector = MioSelector::new().expect("descriptors are left");
        let registry = selector.registry().expect("descriptors are left");
        let (ours, _theirs) = pair();
        let source = ours.as_raw_fd();
        let other = thread::spawn(move || {
            registry.register(source, 3).expect("room");
            registry
        });
        let ready = polled(&mut selector, None);
        assert!(ready[0].token == 3 && ready[0].writable);
        let registry = other.join().expect("it does not panic");
        registry.deregister(source).expect("registered");
        assert!(registry.deregister(source).is_err());
    }

    #[test]
    fn short_waits_are_short() {
        fn middle(of: &str) -> Duration {
            let mut selector = MioSelector::new().expect("descriptors are left");
            let wait = Duration::from_micros(50);
            let mut took: Vec<Duration> = (0..21)
                .map(|_| {
                    let began = Instant::now();
                    assert_eq!(polled(&mut selector, Some(wait)), []);
                    began.elapsed()
                })
                .collect();
            took.sort();
            println!("50 µs asked on {of}: {:?} in the middle of 21", took[10]);
            assert!(took[0] >= wait, "{:?}", took[0]);
            took[10]
        }
        assert!(middle("any thread") < Duration::from_millis(20));
        let sharp = thread::spawn(|| {
            sys::sharpen_timers();
            middle("a thread with sharp timers")
        });
        assert!(sharp.join().expect("it does not panic") < Duration::from_millis(20));
    }

    #[test]
    fn a_short_wait_ends_with_the_bell() {
        let mut selector = MioSelector::new().expect("descriptors are left");
        let bell = selector.bell().expect("descriptors are left");
        let wait = SHORT_WAIT - Duration::from_nanos(1);
        bell.ring();
        let began = Instant::now();
        assert_eq!(polled(&mut selector, Some(wait)), []);
        println!(
            "the bell ended a wait of {wait:?} after {:?}",
            began.elapsed()
        );
        // It was heard: the next wait lasts.
        let began = Instant::now();
        assert_eq!(polled(&mut selector, Some(wait)), []);
        assert!(began.elapsed() >= wait);
    }

    #[test]
    fn a_signal_ends_a_wait() {
        use std::os::unix::thread::JoinHandleExt;

        for wait in [None, Some(SHORT_WAIT / 2)] {
            let (tx, rx) = std::sync::mpsc::channel();
            let waiter = thread::spawn(move || {
                let mut selector = MioSelector::new().expect("descriptors are left");
                let mut ready = Vec::new();
                let ended = loop {
                    if let Err(error) = selector.poll(&mut ready, wait) {
                        break error.kind();
                    }
                };
                tx.send(ended).expect("the test listens");
            });
            // Again and again: a signal that comes before the wait interrupts nothing.
            let ended = loop {
                sys::interrupt(waiter.as_pthread_t());
                if let Ok(ended) = rx.recv_timeout(Duration::from_micros(300)) {
                    break ended;
                }
            };
            assert_eq!(ended, io::ErrorKind::Interrupted);
            waiter.join().expect("it does not panic");
        }
    }

    #[test]
    fn a_short_wait_ends_when_something_is_ready() {
        let mut selector = MioSelector::new().expect("descriptors are left");
        let (ours, _theirs) = pair();
        selector.register(ours.as_raw_fd(), 9).expect("room");
        let ready = polled(&mut selector, Some(Duration::from_micros(1999)));
        assert_eq!(ready[0].token, 9);
    }
}
