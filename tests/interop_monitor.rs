//! Monitors side by side: what a libzmq socket tells of a scene, and what ours tells of the same.
//!
//! ```text
//!   a scene, played by a stream of std's
//!      ├──► PULL of libzmq ── monitor ──► CONNECT_DELAYED CONNECTED …   ┐
//!      └──► PULL of ours ──── monitor ──► Event::libzmq ──► the same?   ┘
//! ```

mod common;
mod interop;

use std::{io::Read, net::TcpListener, time::Duration};

use common::raw::{Raw, command, frame, greeting, ready};
use hubless::{Endpoint, Monitor, Pull, Reconnect};
use interop::{LIMIT, Peer, Theirs};

/// A PULL that is watched.
enum Watched<'a> {
    Theirs(Theirs<'a>),
    Ours(Pull, Monitor),
}

impl<'a> Watched<'a> {
    /// One of each, which give a handshake as long as it is said.
    fn both(peer: &'a Peer, handshake: Duration) -> [Watched<'a>; 2] {
        let ms = handshake.as_millis().to_string();
        let theirs = peer.socket("PULL", &[("HANDSHAKE_IVL", &ms), ("RECONNECT_IVL", "20")]);
        theirs.monitor();
        let soon = Reconnect::Backoff {
            min: Duration::from_millis(20),
            max: Duration::from_millis(20),
        };
        let ours = Pull::builder()
            .handshake_timeout(handshake)
            .reconnect(soon)
            .build()
            .expect("a PULL");
        let events = ours.monitor();
        [Watched::Theirs(theirs), Watched::Ours(ours, events)]
    }

    fn bind(&self) -> String {
        match self {
            Watched::Theirs(socket) => socket.bind(ANYWHERE),
            Watched::Ours(socket, _) => socket.bind(ANYWHERE).expect("to bind").to_string(),
        }
    }

    fn try_bind(&self, at: &str) {
        match self {
            Watched::Theirs(socket) => {
                socket.ask("bind_in_vain", &format!(r#""endpoint":"{at}""#));
            }
            Watched::Ours(socket, _) => {
                socket.bind(at).expect_err("it is taken");
            }
        }
    }

    fn unbind(&self, at: &str) {
        match self {
            Watched::Theirs(socket) => {
                socket.ask("unbind", &format!(r#""endpoint":"{at}""#));
            }
            Watched::Ours(socket, _) => socket.unbind(at).expect("it is bound"),
        }
    }

    fn connect(&self, at: &str) {
        match self {
            Watched::Theirs(socket) => socket.connect(at),
            Watched::Ours(socket, _) => {
                socket.connect(at).expect("to connect");
            }
        }
    }

    /// The next events, by number, with the value where it is the same for everybody.
    fn told(&self, count: usize) -> Vec<String> {
        match self {
            Watched::Theirs(socket) => {
                let events = socket.ask_within_limit("events", &format!(r#""count":{count}"#));
                let events = events.text("events");
                let number = |text: &str| text.parse().expect("a number");
                let pair = |text: &str| {
                    let (event, value) = text.split_once('=').expect("a pair");
                    word(number(event), number(value))
                };
                events.split(' ').map(pair).collect()
            }
            Watched::Ours(_, events) => {
                let mut told = Vec::new();
                while told.len() < count {
                    let event = events.recv_timeout(LIMIT).expect("an event");
                    told.extend(event.libzmq().into_iter().map(|(n, v)| word(n.into(), v)));
                }
                // Theirs lets who refused it close the connection, ours closes it at once.
                told.truncate(count);
                told
            }
        }
    }
}

const ANYWHERE: &str = "tcp://127.0.0.1:0";

/// An event in a word, for people to read.
fn word(number: u32, value: u32) -> String {
    let name = match number {
        0x0001 => "CONNECTED",
        0x0002 => "CONNECT_DELAYED",
        0x0004 => "CONNECT_RETRIED",
        0x0008 => "LISTENING",
        0x0010 => return format!("BIND_FAILED {value}"),
        0x0020 => "ACCEPTED",
        0x0080 => "CLOSED",
        0x0200 => "DISCONNECTED",
        0x0800 => "HANDSHAKE_FAILED_NO_DETAIL",
        0x1000 => "HANDSHAKE_SUCCEEDED",
        0x2000 => return format!("HANDSHAKE_FAILED_PROTOCOL {value:#x}"),
        0x4000 => return format!("HANDSHAKE_FAILED_AUTH {value}"),
        _ => return format!("{number:#x} {value}"),
    };
    name.into()
}

/// Plays a scene for each of both, and compares what they tell. What the scene gives is kept until
/// all is told.
fn compare<Kept>(
    scene: &str,
    handshake: Duration,
    expected: &[&str],
    play: impl Fn(&Watched<'_>) -> Kept,
) {
    let peer = Peer::start();
    for watched in Watched::both(&peer, handshake) {
        let _kept = play(&watched);
        let who = match watched {
            Watched::Theirs(_) => "libzmq",
            Watched::Ours(..) => "ours",
        };
        assert_eq!(watched.told(expected.len()), expected, "{scene}: {who}");
    }
}

/// Who connects says `words` and waits, or leaves at once.
fn bound(scene: &str, expected: &[&str], words: &[u8], stays: bool) {
    let expected = [&["LISTENING", "ACCEPTED"], expected].concat();
    compare(scene, LIMIT, &expected, |watched| {
        let mut raw = connected(&watched.bind());
        raw.write(words);
        stays.then_some(raw)
    });
}

/// A stream to a socket that is bound there.
fn connected(at: &str) -> Raw {
    let at: Endpoint = at.parse().expect("an endpoint");
    Raw::connect_silently(&at)
}

/// A greeting, and a first word behind it.
fn greeted(word: &[u8]) -> Vec<u8> {
    [&greeting()[..], word].concat()
}

const FAILED: &str = "HANDSHAKE_FAILED_NO_DETAIL";
const LOST: &str = "DISCONNECTED";

#[test]
fn a_peer_that_comes_and_goes() {
    let expected = ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", LOST];
    compare("comes and goes", LIMIT, &expected, |watched| {
        let mut raw = connected(&watched.bind());
        raw.write(&greeted(&ready("PUSH", b"")));
        // Their greeting, and their READY: they have heard ours.
        raw.stream.read_exact(&mut [0; 64 + 28]).expect("words");
    });
}

#[test]
fn handshakes_that_fail_at_who_is_bound() {
    bound("leaves", &[FAILED, LOST], b"", false);
    bound(
        "leaves after its greeting",
        &[FAILED, LOST],
        &greeting(),
        false,
    );
    let protocol = |scene: &str, code: &str, words: &[u8]| {
        let event = format!("HANDSHAKE_FAILED_PROTOCOL {code}");
        bound(scene, &[&event, LOST], words, true);
    };
    protocol(
        "no READY",
        "0x10000001",
        &greeted(&command("PING", b"\0\0")),
    );
    protocol("a message", "0x10000001", &greeted(&frame(0, b"too early")));
    let mut plain = greeting();
    plain[12..17].copy_from_slice(b"PLAIN");
    protocol("another mechanism", "0x11000002", &plain);
    let cut = command("ERROR", b"\x09400");
    protocol("an ERROR that is cut", "0x10000015", &greeted(&cut));

    bound("another type", &[LOST], &greeted(&ready("PUB", b"")), true);
    let cut = command("READY", b"\x0bSocket-Type\0\0\0\x09PUSH");
    bound("a READY that is cut", &[LOST], &greeted(&cut), true);
    let refusal = greeted(&command("ERROR", b"\x03400"));
    bound("refuses us", &["HANDSHAKE_FAILED_AUTH 400"], &refusal, true);
}

#[test]
fn a_handshake_that_takes_too_long() {
    let expected = ["LISTENING", "ACCEPTED", FAILED, LOST];
    compare(
        "silence",
        Duration::from_millis(100),
        &expected,
        |watched| connected(&watched.bind()),
    );
}

#[test]
fn an_endpoint_that_is_taken_and_one_that_is_given_back() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = format!("tcp://{}", taken_at(&taken));
    let in_use = format!("BIND_FAILED {}", 98);
    let expected = ["CLOSED", &*in_use, "LISTENING", "CLOSED"];
    compare("taken", LIMIT, &expected, |watched| {
        watched.try_bind(&taken);
        watched.unbind(&watched.bind());
    });
}

fn taken_at(listener: &TcpListener) -> std::net::SocketAddr {
    listener.local_addr().expect("its address")
}

#[test]
fn nobody_is_there() {
    let round = ["CONNECT_DELAYED", "CLOSED", "CONNECT_RETRIED"];
    compare("nobody", LIMIT, &[round, round].concat(), |watched| {
        watched.connect(&common::free_port());
    });
}

/// We connect to who does this; what is told after CONNECTED.
fn connecting(scene: &str, expected: &[&str], serve: impl Fn(&TcpListener) -> Option<Raw>) {
    let expected = [&["CONNECT_DELAYED", "CONNECTED"], expected].concat();
    compare(scene, LIMIT, &expected, |watched| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        watched.connect(&format!("tcp://{}", taken_at(&listener)));
        let kept = serve(&listener);
        (listener, kept)
    });
}

#[test]
fn connections_that_are_lost() {
    let again = "CONNECT_RETRIED";
    let next = ["CONNECT_DELAYED", "CONNECTED"];
    let ready = ["HANDSHAKE_SUCCEEDED", LOST, again, next[0], next[1]];
    connecting("ready, then lost", &ready, |listener| {
        drop(Raw::accept(listener, "PUSH"));
        None
    });
    let early = [FAILED, LOST, again, next[0], next[1]];
    connecting("lost before it is ready", &early, |listener| {
        drop(listener.accept().expect("it comes"));
        None
    });
}

#[test]
fn handshakes_that_fail_at_who_connects() {
    let wrong = |words: Vec<u8>| {
        move |listener: &TcpListener| {
            let (stream, _) = listener.accept().expect("it comes");
            let mut raw = Raw { stream };
            raw.write(&words);
            Some(raw)
        }
    };
    let another = greeted(&ready("PUB", b""));
    connecting("another type", &[LOST], wrong(another));
    let event = ["HANDSHAKE_FAILED_PROTOCOL 0x10000001", LOST];
    let early = greeted(&frame(0, b"too early"));
    connecting("a message", &event, wrong(early));
}
