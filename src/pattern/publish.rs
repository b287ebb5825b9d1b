//! PUB and XPUB (RFC 29): every message to everybody who subscribed to its topic.
//!
//! Nobody is waited for: a message that finds a subscriber's lane full is dropped for that
//! subscriber, and counted there. With `no_drop` it is refused for all instead.
//!
//! An XPUB shows its application the subscriptions (see [`Notices`]). In manual mode it applies
//! none of them by itself:
//!
//! ```text
//!   peer: SUBSCRIBE a ──► asked ──► application: recv gives `1 a`
//!                         topics ◄── application: subscribe b      (for the peer of that `1 a`)
//! ```

use bytes::Bytes;

use super::{
    Effects, Nothing, Peers, Received, Refusal, Rules,
    inlet::Inlet,
    notices::{Notice, Notices},
    topics::Topics,
};
use crate::base::{
    event::{ProtocolError, Reason},
    message::Message,
    options::{Options, Verbosity},
    socket_type::SocketType,
};

/// PUB, or XPUB.
#[derive(Debug)]
pub struct Publish {
    /// What messages are matched against.
    topics: Topics,
    /// In manual mode, what the peers asked for.
    asked: Topics,
    /// By key.
    subscribers: Vec<Subscriber>,
    /// How many of them have a subscription.
    subscribed: usize,
    inlet: Inlet,
    notices: Notices,
    /// Key and serial of the peer of the last message received.
    last: Option<(usize, u64)>,
    /// Whom the message at hand goes to.
    chosen: Vec<usize>,
    /// Manual mode: the message after a notice goes to that peer alone.
    last_value: bool,
    /// The full subscriber for which the last send was refused.
    stuck: Option<usize>,
    /// XPUB.
    shows: bool,
    verbosity: Verbosity,
    manual: bool,
    no_drop: bool,
    invert: bool,
    welcome: Option<Message>,
    topic_octets_max: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Subscriber {
    serial: u64,
    ready: bool,
    /// How many topics it has.
    topics: usize,
}

impl Publish {
    pub(super) fn new(socket_type: SocketType, options: &Options) -> Publish {
        let shows = socket_type == SocketType::XPub;
        Publish {
            topics: Topics::new(),
            asked: Topics::new(),
            subscribers: Vec::new(),
            subscribed: 0,
            inlet: Inlet::default(),
            notices: Notices::new(options.topic_octets_max),
            last: None,
            chosen: Vec::new(),
            last_value: shows && options.xpub_last_value,
            stuck: None,
            shows,
            verbosity: options.xpub_verbosity,
            manual: shows && options.xpub_manual,
            no_drop: options.no_drop,
            invert: options.invert_matching,
            welcome: options.welcome.clone(),
            topic_octets_max: options.topic_octets_max,
        }
    }

    /// A peer subscribed or cancelled; see
    /// [`Pattern::handle_subscription`](super::Pattern::handle_subscription).
    pub(super) fn handle_subscription(
        &mut self,
        key: usize,
        topic: &[u8],
        subscribe: bool,
    ) -> Result<bool, Reason> {
        let Some(&Subscriber {
            serial,
            ready: true,
            ..
        }) = self.subscribers.get(key)
        else {
            return Ok(false);
        };
        let shown = if self.manual {
            self.note_asked(key, topic, subscribe)?;
            true
        } else if subscribe {
            self.add(key, topic)?
        } else {
            self.cancel(key, topic)
        };
        if self.shows && shown {
            self.notices.push(Some((key, serial)), topic, subscribe);
        }
        Ok(self.shows && shown)
    }

    /// Manual mode: subscribes the peer of the last message received, or cancels. False in any
    /// other mode.
    pub(super) fn subscribe_manually(&mut self, topic: &[u8], subscribe: bool) -> bool {
        if !self.manual {
            return false;
        }
        if let Some((key, serial)) = self.last {
            let subscriber = self.subscribers[key];
            if subscriber.ready && subscriber.serial == serial {
                self.apply(key, topic, subscribe);
            }
        }
        true
    }

    /// Peers with at least one subscription.
    pub(super) fn subscribers(&self) -> usize {
        self.subscribed
    }

    /// How many different topics are subscribed to.
    pub(super) fn topics(&self) -> usize {
        self.topics.topics()
    }

    /// Subscribes. Answers whether the application shall see it.
    fn add(&mut self, key: usize, topic: &[u8]) -> Result<bool, Reason> {
        let added = self.topics.subscribe(topic, key);
        if self.topics.octets(key) > self.topic_octets_max {
            self.topics.cancel(topic, key);
            return Err(TOO_MANY_TOPICS);
        }
        if added.first_of_peer {
            self.count_topic(key);
        }
        Ok(match self.verbosity {
            Verbosity::First => added.first_of_topic,
            Verbosity::Subscriptions | Verbosity::All => true,
        })
    }

    /// Cancels. Answers whether the application shall see it. Cancelling what the peer had not
    /// subscribed to means nothing.
    fn cancel(&mut self, key: usize, topic: &[u8]) -> bool {
        let removed = self.topics.cancel(topic, key);
        if removed.was_there {
            self.discount_topic(key);
            self.stuck.take_if(|stuck| *stuck == key);
        }
        match self.verbosity {
            Verbosity::First | Verbosity::Subscriptions => removed.last_of_topic,
            Verbosity::All => removed.was_there,
        }
    }

    fn note_asked(&mut self, key: usize, topic: &[u8], subscribe: bool) -> Result<(), Reason> {
        if subscribe {
            self.asked.subscribe(topic, key);
        } else {
            self.asked.cancel(topic, key);
        }
        if self.asked.octets(key) > self.topic_octets_max {
            self.asked.cancel(topic, key);
            return Err(TOO_MANY_TOPICS);
        }
        Ok(())
    }

    fn apply(&mut self, key: usize, topic: &[u8], subscribe: bool) {
        if !subscribe {
            if self.topics.cancel(topic, key).was_there {
                self.discount_topic(key);
            }
        } else if self.topics.subscribe(topic, key).first_of_peer {
            self.count_topic(key);
        }
    }

    fn count_topic(&mut self, key: usize) {
        let topics = &mut self.subscribers[key].topics;
        self.subscribed += usize::from(*topics == 0);
        *topics += 1;
    }

    fn discount_topic(&mut self, key: usize) {
        let topics = &mut self.subscribers[key].topics;
        *topics -= 1;
        self.subscribed -= usize::from(*topics == 0);
    }

    /// A peer is not there: all its subscriptions are over.
    fn forget(&mut self, key: usize) {
        let subscriber = &mut self.subscribers[key];
        subscriber.ready = false;
        self.subscribed -= usize::from(subscriber.topics > 0);
        subscriber.topics = 0;
        self.stuck.take_if(|stuck| *stuck == key);
        let shows = self.shows && !self.manual;
        let every = self.verbosity == Verbosity::All;
        self.topics.remove_peer(key, |topic, last| {
            if shows && (last || every) {
                self.notices.push(None, topic, false);
            }
        });
        // Manual mode may have been left since they asked.
        self.asked.remove_peer(key, |topic, _| {
            if self.manual {
                self.notices.push(None, topic, false);
            }
        });
    }

    /// Finds out whom a message goes to.
    fn choose(&mut self, topic: &[u8]) {
        self.chosen.clear();
        let only = self.only();
        self.topics.matches(topic, |key| {
            if only.is_none_or(|only| only == key) {
                self.chosen.push(key);
            }
        });
        if self.invert {
            self.chosen.sort_unstable();
            let matching = std::mem::take(&mut self.chosen);
            let others = (0..self.subscribers.len())
                .filter(|key| self.subscribers[*key].ready && matching.binary_search(key).is_err());
            self.chosen = others.collect();
        }
    }

    /// The one peer that a message may go to: the one whose notice was just received.
    fn only(&self) -> Option<usize> {
        let (key, serial) = self.last.filter(|_| self.last_value && self.manual)?;
        let subscriber = self.subscribers[key];
        (subscriber.ready && subscriber.serial == serial).then_some(key)
    }

    /// Sends to whom [`choose`](Publish::choose) says, or with `no_drop` to nobody at all.
    fn send_chosen(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        self.choose(message.first());
        if self.no_drop {
            let full = |key: &usize| peers[*key].out.is_full(true);
            self.stuck = self.chosen.iter().copied().find(full);
            if self.stuck.is_some() {
                return Err(Refusal::Full);
            }
        }
        for &key in &self.chosen {
            push(peers, key, message, effects);
        }
        if self.last_value {
            self.last = None;
        }
        Ok(())
    }
}

impl Rules for Publish {
    fn attach(&mut self, peers: &mut Peers, key: usize, _: &mut Effects) {
        if key >= self.subscribers.len() {
            self.subscribers.resize(key + 1, Subscriber::default());
        }
        self.subscribers[key] = Subscriber {
            serial: peers[key].serial,
            ..Subscriber::default()
        };
        if self.shows {
            self.inlet.add(key);
        }
    }

    fn ready(
        &mut self,
        peers: &mut Peers,
        key: usize,
        _: &Bytes,
        effects: &mut Effects,
    ) -> Result<(), Reason> {
        self.subscribers[key].ready = true;
        if let Some(welcome) = &self.welcome {
            let accepted = peers[key].out.push_forced(welcome);
            effects.pushed.push((key, accepted));
        }
        Ok(())
    }

    fn unready(&mut self, _: &mut Peers, key: usize, _: &mut Effects) {
        self.forget(key);
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        self.forget(key);
        if self.shows {
            self.inlet.detach(peers, key, effects);
        } else {
            effects.emptied.push(key);
        }
    }

    fn readable(&mut self, key: usize) {
        self.inlet.readable(key);
    }

    #[inline]
    fn send(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        if self.no_drop || self.invert || self.last_value {
            return self.send_chosen(peers, message, effects);
        }
        self.topics
            .matches(message.first(), |key| push(peers, key, message, effects));
        Ok(())
    }

    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        if !self.shows {
            return Err(Nothing::WrongState);
        }
        if let Some(Notice { from, message }) = self.notices.pop() {
            self.last = from;
            let there = from
                .filter(|(key, serial)| peers.get(*key).is_some_and(|peer| peer.serial == *serial));
            let from = there.map_or(Received::NOBODY, |(key, _)| key);
            return Ok(Received::plain(from, message));
        }
        let (from, message) = self.inlet.take(peers, effects).ok_or(Nothing::Empty)?;
        self.last = Some((from, peers[from].serial));
        Ok(Received::plain(from, message))
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        self.shows && (!self.notices.is_empty() || self.inlet.has_some(peers, effects))
    }

    fn adopt(&mut self, options: &Options) {
        self.verbosity = options.xpub_verbosity;
        self.manual = self.shows && options.xpub_manual;
        self.last_value = self.shows && options.xpub_last_value;
        self.no_drop = options.no_drop;
        self.stuck = self.stuck.filter(|_| options.no_drop);
        self.invert = options.invert_matching;
        self.welcome = options.welcome.clone();
    }

    /// Nobody is waited for; but with `no_drop`, the subscriber that was full must have room.
    fn can_send(&mut self, peers: &mut Peers) -> bool {
        let full = |key: usize| {
            peers
                .get_mut(key)
                .is_some_and(|peer| peer.out.is_full(true))
        };
        !self.stuck.is_some_and(full)
    }
}

#[inline]
fn push(peers: &mut Peers, key: usize, message: &Message, effects: &mut Effects) {
    let out = &mut peers[key].out;
    if let Some(accepted) = out.push_framed(message) {
        if !accepted.joins_others() {
            effects.pushed.push((key, accepted));
        }
        return;
    }
    // A lane that is full counts what it misses; one that is closed is about to be detached.
    if let Ok(accepted) = out.push_or_drop(&[], message) {
        effects.pushed.push((key, accepted));
    }
}

const TOO_MANY_TOPICS: Reason = Reason::Protocol(ProtocolError::Unspecified);

#[cfg(test)]
mod tests;
