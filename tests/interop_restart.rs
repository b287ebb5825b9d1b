//! A libzmq peer that is killed in the midst of traffic and started again, under each pattern:
//! we find each other again, whoever connects; nothing comes twice, no half message comes at all,
//! and the monitor tells what happened.
//!
//! ```text
//!   first peer:  joins ── traffic ── SIGKILL
//!   second peer:                       joins, at the same place ── traffic
//!   our monitor:      Up ───────────── Down ──── Up
//! ```

mod interop;

use std::thread;

use hubless::{EventKind, Message, Monitor, Reason, RecvError, SendError};
use interop::{
    LIMIT, Peer, Scratch, Theirs, hex_list, number,
    sides::{Ours, Side, body},
};

/// The octets between a message's two numbers: so many that a kill cuts some message in two.
const MIDDLE: usize = 50_000;

/// Messages that show that traffic flows.
const SOME: u64 = 20;

/// The first number of the second peer.
const SECOND: u64 = 1 << 32;

/// Our socket, which lives on, and the place where a peer finds it or is found.
struct Trial {
    ours: Ours,
    theirs: &'static str,
    events: Monitor,
    we_bind: bool,
    endpoint: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    Up,
    Down,
}

/// Plays it with either side bound, once over tcp and once over ipc. Which over which changes with
/// the side that begins, so that the two stories of a pair of types show all four.
fn play((ours, theirs): (&str, &'static str), we_begin: bool, story: impl Fn(&mut Trial)) {
    let scratch = Scratch::new();
    for we_bind in [true, false] {
        let [tcp, ipc] = scratch.endpoints(&format!("{ours}-{theirs}-{we_bind}"));
        let mut endpoint = if we_bind == we_begin { tcp } else { ipc };
        println!("our {ours}, their {theirs}, we bind: {we_bind}, at {endpoint}");
        let ours = Ours::new(ours, "ours");
        let events = ours.monitor();
        if we_bind {
            endpoint = ours.bind(&endpoint);
        }
        if matches!(ours, Ours::Sub(_) | Ours::XSub(_)) {
            ours.subscribe("topic");
        }
        let mut trial = Trial {
            ours,
            theirs,
            events,
            we_bind,
            endpoint,
        };
        story(&mut trial);
        trial.ours.close();
    }
}

impl Trial {
    /// Makes a peer's socket, and brings it and ours together.
    fn join<'a>(&mut self, peer: &'a Peer, first: bool) -> Theirs<'a> {
        let theirs = Theirs::new(peer, self.theirs, "theirs");
        if self.we_bind {
            theirs.connect(&self.endpoint);
        } else {
            self.endpoint = theirs.bind(&self.endpoint);
            if first {
                Side::connect(&self.ours, &self.endpoint);
            }
        }
        if matches!(self.theirs, "SUB" | "XSUB") {
            Side::subscribe(&theirs, "topic");
        }
        theirs
    }

    /// The next turn that the monitor tells of must be this one, of this peer.
    fn expect(&self, wanted: Turn, first: bool) {
        let mut retried = false;
        let turn = loop {
            match self.events.recv_timeout(LIMIT).expect("an event").kind {
                EventKind::HandshakeSucceeded => break Turn::Up,
                EventKind::Disconnected(_) => break Turn::Down,
                // One who is being killed may still take a connection, and drop it.
                EventKind::HandshakeFailed(Reason::Io(_) | Reason::PeerClosed) if !self.we_bind => {
                }
                EventKind::HandshakeFailed(reason) => panic!("a handshake failed: {reason}"),
                EventKind::ConnectRetried { .. } => retried = true,
                _ => {}
            }
        };
        assert_eq!(turn, wanted);
        let again = wanted == Turn::Up && !first && !self.we_bind;
        assert!(!again || retried, "we came back without a word of trying");
    }
}

/// Sends numbers on and on, until the socket closes.
fn send_on_and_on(ours: &Ours, envelope: &[Vec<u8>]) {
    let (sent, middle) = (Sending::new(ours), body(MIDDLE));
    for n in 0.. {
        let mut message: Message = envelope.iter().cloned().collect();
        for frame in [&number(n)[..], &middle, &number(n)] {
            message.push(frame);
        }
        if sent.send(message).is_none() {
            break;
        }
    }
}

/// Waits for what its socket itself does not wait for.
struct Sending<'a> {
    ours: &'a Ours,
    events: Option<Monitor>,
}

impl Sending<'_> {
    fn new(ours: &Ours) -> Sending<'_> {
        let events = match ours {
            Ours::Router(socket) => Some(socket.monitor()),
            _ => None,
        };
        Sending { ours, events }
    }

    /// Sends. `None` once the socket is closed.
    fn send(&self, message: Message) -> Option<()> {
        match self.ours {
            Ours::Push(socket) => socket.send(message).ok(),
            Ours::Pair(socket) => socket.send(message).ok(),
            Ours::Dealer(socket) => socket.send(message).ok(),
            Ours::Pub(socket) => {
                socket.wait_subscribers(1, LIMIT).ok()?;
                socket.send(message).ok()
            }
            Ours::XPub(socket) => {
                socket.wait_subscribers(1, LIMIT).ok()?;
                socket.send(message).ok()
            }
            Ours::Router(socket) => {
                let mut refused = socket.send(message);
                loop {
                    refused = match refused {
                        Err(SendError::Unroutable(message)) => {
                            socket.wait_peers(1, LIMIT).ok()?;
                            socket.send(message)
                        }
                        Err(SendError::Full(message)) => {
                            self.await_room()?;
                            socket.send(message)
                        }
                        done => break done.ok(),
                    };
                }
            }
            _ => panic!("it does not send at will"),
        }
    }

    /// Waits until the peer has taken something or has gone.
    fn await_room(&self) -> Option<()> {
        loop {
            match self.events.as_ref()?.recv_timeout(LIMIT).ok()?.kind {
                EventKind::Drained | EventKind::Disconnected(_) => return Some(()),
                _ => {}
            }
        }
    }
}

/// We send, they are killed: the second peer hears nothing of what the first one has heard.
fn we_send(kinds: (&str, &'static str), envelope: &'static [&'static str]) {
    play(kinds, true, |trial| {
        let ours = trial.ours.share();
        let envelope: Vec<_> = envelope
            .iter()
            .map(|frame| frame.as_bytes().to_vec())
            .collect();
        let sender = thread::spawn(move || send_on_and_on(&ours, &envelope));
        let mut last = None;
        for first in [true, false] {
            let peer = Peer::start();
            let theirs = trial.join(&peer, first);
            let heard = theirs.begin("recv_for_ever", &format!(r#""octets":{MIDDLE}"#));
            let mut hear = |number: u64| {
                assert!(
                    last.is_none_or(|last| last < number),
                    "{number} after {last:?}"
                );
                last = Some(number);
            };
            (0..SOME).for_each(|_| hear(heard.next().number("number")));
            trial.expect(Turn::Up, first);
            let rest = peer.kill();
            rest.iter().for_each(|answer| hear(answer.number("number")));
            trial.expect(Turn::Down, first);
        }
        trial.ours.close();
        sender.join().expect("a sender that ends with its socket");
    });
}

/// They send and are killed: we hear what came, whole and in order, then the second peer.
fn they_send(kinds: (&str, &'static str), envelope: &[&str]) {
    play(kinds, false, |trial| {
        let mut last = None;
        for first in [true, false] {
            let peer = Peer::start();
            let theirs = trial.join(&peer, first);
            let base = if first { 0 } else { SECOND };
            let envelope = hex_list(envelope);
            let run = format!(r#""envelope":{envelope},"first":{base},"octets":{MIDDLE}"#);
            let _for_ever = theirs.begin("send_for_ever", &run);
            while last.is_none_or(|last| last < base + SOME) {
                let number = expect_whole(&trial.ours);
                match last {
                    // A publisher may have begun before we subscribed.
                    None => assert!(number < SECOND),
                    Some(last) if number < SECOND || last >= SECOND => {
                        assert_eq!(number, last + 1);
                    }
                    Some(_) => {}
                }
                last = Some(number);
            }
            trial.expect(Turn::Up, first);
            peer.kill();
            trial.expect(Turn::Down, first);
        }
    });
}

/// Receives a message that must be whole; gives its number.
fn expect_whole(ours: &Ours) -> u64 {
    let frames = ours.recv();
    let [.., first, middle, last] = &frames[..] else {
        panic!("half a message: {} frames", frames.len());
    };
    assert_eq!(first, last);
    assert!(
        *middle == body(MIDDLE),
        "a middle of {} octets",
        middle.len()
    );
    u64::from_be_bytes(last[..].try_into().expect("a number"))
}

/// We ask and they are killed over it: no answer, and the next question finds the second peer.
/// `asked` is what precedes a question on our side, `seen` what does on theirs.
fn we_ask(kinds: (&str, &'static str), asked: &[&[u8]], seen: &[&[u8]]) {
    play(kinds, true, |trial| {
        for first in [true, false] {
            let peer = Peer::start();
            let theirs = trial.join(&peer, first);
            for question in [b"one", b"two"] {
                let question: &[&[u8]] = &[question, b"", &[u8::from(first)]];
                trial.ours.send(&[asked, question].concat());
                theirs.expect(&[seen, question].concat());
                Side::send(&theirs, &[seen, question].concat());
                trial.ours.expect(&[asked, question].concat());
            }
            trial.expect(Turn::Up, first);
            trial.ours.send(&[asked, &[b"the last"]].concat());
            theirs.expect(&[seen, &[b"the last"]].concat());
            peer.kill();
            trial.expect(Turn::Down, first);
            if let Ours::Req(req) = &trial.ours {
                let error = req.recv_timeout(LIMIT).expect_err("nobody to answer");
                assert_eq!(error, RecvError::PeerLost);
            }
        }
    });
}

/// They ask and are killed before we answer: the answer goes nowhere, the second peer gets its own.
fn they_ask(kinds: (&str, &'static str), asked: &[&[u8]], seen: &[&[u8]]) {
    play(kinds, false, |trial| {
        for first in [true, false] {
            let peer = Peer::start();
            let theirs = trial.join(&peer, first);
            for question in [b"one", b"two"] {
                let question: &[&[u8]] = &[question, b"", &[u8::from(first)]];
                Side::send(&theirs, &[asked, question].concat());
                trial.ours.expect(&[seen, question].concat());
                trial.ours.send(&[seen, question].concat());
                theirs.expect(&[asked, question].concat());
            }
            trial.expect(Turn::Up, first);
            Side::send(&theirs, &[asked, &[b"the last"]].concat());
            trial.ours.expect(&[seen, &[b"the last"]].concat());
            peer.kill();
            trial.expect(Turn::Down, first);
            if !trial.we_bind {
                // What we say now would wait for whoever is there next.
                continue;
            }
            match &trial.ours {
                Ours::Rep(_, open) => {
                    let responder = open.take().expect("an open request");
                    assert!(!responder.reply("too late"));
                }
                Ours::Router(router) => {
                    let refused = router.send_to("theirs", "too late");
                    assert!(
                        matches!(refused, Err(SendError::Unroutable(_))),
                        "{refused:?}"
                    );
                }
                _ => panic!("it is not asked"),
            }
        }
    });
}

#[test]
fn our_push_to_their_pull() {
    we_send(("PUSH", "PULL"), &[]);
}

#[test]
fn our_pull_from_their_push() {
    they_send(("PULL", "PUSH"), &[]);
}

#[test]
fn our_pub_to_their_sub() {
    we_send(("PUB", "SUB"), &["topic"]);
}

#[test]
fn our_sub_from_their_pub() {
    they_send(("SUB", "PUB"), &["topic"]);
}

#[test]
fn our_pub_to_their_xsub() {
    we_send(("PUB", "XSUB"), &["topic"]);
}

#[test]
fn our_xsub_from_their_pub() {
    they_send(("XSUB", "PUB"), &["topic"]);
}

#[test]
fn our_xpub_to_their_sub() {
    we_send(("XPUB", "SUB"), &["topic"]);
}

#[test]
fn our_sub_from_their_xpub() {
    they_send(("SUB", "XPUB"), &["topic"]);
}

#[test]
fn our_xpub_to_their_xsub() {
    we_send(("XPUB", "XSUB"), &["topic"]);
}

#[test]
fn our_xsub_from_their_xpub() {
    they_send(("XSUB", "XPUB"), &["topic"]);
}

#[test]
fn our_pair_to_their_pair() {
    we_send(("PAIR", "PAIR"), &[]);
}

#[test]
fn our_pair_from_their_pair() {
    they_send(("PAIR", "PAIR"), &[]);
}

#[test]
fn our_dealer_to_their_dealer() {
    we_send(("DEALER", "DEALER"), &[]);
}

#[test]
fn our_dealer_from_their_dealer() {
    they_send(("DEALER", "DEALER"), &[]);
}

#[test]
fn our_dealer_to_their_router() {
    we_send(("DEALER", "ROUTER"), &[]);
}

#[test]
fn our_router_from_their_dealer() {
    they_send(("ROUTER", "DEALER"), &[]);
}

#[test]
fn our_router_to_their_dealer() {
    we_send(("ROUTER", "DEALER"), &["theirs"]);
}

#[test]
fn our_dealer_from_their_router() {
    they_send(("DEALER", "ROUTER"), &["ours"]);
}

#[test]
fn our_router_to_their_router() {
    we_send(("ROUTER", "ROUTER"), &["theirs"]);
}

#[test]
fn our_router_from_their_router() {
    they_send(("ROUTER", "ROUTER"), &["ours"]);
}

#[test]
fn our_req_asks_their_rep() {
    we_ask(("REQ", "REP"), &[], &[]);
}

#[test]
fn our_rep_is_asked_by_their_req() {
    they_ask(("REP", "REQ"), &[], &[]);
}

#[test]
fn our_req_asks_their_router() {
    we_ask(("REQ", "ROUTER"), &[], &[b"ours", b""]);
}

#[test]
fn our_router_is_asked_by_their_req() {
    they_ask(("ROUTER", "REQ"), &[], &[b"theirs", b""]);
}

#[test]
fn our_dealer_asks_their_rep() {
    we_ask(("DEALER", "REP"), &[b""], &[]);
}

#[test]
fn our_rep_is_asked_by_their_dealer() {
    they_ask(("REP", "DEALER"), &[b""], &[]);
}
