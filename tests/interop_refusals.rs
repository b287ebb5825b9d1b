//! Peers that must not talk, with libzmq on the other side: types that do not go together and
//! mechanisms that we do not speak. Both sides are told, nothing gets through, nobody storms, and
//! whoever is right is served all the while.

mod interop;

use std::time::{Duration, Instant};

use hubless::{EventKind, Monitor, ProtocolError, Reason};
use interop::{
    Peer, Theirs, hex,
    sides::{Ours, Side, await_event},
};

/// Types that do not go together, and one that goes with ours.
const STRANGERS: [(&str, &str, &str); 11] = [
    ("PAIR", "DEALER", "PAIR"),
    ("PUB", "PULL", "SUB"),
    ("SUB", "PUSH", "PUB"),
    ("XPUB", "XPUB", "SUB"),
    ("XSUB", "PAIR", "PUB"),
    ("REQ", "DEALER", "REP"),
    ("REP", "PUB", "REQ"),
    ("DEALER", "REQ", "DEALER"),
    ("ROUTER", "PUSH", "DEALER"),
    ("PUSH", "ROUTER", "PULL"),
    ("PULL", "SUB", "PUSH"),
];

const ANYWHERE: &str = "tcp://127.0.0.1:0";

/// We are told of the refusal. Who finds the fault first closes; the other one sees that.
fn await_refusal(events: &Monitor, fault: ProtocolError) {
    await_event(events, |kind| {
        let EventKind::HandshakeFailed(reason) = kind else {
            assert!(
                !matches!(kind, EventKind::HandshakeSucceeded),
                "they were let in"
            );
            return false;
        };
        let is_told = match reason {
            Reason::Protocol(found) => *found == fault,
            Reason::PeerClosed | Reason::Io(_) => true,
            _ => false,
        };
        assert!(is_told, "{reason}");
        true
    });
}

/// We gave up, or go on with waits in between: a second brings a handful of attempts, not a storm.
fn assert_no_storm(events: &Monitor) {
    let (began, mut attempts) = (Instant::now(), 0);
    while let Some(rest) = WATCHED.checked_sub(began.elapsed()) {
        match events.recv_timeout(rest).map(|event| event.kind) {
            Ok(EventKind::Connecting) => attempts += 1,
            Ok(EventKind::ConnectStopped(_)) | Err(_) => break,
            Ok(EventKind::HandshakeSucceeded) => panic!("they were let in"),
            Ok(_) => {}
        }
    }
    assert!(
        attempts <= 15,
        "{attempts} attempts in {:?}",
        began.elapsed()
    );
}

/// How long a storm is looked for.
const WATCHED: Duration = Duration::from_secs(1);

/// A peer as it should be is served beside the one that was refused.
fn welcome_friend(peer: &Peer, ours: &Ours, events: &Monitor, friend: &str, at: &str) {
    let friend = Theirs::new(peer, friend, "friend");
    friend.monitor();
    friend.connect(at);
    friend.await_event("HANDSHAKE_SUCCEEDED");
    await_event(events, |kind| matches!(kind, EventKind::HandshakeSucceeded));
    ours.await_peer();
}

#[test]
fn types_that_do_not_go_together_when_we_bind() {
    let peer = Peer::start();
    for (ours, stranger, friend) in STRANGERS {
        println!("our {ours}, their {stranger}");
        let ours = Ours::new(ours, "ours");
        let events = ours.monitor();
        let at = Side::bind(&ours, ANYWHERE);
        let theirs = Theirs::new(&peer, stranger, "stranger");
        theirs.monitor();
        theirs.connect(&at);
        if matches!(stranger, "PAIR" | "DEALER" | "PUSH") {
            // There is room until the refusal has come.
            theirs.ask("send_if_room", r#""frames":["6869"]"#);
        }
        await_refusal(&events, ProtocolError::InvalidMetadata);
        theirs.await_event("DISCONNECTED");
        welcome_friend(&peer, &ours, &events, friend, &at);
        assert_eq!(theirs.count_events("HANDSHAKE_SUCCEEDED"), 0);
        assert_eq!(ours.received(), 0);
    }
}

#[test]
fn types_that_do_not_go_together_when_they_bind() {
    let peer = Peer::start();
    for (ours, stranger, _) in STRANGERS {
        println!("our {ours}, their {stranger}");
        let ours = Ours::new(ours, "ours");
        let events = ours.monitor();
        let theirs = Theirs::new(&peer, stranger, "stranger");
        theirs.monitor();
        Side::connect(&ours, &theirs.bind(ANYWHERE));
        await_refusal(&events, ProtocolError::InvalidMetadata);
        assert_no_storm(&events);
        theirs.await_event("DISCONNECTED");
        assert_eq!(theirs.count_events("HANDSHAKE_SUCCEEDED"), 0);
        assert_eq!(ours.received(), 0);
    }
}

/// Options that make a peer speak PLAIN or CURVE, as the one who asks and as the one who admits.
/// Any keys of the right form will do.
fn strange_mechanisms() -> Vec<Vec<(&'static str, String)>> {
    let (public, secret) = (
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
        "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
    );
    let key = |text: &str| hex(text.as_bytes());
    vec![
        vec![
            ("PLAIN_USERNAME", key("admin")),
            ("PLAIN_PASSWORD", key("secret")),
        ],
        vec![("PLAIN_SERVER", "1".into())],
        vec![
            ("CURVE_SERVERKEY", key(public)),
            ("CURVE_PUBLICKEY", key(public)),
            ("CURVE_SECRETKEY", key(secret)),
        ],
        vec![
            ("CURVE_SERVER", "1".into()),
            ("CURVE_SECRETKEY", key(secret)),
        ],
    ]
}

#[test]
fn mechanisms_that_we_do_not_speak() {
    let peer = Peer::start();
    for options in strange_mechanisms() {
        let options: Vec<_> = options
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        for we_bind in [true, false] {
            println!("their {}, we bind: {we_bind}", options[0].0);
            let ours = Ours::new("PULL", "");
            let events = ours.monitor();
            let theirs = peer.socket("PUSH", &options);
            theirs.monitor();
            let at = if we_bind {
                let at = Side::bind(&ours, ANYWHERE);
                theirs.connect(&at);
                at
            } else {
                let at = theirs.bind(ANYWHERE);
                Side::connect(&ours, &at);
                at
            };
            await_refusal(&events, ProtocolError::MechanismMismatch);
            let mismatch = u64::from(ProtocolError::MechanismMismatch as u32);
            assert_eq!(theirs.await_event("HANDSHAKE_FAILED_PROTOCOL"), mismatch);
            if we_bind {
                welcome_friend(&peer, &ours, &events, "PUSH", &at);
            } else {
                assert_no_storm(&events);
            }
            assert_eq!(theirs.count_events("HANDSHAKE_SUCCEEDED"), 0);
            assert_eq!(ours.received(), 0);
            theirs.close(0);
        }
    }
}
