//! After the handshake: odd frames and commands that change nothing, and wrong ones that end the
//! connection.

use hubless::{Dealer, Message, Pair, Pub, Pull, Push, SocketType, Sub};

use crate::raw::{Peer, command, frame, header, ready, stand::Stand};

/// Both kinds of streams.
const TRANSPORTS: [&str; 2] = ["tcp://127.0.0.1:0", "ipc://*"];

const UNSPECIFIED: &str = "Disconnected(Protocol(Unspecified))";
const MALFORMED: &str = "Disconnected(Protocol(MalformedCommand))";
const CLOSED: &str = "Disconnected(PeerClosed)";

/// Something odd: what it is, what the peer says, what the application receives of it.
type Odd = (&'static str, Vec<u8>, Vec<Message>);

fn one(body: &str) -> Vec<Message> {
    vec![body.into()]
}

/// What is ignored, or is good in spite of its looks.
fn odd_words() -> Vec<Odd> {
    let none = Vec::new;
    let long = [header(0, 1), b"a".to_vec()].concat();
    let more_command = [&[5], &command("PONG", b"")[1..]].concat();
    let inside = [frame(1, b"a"), command("WHAT", b"?"), frame(0, b"b")].concat();
    let inside_flagged = [frame(1, b"a"), more_command.clone(), frame(0, b"b")].concat();
    let reserved_command = [&[0xfc], &command("WHAT", b"")[1..]].concat();
    let huge = command("WHAT", &[b'x'; 60_000]);
    vec![
        ("reserved flags", b"\xf8\x01a".to_vec(), one("a")),
        ("a long form", long, one("a")),
        ("a long form of nothing", header(0, 0), one("")),
        ("an empty message", frame(0, b""), one("")),
        (
            "empty frames",
            [frame(1, b""), frame(1, b""), frame(0, b"")].concat(),
            vec![Message::from(["", "", ""])],
        ),
        ("an unknown command", command("WHAT", b"?"), none()),
        ("an unknown command, 60 000 octets", huge, none()),
        ("a command without a name", command("", b"?"), none()),
        ("an empty command", frame(4, b""), none()),
        ("a name beyond its frame", frame(4, b"\x09PING"), none()),
        ("a command with reserved flags", reserved_command, none()),
        ("a command with MORE", more_command, none()),
        (
            "a command in a message",
            inside,
            vec![Message::from(["a", "b"])],
        ),
        (
            "a command with MORE in a message",
            inside_flagged,
            vec![Message::from(["a", "b"])],
        ),
        ("READY again", ready("PUSH"), none()),
        ("READY of another type", ready("SUB"), none()),
        ("a broken READY", command("READY", b"\x09x"), none()),
        ("ERROR", command("ERROR", b"\x03500"), none()),
        ("a broken ERROR", command("ERROR", b"\x09x"), none()),
        ("a PONG unasked", command("PONG", b"hello"), none()),
        ("SUBSCRIBE", command("SUBSCRIBE", b"a"), none()),
        ("CANCEL", command("CANCEL", b"a"), none()),
        ("JOIN", command("JOIN", b"a"), none()),
        ("JOIN, a long group", command("JOIN", &[b'g'; 300]), none()),
        ("HELLO", command("HELLO", b"\x01u\x01p"), none()),
    ]
}

#[test]
fn odd_words_change_nothing() {
    for transport in TRANSPORTS {
        let mut stand = Stand::at(transport, Pull::builder());
        let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
        for (what, says, received) in odd_words() {
            for piece in [says.len(), 1] {
                for octets in says.chunks(piece.max(1 + says.len() / 500)) {
                    peer.say(octets);
                }
                peer.say(&frame(0, b"end"));
                peer.check_open();
                for message in &received {
                    assert_eq!(stand.other(), *message, "{what}");
                }
                assert_eq!(stand.other()[0], "end", "{what}");
            }
        }
        assert!(stand.others.is_empty());
    }
}

/// A stand whose socket takes 1000 octets and four frames at most.
fn small(transport: &str) -> Stand<Pull> {
    let builder = Pull::builder().max_message_size(1000);
    Stand::at(transport, builder.max_message_frames(4))
}

/// What ends the connection, and how.
fn wrong_words() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let halves = [frame(1, &[b'x'; 500]), header(0, 501)].concat();
    let parts = [
        frame(1, b"1"),
        frame(1, b"2"),
        frame(1, b"3"),
        frame(1, b"4"),
        frame(0, b""),
    ];
    vec![
        ("one octet too many", header(0, 1001), UNSPECIFIED),
        ("too many in two frames", halves, UNSPECIFIED),
        ("one frame too many", parts.concat(), UNSPECIFIED),
        ("2^40 octets", header(0, 1 << 40), UNSPECIFIED),
        ("2^63 - 1 octets", header(0, u64::MAX >> 1), UNSPECIFIED),
        ("2^63 octets", header(0, 1 << 63), UNSPECIFIED),
        ("2^64 - 1 octets", header(1, u64::MAX), UNSPECIFIED),
        ("a command of 64 KiB + 1", header(4, 65_537), UNSPECIFIED),
        ("a command of 2^64 - 1", header(4, u64::MAX), UNSPECIFIED),
        ("a PING without a TTL", command("PING", b""), MALFORMED),
        ("a PING of half a TTL", command("PING", b"\0"), MALFORMED),
        (
            "a broken PING in a message",
            [frame(1, b"half"), command("PING", b"\0")].concat(),
            MALFORMED,
        ),
    ]
}

#[test]
fn wrong_words_end_the_connection() {
    for transport in TRANSPORTS {
        let mut stand = small(transport);
        for (what, says, end) in wrong_words() {
            // What came before, in the same piece, is good; what comes behind is not heard.
            let words = [frame(0, b"before"), says, frame(0, b"behind")].concat();
            for piece in [words.len(), 1] {
                let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
                for octets in words.chunks(piece) {
                    if !peer.try_say(octets) {
                        break;
                    }
                }
                assert_eq!(peer.hear_end(), b"", "{what}");
                assert_eq!(stand.end_of(&peer), end, "{what}");
                assert_eq!(stand.other()[0], "before", "{what}");
            }
        }
        assert!(stand.others.is_empty(), "heard: {:?}", stand.others);
        // Just below the limits all is well.
        let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
        let parts = [frame(1, &[b'x'; 997]), frame(1, b"2"), frame(1, b"3")];
        peer.say(&[parts.concat(), frame(0, b"4")].concat());
        assert_eq!(stand.other().octets(), 1000);
    }
}

#[test]
fn a_peer_that_leaves_inside_a_message_leaves_no_half_of_it() {
    let words = [
        frame(0, b"whole"),
        frame(1, b"half"),
        frame(1, &[b'x'; 300]),
    ]
    .concat();
    for transport in TRANSPORTS {
        let mut stand = Stand::at(transport, Pull::builder());
        for stop in [7, 8, 9, 12, 13, 14, 22, 100, words.len()] {
            let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
            peer.say(&words[..stop]);
            // To send no more is to go: the whole connection ends.
            peer.end();
            assert_eq!(peer.hear_end(), b"");
            assert_eq!(stand.end_of(&peer), CLOSED, "at {stop}");
            assert_eq!(stand.other()[0], "whole");
        }
        assert!(stand.others.is_empty(), "heard: {:?}", stand.others);
    }
}

/// Says all this to a socket that must take no notice.
fn unheard<S: crate::raw::stand::Attacked>(mut stand: Stand<S>, ours: SocketType, theirs: &str) {
    let mut peer = Peer::ready(&stand.at, ours, theirs);
    // Far more than any high-water mark; if it were kept, reading would have stopped.
    let many = [frame(1, b"unheard of"), frame(0, &[b'x'; 40])].concat();
    peer.say(&many.repeat(5000));
    peer.say(&frame(0, &vec![b'x'; 3 << 20]));
    peer.check_open();
    stand.exchange();
    assert!(stand.others.is_empty(), "heard: {:?}", stand.others);
}

#[test]
fn who_does_not_receive_reads_and_forgets() {
    unheard(Stand::new(Pub::builder()), SocketType::Pub, "SUB");
}

#[test]
fn a_push_reads_and_forgets() {
    // What the PUSH sends to this peer is read here, and ends with the answer to the PING.
    let mut stand = Stand::new(Push::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Push, "PULL");
    peer.say(&frame(0, &[b'x'; 40]).repeat(5000));
    peer.say(&command("PING", b"\0\0"));
    peer.expect(&command("PONG", b""));
    stand.exchange();
}

#[test]
fn a_sub_drops_what_it_did_not_ask_for() {
    let mut stand = Stand::new(Sub::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Sub, "PUB");
    peer.expect(&command("SUBSCRIBE", b"good"));
    let unasked = [
        frame(0, b"bad"),
        frame(0, b""),
        frame(0, b"goo"),
        frame(1, b"x"),
        frame(0, b"good"),
    ];
    peer.say(&unasked.concat().repeat(2000));
    peer.say(&[frame(1, b"good or bad"), frame(0, b"asked")].concat());
    assert_eq!(stand.other(), Message::from(["good or bad", "asked"]));
    peer.check_open();
    assert!(stand.others.is_empty());
}

#[test]
fn subscriptions_are_nothing_to_those_who_do_not_publish() {
    let words = [
        command("SUBSCRIBE", b"a"),
        command("CANCEL", b"a"),
        frame(0, b"end"),
    ]
    .concat();
    let mut stand = Stand::new(Dealer::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Dealer, "DEALER");
    peer.say(&words);
    peer.check_open();
    assert_eq!(stand.other()[0], "end");
}

#[test]
fn a_pair_refuses_a_second_peer() {
    let mut stand = Stand::new(Pair::builder());
    for _ in 0..3 {
        let mut second = Peer::connect(&stand.at);
        second.say(&[crate::raw::greeting(), ready("PAIR")].concat());
        second.try_say(&frame(0, b"not to be heard"));
        let heard = second.hear_end();
        assert_eq!(heard, crate::raw::our_words(SocketType::Pair));
        assert_eq!(stand.end_of(&second), "HandshakeFailed(Occupied)");
    }
    assert!(stand.others.is_empty());
}
