//! The recorded exchanges of `tests/vectors`, played against whole sockets.
//!
//! `tests/wire_vectors.rs` plays the same files against one engine and says what their lines
//! mean. Here the peer is a real connection, octet by octet, and the application is a socket of
//! the type that the case names; what the pattern adds and takes away is added and taken away:
//!
//! ```text
//!   > OCTETS    ──► TCP ──► ┌────────┐ ──► recv      message FRAME...
//!                           │ socket │ ──► monitor   ready, subscribed, cancelled, fault
//!   < OCTETS    ◄── TCP ◄── └────────┘ ◄── send, subscribe
//! ```
//!
//! Cases that need virtual time, and all of heartbeats, stay with the engine; those that need an option, or an id that the
//! socket chooses, have tests of their own at the end.

mod raw;

use std::{cell::RefCell, fs, path::Path, rc::Rc, time::Duration};

use hubless::{
    Builder, Dealer, Endpoint, EventKind, Frame, Message, Monitor, Pair, Pub, Pull, Push, Reason,
    Reconnect, Rep, Req, Router, SocketType, Sub, TypedSocket, XPub, XSub,
};
use raw::{
    Peer, SOON, command, frame, greeting, listen, our_words, ready, ready_with, stand::Attacked,
    streams::octets,
};

/// A socket, whatever its type, in the words of the files.
struct Application {
    ours: SocketType,
    events: Monitor,
    bind: Box<dyn Fn() -> Endpoint>,
    connect: Box<dyn Fn(&str)>,
    send: Box<dyn Fn(Message)>,
    /// `None`: nothing within this time.
    recv: Box<dyn Fn(Duration) -> Option<Message>>,
    subscribe: Box<Subscribe>,
}

/// Subscribes, or cancels.
type Subscribe = dyn Fn(&[u8], bool);

impl Application {
    fn new<S: TypedSocket + Attacked + 'static>(
        socket: S,
        send: impl Fn(&S, Message) + 'static,
        recv: impl Fn(&S, Duration) -> Option<Message> + 'static,
        subscribe: impl Fn(&S, &[u8], bool) + 'static,
    ) -> Application {
        let events = socket.monitor();
        let socket = Rc::new(socket);
        let [binds, connects, sends, receives, subscribes] = [(); 5].map(|()| Rc::clone(&socket));
        Application {
            ours: S::TYPE,
            events,
            bind: Box::new(move || binds.bind("tcp://127.0.0.1:0")),
            connect: Box::new(move |at| connects.connect(at)),
            send: Box::new(move |message| send(&sends, message)),
            recv: Box::new(move |time| recv(&receives, time)),
            subscribe: Box::new(move |topic, wanted| subscribe(&subscribes, topic, wanted)),
        }
    }

    /// The socket that a case begins with.
    fn of(ours: SocketType, id: &[u8], octets_max: Option<u64>) -> Application {
        macro_rules! application {
            ($kind:ident, $send:expr, $recv:expr, $subscribe:expr) => {
                Application::new(
                    limited($kind::builder(), octets_max),
                    $send,
                    $recv,
                    $subscribe,
                )
            };
            (named $kind:ident, $send:expr, $recv:expr) => {{
                let builder = limited_builder($kind::builder(), octets_max).routing_id(id);
                Application::new(builder.build().expect("a socket"), $send, $recv, no_topics)
            }};
        }
        macro_rules! sends {
            () => {
                |it, message| it.send(message).expect("room")
            };
        }
        macro_rules! receives {
            () => {
                |it, time| it.recv_timeout(time).ok()
            };
        }
        match ours {
            SocketType::Pair => application!(Pair, sends!(), receives!(), no_topics),
            SocketType::Push => application!(Push, sends!(), nothing, no_topics),
            SocketType::Pull => application!(Pull, unsent, receives!(), no_topics),
            SocketType::Pub => application!(Pub, sends!(), nothing, no_topics),
            SocketType::XPub => application!(XPub, sends!(), receives!(), no_topics),
            SocketType::Sub => application!(Sub, unsent, receives!(), |it, topic, wanted| {
                let done = match wanted {
                    true => it.subscribe(topic),
                    false => it.unsubscribe(topic),
                };
                done.expect("to subscribe");
            }),
            SocketType::XSub => application!(XSub, sends!(), receives!(), |it, topic, _| {
                it.subscribe(topic).expect("to subscribe");
            }),
            SocketType::Dealer => application!(named Dealer, sends!(), receives!()),
            SocketType::Req => application!(
                named Req,
                |it, message| it.send(body(&message)).expect("room"),
                receives!()
            ),
            SocketType::Router => application!(
                named Router,
                |it, message| {
                    let id = it.peers()[0].routing_id.clone();
                    it.send_to(id, message).expect("to send");
                },
                |it, time| {
                    let (id, message) = it.recv_from_timeout(time).ok()?;
                    assert_eq!(id.as_bytes(), it.peers()[0].routing_id);
                    Some(message)
                }
            ),
            SocketType::Rep => {
                let open = Rc::new(RefCell::new(None));
                let answers = Rc::clone(&open);
                application!(
                    Rep,
                    move |_, message| {
                        let responder: hubless::Responder = answers.take().expect("a request");
                        assert!(responder.reply(body(&message)));
                    },
                    move |it, time| {
                        let (request, responder) = it.recv_timeout(time).ok()?;
                        open.replace(Some(responder));
                        Some(request)
                    },
                    no_topics
                )
            }
            _ => panic!("no such type"),
        }
    }
}

fn limited_builder<S: TypedSocket>(builder: Builder<S>, octets_max: Option<u64>) -> Builder<S> {
    match octets_max {
        Some(octets) => builder.max_message_size(octets),
        None => builder,
    }
}

fn limited<S: TypedSocket>(builder: Builder<S>, octets_max: Option<u64>) -> S {
    let builder = limited_builder(builder, octets_max);
    builder.build().expect("a socket")
}

fn unsent<S>(_: &S, _: Message) {
    panic!("this type does not send");
}

fn nothing<S>(_: &S, _: Duration) -> Option<Message> {
    None
}

fn no_topics<S>(_: &S, _: &[u8], _: bool) {
    panic!("this type does not subscribe");
}

/// What lies behind the delimiter: what the application of a REQ or REP sees of a message.
fn body(message: &Message) -> Message {
    let frames = message.iter().skip_while(|frame| !frame.is_empty());
    frames.skip(1).cloned().collect()
}

/// A case under way.
struct Play {
    application: Application,
    peer: Peer,
    piece: usize,
    /// What we are to have sent, and the peer has not read.
    expected: Vec<u8>,
    /// What has been subscribed to, by us or by the peer.
    topics: Vec<Vec<u8>>,
    /// Commands may be sent: it is ready, and speaks 3.x.
    commands: bool,
}

impl Play {
    fn new(application: Application, connects: bool, piece: usize) -> Play {
        let peer = if connects {
            let (listener, at) = listen();
            (application.connect)(&at);
            Peer::accept(&listener)
        } else {
            Peer::connect(&(application.bind)())
        };
        Play {
            application,
            peer,
            piece,
            expected: Vec::new(),
            topics: Vec::new(),
            commands: false,
        }
    }

    fn say(&mut self, octets: &[u8]) {
        let piece = self.piece.max(1 + octets.len() / 500).min(octets.len());
        for octets in octets.chunks(piece.max(1)) {
            self.peer.try_say(octets);
        }
    }

    /// The next event that a case tells of.
    fn event(&self) -> (EventKind, Option<(SocketType, Vec<u8>)>) {
        loop {
            let event = self.application.events.recv_timeout(SOON);
            let event = event.expect("an event");
            match &event.kind {
                EventKind::HandshakeSucceeded
                | EventKind::HandshakeFailed(_)
                | EventKind::Disconnected(_)
                | EventKind::Subscribed(_)
                | EventKind::Unsubscribed(_) => {
                    let peer = event.peer.expect("whose");
                    let told = peer
                        .socket_type
                        .map(|theirs| (theirs, peer.identity.to_vec()));
                    return (event.kind, told);
                }
                _ => {}
            }
        }
    }

    fn ready(&mut self, theirs: &str, identity: &[u8]) {
        let (kind, told) = self.event();
        assert!(matches!(kind, EventKind::HandshakeSucceeded), "{kind:?}");
        let (socket_type, id) = told.expect("it has said who it is");
        assert_eq!((socket_type.name(), &id[..]), (theirs, identity));
    }

    fn fail(&mut self, why: &str) {
        let reason = match self.event().0 {
            EventKind::HandshakeFailed(reason) | EventKind::Disconnected(reason) => reason,
            kind => panic!("not a fault: {kind:?}"),
        };
        let told = match reason {
            Reason::Protocol(error) => format!("{error:?}"),
            Reason::Refused(reason) if reason.is_empty() => String::from("Refused -"),
            Reason::Refused(reason) => format!("Refused {reason:02x}"),
            reason => format!("{reason:?}"),
        };
        assert_eq!(told, why);
        // Where octets of the peer are left unread the system may drop our last ones.
        let heard = self.peer.hear_end();
        assert!(self.expected.starts_with(&heard), "heard {heard:?}");
        self.expected.clear();
        self.commands = false;
    }

    /// A subscription of the peer: an XPUB shows those that change something.
    fn subscription(&mut self, topic: Vec<u8>, wanted: bool) {
        match self.event().0 {
            EventKind::Subscribed(told) => assert_eq!((wanted, &told[..]), (true, &topic[..])),
            EventKind::Unsubscribed(told) => assert_eq!((wanted, &told[..]), (false, &topic[..])),
            kind => panic!("no subscription: {kind:?}"),
        }
        let shown = [&[u8::from(wanted)], &topic[..]].concat();
        let changed = self.topics.contains(&topic) != wanted;
        match wanted {
            true if changed => self.topics.push(topic),
            _ => self.topics.retain(|held| *held != topic || wanted),
        }
        if changed && self.application.ours == SocketType::XPub {
            assert_eq!(self.receive(), Message::from(shown));
        }
    }

    fn receive(&self) -> Message {
        (self.application.recv)(SOON).expect("a message")
    }

    fn compare(&mut self) {
        self.peer.expect(&std::mem::take(&mut self.expected));
        if self.commands {
            self.peer.check_open();
            assert_eq!((self.application.recv)(Duration::ZERO), None);
        }
    }

    fn run(&mut self, word: &str, arguments: &[&str]) {
        match word {
            ">" => self.say(&all(arguments)),
            "<" => self.expected.extend(all(arguments)),
            "shake" => {
                let mut octets = greeting();
                octets[11] = u8::from(arguments[1] == "3.1");
                self.say(&[octets, ready(arguments[0])].concat());
                self.peer.expect(&our_words(self.application.ours));
                self.ready(arguments[0], b"");
                self.commands = true;
            }
            "ready" => {
                self.ready(arguments[0], &all(&arguments[2..]));
                self.commands = arguments[1] != "2.0";
            }
            "send" => (self.application.send)(message(arguments)),
            "message" => {
                let message = message(arguments);
                let wanted = |topic: &Vec<u8>| message[0].starts_with(topic);
                match self.application.ours {
                    SocketType::Sub if !self.topics.iter().any(wanted) => {}
                    SocketType::Req | SocketType::Rep => {
                        assert_eq!(self.receive(), body(&message));
                    }
                    _ => assert_eq!(self.receive(), message),
                }
            }
            "subscribes" => {
                let topic = octets(arguments[0]);
                (self.application.subscribe)(&topic, true);
                self.topics.push(topic);
            }
            "cancels" => {
                // As often as it was subscribed to: before the last nothing is said.
                let topic = octets(arguments[0]);
                let held = self.topics.iter().filter(|held| **held == topic);
                held.for_each(|topic| (self.application.subscribe)(topic, false));
                self.topics.retain(|held| *held != topic);
            }
            "subscribed" | "cancelled" => {
                self.subscription(octets(arguments[0]), word == "subscribed");
            }
            "end" => {
                self.peer.end();
                self.fail("PeerClosed");
            }
            "fault" => self.fail(&arguments.join(" ")),
            "still" => self.compare(),
            _ => panic!("no such word: {word}"),
        }
    }
}

fn all(pieces: &[&str]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| octets(piece)).collect()
}

fn message(frames: &[&str]) -> Message {
    frames.iter().map(|it| Frame::from(octets(it))).collect()
}

/// Cases that a socket plays in tests of their own, at the end of this file.
const ELSEWHERE: [&str; 4] = [
    "probe: DEALER that connects, a ROUTER at the other end",
    "correlate: REQ that connects, a REP at the other end",
    "welcome: XPUB that binds, a SUB at the other end",
    "subscriptions: XSUB: what it repeats to a new connection are commands",
];

/// Plays a case, whole lines and octet by octet.
fn play(case: &str, lines: &[Vec<&str>]) {
    for piece in [usize::MAX, 1] {
        println!("{case}, {piece}");
        let (mut ours, mut id, mut octets_max) = (SocketType::Pair, Vec::new(), None);
        let mut play = None;
        for line in lines {
            match (line[0], &line[1..]) {
                ("we", [name, named @ ..]) => {
                    ours = SocketType::from_name(name.as_bytes()).expect("a type");
                    id = all(named);
                }
                ("option", ["message_octets_max", number]) => {
                    octets_max = Some(number.parse().expect("a number"));
                }
                (word, arguments) => {
                    let begin = || {
                        let application = Application::of(ours, &id, octets_max);
                        Play::new(application, case.contains("that connects"), piece)
                    };
                    play.get_or_insert_with(begin).run(word, arguments);
                }
            }
        }
        play.expect("not empty").compare();
    }
}

/// Plays the cases of a file; gives how many were played here.
fn play_file(name: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/{name}.txt"));
    let text = fs::read_to_string(path).expect("the file is there");
    let mut cases: Vec<(String, Vec<Vec<&str>>)> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.first(), cases.last_mut()) {
            (None | Some(&"#"), _) => {}
            (Some(&"case"), _) => cases.push((format!("{name}: {}", words[1..].join(" ")), vec![])),
            (_, Some((_, lines))) => lines.push(words),
            (_, None) => panic!("{name}: a line before the first case"),
        }
    }
    let virtual_time = |lines: &Vec<Vec<&str>>| {
        let needs = |line: &Vec<&str>| {
            line[0] == "wait"
                || line[0] == "property"
                || line.get(1).is_some_and(|option| option.ends_with("_ms"))
        };
        lines.iter().any(needs)
    };
    cases.retain(|(case, lines)| !virtual_time(lines) && !ELSEWHERE.contains(&&case[..]));
    cases.iter().for_each(|(case, lines)| play(case, lines));
    cases.len()
}

macro_rules! files {
    ($($name:ident: $cases:literal,)*) => {
        mod files {$(
            #[test]
            fn $name() {
                assert_eq!(super::play_file(stringify!($name)), $cases, "cases played");
            }
        )*}
    };
}

files! {
    correlate: 1,
    frame_sizes: 2,
    greeting: 16,
    multipart: 2,
    null: 28,
    odd_handshakes: 35,
    odd_traffic: 24,
    probe: 1,
    revision_2_0: 12,
    routing_ids: 8,
    subscriptions: 8,
    subscriptions_by_revision: 3,
    welcome: 1,
}

// ---- what needs an option, or an id that the socket chooses

#[test]
fn a_dealer_probes_by_itself() {
    let dealer = Dealer::builder()
        .routing_id("P")
        .probe_router(true)
        .build()
        .expect("a socket");
    let (listener, at) = listen();
    dealer.connect(&at[..]).expect("to connect");
    let mut peer = Peer::accept(&listener);
    peer.say(&greeting());
    let mut words = our_words(SocketType::Dealer);
    words[8] = 2;
    words.truncate(64);
    words.extend(ready_with(&[
        ("Socket-Type", b"DEALER"),
        ("Identity", b"P"),
    ]));
    peer.expect(&words);
    peer.say(&ready_with(&[
        ("Socket-Type", b"ROUTER"),
        ("Identity", b""),
    ]));
    peer.expect(&frame(0, b""));
    peer.check_open();
    // And so does each new connection.
    drop(peer);
    let mut peer = Peer::accept(&listener);
    peer.say(&[greeting(), ready("ROUTER")].concat());
    peer.expect(&words);
    peer.expect(&frame(0, b""));
}

#[test]
fn a_req_numbers_its_requests() {
    let req = Req::builder().correlate(true).build().expect("a socket");
    let (listener, at) = listen();
    req.connect(&at[..]).expect("to connect");
    let mut peer = Peer::accept(&listener);
    peer.shake(SocketType::Req, "REP");
    let mut last = None;
    for question in [b"Q1", b"Q2"] {
        req.send(&question[..]).expect("room");
        let envelope = peer.hear(2 + 4 + 2);
        assert_eq!(
            (&envelope[..2], &envelope[6..]),
            (&b"\x01\x04"[..], &b"\x01\0"[..])
        );
        peer.expect(&frame(0, question));
        let id = u32::from_be_bytes(envelope[2..6].try_into().expect("four octets"));
        assert!(last.is_none_or(|last: u32| id == last.wrapping_add(1)));
        last = Some(id);
        peer.say(&[&envelope[..], &frame(0, b"R")].concat());
        assert_eq!(req.recv_timeout(SOON), Ok(Message::from("R")));
    }
}

#[test]
fn an_xpub_welcomes() {
    let xpub = XPub::builder()
        .welcome("Welcome")
        .build()
        .expect("a socket");
    let at = xpub.bind("tcp://127.0.0.1:0").expect("to bind");
    for theirs in ["SUB", "XSUB"] {
        let mut peer = Peer::ready(&at, SocketType::XPub, theirs);
        // Whatever is subscribed to, and once.
        peer.expect(&frame(0, b"Welcome"));
        peer.say(&command("SUBSCRIBE", b"W"));
        peer.check_open();
    }
}

#[test]
fn an_xsub_subscribes_by_messages_and_repeats_by_commands() {
    let [min, max] = [1, 2].map(Duration::from_millis);
    let xsub = XSub::builder().reconnect(Reconnect::Backoff { min, max });
    let xsub = xsub.build().expect("a socket");
    let (listener, at) = listen();
    xsub.connect(&at[..]).expect("to connect");
    let mut peer = Peer::accept(&listener);
    peer.shake(SocketType::XSub, "XPUB");
    xsub.wait_peers(1, SOON).expect("it is ready");
    for said in ["\x01b", "\x01a", "\x01a", "\x01c", "\0c", "\0a", "user"] {
        xsub.send(said).expect("room");
    }
    // One of the two to the same topic is held still.
    for said in ["\x01b", "\x01a", "\x01a", "\x01c", "\0c", "user"] {
        peer.expect(&frame(0, said.as_bytes()));
    }
    peer.check_open();
    // To the next connection each topic once, in order, and nothing of what was said.
    drop(peer);
    let mut peer = Peer::accept(&listener);
    peer.shake(SocketType::XSub, "XPUB");
    peer.expect(&[command("SUBSCRIBE", b"a"), command("SUBSCRIBE", b"b")].concat());
    peer.check_open();
    drop(peer);
    // To one of 3.0, as messages.
    let mut peer = Peer::accept(&listener);
    let mut old = greeting();
    old[11] = 0;
    peer.say(&[old, ready("XPUB")].concat());
    peer.expect(&our_words(SocketType::XSub));
    peer.expect(&[frame(0, b"\x01a"), frame(0, b"\x01b")].concat());
    peer.check_open();
}
