//! CURVE between two engines, against recorded exchanges with all keys fixed, and against those
//! who damage, repeat, swap or forge what is said.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use hubless::{
    Credentials, KeyPair, Message, ProtocolError, PublicKey, Reason, SecretKey, SocketType, Time,
    Verdict,
    internals::{
        base::{
            auth::Security,
            keys::{Curve, Primitives},
        },
        engine::{Config, Dryoc},
        wire::{command, frame, greeting, metadata},
    },
};

use crate::harness::{Pair, Random, Side, Told, config, message};

/// The real thing, but for what is random.
#[derive(Debug)]
struct Fixed(Mutex<VecDeque<u8>>);

impl Primitives for Fixed {
    fn fill_random(&self, octets: &mut [u8]) {
        let mut left = self.0.lock().expect("no panic holding it");
        for octet in octets {
            *octet = left.pop_front().expect("enough of it");
        }
    }

    fn public_of(&self, secret: &[u8; 32]) -> [u8; 32] {
        Dryoc.public_of(secret)
    }

    fn agree(&self, theirs: &PublicKey, ours: &SecretKey) -> Option<SecretKey> {
        Dryoc.agree(theirs, ours)
    }

    fn seal(&self, key: &SecretKey, nonce: &[u8; 24], octets: &mut [u8]) -> [u8; 16] {
        Dryoc.seal(key, nonce, octets)
    }

    fn open(&self, key: &SecretKey, nonce: &[u8; 24], proof: &[u8; 16], it: &mut [u8]) -> bool {
        Dryoc.open(key, nonce, proof, it)
    }
}

/// The octets of that name in `curve.txt`.
fn recorded(name: &str) -> Vec<u8> {
    let line = |line: &&str| line.split(' ').next() == Some(name);
    let found = include_str!("curve.txt").lines().find(line);
    let hex = found.and_then(|line| line.split(' ').nth(1)).expect(name);
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn octets<const N: usize>(name: &str) -> [u8; N] {
    recorded(name).try_into().expect("its length")
}

fn keys(name: &str) -> KeyPair {
    KeyPair::from(SecretKey::from(octets::<32>(name)))
}

fn with(socket_type: SocketType, keys: KeyPair, server: Option<PublicKey>) -> Config {
    Config {
        security: Security::Curve(Curve {
            keys: Arc::new(keys),
            server,
            primitives: Arc::new(Dryoc),
        }),
        ..config(socket_type)
    }
}

fn server(socket_type: SocketType) -> Config {
    with(socket_type, keys("server_secret"), None)
}

fn client(socket_type: SocketType) -> Config {
    let server = keys("server_secret").public();
    with(socket_type, keys("client_secret"), Some(server))
}

fn fixed(mut config: Config, random: &str) -> Config {
    if let Security::Curve(curve) = &mut config.security {
        curve.primitives = Arc::new(Fixed(Mutex::new(recorded(random).into())));
    }
    config
}

fn pair(seed: u64, piece: usize) -> Pair {
    let (client, server) = (client(SocketType::Dealer), server(SocketType::Dealer));
    Pair::ready(client, server, seed, piece)
}

fn hear(side: &mut Side, octets: &[u8]) {
    side.wire.extend(octets);
    while side.fault.is_none() && !side.wire.is_empty() {
        side.take(Time::START, usize::MAX, 1000);
        side.judge(Time::START);
    }
}

fn error(side: &Side) -> Option<ProtocolError> {
    match &side.fault.as_ref()?.reason {
        Reason::Protocol(error) => Some(*error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn boxes_are_those_of_the_recording() {
    let (server, client) = (keys("server_secret"), keys("client_secret"));
    assert_eq!(*server.public().as_bytes(), octets("server_public"));
    assert_eq!(*client.public().as_bytes(), octets("client_public"));
    let key = Dryoc
        .agree(&server.public(), client.secret())
        .expect("good");
    assert!(key == SecretKey::from(octets::<32>("box_beforenm")));
    assert!(Dryoc.agree(&client.public(), server.secret()) == Some(key.clone()));
    let nonce = octets("box_nonce24");
    for (plain, sealed) in [
        (recorded("box_plaintext"), "box_box_mac_then_ciphertext"),
        (Vec::new(), "box_empty_box"),
    ] {
        let mut it = plain.clone();
        let proof = Dryoc.seal(&key, &nonce, &mut it);
        assert_eq!([&proof[..], &it].concat(), recorded(sealed));
        assert!(Dryoc.open(&key, &nonce, &proof, &mut it) && it == plain);
        let mut proof = Dryoc.seal(&key, &nonce, &mut it);
        proof[15] ^= 0x80;
        assert!(!Dryoc.open(&key, &nonce, &proof, &mut it));
    }
}

/// Keys that make the same secret with everybody's.
#[test]
fn low_order_keys_agree_with_nobody() {
    let order8: [u8; 32] = [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ];
    let mut one = [0; 32];
    one[0] = 1;
    for low in [[0; 32], one, order8] {
        let keys = keys("server_secret");
        assert!(Dryoc.agree(&PublicKey::from(low), keys.secret()).is_none());
        // A user who asks for such a server gets nowhere, and nothing panics.
        let client = with(SocketType::Push, keys, Some(PublicKey::from(low)));
        let mut side = Side::new(client, Time::START);
        hear(&mut side, &recorded("client_their_greeting"));
        assert_eq!(error(&side), Some(ProtocolError::Cryptographic));
    }
}

/// Nobody looks at a signature's padding: the recorded one is zero, ours tells a length.
fn pad(octets: &mut [u8]) {
    if octets.starts_with(b"\xff\0\0\0\0\0\0\0\0\x7f") {
        octets[8] = 1;
    }
}

#[test]
fn a_client_says_what_the_recording_says() {
    let client = fixed(client(SocketType::Dealer), "client_random");
    let mut side = Side::new(client, Time::START);
    let said = |side: &mut Side, names: &[&str]| {
        let mut expected: Vec<u8> = names.iter().flat_map(|name| recorded(name)).collect();
        pad(&mut expected);
        assert_eq!(side.output(), expected, "{names:?}");
    };
    hear(&mut side, &recorded("client_their_greeting"));
    said(&mut side, &["client_greeting", "client_hello"]);
    hear(&mut side, &recorded("client_welcome"));
    said(&mut side, &["client_initiate"]);
    hear(&mut side, &recorded("client_ready"));
    assert!(side.engine.is_ready());
    said(&mut side, &[]);
    let mut frames = Vec::new();
    frame::encode(Message::from(["first", "second"]).frames(), &mut frames);
    let sealed = side.sealed(frames);
    let expected = ["client_first", "client_second"].map(recorded).concat();
    assert_eq!(sealed, expected);
    hear(&mut side, &recorded("client_answer_first"));
    hear(&mut side, &recorded("client_answer_second"));
    assert_eq!(side.messages(), [Message::from(["RRR", ""])]);
}

#[test]
fn a_server_says_what_the_recording_says() {
    let server = fixed(server(SocketType::Dealer), "server_random");
    let mut side = Side::new(server, Time::START);
    hear(&mut side, &recorded("server_their_greeting"));
    let mut greeting = recorded("server_greeting");
    pad(&mut greeting);
    assert_eq!(side.output(), greeting);
    hear(&mut side, &recorded("server_hello"));
    assert_eq!(side.output(), recorded("server_welcome"));
    hear(&mut side, &recorded("server_initiate"));
    assert!(side.engine.is_ready());
    // Our READY says Identity, too, which the recorded one does not.
    assert!(side.output().len() >= recorded("server_ready").len());
    let first = recorded("server_first");
    hear(&mut side, &first);
    hear(&mut side, &recorded("server_second"));
    assert_eq!(side.messages(), [Message::from(["x", "yy"])]);
    let mut frames = Vec::new();
    frame::encode(Message::from("reply").frames(), &mut frames);
    assert_eq!(side.sealed(frames), recorded("server_reply"));
    hear(&mut side, &first);
    assert_eq!(error(&side), Some(ProtocolError::InvalidSequence));
}

#[test]
fn messages_of_all_shapes_arrive_in_all_pieces() {
    for seed in 1..6 {
        let mut random = Random(seed);
        let mut pair = pair(seed, [7, 100, 10_000, 200_000, 1][seed as usize % 5]);
        pair.room = 3;
        for to in [0, 1] {
            let count = if seed == 5 { 3 } else { 20 };
            let sent: Vec<_> = (0..count).map(|_| message(&mut random)).collect();
            for message in &sent {
                pair.send(to, message);
            }
            pair.settle();
            assert!(pair.sides[to].fault.is_none(), "seed {seed}");
            assert!(pair.sides[to].messages() == sent, "seed {seed}");
            assert!(pair.sides[to].engine.kept_octets() < 1024);
        }
    }
}

#[test]
fn subscriptions_and_pings_travel_sealed() {
    let beating = Config {
        heartbeat_interval: Some(std::time::Duration::from_secs(1)),
        ..client(SocketType::Sub)
    };
    let mut pair = Pair::ready(beating, server(SocketType::XPub), 9, 100);
    let mut words = Vec::new();
    command::encode("SUBSCRIBE", b"news", &mut words);
    command::encode("CANCEL", b"news", &mut words);
    let sealed = pair.sides[0].sealed(words);
    assert!(!sealed.windows(4).any(|it| it == b"news"));
    pair.sides[1].wire.extend(sealed);
    pair.settle();
    let topic = || Bytes::from_static(b"news");
    let told = [Told::Subscribed(topic()), Told::Cancelled(topic())];
    assert_eq!(pair.sides[1].inbox.told, told);
    // Ten PINGs that were not answered would have ended it.
    pair.pass(std::time::Duration::from_secs(10), false);
    assert!(pair.sides.iter().all(|side| side.engine.is_ready()));
}

#[test]
fn the_limits_on_messages_count_what_is_inside() {
    for (octets, frames, good) in [(1000, 1, true), (1001, 1, false), (400, 3, false)] {
        let limited = Config {
            message_octets_max: 1000,
            ..server(SocketType::Dealer)
        };
        let mut pair = Pair::ready(client(SocketType::Dealer), limited, 3, 100_000);
        let mut message = Message::new();
        for _ in 0..frames {
            message.push(vec![1; octets]);
        }
        pair.send(1, &message);
        pair.settle();
        assert_eq!(pair.sides[1].fault.is_none(), good);
    }
    // A size that no limit admits costs nothing.
    let mut pair = pair(3, 100_000);
    hear(&mut pair.sides[1], &frame::header(1 << 40, false, false));
    assert_eq!(error(&pair.sides[1]), Some(ProtocolError::Unspecified));
}

#[test]
fn an_authenticator_learns_the_key_and_the_name() {
    let named = Config {
        identity: Bytes::from_static(b"me"),
        ..client(SocketType::Dealer)
    };
    let asking = Config {
        asks: true,
        ..server(SocketType::Router)
    };
    let mut pair = Pair::new(named.clone(), asking.clone(), 4, 50);
    pair.sides[1].verdict = None;
    pair.settle();
    let asked = pair.sides[1].asked.as_ref().expect("a question");
    let Credentials::Curve { key } = asked.credentials else {
        panic!("{asked:?}");
    };
    assert_eq!(*key.as_bytes(), octets("client_public"));
    assert_eq!(
        (&asked.identity[..], asked.mechanism()),
        (&b"me"[..], "CURVE")
    );
    assert!(!pair.sides[0].engine.is_ready());
    pair.sides[1].verdict = Some(Verdict::allow_as("joe"));
    pair.sides[1].judge(pair.now);
    pair.settle();
    let peer = pair.sides[1].peer.as_ref().expect("ready");
    assert!(
        peer.properties
            .contains(&("User-Id".into(), Bytes::from_static(b"joe")))
    );
    assert!(pair.sides[0].engine.is_ready());

    let mut pair = Pair::new(named, asking, 4, 50);
    pair.sides[1].verdict = Some(Verdict::Deny);
    pair.settle();
    let told = pair.sides[0].fault.as_ref().expect("told");
    assert!(matches!(&told.reason, Reason::Refused(text) if text == "400") && !told.retry);
}

/// Plays a handshake word by word; `change` may change each: 0 HELLO, 1 WELCOME, 2 INITIATE, 3
/// READY. Gives who hears word `until`, after it.
fn handshake(until: usize, change: impl Fn(usize, &mut Vec<u8>)) -> Side {
    let (client, server) = (client(SocketType::Push), server(SocketType::Pull));
    let mut sides = [client, server].map(|config| Side::new(config, Time::START));
    let greeting = greeting::encode_with(greeting::mechanism("CURVE"), false, b"");
    for side in &mut sides {
        hear(side, &greeting);
    }
    sides[1].output();
    let mut word = sides[0].output().split_off(64);
    for number in 0..=until {
        change(number, &mut word);
        let to = (number + 1) % 2;
        hear(&mut sides[to], &word);
        word = sides[to].output();
    }
    let [client, server] = sides;
    if until % 2 == 0 { server } else { client }
}

#[test]
fn each_octet_of_each_word_counts() {
    let untouched = handshake(3, |_, _| {});
    assert!(untouched.engine.is_ready());
    for until in 0..4 {
        let length = std::cell::Cell::new(0);
        handshake(until, |number, word| {
            if number == until {
                length.set(word.len());
            }
        });
        // Not the frame's flags: MORE and reserved bits mean nothing there.
        for at in 1..length.get() {
            let side = handshake(until, |number, word| {
                if number == until {
                    word[at] ^= 1 << (at % 8);
                }
            });
            assert!(!side.engine.is_ready(), "word {until}, octet {at}");
            let header = if until == 2 { 9 } else { 2 };
            // A changed size may leave it waiting for more, or with less; all else is refused.
            assert!(
                side.fault.is_some() || at < header,
                "word {until}, octet {at}"
            );
        }
        assert!(length.get() > 30);
        // Cut short, or with an octet more.
        for change in [-1isize, 1] {
            let side = handshake(until, |number, word| {
                if number == until {
                    let (size, header) = if until == 2 { (8, 9) } else { (1, 2) };
                    let octets = (word.len() as isize + change) as usize;
                    word.resize(octets, 0);
                    word[size] = (octets - header) as u8;
                }
            });
            assert!(
                side.fault.is_some() && !side.engine.is_ready(),
                "word {until}"
            );
        }
    }
}

#[test]
fn words_of_another_connection_or_said_again_are_refused() {
    let heard: Vec<Vec<u8>> = (0..4)
        .map(|wanted| {
            let kept = std::cell::RefCell::new(Vec::new());
            handshake(wanted, |number, word| {
                if number == wanted {
                    kept.borrow_mut().clone_from(word);
                }
            });
            kept.into_inner()
        })
        .collect();
    // HELLO can be said again by anybody who has heard it: what follows cannot.
    for (until, again) in heard.iter().enumerate().skip(1) {
        let side = handshake(until, |number, word| {
            if number == until {
                word.clone_from(again);
            }
        });
        assert_eq!(
            error(&side),
            Some(ProtocolError::Cryptographic),
            "word {until}"
        );
    }
    // Each in each other's place.
    for until in 0..4 {
        for (other, word_of_other) in heard.iter().enumerate().filter(|(at, _)| *at != until) {
            let side = handshake(until, |number, word| {
                if number == until {
                    word.clone_from(word_of_other);
                }
            });
            let unexpected = Some(ProtocolError::UnexpectedCommand);
            assert_eq!(error(&side), unexpected, "{other} for {until}");
        }
    }
}

#[test]
fn a_message_is_good_once_unchanged_and_in_order() {
    let sealed = |pair: &mut Pair, text: &str| {
        let mut frames = Vec::new();
        frame::encode(Message::from(text).frames(), &mut frames);
        pair.sides[0].sealed(frames)
    };
    let ready = || pair(8, 1000);
    let length = sealed(&mut ready(), "a").len();
    for at in 2..length {
        let mut pair = ready();
        let mut changed = sealed(&mut pair, "a");
        changed[at] ^= 1 << (at % 8);
        hear(&mut pair.sides[1], &changed);
        assert!(error(&pair.sides[1]).is_some(), "octet {at}");
        assert!(pair.sides[1].inbox.told.is_empty());
    }
    let again = Some(ProtocolError::InvalidSequence);
    let mut pair = ready();
    let [first, second] = ["first", "second"].map(|text| sealed(&mut pair, text));
    hear(&mut pair.sides[1], &second);
    assert_eq!(
        pair.sides[1].messages(),
        [Message::from("second")],
        "gaps are good"
    );
    hear(&mut pair.sides[1], &first);
    assert_eq!(error(&pair.sides[1]), again, "in another order");
    let mut pair = ready();
    let first = sealed(&mut pair, "first");
    hear(&mut pair.sides[1], &first);
    hear(&mut pair.sides[1], &first);
    assert_eq!(error(&pair.sides[1]), again, "played back");
    let mut pair = ready();
    let own = sealed(&mut pair, "first");
    hear(&mut pair.sides[0], &own);
    let forged = Some(ProtocolError::Cryptographic);
    assert_eq!(error(&pair.sides[0]), forged, "sent back to its sender");
    let mut pair = ready();
    let other = sealed(&mut ready(), "first");
    hear(&mut pair.sides[1], &other);
    assert_eq!(error(&pair.sides[1]), forged, "of another connection");
    let (no_command, other) = (
        ProtocolError::MalformedCommand,
        ProtocolError::UnexpectedCommand,
    );
    for (clear, why) in [
        (&b"\0\x05clear"[..], no_command),
        (b"\x04\x07\x04PING\0\0", other),
        (b"\0\0", no_command),
        (b"\0\x0a\x07MESSAGE\0\0", ProtocolError::MalformedMessage),
    ] {
        let mut pair = ready();
        hear(&mut pair.sides[1], clear);
        assert_eq!(error(&pair.sides[1]), Some(why));
    }
    // In a command frame, and with MORE outside: only what is inside counts.
    for flags in [1, 4, 5] {
        let mut pair = ready();
        let mut sealed = sealed(&mut pair, "first");
        sealed[0] = flags;
        hear(&mut pair.sides[1], &sealed);
        assert_eq!(pair.sides[1].messages(), [Message::from("first")]);
    }
}

/// A client that does as it likes.
struct Raw {
    server: Side,
    own: KeyPair,
    theirs: PublicKey,
    cookie: Vec<u8>,
}

fn nonce(prefix: &[u8], rest: &[u8]) -> [u8; 24] {
    [prefix, rest].concat().try_into().expect("24 octets")
}

fn sealed(to: &PublicKey, by: &KeyPair, nonce: &[u8; 24], plain: &[u8]) -> Vec<u8> {
    let key = Dryoc.agree(to, by.secret()).expect("a good key");
    let mut it = plain.to_vec();
    let proof = Dryoc.seal(&key, nonce, &mut it);
    [&proof[..], &it].concat()
}

fn hello(own: &KeyPair, version: u8, padding: u8, plain: &[u8; 64], counter: u64) -> Vec<u8> {
    let to = keys("server_secret").public();
    let counter = counter.to_be_bytes();
    let proof = sealed(&to, own, &nonce(b"CurveZMQHELLO---", &counter), plain);
    let mut data = vec![version, 0];
    data.resize(74, padding);
    data.extend([&own.public().as_bytes()[..], &counter, &proof].concat());
    let mut out = Vec::new();
    command::encode("HELLO", &data, &mut out);
    out
}

impl Raw {
    fn greet() -> Side {
        let mut server = Side::new(server(SocketType::Pull), Time::START);
        let greeting = greeting::encode_with(greeting::mechanism("CURVE"), false, b"");
        hear(&mut server, &greeting);
        server.output();
        server
    }

    /// Up to WELCOME.
    fn new(counter: u64) -> Raw {
        let (mut server, own) = (Raw::greet(), KeyPair::generate());
        hear(&mut server, &hello(&own, 1, 0, &[0; 64], counter));
        let welcome = server.output();
        let key = Dryoc.agree(&keys("server_secret").public(), own.secret());
        let (nonce, sealed) = (nonce(b"WELCOME-", &welcome[10..26]), &welcome[26..]);
        let (proof, it) = sealed.split_first_chunk().expect("a box");
        let mut it = it.to_vec();
        assert!(Dryoc.open(&key.expect("good"), &nonce, proof, &mut it));
        let theirs: [u8; 32] = it[..32].try_into().expect("a key");
        Raw {
            server,
            own,
            theirs: theirs.into(),
            cookie: it.split_off(32),
        }
    }

    /// Says INITIATE, and how that ends.
    fn initiate(
        mut self,
        counter: u64,
        vouched: [PublicKey; 2],
        claimed: PublicKey,
        socket_type: &[u8],
    ) -> Option<ProtocolError> {
        let long_term = keys("client_secret");
        let vouched = vouched.map(|key| *key.as_bytes()).concat();
        let vouch = sealed(
            &self.theirs,
            &long_term,
            &nonce(b"VOUCH---", &[7; 16]),
            &vouched,
        );
        let mut plain = [&claimed.as_bytes()[..], &[7; 16], &vouch].concat();
        metadata::encode("Socket-Type", socket_type, &mut plain);
        let counter = counter.to_be_bytes();
        let it = sealed(
            &self.theirs,
            &self.own,
            &nonce(b"CurveZMQINITIATE", &counter),
            &plain,
        );
        let mut out = Vec::new();
        command::encode(
            "INITIATE",
            &[&self.cookie[..], &counter, &it].concat(),
            &mut out,
        );
        hear(&mut self.server, &out);
        assert_eq!(self.server.fault.is_none(), self.server.engine.is_ready());
        error(&self.server)
    }
}

#[test]
fn a_vouch_must_be_for_this_client_at_this_server() {
    let (us, them) = (
        keys("server_secret").public(),
        keys("client_secret").public(),
    );
    let other = KeyPair::generate().public();
    let good = Raw::new(1);
    let own = good.own.public();
    assert_eq!(good.initiate(2, [own, us], them, b"PUSH"), None);
    let wrong = Some(ProtocolError::KeyExchange);
    let raw = Raw::new(1);
    let own = raw.own.public();
    assert_eq!(
        raw.initiate(2, [own, other], them, b"PUSH"),
        wrong,
        "for another server"
    );
    assert_eq!(
        Raw::new(1).initiate(2, [other, us], them, b"PUSH"),
        wrong,
        "another's vouch"
    );
    let raw = Raw::new(1);
    let own = raw.own.public();
    let forged = Some(ProtocolError::Cryptographic);
    assert_eq!(
        raw.initiate(2, [own, us], other, b"PUSH"),
        forged,
        "by another's name"
    );
    let raw = Raw::new(1);
    let own = raw.own.public();
    let misfit = Some(ProtocolError::InvalidMetadata);
    assert_eq!(raw.initiate(2, [own, us], them, b"REP"), misfit);
    for (first, second) in [(1, 1), (5, 5), (5, 4), (u64::MAX, 1), (2, 0)] {
        let raw = Raw::new(first);
        let own = raw.own.public();
        let sequence = Some(ProtocolError::InvalidSequence);
        assert_eq!(raw.initiate(second, [own, us], them, b"PUSH"), sequence);
    }
    let raw = Raw::new(0);
    let own = raw.own.public();
    assert_eq!(raw.initiate(u64::MAX, [own, us], them, b"PUSH"), None);
}

#[test]
fn a_hello_must_be_as_it_should() {
    let own = KeyPair::generate();
    let said = |hello: &[u8]| {
        let mut server = Raw::greet();
        hear(&mut server, hello);
        assert_eq!(server.output().is_empty(), server.fault.is_some());
        error(&server)
    };
    let malformed = Some(ProtocolError::MalformedHello);
    let mut signed = [0; 64];
    assert_eq!(said(&hello(&own, 1, 0, &signed, 1)), None);
    assert_eq!(said(&hello(&own, 2, 0, &signed, 1)), malformed);
    assert_eq!(said(&hello(&own, 1, 1, &signed, 1)), malformed);
    signed[63] = 1;
    assert_eq!(said(&hello(&own, 1, 0, &signed, 1)), malformed);
}

#[test]
fn wrong_keys_and_other_mechanisms_come_to_nothing() {
    let stranger = KeyPair::generate().public();
    let lost = with(SocketType::Push, keys("client_secret"), Some(stranger));
    let mut pair = Pair::new(lost, server(SocketType::Pull), 1, 100);
    pair.settle();
    assert_eq!(error(&pair.sides[1]), Some(ProtocolError::Cryptographic));
    assert!(pair.sides[0].peer.is_none());
    for other in [
        config(SocketType::Pull),
        Config {
            security: Security::PlainClient {
                user: Bytes::new(),
                password: Default::default(),
            },
            ..config(SocketType::Pull)
        },
    ] {
        for curve in [client(SocketType::Push), server(SocketType::Push)] {
            let mut pair = Pair::new(curve, other.clone(), 1, 100);
            pair.settle();
            for side in &pair.sides {
                assert_eq!(error(side), Some(ProtocolError::MechanismMismatch));
            }
        }
    }
    // Two of the same role: both servers wait, both clients hear what they do not expect.
    let clients = [client(SocketType::Dealer), client(SocketType::Dealer)];
    let [left, right] = clients;
    let mut pair = Pair::new(left, right, 1, 100);
    pair.settle();
    for side in &pair.sides {
        assert_eq!(error(side), Some(ProtocolError::UnexpectedCommand));
    }
    for guarded in [client(SocketType::Pull), server(SocketType::Pull)] {
        let mut side = Side::new(guarded, Time::START);
        hear(&mut side, b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08\0\0");
        assert_eq!(error(&side), Some(ProtocolError::MechanismMismatch));
    }
}

#[test]
fn secrets_do_not_show() {
    let shown = |what: &dyn std::fmt::Debug| format!("{what:?}");
    let secret: [u8; 32] = octets("server_secret");
    let pair = pair(1, 100);
    let shown = [
        shown(&server(SocketType::Pull)),
        shown(&pair.sides),
        shown(&keys("server_secret")),
    ];
    let listed = secret.map(|octet| octet.to_string());
    let z85 = SecretKey::from(secret).to_z85();
    for text in shown {
        assert!(!text.contains(&listed[..4].join(", ")), "{text}");
        assert!(!text.contains(&z85[..8]), "{text}");
        assert!(text.contains("SecretKey(..)"));
    }
}
