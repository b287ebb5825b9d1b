//! Subscriptions added and cancelled while traffic flows, with libzmq on the other side.
//!
//! A publisher sends round after round: one message of each topic, with the round's number. A
//! subscriber changes its mind a few times, last of all by a marker, then watches the rounds:
//!
//! ```text
//!   changes:            +a -b -!0 +!1
//!   round 7  !0   b c   what was wanted all the time must come, what never was must not;
//!   round 8       b c
//!   round 9  !1 a   c   from the first round with the marker on, all are exactly as wanted
//! ```
//!
//! No round may be missing: the publisher waits at its mark, and subscriptions that come and go
//! must not cost those that stay a message. An XPUB is told of each change, once and in order.

mod interop;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hubless::{Endpoint, Error, Pub, RecvError, SendError, Sub, XPub};
use interop::{LIMIT, Peer, Scratch, Theirs, hex, hex_list, number};

/// In the order in which they are sent. Some are prefixes of others; the last ends a round and is
/// always subscribed to; the first two are the markers.
const TOPICS: [&str; 9] = ["!0", "!1", "a", "ab", "abc", "b", "bb", "c", "~"];

/// What is subscribed to and cancelled at random.
const PREFIXES: [&str; 6] = ["a", "ab", "abc", "b", "bb", "c"];

/// Times that the subscriber changes its mind.
const STEPS: usize = 40;

/// Rounds that must be right before it does so again.
const ROUNDS: usize = 5;

/// Queues are short and messages fill the buffers, so that little stands between a change and what
/// shows it.
const HWM: usize = 50;
const BUFFER_OCTETS: usize = 65_536;
const BODY_OCTETS: usize = 1000;

/// What a publisher waits for room before it looks whether it shall stop.
const MOMENT: Duration = Duration::from_millis(50);

/// A subscriber's wishes: how often it has subscribed to each prefix.
#[derive(Default)]
struct Wishes {
    counts: BTreeMap<&'static str, usize>,
    /// What an XPUB must be told, all in all.
    told: Vec<Vec<u8>>,
}

/// One change.
#[derive(Clone, Copy, Debug)]
struct Change {
    subscribe: bool,
    prefix: &'static str,
}

impl Wishes {
    fn note(&mut self, change: Change) {
        let count = self.counts.entry(change.prefix).or_default();
        let told = if change.subscribe {
            *count += 1;
            *count == 1
        } else {
            *count -= 1;
            *count == 0
        };
        if told {
            let first = [u8::from(change.subscribe)];
            self.told.push([&first, change.prefix.as_bytes()].concat());
        }
    }

    /// The topics that match, in order.
    fn topics(&self) -> Vec<&'static str> {
        let wanted = |topic: &&str| {
            let wishes = self.counts.iter().filter(|(_, count)| **count > 0);
            wishes.clone().any(|(prefix, _)| topic.starts_with(prefix))
        };
        TOPICS.into_iter().filter(wanted).collect()
    }
}

/// What rounds may look like after some changes.
#[derive(Debug)]
struct Rounds {
    /// Wanted before, after, and all the time between.
    always: Vec<&'static str>,
    /// Wanted at any time.
    ever: Vec<&'static str>,
    /// Wanted now, if the marker is there.
    wanted: Vec<&'static str>,
    /// What was subscribed to behind all other changes.
    marker: &'static str,
}

/// Changes its mind again and again: `change` makes one change, `watch` then sees that the rounds
/// are right. Gives what an XPUB must have been told.
fn change_often(change: impl Fn(Change), mut watch: impl FnMut(&Rounds)) -> Vec<Vec<u8>> {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    println!("random numbers from {random:#x}");
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % limit as u64) as usize
    };
    let mut wishes = Wishes::default();
    let make = |wishes: &mut Wishes, subscribe, prefix| {
        let next = Change { subscribe, prefix };
        wishes.note(next);
        change(next);
    };
    // What is wanted before there is a connection is told in any order: begin with one thing.
    make(&mut wishes, true, "~");
    watch(&Rounds {
        always: vec!["~"],
        ever: vec!["~"],
        wanted: vec!["~"],
        marker: "~",
    });
    make(&mut wishes, true, "!1");
    for step in 0..STEPS {
        let held = |prefix: &&'static str| wishes.counts.get(prefix).is_some_and(|n| *n > 0);
        let mut held: Vec<_> = PREFIXES.into_iter().filter(held).collect();
        let mut changes: Vec<_> = (0..=below(3))
            .map(|_| {
                let cancels = !held.is_empty() && below(2) == 0;
                let prefix = if cancels {
                    held.swap_remove(below(held.len()))
                } else {
                    PREFIXES[below(PREFIXES.len())]
                };
                Change {
                    subscribe: !cancels,
                    prefix,
                }
            })
            .collect();
        let (marker, former) = (TOPICS[step % 2], TOPICS[(step + 1) % 2]);
        changes.push(Change {
            subscribe: false,
            prefix: former,
        });
        changes.push(Change {
            subscribe: true,
            prefix: marker,
        });
        println!("step {step}: {changes:?}");
        let mut rounds = Rounds {
            always: wishes.topics(),
            ever: wishes.topics(),
            wanted: Vec::new(),
            marker,
        };
        for next in changes {
            make(&mut wishes, next.subscribe, next.prefix);
            let topics = wishes.topics();
            rounds.always.retain(|topic| topics.contains(topic));
            rounds.ever.extend(topics);
        }
        rounds.wanted = wishes.topics();
        watch(&rounds);
    }
    wishes.told
}

/// Watches rounds as a SUB of ours.
fn watch(sub: &Sub, last: &mut Option<u64>, rounds: &Rounds) {
    let (mut right, began) = (0, Instant::now());
    while right < ROUNDS {
        assert!(began.elapsed() < LIMIT, "{rounds:?} did not come");
        let mut topics = Vec::new();
        let mut round = None;
        while topics.last().is_none_or(|last| last != "~") {
            let message = sub.recv_timeout(LIMIT).expect("a topic");
            topics.push(message[0].as_str().expect("text").to_owned());
            let (body, _) = message[1].split_first_chunk().expect("a number");
            let number = u64::from_be_bytes(*body);
            assert!(round.is_none_or(|round| round == number), "{topics:?}");
            round = Some(number);
        }
        assert!(
            last.is_none_or(|last| round == Some(last + 1)),
            "{round:?} after {last:?}"
        );
        *last = round;
        let came = |topic: &&str| topics.iter().any(|t| t == topic);
        let strange = topics
            .iter()
            .find(|topic| !rounds.ever.contains(&topic.as_str()));
        assert!(
            rounds.always.iter().all(came) && strange.is_none(),
            "{rounds:?}: came {topics:?}"
        );
        if right > 0 || came(&rounds.marker) {
            assert_eq!(topics, rounds.wanted, "{right} rounds after the first");
            right += 1;
        }
    }
}

/// Our SUB changes its mind, their publisher hears of it.
fn we_subscribe(kind: &str) {
    let (peer, scratch) = (Peer::start(), Scratch::new());
    for endpoint in scratch.endpoints("rounds") {
        for we_bind in [true, false] {
            println!("their {kind}, we bind: {we_bind}, at {endpoint}");
            let theirs = peer.socket(
                kind,
                &[
                    ("XPUB_NODROP", "1"),
                    ("SNDHWM", &HWM.to_string()),
                    ("SNDBUF", &BUFFER_OCTETS.to_string()),
                ],
            );
            let sub = Sub::builder()
                .recv_hwm(HWM)
                .recv_buffer(BUFFER_OCTETS)
                .build()
                .expect("a socket");
            if we_bind {
                theirs.connect(&sub.bind(&endpoint).expect("to bind").to_string());
            } else {
                sub.connect(theirs.bind(&endpoint)).expect("to connect");
            }
            let topics = hex_list(&TOPICS);
            let arguments = format!(r#""topics":{topics},"octets":{BODY_OCTETS}"#);
            theirs.ask("begin_rounds", &arguments);
            let mut last = None;
            let told = change_often(
                |change| {
                    if change.subscribe {
                        sub.subscribe(change.prefix).expect("to subscribe");
                    } else {
                        sub.unsubscribe(change.prefix).expect("to cancel");
                    }
                },
                |rounds| watch(&sub, &mut last, rounds),
            );
            let ended = theirs.ask("end_rounds", "");
            if kind == "XPUB" {
                assert_eq!(ended.frames().expect("a list"), told);
            }
            theirs.close(0);
        }
    }
}

/// A publisher of ours.
enum Publisher {
    Pub(Pub),
    XPub(XPub),
}

impl Publisher {
    /// Sends, if there is room within a moment.
    fn try_send(&self, topic: &str, round: u64) -> bool {
        let mut body = number(round).to_vec();
        body.resize(BODY_OCTETS, 0);
        let message = (topic.as_bytes(), body);
        let sent = match self {
            Publisher::Pub(publisher) => publisher.send_timeout(message, MOMENT),
            Publisher::XPub(publisher) => publisher.send_timeout(message, MOMENT),
        };
        match sent {
            Ok(()) => true,
            Err(SendError::TimedOut(_)) => false,
            Err(refused) => panic!("{refused}"),
        }
    }

    /// What an XPUB is told.
    fn told(&self) -> Option<Vec<u8>> {
        match self {
            Publisher::Pub(_) => None,
            Publisher::XPub(publisher) => match publisher.try_recv() {
                Ok(told) => Some(told[0].to_vec()),
                Err(RecvError::Empty) => None,
                Err(error) => panic!("{error}"),
            },
        }
    }

    /// Sends rounds until it is stopped; gives what it was told.
    fn send_rounds(&self, stopped: &AtomicBool) -> Vec<Vec<u8>> {
        let mut told = Vec::new();
        for round in 0.. {
            for topic in TOPICS {
                while !self.try_send(topic, round) && !stopped.load(Ordering::Relaxed) {}
            }
            told.extend(std::iter::from_fn(|| self.told()));
            if stopped.load(Ordering::Relaxed) {
                break;
            }
        }
        told
    }
}

/// Stops a publisher, also when the test has failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Watches rounds as their SUB.
fn let_watch(theirs: &Theirs<'_>, rounds: &Rounds) {
    let arguments = format!(
        r#""last_topic":{},"marker":{},"always":{},"ever":{},"wanted":{},"exact":{ROUNDS}"#,
        hex(b"~"),
        hex(rounds.marker.as_bytes()),
        hex_list(&rounds.always),
        hex_list(&rounds.ever),
        hex_list(&rounds.wanted),
    );
    theirs.ask_within_limit("recv_rounds", &arguments);
}

/// Their SUB changes its mind, our publisher hears of it. Told is an XPUB only.
fn they_subscribe(is_told: bool, publisher: impl Fn() -> Publisher) {
    let (peer, scratch) = (Peer::start(), Scratch::new());
    for endpoint in scratch.endpoints("rounds") {
        for we_bind in [true, false] {
            println!("their SUB, we bind: {we_bind}, at {endpoint}");
            let options = [
                ("RCVHWM", &*HWM.to_string()),
                ("RCVBUF", &BUFFER_OCTETS.to_string()),
            ];
            let theirs = peer.socket("SUB", &options);
            let publisher = publisher();
            match (&publisher, we_bind) {
                (Publisher::Pub(ours), true) => theirs.connect(&bound(ours.bind(&endpoint))),
                (Publisher::XPub(ours), true) => theirs.connect(&bound(ours.bind(&endpoint))),
                (Publisher::Pub(ours), false) => {
                    ours.connect(theirs.bind(&endpoint)).expect("to connect");
                }
                (Publisher::XPub(ours), false) => {
                    ours.connect(theirs.bind(&endpoint)).expect("to connect");
                }
            }
            let stopped = AtomicBool::new(false);
            let (told, heard) = thread::scope(|scope| {
                let sender = scope.spawn(|| publisher.send_rounds(&stopped));
                let stop = Stop(&stopped);
                let told = change_often(
                    |change| {
                        if change.subscribe {
                            theirs.subscribe(change.prefix.as_bytes());
                        } else {
                            theirs.unsubscribe(change.prefix.as_bytes());
                        }
                    },
                    |rounds| let_watch(&theirs, rounds),
                );
                drop(stop);
                (told, sender.join().expect("a publisher without a fault"))
            });
            if is_told {
                assert_eq!(heard, told);
            }
            drop(publisher);
            theirs.close(0);
        }
    }
}

fn bound(bound: Result<Endpoint, Error>) -> String {
    bound.expect("to bind").to_string()
}

#[test]
fn our_sub_at_their_pub() {
    we_subscribe("PUB");
}

#[test]
fn our_sub_at_their_xpub() {
    we_subscribe("XPUB");
}

#[test]
fn their_sub_at_our_pub() {
    they_subscribe(false, || {
        let publisher = Pub::builder().no_drop(true).send_hwm(HWM);
        let publisher = publisher.send_buffer(BUFFER_OCTETS).build();
        Publisher::Pub(publisher.expect("a socket"))
    });
}

#[test]
fn their_sub_at_our_xpub() {
    they_subscribe(true, || {
        let publisher = XPub::builder().no_drop(true).send_hwm(HWM);
        let publisher = publisher.send_buffer(BUFFER_OCTETS).build();
        Publisher::XPub(publisher.expect("a socket"))
    });
}
