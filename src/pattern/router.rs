//! ROUTER (RFC 28): peers have names, and each message goes to one of them by name.
//!
//! A name is what the peer calls itself; for one that says nothing it is made up: a zero octet
//! and a number of four, which no peer may claim. It is settled when the peer is first ready,
//! and stays with it however often its connection is made anew.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Effects, Nothing, Peer, Peers, Received, Refusal, Rules, inlet::Inlet, push_probe};
use crate::{
    base::{
        event::{ProtocolError, Reason},
        message::{Frame, Message},
        name::Name,
        options::Options,
    },
    pipe::Refused,
};

/// ROUTER.
#[derive(Debug)]
pub struct Router {
    inlet: Inlet,
    /// Keys by name. Looked up only, never gone through.
    names: HashMap<Name, usize>,
    next_name: u32,
    /// Who came under a name that is taken, and under which; unread until it is free.
    twins: Vec<(usize, Name)>,
    /// They wait so, as with libzmq, and room is told of as there; a name may begin with a zero octet.
    /// Else they are refused, and such names.
    like_libzmq: bool,
    handover: bool,
    /// What cannot be routed is refused, not dropped.
    mandatory: bool,
    probe: bool,
    /// Some peers may speak octets without frames: they are named and let go as a STREAM's.
    raw: bool,
    /// No frames: what stands behind the frames of a message whose first was its address.
    nothing: Message,
}

impl Router {
    /// `random` is where the names that are made up begin.
    pub(super) fn new(options: &Options, random: u64) -> Router {
        Router {
            inlet: Inlet::default(),
            names: HashMap::new(),
            next_name: random as u32,
            twins: Vec::new(),
            like_libzmq: options.like_libzmq,
            handover: options.router_handover,
            mandatory: options.mandatory,
            probe: options.probe_router,
            raw: options.router_raw,
            nothing: Message::new(),
        }
    }

    /// The key of the peer of that name.
    pub(super) fn find(&self, identity: &[u8]) -> Option<usize> {
        self.names.get(identity).copied()
    }

    /// Sends to the peer of that name; see [`Pattern::send_to`](super::Pattern::send_to).
    #[inline]
    pub(super) fn send_to(
        &mut self,
        peers: &mut Peers,
        identity: &[u8],
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        self.route(peers, identity, &[], message, effects)
    }

    /// A peer that was just attached has this name, and no other.
    pub(super) fn name(&mut self, peers: &mut Peers, key: usize, name: Bytes) -> Name {
        self.call(peers, key, Name::from(name))
    }

    /// A peer that was just attached has a name of our making.
    pub(super) fn name_anyhow(&mut self, peers: &mut Peers, key: usize) -> Name {
        let name = self.make_name();
        self.call(peers, key, name)
    }

    fn call(&mut self, peers: &mut Peers, key: usize, name: Name) -> Name {
        let former = std::mem::replace(&mut peers[key].identity, name.clone());
        if self.find(&former) == Some(key) {
            self.names.remove(&former);
        }
        self.names.insert(name.clone(), key);
        name
    }

    /// The short way of a message, and of the name of who sent it.
    #[inline(always)]
    pub(super) fn recv_named(&mut self, peers: &mut Peers) -> Option<(Name, Message)> {
        let from = self.inlet.turn_plain(peers)?;
        let peer = &mut peers[from];
        let name = peer.identity.clone();
        peer.window.pop_plain().map(|message| (name, message))
    }

    #[inline]
    fn route(
        &self,
        peers: &mut Peers,
        identity: &[u8],
        head: &[Frame],
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let Some(key) = self.find(identity) else {
            return if self.mandatory {
                Err(Refusal::Unroutable)
            } else {
                Ok(())
            };
        };
        if self.raw && is_raw(peers, key) && is_nothing(head) && is_nothing(message.frames()) {
            effects.parted.push(key);
            return Ok(());
        }
        if !self.mandatory {
            // A lane that is full counts what it misses.
            if let Ok(accepted) = peers[key].out.push_or_drop(head, message) {
                effects.pushed.push((key, accepted));
            }
            return Ok(());
        }
        push(peers, key, head, message, effects)
    }

    fn is_twin(&self, key: usize) -> bool {
        self.twins.iter().any(|(twin, _)| *twin == key)
    }

    /// A name for who calls itself nothing.
    fn make_name(&mut self) -> Name {
        loop {
            let mut name = [0; 5];
            name[1..].copy_from_slice(&self.next_name.to_be_bytes());
            self.next_name = self.next_name.wrapping_add(1);
            if self.find(&name).is_none() {
                return Name::copy_from(&name);
            }
        }
    }
}

impl Rules for Router {
    fn attach(&mut self, peers: &mut Peers, key: usize, _: &mut Effects) {
        self.inlet.add(key);
        if self.raw && is_raw(peers, key) {
            self.name_anyhow(peers, key);
        }
    }

    fn ready(
        &mut self,
        peers: &mut Peers,
        key: usize,
        identity: &Bytes,
        effects: &mut Effects,
    ) -> Result<(), Reason> {
        let named = self.find(&peers[key].identity) == Some(key);
        if !named {
            let zero = identity.first() == Some(&0) && !self.like_libzmq;
            if identity.len() > IDENTITY_OCTETS_MAX || zero {
                return Err(Reason::Protocol(ProtocolError::InvalidMetadata));
            }
            let name = if identity.is_empty() {
                self.make_name()
            } else {
                Name::from(identity.clone())
            };
            self.twins.retain(|(twin, _)| *twin != key);
            if let Some(former) = self.find(&name) {
                if !self.handover && self.like_libzmq {
                    self.twins.push((key, name));
                    self.inlet.pass_over(key);
                    return Ok(());
                }
                if !self.handover {
                    return Err(Reason::DuplicateIdentity);
                }
                effects.evicted.push((former, Reason::HandedOver));
            }
            self.names.insert(name.clone(), key);
            peers[key].identity = name;
        }
        if self.probe && !is_raw(peers, key) {
            push_probe(peers, key, effects);
        }
        Ok(())
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        if self.is_twin(key) {
            self.twins.retain(|(twin, _)| *twin != key);
            self.inlet.detach_unread(peers, key, effects);
            return;
        }
        // Its name may have been handed over.
        let name = peers[key].identity.clone();
        if self.find(&name) == Some(key) {
            self.names.remove(&name);
            if let Some(next) = self.twins.iter().position(|(_, wanted)| *wanted == name) {
                let (next, name) = self.twins.remove(next);
                self.call(peers, next, name);
                self.inlet.readable(next);
            }
        }
        self.inlet.detach(peers, key, effects);
    }

    fn readable(&mut self, key: usize) {
        if !self.is_twin(key) {
            self.inlet.readable(key);
        }
    }

    #[inline]
    fn send(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let (name, rest) = message.frames().split_first().ok_or(Refusal::Unroutable)?;
        if rest.is_empty() && self.find(name).is_some() {
            return Ok(());
        }
        self.route(peers, name, rest, &self.nothing, effects)
    }

    #[inline]
    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let (from, message) = self.inlet.take(peers, effects).ok_or(Nothing::Empty)?;
        Ok(Received {
            identity: peers[from].identity.clone(),
            ..Received::plain(from, message)
        })
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        self.inlet.has_some(peers, effects)
    }

    fn adopt(&mut self, options: &Options) {
        self.handover = options.router_handover;
        self.mandatory = options.mandatory;
        self.probe = options.probe_router;
        // Who came while it was so goes on so.
        self.raw |= options.router_raw;
    }

    /// Always, for whether there is room depends on whom it is sent to. Like libzmq's, one that
    /// refuses what it cannot route tells of room once somebody has some.
    fn can_send(&mut self, peers: &mut Peers) -> bool {
        if !(self.like_libzmq && self.mandatory) {
            return true;
        }
        let named = |key, peer: &Peer| self.find(&peer.identity) == Some(key);
        peers
            .iter_mut()
            .any(|(key, peer)| named(key, peer) && !peer.out.is_full(true))
    }

    fn admit(&mut self, peers: &mut Peers, name: &[u8]) -> Result<(), Refusal> {
        match self.find(name) {
            _ if !self.mandatory => Ok(()),
            None => Err(Refusal::Unroutable),
            Some(key) if peers[key].out.is_full(true) => Err(Refusal::Full),
            Some(_) => Ok(()),
        }
    }
}

/// Does this peer speak octets without frames?
fn is_raw(peers: &Peers, key: usize) -> bool {
    peers[key].out.lane().is_raw()
}

fn is_nothing(frames: &[Frame]) -> bool {
    frames.iter().all(|frame| frame.is_empty())
}

#[inline]
pub(super) fn push(
    peers: &mut Peers,
    key: usize,
    head: &[Frame],
    message: &Message,
    effects: &mut Effects,
) -> Result<(), Refusal> {
    match peers[key].out.push(head, message) {
        Ok(accepted) => {
            effects.pushed.push((key, accepted));
            Ok(())
        }
        Err(Refused::Full) => Err(Refusal::Full),
        Err(Refused::Closed) => Err(Refusal::Unroutable),
    }
}

/// Octets of the longest name (RFC 37, "Identity").
const IDENTITY_OCTETS_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::{
        super::stage::{Stage, messages},
        *,
    };
    use crate::base::socket_type::SocketType;

    impl Stage {
        fn send_to(&mut self, identity: &[u8], text: &str) -> Result<(), Refusal> {
            let message = Message::from(text);
            self.act(|pattern, peers, effects| pattern.send_to(peers, identity, &message, effects))
        }
    }

    fn router(options: Options) -> Stage {
        Stage::new(SocketType::Router, options)
    }

    #[test]
    fn sends_by_name_and_says_who_sent() {
        let mut router = Stage::plain(SocketType::Router);
        let a = router.join_as("a").expect("free");
        let b = router.join_as("b").expect("free");
        assert_eq!(router.send(["a", "to", "a"]), Ok(()));
        assert_eq!(router.send_to(b"b", "to b"), Ok(()));
        assert_eq!(router.sent(a), [Message::from(["to", "a"])]);
        assert_eq!(router.sent(b), messages(["to b"]));
        assert_eq!(
            (router.pattern.find(b"a"), router.pattern.find(b"c")),
            (Some(a), None)
        );
        router.give(b, "hello");
        let received = router.receive().expect("b said hello");
        assert_eq!(received.message, Message::from("hello"));
        assert_eq!((&received.identity[..], received.from), (&b"b"[..], b));
    }

    #[test]
    fn by_the_short_way_names_come_with_their_messages() {
        let mut router = Stage::plain(SocketType::Router);
        let keys = [
            router.join_as("a").expect("free"),
            router.join_as("b").expect("free"),
        ];
        assert!(router.pattern.recv_named(&mut router.peers).is_none());
        for text in ["1", "2", "3"] {
            keys.iter().for_each(|&key| assert!(router.give(key, text)));
        }
        let first = [router.receive(), router.receive()].map(|it| it.expect("six wait"));
        assert_eq!(first.map(|it| it.from), keys);
        for name in ["a", "b"] {
            let received = router.pattern.recv_named(&mut router.peers);
            let (from, message) = received.expect("one more waits behind it");
            assert_eq!((&*from, message), (name.as_bytes(), "2".into()));
        }
        // The last of each may leave something to do, and goes the long way.
        assert!(router.pattern.recv_named(&mut router.peers).is_none());
        assert_eq!(router.recv_all(), messages(["3", "3"]));
    }

    #[test]
    fn a_message_for_nobody_is_refused() {
        let mut router = Stage::plain(SocketType::Router);
        let key = router.join_as("a").expect("free");
        for unroutable in [vec!["b", "x"], vec!["b"], vec!["", "x"]] {
            assert_eq!(router.send(unroutable), Err(Refusal::Unroutable));
        }
        assert_eq!(router.send(Message::new()), Err(Refusal::Unroutable));
        assert_eq!(router.send_to(b"b", "x"), Err(Refusal::Unroutable));
        assert_eq!(router.send(vec!["a"]), Ok(()));
        assert_eq!(router.sent(key), []);
        router.close(key);
        assert_eq!(router.send(["a", "x"]), Err(Refusal::Unroutable));
        router.detach(key);
        assert_eq!(router.send(["a", "x"]), Err(Refusal::Unroutable));
        assert!(router.can_send());
    }

    #[test]
    fn a_full_peer_refuses_alone() {
        let mut router = Stage::with_hwm(SocketType::Router, 2);
        let a = router.join_as("a").expect("free");
        router.join_as("b").expect("free");
        assert_eq!(router.send(["a", "1"]), Ok(()));
        assert_eq!(router.send(["a", "2"]), Ok(()));
        assert_eq!(router.send(["a", "3"]), Err(Refusal::Full));
        assert_eq!(router.send(["b", "1"]), Ok(()));
        assert_eq!(router.next(a), Some("1".into()));
        assert_eq!(router.send(["a", "3"]), Ok(()));
        assert_eq!(router.sent(a), messages(["2", "3"]));
    }

    #[test]
    fn the_nameless_get_names_that_count_up() {
        let mut router = Stage::plain(SocketType::Router);
        let keys = [router.join(), router.join(), router.join()];
        let names = keys.map(|key| router.peers[key].identity.clone());
        assert_eq!(
            names,
            [7, 8, 9].map(|number| Name::copy_from(&[0, 0, 0, 0, number]))
        );
        assert_eq!(router.send_to(&names[1], "x"), Ok(()));
        assert_eq!(router.sent(1), messages(["x"]));
    }

    #[test]
    fn no_peer_may_claim_a_name_that_is_ours_to_give() {
        let mut router = Stage::plain(SocketType::Router);
        let long = "x".repeat(256).leak();
        for name in ["\0\0\0\0\x08", "\0", long] {
            assert!(matches!(
                router.join_as(name),
                Err(Reason::Protocol(ProtocolError::InvalidMetadata))
            ));
        }
        assert!(router.join_as(&long[1..]).is_ok());
    }

    #[test]
    fn a_name_is_one_peers_until_it_leaves() {
        let mut router = Stage::plain(SocketType::Router);
        let first = router.join_as("a").expect("free");
        assert!(matches!(
            router.join_as("a"),
            Err(Reason::DuplicateIdentity)
        ));
        assert_eq!(router.send(["a", "x"]), Ok(()));
        assert_eq!(router.sent(first), messages(["x"]));
        router.give(first, "last");
        router.detach(first);
        // What it said is still read under its name, though another has it now.
        let second = router.join_as("a").expect("free again");
        assert_eq!(router.send(["a", "y"]), Ok(()));
        assert_eq!(router.sent(second), messages(["y"]));
        let received = router.receive().expect("said before it left");
        assert_eq!((&received.identity[..], received.from), (&b"a"[..], first));
        assert!(!router.can_recv());
        assert_eq!(router.emptied, [1, first]);
        assert_eq!(router.pattern.find(b"a"), Some(second));
    }

    #[test]
    fn like_libzmq_a_second_of_a_name_waits_unread_until_it_is_free() {
        let mut router = router(Options {
            like_libzmq: true,
            ..Options::default()
        });
        let first = router.join_as("a").expect("free");
        let [second, third] = [(); 2].map(|()| router.join_as("a").expect("it may wait"));
        for key in [second, third] {
            router.give(key, "unheard");
            router.give(key, "so far");
        }
        assert!(!router.can_recv());
        assert_eq!(router.send(["a", "x"]), Ok(()));
        assert_eq!(router.sent(first), messages(["x"]));
        // What one has said who leaves before its turn is heard by nobody.
        router.detach(third);
        assert_eq!(
            (router.recv_all(), &router.emptied[..]),
            (vec![], &[third][..])
        );
        router.detach(first);
        assert_eq!(router.recv_all(), messages(["unheard", "so far"]));
        assert_eq!(router.send(["a", "y"]), Ok(()));
        assert_eq!(router.sent(second), messages(["y"]));
    }

    #[test]
    fn with_handover_the_newcomer_takes_the_name() {
        let mut router = router(Options {
            router_handover: true,
            ..Options::default()
        });
        let first = router.join_as("a").expect("free");
        let second = router.join_as("a").expect("handed over");
        assert!(matches!(router.evicted[..], [(key, Reason::HandedOver)] if key == first));
        assert_eq!(router.send(["a", "x"]), Ok(()));
        assert_eq!(
            (router.sent(first), router.sent(second)),
            (vec![], messages(["x"]))
        );
        router.detach(first);
        assert_eq!(router.pattern.find(b"a"), Some(second));
    }

    #[test]
    fn a_connection_made_anew_keeps_name_and_queue() {
        let mut router = Stage::plain(SocketType::Router);
        let key = router.attach();
        assert_eq!(router.send(["a", "x"]), Err(Refusal::Unroutable));
        assert!(router.ready(key, "a").is_ok());
        router.unready(key);
        assert_eq!(router.send(["a", "x"]), Ok(()));
        assert!(router.ready(key, "b").is_ok());
        assert_eq!(router.send(["a", "y"]), Ok(()));
        assert_eq!(router.send(["b", "y"]), Err(Refusal::Unroutable));
        assert_eq!(router.sent(key), messages(["x", "y"]));
    }

    #[test]
    fn who_lost_its_name_while_away_is_as_new() {
        let mut router = router(Options {
            router_handover: true,
            ..Options::default()
        });
        let first = router.join_as("a").expect("free");
        router.unready(first);
        let second = router.join_as("a").expect("handed over");
        assert!(router.ready(first, "b").is_ok());
        assert_eq!(router.pattern.find(b"a"), Some(second));
        assert_eq!(router.pattern.find(b"b"), Some(first));
    }

    #[test]
    fn a_probe_goes_to_each_who_is_ready() {
        let mut router = router(Options {
            probe_router: true,
            ..Options::default()
        });
        let key = router.join();
        assert_eq!(router.sent(key), messages([""]));
    }
}
