//! What may go wrong, and how often: rates drawn from the seed once per run.
//!
//! A run is calm, mild, heavy or extreme; within it each kind of fault is on or off by itself, so
//! that most runs mix a few kinds and some have one alone.

use std::time::Duration;

use super::dice::Dice;

/// Times in a thousand.
pub type Rate = u32;

/// The weather of one run.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Not a fault but the nature of the network: the longest way of an octet.
    pub latency_max: Duration,
    /// Octets a connection holds in one direction, on the way and unread.
    pub capacity_octets: usize,

    /// A read or write moves some of what it could.
    pub short: Rate,
    /// A read or write moves one octet.
    pub one_octet: Rate,
    /// A read or write that could go on says `WouldBlock`; its edge comes later.
    pub would_block: Rate,
    /// A poll tells of a source with nothing new.
    pub spurious: Rate,
    /// A reactor's poll that finds nothing is interrupted.
    pub interrupted: Rate,
    /// An edge is told late, and so after later edges of other sources.
    pub late_edge: Rate,
    /// A write is followed by a reset of its connection; what is on the way is lost.
    pub reset: Rate,
    /// A write is followed by the end of that direction alone.
    pub half_close: Rate,
    /// A connection stops carrying octets one way for a time.
    pub clog: Rate,
    /// All connections stop, and go on one by one in another order.
    pub swizzle: Rate,
    /// A connection stops carrying octets both ways, and neither end is told: a cable is cut.
    pub silence: Rate,
    /// An attempt to connect takes its time.
    pub connect_stalls: Rate,
    /// A connection is refused although somebody listens.
    pub refuse: Rate,
    /// `connect` fails at once.
    pub connect_fails: Rate,
    /// Descriptors run out at `accept`, for a time.
    pub descriptors: Rate,
    /// A waiting connection dies before it is accepted.
    pub accept_aborts: Rate,
    /// A stream cannot be registered.
    pub register_fails: Rate,
    /// A thread is held up for a time.
    pub stall: Rate,
    /// A name is not found.
    pub resolve_fails: Rate,
    /// The resolver hangs for a time.
    pub resolve_stalls: Rate,
}

impl Faults {
    /// Nothing goes wrong; octets still take time and buffers still end.
    pub fn none() -> Faults {
        Faults {
            latency_max: Duration::from_micros(200),
            capacity_octets: 64 << 10,
            short: 0,
            one_octet: 0,
            would_block: 0,
            spurious: 0,
            interrupted: 0,
            late_edge: 0,
            reset: 0,
            half_close: 0,
            clog: 0,
            swizzle: 0,
            silence: 0,
            connect_stalls: 0,
            refuse: 0,
            connect_fails: 0,
            descriptors: 0,
            accept_aborts: 0,
            register_fails: 0,
            stall: 0,
            resolve_fails: 0,
            resolve_stalls: 0,
        }
    }

    /// The weather that `dice` throw.
    pub fn draw(dice: &mut Dice) -> Faults {
        let mut faults = Faults::none();
        faults.latency_max = Duration::from_micros([0, 50, 500, 5_000, 50_000][dice.index(5)]);
        faults.capacity_octets = [16, 200, 4 << 10, 64 << 10][dice.index(4)];
        // What happens per read, write or poll; then what ends a connection.
        let (often, seldom) = match dice.below(8) {
            0 => return faults,
            1 | 2 => (20, 5),
            3..=5 => (150, 30),
            _ => (600, 120),
        };
        let mut rate = |most: Rate| {
            if dice.chance(500) {
                dice.between(1, u64::from(most)) as Rate
            } else {
                0
            }
        };
        faults.short = rate(often);
        faults.one_octet = rate(often);
        faults.would_block = rate(often);
        faults.spurious = rate(often);
        faults.interrupted = rate(often);
        faults.late_edge = rate(often);
        faults.reset = rate(seldom);
        faults.half_close = rate(seldom);
        faults.clog = rate(seldom);
        faults.swizzle = rate(seldom / 4 + 1);
        faults.silence = rate(seldom / 2 + 1);
        faults.connect_stalls = rate(often);
        faults.refuse = rate(often);
        faults.connect_fails = rate(often);
        faults.descriptors = rate(often);
        faults.accept_aborts = rate(often);
        faults.register_fails = rate(often);
        faults.stall = rate(seldom / 10 + 1);
        faults.resolve_fails = rate(often);
        faults.resolve_stalls = rate(often);
        faults
    }

    /// The same network in good weather.
    pub fn healed(&self) -> Faults {
        Faults {
            latency_max: self.latency_max,
            capacity_octets: self.capacity_octets,
            ..Faults::none()
        }
    }
}
