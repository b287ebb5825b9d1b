//! The simulated world behind the metal: one clock, one queue of what is to happen, and the tables
//! of everything that has a source number.
//!
//! ```text
//!   Net ── now, dice, faults, trace
//!    ├─ queue       (time, sequence) → what happens then
//!    ├─ selectors   who watches what, and which edges they have not fetched   ready.rs
//!    ├─ streams     connections, each with the octets on their way to it      stream.rs
//!    ├─ acceptors   listening points by address                               accept.rs
//!    └─ names       what the resolver knows
//! ```
//!
//! Tables are ordered maps, so that walking them is the same in every run. Entries stay until the
//! run ends: a run is small, and what arrives late for something gone must find its grave.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hubless::{
    Time,
    internals::reactor::metal::{Resolved, SourceId},
};

use super::{
    accept::AcceptorState, dice::Dice, faults::Faults, ready::SelectorState, stream::StreamState,
    trace::Trace,
};

/// The world.
#[derive(Debug)]
pub struct Net {
    pub now: Time,
    pub dice: Dice,
    pub faults: Faults,
    pub trace: Trace,
    /// The numbers the library asks for: dice of their own.
    pub for_library: Dice,
    queue: BTreeMap<(Time, u64), Happening>,
    sequence: u64,
    last_source: SourceId,
    /// The selector polled last that nobody watches: that of the reactor whose turn it is.
    pub outer_poll: Option<SourceId>,
    pub(super) selectors: BTreeMap<SourceId, SelectorState>,
    /// Which selectors watch a source.
    pub(super) watchers: BTreeMap<SourceId, Vec<SourceId>>,
    pub(super) streams: BTreeMap<SourceId, StreamState>,
    pub(super) acceptors: BTreeMap<SourceId, AcceptorState>,
    pub(super) last_port: u16,
    names: BTreeMap<String, Vec<IpAddr>>,
}

/// What can happen at a time.
pub enum Happening {
    /// An attempt to connect reaches the other side.
    Connect { stream: SourceId },
    /// Octets reach a stream's receive buffer.
    Arrive { stream: SourceId, octets: usize },
    /// The peer's last octet has been seen by a stream.
    End { stream: SourceId },
    /// A stream learns that its connection was reset.
    Lose { stream: SourceId },
    /// A stream's own direction ends though nobody closed it.
    HalfClose { stream: SourceId },
    /// A stream learns that the peer's buffer has room again.
    Room { stream: SourceId },
    /// A stream's incoming direction carries octets again.
    Unclog { stream: SourceId },
    /// An edge that was held back.
    Edge {
        selector: SourceId,
        source: SourceId,
        serial: u64,
        readable: bool,
        writable: bool,
    },
    /// The resolver answers.
    Resolved {
        done: Resolved,
        answer: io::Result<Vec<SocketAddr>>,
    },
}

/// What is left to do, without the world's lock, after something happened.
pub type Errand = Option<Box<dyn FnOnce()>>;

impl Net {
    /// A world at the start of time.
    pub fn new(mut dice: Dice, faults: Faults, aloud: bool) -> Net {
        Net {
            now: Time::START,
            for_library: dice.fork(),
            dice,
            faults,
            trace: Trace::new(aloud),
            queue: BTreeMap::new(),
            sequence: 0,
            last_source: 0,
            outer_poll: None,
            selectors: BTreeMap::new(),
            watchers: BTreeMap::new(),
            streams: BTreeMap::new(),
            acceptors: BTreeMap::new(),
            last_port: 49_151,
            names: BTreeMap::new(),
        }
    }

    /// A number no source had before.
    pub(super) fn fresh_source(&mut self) -> SourceId {
        self.last_source += 1;
        self.last_source
    }

    /// Notes an event in the trace, now.
    pub fn note(&mut self, what: &'static str, who: SourceId, amount: u64) {
        self.trace.note(self.now, what, who, amount);
    }

    /// Lets something happen after `wait`.
    pub(super) fn after(&mut self, wait: Duration, what: Happening) {
        self.at(self.now + wait, what);
    }

    /// Lets something happen at `time`, behind all that was already to happen then.
    pub(super) fn at(&mut self, time: Time, what: Happening) {
        self.sequence += 1;
        self.queue.insert((time, self.sequence), what);
    }

    /// How long the next octet takes.
    pub(super) fn latency(&mut self) -> Duration {
        let most = self.faults.latency_max;
        self.up_to(most)
    }

    /// A random time of at most `most`.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_nanos()).expect("a short time");
        Duration::from_nanos(self.dice.between(0, most))
    }

    /// When the next thing happens.
    pub fn next_time(&self) -> Option<Time> {
        self.queue.first_key_value().map(|((time, _), _)| *time)
    }

    /// Lets the first thing that is due happen; `None` if nothing is.
    pub fn step(&mut self) -> Option<Errand> {
        let entry = self.queue.first_entry()?;
        if entry.key().0 > self.now {
            return None;
        }
        match entry.remove() {
            Happening::Connect { stream } => self.arrive_connect(stream),
            Happening::Arrive { stream, octets } => self.arrive(stream, octets),
            Happening::End { stream } => self.end(stream),
            Happening::Lose { stream } => self.lose(stream),
            Happening::HalfClose { stream } => self.half_close(stream),
            Happening::Room { stream } => self.room(stream),
            Happening::Unclog { stream } => self.unclog(stream),
            Happening::Edge {
                selector,
                source,
                serial,
                readable,
                writable,
            } => self.edge(selector, source, serial, readable, writable),
            Happening::Resolved { done, answer } => {
                let found = answer.as_ref().map_or(0, Vec::len);
                self.note("resolved", 0, found as u64);
                return Some(Some(Box::new(move || done(answer))));
            }
        }
        Some(None)
    }

    /// Ends all faults but silence: clogs open, in any order, and nothing more goes wrong.
    pub fn heal(&mut self) {
        self.note("heal", 0, 0);
        self.faults = self.faults.healed();
        let mut clogged: Vec<SourceId> = self.clogged_streams();
        self.dice.shuffle(&mut clogged);
        for stream in clogged {
            self.unclog(stream);
        }
        for acceptor in self.acceptors.values_mut() {
            acceptor.exhausted_until = Time::START;
        }
    }

    /// Teaches the resolver a name.
    pub fn name(&mut self, host: &str, addresses: &[IpAddr]) {
        self.names.insert(host.to_owned(), addresses.to_vec());
    }

    /// Looks a name up; the answer comes through the queue.
    pub(super) fn resolve(&mut self, host: &str, port: u16, ipv6: bool, done: Resolved) {
        let mut wait = self.latency();
        if self.dice.chance(self.faults.resolve_stalls) {
            wait += self.up_to(RESOLVER_STALL);
        }
        let known = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.names.get(host).cloned().unwrap_or_default(),
        };
        let answer: Vec<SocketAddr> = known
            .into_iter()
            .filter(|address| ipv6 || address.is_ipv4())
            .map(|address| SocketAddr::new(address, port))
            .collect();
        let answer = if answer.is_empty() || self.dice.chance(self.faults.resolve_fails) {
            Err(io::Error::other("name not known"))
        } else {
            Ok(answer)
        };
        self.note("resolve", 0, wait.as_nanos() as u64);
        self.after(wait, Happening::Resolved { done, answer });
    }
}

/// The longest a resolver hangs.
const RESOLVER_STALL: Duration = Duration::from_secs(5);

impl std::fmt::Debug for Happening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Happening")
    }
}
