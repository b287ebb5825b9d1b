//! ROUTER (RFC 28): peers have names, and each message goes to one of them by name.
//!
//! A name is what the peer calls itself; for one that says nothing it is made up: a zero octet
//! and a number of four, which no peer may claim. It is settled when the peer is first ready,
//! and stays with it however often its connection is made anew.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Effects, Nothing, Peers, Received, Refusal, Rules, inlet::Inlet, push_probe};
use crate::{
    base::{
        event::{ProtocolError, Reason},
        message::{Frame, Message},
        options::Options,
    },
    pipe::Refused,
};

/// ROUTER.
#[derive(Debug)]
pub struct Router {
    inlet: Inlet,
    /// Keys by name. Looked up only, never gone through.
    names: HashMap<Bytes, usize>,
    next_name: u32,
    handover: bool,
    probe: bool,
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
            handover: options.router_handover,
            probe: options.probe_router,
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
        let key = self.find(identity).ok_or(Refusal::Unroutable)?;
        push(peers, key, &[], message, effects)
    }

    /// A name for who calls itself nothing.
    fn make_name(&mut self) -> Bytes {
        loop {
            let mut name = [0; 5];
            name[1..].copy_from_slice(&self.next_name.to_be_bytes());
            self.next_name = self.next_name.wrapping_add(1);
            if self.find(&name).is_none() {
                return Bytes::copy_from_slice(&name);
            }
        }
    }
}

impl Rules for Router {
    fn attach(&mut self, _: &mut Peers, key: usize, _: &mut Effects) {
        self.inlet.add(key);
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
            if identity.len() > IDENTITY_OCTETS_MAX || identity.first() == Some(&0) {
                return Err(Reason::Protocol(ProtocolError::InvalidMetadata));
            }
            let name = if identity.is_empty() {
                self.make_name()
            } else {
                identity.clone()
            };
            if let Some(former) = self.find(&name) {
                if !self.handover {
                    return Err(Reason::DuplicateIdentity);
                }
                effects.evicted.push((former, Reason::HandedOver));
            }
            self.names.insert(name.clone(), key);
            peers[key].identity = name;
        }
        if self.probe {
            push_probe(peers, key, effects);
        }
        Ok(())
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        // Its name may have been handed over.
        let name = &peers[key].identity;
        if self.find(name) == Some(key) {
            self.names.remove(name);
        }
        self.inlet.detach(peers, key, effects);
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
        let (name, rest) = message.frames().split_first().ok_or(Refusal::Unroutable)?;
        let key = self.find(name).ok_or(Refusal::Unroutable)?;
        if rest.is_empty() {
            return Ok(());
        }
        push(peers, key, rest, &self.nothing, effects)
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

    /// Always, for whether there is room depends on whom it is sent to.
    fn can_send(&mut self, _: &mut Peers) -> bool {
        true
    }
}

#[inline]
fn push(
    peers: &Peers,
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
