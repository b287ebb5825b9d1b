//! How the entries of a poll set end: an endpoint, all of them, one connection.
//!
//! ```text
//!   at once       close ──────────────────────────────────────────────────► over
//!   in good time  shut, part ──► closing ── what was queued has left ─────► over
//!                                        └─ the linger has passed ────────► over
//! ```

use super::{
    bells::Bells,
    dialer::Fate,
    job::Closing,
    pollset::{Entry, PollSet, What, look_again},
    session::Fare,
    socket::Socket,
};
use crate::{
    base::{
        event::{EventKind, Reason},
        time::Time,
    },
    engine::Fault,
};

impl PollSet {
    /// Closes the connection of a peer; `again`: and makes it anew.
    pub(super) fn close(
        &mut self,
        socket: &Socket,
        (entry, serial): (usize, u64),
        reason: Reason,
        again: bool,
        now: Time,
        bells: &mut Bells,
    ) {
        if !self.serves(entry, serial) {
            return;
        }
        match self.take(entry) {
            What::Dialer(mut dialer) => {
                let fate = dialer.close(socket, self, reason, again, now, bells);
                self.settle(entry, What::Dialer(dialer), fate);
            }
            What::Accepted(mut accepted) => {
                let fare = Fare::Over(Fault {
                    reason,
                    in_handshake: false,
                    retry: true,
                });
                let fate = self.follow_accepted(socket, &mut accepted, fare, bells);
                self.settle(entry, What::Accepted(accepted), fate);
            }
            other => self.put_back(entry, other),
        }
    }

    /// Ends an entry that is closing and has delivered all.
    pub(super) fn finish(&mut self, socket: &Socket, entry: usize, bells: &mut Bells) {
        match self.take(entry) {
            What::Dialer(mut dialer) => {
                let fate = self.end_if_done(socket, &mut dialer, Fate::Stays, bells);
                self.settle(entry, What::Dialer(dialer), fate);
            }
            What::Accepted(mut accepted) => {
                let fate = self.follow_accepted(socket, &mut accepted, Fare::Waits, bells);
                self.settle(entry, What::Accepted(accepted), fate);
            }
            other => self.put_back(entry, other),
        }
    }

    /// Begins to end an endpoint, or all of them.
    pub(super) fn shut(
        &mut self,
        socket: &Socket,
        endpoint: Option<u64>,
        until: Closing,
        now: Time,
        bells: &mut Bells,
    ) {
        self.shutting |= endpoint.is_none();
        let meant = |id: u64| endpoint.is_none_or(|endpoint| endpoint == id);
        let keys: Vec<usize> = self.entries.iter().map(|(key, _)| key).collect();
        for key in keys {
            let is_meant = match &self.entries[key].what {
                What::Listener(listener) => meant(listener.id),
                What::Dialer(dialer) => meant(dialer.id),
                What::Accepted(accepted) => meant(accepted.listener),
                What::Taken => false,
            };
            if is_meant {
                self.begin_closing(socket, key, until, now, bells);
            }
        }
    }

    /// Begins to end an entry.
    fn begin_closing(
        &mut self,
        socket: &Socket,
        key: usize,
        until: Closing,
        now: Time,
        bells: &mut Bells,
    ) {
        match self.take(key) {
            What::Listener(listener) => {
                let source = listener.acceptor.source();
                self.unregister(source);
                socket.tell_of(Some(source), EventKind::Closed, &listener.endpoint, bells);
                self.settle(key, What::Listener(listener), Fate::Ends);
            }
            What::Dialer(mut dialer) => {
                dialer.closing = Some(until);
                let mut fate = Fate::Stays;
                if let Some(session) = dialer.session() {
                    socket.work.note_writes(session.link.flush().writes);
                    if session.is_ready() {
                        fate = dialer.drive(socket, self, key, look_again(key), now, bells);
                    }
                }
                let fate = self.end_if_done(socket, &mut dialer, fate, bells);
                self.settle(key, What::Dialer(dialer), fate);
            }
            What::Accepted(mut accepted) => {
                accepted.closing = Some(until);
                accepted.session.link.lane.close_writer();
                let flushed = accepted.session.link.flush();
                socket.work.note_writes(flushed.writes);
                let mut fare = Fare::Waits;
                if accepted.session.is_ready() {
                    let ready = look_again(key);
                    fare = accepted.session.drive(socket, key, ready, now, bells);
                }
                let fate = self.follow_accepted(socket, &mut accepted, fare, bells);
                self.settle(key, What::Accepted(accepted), fate);
            }
            What::Taken => {}
        }
    }

    /// Begins to end the connection of one peer; and the attempts to make it, if there is none.
    pub(super) fn part(
        &mut self,
        socket: &Socket,
        entry: Option<usize>,
        (serial, until): (u64, Closing),
        now: Time,
        bells: &mut Bells,
    ) {
        let dials = |entry: &Entry| match &entry.what {
            What::Dialer(dialer) => dialer.peer.is_some_and(|(_, ours)| ours == serial),
            _ => false,
        };
        let found = entry
            .filter(|entry| self.serves(*entry, serial))
            .or_else(|| self.entries.iter().find(|(_, it)| dials(it)).map(|it| it.0));
        if let Some(key) = found {
            self.begin_closing(socket, key, until, now, bells);
        }
    }
}
