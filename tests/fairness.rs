//! Turns: who is served next, by those who deal out and by those who take in.

mod common;

use std::sync::mpsc;

use common::{SOON, Started, eventually, everywhere, inproc, number, numbered, quiet};
use hubless::{
    Dealer, Endpoint, Message, PeerState, Pub, Pull, Push, Rep, Router, SendError, SocketType, Sub,
    TypedSocket,
};

/// Sockets that deal out: PUSH and DEALER do it alike.
trait Deals: TypedSocket {
    fn ready_with(at: &str, hwm: usize) -> (Self, String);
    fn wait(&self, peers: usize);
    fn give(&self, message: Message) -> Result<(), SendError>;
}

macro_rules! deals {
    ($($kind:ident)+) => {$(
        impl Deals for $kind {
            fn ready_with(at: &str, hwm: usize) -> (Self, String) {
                let socket = $kind::builder().send_hwm(hwm).build().expect("a socket");
                let at = socket.bind(at).expect("to bind");
                (socket, at.to_string())
            }

            fn wait(&self, peers: usize) {
                self.wait_peers(peers, SOON).expect("all peers");
            }

            fn give(&self, message: Message) -> Result<(), SendError> {
                self.try_send(message)
            }
        }
    )+};
}

deals!(Push Dealer);

/// A receiver for one of those who deal out.
fn taker(at: &str, deals: SocketType, hwm: usize) -> Box<dyn Fn() -> Message> {
    if deals == SocketType::Push {
        let pull = Pull::builder().recv_hwm(hwm).build().expect("a PULL");
        pull.connect(at).expect("to connect");
        Box::new(move || pull.recv_timeout(SOON).expect("a message"))
    } else {
        let dealer = Dealer::builder().recv_hwm(hwm).build().expect("a DEALER");
        dealer.connect(at).expect("to connect");
        Box::new(move || dealer.recv_timeout(SOON).expect("a message"))
    }
}

fn deals_in_turn<S: Deals>() {
    for at in everywhere() {
        let (sender, at) = S::ready_with(&at, 100);
        let takers: Vec<_> = (0..3).map(|_| taker(&at, S::TYPE, 100)).collect();
        sender.wait(3);
        for number in 0..30 {
            sender.give(numbered(number)).expect("room");
        }
        let mut firsts: Vec<u64> = takers
            .iter()
            .map(|take| {
                let first = number(&take()[0]);
                for round in 1..10 {
                    assert_eq!(number(&take()[0]), first + 3 * round, "over {at}");
                }
                first
            })
            .collect();
        firsts.sort_unstable();
        assert_eq!(firsts, [0, 1, 2], "each had its turn, over {at}");
    }
}

#[test]
fn push_and_dealer_deal_in_turn() {
    deals_in_turn::<Push>();
    deals_in_turn::<Dealer>();
}

/// Marks of 2 + 2 over inproc: what is full is known to the message.
fn passes_over_who_is_full<S: Deals>() {
    let (sender, at) = S::ready_with(&inproc(), 2);
    let slow = taker(&at, S::TYPE, 2);
    let quick = taker(&at, S::TYPE, 2);
    let mut next = 0..;
    let mut give = || {
        let number = next.next().expect("numbers do not end");
        sender.give(numbered(number)).map(|()| number)
    };
    // Turn and turn about until the slow one has its four, then the quick one alone.
    for sent in 0..8 {
        assert_eq!(give().expect("room"), sent);
        if sent % 2 == 1 {
            assert_eq!(number(&quick()[0]), sent);
        }
    }
    for sent in 8..20 {
        assert_eq!(give().expect("the quick one has room"), sent);
        assert_eq!(number(&quick()[0]), sent, "the slow one is passed over");
    }
    // It reads two of its four: it has room for two, and its turn comes again.
    assert_eq!([number(&slow()[0]), number(&slow()[0])], [0, 2]);
    for sent in 20..24 {
        assert_eq!(give().expect("room"), sent);
    }
    let got = [number(&slow()[0]), number(&slow()[0])];
    assert_eq!(got, [4, 6], "what it was given first");
    let slows = [number(&slow()[0]), number(&slow()[0])];
    let quicks = [number(&quick()[0]), number(&quick()[0])];
    let mut all = [slows, quicks].concat();
    all.sort_unstable();
    assert_eq!(all, [20, 21, 22, 23], "nothing twice, nothing lost");
    assert_eq!(
        slows[1] - slows[0],
        2,
        "{slows:?} {quicks:?}: turn and turn about"
    );
}

#[test]
fn who_is_full_is_passed_over_and_comes_back() {
    passes_over_who_is_full::<Push>();
    passes_over_who_is_full::<Dealer>();
}

#[test]
fn over_a_connection_too_the_slow_one_comes_back() {
    for at in everywhere() {
        let push = Push::builder().send_hwm(5).build().expect("a PUSH");
        let at = push.bind(&at).expect("to bind");
        let pull = || {
            let pull = Pull::builder().recv_hwm(5).build().expect("a PULL");
            pull.connect(&at).expect("to connect");
            pull
        };
        let (slow, quick) = (pull(), pull());
        push.wait_peers(2, SOON).expect("both");
        let reader = quick.clone();
        let (tell, told) = mpsc::channel();
        let reading = Started::new(move || {
            while let Ok(message) = reader.recv() {
                tell.send(number(&message[0])).expect("somebody listens");
            }
        });
        let total = 1000;
        for number in 0..total {
            push.send((number.to_string(), vec![0; 50_000]))
                .expect("the quick one takes what the slow one does not");
        }
        let (mut held, mut read) = (0, 0);
        while held + read != total {
            read += told.try_iter().count() as u64;
            held += slow.try_iter().count() as u64;
            assert!(
                held < total / 2,
                "{held} of {total} were the slow one's, over {at}"
            );
        }
        // Both have room now: they take turns again.
        quiet("the sender", || push.stats());
        for number in 0..6 {
            push.send(numbered(number)).expect("room");
        }
        let slows = [0; 3].map(|_| number(&slow.recv_timeout(SOON).expect("it")[0]));
        let quicks = [0; 3].map(|_| told.recv_timeout(SOON).expect("it"));
        let (mut all, turns) = ([slows, quicks], [[0, 2, 4], [1, 3, 5]]);
        all.sort_unstable();
        assert_eq!(all, turns, "over {at}");
        quick.close(SOON).expect("to close");
        reading.join("the quick one");
    }
}

/// Waits until this many messages of each of `peers` peers lie ready to be received.
fn arrived(peers: usize, each: u64, states: impl Fn() -> Vec<PeerState>) {
    eventually("all has arrived", || {
        let states = states();
        states.len() == peers && states.iter().all(|peer| peer.received.queued == each)
    });
}

/// Checks that those who sent these messages took turns: `peers` peers, each with as many.
fn took_turns(what: &str, peers: usize, senders: &[String]) {
    let (first, rest) = senders.split_at(peers);
    let mut once = first.to_vec();
    once.sort_unstable();
    once.dedup();
    assert_eq!(
        once.len(),
        peers,
        "{what}: each once in the first round: {first:?}"
    );
    for round in rest.chunks(peers) {
        assert_eq!(round, first, "{what}: the same turns each round");
    }
}

#[test]
fn pull_router_and_rep_take_in_turn() {
    let (peers, each) = (4, 10);
    for at in everywhere() {
        let pull = Pull::new().expect("a PULL");
        let bound = pull.bind(&at).expect("to bind");
        let pushes: Vec<Push> = (0..peers)
            .map(|peer| {
                let push = Push::new().expect("a PUSH");
                push.connect(&bound).expect("to connect");
                push.send_all((0..each).map(|_| peer.to_string()))
                    .expect("room");
                push
            })
            .collect();
        arrived(peers, each, || pull.peers());
        let text = |frame: &[u8]| String::from_utf8_lossy(frame).into_owned();
        let senders: Vec<_> = pull.try_iter().map(|message| text(&message[0])).collect();
        assert_eq!(senders.len() as u64, peers as u64 * each);
        took_turns("PULL", peers, &senders);
        drop((pull, pushes));
    }
    for at in everywhere() {
        let router = Router::new().expect("a ROUTER");
        let rep = Rep::new().expect("a REP");
        let bound = router.bind(&at).expect("to bind");
        let at = everywhere()
            .into_iter()
            .find(|other| other[..6] == at[..6])
            .expect("one more of that transport");
        let served = rep.bind(&at).expect("to bind");
        let dealer = |at: &Endpoint, peer: usize, head: &[&'static str]| {
            let dealer = Dealer::new().expect("a DEALER");
            dealer.connect(at).expect("to connect");
            for _ in 0..each {
                let peer = peer.to_string();
                let frames = head.iter().copied().chain([peer.as_str()]);
                dealer.send(frames.collect::<Message>()).expect("room");
            }
            dealer
        };
        let to_router: Vec<_> = (0..peers).map(|peer| dealer(&bound, peer, &[])).collect();
        arrived(peers, each, || router.peers());
        let mut senders = Vec::new();
        while let Ok((id, message)) = router.try_recv_from() {
            senders.push(message.as_str().expect("a number").to_owned());
            router.send_to(&id, "seen").expect("to answer");
        }
        assert_eq!(senders.len() as u64, peers as u64 * each);
        took_turns("ROUTER", peers, &senders);

        let to_rep: Vec<_> = (0..peers)
            .map(|peer| dealer(&served, peer, &[""]))
            .collect();
        arrived(peers, each, || rep.peers());
        let mut senders = Vec::new();
        while let Ok((message, responder)) = rep.try_recv() {
            senders.push(message.as_str().expect("a number").to_owned());
            assert!(responder.reply("seen"));
        }
        assert_eq!(senders.len() as u64, peers as u64 * each);
        took_turns("REP", peers, &senders);
        drop((to_router, to_rep));
    }
}

#[test]
fn sub_takes_from_its_publishers_in_turn() {
    for at in everywhere() {
        let sub = Sub::new().expect("a SUB");
        sub.subscribe("").expect("to subscribe");
        let at = sub.bind(&at).expect("to bind");
        let publishers: Vec<Pub> = (0..3)
            .map(|peer| {
                let publisher = Pub::new().expect("a PUB");
                publisher.connect(&at).expect("to connect");
                publisher.wait_subscribers(1, SOON).expect("the SUB");
                for _ in 0..10 {
                    publisher.send(numbered(peer)).expect("to send");
                }
                publisher
            })
            .collect();
        arrived(3, 10, || sub.peers());
        let senders: Vec<_> = sub
            .try_iter()
            .map(|message| message.as_str().expect("a number").to_owned())
            .collect();
        assert_eq!(senders.len(), 30);
        took_turns("SUB", 3, &senders);
        drop(publishers);
    }
}

#[test]
fn a_newcomer_does_not_wait_behind_a_flood() {
    for at in everywhere() {
        let pull = Pull::new().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let flood = Push::new().expect("a PUSH");
        flood.connect(&at).expect("to connect");
        flood.send_all((0..900).map(numbered)).expect("room");
        arrived(1, 900, || pull.peers());
        assert_eq!(number(&pull.try_recv().expect("it")[0]), 0);
        let newcomer = Push::new().expect("a PUSH");
        newcomer.connect(&at).expect("to connect");
        newcomer.send("me too").expect("room");
        eventually("it has arrived", || {
            let peers = pull.peers();
            peers.iter().any(|peer| peer.received.accepted == 1)
        });
        let soon: Vec<Message> = pull.try_iter().take(2).collect();
        assert!(
            soon.iter().any(|message| message[0] == "me too"),
            "over {at}"
        );
    }
}
