//! What peers said in recorded exchanges of PLAIN, CURVE and ZAP, misuse included: `recorded.txt`, line by line.

use bytes::Bytes;
use hubless::{
    AuthRequest, Credentials, Message, Reason, SocketType, Time, Verdict,
    internals::{
        base::{auth::Security, secret::Secret},
        engine::Config,
        wire::{greeting, zap},
    },
};

#[cfg(feature = "curve")]
use crate::harness::Pair;
use crate::harness::{Side, Told, config};

/// A line of the file.
struct Line {
    about: &'static str,
    #[cfg_attr(not(feature = "curve"), allow(dead_code))]
    key: &'static str,
    frames: [Vec<Vec<u8>>; 2],
    outcome: &'static str,
}

fn octets(text: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len() & !1).step_by(2).map(digit).collect()
}

/// The lines of one role; there are so many.
fn lines(role: &str, count: usize) -> Vec<Line> {
    let line = |line: &'static str| {
        let parts: Vec<&str> = line.split("; ").collect();
        let [of, about, key, frames @ .., outcome] = &parts[..] else {
            return None;
        };
        let frames = |at: usize| -> Vec<Vec<u8>> {
            let listed = frames.get(at).unwrap_or(&"").split(' ');
            listed.filter(|it| !it.is_empty()).map(octets).collect()
        };
        (*of == role).then(|| Line {
            about,
            key,
            frames: [frames(0), frames(1)],
            outcome,
        })
    };
    let lines: Vec<Line> = include_str!("recorded.txt")
        .lines()
        .filter_map(line)
        .collect();
    assert_eq!(lines.len(), count, "{role}");
    lines
}

/// Greets, then hears one frame after the other; what it asks is answered behind each.
fn hear(side: &mut Side, mechanism: &str, frames: &[Vec<u8>]) {
    let greeting = greeting::encode_with(greeting::mechanism(mechanism), false, b"");
    for octets in [&greeting.to_vec()].into_iter().chain(frames) {
        side.wire.extend(octets);
        while side.fault.is_none() && !side.wire.is_empty() {
            let before = side.wire.len();
            side.take(Time::START, usize::MAX, 1000);
            if side.asked.is_some() && side.wire.len() == before {
                break;
            }
        }
        side.judge(Time::START);
    }
}

/// What has come of it, in the words of the file.
fn outcome(side: &Side) -> String {
    let text = |body: &[u8]| match body {
        [] => "-".to_owned(),
        body => body.iter().map(|octet| format!("{octet:02x}")).collect(),
    };
    let told = side.inbox.told.iter().map(|told| match told {
        Told::Message(message) => format!("message {}", text(message.first())),
        Told::Subscribed(topic) => format!("subscribed {}", text(topic)),
        Told::Cancelled(topic) => format!("cancelled {}", text(topic)),
    });
    let mut told: Vec<String> = told.collect();
    match side.fault.as_ref().map(|fault| &fault.reason) {
        None if told.is_empty() && side.engine.is_ready() => told.push("ready".into()),
        None => {}
        Some(Reason::Protocol(error)) => told.push(format!("fault {error:?}")),
        Some(Reason::Denied(status)) => told.push(format!("denied {status}")),
        Some(Reason::Refused(status)) => told.push(format!("refused {}", status.escape_ascii())),
        Some(other) => panic!("{other}"),
    }
    told.join(", ")
}

fn secure(socket_type: SocketType, security: Security) -> Config {
    Config {
        security,
        ..config(socket_type)
    }
}

#[test]
fn what_plain_clients_said() {
    for line in lines("plain-server", 13) {
        let server = secure(SocketType::Pull, Security::PlainServer(None));
        let mut side = Side::new(server, Time::START);
        side.verdict = Some(match line.outcome {
            "denied 400" => Verdict::Deny,
            "denied 300" => Verdict::NotNow,
            _ => Verdict::allow_as("joe"),
        });
        hear(&mut side, "PLAIN", &line.frames[0]);
        assert_eq!(outcome(&side), line.outcome, "{}", line.about);
    }
}

#[test]
fn what_plain_servers_said() {
    for line in lines("plain-client", 7) {
        let (user, password) = (Bytes::from_static(b"admin"), Secret::copy_from(b"secret"));
        let client = secure(SocketType::Push, Security::PlainClient { user, password });
        let mut side = Side::new(client, Time::START);
        hear(&mut side, "PLAIN", &line.frames[0]);
        assert_eq!(outcome(&side), line.outcome, "{}", line.about);
    }
}

#[test]
fn what_handlers_were_asked_and_answered() {
    for line in lines("zap", 17) {
        let [request, reply] = line.frames.map(Message::from_iter);
        let frame = |at: usize| &request.frames()[at];
        let credentials = match frame(6).as_slice() {
            b"NULL" => Credentials::Null,
            b"PLAIN" => Credentials::Plain {
                user: Bytes::copy_from_slice(frame(7)),
                password: Secret::copy_from(frame(8)),
            },
            _ => Credentials::Curve {
                key: <[u8; 32]>::try_from(frame(7).as_slice())
                    .expect("a key")
                    .into(),
            },
        };
        let mut asked = AuthRequest::new(Bytes::new(), credentials);
        asked.domain = frame(3).as_str().expect("text").to_owned();
        asked.address = frame(4).as_str().expect("text").to_owned();
        assert_eq!(
            zap::encode_request(&asked, frame(5)),
            request,
            "{}",
            line.about
        );
        let outcome = match zap::parse_reply(&reply) {
            Ok(verdict) => format!("status {}", verdict.status()),
            Err(error) => format!("fault {error:?}"),
        };
        assert_eq!(outcome, line.outcome, "{}", line.about);
    }
}

#[cfg(feature = "curve")]
mod curve {
    use std::sync::Arc;

    use hubless::{
        KeyPair, PublicKey, SecretKey,
        internals::{
            base::keys::{Curve, Primitives},
            engine::Dryoc,
        },
    };

    use super::*;

    fn server(keys: KeyPair, primitives: impl Primitives + 'static) -> Security {
        Security::Curve(Curve {
            keys: Arc::new(keys),
            server: None,
            primitives: Arc::new(primitives),
        })
    }

    #[test]
    fn what_curve_clients_said() {
        let text = include_str!("curve.txt");
        let secret = text
            .lines()
            .find_map(|line| line.strip_prefix("server_secret "));
        let secret: [u8; 32] = octets(secret.expect("it is there"))
            .try_into()
            .expect("a key");
        for line in lines("curve-server", 13) {
            let keys = KeyPair::from(SecretKey::from(secret));
            let mut side = Side::new(secure(SocketType::Pull, server(keys, Dryoc)), Time::START);
            hear(&mut side, "CURVE", &line.frames[0]);
            assert_eq!(outcome(&side), line.outcome, "{}", line.about);
        }
    }

    /// The real thing, but that all agree on this key.
    #[derive(Debug)]
    struct Agreed(SecretKey);

    impl Primitives for Agreed {
        fn fill_random(&self, octets: &mut [u8]) {
            Dryoc.fill_random(octets);
        }

        fn public_of(&self, secret: &[u8; 32]) -> [u8; 32] {
            Dryoc.public_of(secret)
        }

        fn agree(&self, _: &PublicKey, _: &SecretKey) -> Option<SecretKey> {
            Some(self.0.clone())
        }

        fn seal(&self, key: &SecretKey, nonce: &[u8; 24], octets: &mut [u8]) -> [u8; 16] {
            Dryoc.seal(key, nonce, octets)
        }

        fn open(&self, key: &SecretKey, nonce: &[u8; 24], proof: &[u8; 16], it: &mut [u8]) -> bool {
            Dryoc.open(key, nonce, proof, it)
        }
    }

    /// A server behind the handshake with a client of ours, over which all has that key.
    fn ready(ours: SocketType, theirs: SocketType, key: &str) -> Side {
        let key: [u8; 32] = octets(key).try_into().expect("a key");
        let keys = KeyPair::generate();
        let agreed = || Agreed(SecretKey::from(key));
        let client = Security::Curve(Curve {
            keys: Arc::new(KeyPair::generate()),
            server: Some(keys.public()),
            primitives: Arc::new(agreed()),
        });
        let server = secure(ours, server(keys, agreed()));
        let [_, side] = Pair::ready(secure(theirs, client), server, 1, 1000).sides;
        side
    }

    #[test]
    fn what_was_sealed() {
        for (role, ours, theirs, count) in [
            ("sealed", SocketType::Pull, SocketType::Push, 12),
            ("sealed-publisher", SocketType::XPub, SocketType::Sub, 2),
        ] {
            for line in lines(role, count) {
                let mut side = ready(ours, theirs, line.key);
                for octets in &line.frames[0] {
                    side.wire.extend(octets);
                }
                while side.fault.is_none() && !side.wire.is_empty() {
                    side.take(Time::START, usize::MAX, 1000);
                }
                assert_eq!(outcome(&side), line.outcome, "{}", line.about);
            }
        }
    }
}
