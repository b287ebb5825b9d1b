//! Every socket type under peers that come, talk, break off and leave as chance has it.
//!
//! What must hold whatever happens: nothing panics; a peer is emptied once, after it has gone and
//! its last message was read; what one peer sent arrives once and in order; what was accepted is
//! in exactly one lane; what `can_send` and `can_recv` promise is so.

use std::collections::BTreeMap;

use super::{Nothing, Pattern, Received, Refusal, stage::Stage};
use crate::base::{
    message::Message,
    options::{Options, Verbosity},
    socket_type::SocketType::{self, *},
};

struct Chaos {
    stage: Stage,
    socket_type: SocketType,
    random: Random,
    /// By key; `None` once it has gone.
    here: Vec<Option<Here>>,
    /// By serial: the number of the next message it says, and of the next we hear.
    said: BTreeMap<u64, u64>,
    heard: BTreeMap<u64, u64>,
    /// Sends that were taken, and messages that were found in lanes of those who have gone.
    taken: u64,
    found: u64,
}

#[derive(Clone, Copy)]
struct Here {
    connecting: bool,
    ready: bool,
}

impl Chaos {
    fn new(socket_type: SocketType, seed: u64) -> Chaos {
        let mut random = Random(seed);
        let options = Options {
            send_hwm: random.below(4),
            recv_hwm: random.below(6),
            router_handover: random.chance(),
            req_correlate: random.chance(),
            xpub_verbosity: [Verbosity::First, Verbosity::All][random.below(2)],
            xpub_manual: random.chance(),
            no_drop: random.chance(),
            invert_matching: random.chance(),
            ..Options::default()
        };
        Chaos {
            stage: Stage::new(socket_type, options),
            socket_type,
            random,
            here: Vec::new(),
            said: BTreeMap::new(),
            heard: BTreeMap::new(),
            taken: 0,
            found: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(16) {
            0 => self.come(),
            1 => self.break_off(),
            2 if self.random.chance() => self.leave(),
            3 => self.come_back(),
            4..7 => self.say(),
            7 => self.listen(),
            8..11 => self.send(),
            11 => self.wish(),
            _ => {
                self.recv();
            }
        }
        // The core does as it is told.
        for key in std::mem::take(&mut self.stage.redialled) {
            self.lose(key);
        }
        for (key, _) in std::mem::take(&mut self.stage.evicted) {
            self.lose(key);
        }
    }

    fn come(&mut self) {
        if self.here.iter().flatten().count() >= 6 {
            return;
        }
        let connecting = self.random.chance();
        let key = self.stage.attach();
        if key == self.here.len() {
            self.here.push(None);
        }
        self.here[key] = Some(Here {
            connecting,
            ready: false,
        });
        if !connecting {
            self.greet(key);
        }
    }

    fn greet(&mut self, key: usize) {
        let name = ["", "", "a", "b"][self.random.below(4)];
        let ready = self.stage.ready(key, name).is_ok();
        match &mut self.here[key] {
            Some(here) if ready || here.connecting => here.ready = ready,
            _ => self.go(key),
        }
    }

    fn come_back(&mut self) {
        if let Some(key) = self.anybody(|here| here.connecting && !here.ready) {
            self.greet(key);
        }
    }

    fn break_off(&mut self) {
        if let Some(key) = self.anybody(|here| here.ready) {
            self.lose(key);
        }
    }

    /// A connection is lost: to be made anew if we made it, else for good.
    fn lose(&mut self, key: usize) {
        match self.here[key].as_mut() {
            Some(here) if !here.connecting => self.go(key),
            Some(here @ Here { ready: true, .. }) => {
                here.ready = false;
                self.stage.unready(key);
            }
            _ => {}
        }
    }

    fn leave(&mut self) {
        if let Some(key) = self.anybody(|_| true) {
            self.go(key);
        }
    }

    fn go(&mut self, key: usize) {
        self.here[key] = None;
        self.found += self.stage.peers[key].out.stats().accepted;
        self.stage.detach(key);
    }

    /// A peer sends us the next of its messages.
    fn say(&mut self) {
        let Some(key) = self.anybody(|here| here.ready) else {
            return;
        };
        if !matches!(self.socket_type, Push | Pub) {
            let serial = self.stage.peers[key].serial;
            let number = self.said.entry(serial).or_default();
            let body = format!("{serial} {number}");
            let junk = self.random.below(8) == 0;
            let message = match self.socket_type {
                Rep | Req if junk => Message::from("junk"),
                Rep | Req => Message::from(["", &body]),
                _ => Message::from(body),
            };
            let counts = message != "junk".into();
            if self.stage.give(key, message) && counts {
                *number += 1;
            }
        }
        if matches!(self.socket_type, Pub | XPub) {
            let topic = ["", "a", "b", "bc"][self.random.below(4)];
            let subscribe = self.random.chance();
            let pattern = &mut self.stage.pattern;
            let shown = pattern.handle_subscription(key, topic.as_bytes(), subscribe);
            assert!(!shown.expect("few topics") || self.stage.can_recv());
        }
    }

    /// A peer takes some of what we sent it.
    fn listen(&mut self) {
        if let Some(key) = self.anybody(|here| here.ready) {
            let count = self.random.below(4);
            (0..count).for_each(|_| drop(self.stage.next(key)));
        }
    }

    fn send(&mut self) {
        let topic = ["a", "b", "bcd", "x"][self.random.below(4)];
        let promised = self.stage.can_send();
        let shortly = self.socket_type == Req && self.random.chance() && self.ask(topic);
        let sent = match shortly {
            true => Ok(()),
            false => self.stage.send([topic, "body"]),
        };
        self.taken += u64::from(sent.is_ok());
        match self.socket_type {
            Push | Dealer | Pair | Req => assert_eq!(promised, sent.is_ok(), "{sent:?}"),
            Pub | XPub => assert!(matches!(sent, Ok(()) | Err(Refusal::Full))),
            XSub => assert_eq!(sent, Ok(())),
            Router | Stream => assert!(sent != Err(Refusal::WrongState)),
            _ => assert_eq!(sent, Err(Refusal::WrongState)),
        }
    }

    /// A REQ asks, if that can be done by the short way.
    fn ask(&mut self, topic: &str) -> bool {
        let mut message = Message::from([topic, "body"]);
        self.stage.act(|pattern, peers, effects| {
            let pushed = pattern.send_in_turn(peers, &mut message);
            effects.pushed.extend(pushed);
            pushed.is_some()
        })
    }

    /// Our application wants what only its type can do.
    fn wish(&mut self) {
        let subscribe = self.random.below(3) > 0;
        let topic = ["1", "2", ""][self.random.below(3)];
        self.stage.act(|pattern, peers, effects| {
            pattern.subscribe(topic.as_bytes(), subscribe, effects);
            pattern.abandon(peers, effects);
        });
    }

    fn recv(&mut self) -> bool {
        let promised = self.random.chance() && self.stage.can_recv();
        match self.stage.receive() {
            Ok(received) => {
                self.hear(&received);
                if let Some(route) = received.route {
                    let mut answer = received.message;
                    self.stage.act(|pattern, peers, effects| {
                        let pushed = pattern.reply(peers, &route, &mut answer);
                        effects.pushed.extend(pushed);
                    });
                }
                true
            }
            Err(nothing) => {
                assert!(!promised || nothing == Nothing::PeerLost, "{nothing:?}");
                nothing == Nothing::PeerLost
            }
        }
    }

    fn hear(&mut self, received: &Received) {
        if received.message.first().first() <= Some(&1) {
            return;
        }
        let text = received.message.as_str().expect("text");
        let (serial, number) = text.split_once(' ').expect("two numbers");
        let serial = serial.parse().expect("a serial");
        let number: u64 = number.parse().expect("a number");
        let next = self.heard.entry(serial).or_default();
        match self.socket_type {
            // These drop what they do not want.
            Sub | Req => assert!(number >= *next, "{text} after {next}"),
            _ => assert_eq!(number, *next, "{text}"),
        }
        *next = number + 1;
    }

    /// Everybody leaves, and all that is left is read.
    fn end(mut self) {
        for key in 0..self.here.len() {
            if self.here[key].is_some() {
                self.go(key);
            }
        }
        while self.recv() {}
        assert!(self.stage.peers.is_empty(), "{:?}", self.stage.peers);
        match &self.stage.pattern {
            Pattern::Push(_) | Pattern::Dealer(_) | Pattern::Pair(_) | Pattern::Req(_) => {
                assert_eq!(self.taken, self.found);
            }
            _ => {}
        }
        self.said.retain(|_, number| *number > 0);
        if !matches!(self.socket_type, Sub | Req) {
            assert_eq!(self.said, self.heard);
        }
    }

    fn anybody(&mut self, like: impl Fn(&Here) -> bool) -> Option<usize> {
        let some = |key: &usize| self.here[*key].as_ref().is_some_and(&like);
        let keys: Vec<_> = (0..self.here.len()).filter(some).collect();
        match keys.len() {
            0 => None,
            count => Some(keys[self.random.below(count)]),
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    fn chance(&mut self) -> bool {
        self.below(2) == 0
    }
}

#[test]
fn what_must_hold_whatever_happens() {
    for socket_type in SocketType::ALL {
        for seed in 1..=20 {
            println!("{socket_type:?}, seed {seed}");
            let mut chaos = Chaos::new(socket_type, seed * 0x9E37_79B9);
            (0..600).for_each(|_| chaos.step());
            chaos.end();
        }
    }
}
