//! A socket's poll set: every listener, dialer and session of it, behind one selector.
//!
//! Whoever holds the set's lock drives it: mostly the reactor, and a caller that waits (see
//! [`lease`](super::lease)). Other threads hand in [`Job`]s. A thread that finds the set taken
//! leaves a mark, and whoever has it looks again before it goes.
//!
//! ```text
//!   turn:  jobs ─► poll ─► what is ready ─► what had more to do ─► what is due
//! ```

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::Arc,
    time::Duration,
};

use slab::Slab;

use super::{
    bells::Bells,
    dialer::{Dialer, Fate},
    job::{Closing, Job, earliest, is_past},
    listener::Listener,
    session::{Fare, Session},
    socket::Socket,
};
use crate::{
    base::{
        endpoint::Endpoint,
        event::{EventKind, Reason},
        time::Time,
        tuning,
    },
    engine::Fault,
    reactor::metal::{Ready, Selector, SourceId},
};

/// One socket's connections.
pub(super) struct PollSet {
    pub(super) selector: Box<dyn Selector>,
    ready: Vec<Ready>,
    /// How often in a row its selector has failed.
    failures: u32,
    pub(super) entries: Slab<Entry>,
    deadlines: BTreeSet<(Time, usize)>,
    runnable: VecDeque<usize>,
    /// Accepted connections whose handshake is unfinished.
    handshakes: usize,
    /// The socket is closing: the set ends with its last entry.
    pub(super) shutting: bool,
    /// Messages thrown away in closing.
    pub(super) unsent: u64,
    /// A caller has taken the set out of the reactor's.
    pub(super) leased: bool,
}

pub(super) struct Entry {
    pub(super) what: What,
    deadline: Option<Time>,
    runnable: bool,
}

pub(super) enum What {
    Listener(Box<Listener>),
    Dialer(Box<Dialer>),
    Accepted(Box<Accepted>),
    /// Being driven at the moment.
    Taken,
}

impl What {
    /// The connection of it, if there is one.
    pub(super) fn session(&self) -> Option<&Session> {
        match self {
            What::Dialer(dialer) => dialer.session(),
            What::Accepted(accepted) => Some(&accepted.session),
            What::Listener(_) | What::Taken => None,
        }
    }
}

/// A connection that came in through a listener.
pub(super) struct Accepted {
    /// The listener's number.
    pub(super) listener: u64,
    pub(super) session: Session,
    pub(super) closing: Option<Closing>,
    /// Counted among the unfinished handshakes.
    pub(super) unfinished: bool,
    pub(super) since: Time,
}

impl PollSet {
    pub(super) fn new(selector: Box<dyn Selector>, leased: bool) -> PollSet {
        PollSet {
            selector,
            ready: Vec::new(),
            failures: 0,
            entries: Slab::new(),
            deadlines: BTreeSet::new(),
            runnable: VecDeque::new(),
            handshakes: 0,
            shutting: false,
            unsent: 0,
            leased,
        }
    }

    /// Stops watching a source. That it was not watched any more is no harm.
    pub(super) fn unregister(&self, source: SourceId) {
        if let Err(error) = self.selector.deregister(source) {
            log::trace!("source {source} was not watched: {error}");
        }
    }

    /// When to drive the set at the latest.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        if !self.runnable.is_empty() {
            return Some(Time::START);
        }
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Has it ended?
    pub(super) fn is_over(&self) -> bool {
        self.shutting && self.entries.is_empty()
    }

    fn insert(&mut self, what: What) -> usize {
        self.entries.insert(Entry {
            what,
            deadline: None,
            runnable: false,
        })
    }

    pub(super) fn take(&mut self, key: usize) -> What {
        match self.entries.get_mut(key) {
            Some(entry) => std::mem::replace(&mut entry.what, What::Taken),
            None => What::Taken,
        }
    }

    /// Puts an entry back as it was taken, if there is one.
    pub(super) fn put_back(&mut self, key: usize, what: What) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.what = what;
        }
    }

    /// Puts an entry back after it was driven, or forgets it.
    pub(super) fn settle(&mut self, key: usize, what: What, fate: Fate) {
        let deadline = match (&what, fate) {
            (_, Fate::Ends) => None,
            (What::Listener(listener), _) => listener.deadline(),
            (What::Dialer(dialer), _) => earliest(dialer.deadline(), dialer.closing),
            (What::Accepted(accepted), _) => {
                earliest(accepted.session.deadline(), accepted.closing)
            }
            (What::Taken, _) => None,
        };
        let entry = &mut self.entries[key];
        if entry.deadline != deadline {
            if let Some(old) = entry.deadline {
                self.deadlines.remove(&(old, key));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, key));
            }
            entry.deadline = deadline;
        }
        if fate == Fate::Ends {
            if let What::Accepted(accepted) = &what {
                self.handshakes -= usize::from(accepted.unfinished);
            }
            self.entries.remove(key);
            return;
        }
        entry.what = what;
        if fate == Fate::More && !entry.runnable {
            entry.runnable = true;
            self.runnable.push_back(key);
        }
    }

    /// Drives one entry.
    fn drive(&mut self, socket: &Socket, ready: Ready, now: Time, bells: &mut Bells) {
        let key = ready.token;
        match self.take(key) {
            What::Listener(mut listener) => {
                let terms = Arc::clone(&listener.terms);
                let handshakes = terms.options.handshakes_max;
                let free = handshakes.saturating_sub(self.handshakes);
                let late = self.late_handshakes(free, now);
                let room = (free + late.len()).min(socket.room_for_newcomers());
                let (streams, more) = listener.accept(socket, room, now, bells);
                let (id, endpoint) = (listener.id, Arc::clone(&listener.endpoint));
                let fate = if more { Fate::More } else { Fate::Stays };
                self.settle(key, What::Listener(listener), fate);
                for key in late.into_iter().take(streams.len().saturating_sub(free)) {
                    self.give_up(socket, key, bells);
                }
                for stream in streams {
                    let lanes = terms.network_lanes(socket);
                    let session = Session::new(&terms, &endpoint, stream, lanes, None, now);
                    self.accept(socket, id, &endpoint, session, now, bells);
                }
            }
            What::Dialer(mut dialer) => {
                let fate = dialer.drive(socket, self, key, ready, now, bells);
                let fate = self.end_if_done(socket, &mut dialer, fate, bells);
                self.settle(key, What::Dialer(dialer), fate);
            }
            What::Accepted(mut accepted) => {
                let fare = accepted.session.drive(socket, key, ready, now, bells);
                let fate = self.follow_accepted(socket, &mut accepted, fare, bells);
                self.settle(key, What::Accepted(accepted), fate);
            }
            What::Taken => {}
        }
    }

    /// A deadline of an entry has passed.
    fn handle_timeout(&mut self, socket: &Socket, key: usize, now: Time, bells: &mut Bells) {
        match self.take(key) {
            What::Listener(listener) => {
                self.put_back(key, What::Listener(listener));
                let ready = look_again(key);
                self.drive(socket, ready, now, bells);
            }
            What::Dialer(mut dialer) => {
                let mut fate = dialer.handle_timeout(socket, self, key, now, bells);
                if fate != Fate::Ends && is_past(dialer.closing, now) {
                    self.unsent += dialer.shut(socket, self, bells);
                    fate = Fate::Ends;
                }
                let fate = self.end_if_done(socket, &mut dialer, fate, bells);
                self.settle(key, What::Dialer(dialer), fate);
            }
            What::Accepted(mut accepted) => {
                let fare = if is_past(accepted.closing, now) {
                    self.unsent += accepted.session.link.lane.discard(false);
                    Fare::Over(closed_here())
                } else {
                    match accepted.session.handle_timeout(socket, now, bells) {
                        Ok(()) => Fare::Waits,
                        Err(fault) => Fare::Over(fault),
                    }
                };
                let fate = self.follow_accepted(socket, &mut accepted, fare, bells);
                self.settle(key, What::Accepted(accepted), fate);
            }
            What::Taken => {}
        }
    }

    fn accept(
        &mut self,
        socket: &Socket,
        listener: u64,
        endpoint: &Arc<Endpoint>,
        session: Session,
        now: Time,
        bells: &mut Bells,
    ) {
        let source = session.link.stream.source();
        let info = Arc::clone(&session.info);
        socket.tell(EventKind::Accepted, endpoint, Some(&info), bells);
        let accepted = Accepted {
            listener,
            session,
            closing: None,
            unfinished: true,
            since: now,
        };
        let key = self.insert(What::Accepted(Box::new(accepted)));
        if let Err(error) = self.selector.register(source, key) {
            log::warn!("{endpoint}: cannot watch a connection: {error}");
            socket.tell(
                EventKind::AcceptFailed(Arc::new(error)),
                endpoint,
                Some(&info),
                bells,
            );
            self.entries.remove(key);
            return;
        }
        self.handshakes += 1;
        let What::Accepted(mut accepted) = self.take(key) else {
            return;
        };
        // Reads first: what a quick peer has said already is answered in one write.
        let ready = Ready {
            token: key,
            readable: true,
            writable: true,
            closed: false,
        };
        let fare = accepted.session.drive(socket, key, ready, now, bells);
        let fate = self.follow_accepted(socket, &mut accepted, fare, bells);
        self.settle(key, What::Accepted(accepted), fate);
    }

    pub(super) fn follow_accepted(
        &mut self,
        socket: &Socket,
        accepted: &mut Accepted,
        fare: Fare,
        bells: &mut Bells,
    ) -> Fate {
        if accepted.unfinished && accepted.session.is_ready() {
            accepted.unfinished = false;
            self.handshakes -= 1;
        }
        let fault = match fare {
            Fare::Over(fault) => fault,
            _ if accepted.closing.is_some() && accepted.session.is_finished() => closed_here(),
            Fare::Waits => return Fate::Stays,
            Fare::More => return Fate::More,
        };
        self.unregister(accepted.session.link.stream.source());
        let (terms, session) = (socket.terms(), &accepted.session);
        session.leave_word(socket, terms.departure(), bells);
        session.leave_word(socket, terms.options.disconnect_message.as_ref(), bells);
        accepted.session.end(socket, &fault.reason, true, bells);
        Fate::Ends
    }

    pub(super) fn end_if_done(
        &mut self,
        socket: &Socket,
        dialer: &mut Dialer,
        fate: Fate,
        bells: &mut Bells,
    ) -> Fate {
        if fate != Fate::Ends && dialer.is_done() {
            self.unsent += dialer.shut(socket, self, bells);
            return Fate::Ends;
        }
        fate
    }

    /// Waits for readiness, at most `wait`.
    pub(super) fn poll(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let polled = self.selector.poll(&mut self.ready, wait);
        match &polled {
            Ok(()) => self.failures = 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.failures += 1,
        }
        polled
    }

    /// A poll has failed. If that goes on the socket can hear of nothing any more, and closes.
    pub(super) fn note_failure(&self, error: &io::Error, bells: &mut Bells) {
        if self.failures == 1 {
            log::error!("a socket's selector failed: {error}");
        }
        if self.failures == tuning::SELECTOR_FAILURES_MAX {
            log::error!("a socket's selector goes on failing, and the socket is closed: {error}");
            bells.rare().broken = true;
        }
    }

    /// Looks for readiness again and again until there is some, `stop` says so, or `until`. Answers
    /// whether that was before `until`. In between it offers its core to others, perhaps its peer.
    pub(super) fn poll_awake(
        &mut self,
        socket: &Socket,
        until: Time,
        stop: impl Fn() -> bool,
    ) -> io::Result<bool> {
        loop {
            socket.work.note_poll();
            self.poll(Some(Duration::ZERO))?;
            if !self.ready.is_empty() || stop() {
                return Ok(true);
            }
            if socket.context.metal.now() >= until {
                return Ok(false);
            }
            std::thread::yield_now();
        }
    }

    /// Does what the last poll told of, what was left over, and what is due.
    pub(super) fn work(&mut self, socket: &Socket, now: Time, bells: &mut Bells) {
        let mut ready = std::mem::take(&mut self.ready);
        let left_over = self.runnable.len();
        for ready in ready.drain(..) {
            self.drive(socket, ready, now, bells);
        }
        self.ready = ready;
        for _ in 0..left_over {
            let Some(key) = self.runnable.pop_front() else {
                break;
            };
            if let Some(entry) = self.entries.get_mut(key) {
                entry.runnable = false;
                let ready = look_again(key);
                self.drive(socket, ready, now, bells);
            }
        }
        while let Some(&(at, key)) = self.deadlines.first() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            self.entries[key].deadline = None;
            self.handle_timeout(socket, key, now, bells);
            // An entry whose deadline stays in the past would never let go.
            if self.entries.get(key).and_then(|entry| entry.deadline) == Some(at) {
                break;
            }
        }
    }

    /// Does what other threads have asked for.
    pub(super) fn run_jobs(&mut self, socket: &Socket, now: Time, bells: &mut Bells) {
        loop {
            let jobs = std::mem::take(&mut *socket.jobs.lock());
            if jobs.is_empty() {
                return;
            }
            for job in jobs {
                self.run(socket, job, now, bells);
            }
        }
    }

    fn run(&mut self, socket: &Socket, job: Job, now: Time, bells: &mut Bells) {
        match job {
            Job::Listen(listener) => {
                let (source, endpoint) =
                    (listener.acceptor.source(), Arc::clone(&listener.endpoint));
                let key = self.insert(What::Listener(listener));
                match self.selector.register(source, key) {
                    Ok(()) => {
                        socket.tell_of(Some(source), EventKind::Listening, &endpoint, bells);
                    }
                    Err(error) => {
                        self.entries.remove(key);
                        let kind = EventKind::BindFailed(Arc::new(error));
                        socket.tell(kind, &endpoint, None, bells);
                    }
                }
            }
            Job::Dial(dialer) => {
                let key = self.insert(What::Dialer(dialer));
                self.handle_timeout(socket, key, now, bells);
            }
            Job::Resolved {
                entry,
                question,
                found,
            } => {
                match self.take(entry) {
                    What::Dialer(mut dialer) => {
                        let fate =
                            dialer.handle_resolved(socket, self, entry, question, found, bells);
                        self.settle(entry, What::Dialer(dialer), fate);
                    }
                    // Whoever asked is gone, and somebody else may have the entry.
                    other => self.put_back(entry, other),
                }
            }
            Job::Judged {
                entry,
                question,
                answer,
            } => self.handle_answer(socket, (entry, question), Some(answer), now, bells),
            Job::Answered { entry, question } => {
                self.handle_answer(socket, (entry, question), None, now, bells);
            }
            Job::Resume { entry, serial } => {
                if self.serves(entry, serial) {
                    let ready = look_again(entry);
                    self.drive(socket, ready, now, bells);
                }
            }
            Job::Finished { entry, serial } => {
                if self.serves(entry, serial) {
                    self.finish(socket, entry, bells);
                }
            }
            Job::Close {
                entry,
                serial,
                reason,
            } => {
                self.close(socket, (entry, serial), reason, false, now, bells);
            }
            Job::Part {
                entry,
                serial,
                until,
            } => self.part(socket, entry, (serial, until), now, bells),
            Job::Redial { entry, serial } => {
                self.close(socket, (entry, serial), Reason::Local, true, now, bells);
            }
            Job::RedialInproc { .. } => {}
            Job::Shut { endpoint, until } => self.shut(socket, endpoint, until, now, bells),
        }
    }

    /// Does this entry serve that peer still?
    pub(super) fn serves(&self, entry: usize, serial: u64) -> bool {
        let session = self
            .entries
            .get(entry)
            .and_then(|entry| entry.what.session());
        session
            .and_then(|session| session.peer)
            .is_some_and(|(_, ours)| ours == serial)
    }
}

/// As if there were something to read: the stream was not drained, or a closing session throws
/// away now what it had left unread, so that the end of its peer does not go unnoticed.
pub(super) fn look_again(key: usize) -> Ready {
    Ready {
        token: key,
        readable: true,
        writable: false,
        closed: false,
    }
}

pub(super) fn closed_here() -> Fault {
    Fault {
        reason: Reason::Local,
        in_handshake: false,
        retry: false,
    }
}
