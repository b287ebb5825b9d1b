//! SUB and XSUB (RFC 29): what we want to hear.
//!
//! Subscriptions are counted; peers are told of the first and of the last. The publishers filter,
//! but a message that was on its way when we cancelled, or comes from a publisher that does not,
//! is dropped here. XSUB says its subscriptions as messages, `1 topic` and `0 topic`, sends any
//! other message to all its publishers, and sees all that comes.

use bytes::Bytes;

use super::{
    Announcement, Effects, Nothing, Peers, Received, Refusal, Rules, inlet::Inlet,
    subscriptions::Subscriptions, turns::Turns,
};
use crate::base::{message::Message, options::Options, socket_type::SocketType};

/// SUB, or XSUB.
#[derive(Debug)]
pub struct Subscribe {
    subscriptions: Subscriptions,
    inlet: Inlet,
    /// Everybody a message of our own goes to.
    publishers: Turns,
    /// XSUB.
    raw: bool,
    invert: bool,
}

impl Subscribe {
    pub(super) fn new(socket_type: SocketType, options: &Options) -> Subscribe {
        Subscribe {
            subscriptions: Subscriptions::new(),
            inlet: Inlet::default(),
            publishers: Turns::new(),
            raw: socket_type == SocketType::XSub,
            invert: options.invert_matching,
        }
    }

    /// Subscribes or cancels; see [`Pattern::subscribe`](super::Pattern::subscribe).
    pub(super) fn subscribe(&mut self, topic: &[u8], subscribe: bool, effects: &mut Effects) {
        let news = self.count(topic, subscribe);
        if news {
            announce(topic, subscribe, false, effects);
        }
    }

    /// Every topic once, in byte order.
    pub(super) fn topics(&self) -> Vec<Bytes> {
        self.subscriptions.iter().map(Bytes::from).collect()
    }

    /// Is this the first subscription to the topic, or the last one's end?
    fn count(&mut self, topic: &[u8], subscribe: bool) -> bool {
        if subscribe {
            self.subscriptions.subscribe(topic)
        } else {
            self.subscriptions.cancel(topic) == Some(true)
        }
    }

    /// The next message that is wanted. Others are dropped.
    #[inline]
    fn take(&mut self, peers: &mut Peers, effects: &mut Effects) -> Option<(usize, Message)> {
        loop {
            let (from, message) = self.inlet.take(peers, effects)?;
            if self.raw || self.subscriptions.matches(message.first()) != self.invert {
                return Some((from, message));
            }
        }
    }
}

impl Rules for Subscribe {
    fn attach(&mut self, _: &mut Peers, key: usize, _: &mut Effects) {
        self.inlet.add(key);
        self.publishers.add(key, true);
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        self.publishers.remove(key);
        self.inlet.detach(peers, key, effects);
    }

    fn readable(&mut self, key: usize) {
        self.inlet.readable(key);
    }

    /// XSUB only. Each frame of a message whose first is a subscription is one.
    fn send(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        if !self.raw {
            return Err(Refusal::WrongState);
        }
        if spoken(message.first()).is_some() {
            for (subscribe, topic) in message.iter().filter_map(|frame| spoken(frame)) {
                let news = self.count(topic, subscribe);
                // A second subscription is passed on too: an XPUB may want to show it.
                if news || subscribe {
                    announce(topic, subscribe, true, effects);
                }
            }
            return Ok(());
        }
        for key in self.publishers.iter() {
            if let Ok(accepted) = peers[key].out.push_or_drop(&[], message) {
                effects.pushed.push((key, accepted));
            }
        }
        Ok(())
    }

    #[inline]
    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let (from, message) = self.take(peers, effects).ok_or(Nothing::Empty)?;
        Ok(Received::plain(from, message))
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        if self.raw {
            return self.inlet.has_some(peers, effects);
        }
        match self.take(peers, effects) {
            Some((from, message)) => {
                self.inlet.hold(from, message);
                true
            }
            None => false,
        }
    }

    fn can_send(&mut self, _: &mut Peers) -> bool {
        self.raw
    }
}

/// A subscription said as a message: `1 topic`, or `0 topic` to cancel.
fn spoken(frame: &[u8]) -> Option<(bool, &[u8])> {
    match frame {
        [1, topic @ ..] => Some((true, topic)),
        [0, topic @ ..] => Some((false, topic)),
        _ => None,
    }
}

fn announce(topic: &[u8], subscribe: bool, as_message: bool, effects: &mut Effects) {
    effects.announced.push(Announcement {
        subscribe,
        topic: Bytes::copy_from_slice(topic),
        as_message,
    });
}
