//! SUB and XSUB (RFC 29): what we want to hear.
//!
//! Subscriptions are counted: peers are told of each, since an XPUB may want to show it, and of the
//! end of the last to a topic. The publishers filter; what comes all the same is dropped here: it
//! was on its way when we cancelled, or its publisher does not filter, or it goes on after a topic
//! that we want exactly. XSUB says its subscriptions as messages, `1 topic` and `0 topic`, sends
//! any other message to all its publishers, and sees all that comes.

use bytes::Bytes;

use super::{
    Announcement, Effects, Nothing, Peers, Received, Refusal, Rules, inlet::Inlet,
    subscriptions::Subscriptions, turns::Turns,
};
use crate::base::{message::Message, options::Options, socket_type::SocketType};

/// SUB, or XSUB.
#[derive(Debug)]
pub struct Subscribe {
    /// What begins with one of these is wanted.
    subscriptions: Subscriptions,
    /// What is one of these is wanted. Peers cannot tell them from the others.
    exact: Subscriptions,
    inlet: Inlet,
    /// Everybody a message of our own goes to.
    publishers: Turns,
    /// XSUB.
    raw: bool,
    invert: bool,
    /// XSUB: peers are told of every cancellation.
    verbose: bool,
}

impl Subscribe {
    pub(super) fn new(socket_type: SocketType, options: &Options) -> Subscribe {
        Subscribe {
            subscriptions: Subscriptions::new(),
            exact: Subscriptions::new(),
            inlet: Inlet::default(),
            publishers: Turns::new(),
            raw: socket_type == SocketType::XSub,
            invert: options.invert_matching,
            verbose: options.verbose_unsubscribe,
        }
    }

    /// Subscribes or cancels; see [`Pattern::subscribe`](super::Pattern::subscribe).
    pub(super) fn subscribe(&mut self, topic: &[u8], subscribe: bool, effects: &mut Effects) {
        if self.count(topic, subscribe) {
            announce(topic, subscribe, false, effects);
        }
    }

    /// The same of that very topic, and none that goes on after it.
    pub(super) fn subscribe_exact(&mut self, topic: &[u8], subscribe: bool, effects: &mut Effects) {
        let tell = if subscribe {
            self.exact.subscribe(topic);
            true
        } else {
            self.exact.cancel(topic) == Some(true) && !self.subscriptions.contains(topic)
        };
        if tell {
            announce(topic, subscribe, false, effects);
        }
    }

    /// Every topic once, in byte order.
    pub(super) fn topics(&self) -> Vec<Bytes> {
        let mut topics: Vec<_> = self.subscriptions.iter().chain(self.exact.iter()).collect();
        topics.sort_unstable();
        topics.dedup();
        topics.into_iter().map(Bytes::from).collect()
    }

    /// Is a message of this topic wanted?
    #[inline]
    fn wants(&self, topic: &[u8]) -> bool {
        let matches = self.subscriptions.matches(topic) || self.exact.contains(topic);
        matches != self.invert
    }

    /// Counts it. Are peers to be told?
    fn count(&mut self, topic: &[u8], subscribe: bool) -> bool {
        if subscribe {
            self.subscriptions.subscribe(topic);
            true
        } else {
            let last = self.subscriptions.cancel(topic) == Some(true);
            (last && !self.exact.contains(topic)) || self.verbose
        }
    }

    /// The short way of a message. Others are dropped.
    #[inline(always)]
    pub(super) fn turn_plain(&mut self, peers: &mut Peers) -> Option<usize> {
        loop {
            let key = self.inlet.turn_plain(peers)?;
            let window = &mut peers[key].window;
            let first = window.front_plain()?.first();
            if self.raw || self.wants(first) {
                return Some(key);
            }
            window.pop_plain();
        }
    }

    /// The next message that is wanted. Others are dropped.
    #[inline]
    pub(super) fn take(
        &mut self,
        peers: &mut Peers,
        effects: &mut Effects,
    ) -> Option<(usize, Message)> {
        loop {
            let (from, message) = self.inlet.take(peers, effects)?;
            if self.raw || self.wants(message.first()) {
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

    fn adopt(&mut self, options: &Options) {
        self.invert = options.invert_matching;
        self.verbose = options.verbose_unsubscribe;
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
                if self.count(topic, subscribe) {
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

#[cfg(test)]
mod tests {
    use super::{
        super::stage::{Stage, messages},
        *,
    };

    impl Stage {
        pub(in crate::pattern) fn subscribe(&mut self, topic: &str, subscribe: bool) -> bool {
            self.act(|pattern, _, effects| pattern.subscribe(topic.as_bytes(), subscribe, effects))
        }

        /// What was announced since this was last asked.
        fn told(&mut self) -> Vec<(bool, String, bool)> {
            let told = std::mem::take(&mut self.announced).into_iter().map(|said| {
                let topic = String::from_utf8_lossy(&said.topic).into_owned();
                (said.subscribe, topic, said.as_message)
            });
            told.collect()
        }
    }

    fn said(subscribe: bool, topic: &str, as_message: bool) -> (bool, String, bool) {
        (subscribe, topic.into(), as_message)
    }

    #[test]
    fn sub_tells_of_each_and_of_the_end_of_the_last() {
        let mut sub = Stage::plain(SocketType::Sub);
        assert!(sub.subscribe("b", true) && sub.subscribe("b", true) && sub.subscribe("a", true));
        let b = said(true, "b", false);
        assert_eq!(sub.told(), [b.clone(), b, said(true, "a", false)]);
        assert_eq!(sub.pattern.subscriptions(), ["a", "b"]);
        sub.subscribe("b", false);
        sub.subscribe("unknown", false);
        assert_eq!(sub.told(), []);
        sub.subscribe("b", false);
        assert_eq!(sub.told(), [said(false, "b", false)]);
        assert_eq!(sub.pattern.subscriptions(), ["a"]);
    }

    #[test]
    fn sub_drops_what_it_does_not_want() {
        let mut sub = Stage::plain(SocketType::Sub);
        let key = sub.join();
        sub.give(key, "weather");
        assert!(!sub.can_recv());
        sub.subscribe("we", true);
        for text in ["x", "weather", "w", "we"] {
            sub.give(key, text);
        }
        sub.give(key, ["went", "and", "more"]);
        assert!(sub.can_recv());
        let expected = [
            "weather".into(),
            "we".into(),
            Message::from(["went", "and", "more"]),
        ];
        assert_eq!(sub.recv_all(), expected);
        // What was looked at may be unwanted by the time it is taken.
        sub.give(key, "weather");
        assert!(sub.can_recv());
        sub.subscribe("we", false);
        assert_eq!(sub.recv(), Err(Nothing::Empty));
        assert_eq!(sub.send("x"), Err(Refusal::WrongState));
        assert!(!sub.can_send());
    }

    #[test]
    fn sub_can_want_what_does_not_match() {
        let mut sub = Stage::new(
            SocketType::Sub,
            Options {
                invert_matching: true,
                ..Options::default()
            },
        );
        let key = sub.join();
        sub.subscribe("we", true);
        for text in ["x", "weather", "w"] {
            sub.give(key, text);
        }
        assert_eq!(sub.recv_all(), messages(["x", "w"]));
    }

    #[test]
    fn sub_takes_turns_and_reads_who_is_gone_to_the_end() {
        let mut sub = Stage::plain(SocketType::Sub);
        let (a, b) = (sub.join(), sub.join());
        sub.subscribe("", true);
        for (key, text) in [(a, "a0"), (a, "a1"), (b, "b0"), (b, "b1")] {
            sub.give(key, text);
        }
        assert!(sub.can_recv());
        sub.detach(a);
        assert_eq!(sub.recv_all(), messages(["a0", "b0", "a1", "b1"]));
        assert_eq!(sub.emptied, [a]);
    }

    #[test]
    fn xsub_says_its_subscriptions_as_messages() {
        let mut xsub = Stage::plain(SocketType::XSub);
        let key = xsub.join();
        for text in ["\x01a", "\x01a", "\x00a", "\x00a", "\x00a", "\x01"] {
            assert_eq!(xsub.send(text), Ok(()));
        }
        let expected = [
            said(true, "a", true),
            said(true, "a", true),
            said(false, "a", true),
            said(true, "", true),
        ];
        assert_eq!(xsub.told(), expected);
        assert_eq!(xsub.pattern.subscriptions(), [""]);
        assert_eq!(xsub.send(["\x01b", "no", "\x01c"]), Ok(()));
        assert_eq!(xsub.told(), [said(true, "b", true), said(true, "c", true)]);
        assert_eq!(xsub.sent(key), []);
    }

    #[test]
    fn xsub_sends_anything_else_to_everybody_and_sees_everything() {
        let mut xsub = Stage::with_hwm(SocketType::XSub, 1);
        let (a, b) = (xsub.join(), xsub.attach());
        assert!(xsub.can_send());
        for text in ["upstream", "too much"] {
            assert_eq!(xsub.send(text), Ok(()));
        }
        for key in [a, b] {
            assert_eq!(xsub.peers[key].out.stats().refused, 1);
            assert_eq!(xsub.sent(key), messages(["upstream"]));
        }
        xsub.detach(a);
        assert_eq!(xsub.send("upstream"), Ok(()));
        assert_eq!(xsub.sent(a), []);
        xsub.give(b, "not subscribed");
        assert!(xsub.can_recv());
        assert_eq!(xsub.recv_all(), messages(["not subscribed"]));
    }

    #[test]
    fn an_exact_topic_is_told_as_any_other_and_nothing_longer_comes_in() {
        let mut sub = Stage::plain(SocketType::Sub);
        let key = sub.join();
        let exact = |sub: &mut Stage, topic: &str, on| {
            sub.act(|pattern, _, effects| pattern.subscribe_exact(topic.as_bytes(), on, effects))
        };
        assert!(exact(&mut sub, "news", true) && exact(&mut sub, "news", true));
        sub.subscribe("new", true);
        assert_eq!(sub.told().len(), 3);
        for text in ["news", "newspaper", "new", "ne", "weather"] {
            sub.give(key, text);
        }
        assert_eq!(sub.recv_all(), messages(["news", "newspaper", "new"]));

        // Without the prefix, that topic alone.
        sub.subscribe("new", false);
        assert_eq!(sub.told(), [said(false, "new", false)]);
        for text in ["newspaper", "news", "new"] {
            sub.give(key, text);
        }
        assert!(sub.can_recv());
        assert_eq!(sub.recv_all(), messages(["news"]));

        // Peers hear of the end once nobody wants it, by whichever name.
        sub.subscribe("news", true);
        let topics = sub.act(|pattern, _, _| pattern.subscriptions());
        assert_eq!((topics, sub.told().len()), (vec![Bytes::from("news")], 1));
        assert!(exact(&mut sub, "news", false) && exact(&mut sub, "news", false));
        exact(&mut sub, "unknown", false);
        assert_eq!(sub.told(), []);
        sub.subscribe("news", false);
        assert_eq!(sub.told(), [said(false, "news", false)]);
        sub.give(key, "news");
        assert!(!sub.can_recv());
        let mut publisher = Stage::plain(SocketType::XPub);
        assert!(
            !exact(&mut publisher, "news", true),
            "only who receives can"
        );
    }
}
