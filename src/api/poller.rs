//! Waiting for many things at a time: sockets, descriptors, timers.
//!
//! A socket that has nothing is armed, and notes its token in the poller's inbox when something
//! comes; so a wait looks at what is ready and at nothing else, however many sockets are idle.
//!
//! ```text
//!   socket ── waker ──► inbox ──┐
//!   descriptor ── selector ─────┼──► lit: looked at in each wait until nothing is found ──► Ready
//!   timer ── the next deadline ─┘
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    os::fd::{AsFd, AsRawFd, RawFd},
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};

use slab::Slab;

use super::{interrupt::Interrupter, sockets::TypedSocket};
use crate::{
    base::{
        error::{Error, ErrorKind},
        interest::Interest,
        sync::{Mutex, Rank},
        time::Time,
    },
    core::{Socket, Watch},
    reactor::metal::{self, Bell, Metal, Selector},
    transport::MioMetal,
};

/// Waits for sockets, descriptors and timers, and says which are ready.
///
/// Each is added under a token, a number that the program chooses; adding a second one under the
/// same token takes the place of the first. Readiness is level-triggered: what is ready still is
/// told again in the next wait. Nothing is taken from a socket: others may use it meanwhile, so
/// receive by `try_recv`, which does not mind if somebody else was faster. What a wait costs
/// depends on what is ready, not on what is idle.
///
/// ```
/// use std::time::Duration;
/// use hubless::{Interest, Poller, Pull, Push};
///
/// const JOBS: usize = 0;
/// const TICK: usize = 1;
///
/// let jobs = Pull::new()?;
/// jobs.bind("inproc://polled")?;
/// let push = Push::new()?;
/// push.connect("inproc://polled")?;
/// push.send("a job")?;
///
/// let mut poller = Poller::new()?;
/// poller.add(&jobs, JOBS, Interest::READABLE);
/// poller.add_interval(TICK, Duration::from_millis(20));
///
/// let (mut done, mut ticks) = (0, 0);
/// let mut ready = Vec::new();
/// while done < 1 || ticks < 2 {
///     poller.wait(&mut ready, None)?;
///     for it in &ready {
///         match it.token {
///             JOBS => done += jobs.try_iter().count(),
///             TICK => ticks += 1,
///             other => unreachable!("{other}"),
///         }
///     }
/// }
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// A poller does not keep a socket open. One that closes is told as [`closed`](Ready::closed)
/// until it is removed.
pub struct Poller {
    metal: MioMetal,
    selector: Box<dyn Selector>,
    inbox: Arc<Inbox>,
    entries: Slab<Entry>,
    keys: BTreeMap<usize, usize>,
    /// Sockets that may be ready, and descriptors that were.
    lit: Vec<usize>,
    timers: BTreeSet<(Time, usize)>,
    descriptors: usize,
    /// What the selector has told last.
    told: Vec<metal::Ready>,
    looks: u64,
}

/// What is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ready {
    /// What it was added under.
    pub token: usize,
    /// There is something to receive or to read, and that was asked for.
    pub readable: bool,
    /// There is room to send or to write, and that was asked for.
    pub writable: bool,
    /// The socket has closed, or the descriptor's other end has, or it has failed.
    pub closed: bool,
    /// The timer has fired.
    pub fired: bool,
}

struct Entry {
    token: usize,
    lit: bool,
    what: What,
}

enum What {
    Socket {
        socket: Arc<Socket>,
        watch: Watch,
        interest: Interest,
    },
    Descriptor {
        source: RawFd,
        interest: Interest,
    },
    Timer {
        at: Time,
        every: Option<Duration>,
    },
}

/// Where sockets leave word.
pub(super) struct Inbox {
    bell: Arc<dyn Bell>,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    keys: Vec<usize>,
    /// The poller is in its selector, or about to be: ring.
    asleep: bool,
    interrupted: bool,
}

/// A socket's way to the inbox.
struct Note {
    inbox: Arc<Inbox>,
    key: usize,
}

impl Poller {
    /// A poller of nothing.
    ///
    /// # Errors
    /// `TooMany` when descriptors have run out: it takes two.
    pub fn new() -> Result<Poller, Error> {
        let metal = MioMetal::new();
        let failed = |error| Error::from_io("a poller", error);
        let selector = metal.selector().map_err(failed)?;
        let bell = selector.bell().map_err(failed)?;
        let noted = Mutex::new(Rank::Leaf, Noted::default());
        Ok(Poller {
            metal,
            selector,
            inbox: Arc::new(Inbox { bell, noted }),
            entries: Slab::new(),
            keys: BTreeMap::new(),
            lit: Vec::new(),
            timers: BTreeSet::new(),
            descriptors: 0,
            told: Vec::new(),
            looks: 0,
        })
    }

    /// Adds a socket. Readable: a receive would not wait. Writable: a send would not wait (of a
    /// `Router`, always: whether there is room depends on whom it sends to).
    pub fn add<S: TypedSocket>(&mut self, socket: &S, token: usize, interest: Interest) {
        self.remove(token);
        let socket = Arc::clone(socket.as_core());
        let key = self.entries.vacant_key();
        let waker = Waker::from(Arc::new(Note {
            inbox: Arc::clone(&self.inbox),
            key,
        }));
        let watch = socket.watch(waker, false);
        self.insert(
            token,
            What::Socket {
                socket,
                watch,
                interest,
            },
        );
        self.light(key);
    }

    /// Adds a descriptor: of a pipe, a stream, a listener, anything that the system can poll. It
    /// must be removed before it is closed.
    ///
    /// # Errors
    /// When the system cannot watch it: a regular file, or one that is added already under
    /// another token.
    pub fn add_descriptor(
        &mut self,
        descriptor: &impl AsFd,
        token: usize,
        interest: Interest,
    ) -> Result<(), Error> {
        self.remove(token);
        let source = descriptor.as_fd().as_raw_fd();
        let key = self.entries.vacant_key();
        self.selector
            .register(source, key)
            .map_err(|error| Error::from_io(format!("descriptor {source}"), error))?;
        self.descriptors += 1;
        self.insert(token, What::Descriptor { source, interest });
        Ok(())
    }

    /// Adds a timer that fires once, after `wait`, and is removed by that.
    pub fn add_timeout(&mut self, token: usize, wait: Duration) {
        self.add_timer(token, wait, None);
    }

    /// Adds a timer that fires every `interval`, for the first time after one. Times that were
    /// missed, because nobody waited, are not made up for.
    pub fn add_interval(&mut self, token: usize, interval: Duration) {
        self.add_timer(token, interval, Some(interval));
    }

    /// Changes what is waited for of a socket or descriptor. False if there is none under this
    /// token.
    pub fn modify(&mut self, token: usize, new: Interest) -> bool {
        let Some(&key) = self.keys.get(&token) else {
            return false;
        };
        match &mut self.entries[key].what {
            What::Socket { interest, .. } | What::Descriptor { interest, .. } => *interest = new,
            What::Timer { .. } => return false,
        }
        self.light(key);
        true
    }

    /// Removes what was added under this token. False if there is nothing.
    pub fn remove(&mut self, token: usize) -> bool {
        let Some(key) = self.keys.remove(&token) else {
            return false;
        };
        let entry = self.entries.remove(key);
        if entry.lit {
            self.lit.retain(|other| *other != key);
        }
        match entry.what {
            What::Socket { socket, watch, .. } => socket.unwatch(watch),
            What::Descriptor { source, .. } => {
                self.descriptors -= 1;
                self.deregister(source);
            }
            What::Timer { at, .. } => {
                self.timers.remove(&(at, key));
            }
        }
        true
    }

    /// Waits until something is ready, at most `timeout` (`None`: as long as it takes), and fills
    /// `ready`, which is cleared first. Answers how many are: 0 when the time is up.
    ///
    /// A signal does not end it; an [`interrupter`](Poller::interrupter) does.
    ///
    /// # Errors
    /// `Interrupted`. What the system says is not to be expected.
    pub fn wait(
        &mut self,
        ready: &mut Vec<Ready>,
        timeout: Option<Duration>,
    ) -> Result<usize, Error> {
        ready.clear();
        let until = timeout.map(|timeout| self.metal.now() + timeout);
        loop {
            if self.inbox.is_interrupted() {
                return Err(Error::new(ErrorKind::Interrupted, "a poller"));
            }
            self.light_noted();
            self.look_at_lit(ready);
            let now = self.metal.now();
            self.fire_timers(now, ready);
            let next = self.timers.first().map(|(at, _)| *at);
            let end = match (next, until) {
                (Some(next), Some(until)) => Some(next.min(until)),
                (next, until) => next.or(until),
            };
            if ready.is_empty() {
                self.sleep(end.map(|end| end.since(now)))?;
            } else if self.descriptors > 0 {
                self.sleep(Some(Duration::ZERO))?;
            }
            self.tell_descriptors(ready);
            if !ready.is_empty() {
                return Ok(ready.len());
            }
            if self.inbox.noted.lock().keys.is_empty() && until.is_some_and(|until| until <= now) {
                return Ok(0);
            }
        }
    }

    /// A handle that ends its waits from another thread.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter::of_poller(&self.inbox)
    }

    /// How often it has looked at anything, for our own tests.
    #[doc(hidden)]
    pub fn looks(&self) -> u64 {
        self.looks
    }

    fn insert(&mut self, token: usize, what: What) -> usize {
        let lit = false;
        let key = self.entries.insert(Entry { token, lit, what });
        self.keys.insert(token, key);
        key
    }

    fn add_timer(&mut self, token: usize, wait: Duration, every: Option<Duration>) {
        self.remove(token);
        let at = self.metal.now() + wait;
        let key = self.insert(token, What::Timer { at, every });
        self.timers.insert((at, key));
    }

    fn light(&mut self, key: usize) {
        if let Some(entry) = self.entries.get_mut(key) {
            if !entry.lit {
                entry.lit = true;
                self.lit.push(key);
            }
        }
    }

    /// Lights those who have left word. One that was removed meanwhile is not known any more; if
    /// its key is another's by now, that one is looked at in vain.
    fn light_noted(&mut self) {
        let noted = std::mem::take(&mut self.inbox.noted.lock().keys);
        for key in noted {
            self.light(key);
        }
    }

    /// Looks at what may be ready: what is stays lit.
    fn look_at_lit(&mut self, ready: &mut Vec<Ready>) {
        let mut lit = std::mem::take(&mut self.lit);
        lit.retain(|&key| {
            let stays = self.look_at(key, ready);
            self.entries[key].lit = stays;
            stays
        });
        self.lit = lit;
    }

    /// Looks at one. Does it stay lit?
    fn look_at(&mut self, key: usize, ready: &mut Vec<Ready>) -> bool {
        self.looks += 1;
        let entry = &self.entries[key];
        match &entry.what {
            What::Socket {
                socket,
                watch,
                interest,
            } => {
                let look = socket.look(*watch, *interest);
                if !look.is_ready() {
                    // Whoever is about to wait writes out what it has left lying.
                    socket.flush_before_wait();
                    return false;
                }
                ready.push(Ready {
                    token: entry.token,
                    readable: look.readable,
                    writable: look.writable,
                    closed: look.closed,
                    fired: false,
                });
                true
            }
            What::Descriptor { source, .. } => {
                // The selector tells of changes only. To one that is new it tells what there is.
                let source = *source;
                self.deregister(source);
                if let Err(error) = self.selector.register(source, key) {
                    log::warn!("descriptor {source} cannot be watched any more: {error}");
                }
                false
            }
            What::Timer { .. } => false,
        }
    }

    fn fire_timers(&mut self, now: Time, ready: &mut Vec<Ready>) {
        while let Some(&(at, key)) = self.timers.first() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            self.looks += 1;
            let token = self.entries[key].token;
            ready.push(Ready {
                token,
                readable: false,
                writable: false,
                closed: false,
                fired: true,
            });
            match &mut self.entries[key].what {
                What::Timer {
                    at: next,
                    every: Some(every),
                } => {
                    *next = at + *every;
                    if *next <= now {
                        // Never of no length, or one call would fire it for ever.
                        *next = now + (*every).max(Duration::from_nanos(1));
                    }
                    self.timers.insert((*next, key));
                }
                _ => {
                    self.entries.remove(key);
                    self.keys.remove(&token);
                }
            }
        }
    }

    /// Waits for descriptors and for word from sockets.
    fn sleep(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        let timeout = if self.inbox.fall_asleep() {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        let polled = self.selector.poll(&mut self.told, timeout);
        self.inbox.noted.lock().asleep = false;
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                Err(Error::from_io("a poller", error))
            }
            _ => Ok(()),
        }
    }

    /// Takes what the selector has told of descriptors: they are registered anew in the next
    /// wait, to be told again if they are ready still.
    fn tell_descriptors(&mut self, ready: &mut Vec<Ready>) {
        let mut told = std::mem::take(&mut self.told);
        for it in told.drain(..) {
            let Some(entry) = self.entries.get(it.token) else {
                continue;
            };
            let What::Descriptor { interest, .. } = &entry.what else {
                continue;
            };
            self.looks += 1;
            let seen = Ready {
                token: entry.token,
                readable: it.readable && interest.is_readable(),
                writable: it.writable && interest.is_writable(),
                closed: it.closed,
                fired: false,
            };
            if seen.readable || seen.writable || seen.closed {
                ready.push(seen);
                self.light(it.token);
            }
        }
        self.told = told;
    }

    fn deregister(&self, source: RawFd) {
        if let Err(error) = self.selector.deregister(source) {
            log::debug!("descriptor {source} was closed before it was removed: {error}");
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        for (_, entry) in &self.entries {
            if let What::Socket { socket, watch, .. } = &entry.what {
                socket.unwatch(*watch);
            }
        }
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Inbox {
    /// The poller is about to sleep. False if there is word for it.
    fn fall_asleep(&self) -> bool {
        let mut noted = self.noted.lock();
        noted.asleep = noted.keys.is_empty() && !noted.interrupted;
        noted.asleep
    }

    pub(super) fn interrupt(&self) {
        let mut noted = self.noted.lock();
        noted.interrupted = true;
        let ring = std::mem::take(&mut noted.asleep);
        drop(noted);
        if ring {
            self.bell.ring();
        }
    }

    pub(super) fn resume(&self) {
        self.noted.lock().interrupted = false;
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.noted.lock().interrupted
    }
}

impl Wake for Note {
    fn wake(self: Arc<Note>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Note>) {
        let mut noted = self.inbox.noted.lock();
        noted.keys.push(self.key);
        let ring = std::mem::take(&mut noted.asleep);
        drop(noted);
        if ring {
            self.inbox.bell.ring();
        }
    }
}
