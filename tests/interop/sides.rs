//! Two sides that talk: a socket of ours or of theirs, used by the same words.
//!
//! A dialogue is written once, for two [`Side`]s, and played with either side being ours. Frames
//! are as libzmq shows them: a ROUTER's messages begin with a routing id.

use std::{cell::Cell, thread, time::Duration};

use hubless::{
    Dealer, EventKind, Message, Monitor, Pair, Pub, Pull, Push, Rep, Req, Responder, Router,
    SendError, Sub, XPub, XSub,
};

use super::{LIMIT, Peer, Scratch, Theirs, hex, hex_list, number};

/// What a side does while the test goes on. Call it to wait for its end.
pub type Job<'a> = Box<dyn FnOnce() + 'a>;

/// One side of a dialogue.
pub trait Side {
    fn bind(&self, endpoint: &str) -> String;
    fn connect(&self, endpoint: &str);
    /// Waits until some peer is ready.
    fn await_peer(&self);
    /// Receive what begins with `topic`.
    fn subscribe(&self, topic: &str);
    fn send(&self, frames: &[&[u8]]);
    /// A message, if one comes in that time.
    fn recv_within(&self, time: Duration) -> Option<Vec<Vec<u8>>>;

    fn recv(&self) -> Vec<Vec<u8>> {
        self.recv_within(LIMIT).expect("a message within the limit")
    }

    /// Receives, and fails unless it is this message.
    fn expect(&self, frames: &[&[u8]]) {
        assert_eq!(self.recv(), frames);
    }

    /// Sends an envelope, then a [`body`] of each length.
    fn send_bodies(&self, envelope: &[&[u8]], octets: &[usize]);

    /// Receives, and fails unless it is `envelope` frames, then a [`body`] of each length.
    fn expect_bodies(&self, envelope: usize, octets: &[usize]);

    /// Begins to send numbers, 0 to below `count`, each behind the envelope.
    fn begin_send_numbers(&self, envelope: &[&[u8]], count: u64) -> Job<'_>;

    /// Begins to receive them; the job fails unless all come in order.
    fn begin_recv_numbers(&self, count: u64) -> Job<'_>;
}

/// What two sides say to each other once they are connected.
pub type Dialogue = fn(&dyn Side, &dyn Side);

/// Plays a dialogue in all eight ways: which side is ours, which is bound, over what.
pub fn play(kinds: (&str, &str), dialogue: Dialogue) {
    play_where(kinds, dialogue, |_, _, _| true);
}

/// Plays a dialogue that takes its time in four of them, in which every two choices meet.
pub fn play_half(kinds: (&str, &str), dialogue: Dialogue) {
    play_where(kinds, dialogue, |first_is_ours, first_binds, tcp| {
        first_is_ours ^ first_binds ^ tcp
    });
}

fn play_where(
    (one, other): (&str, &str),
    dialogue: Dialogue,
    wanted: fn(first_is_ours: bool, first_binds: bool, tcp: bool) -> bool,
) {
    let (peer, scratch) = (Peer::start(), Scratch::new());
    for first_is_ours in [true, false] {
        for first_binds in [true, false] {
            let name = format!("{one}-{other}-{first_is_ours}-{first_binds}");
            for endpoint in scratch.endpoints(&name) {
                if !wanted(first_is_ours, first_binds, endpoint.starts_with("tcp:")) {
                    continue;
                }
                println!("{name} at {endpoint}");
                let (ours, theirs);
                let (first, second): (&dyn Side, &dyn Side) = if first_is_ours {
                    (ours, theirs) = (Ours::new(one, "one"), Theirs::new(&peer, other, "other"));
                    (&ours, &theirs)
                } else {
                    (ours, theirs) = (Ours::new(other, "other"), Theirs::new(&peer, one, "one"));
                    (&theirs, &ours)
                };
                let (bound, connected) = if first_binds {
                    (first, second)
                } else {
                    (second, first)
                };
                connected.connect(&bound.bind(&endpoint));
                dialogue(first, second);
                theirs.close(0);
            }
        }
    }
}

/// What both sides can make up: octet n is n modulo 251.
pub fn body(octets: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..251).collect();
    let mut body = period.repeat(octets / 251 + 1);
    body.truncate(octets);
    body
}

/// A socket of ours, of a type that is known when the test runs.
pub enum Ours {
    Pair(Pair),
    Pub(Pub),
    Sub(Sub),
    XPub(XPub),
    XSub(XSub),
    Req(Req),
    Rep(Rep, Cell<Option<Responder>>),
    Dealer(Dealer),
    Router(Router),
    Push(Push),
    Pull(Pull),
}

impl Ours {
    /// A socket of that type; those that may have a routing id have this one, an XPUB waits at
    /// its mark.
    pub fn new(kind: &str, id: &str) -> Ours {
        let made = "a socket";
        match kind {
            "PAIR" => Ours::Pair(Pair::new().expect(made)),
            "PUB" => Ours::Pub(Pub::new().expect(made)),
            "SUB" => Ours::Sub(Sub::new().expect(made)),
            "XPUB" => Ours::XPub(XPub::builder().no_drop(true).build().expect(made)),
            "XSUB" => Ours::XSub(XSub::new().expect(made)),
            "REQ" => Ours::Req(Req::builder().routing_id(id).build().expect(made)),
            "REP" => Ours::Rep(Rep::new().expect(made), Cell::default()),
            "DEALER" => Ours::Dealer(Dealer::builder().routing_id(id).build().expect(made)),
            "ROUTER" => Ours::Router(Router::builder().routing_id(id).build().expect(made)),
            "PUSH" => Ours::Push(Push::new().expect(made)),
            "PULL" => Ours::Pull(Pull::new().expect(made)),
            _ => panic!("{kind} is no type"),
        }
    }
}

/// The same call on whichever type it is.
macro_rules! each {
    ($ours:expr, $socket:ident => $call:expr) => {
        match $ours {
            Ours::Pair($socket) => $call,
            Ours::Pub($socket) => $call,
            Ours::Sub($socket) => $call,
            Ours::XPub($socket) => $call,
            Ours::XSub($socket) => $call,
            Ours::Req($socket) => $call,
            Ours::Rep($socket, _) => $call,
            Ours::Dealer($socket) => $call,
            Ours::Router($socket) => $call,
            Ours::Push($socket) => $call,
            Ours::Pull($socket) => $call,
        }
    };
}

impl Ours {
    /// The same socket, for another thread.
    pub fn share(&self) -> Ours {
        match self {
            Ours::Pair(socket) => Ours::Pair(socket.clone()),
            Ours::Pub(socket) => Ours::Pub(socket.clone()),
            Ours::Sub(socket) => Ours::Sub(socket.clone()),
            Ours::XPub(socket) => Ours::XPub(socket.clone()),
            Ours::XSub(socket) => Ours::XSub(socket.clone()),
            Ours::Req(socket) => Ours::Req(socket.clone()),
            Ours::Rep(socket, _) => Ours::Rep(socket.clone(), Cell::default()),
            Ours::Dealer(socket) => Ours::Dealer(socket.clone()),
            Ours::Router(socket) => Ours::Router(socket.clone()),
            Ours::Push(socket) => Ours::Push(socket.clone()),
            Ours::Pull(socket) => Ours::Pull(socket.clone()),
        }
    }

    /// How many messages have come in.
    pub fn received(&self) -> u64 {
        each!(self, socket => socket.stats()).received.accepted
    }

    pub fn monitor(&self) -> Monitor {
        each!(self, socket => socket.monitor())
    }

    /// Closes it at once: calls that wait end.
    pub fn close(&self) {
        each!(self, socket => socket.close(Duration::ZERO)).expect("to close");
    }

    fn in_thread(&self, run: impl FnOnce(Ours) + Send + 'static) -> Job<'static> {
        let ours = self.share();
        let thread = thread::spawn(move || run(ours));
        Box::new(|| thread.join().expect("the thread's checks hold"))
    }
}

/// A ROUTER never waits for room; a monitor does, if it has watched since there was some.
fn send_with_room(router: &Router, events: &Monitor, message: Message) -> Result<(), SendError> {
    let mut sent = router.send(message);
    while let Err(SendError::Full(message)) = sent {
        await_event(events, |kind| matches!(kind, EventKind::Drained));
        sent = router.send(message);
    }
    sent
}

/// Waits for an event of that kind, past all others.
pub fn await_event(events: &Monitor, mut wanted: impl FnMut(&EventKind) -> bool) {
    while !wanted(
        &events
            .recv_timeout(LIMIT)
            .expect("the event within the limit")
            .kind,
    ) {}
}

impl Side for Ours {
    fn bind(&self, endpoint: &str) -> String {
        each!(self, socket => socket.bind(endpoint))
            .expect("to bind")
            .to_string()
    }

    fn connect(&self, endpoint: &str) {
        each!(self, socket => socket.connect(endpoint)).expect("to connect");
    }

    fn await_peer(&self) {
        each!(self, socket => socket.wait_peers(1, LIMIT)).expect("a peer that is ready");
    }

    fn subscribe(&self, topic: &str) {
        match self {
            Ours::Sub(socket) => socket.subscribe(topic),
            Ours::XSub(socket) => socket.subscribe(topic),
            _ => panic!("only SUB and XSUB subscribe"),
        }
        .expect("to subscribe");
    }

    fn send(&self, frames: &[&[u8]]) {
        let message: Message = frames.iter().copied().collect();
        match self {
            Ours::Pair(socket) => socket.send_timeout(message, LIMIT),
            Ours::Pub(socket) => socket.send(message),
            Ours::XPub(socket) => socket.send(message),
            Ours::XSub(socket) => socket.send(message),
            Ours::Req(socket) => socket.send_timeout(message, LIMIT),
            Ours::Rep(_, responder) => {
                let responder = responder.take().expect("a request to answer");
                assert!(responder.reply(message), "the asker is gone");
                Ok(())
            }
            Ours::Dealer(socket) => socket.send_timeout(message, LIMIT),
            Ours::Router(socket) => socket.send(message),
            Ours::Push(socket) => socket.send_timeout(message, LIMIT),
            Ours::Sub(_) | Ours::Pull(_) => panic!("SUB and PULL do not send"),
        }
        .unwrap_or_else(|refused: SendError| panic!("{refused}"));
    }

    fn send_bodies(&self, envelope: &[&[u8]], octets: &[usize]) {
        let bodies: Vec<_> = octets.iter().map(|&octets| body(octets)).collect();
        let bodies = bodies.iter().map(Vec::as_slice);
        self.send(&envelope.iter().copied().chain(bodies).collect::<Vec<_>>());
    }

    fn expect_bodies(&self, envelope: usize, octets: &[usize]) {
        let frames = self.recv().split_off(envelope);
        let came: Vec<_> = frames.iter().map(Vec::len).collect();
        assert_eq!(came, octets);
        for frame in frames {
            assert!(frame == body(frame.len()), "{} octets differ", frame.len());
        }
    }

    fn begin_send_numbers(&self, envelope: &[&[u8]], count: u64) -> Job<'_> {
        let envelope: Vec<_> = envelope.iter().map(|frame| frame.to_vec()).collect();
        self.in_thread(move |ours| {
            let envelope: Vec<_> = envelope.iter().map(Vec::as_slice).collect();
            let events = ours.monitor();
            for n in 0..count {
                let body = number(n);
                let frames = [&envelope[..], &[&body]].concat();
                match &ours {
                    Ours::Router(router) => {
                        let message = frames.iter().copied().collect();
                        send_with_room(router, &events, message).expect("a peer of that name");
                    }
                    _ => ours.send(&frames),
                }
            }
        })
    }

    fn begin_recv_numbers(&self, count: u64) -> Job<'_> {
        self.in_thread(move |ours| {
            for n in 0..count {
                assert_eq!(ours.recv().last().expect("a frame"), &number(n), "{n}");
            }
        })
    }

    fn recv_within(&self, time: Duration) -> Option<Vec<Vec<u8>>> {
        let received = match self {
            Ours::Pair(socket) => socket.recv_timeout(time),
            Ours::Sub(socket) => socket.recv_timeout(time),
            Ours::XPub(socket) => socket.recv_timeout(time),
            Ours::XSub(socket) => socket.recv_timeout(time),
            Ours::Req(socket) => socket.recv_timeout(time),
            Ours::Rep(socket, open) => socket.recv_timeout(time).map(|(request, responder)| {
                open.set(Some(responder));
                request
            }),
            Ours::Dealer(socket) => socket.recv_timeout(time),
            Ours::Router(socket) => socket.recv_timeout(time),
            Ours::Pull(socket) => socket.recv_timeout(time),
            Ours::Pub(_) | Ours::Push(_) => panic!("PUB and PUSH do not receive"),
        };
        let message = received.ok()?;
        Some(message.iter().map(|frame| frame.to_vec()).collect())
    }
}

impl<'a> Theirs<'a> {
    /// A socket of that type; those that may have a routing id have this one, an XPUB waits at
    /// its mark.
    pub fn new(peer: &'a Peer, kind: &str, id: &str) -> Theirs<'a> {
        let id = hex(id.as_bytes());
        match kind {
            "REQ" | "DEALER" => peer.socket(kind, &[("ROUTING_ID", &id)]),
            "ROUTER" => peer.socket(kind, &[("ROUTING_ID", &id), ("ROUTER_MANDATORY", "1")]),
            "PUB" | "XPUB" => peer.socket(kind, &[("XPUB_NODROP", "1")]),
            _ => peer.socket(kind, &[]),
        }
    }
}

impl Side for Theirs<'_> {
    fn bind(&self, endpoint: &str) -> String {
        Theirs::bind(self, endpoint)
    }

    fn connect(&self, endpoint: &str) {
        Theirs::connect(self, endpoint);
    }

    /// Nothing: its ROUTER waits when it sends.
    fn await_peer(&self) {}

    fn subscribe(&self, topic: &str) {
        if self.name.starts_with("XSUB") {
            Side::send(self, &[format!("\u{1}{topic}").as_bytes()]);
        } else {
            Theirs::subscribe(self, topic.as_bytes());
        }
    }

    fn send(&self, frames: &[&[u8]]) {
        self.ask_within_limit("send", &format!(r#""frames":{}"#, hex_list(frames)));
    }

    fn send_bodies(&self, envelope: &[&[u8]], octets: &[usize]) {
        let envelope = hex_list(envelope);
        let arguments = format!(r#""envelope":{envelope},"octets":{octets:?}"#);
        self.ask_within_limit("send_bodies", &arguments);
    }

    fn expect_bodies(&self, envelope: usize, octets: &[usize]) {
        let arguments = format!(r#""envelope":{envelope},"octets":{octets:?}"#);
        self.ask_within_limit("recv_bodies", &arguments);
    }

    fn begin_send_numbers(&self, envelope: &[&[u8]], count: u64) -> Job<'_> {
        let answer = Theirs::begin_send_numbers(self, envelope, 0, count);
        Box::new(|| _ = answer.get())
    }

    fn begin_recv_numbers(&self, count: u64) -> Job<'_> {
        let answer = Theirs::begin_recv_numbers(self, 0, count);
        Box::new(|| _ = answer.get())
    }

    fn recv_within(&self, time: Duration) -> Option<Vec<Vec<u8>>> {
        let limit = format!(r#""limit":{}"#, time.as_millis());
        self.ask("recv_if_any", &limit).frames()
    }
}
