//! Looking at a socket: its counters, its peers, and who of them has subscribed.

use super::{
    socket::{PeerState, Socket},
    state::Phase,
};
use crate::{base::stats::SocketStats, pattern::Peer};

impl Socket {
    /// The counters of all peers together, those that are gone included.
    pub fn stats(&self) -> SocketStats {
        self.fetch_all();
        let mut state = self.state.lock();
        state.settle_leaving();
        let (mut sent, mut received) = state.past;
        for lane in &state.leaving {
            sent = sent.plus(lane.stats());
        }
        let mut peers = 0;
        for (_, peer) in &state.peers {
            sent = sent.plus(peer.out.stats());
            received = received.plus(peer.window.stats());
            peers += usize::from(peer.ready && !peer.gone);
        }
        SocketStats {
            sent,
            received,
            peers,
            connections: state.connections,
            reconnects: state.reconnects,
            calls: self.work.calls(),
        }
    }

    /// Every peer, in the order of its key.
    pub fn peers(&self) -> Vec<PeerState> {
        self.fetch_all();
        let now = self.context.metal.now();
        let state = self.state.lock();
        let peer_state = |(key, peer): (usize, &Peer)| PeerState {
            number: peer.serial,
            endpoint: (*state.attached[key].endpoint).clone(),
            info: state.attached[key].info.clone(),
            ready: peer.ready,
            routing_id: peer.identity.to_bytes(),
            connections: state.attached[key].connections,
            connected_for: state.attached[key].connected_at.map(|at| now.since(at)),
            sent: peer.out.stats(),
            received: peer.window.stats(),
            sent_waits: peer.out.lane().waits(),
            received_waits: peer.window.lane().waits(),
        };
        let there = |(key, peer): &(usize, &Peer)| {
            !peer.gone || state.attached[*key].served || peer.window.stats().queued > 0
        };
        state.peers.iter().filter(there).map(peer_state).collect()
    }

    /// PUB, XPUB: peers with at least one subscription.
    pub fn subscribers(&self) -> usize {
        self.state.lock().pattern.subscribers()
    }

    /// Is it open still?
    pub fn is_open(&self) -> bool {
        self.state.lock().phase == Phase::Open
    }
}
