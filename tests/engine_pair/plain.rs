//! PLAIN and authenticators between two engines: who comes in, who does not, and what is told.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hubless::{
    AuthRequest, Credentials, Message, ProtocolError, Reason, Secret, SocketType, Time, Verdict,
    internals::{
        base::auth::{Gate, Security},
        engine::{Config, Fault},
        wire::{command, greeting},
    },
};

use crate::harness::{Pair, Side, config};

/// Engines ask, and the test answers: this one is never called.
fn server(socket_type: SocketType) -> Config {
    let unused = |_: &AuthRequest| -> bool { panic!("an engine calls nobody") };
    Config {
        security: Security::PlainServer(Some(Gate(Arc::new(unused)))),
        ..config(socket_type)
    }
}

fn client(socket_type: SocketType, user: &str, password: &str) -> Config {
    Config {
        security: Security::PlainClient {
            user: Bytes::copy_from_slice(user.as_bytes()),
            password: Secret::copy_from(password.as_bytes()),
        },
        ..config(socket_type)
    }
}

fn asking(socket_type: SocketType) -> Config {
    Config {
        asks: true,
        ..config(socket_type)
    }
}

fn plain_pair(verdict: Option<Verdict>, piece: usize) -> Pair {
    let client = client(SocketType::Push, "admin", "secret");
    let mut pair = Pair::new(client, server(SocketType::Pull), 7, piece);
    pair.sides[1].verdict = verdict;
    pair.settle();
    pair
}

fn fault(side: &Side) -> &Fault {
    side.fault.as_ref().expect("a fault")
}

fn protocol_error(side: &Side) -> ProtocolError {
    match fault(side).reason {
        Reason::Protocol(error) => error,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_and_a_password_are_asked_about_and_let_in() {
    for piece in [1, 7, 1000] {
        let mut pair = plain_pair(None, piece);
        let asked = pair.sides[1].asked.as_ref().expect("a question");
        assert_eq!(asked.mechanism(), "PLAIN");
        let Credentials::Plain { user, password } = &asked.credentials else {
            panic!("{asked:?}");
        };
        assert_eq!(
            (&user[..], password.expose()),
            (&b"admin"[..], &b"secret"[..])
        );
        assert!(!pair.sides[0].engine.is_ready(), "nobody has answered");

        pair.sides[1].verdict = Some(Verdict::allow_as("joe"));
        pair.sides[1].judge(pair.now);
        pair.settle();
        let peers = pair.sides.each_ref().map(|side| side.peer.clone());
        let [server, client] = peers.map(|peer| peer.expect("ready"));
        assert_eq!(server.socket_type, SocketType::Pull);
        let user_id = ("User-Id".to_owned(), Bytes::from_static(b"joe"));
        assert_eq!(client.properties.last(), Some(&user_id));
        assert!(!server.properties.contains(&user_id));

        let message = Message::from(["multi", "part"]);
        pair.send(1, &message);
        pair.settle();
        assert_eq!(pair.sides[1].messages(), [message]);
    }
}

#[test]
fn each_verdict_ends_as_its_status_says() {
    for (verdict, status, told) in [
        (Verdict::Deny, 400, Some("400")),
        (Verdict::Failed, 500, Some("500")),
        (Verdict::NotNow, 300, None),
    ] {
        let pair = plain_pair(Some(verdict), 1000);
        let server = fault(&pair.sides[1]);
        assert!(matches!(server.reason, Reason::Denied(number) if number == status));
        match told {
            Some(told) => {
                let client = fault(&pair.sides[0]);
                assert!(matches!(&client.reason, Reason::Refused(text) if text == told));
                assert!(!client.retry);
            }
            None => assert!(pair.sides[0].fault.is_none(), "it may try again"),
        }
    }
}

#[test]
fn a_question_nobody_answers_is_over_with_the_handshake() {
    let mut pair = plain_pair(None, 1000);
    pair.pass(Duration::from_secs(31), false);
    for side in &pair.sides {
        assert!(matches!(fault(side).reason, Reason::HandshakeTimeout));
    }
    // The answer comes too late.
    let late = pair.sides[1].engine.handle_verdict(pair.now, true.into());
    assert!(late.is_err());
}

#[test]
fn with_null_ready_waits_for_the_answer() {
    for both in [false, true] {
        let left = match both {
            true => asking(SocketType::Dealer),
            false => config(SocketType::Dealer),
        };
        let mut pair = Pair::new(left, asking(SocketType::Router), 3, 11);
        for side in &mut pair.sides {
            side.verdict = None;
        }
        pair.settle();
        for side in &mut pair.sides {
            assert!(side.fault.is_none() && !side.engine.is_ready());
            side.verdict = Some(Verdict::allow_as("somebody"));
            side.judge(pair.now);
        }
        pair.settle();
        assert!(pair.sides.iter().all(|side| side.engine.is_ready()));
    }
    let mut pair = Pair::new(config(SocketType::Push), asking(SocketType::Pull), 3, 1000);
    pair.sides[1].verdict = Some(Verdict::Deny);
    pair.settle();
    assert!(matches!(&fault(&pair.sides[0]).reason, Reason::Refused(text) if text == "400"));
    assert!(pair.sides[0].peer.is_none(), "no READY came before");
}

#[test]
fn nobody_gives_himself_a_user_id() {
    let named = Config {
        properties: vec![("uSER-iD".into(), Bytes::from_static(b"root"))],
        ..config(SocketType::Push)
    };
    let pair = Pair::ready(named, config(SocketType::Pull), 5, 100);
    let peer = pair.sides[1].peer.as_ref().expect("ready");
    let claims = |(name, _): &(String, Bytes)| name.eq_ignore_ascii_case("user-id");
    assert!(!peer.properties.iter().any(claims));
}

#[test]
fn mechanisms_must_be_the_same_and_old_revisions_cannot_come_in_unasked() {
    let null = || config(SocketType::Pull);
    for (left, right) in [
        (client(SocketType::Push, "u", "p"), null()),
        (server(SocketType::Push), null()),
    ] {
        let mut pair = Pair::new(left, right, 1, 1000);
        pair.settle();
        for side in &pair.sides {
            assert_eq!(protocol_error(side), ProtocolError::MechanismMismatch);
            assert!(!fault(side).retry);
        }
    }
    for guarded in [
        server(SocketType::Pull),
        client(SocketType::Pull, "u", "p"),
        asking(SocketType::Pull),
    ] {
        let mut side = Side::new(guarded, Time::START);
        side.wire.extend(b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08\0\0");
        side.take(Time::START, usize::MAX, 1);
        assert_eq!(protocol_error(&side), ProtocolError::MechanismMismatch);
    }
}

/// What a raw client says to a server that lets everybody in, piece by piece; how that ends.
fn say(words: &[&[u8]]) -> Side {
    let mut side = Side::new(server(SocketType::Pull), Time::START);
    let greeting = greeting::encode_with(greeting::mechanism("PLAIN"), false, b"");
    for word in [&greeting[..]].iter().chain(words) {
        side.wire.extend(*word);
        side.take(Time::START, usize::MAX, 1);
        while side.fault.is_none() && !side.wire.is_empty() {
            side.judge(Time::START);
            side.take(Time::START, usize::MAX, 1);
        }
        side.judge(Time::START);
    }
    side
}

const HELLO: &[u8] = b"\x04\x13\x05HELLO\x05admin\x06secret";
const INITIATE: &[u8] = b"\x04\x1d\x08INITIATE\x0bSocket-Type\0\0\0\x04PUSH";

#[test]
fn words_out_of_place_or_misshapen_end_the_handshake() {
    assert!(say(&[HELLO, INITIATE]).engine.is_ready());
    assert!(say(&[b"\x04\x08\x05HELLO\0\0", INITIATE]).engine.is_ready());
    for (words, error) in [
        (
            &[&b"\x04\x0b\x05HELLO\x01a\x01bX"[..]][..],
            ProtocolError::MalformedHello,
        ),
        (
            &[b"\x04\x09\x05HELLO\x01a\x01"],
            ProtocolError::MalformedHello,
        ),
        (
            &[b"\x04\x0d\x08HELLO\0\0\0\x01a\x01b"],
            ProtocolError::UnexpectedCommand,
        ),
        (&[INITIATE], ProtocolError::UnexpectedCommand),
        (&[HELLO, HELLO], ProtocolError::UnexpectedCommand),
        (&[HELLO, b"\0\x01M"], ProtocolError::UnexpectedCommand),
        (
            &[HELLO, b"\x04\x09\x08INITIATE"],
            ProtocolError::InvalidMetadata,
        ),
        (
            &[HELLO, b"\x04\x1c\x08INITIATE\x0bSocket-Type\0\0\0\x03REP"],
            ProtocolError::InvalidMetadata,
        ),
    ] {
        assert_eq!(protocol_error(&say(words)), error, "{words:?}");
    }
    // A client that does not wait for WELCOME.
    let mut side = Side::new(server(SocketType::Pull), Time::START);
    side.verdict = None;
    let greeting = greeting::encode_with(greeting::mechanism("PLAIN"), false, b"");
    side.wire
        .extend(greeting.iter().chain(HELLO).chain(INITIATE));
    side.take(Time::START, usize::MAX, 1);
    assert!(side.asked.is_some() && side.fault.is_none());
    side.take(Time::START, usize::MAX, 1);
    assert_eq!(protocol_error(&side), ProtocolError::Unspecified);
}

#[test]
fn a_client_hears_error_in_both_spellings() {
    let hear = |words: &[&[u8]]| {
        let mut side = Side::new(client(SocketType::Push, "admin", "secret"), Time::START);
        let greeting = greeting::encode_with(greeting::mechanism("PLAIN"), true, b"");
        side.wire.extend(greeting);
        for word in words {
            side.wire.extend(*word);
        }
        side.take(Time::START, usize::MAX, 1);
        side
    };
    let welcome = b"\x04\x08\x07WELCOME";
    let ready = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL";
    for error in [&b"\x04\x0a\x05ERROR\x03400"[..], b"\x04\x09\x5eRROR\x03400"] {
        for words in [&[error][..], &[welcome, error]] {
            let side = hear(words);
            assert!(matches!(&fault(&side).reason, Reason::Refused(text) if text == "400"));
        }
    }
    assert!(hear(&[welcome, ready]).engine.is_ready());
    for (words, error) in [
        (&[&ready[..]][..], ProtocolError::UnexpectedCommand),
        (&[b"\x04\x09\x07WELCOMEX"], ProtocolError::MalformedWelcome),
        (&[welcome, welcome], ProtocolError::UnexpectedCommand),
        (
            &[welcome, b"\x04\x05\x04PING"],
            ProtocolError::UnexpectedCommand,
        ),
        (&[b"\x04\x06\x5eRROR\x09"], ProtocolError::MalformedError),
    ] {
        assert_eq!(protocol_error(&hear(words)), error, "{words:?}");
    }
}

/// Every octet of a handshake, changed once: it is refused, or comes to the same; nothing panics.
#[test]
fn a_changed_octet_never_lets_in_somebody_else() {
    let mut hello = Vec::new();
    command::encode_hello(b"admin", b"secret", &mut hello);
    for at in 0..hello.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = hello.clone();
            changed[at] ^= flip;
            let mut side = Side::new(server(SocketType::Pull), Time::START);
            side.verdict = None;
            let greeting = greeting::encode_with(greeting::mechanism("PLAIN"), false, b"");
            side.wire.extend(greeting);
            side.wire.extend(changed);
            side.take(Time::START, usize::MAX, 1);
            // Reserved bits mean nothing, nor does MORE in front of a command.
            let ignored = at == 0 && flip != 0xff;
            if let Some(AuthRequest {
                credentials: Credentials::Plain { user, password },
                ..
            }) = &side.asked
            {
                assert!(
                    ignored || user != "admin" || !password.is(b"secret"),
                    "{at} {flip}"
                );
            }
        }
    }
}
