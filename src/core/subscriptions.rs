//! Subscriptions between peers: ours told to them, and theirs heard.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    attach::Wire,
    bells::{Bells, Remote, Word},
    few::Few,
    socket::Socket,
    state::State,
};
use crate::{
    base::event::{EventKind, Reason},
    pattern::Announcement,
    wire::{Revision, encode_subscription},
};

impl State {
    /// Tells every peer of a subscription of ours.
    pub(super) fn announce(&mut self, said: &Announcement, bells: &mut Bells) {
        let mut octets = Vec::new();
        for (key, attached) in &mut self.attached {
            match &attached.wire {
                Wire::None | Wire::Session { .. } => {}
                Wire::Link(link) => {
                    let form = if said.as_message {
                        Revision::V3_0
                    } else {
                        attached.revision
                    };
                    octets.clear();
                    encode_subscription(form, said.subscribe, &said.topic, &mut octets);
                    if self.peers[key].ready && link.lane.push_subscription(&octets) {
                        bells.flush.push(Arc::clone(link));
                    }
                }
                Wire::Remote {
                    socket,
                    key,
                    serial,
                } => {
                    if let Some(socket) = socket.upgrade() {
                        let (subscribe, topic) = (said.subscribe, said.topic.clone());
                        let word = Word::Subscription { subscribe, topic };
                        bells.remote.push(Remote {
                            socket,
                            key: *key,
                            serial: *serial,
                            word,
                        });
                    }
                }
            }
        }
    }

    /// A peer (un)subscribes.
    ///
    /// # Errors
    /// The reason to close the connection.
    pub(super) fn handle_subscription(
        &mut self,
        socket: &Socket,
        key: usize,
        topic: &Bytes,
        subscribe: bool,
        bells: &mut Bells,
    ) -> Result<(), Reason> {
        if self.pattern.handle_subscription(key, topic, subscribe)? {
            self.wake_receiver(bells);
        }
        let kind = if subscribe {
            EventKind::Subscribed
        } else {
            EventKind::Unsubscribed
        };
        self.attached[key].tell(socket, || kind(topic.clone()), bells);
        self.subscription_changed(bells);
        Ok(())
    }
}
impl Bells {
    /// Tells inproc peers of subscriptions, in order, while the caller holds them back.
    pub(super) fn tell_subscriptions(&mut self) {
        let remote = std::mem::take(&mut self.remote);
        let said = |remote: &Remote| matches!(remote.word, Word::Subscription { .. });
        let (told, others): (Few<_>, Few<_>) = remote.into_iter().partition(said);
        self.remote = others;
        for Remote {
            socket,
            key,
            serial,
            word,
        } in told
        {
            let bells = socket.heed(key, serial, word);
            if !bells.is_empty() {
                self.rare().others.push((socket, bells));
            }
        }
    }
}
