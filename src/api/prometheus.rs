//! The numbers as Prometheus reads them: its text format, version 0.0.4.
//!
//! ```text
//!   # HELP hubless_queued_messages Messages that wait now.        one block for each family,
//!   # TYPE hubless_queued_messages gauge                          whoever its samples are of
//!   hubless_queued_messages{socket="jobs",type="PULL",direction="received"} 17
//! ```
//!
//! No HTTP here: a page is text, and whatever serves the program's pages serves this one.

use std::{fmt, time::Duration};

use super::{context::Context, meter::Meter, sockets::TypedSocket};
use crate::{
    base::{histogram::Histogram, rates::Rates, stats::LaneStats},
    core::PeerState,
};

/// What the HTTP header `Content-Type` of a [`Page`] says.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of numbers, for Prometheus to fetch.
///
/// Times are in seconds and octets are called bytes, as is the custom there. Give every socket a
/// name of its own: it is the label `socket`.
///
/// ```
/// use hubless::{Context, Pull, prometheus::Page};
///
/// let pull = Pull::builder().time_one_in(64).build()?;
/// pull.bind("tcp://127.0.0.1:0")?;
///
/// let mut page = Page::new();
/// page.add_socket("jobs", &pull);
/// page.add_context("main", Context::global());
/// let text = page.to_string();
/// assert!(text.contains(
///     "hubless_queued_messages{socket=\"jobs\",type=\"PULL\",direction=\"received\"} 0\n"
/// ));
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Page {
    blocks: Vec<(&'static Family, String)>,
}

impl Page {
    /// An empty page.
    pub fn new() -> Page {
        Page::default()
    }

    /// The counters of a socket, all its peers together, and its times if it takes them.
    pub fn add_socket<S: TypedSocket>(&mut self, name: &str, socket: &S) {
        let kind = S::TYPE.to_string();
        let ours = Labels::new().with("socket", name).with("type", &kind);
        let stats = socket.as_core().stats();
        let ways = [("sent", stats.sent), ("received", stats.received)];
        for (direction, lane) in ways {
            self.put_lane(&SOCKET_LANES, &ours.with("direction", direction), lane);
        }
        self.put(&PEERS, &ours, stats.peers as f64);
        self.put(&CONNECTIONS, &ours, stats.connections as f64);
        self.put(&RECONNECTS, &ours, stats.reconnects as f64);
        let calls = stats.calls;
        for (call, count) in [
            ("read", calls.reads),
            ("write", calls.writes),
            ("poll", calls.polls),
            ("bell", calls.bells),
        ] {
            self.put(&CALLS, &ours.with("call", call), count as f64);
        }
        self.put(&WAKEUPS, &ours, calls.wakeups as f64);
        if let Some(times) = socket.as_core().times() {
            for (direction, waits) in [("sent", &times.sent), ("received", &times.received)] {
                let labels = ours.with("direction", direction);
                self.put_times(&WAIT, &labels, waits);
                self.put(&WAIT_MAX, &labels, waits.max().as_secs_f64());
            }
            self.put_times(&SERVICE, &ours, &times.service);
            self.put(&SERVICE_MAX, &ours, times.service.max().as_secs_f64());
        }
    }

    /// The counters of each peer of a socket, by the label `peer`, its
    /// [`number`](PeerState::number): a series is one peer's for ever. As many series as there are
    /// peers: not for a socket with thousands of them.
    pub fn add_peers<S: TypedSocket>(&mut self, name: &str, socket: &S) {
        for peer in &socket.as_core().peers() {
            let (endpoint, number) = (peer.endpoint.to_string(), peer.number.to_string());
            let PeerState { info, .. } = peer;
            let address = info.as_ref().map_or("", |info| &info.remote);
            let identity = String::from_utf8_lossy(&peer.routing_id);
            let ours = Labels::new()
                .with("socket", name)
                .with("peer", &number)
                .with("endpoint", &endpoint)
                .with("address", address)
                .with("routing_id", &identity);
            for (direction, lane) in [("sent", peer.sent), ("received", peer.received)] {
                self.put_lane(&PEER_LANES, &ours.with("direction", direction), lane);
            }
            self.put(&PEER_CONNECTIONS, &ours, peer.connections as f64);
            let age = peer.connected_for.unwrap_or_default();
            self.put(&PEER_AGE, &ours, age.as_secs_f64());
        }
    }

    /// Rates of a socket over the last 1, 10 and 60 seconds, as far as its meter has looked.
    pub fn add_meter(&mut self, name: &str, meter: &Meter) {
        for span in Meter::SPANS {
            let span_s = span.as_secs().to_string();
            let ours = Labels::new()
                .with("socket", name)
                .with("span_seconds", &span_s);
            for (direction, rates) in [
                ("sent", meter.sent(span)),
                ("received", meter.received(span)),
            ] {
                let labels = ours.with("direction", direction);
                let Some(rates) = rates else { continue };
                self.put(&ARRIVALS, &labels, rates.arrivals);
                self.put(&DEPARTURES, &labels, rates.departures);
                self.put(&WAITING, &labels, rates.waiting);
            }
            let received = meter.received(span);
            if let Some(rate) = received.and_then(|it| it.service_rate()) {
                self.put(&SERVICE_RATE, &ours, rate);
            }
            if let Some(load) = received.as_ref().and_then(Rates::load) {
                self.put(&LOAD, &ours, load);
            }
        }
    }

    /// The turns of a context's I/O threads.
    pub fn add_context(&mut self, name: &str, context: &Context) {
        for (number, thread) in context.io_stats().iter().enumerate() {
            let number = number.to_string();
            let ours = Labels::new().with("context", name).with("thread", &number);
            self.put(&IO_SOCKETS, &ours, thread.sockets as f64);
            self.put(&IO_TURNS, &ours, thread.turns as f64);
            self.put(&IO_WAKEUPS, &ours, thread.wakeups as f64);
            self.put(&IO_BELLS, &ours, thread.bells as f64);
            self.put(&IO_SLOW_TURNS, &ours, thread.slow_turns as f64);
            self.put(&IO_LONGEST, &ours, thread.longest_turn.as_secs_f64());
            self.put(&IO_BUSY, &ours, thread.busy.as_secs_f64());
            self.put(&IO_LIFETIME, &ours, thread.lifetime.as_secs_f64());
        }
    }

    fn put_lane(&mut self, families: &'static LaneFamilies, labels: &Labels, lane: LaneStats) {
        self.put(&families.accepted, labels, lane.accepted as f64);
        self.put(&families.delivered, labels, lane.delivered as f64);
        self.put(&families.queued, labels, lane.queued as f64);
        self.put(&families.frames, labels, lane.parts as f64);
        self.put(&families.octets, labels, lane.octets as f64);
        self.put(&families.queued_octets, labels, lane.queued_octets as f64);
        for (reason, count) in [
            ("full", lane.refused),
            ("replaced", lane.replaced),
            ("closed", lane.dropped - lane.replaced),
            ("connection", lane.lost),
        ] {
            self.put(
                &families.dropped,
                &labels.with("reason", reason),
                count as f64,
            );
        }
    }

    /// A histogram: for each doubling, how many times were no longer than that; all exact.
    fn put_times(&mut self, family: &'static Family, labels: &Labels, times: &Histogram) {
        for doubling in DOUBLINGS {
            let upto = Duration::from_nanos((1 << doubling) - 1);
            let limit = upto.as_secs_f64().to_string();
            let count = times.count_within(upto) as f64;
            self.sample(family, "_bucket", &labels.with("le", &limit), count);
        }
        let all = times.count() as f64;
        self.sample(family, "_bucket", &labels.with("le", "+Inf"), all);
        self.sample(family, "_sum", labels, times.sum().as_secs_f64());
        self.sample(family, "_count", labels, all);
    }

    fn put(&mut self, family: &'static Family, labels: &Labels, value: f64) {
        self.sample(family, "", labels, value);
    }

    fn sample(&mut self, family: &'static Family, suffix: &str, labels: &Labels, value: f64) {
        let known = |(other, _): &(&Family, String)| std::ptr::eq(*other, family);
        let at = self.blocks.iter().position(known).unwrap_or_else(|| {
            self.blocks.push((family, String::new()));
            self.blocks.len() - 1
        });
        let text = &mut self.blocks[at].1;
        *text += &format!("{}{suffix}{{{}}} {value}\n", family.name, labels.0);
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (family, samples) in &self.blocks {
            let Family { name, kind, help } = family;
            writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
            f.write_str(samples)?;
        }
        Ok(())
    }
}

/// Labels, as they are written.
struct Labels(String);

impl Labels {
    fn new() -> Labels {
        Labels(String::new())
    }

    /// These and one more.
    fn with(&self, name: &str, value: &str) -> Labels {
        let mut text = self.0.clone();
        if !text.is_empty() {
            text.push(',');
        }
        text += name;
        text += "=\"";
        for letter in value.chars() {
            match letter {
                '\\' => text += "\\\\",
                '"' => text += "\\\"",
                '\n' => text += "\\n",
                other => text.push(other),
            }
        }
        text.push('"');
        Labels(text)
    }
}

/// The ends of a histogram's buckets, as powers of two nanoseconds: 1 µs to 69 s.
const DOUBLINGS: std::ops::RangeInclusive<u32> = 10..=36;

/// A family of numbers: its name ends with its unit, and with `_total` if it only grows.
#[derive(Debug)]
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

/// What there is of a socket, and likewise of a peer.
struct LaneFamilies {
    accepted: Family,
    delivered: Family,
    queued: Family,
    frames: Family,
    octets: Family,
    queued_octets: Family,
    dropped: Family,
}

macro_rules! lane_families {
    ($name:ident, $prefix:literal) => {
        static $name: LaneFamilies = LaneFamilies {
            accepted: counter(
                concat!($prefix, "accepted_messages_total"),
                "Messages taken in.",
            ),
            delivered: counter(
                concat!($prefix, "delivered_messages_total"),
                "Messages handed on to the kernel or the application.",
            ),
            queued: gauge(
                concat!($prefix, "queued_messages"),
                "Messages that wait now.",
            ),
            frames: counter(
                concat!($prefix, "accepted_frames_total"),
                "Frames of messages taken in.",
            ),
            octets: counter(
                concat!($prefix, "accepted_bytes_total"),
                "Octets of all frames taken in.",
            ),
            queued_octets: gauge(concat!($prefix, "queued_bytes"), "Octets that wait now."),
            dropped: counter(
                concat!($prefix, "dropped_messages_total"),
                "Messages not delivered: the queue was full, they were replaced by newer ones, \
                 thrown away at the end, or went down with a connection.",
            ),
        };
    };
}

lane_families!(SOCKET_LANES, "hubless_");
lane_families!(PEER_LANES, "hubless_peer_");

macro_rules! families {
    ($($id:ident = $kind:ident $name:literal $help:literal;)+) => {
        $(static $id: Family = $kind($name, $help);)+
    };
}

families! {
    PEERS = gauge "hubless_peers" "Peers whose handshake is done.";
    CONNECTIONS = counter "hubless_connections_total" "Handshakes done.";
    RECONNECTS = counter "hubless_reconnects_total" "Connections made anew after they were lost.";
    CALLS = counter "hubless_system_calls_total" "System calls for a socket.";
    WAKEUPS = counter "hubless_wakeups_total" "Times that a thread ran again after it slept.";
    WAIT = histogram "hubless_wait_seconds" "W: how long messages waited.";
    WAIT_MAX = gauge "hubless_longest_wait_seconds" "The longest wait of a message.";
    SERVICE = histogram "hubless_service_seconds" "How long threads worked on a message.";
    SERVICE_MAX = gauge "hubless_longest_service_seconds" "The longest work on a message.";
    ARRIVALS = gauge "hubless_arrival_rate" "λ: messages a second that came to the queue.";
    DEPARTURES = gauge "hubless_departure_rate" "Messages a second that left the queue.";
    WAITING = gauge "hubless_mean_queued_messages" "L: messages that waited, on average.";
    SERVICE_RATE = gauge "hubless_service_rate" "μ: messages a second one server can work on.";
    LOAD = gauge "hubless_load_erlangs" "λ/μ: servers at work, on average; over c it is ρ.";
    PEER_CONNECTIONS = counter "hubless_peer_connections_total" "Handshakes done with a peer.";
    PEER_AGE = gauge "hubless_peer_connection_age_seconds" "How long a connection has stood; 0 without.";
    IO_SOCKETS = gauge "hubless_io_sockets" "Sockets that an I/O thread serves.";
    IO_TURNS = counter "hubless_io_turns_total" "Turns of an I/O thread, each with one poll.";
    IO_WAKEUPS = counter "hubless_io_wakeups_total" "Polls of an I/O thread that could sleep.";
    IO_BELLS = counter "hubless_io_bells_total" "Times that another thread rang an I/O thread.";
    IO_SLOW_TURNS = counter "hubless_io_slow_turns_total" "Turns that took 10 ms or more.";
    IO_LONGEST = gauge "hubless_io_longest_turn_seconds" "The longest turn.";
    IO_BUSY = counter "hubless_io_busy_seconds_total" "Time spent in turns; over the lifetime it is ρ.";
    IO_LIFETIME = counter "hubless_io_lifetime_seconds_total" "How long an I/O thread has run.";
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    let kind = "counter";
    Family { name, kind, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    let kind = "gauge";
    Family { name, kind, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    let kind = "histogram";
    Family { name, kind, help }
}
