//! Places for handshakes: how many may be unfinished, and who gives way when all are taken.
//!
//! A newcomer that finds no place free gets that of the handshake that has been unfinished for
//! longest, if that is a second at least; else it waits in the backlog. So those who connect and
//! say nothing keep nobody out for long, however many they are.

use super::{
    bells::Bells,
    pollset::{Entry, PollSet, What},
    session::Fare,
    socket::Socket,
};
use crate::{
    base::{event::Reason, time::Time, tuning},
    engine::Fault,
};

impl PollSet {
    /// If few places for handshakes are free: those whose handshake has taken long, the oldest
    /// first. Who never ends one keeps nobody out.
    pub(super) fn late_handshakes(&self, free: usize, now: Time) -> Vec<usize> {
        if free >= tuning::TURN_ACCEPTS {
            return Vec::new();
        }
        let late = |(key, entry): (usize, &Entry)| match &entry.what {
            What::Accepted(it)
                if it.unfinished && now.since(it.since) >= tuning::HANDSHAKE_GRACE =>
            {
                Some((it.since, key))
            }
            _ => None,
        };
        let mut late: Vec<_> = self.entries.iter().filter_map(late).collect();
        late.sort_unstable();
        late.truncate(tuning::TURN_ACCEPTS);
        late.into_iter().map(|(_, key)| key).collect()
    }

    /// Ends a handshake that has taken long.
    pub(super) fn give_up(&mut self, socket: &Socket, key: usize, bells: &mut Bells) {
        match self.take(key) {
            What::Accepted(mut accepted) => {
                let late = Fare::Over(Fault {
                    reason: Reason::HandshakeTimeout,
                    in_handshake: true,
                    retry: true,
                });
                let fate = self.follow_accepted(socket, &mut accepted, late, bells);
                self.settle(key, What::Accepted(accepted), fate);
            }
            other => self.put_back(key, other),
        }
    }
}
