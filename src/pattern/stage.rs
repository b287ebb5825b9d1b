//! A stage for tests: one pattern, real lanes, and somebody who follows up its effects.

use std::sync::Arc;

use bytes::Bytes;

use super::{Announcement, Effects, Nothing, Pattern, Peer, Peers, Received, Refusal};
use crate::{
    base::{event::Reason, message::Message, options::Options, socket_type::SocketType},
    pipe::{Lane, Store, Window},
};

/// A socket's pattern and its peers, both ends of each.
pub(super) struct Stage {
    pub(super) pattern: Pattern,
    pub(super) peers: Peers,
    options: Options,
    serials: u64,
    /// By key: the peers' ends.
    ends: Vec<End>,
    /// What was reported, first to last.
    pub(super) emptied: Vec<usize>,
    pub(super) evicted: Vec<(usize, Reason)>,
    pub(super) redialled: Vec<usize>,
    pub(super) announced: Vec<Announcement>,
    pub(super) credited: Vec<usize>,
}

/// A peer's ends of its lanes.
struct End {
    /// What it sends us.
    to_us: Arc<Lane>,
    /// What we sent it.
    from_us: Window,
}

impl Stage {
    pub(super) fn new(socket_type: SocketType, options: Options) -> Stage {
        Stage {
            pattern: Pattern::new(socket_type, &options, 7),
            peers: Peers::new(),
            options,
            serials: 0,
            ends: Vec::new(),
            emptied: Vec::new(),
            evicted: Vec::new(),
            redialled: Vec::new(),
            announced: Vec::new(),
            credited: Vec::new(),
        }
    }

    pub(super) fn plain(socket_type: SocketType) -> Stage {
        Stage::new(socket_type, Options::default())
    }

    /// With marks of so many messages.
    pub(super) fn with_hwm(socket_type: SocketType, hwm: usize) -> Stage {
        let (send_hwm, recv_hwm) = (hwm, hwm);
        Stage::new(
            socket_type,
            Options {
                send_hwm,
                recv_hwm,
                ..Options::default()
            },
        )
    }

    /// A peer that is still connecting.
    pub(super) fn attach(&mut self) -> usize {
        let out = Arc::new(Lane::new(Store::Messages, self.options.send_hwm, false));
        let received = Arc::new(Lane::new(Store::Messages, self.options.recv_hwm, false));
        let end = End {
            to_us: Arc::clone(&received),
            from_us: Window::new(Arc::clone(&out)),
        };
        self.serials += 1;
        // Every other peer is one of this process, to which what is said goes bare.
        let takes_turns = matches!(self.pattern, Pattern::Req(_) | Pattern::Rep(_));
        for lane in [&out, &received] {
            lane.join(takes_turns && self.serials % 2 == 0);
        }
        let key = self.peers.insert(Peer::new(self.serials, out, received));
        if key == self.ends.len() {
            self.ends.push(end);
        } else {
            self.ends[key] = end;
        }
        self.act(|pattern, peers, effects| pattern.attach(peers, key, effects));
        key
    }

    pub(super) fn ready(&mut self, key: usize, identity: &'static str) -> Result<(), Reason> {
        let identity = Bytes::from_static(identity.as_bytes());
        self.act(|pattern, peers, effects| pattern.ready(peers, key, &identity, effects))
    }

    /// A peer that is there.
    pub(super) fn join(&mut self) -> usize {
        let key = self.attach();
        self.ready(key, "").expect("a newcomer without a name");
        key
    }

    /// A peer of that name that is there.
    pub(super) fn join_as(&mut self, identity: &'static str) -> Result<usize, Reason> {
        let key = self.attach();
        let ready = self.ready(key, identity);
        if ready.is_err() {
            self.detach(key);
        }
        ready.map(|()| key)
    }

    pub(super) fn unready(&mut self, key: usize) {
        self.act(|pattern, peers, effects| pattern.unready(peers, key, effects));
    }

    pub(super) fn detach(&mut self, key: usize) {
        self.act(|pattern, peers, effects| pattern.detach(peers, key, effects));
    }

    /// The peer sends a message, if its lane has room.
    pub(super) fn give(&mut self, key: usize, message: impl Into<Message>) -> bool {
        let mut message = message.into();
        let mut head = Vec::new();
        if message.len() > 1 && message[0].is_empty() {
            head.extend(message.pop_front());
        }
        match self.ends[key].to_us.push(&head, &message) {
            Ok(accepted) => {
                if accepted.ring_reader {
                    self.pattern.readable(key);
                }
                true
            }
            Err(_) => false,
        }
    }

    /// The next message the peer gets.
    pub(super) fn next(&mut self, key: usize) -> Option<Message> {
        if self.peers.contains(key) {
            self.peers[key].out.publish();
        }
        let end = &mut self.ends[key].from_us;
        let (mut message, ring) = end.pop();
        if let (Some(message), true) = (&mut message, end.is_bare()) {
            message.push_front("");
        }
        // Makes what the lane counts as queued exact, as it is in a lane of octets.
        end.stats();
        if ring {
            self.pattern.writable(key);
        }
        message
    }

    /// All messages that lie at the peer.
    pub(super) fn sent(&mut self, key: usize) -> Vec<Message> {
        std::iter::from_fn(|| self.next(key)).collect()
    }

    /// The peer takes nothing more.
    pub(super) fn close(&mut self, key: usize) {
        self.peers[key].out.lane().close_reader();
    }

    pub(super) fn send(&mut self, message: impl Into<Message>) -> Result<(), Refusal> {
        let message = message.into();
        self.act(|pattern, peers, effects| pattern.send(peers, &message, effects))
    }

    pub(super) fn receive(&mut self) -> Result<Received, Nothing> {
        self.act(|pattern, peers, effects| pattern.recv(peers, effects))
    }

    /// The next message alone.
    pub(super) fn recv(&mut self) -> Result<Message, Nothing> {
        self.receive().map(|received| received.message)
    }

    /// All messages there are.
    pub(super) fn recv_all(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.recv().ok()).collect()
    }

    pub(super) fn can_recv(&mut self) -> bool {
        self.act(|pattern, peers, effects| pattern.can_recv(peers, effects))
    }

    pub(super) fn can_send(&mut self) -> bool {
        self.pattern.can_send(&mut self.peers)
    }

    /// Calls the pattern, then follows up what it reports.
    pub(super) fn act<R>(
        &mut self,
        call: impl FnOnce(&mut Pattern, &mut Peers, &mut Effects) -> R,
    ) -> R {
        let mut effects = Effects::default();
        let result = call(&mut self.pattern, &mut self.peers, &mut effects);
        for (key, _) in effects.pushed {
            assert!(self.peers.contains(key), "pushed to peer {key}, who is not");
        }
        self.credited.extend(effects.credited);
        self.evicted.extend(effects.evicted);
        self.redialled.extend(effects.redialled);
        self.announced.extend(effects.announced);
        let reads_all = matches!(
            self.pattern,
            Pattern::Pull(_)
                | Pattern::Subscribe(_)
                | Pattern::Rep(_)
                | Pattern::Dealer(_)
                | Pattern::Router(_)
        );
        for key in effects.emptied {
            let mut peer = self.peers.remove(key);
            assert!(peer.gone, "peer {key} is emptied and has not gone");
            assert!(
                !(reads_all && peer.window.has_some()),
                "peer {key} is not empty"
            );
            self.emptied.push(key);
        }
        result
    }
}

/// Messages of one frame each.
pub(super) fn messages<const N: usize>(texts: [&str; N]) -> Vec<Message> {
    texts.map(Message::from).to_vec()
}
