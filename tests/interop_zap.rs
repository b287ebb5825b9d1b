//! Every pattern by PLAIN and by CURVE with libzmq, either side the server, which asks a handler of ZAP; and
//! who is refused, told by both sides' monitors as libzmq's own tell it.
//!
//! ```text
//!   served by us      untyped socket ── our handler at inproc://zeromq.zap.01
//!   served by them    their socket ──── the authenticator of pyzmq
//! ```

mod interop;

use std::{thread, time::Duration};

use hubless::{Context, Message, Monitor, OptionRow, Rep, SocketType, untyped};
use interop::{LIMIT, Peer, Scratch, Theirs, hex, hex_list};

/// What a side is told by options of libzmq: names and octets, or numbers.
type Options = Vec<(&'static str, Value)>;

#[derive(Clone)]
enum Value {
    Octets(Vec<u8>),
    Number(i64),
}

fn octets(octets: impl AsRef<[u8]>) -> Value {
    Value::Octets(octets.as_ref().to_vec())
}

/// Lets in `admin` with `secret`, and this key, into every domain but one.
fn handler(context: &Context, known: Vec<u8>) -> Rep {
    let handler = Rep::builder().context(context).build().expect("a REP");
    handler.bind("inproc://zeromq.zap.01").expect("to bind");
    let serving = handler.clone();
    thread::spawn(move || {
        serving.serve(|request: Message| {
            let frame = |at: usize| request.frame(at).map_or(&[][..], |frame| frame.as_slice());
            let good = match frame(5) {
                b"PLAIN" => (frame(6), frame(7)) == (b"admin", b"secret"),
                b"CURVE" => frame(6) == known,
                _ => true,
            };
            let status = if good && frame(2) != b"elsewhere" {
                "200"
            } else {
                "400"
            };
            Message::from(["1.0", "1", status, "", "admin", ""])
        })
    });
    handler
}

/// A socket of either library.
enum Party<'a> {
    Ours(untyped::Socket, Monitor),
    Theirs(Theirs<'a>),
}

impl<'a> Party<'a> {
    fn ours(context: &Context, kind: &str, options: &Options) -> Party<'a> {
        let kind: SocketType = *SocketType::ALL
            .iter()
            .find(|it| it.name() == kind)
            .expect("a type");
        let socket = untyped::Socket::new(context, kind).expect("a socket");
        for (name, value) in options {
            let number = OptionRow::named(name).expect(name).number;
            let told = match value {
                Value::Octets(octets) => socket.set_option(number, &octets[..]),
                Value::Number(number_of) => socket.set_option(number, *number_of),
            };
            told.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let monitor = socket.monitor();
        Party::Ours(socket, monitor)
    }

    fn theirs(peer: &'a Peer, kind: &str, options: &Options) -> Party<'a> {
        let text = |value: &Value| match value {
            Value::Octets(octets) => hex(octets),
            Value::Number(number) => number.to_string(),
        };
        let options: Vec<_> = options.iter().map(|(k, v)| (*k, text(v))).collect();
        let options: Vec<_> = options.iter().map(|(k, v)| (*k, &**v)).collect();
        let socket = peer.socket(kind, &options);
        socket.monitor();
        Party::Theirs(socket)
    }

    fn bind(&self, endpoint: &str) -> String {
        match self {
            Party::Ours(socket, _) => socket.bind(endpoint).expect("to bind").to_string(),
            Party::Theirs(socket) => socket.bind(endpoint),
        }
    }

    fn connect(&self, endpoint: &str) {
        match self {
            Party::Ours(socket, _) => socket.connect(endpoint).expect("to connect"),
            Party::Theirs(socket) => socket.connect(endpoint),
        }
    }

    fn subscribe(&self) {
        match self {
            Party::Ours(socket, _) => {
                let subscribe = OptionRow::named("SUBSCRIBE").expect("a row").number;
                socket
                    .set_option(subscribe, &b""[..])
                    .expect("to subscribe");
            }
            Party::Theirs(socket) => socket.subscribe(b""),
        }
    }

    fn send(&self, frames: &[&[u8]]) {
        match self {
            Party::Ours(socket, _) => {
                let message: Message = frames.iter().copied().collect();
                socket.send_timeout(message, LIMIT).expect("to send");
            }
            Party::Theirs(socket) => {
                let frames = format!(r#""frames":{}"#, hex_list(frames));
                socket.ask_within_limit("send", &frames);
            }
        }
    }

    fn recv_within(&self, time: Duration) -> Option<Vec<Vec<u8>>> {
        match self {
            Party::Ours(socket, _) => {
                let message = socket.recv_timeout(time).ok()?;
                Some(message.iter().map(|frame| frame.to_vec()).collect())
            }
            Party::Theirs(socket) => {
                let limit = format!(r#""limit":{}"#, time.as_millis());
                socket.ask("recv_if_any", &limit).frames()
            }
        }
    }

    fn recv(&self) -> Vec<Vec<u8>> {
        self.recv_within(LIMIT).expect("a message within the limit")
    }

    /// The next events, libzmq's number and value; 0 for what differs by nature.
    fn told(&self, count: usize) -> Vec<(u32, u32)> {
        let mut told: Vec<(u32, u32)> = match self {
            Party::Ours(_, events) => {
                let mut told = Vec::new();
                while told.len() < count {
                    let event = events.recv_timeout(LIMIT).expect("an event");
                    told.extend(event.libzmq().into_iter().map(|(n, v)| (n.into(), v)));
                }
                told.truncate(count);
                told
            }
            Party::Theirs(socket) => {
                let events = socket.ask_within_limit("events", &format!(r#""count":{count}"#));
                let number = |text: &str| text.parse().expect("a number");
                let pair = |text: &str| {
                    let (event, value) = text.split_once('=').expect("a pair");
                    (number(event), number(value))
                };
                events.text("events").split(' ').map(pair).collect()
            }
        };
        for (event, value) in &mut told {
            // Descriptors, waits, and by what number the system tells of a connection that is gone.
            let same = matches!(event, 0x2000 | 0x4000) || (*event == 0x0800 && *value == 14);
            if !same {
                *value = 0;
            }
        }
        told
    }
}

/// What the two types say to each other.
fn talk(one: (&str, &Party<'_>), other: (&str, &Party<'_>)) {
    let (first, second) = (one.1, other.1);
    match (one.0, other.0) {
        ("PUB" | "XPUB", _) => {
            match other.0 {
                "SUB" => second.subscribe(),
                _ => second.send(&[b"\x01"]),
            }
            let mut rounds = 0;
            // The subscription takes its time.
            loop {
                first.send(&[b"news", b""]);
                if second.recv_within(Duration::from_millis(50)).is_some() {
                    break;
                }
                rounds += 1;
                assert!(rounds < 400, "no subscription");
            }
        }
        ("REQ", "REP") | ("PAIR", "PAIR") | ("DEALER", "DEALER") => {
            first.send(&[b"question", b""]);
            assert_eq!(second.recv(), [&b"question"[..], b""]);
            second.send(&[b"answer"]);
            assert_eq!(first.recv(), [b"answer"]);
        }
        ("DEALER" | "REQ", "ROUTER") => {
            first.send(&[b"question"]);
            let mut envelope = second.recv();
            *envelope.last_mut().expect("frames") = b"answer".to_vec();
            let frames: Vec<&[u8]> = envelope.iter().map(Vec::as_slice).collect();
            second.send(&frames);
            assert_eq!(first.recv(), [b"answer"]);
        }
        ("DEALER", "REP") => {
            first.send(&[b"", b"question"]);
            assert_eq!(second.recv(), [b"question"]);
            second.send(&[b"answer"]);
            assert_eq!(first.recv(), [&b""[..], b"answer"]);
        }
        _ => {
            first.send(&[b"work", b"", b"more"]);
            assert_eq!(second.recv(), [&b"work"[..], b"", b"more"]);
        }
    }
}

const PATTERNS: [(&str, &str); 11] = [
    ("PUSH", "PULL"),
    ("PUB", "SUB"),
    ("PUB", "XSUB"),
    ("XPUB", "SUB"),
    ("XPUB", "XSUB"),
    ("REQ", "REP"),
    ("REQ", "ROUTER"),
    ("DEALER", "REP"),
    ("DEALER", "ROUTER"),
    ("DEALER", "DEALER"),
    ("PAIR", "PAIR"),
];

/// Their side with its authenticator, ours with its handler.
struct World {
    peer: Peer,
    context: Context,
    scratch: Scratch,
    handler: Rep,
}

impl World {
    fn new(known: Vec<u8>, domain: &str) -> World {
        let (peer, context) = (Peer::start(), Context::new());
        let (users, keys) = (
            r#"{"admin":"secret"}"#,
            format!(r#"["{}"]"#, hex(&known).trim_matches('"')),
        );
        let guard =
            format!(r#"{{"do":"guard","users":{users},"keys":{keys},"domain":"{domain}"}}"#);
        peer.begin(&guard).get();
        let handler = handler(&context, known);
        World {
            peer,
            context,
            scratch: Scratch::new(),
            handler,
        }
    }

    fn party(&self, ours: bool, kind: &str, options: &Options) -> Party<'_> {
        match ours {
            true => Party::ours(&self.context, kind, options),
            false => Party::theirs(&self.peer, kind, options),
        }
    }

    /// All patterns, each type being ours and being theirs, each side serving, over both transports.
    fn play_all(&self, server: &Options, client: &Options) {
        for (one, other) in PATTERNS {
            for (first_is_ours, first_serves) in
                [(true, true), (true, false), (false, true), (false, false)]
            {
                // Who asks comes to who answers: their REQ is not made to serve.
                if one == "REQ" && first_serves && !first_is_ours {
                    continue;
                }
                let (of_one, of_other) = if first_serves {
                    (server, client)
                } else {
                    (client, server)
                };
                let name = format!("{one}-{other}-{first_is_ours}-{first_serves}");
                for endpoint in self.scratch.endpoints(&name) {
                    println!("{name} at {endpoint}");
                    let first = self.party(first_is_ours, one, of_one);
                    let second = self.party(!first_is_ours, other, of_other);
                    let (bound, connected) = if first_serves {
                        (&first, &second)
                    } else {
                        (&second, &first)
                    };
                    connected.connect(&bound.bind(&endpoint));
                    talk((one, &first), (other, &second));
                }
            }
        }
    }

    /// A server and a client that come to nothing: what is told by each, whoever it is.
    fn refuse(&self, scene: &str, server: &Options, client: &Options, told: [&[(u32, u32)]; 2]) {
        for (served_by_us, we_come) in [(false, false), (true, false), (false, true)] {
            let serves = self.party(served_by_us, "PULL", server);
            let comes = self.party(we_come, "PUSH", client);
            comes.connect(&serves.bind("tcp://127.0.0.1:0"));
            let who = format!("{scene}, served by us: {served_by_us}, we come: {we_come}");
            let after = |party: &Party<'_>, before: usize, told: &[(u32, u32)]| {
                party.told(before + told.len()).split_off(before)
            };
            for (party, told) in [(&serves, told[0]), (&comes, told[1])] {
                let heard = after(party, 2, told);
                // Whoever sees the mismatch first closes: the other may hear of nothing else.
                let late = told[0] == MISMATCH && heard == [NO_DETAIL, LOST];
                assert!(late || heard == told, "{who}: {heard:x?}, not {told:x?}");
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Its thread ends with it.
        let _ = self.handler.close(Duration::ZERO);
    }
}

fn plain_server(domain: &str) -> Options {
    vec![
        ("PLAIN_SERVER", Value::Number(1)),
        ("ZAP_DOMAIN", octets(domain)),
    ]
}

fn plain_client(password: &str) -> Options {
    vec![
        ("PLAIN_USERNAME", octets("admin")),
        ("PLAIN_PASSWORD", octets(password)),
    ]
}

const LOST: (u32, u32) = (0x0200, 0);
const NO_DETAIL: (u32, u32) = (0x0800, 0);
const MISMATCH: (u32, u32) = (0x2000, 0x1100_0002);

#[test]
fn every_pattern_by_plain_with_a_handler_on_either_side() {
    let world = World::new(Vec::new(), "global");
    world.play_all(&plain_server("global"), &plain_client("secret"));
}

#[test]
fn plain_refusals_are_told_alike() {
    let world = World::new(Vec::new(), "global");
    let denied = (0x4000, 400);
    let server = plain_server("global");
    // A server's ERROR is spelt in two ways: theirs tells of ours as of another word, and refuses as well.
    for (scene, server, client) in [
        ("wrong password", &server, plain_client("sesame")),
        (
            "wrong domain",
            &plain_server("elsewhere"),
            plain_client("secret"),
        ),
    ] {
        for (served_by_us, we_come) in [(false, false), (true, false), (false, true), (true, true)]
        {
            let serves = world.party(served_by_us, "PULL", server);
            let comes = world.party(we_come, "PUSH", &client);
            comes.connect(&serves.bind("tcp://127.0.0.1:0"));
            let who = format!("{scene}, served by us: {served_by_us}, we come: {we_come}");
            assert_eq!(serves.told(4)[2..], [denied, LOST], "server: {who}");
            let told = &comes.told(4)[2..];
            let spelt = [(0x2000, 0x1000_0001), LOST];
            assert!(
                told == [denied, LOST] || (served_by_us && !we_come && told == spelt),
                "{who}: {told:?}"
            );
        }
    }
    world.refuse(
        "wrong mechanism",
        &server,
        &Vec::new(),
        [&[MISMATCH, LOST], &[MISMATCH, LOST]],
    );
}

/// Without a handler: nobody comes in by PLAIN.
#[test]
fn the_absence_of_a_handler_is_told_alike() {
    let (peer, context) = (Peer::start(), Context::new());
    let (server, client) = (plain_server("global"), plain_client("secret"));
    for served_by_us in [true, false] {
        let serves = match served_by_us {
            true => Party::ours(&context, "PULL", &server),
            false => Party::theirs(&peer, "PULL", &server),
        };
        let comes = Party::theirs(&peer, "PUSH", &client);
        comes.connect(&serves.bind("tcp://127.0.0.1:0"));
        assert_eq!(serves.told(4)[2..], [(0x0800, 14), LOST], "{served_by_us}");
        assert_eq!(comes.told(4)[2..], [NO_DETAIL, LOST], "{served_by_us}");
    }
}

#[cfg(feature = "curve")]
mod curve {
    use hubless::{KeyPair, PublicKey};

    use super::*;

    fn server(keys: &KeyPair, domain: &str) -> Options {
        vec![
            ("CURVE_SERVER", Value::Number(1)),
            ("CURVE_SECRETKEY", octets(keys.secret().expose())),
            ("ZAP_DOMAIN", octets(domain)),
        ]
    }

    fn client(server: PublicKey, keys: &KeyPair) -> Options {
        vec![
            ("CURVE_SERVERKEY", octets(server.as_bytes())),
            ("CURVE_PUBLICKEY", octets(keys.public().as_bytes())),
            ("CURVE_SECRETKEY", octets(keys.secret().expose())),
        ]
    }

    #[test]
    fn every_pattern_by_curve_with_a_handler_on_either_side() {
        let (serving, coming) = (KeyPair::generate(), KeyPair::generate());
        let world = World::new(coming.public().as_bytes().to_vec(), "global");
        world.play_all(
            &server(&serving, "global"),
            &client(serving.public(), &coming),
        );
    }

    #[test]
    fn curve_refusals_are_told_alike() {
        let (serving, coming, other) = (
            KeyPair::generate(),
            KeyPair::generate(),
            KeyPair::generate(),
        );
        let world = World::new(coming.public().as_bytes().to_vec(), "global");
        let good = server(&serving, "global");
        let denied: &[(u32, u32)] = &[(0x4000, 400), LOST];
        let stranger = client(serving.public(), &other);
        world.refuse("wrong key", &good, &stranger, [denied, denied]);
        let known = client(serving.public(), &coming);
        world.refuse(
            "wrong domain",
            &server(&serving, "elsewhere"),
            &known,
            [denied, denied],
        );
        let mismatch: &[(u32, u32)] = &[MISMATCH, LOST];
        world.refuse(
            "wrong mechanism",
            &good,
            &plain_client("secret"),
            [mismatch, mismatch],
        );
        let lost = client(other.public(), &coming);
        let forged: &[(u32, u32)] = &[(0x2000, 0x1100_0001), LOST];
        world.refuse(
            "wrong server key",
            &good,
            &lost,
            [forged, &[NO_DETAIL, LOST]],
        );
    }
}
