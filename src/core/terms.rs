//! The options of a socket as they stand.
//!
//! ```text
//!   change ──► terms ◄── bind, connect: an endpoint keeps the terms that it was made with
//!     │          ▲
//!     │          └────── what peers get when they come, how long a socket lingers: looked up
//!     ├──► the waits of send and recv: two numbers, read without a lock
//!     └──► the pattern, under the socket's lock
//! ```

use std::{
    collections::VecDeque,
    os::fd::{AsRawFd, OwnedFd},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;

use super::{
    attach::Wire,
    bells::Bells,
    inproc::sum,
    signal::Signal,
    socket::Socket,
    state::{Phase, State},
};
use crate::{
    base::{
        auth::Security,
        error::{Error, ErrorKind},
        event::Reason,
        message::{Frame, Message},
        option_table::{Here, OptionMoment, OptionRow, OptionValue},
        options::{OnFull, Options},
        socket_type::SocketType,
        sync::{AtomicU64, Mutex, Ordering, Rank},
    },
    engine,
    pipe::{Accepted, Limits},
};

/// What an endpoint is bound or connected with.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) options: Options,
    pub(super) config: Arc<engine::Config>,
    /// What a ROUTER receives from a peer that has come or gone, if it wants to know.
    notice: Message,
}

/// Where a socket keeps its terms.
#[derive(Debug)]
pub(super) struct Standing {
    terms: Mutex<Arc<Terms>>,
    /// Nanoseconds that a send and a receive may wait.
    send_timeout: AtomicU64,
    recv_timeout: AtomicU64,
    /// The name of the next peer that is connected.
    next_name: Mutex<Option<Bytes>>,
    /// Shows readiness to those who asked for a descriptor's number.
    shown: OnceLock<(Arc<Signal>, OwnedFd)>,
}

impl Standing {
    pub(super) fn new(socket_type: SocketType, options: Options) -> Standing {
        Standing {
            send_timeout: AtomicU64::new(nanos(options.send_timeout)),
            recv_timeout: AtomicU64::new(nanos(options.recv_timeout)),
            terms: Mutex::new(Rank::Leaf, Arc::new(Terms::new(socket_type, options))),
            next_name: Mutex::new(Rank::Leaf, None),
            shown: OnceLock::new(),
        }
    }
}

impl Terms {
    /// What limits what we send, besides messages.
    pub(super) fn send_limits(&self) -> Limits {
        Limits {
            octets: self.options.send_hwm_octets,
            keep_newest: self.options.on_full == OnFull::DropOldest,
        }
    }

    /// The same of what we receive.
    pub(super) fn recv_limits(&self) -> Limits {
        Limits {
            octets: self.options.recv_hwm_octets,
            keep_newest: false,
        }
    }

    /// Is the application shown when a peer comes and goes?
    pub(super) fn notifies(&self) -> bool {
        self.config.raw && self.options.stream_notify
    }

    fn new(socket_type: SocketType, options: Options) -> Terms {
        let config = engine::Config::from_options(socket_type, &options);
        Terms {
            config: Arc::new(config),
            options,
            notice: Message::from(Frame::empty()),
        }
    }

    /// What is received as if from a peer that has gone.
    pub(super) fn departure(&self) -> Option<&Message> {
        self.options.notify_disconnect.then_some(&self.notice)
    }
}

/// Whether a socket of this type can do what its options ask for.
///
/// # Errors
/// `InvalidOption`: a STREAM shakes no hands and sends no frames, so it neither proves nor encrypts
/// anything.
pub(super) fn check_type(socket_type: SocketType, options: &Options) -> Result<(), Error> {
    let wrong = |what| Err(Error::new(ErrorKind::InvalidOption, what));
    let asks = !matches!(options.security, Security::Null)
        || options.authenticator.is_some()
        || options.heartbeat_interval.is_some() && !options.like_libzmq
        || !options.properties.is_empty();
    if asks && !socket_type.speaks_zmtp() {
        return wrong("a STREAM does not speak ZMTP: no security, heartbeats or properties");
    }
    let tells = options.notify_connect || options.notify_disconnect || options.hello.is_some();
    if options.router_raw && (asks || tells) {
        return wrong("raw: no security, heartbeats, properties, greetings, or other notices");
    }
    Ok(())
}

impl Socket {
    /// The terms as they stand now.
    pub(super) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.standing.terms.lock())
    }

    /// The options as they stand now.
    pub fn options(&self) -> Options {
        self.terms().options.clone()
    }

    /// How long a send waits.
    pub fn send_timeout(&self) -> Option<Duration> {
        limit(&self.standing.send_timeout)
    }

    /// How long a receive waits.
    pub fn recv_timeout(&self) -> Option<Duration> {
        limit(&self.standing.recv_timeout)
    }

    /// Changes options: what is live takes effect at once, the rest with the next bind or
    /// connect.
    ///
    /// # Errors
    /// `InvalidOption` if one is out of range, `Closed`; then nothing is changed.
    pub fn change(
        &self,
        change: impl FnOnce(&mut Options) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut bells = Bells::default();
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(ErrorKind::Closed.into());
        }
        let mut options = self.options();
        change(&mut options)?;
        options.check()?;
        check_type(self.socket_type, &options)?;
        state.pattern.adopt(&options);
        let marks = |options: &Options| (options.send_hwm, options.recv_hwm);
        let moved = marks(&options) != marks(&self.terms().options);
        let Standing {
            terms,
            send_timeout,
            recv_timeout,
            ..
        } = &self.standing;
        send_timeout.store(nanos(options.send_timeout), Ordering::Relaxed);
        recv_timeout.store(nanos(options.recv_timeout), Ordering::Relaxed);
        let fresh = Arc::new(Terms::new(self.socket_type, options));
        *terms.lock() = Arc::clone(&fresh);
        if moved {
            state.move_marks(self, &fresh.options, &mut bells);
            state.follow(self, &mut bells);
        }
        // What was refused may be taken now.
        state.wake_one_of_each(&mut bells);
        drop(state);
        bells.ring(self);
        Ok(())
    }

    /// Sets an option of libzmq's.
    ///
    /// # Errors
    /// `InvalidOption`: it cannot act here, is not for this type, is only read, or not settable
    /// any more; a value of another kind or out of range. `Closed`.
    pub fn set_option(&self, row: &OptionRow, value: &OptionValue) -> Result<(), Error> {
        let like = self.terms().options.like_libzmq;
        row.check_like(self.socket_type, like, value)?;
        if let (OptionMoment::FirstEndpoint, Some(net), &OptionValue::Number(mask)) =
            (row.moment, self.net.get(), value)
        {
            // All of a socket is served by one thread, which it got with its first endpoint.
            if !may_serve(mask as u64, net.io_thread) {
                return Err(row.wrong("it was settled with the first bind or connect"));
            }
        }
        let octets = match value {
            OptionValue::Octets(octets) => octets.clone(),
            OptionValue::Number(_) => Bytes::new(),
        };
        match (row.here, row.name) {
            (Here::Field(..) | Here::Held(_), _) => {
                self.change(|options| row.set(options, self.socket_type, value).map(drop))
            }
            (_, "SUBSCRIBE" | "UNSUBSCRIBE") => {
                match self.subscribe(&octets, row.name == "SUBSCRIBE")? {
                    true => Ok(()),
                    false => Err(row.wrong("an XPUB subscribes its peers in manual mode only")),
                }
            }
            (_, "CONNECT_ROUTING_ID") => {
                check_name(&octets, like)?;
                *self.standing.next_name.lock() = Some(octets);
                Ok(())
            }
            _ => Err(row.wrong("it is only read")),
        }
    }

    /// The value of an option of libzmq's.
    ///
    /// # Errors
    /// `InvalidOption` if it has none here, or not on this type.
    pub fn option(&self, row: &OptionRow) -> Result<OptionValue, Error> {
        row.check_type(self.socket_type, self.terms().options.like_libzmq)?;
        if let Here::Absent(why) = row.here {
            return Err(row.wrong(why));
        }
        if row.name == "ROUTING_ID" {
            // A STREAM calls itself nothing: this is whom it was connected to last.
            let state = self.state.lock();
            let latest = state.pattern.latest_name();
            if let Some(name) = latest.filter(|name| !name.is_empty()) {
                return Ok(name[..].into());
            }
        }
        if let Some(value) = row.value(&self.terms().options) {
            return Ok(value);
        }
        let number = |count: usize| OptionValue::Number(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(match row.name {
            "TYPE" => {
                let same = |kind: &SocketType| *kind == self.socket_type;
                number(SocketType::ALL.iter().position(same).unwrap_or_default())
            }
            "EVENTS" => {
                let (receive, send) = self.readiness();
                let bits = u8::from(receive) | u8::from(send) << 1;
                number(bits.into())
            }
            "MECHANISM" => number(match self.terms().options.security.name() {
                "PLAIN" => 1,
                "CURVE" => 2,
                _ => 0,
            }),
            "THREAD_SAFE" => OptionValue::Number(1),
            "RCVMORE" => OptionValue::Number(0),
            "FD" => OptionValue::Number(self.shown()?.into()),
            "TOPICS_COUNT" => number(self.state.lock().pattern.topics()),
            "LAST_ENDPOINT" => {
                let last = self.state.lock().ends.last();
                let text = last.map_or_else(String::new, |endpoint| endpoint.to_string());
                text.as_str().into()
            }
            _ => return Err(row.wrong("it is only set")),
        })
    }

    /// The number of a descriptor that is readable while there is something to receive.
    fn shown(&self) -> Result<i32, Error> {
        if let Some((_, descriptor)) = self.standing.shown.get() {
            return Ok(descriptor.as_raw_fd());
        }
        let me = self.me.upgrade().ok_or(ErrorKind::Closed)?;
        let failed = |error| Error::from_io("a descriptor of readiness", error);
        let made = Signal::new(&me).map_err(failed)?;
        if let Err((late, _)) = self.standing.shown.set(made) {
            late.end();
        }
        self.shown()
    }

    /// The name that the next peer is to have, if one was set.
    pub(super) fn take_next_name(&self) -> Option<Bytes> {
        self.standing.next_name.lock().take()
    }
}

impl State {
    /// The marks of all lanes are these from now on; over inproc the other side's are added.
    fn move_marks(&mut self, socket: &Socket, options: &Options, bells: &mut Bells) {
        let keys: Vec<usize> = self.peers.iter().map(|(key, _)| key).collect();
        for key in keys {
            let other = match &self.attached[key].wire {
                Wire::Remote { socket, .. } => socket.upgrade(),
                _ => None,
            };
            let theirs = other.map(|other| other.terms());
            let (out, received) = match theirs.as_ref().map(|terms| &terms.options) {
                Some(theirs) => (
                    sum(options.send_hwm, theirs.recv_hwm),
                    sum(theirs.send_hwm, options.recv_hwm),
                ),
                None => (options.send_hwm, options.recv_hwm),
            };
            self.hand_over(key, bells);
            if self.peers[key].out.set_hwm(out) {
                self.writable(socket, key, bells);
            }
            if self.peers[key].window.lane().set_hwm(received) {
                self.follow_credit(key, bells);
            }
        }
    }

    /// A peer's handshake is done: it takes its place, and is greeted over inproc. (Elsewhere
    /// the greeting goes before all that is queued.)
    ///
    /// # Errors
    /// The reason to close the connection.
    pub(super) fn inproc_ready(
        &mut self,
        socket: &Socket,
        key: usize,
        identity: &Bytes,
        bells: &mut Bells,
    ) -> Result<(), Reason> {
        self.with_pattern(|pattern, peers, effects| {
            pattern.ready(peers, key, identity, effects)?;
            if let Some(hello) = &socket.terms().options.hello {
                let accepted: Accepted = peers[key].out.push_forced(hello);
                effects.pushed.push((key, accepted));
            }
            Ok(())
        })?;
        self.note_arrival(socket, key, bells);
        Ok(())
    }

    /// ROUTER: a peer has come, which is received as an empty message of it, if that is wanted. A
    /// peer that comes and goes does not fill a lane that nobody reads.
    pub(super) fn note_arrival(&mut self, socket: &Socket, key: usize, bells: &mut Bells) {
        let terms = socket.terms();
        if terms.options.notify_connect {
            self.leave_word(key, &terms.notice, bells);
        }
    }

    /// Has a message received as if a peer had sent it, if there is room.
    fn leave_word(&mut self, key: usize, word: &Message, bells: &mut Bells) {
        let lane = Arc::clone(self.peers[key].window.lane());
        if lane.room() > 0 && lane.push_batch(&mut VecDeque::from([word.clone()])) {
            self.readable(key, bells);
        }
    }

    /// ROUTER: a peer of this process goes, and leaves word.
    pub(super) fn note_departure(&mut self, socket: &Socket, key: usize, bells: &mut Bells) {
        let terms = socket.terms();
        let goodbye = terms.options.disconnect_message.as_ref();
        for word in terms.departure().into_iter().chain(goodbye) {
            self.leave_word(key, word, bells);
        }
    }
}

/// May a ROUTER call a peer so? `like` libzmq's it may have any name at all.
///
/// # Errors
/// `InvalidOption`.
pub(super) fn check_name(name: &[u8], like: bool) -> Result<(), Error> {
    match (name, like) {
        ([0, ..], false) | ([], _) => {}
        (_, true) => return Ok(()),
        (_, false) if name.len() <= 255 => return Ok(()),
        _ => {}
    }
    let what = "a name has 1 to 255 octets, the first not zero";
    Err(Error::new(ErrorKind::InvalidOption, what))
}

/// May the I/O thread of that number serve a socket with this affinity?
pub(super) fn may_serve(affinity: u64, io_thread: usize) -> bool {
    affinity == 0 || (io_thread < 64 && affinity >> io_thread & 1 == 1)
}

/// A time as an atomic has it; [`u64::MAX`] is for ever.
fn nanos(time: Option<Duration>) -> u64 {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    time.map_or(u64::MAX, nanos)
}

fn limit(nanos: &AtomicU64) -> Option<Duration> {
    match nanos.load(Ordering::Relaxed) {
        u64::MAX => None,
        nanos => Some(Duration::from_nanos(nanos)),
    }
}
