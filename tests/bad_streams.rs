//! Streams that mean harm, against every type of socket, bound and connecting: random octets,
//! mutated, cut and spliced recordings, split in random places.
//!
//! Whatever is said: nothing panics or hangs, each connection ends and is told of once, memory
//! stays, and a good peer of the same socket exchanges messages all the while. A stream follows
//! from its seed alone; one that fails says how to replay it.

mod raw;

use std::time::{Duration, Instant};

use hubless::{Builder, EventKind, Monitor, Pair, Reconnect, SocketType, TypedSocket};
use raw::{
    Peer, SOON, listen,
    memory::{self, grows_by_at_most},
    stand::{Attacked, Stand},
    streams::{self, Random, Replay, bad, good, pieces},
};

/// More than all queues and buffers of one stand take.
const GROWTH_MAX: usize = 32 << 20;

/// So many streams go by between two exchanges with the good peer.
const BATCH: usize = 25;

/// Says a stream, then ends, in one of two ways.
fn say(peer: &mut Peer, random: &mut Random, stream: &[u8]) -> bool {
    for piece in pieces(random, stream) {
        if !peer.try_say(piece) {
            break;
        }
    }
    let waits = random.below(4) > 0;
    if waits {
        peer.end();
        peer.hear_end();
    }
    waits
}

/// Counts the connections that ended, as the monitor tells.
fn count_ends(events: &Monitor) -> usize {
    let mut ends = 0;
    while let Ok(event) = events.try_recv() {
        ends += match event.kind {
            EventKind::HandshakeFailed(_) | EventKind::Disconnected(_) => 1,
            EventKind::Lagged(_) => panic!("the monitor was not read in time"),
            _ => 0,
        };
    }
    ends
}

/// Exchanges with the good peer until so many connections have ended, and not one more, and
/// nothing is left of them. Then all messages are accounted for.
fn settle<S: Attacked>(stand: &mut Stand<S>, mut open: usize) {
    let end = Instant::now() + SOON;
    loop {
        stand.exchange();
        stand.others.clear();
        let ends = count_ends(&stand.events);
        assert!(ends <= open, "the good peer was disconnected");
        open -= ends;
        let (stats, peers) = stand.socket.state();
        // Who has left is here until it is read.
        if open == 0 && peers == 1 {
            assert!(stats.sent.balances(), "sent: {:?}", stats.sent);
            assert!(stats.received.balances(), "received: {:?}", stats.received);
            return;
        }
        assert!(Instant::now() < end, "{open} do not end, {peers} are here");
    }
}

/// Attacks a bound socket with these streams.
fn attack_bound<S: Attacked>(
    transport: &str,
    builder: Builder<S>,
    seeds: &[u64],
    stream_of: impl Fn(u64, &mut Random) -> Vec<u8>,
) {
    let mut stand = Stand::at(transport, builder);
    for batch in seeds.chunks(BATCH) {
        let _replay = Replay(batch[0]);
        for &seed in batch {
            let _replay = Replay(seed);
            let mut random = Random::new(seed);
            let stream = stream_of(seed, &mut random);
            let mut peer = Peer::connect(&stand.at);
            say(&mut peer, &mut random, &stream);
        }
        settle(&mut stand, batch.len());
    }
}

fn bound<S: TypedSocket + Attacked>(builder: fn() -> Builder<S>) {
    let _alone = memory::alone();
    let recordings = streams::recordings();
    grows_by_at_most(GROWTH_MAX, || {
        let harm = |_, random: &mut Random| bad(random, S::TYPE, &recordings);
        attack_bound("tcp://127.0.0.1:0", builder(), &streams::seeds(250), harm);
        attack_bound("ipc://*", builder(), &streams::seeds(125), harm);
        // Good streams, cut at every octet: seed by seed the same stream, one octet longer.
        let whole = good(&mut Random::new(0), S::TYPE);
        let whole = [whole, good(&mut Random::new(1), S::TYPE)].concat();
        let cut = |seed, _: &mut Random| whole[..whole.len().min(seed as usize)].to_vec();
        attack_bound("ipc://*", builder(), &streams::seeds(300), cut);
    });
}

/// What becomes of a connected endpoint whose connection has ended: is it tried again?
fn tries_again(events: &Monitor) -> bool {
    loop {
        match events.recv_timeout(SOON).expect("an end").kind {
            EventKind::ConnectRetried { .. } => return true,
            EventKind::ConnectStopped(_) => return false,
            _ => {}
        }
    }
}

fn connecting<S: TypedSocket + Attacked>(builder: fn() -> Builder<S>) {
    let _alone = memory::alone();
    let recordings = streams::recordings();
    let [min, max] = [1, 2].map(Duration::from_millis);
    let mut stand = Stand::new(builder().reconnect(Reconnect::Backoff { min, max }));
    let (listener, at) = listen();
    grows_by_at_most(GROWTH_MAX, || {
        stand.socket.connect(&at);
        for (place, seed) in streams::seeds(150).into_iter().enumerate() {
            let _replay = Replay(seed);
            let mut random = Random::new(seed);
            let stream = bad(&mut random, S::TYPE, &recordings);
            let mut peer = Peer::accept(&listener);
            say(&mut peer, &mut random, &stream);
            drop(peer);
            if !tries_again(&stand.events) {
                stand.socket.connect(&at);
            }
            if place % BATCH == 0 {
                stand.exchange();
                stand.others.clear();
            }
        }
        stand.exchange();
    });
}

macro_rules! each_type {
    ($($name:ident: $kind:ident,)+) => {$(
        mod $name {
            #[test]
            fn bound() {
                super::bound(hubless::$kind::builder);
            }

            #[test]
            fn connecting() {
                super::connecting(hubless::$kind::builder);
            }
        }
    )+};
}

each_type! {
    pair: Pair,
    publish: Pub,
    subscribe: Sub,
    req: Req,
    rep: Rep,
    dealer: Dealer,
    router: Router,
    pull: Pull,
    push: Push,
    xpub: XPub,
    xsub: XSub,
}

/// A PAIR has room for one: beside a good peer, no bad one comes far. So here they have it alone.
#[test]
fn a_pair_alone() {
    let _alone = memory::alone();
    let recordings = streams::recordings();
    let pair = Pair::new().expect("a socket");
    let at = pair.bind("tcp://127.0.0.1:0").expect("to bind");
    for seed in streams::seeds(400) {
        let _replay = Replay(seed);
        let mut random = Random::new(seed);
        let stream = bad(&mut random, SocketType::Pair, &recordings);
        let mut peer = Peer::connect(&at);
        for piece in pieces(&mut random, &stream) {
            peer.try_say(piece);
        }
        peer.end();
        peer.hear_end();
        pair.try_iter().for_each(drop);
    }
    let good = pair.good(&at);
    pair.exchange(&good, "well", &mut Vec::new());
}
