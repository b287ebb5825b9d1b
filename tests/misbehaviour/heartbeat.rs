//! Heartbeats: answers that are cut, time limits that are kept, silence that ends a connection.

use std::time::Duration;

use hubless::{Pull, SocketType};

use crate::raw::{Peer, command, frame, stand::Stand};

const SILENT: &str = "Disconnected(HeartbeatTimeout)";

/// PING with that time to live, tenths of a second.
fn ping(tenths: u8) -> Vec<u8> {
    command("PING", &[0, tenths])
}

#[test]
fn an_answer_repeats_sixteen_octets_at_most() {
    let stand = Stand::new(Pull::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    for length in [0, 1, 15, 16, 17, 200, 60_000] {
        let context: Vec<u8> = (0..length).map(|octet| octet as u8).collect();
        peer.say(&command("PING", &[b"\0\0", &context[..]].concat()));
        peer.expect(&command("PONG", &context[..length.min(16)]));
    }
}

#[test]
fn pings_that_come_together_are_answered_one_by_one() {
    let stand = Stand::new(Pull::builder());
    let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    let contexts = ["LOL", "", "sixteen octets !"];
    let all = |name: &str, before: &str| -> Vec<u8> {
        let one = |context: &&str| command(name, [before, context].concat().as_bytes());
        contexts.iter().flat_map(one).collect()
    };
    peer.say(&all("PING", "\0\0"));
    peer.expect(&all("PONG", ""));
}

#[test]
fn silence_after_a_time_to_live_ends_the_connection() {
    let mut stand = Stand::new(Pull::builder());
    // These spoke after their limit began; one of them only half a header.
    let talkers = [frame(0, b"alive"), command("PONG", b""), vec![1]].map(|word| {
        let mut peer = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
        peer.say(&[ping(1), word].concat());
        peer.expect(&command("PONG", b""));
        peer
    });
    // This one fell silent later than they, with a longer limit: when it has ended, theirs have
    // passed.
    let mut silent = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    silent.say(&ping(3));
    silent.expect(&command("PONG", b""));
    assert_eq!(silent.hear_end(), b"");
    assert_eq!(stand.end_of(&silent), SILENT);
    let [mut first, mut second, mut third] = talkers;
    first.check_open();
    second.check_open();
    third.say(b"\0");
    third.check_open();
    assert_eq!(stand.other()[0], "alive");
}

#[test]
fn who_does_not_answer_is_given_up() {
    let builder = Pull::builder()
        .heartbeat_interval(Duration::from_millis(50))
        .heartbeat_timeout(Duration::from_secs(2));
    let mut stand = Stand::new(builder);
    let mut silent = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    let heard = silent.hear_end();
    let ours = ping(0);
    assert!(heard.len() >= ours.len() && heard.len() % ours.len() == 0);
    assert!(heard.chunks(ours.len()).all(|word| word == ours));
    assert_eq!(stand.end_of(&silent), SILENT);
    // Any word is as good as an answer.
    let mut talker = Peer::ready(&stand.at, SocketType::Pull, "PUSH");
    for _ in 0..60 {
        talker.expect(&ours);
        talker.say(&command("WHAT", b""));
    }
    talker.say(&frame(0, b"alive"));
    assert_eq!(stand.other()[0], "alive");
}
