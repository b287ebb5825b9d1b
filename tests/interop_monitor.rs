//! Monitors side by side: what a libzmq socket tells of a scene, and what ours tells of the same.
//!
//! ```text
//!   a scene, played by a stream of std's
//!      ├──► PULL of libzmq ── monitor ──► CONNECT_DELAYED CONNECTED …   ┐
//!      └──► PULL of ours ──── monitor ──► Event::libzmq ──► the same?   ┘
//! ```

mod common;
mod interop;

use std::{
    cell::RefCell,
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    thread,
};

use common::raw::{Raw, command, frame, greeting, ready};
use hubless::{
    Context, Endpoint, Monitor, Pull, Rep,
    internals::{
        base::options::Options,
        reactor::metal::{Address, Metal},
        transport::MioMetal,
    },
};
use interop::{LIMIT, Peer, Theirs};

/// A PULL that is watched.
enum Watched<'a> {
    Theirs(Theirs<'a>),
    /// With what was told beyond what was asked for.
    Ours(Pull, Monitor, RefCell<Vec<String>>),
}

impl<'a> Watched<'a> {
    /// One of each, which are told the same: options of libzmq's, by name.
    fn both(peer: &'a Peer, options: &[(&str, i32)]) -> [Watched<'a>; 2] {
        Watched::both_in(&Context::new(), peer, options)
    }

    /// As `both`, ours in this context.
    fn both_in(context: &Context, peer: &'a Peer, options: &[(&str, i32)]) -> [Watched<'a>; 2] {
        let all = [&[("RECONNECT_IVL", 20), ("RECONNECT_IVL_MAX", 0)], options].concat();
        let texts: Vec<_> = all.iter().map(|(k, v)| (*k, v.to_string())).collect();
        let texts: Vec<_> = texts.iter().map(|(k, v)| (*k, &**v)).collect();
        let theirs = peer.socket("PULL", &texts);
        theirs.monitor();
        let ours = Pull::builder().context(context).build().expect("a PULL");
        for (name, value) in all {
            ours.set_option(name, value).expect(name);
        }
        let events = ours.monitor();
        [
            Watched::Theirs(theirs),
            Watched::Ours(ours, events, RefCell::default()),
        ]
    }

    fn bind(&self) -> String {
        self.bind_to(ANYWHERE)
    }

    fn bind_to(&self, at: &str) -> String {
        match self {
            Watched::Theirs(socket) => socket.bind(at),
            Watched::Ours(socket, ..) => socket.bind(at).expect("to bind").to_string(),
        }
    }

    fn try_bind(&self, at: &str) {
        match self {
            Watched::Theirs(socket) => {
                socket.ask("bind_in_vain", &format!(r#""endpoint":"{at}""#));
            }
            Watched::Ours(socket, ..) => {
                socket.bind(at).expect_err("it is taken");
            }
        }
    }

    fn unbind(&self, at: &str) {
        match self {
            Watched::Theirs(socket) => {
                socket.ask("unbind", &format!(r#""endpoint":"{at}""#));
            }
            Watched::Ours(socket, ..) => socket.unbind(at).expect("it is bound"),
        }
    }

    fn disconnect(&self, at: &str) {
        match self {
            Watched::Theirs(socket) => {
                socket.ask("disconnect", &format!(r#""endpoint":"{at}""#));
            }
            Watched::Ours(socket, ..) => socket.disconnect(at).expect("it is connected"),
        }
    }

    fn connect(&self, at: &str) {
        match self {
            Watched::Theirs(socket) => socket.connect(at),
            Watched::Ours(socket, ..) => {
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
            Watched::Ours(_, events, beyond) => {
                let mut told = beyond.take();
                while told.len() < count {
                    let event = events.recv_timeout(LIMIT).expect("an event");
                    told.extend(event.libzmq().into_iter().map(|(n, v)| word(n.into(), v)));
                }
                // Theirs lets who refused it close the connection, ours closes it at once.
                *beyond.borrow_mut() = told.split_off(count);
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
        0x0040 => "ACCEPT_FAILED",
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
    options: &[(&str, i32)],
    expected: &[&str],
    play: impl Fn(&Watched<'_>) -> Kept,
) {
    let peer = Peer::start();
    for watched in Watched::both(&peer, options) {
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
    compare(scene, &[], &expected, |watched| {
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
    compare("comes and goes", &[], &expected, |watched| {
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
    compare("silence", &[("HANDSHAKE_IVL", 100)], &expected, |watched| {
        connected(&watched.bind())
    });
}

#[test]
fn an_endpoint_that_is_taken_and_one_that_is_given_back() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = format!("tcp://{}", taken_at(&taken));
    let in_use = format!("BIND_FAILED {}", 98);
    let expected = ["CLOSED", &*in_use, "LISTENING", "CLOSED"];
    compare("taken", &[], &expected, |watched| {
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
    compare("nobody", &[], &[round, round].concat(), |watched| {
        watched.connect(&common::free_port());
    });
}

/// We connect to who does this; what is told after CONNECTED.
fn connecting(scene: &str, expected: &[&str], serve: impl Fn(&TcpListener) -> Option<Raw>) {
    connecting_with(scene, &[], expected, serve);
}

/// As `connecting`, with these options.
fn connecting_with(
    scene: &str,
    options: &[(&str, i32)],
    expected: &[&str],
    serve: impl Fn(&TcpListener) -> Option<Raw>,
) {
    let expected = [&["CONNECT_DELAYED", "CONNECTED"], expected].concat();
    compare(scene, options, &expected, |watched| {
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

const HEARTBEATS: &[(&str, i32)] = &[("HEARTBEAT_IVL", 50), ("HEARTBEAT_TIMEOUT", 50)];

#[test]
fn peers_that_fall_silent() {
    let expected = ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", LOST];
    compare("a silent client", HEARTBEATS, &expected, |watched| {
        let at: Endpoint = watched.bind().parse().expect("an endpoint");
        Raw::connect(&at, "PUSH")
    });
    let expected = [
        "HANDSHAKE_SUCCEEDED",
        LOST,
        "CONNECT_RETRIED",
        "CONNECT_DELAYED",
    ];
    connecting_with("a silent server", HEARTBEATS, &expected, |listener| {
        Some(Raw::accept(listener, "PUSH"))
    });
    let late = [("HANDSHAKE_IVL", 100)];
    let expected = [FAILED, LOST, "CONNECT_RETRIED", "CONNECT_DELAYED"];
    connecting_with("a server that never speaks", &late, &expected, |listener| {
        let (stream, _) = listener.accept().expect("it comes");
        Some(Raw { stream })
    });
}

#[test]
fn peers_that_break_the_rules_once_they_are_ready() {
    let expected = ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", LOST];
    for (scene, words) in [
        ("larger than anything", [&[2][..], &[0xff; 8]].concat()),
        ("too large", frame(0, &[b'x'; 101])),
    ] {
        compare(scene, &[("MAXMSGSIZE", 100)], &expected, |watched| {
            let at: Endpoint = watched.bind().parse().expect("an endpoint");
            let mut raw = Raw::connect(&at, "PUSH");
            raw.write(&words);
            raw
        });
    }
}

#[test]
fn endpoints_that_are_not_tried_again() {
    let never = [("RECONNECT_IVL", -1)];
    // What comes after is of another endpoint: nothing more was told of the first.
    let gone = ["CONNECT_DELAYED", "CLOSED"];
    let peer = Peer::start();
    for watched in Watched::both(&peer, &never) {
        watched.connect(&common::free_port());
        assert_eq!(watched.told(2), gone);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        watched.connect(&format!("tcp://{}", taken_at(&listener)));
        drop(Raw::accept(&listener, "PUSH"));
        let next = ["CONNECT_DELAYED", "CONNECTED", "HANDSHAKE_SUCCEEDED", LOST];
        assert_eq!(watched.told(4), next);
        watched.bind();
        assert_eq!(watched.told(1), ["LISTENING"]);
    }
}

#[test]
fn a_name_that_nobody_has() {
    // Nothing is opened, so nothing is closed.
    let expected = ["CONNECT_RETRIED"; 3];
    compare("no such name", &[], &expected, |watched| {
        watched.connect("tcp://no-such-host.invalid:9");
    });
}

#[test]
fn an_attempt_that_takes_too_long() {
    // A listener whose backlog is full answers nobody.
    let options = Options {
        backlog: 1,
        ..Options::default()
    };
    let nowhere = "127.0.0.1:0".parse().expect("an address");
    let metal = MioMetal::new();
    let full = metal
        .listen(&Address::Tcp(nowhere), &options)
        .expect("to listen");
    let Address::Tcp(at) = full.local() else {
        panic!("it is TCP");
    };
    let begin = |_| {
        metal
            .connect(&Address::Tcp(at), None, &options)
            .expect("under way")
    };
    let _crowd: Vec<_> = (0..8).map(begin).collect();
    let round = ["CONNECT_DELAYED", "CLOSED", "CONNECT_RETRIED"];
    let limit = [("CONNECT_TIMEOUT", 100)];
    compare("no answer", &limit, &[round, round].concat(), |watched| {
        watched.connect(&format!("tcp://{at}"));
    });
}

#[test]
fn connections_that_are_ended_here() {
    // Neither an unbind nor a disconnect tells of the connections that it ends.
    let peer = Peer::start();
    for watched in Watched::both(&peer, &[]) {
        let at = watched.bind();
        let endpoint: Endpoint = at.parse().expect("an endpoint");
        let _raw = Raw::connect(&endpoint, "PUSH");
        let ready = ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED"];
        assert_eq!(watched.told(3), ready);
        watched.unbind(&at);
        assert_eq!(watched.told(1), ["CLOSED"]);

        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = format!("tcp://{}", taken_at(&listener));
        watched.connect(&at);
        let mut raw = Raw::accept(&listener, "PUSH");
        let ready = ["CONNECT_DELAYED", "CONNECTED", "HANDSHAKE_SUCCEEDED"];
        assert_eq!(watched.told(3), ready);
        watched.disconnect(&at);
        raw.read_to_end();
        watched.bind();
        assert_eq!(watched.told(1), ["LISTENING"]);
    }
}

#[test]
fn the_same_over_unix_domain_sockets() {
    let round = ["CLOSED", "CONNECT_RETRIED"];
    compare("nobody", &[], &[round, round].concat(), |watched| {
        watched.connect(&format!("ipc://{}", common::fresh_path().display()));
    });
    let expected = ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", LOST];
    compare("comes and goes", &[], &expected, |watched| {
        let path = common::fresh_path();
        watched.bind_to(&format!("ipc://{}", path.display()));
        let mut stream = UnixStream::connect(&path).expect("to connect");
        let words = greeted(&ready("PUSH", b""));
        stream.write_all(&words).expect("to write");
        stream.read_exact(&mut [0; 64 + 28]).expect("words");
    });
}

#[test]
fn within_the_process_nothing_is_told() {
    let peer = Peer::start();
    for watched in Watched::both(&peer, &[]) {
        watched.bind_to(&common::inproc());
        watched.connect(&common::inproc());
        watched.bind();
        assert_eq!(watched.told(1), ["LISTENING"]);
    }
}

/// A client shows a name and a password, and whoever is asked gives `reply`; what is told after
/// ACCEPTED.
fn asked(scene: &str, reply: Option<[&str; 6]>, expected: &[&str]) {
    let expected = [&["LISTENING", "ACCEPTED"], expected].concat();
    let (peer, context) = (Peer::start(), Context::new());
    if let Some(reply) = reply {
        let frames = interop::hex_list(&reply);
        let command = format!(r#"{{"do":"answer_zap","reply":{frames}}}"#);
        peer.begin(&command).get();
        let handler = Rep::builder().context(&context).build().expect("a REP");
        handler.bind("inproc://zeromq.zap.01").expect("to bind");
        let reply = reply.map(String::from);
        // It waits until the program ends.
        thread::spawn(move || {
            while let Ok((_, responder)) = handler.recv() {
                responder.reply(reply.to_vec());
            }
        });
    }
    for watched in Watched::both_in(&context, &peer, &[("PLAIN_SERVER", 1)]) {
        let mut raw = connected(&watched.bind());
        let mut plain = greeting();
        plain[12..17].copy_from_slice(b"PLAIN");
        raw.write(&plain);
        raw.write(&command("HELLO", b"\x03joe\x0bopen sesame"));
        let told = match reply.map(|reply| reply[2]) {
            // It is said why, and heard before this side leaves.
            Some("400" | "500") => {
                raw.stream.read_exact(&mut [0; 64]).expect("a greeting");
                raw.read().expect("an ERROR");
                0
            }
            _ => {
                assert_eq!(watched.told(3), expected[..3], "{scene}");
                3
            }
        };
        drop(raw);
        let rest = &expected[told..];
        assert_eq!(watched.told(rest.len()), rest, "{scene}");
    }
}

#[test]
fn those_who_are_asked_refuse() {
    let refused = |status| ["1.0", "1", status, "no", "", ""];
    for (status, event) in [
        ("300", "HANDSHAKE_FAILED_AUTH 300"),
        ("400", "HANDSHAKE_FAILED_AUTH 400"),
        ("500", "HANDSHAKE_FAILED_AUTH 500"),
    ] {
        asked(status, Some(refused(status)), &[event, LOST]);
    }
}

#[test]
fn those_who_are_asked_talk_nonsense() {
    let nonsense = |code: u32, reply: [&'static str; 6]| {
        let event = format!("HANDSHAKE_FAILED_PROTOCOL {:#x}", 0x2000_0000 + code);
        asked(&event, Some(reply), &[&event, LOST]);
    };
    nonsense(2, ["1.0", "7", "200", "OK", "joe", ""]);
    nonsense(3, ["9.9", "1", "200", "OK", "joe", ""]);
    nonsense(4, ["1.0", "1", "999", "OK", "joe", ""]);
    nonsense(5, ["1.0", "1", "200", "OK", "joe", "\x05abc"]);
}

#[test]
fn nobody_is_there_to_be_asked() {
    asked("nobody", None, &[FAILED, LOST]);
}

#[test]
fn a_network_that_is_not_let_in() {
    let expected = ["LISTENING", "ACCEPT_FAILED"];
    compare("a stranger", &[], &expected, |watched| {
        let network = "10.0.0.0/8";
        match watched {
            Watched::Theirs(socket) => {
                socket.ask("accept_from", &format!(r#""network":"{network}""#));
            }
            Watched::Ours(socket, ..) => {
                let set = socket.set_option("TCP_ACCEPT_FILTER", network);
                set.expect("a network");
            }
        }
        connected(&watched.bind())
    });
}
