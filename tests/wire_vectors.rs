//! Recorded exchanges, played against one engine.
//!
//! Each file under `tests/vectors` is a list of cases; this is all that a line can say:
//!
//! ```text
//!   case NAME                  a new connection begins
//!   we TYPE [id]               what we are
//!   option NAME NUMBER         an option, before the first octet
//!   property NAME VALUE        a property of our READY
//!   shake TYPE REVISION        greeting and READY of such a peer; ours are not looked at
//!   > OCTETS                   the peer sends
//!   < OCTETS                   we send
//!   send FRAME...              our application sends this message
//!   subscribes TOPIC           our application subscribes; "cancels" takes it back
//!   wait MS                    time passes
//!   end                        the peer sends no more
//!   ready TYPE REVISION [id]   we learn who the peer is
//!   message FRAME...           our application receives this message
//!   subscribed TOPIC           we learn what the peer wants; "cancelled" takes it back
//!   fault WHY [reason]         the connection ends
//!   still                      we have sent and learnt what was said so far, and nothing more
//! ```
//!
//! Octets are hexadecimal, `61*255` is 255 times the octet 61, `+` joins pieces, `-` is nothing.
//! Every case is played as it stands, octet by octet, and in pieces of random size into a sink
//! that takes one message at a time: the outcome must be the same.

use std::{fs, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use hubless::{
    Frame, Message, Reason, SocketType, Time,
    internals::{
        base::options::Options,
        engine::{Config, Engine, Fault, Peer, Revision, Sink, Step},
        wire::{command, encode_subscription, frame, greeting},
    },
};

/// How the peer's octets arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pieces {
    Lines,
    Octets,
    Random,
}

/// What we learn, one line each.
#[derive(Debug, Default)]
struct Told {
    lines: Vec<String>,
    room: usize,
}

impl Sink for Told {
    fn message(&mut self, message: Message) {
        self.room -= 1;
        let frames: Vec<_> = message.iter().map(|frame| hex(frame)).collect();
        self.lines.push(format!("message {}", frames.join(" ")));
    }

    fn subscribe(&mut self, topic: Bytes) {
        self.lines.push(format!("subscribed {}", hex(&topic)));
    }

    fn cancel(&mut self, topic: Bytes) {
        self.lines.push(format!("cancelled {}", hex(&topic)));
    }

    fn room(&self) -> usize {
        self.room
    }
}

struct Play {
    engine: Engine,
    now: Time,
    pieces: Pieces,
    seed: u64,
    told: Told,
    told_expected: Vec<String>,
    sent: Vec<u8>,
    sent_expected: Vec<u8>,
}

impl Play {
    fn new(config: Config, pieces: Pieces) -> Play {
        let mut play = Play {
            engine: Engine::new(Arc::new(config), Time::START),
            now: Time::START,
            pieces,
            seed: 0x5eed,
            told: Told::default(),
            told_expected: Vec::new(),
            sent: Vec::new(),
            sent_expected: Vec::new(),
        };
        play.engine.poll_output(&mut play.sent);
        play
    }

    fn say(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let piece = match self.pieces {
                Pieces::Lines => rest.len(),
                // A million single octets teach nothing that a thousand did not.
                Pieces::Octets => 1 + rest.len() / 1000,
                Pieces::Random => 1 + (random(&mut self.seed) % 30_000) as usize,
            };
            let (piece, others) = rest.split_at(piece.min(rest.len()));
            rest = others;
            if !self.hear(piece) {
                return;
            }
        }
    }

    /// `false` once the connection has ended.
    fn hear(&mut self, mut input: &[u8]) -> bool {
        loop {
            self.told.room = match self.pieces {
                Pieces::Random => 1,
                _ => usize::MAX,
            };
            let done = self.engine.handle_input(self.now, input, &mut self.told);
            self.engine.poll_output(&mut self.sent);
            let (taken, step) = match done {
                Ok(done) => done,
                Err(fault) => {
                    self.fail(&fault);
                    return false;
                }
            };
            input = &input[taken..];
            match step {
                Step::Drained => {
                    assert!(input.is_empty(), "drained, but octets are left");
                    return true;
                }
                Step::Ready(peer) => self.told.lines.push(ready(&peer)),
                Step::Asks(request) => panic!("nobody is asked here: {request:?}"),
                Step::Full => assert_eq!(self.told.room, 0, "full, but there is room"),
            }
        }
    }

    fn wait(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(due) = self.engine.poll_timeout().filter(|&due| due <= end) {
            self.now = due;
            if let Err(fault) = self.engine.handle_timeout(self.now) {
                self.fail(&fault);
                return;
            }
            self.engine.poll_output(&mut self.sent);
        }
        self.now = end;
    }

    fn fail(&mut self, fault: &Fault) {
        let why = match &fault.reason {
            Reason::Protocol(error) => format!("{error:?}"),
            Reason::Refused(reason) => format!("Refused {}", hex(reason)),
            reason => format!("{reason:?}"),
        };
        self.told.lines.push(format!("fault {why}"));
        self.engine.poll_output(&mut self.sent);
    }

    fn compare(&self, place: &str) {
        assert_eq!(
            self.told.lines, self.told_expected,
            "{place}: what we learn"
        );
        assert_eq!(
            self.sent.escape_ascii().to_string(),
            self.sent_expected.escape_ascii().to_string(),
            "{place}: what we send"
        );
    }

    fn run(&mut self, word: &str, arguments: &[&str], place: &str) {
        let revision = || self.engine.revision().expect("sends when ready");
        match word {
            ">" => self.say(&all(arguments)),
            "<" => self.sent_expected.extend(all(arguments)),
            "shake" => {
                let mut octets = greeting::encode(b"").to_vec();
                octets[11] = arguments[1]
                    .strip_prefix("3.")
                    .expect("3.x")
                    .parse()
                    .expect("minor");
                let socket_type = [("Socket-Type", arguments[0].as_bytes())];
                command::encode_ready(socket_type, &mut octets);
                self.say(&octets);
                let line = format!("ready {}", arguments.join(" "));
                assert_eq!(self.told.lines, [line], "{place}");
                self.told.lines.clear();
                self.sent.clear();
            }
            "send" => {
                let message: Message = arguments.iter().map(|it| Frame::from(octets(it))).collect();
                frame::encode(message.frames(), &mut self.sent);
            }
            "subscribes" | "cancels" => {
                let topic = octets(arguments[0]);
                encode_subscription(revision(), word == "subscribes", &topic, &mut self.sent);
            }
            "wait" => self.wait(arguments[0].parse().expect("milliseconds")),
            "end" => {
                let fault = self.engine.handle_end();
                self.fail(&fault);
                self.told_expected.push("fault PeerClosed".into());
            }
            "message" | "subscribed" | "cancelled" => {
                let words: Vec<_> = arguments.iter().map(|it| hex(&octets(it))).collect();
                self.told_expected
                    .push(format!("{word} {}", words.join(" ")));
            }
            "ready" | "fault" => {
                self.told_expected
                    .push(format!("{word} {}", arguments.join(" ")));
                if word == "fault" {
                    self.compare(place);
                }
            }
            "still" => self.compare(place),
            _ => panic!("{place}: no such word: {word}"),
        }
    }
}

fn ready(peer: &Peer) -> String {
    let revision = match peer.revision {
        Revision::V2_0 => "2.0",
        Revision::V3_0 => "3.0",
        Revision::V3_1 => "3.1",
    };
    let mut line = format!("ready {} {revision}", peer.socket_type);
    if !peer.identity.is_empty() {
        // As the files write it, runs and all.
        let same = peer.identity.iter().all(|octet| octet == &peer.identity[0]);
        line += &match peer.identity.len() {
            length if same && length >= 20 => format!(" {}*{length}", hex(&peer.identity[..1])),
            _ => format!(" {}", hex(&peer.identity)),
        };
    }
    line
}

fn all(pieces: &[&str]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| octets(piece)).collect()
}

fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for piece in text.split('+').filter(|&piece| piece != "-") {
        let (hex, times) = piece.split_once('*').unwrap_or((piece, "1"));
        assert!(hex.len() % 2 == 0, "half an octet: {hex}");
        let pairs = hex.as_bytes().chunks(2);
        let pairs = pairs.map(|pair| std::str::from_utf8(pair).expect("ASCII"));
        let run: Vec<u8> = pairs
            .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
            .collect();
        octets.extend(run.repeat(times.parse().expect("a number")));
    }
    octets
}

fn hex(octets: &[u8]) -> String {
    match octets.is_empty() {
        true => "-".into(),
        false => octets.iter().map(|octet| format!("{octet:02x}")).collect(),
    }
}

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn configure(config: &mut Config, word: &str, arguments: &[&str]) -> bool {
    match (word, arguments) {
        ("we", [name, identity @ ..]) => {
            config.socket_type = SocketType::from_name(name.as_bytes()).expect("a type");
            config.identity = all(identity).into();
        }
        ("property", [name, value]) => {
            let value = octets(value).into();
            config.properties.push(((*name).to_owned(), value));
        }
        ("option", [name, number]) => {
            let number: u64 = number.parse().expect("a number");
            let wait = Some(Duration::from_millis(number));
            match *name {
                "heartbeat_interval_ms" => config.heartbeat_interval = wait,
                "heartbeat_timeout_ms" => config.heartbeat_timeout = wait,
                "heartbeat_ttl_ms" => config.heartbeat_ttl = wait,
                "handshake_ms" => config.handshake_timeout = wait,
                "message_octets_max" => config.message_octets_max = number,
                _ => panic!("no such option: {name}"),
            }
        }
        _ => return false,
    }
    true
}

/// Plays all cases of a file; gives how many there are.
fn play(name: &str, text: &str, pieces: Pieces) -> usize {
    let mut cases = 0;
    let mut case = String::new();
    let mut config = None;
    let mut play: Option<Play> = None;
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let Some(word) = words.next().filter(|&word| word != "#") else {
            continue;
        };
        let arguments: Vec<_> = words.collect();
        let place = format!("{name}:{}, {case}, {pieces:?}", number + 1);
        if word == "case" {
            if let Some(play) = play.take() {
                play.compare(&place);
            }
            cases += 1;
            case = arguments.join(" ");
            config = Some(Config {
                handshake_timeout: None,
                ..Config::from_options(SocketType::Pair, &Options::default())
            });
            continue;
        }
        if let Some(config) = &mut config {
            if configure(config, word, &arguments) {
                continue;
            }
        }
        if let Some(config) = config.take() {
            play = Some(Play::new(config, pieces));
        }
        let play = play.as_mut().expect("a case begins with its name");
        play.run(word, &arguments, &place);
    }
    let play = play.expect("at least one case");
    play.compare(&format!("{name}, {case}, {pieces:?}"));
    cases
}

fn play_file(name: &str, cases: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/{name}.txt"));
    let text = fs::read_to_string(path).expect("the file is there");
    for pieces in [Pieces::Lines, Pieces::Octets, Pieces::Random] {
        assert_eq!(play(name, &text, pieces), cases, "cases in {name}");
    }
}

macro_rules! files {
    ($($name:ident: $cases:literal,)*) => {
        $(#[test]
        fn $name() {
            play_file(stringify!($name), $cases);
        })*

        #[test]
        fn every_file_is_played() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
            for file in fs::read_dir(folder).expect("the folder is there") {
                let name = file.expect("readable").file_name();
                let name = name.to_str().expect("UTF-8").trim_end_matches(".txt").to_owned();
                assert!([$(stringify!($name)),*].contains(&&*name), "{name} is not played");
            }
        }
    };
}

files! {
    correlate: 2,
    frame_sizes: 2,
    greeting: 16,
    heartbeat: 17,
    multipart: 2,
    null: 28,
    odd_handshakes: 37,
    odd_traffic: 24,
    probe: 2,
    properties: 2,
    revision_2_0: 12,
    routing_ids: 8,
    subscriptions: 9,
    subscriptions_by_revision: 3,
    welcome: 2,
}

#[test]
fn a_wrong_octet_or_line_is_noticed() {
    let good = "case one\nwe PULL\nshake PUSH 3.1\n> 00 01 61\nmessage 61\nstill\n";
    assert_eq!(play("good", good, Pieces::Lines), 1);
    for (from, to) in [
        ("message 61", "message 62"),
        ("message 61\n", ""),
        ("still", "< 00\nstill"),
        ("still", "fault PeerClosed"),
        ("shake PUSH", "shake PULL"),
        ("00 01 61", "02 01 61"),
    ] {
        let bad = good.replace(from, to);
        let noticed = std::panic::catch_unwind(|| play("bad", &bad, Pieces::Lines));
        assert!(noticed.is_err(), "{from} -> {to}");
    }
}
