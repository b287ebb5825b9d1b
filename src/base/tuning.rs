//! Every constant of tuning: its unit, and its reason.

use std::time::Duration;

/// Octets that one read takes at most. 256 KiB loses nothing to larger ones on TCP and gains a
/// third over 64 KiB on Unix sockets.
pub const READ_OCTETS: usize = 256 << 10;

/// Octets that one read takes at least, if there are as many: what a lane has room for is only
/// guessed.
pub const READ_OCTETS_MIN: usize = 16 << 10;

/// Octets that are read where the header of another large body is expected, whose octets are then
/// read in place: one more read per body costs less than a copy of it.
pub const READ_OCTETS_AHEAD: usize = 64;

/// Octets queued for a connection at which the sender itself writes them out: raw sockets pass
/// about as much in 64 KiB writes as in larger ones, and it is near 1000 messages of 64 octets,
/// the default mark.
pub const FLUSH_OCTETS: usize = 64 << 10;

/// How long a receiver looks again before it sleeps, while that pays: longer than it takes to
/// wake its peer on another core, so that two who sleep can find out that both need not.
pub const SPIN: Duration = Duration::from_micros(50);

/// How long an inproc receiver lets messages gather, in a flood, before it looks again.
pub const FLOOD_PAUSE: Duration = Duration::from_micros(6);

/// Messages that an inproc sender holds back at most while its reader has others: one lock, and
/// one cache line that moves, serve them all.
pub const LOT_MESSAGES: usize = 64;

/// How long an inproc reader that has read all gives a sender that holds messages back to hand
/// them over by itself, with its next message, before it goes and fetches them.
pub const HAND_OVER: Duration = Duration::from_micros(1);

/// How long octets lie, after a sender left them in the hope of more, before the reactor writes
/// them out: twice as long while it sweeps anyway.
pub const SWEEP: Duration = Duration::from_micros(50);

/// What putting a message into one lane of many takes at most, cold caches included: some 80 ns
/// were measured with 1000 and with 10 000 subscribers.
pub const PUSH_MAX: Duration = Duration::from_micros(1);

/// The pause after a sweep that left all to senders who write by themselves: one per cent of a
/// core is spent on looking after them.
pub const SWEEP_IDLE: Duration = Duration::from_micros(200);

/// The longest pause between sweeps that take long, for there are many connections to write to.
pub const SWEEP_MAX: Duration = Duration::from_millis(1);

/// Bodies up to this many octets are copied in between their neighbours; larger ones are written
/// from where they lie. Below it a copy costs less than one more slice in the write.
pub const COPY_OCTETS_MAX: usize = 8 << 10;

/// Slices in one vectored write (the system's own limit is 1024).
pub const WRITE_SLICES_MAX: usize = 64;

/// A body of at least this many octets, when not all there yet, is read straight into a buffer
/// of its own.
pub const LARGE_OCTETS: usize = 16 << 10;

/// How far the buffer of a large body is grown ahead of what has arrived: a lying length costs no
/// more than this.
pub const GROW_OCTETS: usize = 1 << 20;

/// What a subscription takes at a publisher beside its topic's own octets (some 230 were measured
/// with topics of 12), so that many small topics count for what they are.
pub const TOPIC_OCTETS: usize = 256;

/// How often a receiver reports what it has taken, in messages, if no mark asks for it.
pub const CREDIT_MESSAGES: u64 = 256;

/// Octets read from one connection before others get their turn.
pub const TURN_OCTETS: usize = 1 << 20;

/// Connections accepted in one turn.
pub const TURN_ACCEPTS: usize = 64;

/// Peers that have left and whose messages the application has not taken yet. Above it nobody new
/// is let in: what has arrived is not thrown away, and a peer must not fill our memory by coming
/// and going. As many as unfinished handshakes.
pub const DEPARTED_MAX: usize = 1024;

/// How long a listener rests when too many handshakes are unfinished, or too many peers have left
/// unread.
pub const HANDSHAKES_PAUSE: Duration = Duration::from_millis(10);

/// After this long an unfinished handshake gives its place to a newcomer, if all are taken.
pub const HANDSHAKE_GRACE: Duration = Duration::from_secs(1);

/// How long binding to a host name waits for the resolver.
pub const LOOK_UP_MAX: Duration = Duration::from_secs(10);

/// How often the reactor looks after a lease. At 1 ms the looking costs more than it serves.
pub const LEASE_CHECK: Duration = Duration::from_millis(10);

/// A turn of an I/O thread that takes so long is counted as slow: as long as a lease may lie idle,
/// and ten times what a turn at one busy connection takes.
pub const SLOW_TURN: Duration = Duration::from_millis(10);

/// How long a listener rests when descriptors have run out.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Octets in all handshake words of one peer: greeting, READY, ERROR.
pub const HANDSHAKE_OCTETS_MAX: usize = 64 << 10;

/// Readiness that is collected at one time; a poll asks again while as much comes. 3 KiB in all.
pub const POLL_EVENTS: usize = 256;

/// A wait below this is made with a clock finer than the milliseconds that mio knows.
pub const SHORT_WAIT: Duration = Duration::from_millis(2);

/// Threads that look names up at one time. Each waits for a name server, not for a core.
pub const RESOLVER_THREADS_MAX: usize = 4;

/// Names that wait for one of these threads; more are refused.
pub const LOOKUPS_WAITING_MAX: usize = 1024;

/// Half of what the allocator is taught to keep at hand: more than two queues at the default mark
/// of bodies of 1 KiB take.
pub const LESSON_OCTETS: usize = 4 << 20;

/// Kernel buffer of a Unix-domain socket, as asked for (Linux grants twice that): its own default
/// on Linux, which it thus doubles. Two pinned processes passed 64 KiB writes at 4.5–7.2 GiB/s
/// with the system's choice, one write in ten having to wait, and at 7.6–14.3 GiB/s with this,
/// one in a thousand; twice and twenty times as much gained nothing more. It is also the default
/// of Linux's limit, so that it is granted everywhere.
pub const IPC_BUFFER_OCTETS: usize = 208 << 10;

/// How often in a row a selector may fail: the system knows no failure that passes, but a program that
/// closes descriptors that are not its own makes one that lasts.
pub const SELECTOR_FAILURES_MAX: u32 = 8;

/// The least limit of the wait before connecting again. On this machine a refusal takes some ten
/// microseconds; without a limit one who is refused would do nothing else.
pub const RECONNECT_MIN: Duration = Duration::from_millis(1);
