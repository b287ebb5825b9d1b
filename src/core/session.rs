//! A session: one connection from its first octet to its last.
//!
//! ```text
//!   stream ─► scratch ─► engine ─► batch ─► lane ═► socket
//!                          │ Ready: the peer takes its place
//!                          │ Full: the lane is at its mark; reading stops until it has room
//!                          ▼
//!   lane.control ◄─ greeting, READY, PING, PONG
//! ```
//!
//! The session reads and decodes ([`reading`]); writing is the link's, whoever does it. It is driven
//! under the lock of the poll set and notes in [`Bells`] what must be done outside.

mod reading;

use std::{cell::RefCell, collections::VecDeque, sync::Arc};

use super::{
    attach::Newcomer,
    bells::Bells,
    link::{Flushed, Link},
    narrow::Narrow,
    socket::Socket,
    terms::Terms,
    zap::Inquiry,
};
use crate::{
    base::{
        endpoint::Endpoint,
        event::{EventKind, PeerInfo, Reason},
        message::{Frame, Message},
        time::Time,
    },
    engine::{self, Engine, Fault, Step},
    pipe::Lane,
    reactor::metal::{Ready, Stream},
};

/// One connection.
pub(super) struct Session {
    pub(super) engine: Engine,
    pub(super) link: Arc<Link>,
    received: Arc<Lane>,
    endpoint: Arc<Endpoint>,
    pub(super) info: Arc<PeerInfo>,
    /// The peer it serves: known from the start if we connected, else once it is ready.
    pub(super) peer: Option<(usize, u64)>,
    /// Octets that were read and not taken, the lane being full; and how many of them have been
    /// taken since.
    leftover: Vec<u8>,
    leftover_taken: usize,
    /// Messages that came with the last read, and their octets on average.
    decoded: usize,
    message_octets: usize,
    /// Octets that one read takes at most.
    read_octets_max: usize,
    /// The last message was a large body that was read in place.
    expects_large: bool,
    /// Reading has stopped until the lane has room.
    stopped: bool,
    /// The terms of its endpoint.
    pub(super) terms: Arc<Terms>,
    /// The question about the peer that is not answered yet, and the handler that was asked.
    pub(super) question: Option<u64>,
    pub(super) inquiry: Option<Box<Inquiry>>,
    /// The stream told of its end: short reads no longer mean that it is drained.
    ending: bool,
    /// The application is shown when the peer comes and goes.
    notifies: bool,
}

/// How a session fares.
#[derive(Debug)]
pub(super) enum Fare {
    /// It waits for readiness.
    Waits,
    /// It has more to do and gave others their turn.
    More,
    /// It is over.
    Over(Fault),
}

/// What reading needs, one for each thread.
#[derive(Default)]
struct Scratch {
    octets: Vec<u8>,
    batch: VecDeque<Message>,
    output: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = const {
        RefCell::new(Scratch { octets: Vec::new(), batch: VecDeque::new(), output: Vec::new() })
    };
}

fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    let mut work = Some(work);
    let mut go = |scratch: &mut Scratch| (work.take().expect("only once"))(scratch);
    // A thread that is about to end has none of its own any more.
    SCRATCH
        .try_with(|scratch| go(&mut scratch.borrow_mut()))
        .unwrap_or_else(|_| go(&mut Scratch::default()))
}

impl Session {
    /// A session on a stream that is connected. `lanes`: what we send, what we receive.
    pub(super) fn new(
        terms: &Arc<Terms>,
        endpoint: &Arc<Endpoint>,
        stream: Box<dyn Stream>,
        lanes: (Arc<Lane>, Arc<Lane>),
        peer: Option<(usize, u64)>,
        now: Time,
    ) -> Session {
        let ends = stream.ends();
        let options = &terms.options;
        let stream = Narrow::over(stream, options.write_octets_max);
        let info = PeerInfo {
            local: ends.local,
            remote: ends.remote,
            address: ends.peer,
            descriptor: Some(stream.source()),
            ..PeerInfo::default()
        };
        Session {
            engine: Engine::new(Arc::clone(&terms.config), now),
            link: Arc::new(Link::new(stream, lanes.0)),
            received: lanes.1,
            endpoint: Arc::clone(endpoint),
            info: Arc::new(info),
            peer,
            leftover: Vec::new(),
            leftover_taken: 0,
            decoded: 0,
            message_octets: 0,
            read_octets_max: match options.read_octets_max {
                0 => usize::MAX,
                octets => octets,
            },
            expects_large: false,
            stopped: false,
            terms: Arc::clone(terms),
            question: None,
            inquiry: None,
            ending: false,
            notifies: terms.notifies(),
        }
    }

    /// When it wants to be driven, whatever happens.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.engine.poll_timeout()
    }

    /// Is the handshake done?
    pub(super) fn is_ready(&self) -> bool {
        self.engine.is_ready()
    }

    /// Has all that was queued left?
    pub(super) fn is_finished(&self) -> bool {
        self.link.lane.is_finished()
    }

    /// Does what `ready` allows.
    pub(super) fn drive(
        &mut self,
        socket: &Socket,
        entry: usize,
        ready: Ready,
        now: Time,
        bells: &mut Bells,
    ) -> Fare {
        self.ending |= ready.closed;
        if ready.writable {
            let flushed = self.link.writable();
            self.note(socket, flushed, bells);
        }
        let reads = ready.readable || ready.closed || self.engine.starts_at_once();
        let fare = if reads {
            with_scratch(|scratch| self.read(socket, entry, scratch, now, bells))
        } else {
            Ok(false)
        };
        self.say(socket, bells);
        match fare {
            Ok(true) => Fare::More,
            Ok(false) => Fare::Waits,
            Err(fault) => Fare::Over(fault),
        }
    }

    /// A deadline has passed.
    pub(super) fn handle_timeout(
        &mut self,
        socket: &Socket,
        now: Time,
        bells: &mut Bells,
    ) -> Result<(), Fault> {
        let result = self.engine.handle_timeout(now);
        self.say(socket, bells);
        result
    }

    /// Queues what the engine wants to say, and writes it. Under a peer that does not read, the
    /// engine keeps what it wants to say (one PONG at most) until the last words have left.
    pub(super) fn say(&mut self, socket: &Socket, bells: &mut Bells) {
        if self.link.lane.control_octets() > 0 {
            // The last words: they leave now, if they can. A newcomer that is refused is not
            // flushed by anybody else.
            let flushed = self.link.flush();
            self.note(socket, flushed, bells);
            return;
        }
        with_scratch(|scratch| {
            scratch.output.clear();
            self.engine.poll_output(&mut scratch.output);
            if !scratch.output.is_empty() {
                self.link.lane.push_control(&scratch.output);
                let flushed = self.link.flush();
                self.note(socket, flushed, bells);
            }
        });
    }

    fn note(&self, socket: &Socket, flushed: Flushed, bells: &mut Bells) {
        socket.work.note_writes(flushed.writes);
        if flushed.ring_writer {
            socket.note_writable(&self.link, bells);
        }
    }

    /// Follows a step of the engine up. True if there may be more to decode.
    pub(super) fn step(
        &mut self,
        socket: &Socket,
        entry: usize,
        step: Step,
        bells: &mut Bells,
    ) -> Result<bool, Fault> {
        match step {
            Step::Drained => Ok(false),
            Step::Asks(request) => {
                self.ask(socket, entry, request, bells);
                Ok(true)
            }
            Step::Ready(peer) => {
                self.become_ready(socket, entry, *peer, bells)?;
                Ok(true)
            }
            Step::Full => {
                self.stopped = self.received.room() == 0;
                if self.stopped {
                    self.engine.pause_reading();
                }
                Ok(!self.stopped)
            }
        }
    }

    fn become_ready(
        &mut self,
        socket: &Socket,
        entry: usize,
        peer: engine::Peer,
        bells: &mut Bells,
    ) -> Result<(), Fault> {
        self.info = Arc::new(PeerInfo {
            socket_type: Some(peer.socket_type),
            identity: peer.identity,
            properties: peer.properties,
            ..(*self.info).clone()
        });
        let newcomer = Newcomer {
            link: &self.link,
            received: &self.received,
            entry,
            endpoint: &self.endpoint,
            info: &self.info,
            revision: peer.revision,
            known: self.peer,
        };
        // What the engine still has to say (READY) goes before what the peer's place brings.
        let mut output = Vec::new();
        self.engine.poll_output(&mut output);
        self.link.lane.push_control(&output);
        if let Some(sealer) = self.engine.take_sealer() {
            self.link.seal(sealer);
        }
        match socket.peer_ready(&newcomer, bells) {
            Ok(place) => {
                self.peer = Some(place);
                let kind = EventKind::HandshakeSucceeded;
                socket.tell(kind, &self.endpoint, Some(&self.info), bells);
                // A peer that comes and goes must not fill a lane that nobody reads.
                self.notifies &= self.received.room() > 0;
                self.notify(socket, bells);
                Ok(())
            }
            Err(reason) => Err(Fault {
                reason,
                in_handshake: true,
                retry: true,
            }),
        }
    }

    /// STREAM: an empty message shows the application that the peer has come, or gone.
    fn notify(&self, socket: &Socket, bells: &mut Bells) {
        let nothing = Message::from(Frame::empty());
        self.leave_word(socket, Some(&nothing).filter(|_| self.notifies), bells);
    }

    /// The connection is over: the application shall find `word` behind what the peer has sent,
    /// if it was ready.
    pub(super) fn leave_word(&self, socket: &Socket, word: Option<&Message>, bells: &mut Bells) {
        if let (Some(word), Some((key, serial)), true) = (word, self.peer, self.link.is_serving()) {
            let mut batch = VecDeque::from([word.clone()]);
            if self.received.push_batch(&mut batch) {
                socket.note_readable(key, serial, bells);
            }
        }
    }

    /// The connection is over. `gone`: so is the peer; else it will be connected anew.
    pub(super) fn end(&mut self, socket: &Socket, reason: &Reason, gone: bool, bells: &mut Bells) {
        self.ask_no_more(bells);
        self.say(socket, bells);
        // Not the engine's word: it has forgotten, if the fault was its own, and it knows nothing
        // of a place that was refused.
        let was_ready = self.link.is_serving();
        self.notify(socket, bells);
        if self.link.cut() {
            socket.note_writable(&self.link, bells);
        }
        if gone {
            self.link.lane.close_reader();
            let closing = self.link.lane.is_writer_gone() && matches!(reason, Reason::Local);
            self.link.lane.discard(!closing);
            self.received.close_writer();
        }
        if let Some((key, serial)) = self.peer {
            socket.peer_lost(key, serial, gone, bells);
        }
        let kind = if was_ready {
            EventKind::Disconnected
        } else {
            EventKind::HandshakeFailed
        };
        log::debug!(
            "{} with {}: connection over: {reason}",
            self.endpoint,
            self.info.remote
        );
        socket.tell(
            kind(reason.clone()),
            &self.endpoint,
            Some(&self.info),
            bells,
        );
    }
}
