//! Handshakes that go wrong, at a bound socket.

use std::time::Duration;

use hubless::{Pull, Push, Router, SocketType};

use crate::raw::{
    Peer, SIGNATURE, SOON, command, frame, greeting, header, our_words, ready, ready_with,
    stand::Stand,
};

/// One wrong handshake with a PULL: what it is, what the peer says, what we answer, how it ends.
struct Wrong {
    what: &'static str,
    says: Vec<u8>,
    answer: Vec<u8>,
    end: &'static str,
}

/// A greeting with these octets in place of its own.
fn greeting_with(at: usize, octets: &[u8]) -> Vec<u8> {
    let mut greeting = greeting();
    greeting[at..at + octets.len()].copy_from_slice(octets);
    greeting
}

/// The words of a PULL, then an ERROR.
fn our_error(reason: &str) -> Vec<u8> {
    let reason = [&[reason.len() as u8], reason.as_bytes()].concat();
    [our_words(SocketType::Pull), command("ERROR", &reason)].concat()
}

const UNSPECIFIED: &str = "HandshakeFailed(Protocol(Unspecified))";
const MISMATCH: &str = "HandshakeFailed(Protocol(MechanismMismatch))";
const UNEXPECTED: &str = "HandshakeFailed(Protocol(UnexpectedCommand))";
const METADATA: &str = "HandshakeFailed(Protocol(InvalidMetadata))";
const MALFORMED_ERROR: &str = "HandshakeFailed(Protocol(MalformedError))";

/// Greetings that are refused.
fn wrong_greetings() -> Vec<Wrong> {
    let signature = SIGNATURE.to_vec();
    let major = [SIGNATURE, b"\x03"].concat();
    let whole = our_words(SocketType::Pull);
    let wrong = |what, says: &[u8], answer: &[u8], end| Wrong {
        what,
        says: says.to_vec(),
        answer: answer.to_vec(),
        end,
    };
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mechanism = |name: &[u8]| greeting_with(12, name);
    vec![
        wrong("an HTTP request", http, &signature, UNSPECIFIED),
        wrong(
            "ZMTP 1.0, short identity",
            b"\x01\0",
            &signature,
            UNSPECIFIED,
        ),
        wrong(
            "ZMTP 1.0, long identity",
            b"\xff\0\0\0\0\0\0\0\x02\x7e",
            &signature,
            UNSPECIFIED,
        ),
        wrong(
            "ZMTP 1.0 by its number",
            b"\xff\0\0\0\0\0\0\0\0\x7f\0",
            &major,
            UNSPECIFIED,
        ),
        wrong("PLAIN", &mechanism(b"PLAIN"), &whole, MISMATCH),
        wrong("CURVE", &mechanism(b"CURVE"), &whole, MISMATCH),
        wrong(
            "NULL in small letters",
            &mechanism(b"null"),
            &whole,
            MISMATCH,
        ),
        wrong(
            "NULL and an octet",
            &greeting_with(31, b"x"),
            &whole,
            MISMATCH,
        ),
    ]
}

/// First words behind a good greeting that are refused.
fn wrong_words() -> Vec<Wrong> {
    let wrong = |what, word: Vec<u8>, answer: Option<&str>, end| Wrong {
        what,
        says: [greeting(), word].concat(),
        answer: answer.map_or(our_words(SocketType::Pull), our_error),
        end,
    };
    let push: (&str, &[u8]) = ("Socket-Type", b"PUSH");
    let is = |name: &str| ready_with(&[("Socket-Type", name.as_bytes())]);
    let with_tail = |tail: &[u8]| {
        let word = ready("PUSH");
        command("READY", &[&word[8..], tail].concat())
    };
    let as_message = [&[0], &ready("PUSH")[1..]].concat();
    let no_type = Some("Invalid socket type");
    vec![
        wrong("a message", frame(0, b"early"), None, UNEXPECTED),
        wrong("PING", command("PING", b"\0\0"), None, UNEXPECTED),
        wrong("SUBSCRIBE", command("SUBSCRIBE", b"a"), None, UNEXPECTED),
        wrong("HELLO", command("HELLO", b"\0\0"), None, UNEXPECTED),
        wrong("an empty command", frame(4, b""), None, UNEXPECTED),
        wrong(
            "a name beyond its frame",
            frame(4, b"\x20READY"),
            None,
            UNEXPECTED,
        ),
        wrong("READY as a message", as_message, None, UNEXPECTED),
        wrong("no Socket-Type", command("READY", b""), no_type, METADATA),
        wrong("an incompatible type", is("SUB"), no_type, METADATA),
        wrong("an unknown type", is("CLOWN"), no_type, METADATA),
        wrong("a type in small letters", is("push"), no_type, METADATA),
        wrong("an empty type", is(""), no_type, METADATA),
        wrong(
            "two types, one incompatible",
            ready_with(&[push, ("Socket-Type", b"SUB")]),
            no_type,
            METADATA,
        ),
        wrong(
            "a broken property: name",
            with_tail(b"\x05a"),
            None,
            METADATA,
        ),
        wrong(
            "a broken property: no value",
            with_tail(b"\x01a"),
            None,
            METADATA,
        ),
        wrong(
            "a broken property: value",
            with_tail(b"\x01a\0\0\0\x64xx"),
            None,
            METADATA,
        ),
        wrong(
            "a value of 2^32 - 1",
            with_tail(b"\x01a\xff\xff\xff\xff"),
            None,
            METADATA,
        ),
        wrong(
            "READY of 2^40 octets",
            header(4, 1 << 40),
            None,
            UNSPECIFIED,
        ),
        wrong("READY of 2^64 - 1", header(4, u64::MAX), None, UNSPECIFIED),
        wrong(
            "ERROR with a number",
            command("ERROR", b"\x03400"),
            None,
            "HandshakeFailed(Refused(b\"400\"))",
        ),
        wrong(
            "ERROR with words",
            command("ERROR", b"\x07go away"),
            None,
            "HandshakeFailed(Refused(b\"go away\"))",
        ),
        wrong(
            "ERROR without a reason",
            command("ERROR", b""),
            None,
            MALFORMED_ERROR,
        ),
        wrong(
            "ERROR, reason too long",
            command("ERROR", b"\x10ab"),
            None,
            MALFORMED_ERROR,
        ),
    ]
}

/// Each wrong, in one piece and octet by octet, over one socket: it is answered and closed.
fn refuse(wrongs: &[Wrong]) {
    let mut stand = Stand::new(Pull::builder());
    for wrong in wrongs {
        for piece in [usize::MAX, 1] {
            let mut peer = Peer::connect(&stand.at);
            for octets in wrong.says.chunks(piece.min(wrong.says.len())) {
                // It may be closed before the last octet.
                peer.try_say(octets);
            }
            stand.exchange();
            // Where octets of the peer are left unread the system may drop our last ones.
            let heard = peer.hear_end();
            assert!(
                wrong.answer.starts_with(&heard),
                "{}: {heard:?}",
                wrong.what
            );
            if wrong.says.len() > 64 {
                assert_eq!(heard, wrong.answer, "{}", wrong.what);
            }
            assert_eq!(stand.end_of(&peer), wrong.end, "{}", wrong.what);
        }
    }
    assert!(stand.others.is_empty(), "heard: {:?}", stand.others);
}

#[test]
fn wrong_greetings_are_refused() {
    refuse(&wrong_greetings());
}

#[test]
fn wrong_words_are_refused() {
    refuse(&wrong_words());
}

#[test]
fn a_signature_is_said_without_being_asked() {
    let stand = Stand::new(Pull::builder());
    let mut peer = Peer::connect(&stand.at);
    peer.expect(SIGNATURE);
    peer.say(&greeting()[..10]);
    peer.expect(b"\x03");
    peer.say(&greeting()[10..11]);
    peer.expect(&our_words(SocketType::Pull)[11..64]);
    peer.say(&greeting()[11..]);
    peer.expect(&our_words(SocketType::Pull)[64..]);
    peer.say(&ready("PUSH"));
    peer.check_open();
}

#[test]
fn odd_handshakes_are_good() {
    let mut stand = Stand::new(Pull::builder());
    let push: (&str, &[u8]) = ("Socket-Type", b"PUSH");
    let long = [header(4, 26), ready("PUSH")[2..].to_vec()].concat();
    let flags = |flags: u8| [&[flags], &ready("PUSH")[1..]].concat();
    let words = [
        (greeting(), long),
        (greeting(), flags(5)),
        (greeting(), flags(0xfc)),
        (
            greeting(),
            ready_with(&[("X-Mood", b"odd"), push, ("", b"v")]),
        ),
        (greeting(), ready_with(&[("sOCKET-tYPE", b"PUSH")])),
        (greeting_with(1, b"ZZZZZZZZ"), ready("PUSH")),
        (greeting_with(9, b"\x01"), ready("PUSH")),
        (greeting_with(10, b"\xff\xff"), ready("PUSH")),
        (greeting_with(11, b"\0"), ready("PUSH")),
        (greeting_with(32, &[1; 32]), ready("PUSH")),
    ];
    for (number, (greeting, ready)) in words.into_iter().enumerate() {
        for piece in [usize::MAX, 1] {
            let mut peer = Peer::connect(&stand.at);
            // A message behind READY, in the same piece, is as good as a later one.
            let body = format!("odd {number}");
            let all = [greeting.clone(), ready.clone(), frame(0, body.as_bytes())].concat();
            for octets in all.chunks(piece.min(all.len())) {
                peer.say(octets);
            }
            peer.expect(&our_words(SocketType::Pull));
            peer.check_open();
            assert_eq!(stand.other()[0], body);
        }
    }
}

#[test]
fn a_handshake_that_stops_ends_in_time() {
    let timeout = Duration::from_millis(200);
    let mut stand = Stand::new(Pull::builder().handshake_timeout(timeout));
    let all = [greeting(), ready("PUSH")].concat();
    for stop in [0, 1, 10, 11, 63, 64, all.len() - 1] {
        let mut peer = Peer::connect(&stand.at);
        peer.say(&all[..stop]);
        let heard = peer.hear_end();
        let whole = our_words(SocketType::Pull);
        assert!(heard.len() >= 10 && whole.starts_with(&heard), "at {stop}");
        assert_eq!(
            stand.end_of(&peer),
            "HandshakeFailed(HandshakeTimeout)",
            "at {stop}"
        );
    }
}

#[test]
fn dripping_octets_do_not_move_the_deadline() {
    let timeout = Duration::from_millis(200);
    let mut stand = Stand::new(Pull::builder().handshake_timeout(timeout));
    let all = [greeting(), command("READY", &[b'x'; 10_000])].concat();
    let mut peer = Peer::connect(&stand.at);
    let mut said = 0;
    // Some 2 ms for each octet: it would be at it for 20 s.
    while said < all.len() && peer.try_say(&all[said..=said]) {
        peer.hears_nothing_for(Duration::from_millis(2));
        said += 1;
    }
    assert!(said < all.len() / 2, "{said} octets were taken");
    peer.hear_end();
    assert_eq!(stand.end_of(&peer), "HandshakeFailed(HandshakeTimeout)");
}

#[test]
fn nobody_is_sent_to_before_the_handshake_is_done() {
    let stand = Stand::new(Push::builder());
    let all = [greeting(), ready("PULL")].concat();
    let mut silent: Vec<Peer> = [0, 10, 64, all.len() - 1]
        .map(|stop| {
            let mut peer = Peer::connect(&stand.at);
            peer.say(&all[..stop]);
            peer
        })
        .into();
    for number in 0..100 {
        stand.socket.send(number.to_string()).expect("to send");
        let message = stand.good.recv_timeout(SOON).expect("the good peer's");
        assert_eq!(message[0], number.to_string());
    }
    // The last one lacked one octet; with it, it has its turn.
    let last = silent.last_mut().expect("four");
    last.say(&all[all.len() - 1..]);
    last.expect(&our_words(SocketType::Push));
    last.check_open();
    for _ in 0..2 {
        stand.socket.send("in turn").expect("to send");
    }
    last.expect(&frame(0, b"in turn"));
}

#[test]
fn a_peer_that_leaves_in_the_handshake_is_forgotten() {
    let mut stand = Stand::new(Pull::builder());
    let all = [greeting(), ready("PUSH")].concat();
    for stop in [0, 1, 10, 11, 63, 64, all.len() - 1] {
        let mut peer = Peer::connect(&stand.at);
        peer.say(&all[..stop]);
        peer.end();
        peer.hear_end();
        assert_eq!(
            stand.end_of(&peer),
            "HandshakeFailed(PeerClosed)",
            "at {stop}"
        );
    }
}

#[test]
fn a_router_refuses_names_that_cannot_be() {
    let mut stand = Stand::new(Router::builder());
    for name in [&[b'n'; 256][..], b"\0abc", b"\0"] {
        let mut peer = Peer::connect(&stand.at);
        let word = ready_with(&[("Socket-Type", b"DEALER"), ("Identity", name)]);
        peer.say(&[greeting(), word].concat());
        let error = command("ERROR", b"\x10Invalid identity");
        let answer = [our_words(SocketType::Router), error].concat();
        assert_eq!(peer.hear_end(), answer);
        assert_eq!(stand.end_of(&peer), METADATA);
    }
    let mut peer = Peer::connect(&stand.at);
    let longest = [b'n'; 255];
    let word = ready_with(&[("Socket-Type", b"DEALER"), ("Identity", &longest)]);
    peer.say(&[greeting(), word].concat());
    peer.expect(&our_words(SocketType::Router));
    peer.check_open();
    stand.exchange();
}

/// A DEALER of that name, ready.
fn dealer(stand: &Stand<Router>, name: &[u8]) -> Peer {
    let mut peer = Peer::connect(&stand.at);
    let word = ready_with(&[("Socket-Type", b"DEALER"), ("Identity", name)]);
    peer.say(&[greeting(), word].concat());
    peer.expect(&our_words(SocketType::Router));
    peer
}

#[test]
fn a_router_refuses_a_name_that_is_taken() {
    let mut stand = Stand::new(Router::builder());
    let mut first = dealer(&stand, b"x");
    first.check_open();
    let mut second = dealer(&stand, b"x");
    second.try_say(&frame(0, b"not to be heard"));
    assert_eq!(second.hear_end(), b"");
    assert_eq!(stand.end_of(&second), "HandshakeFailed(DuplicateIdentity)");
    first.say(&frame(0, b"from the first"));
    assert_eq!(stand.other()[0], "from the first");
    stand.socket.send_to("x", "to the first").expect("to send");
    first.expect(&frame(0, b"to the first"));
    // Free again as soon as the first has gone.
    first.end();
    first.hear_end();
    assert_eq!(stand.end_of(&first), "Disconnected(PeerClosed)");
    dealer(&stand, b"x").check_open();
}

#[test]
fn a_router_hands_a_name_over() {
    let mut stand = Stand::new(Router::builder().handover(true));
    let mut first = dealer(&stand, b"x");
    first.check_open();
    let mut second = dealer(&stand, b"x");
    second.check_open();
    assert_eq!(first.hear_end(), b"");
    assert_eq!(stand.end_of(&first), "Disconnected(HandedOver)");
    stand.socket.send_to("x", "to the second").expect("to send");
    second.expect(&frame(0, b"to the second"));
}
