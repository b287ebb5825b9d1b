//! PUB and XPUB, with real lanes.

use super::{
    super::stage::{Stage, messages},
    *,
};
use crate::base::tuning;

impl Stage {
    /// The peer subscribes or cancels. Is there news for the application?
    fn hear(&mut self, key: usize, topic: &str, subscribe: bool) -> bool {
        self.try_hear(key, topic, subscribe).expect("few topics")
    }

    fn try_hear(&mut self, key: usize, topic: &str, subscribe: bool) -> Result<bool, Reason> {
        self.pattern
            .handle_subscription(key, topic.as_bytes(), subscribe)
    }

    /// A peer that is there and has subscribed.
    fn join_for(&mut self, topic: &str) -> usize {
        let key = self.join();
        self.hear(key, topic, true);
        key
    }
}

fn xpub(options: Options) -> Stage {
    Stage::new(SocketType::XPub, options)
}

fn verbose(xpub_verbosity: Verbosity) -> Stage {
    xpub(Options {
        xpub_verbosity,
        ..Options::default()
    })
}

#[test]
fn a_message_goes_to_all_who_subscribed_to_its_beginning() {
    let mut publisher = Stage::plain(SocketType::Pub);
    assert_eq!(publisher.send("nobody"), Ok(()));
    let all = publisher.join_for("");
    let weather = publisher.join_for("wea");
    let nothing = publisher.join();
    publisher.hear(weather, "weather", true);
    assert_eq!(publisher.pattern.subscribers(), 2);
    for text in ["weather", "we", "news"] {
        assert_eq!(publisher.send(text), Ok(()));
    }
    assert_eq!(publisher.send(["wea", "body"]), Ok(()));
    assert_eq!(publisher.sent(all).len(), 4);
    let expected = ["weather".into(), Message::from(["wea", "body"])];
    assert_eq!(publisher.sent(weather), expected);
    assert_eq!(publisher.sent(nothing), []);

    publisher.hear(weather, "wea", false);
    publisher.hear(weather, "unknown", false);
    assert_eq!(publisher.send("wealth"), Ok(()));
    assert_eq!(publisher.sent(weather), []);
    publisher.hear(weather, "weather", false);
    assert_eq!(publisher.pattern.subscribers(), 1);
}

#[test]
fn a_full_subscriber_misses_exactly_what_its_lane_counts() {
    let mut publisher = Stage::with_hwm(SocketType::Pub, 10);
    let (slow, quick) = (publisher.join_for(""), publisher.join_for(""));
    let (mut slow_got, mut quick_got) = (0, 0);
    for n in 0..100 {
        assert!(publisher.can_send());
        assert_eq!(publisher.send(n.to_string()), Ok(()));
        quick_got += publisher.sent(quick).len();
        if n % 30 == 29 {
            slow_got += publisher.sent(slow).len();
        }
    }
    slow_got += publisher.sent(slow).len();
    assert_eq!(quick_got, 100);
    assert_eq!(publisher.peers[quick].out.stats().refused, 0);
    let stats = publisher.peers[slow].out.stats();
    assert_eq!((slow_got, stats.refused), (40, 60));
    assert_eq!(stats.accepted, 40);
}

#[test]
fn with_no_drop_everybody_gets_it_or_nobody() {
    let mut publisher = Stage::new(
        SocketType::Pub,
        Options {
            no_drop: true,
            send_hwm: 2,
            ..Options::default()
        },
    );
    let (slow, quick) = (publisher.join_for("a"), publisher.join_for(""));
    assert_eq!(publisher.send("a0"), Ok(()));
    assert_eq!(publisher.send("a1"), Ok(()));
    publisher.sent(quick);
    assert_eq!(publisher.send("a2"), Err(Refusal::Full));
    assert!(!publisher.can_send());
    assert_eq!(publisher.sent(quick), []);
    // Others are not held up by who does not want it.
    assert_eq!(publisher.send("b"), Ok(()));
    assert_eq!(publisher.sent(quick), messages(["b"]));
    assert_eq!(publisher.send("a2"), Err(Refusal::Full));
    assert_eq!(publisher.next(slow), Some("a0".into()));
    assert!(publisher.can_send());
    assert_eq!(publisher.send("a2"), Ok(()));
    assert_eq!(publisher.sent(slow), messages(["a1", "a2"]));
    assert_eq!(publisher.peers[slow].out.stats().refused, 0);

    assert_eq!(publisher.send("a3"), Ok(()));
    assert_eq!(publisher.send("a4"), Err(Refusal::Full));
    publisher.detach(slow);
    publisher.sent(quick);
    assert!(publisher.can_send());
}

#[test]
fn who_held_a_send_up_does_not_once_it_cancels_or_is_gone() {
    let mut xpub = xpub(Options {
        no_drop: true,
        send_hwm: 1,
        ..Options::default()
    });
    let key = xpub.join_for("");
    xpub.give(key, "unread");
    assert_eq!(xpub.send("a"), Ok(()));
    assert_eq!(xpub.send("b"), Err(Refusal::Full));
    assert!(!xpub.can_send());
    xpub.hear(key, "", false);
    assert!(xpub.can_send());
    xpub.hear(key, "", true);
    assert_eq!(xpub.send("b"), Err(Refusal::Full));
    xpub.detach(key);
    assert!(xpub.peers.contains(key) && xpub.can_send());
    assert_eq!(xpub.send("b"), Ok(()));
}

#[test]
fn inverted_it_goes_to_those_who_did_not_subscribe() {
    let mut publisher = Stage::new(
        SocketType::Pub,
        Options {
            invert_matching: true,
            ..Options::default()
        },
    );
    let (a, b) = (publisher.join_for("a"), publisher.join_for("b"));
    let (none, connecting) = (publisher.join(), publisher.attach());
    assert_eq!(publisher.send("ab"), Ok(()));
    assert_eq!(publisher.sent(a), []);
    assert_eq!(publisher.sent(b), messages(["ab"]));
    assert_eq!(publisher.sent(none), messages(["ab"]));
    assert_eq!(publisher.sent(connecting), []);
}

#[test]
fn who_is_new_is_welcomed() {
    let mut publisher = Stage::new(
        SocketType::Pub,
        Options {
            welcome: Some("hello".into()),
            ..Options::default()
        },
    );
    let key = publisher.attach();
    assert_eq!(publisher.sent(key), []);
    assert!(publisher.ready(key, "").is_ok());
    assert_eq!(publisher.sent(key), messages(["hello"]));
}

#[test]
fn subscriptions_end_with_the_connection() {
    let mut publisher = Stage::plain(SocketType::Pub);
    let key = publisher.attach();
    assert!(!publisher.hear(key, "too early", true));
    assert!(publisher.ready(key, "").is_ok());
    publisher.hear(key, "a", true);
    assert_eq!(publisher.send("a0"), Ok(()));
    publisher.unready(key);
    assert_eq!(publisher.pattern.subscribers(), 0);
    assert_eq!(publisher.send("a1"), Ok(()));
    assert!(publisher.ready(key, "").is_ok());
    assert_eq!(publisher.send("a2"), Ok(()));
    publisher.hear(key, "a", true);
    assert_eq!(publisher.send("a3"), Ok(()));
    assert_eq!(publisher.sent(key), messages(["a0", "a3"]));
    publisher.detach(key);
    assert_eq!(
        (publisher.pattern.subscribers(), &publisher.emptied[..]),
        (0, &[key][..])
    );
    let next = publisher.join();
    assert_eq!((next, publisher.send("a4")), (key, Ok(())));
    assert_eq!(publisher.sent(next), []);
    assert_eq!(publisher.recv(), Err(Nothing::WrongState));
    assert!(!publisher.can_recv());
}

#[test]
fn one_peer_may_hold_so_many_octets_of_topics() {
    for manual in [false, true] {
        let mut xpub = xpub(Options {
            topic_octets_max: 10 + 2 * tuning::TOPIC_OCTETS,
            xpub_manual: manual,
            ..Options::default()
        });
        let (a, b) = (xpub.join(), xpub.join());
        assert!(xpub.try_hear(a, "1234567", true).is_ok());
        assert!(matches!(
            xpub.try_hear(a, "8901", true),
            Err(Reason::Protocol(_))
        ));
        assert!(xpub.try_hear(a, "890", true).is_ok());
        assert!(xpub.try_hear(a, "890", true).is_ok());
        assert!(xpub.try_hear(b, "1234567890", true).is_ok());
        // Topics without an octet of their own are limited as well.
        assert!(xpub.try_hear(b, "", true).is_ok());
        assert!(xpub.try_hear(b, "1", true).is_err());
        xpub.detach(a);
        let shown = xpub.recv_all();
        assert!(!shown.contains(&"\x018901".into()));
        assert!(!shown.contains(&"\x008901".into()));
    }
}

#[test]
fn xpub_shows_what_its_verbosity_says() {
    use Verbosity::*;
    for verbosity in [First, Subscriptions, All] {
        let mut xpub = verbose(verbosity);
        let (a, b) = (xpub.join(), xpub.join());
        let mut shown = |key, topic, subscribe, expected: &[Verbosity]| {
            let expected = expected.contains(&verbosity);
            assert_eq!(xpub.hear(key, topic, subscribe), expected, "{verbosity:?}");
            assert_eq!(xpub.can_recv(), expected);
            if expected {
                let received = xpub.receive().expect("it is shown");
                let message = format!("{}{topic}", if subscribe { '\x01' } else { '\0' });
                assert_eq!((received.message, received.from), (message.into(), key));
            }
        };
        shown(a, "x", true, &[First, Subscriptions, All]);
        shown(a, "x", true, &[Subscriptions, All]);
        shown(b, "x", true, &[Subscriptions, All]);
        shown(a, "unknown", false, &[]);
        shown(a, "x", false, &[All]);
        shown(a, "x", false, &[]);
        shown(b, "x", false, &[First, Subscriptions, All]);
        shown(b, "", true, &[First, Subscriptions, All]);
    }
}

#[test]
fn xpub_shows_what_ends_with_a_peer() {
    for (verbosity, expected) in [
        (Verbosity::First, vec!["\0own"]),
        (Verbosity::All, vec!["\0own", "\0shared"]),
    ] {
        for gone in [false, true] {
            let mut xpub = verbose(verbosity);
            let (a, b) = (xpub.join_for("own"), xpub.join_for("shared"));
            xpub.hear(a, "shared", true);
            xpub.recv_all();
            if gone {
                xpub.detach(a);
                assert_eq!(xpub.emptied, [a]);
            } else {
                xpub.unready(a);
            }
            let mut shown = Vec::new();
            while let Ok(received) = xpub.receive() {
                assert_eq!(received.from, Received::NOBODY);
                shown.push(received.message);
            }
            shown.sort_by(|a, b| a.first().cmp(b.first()));
            let expected: Vec<_> = expected.iter().map(|text| Message::from(*text)).collect();
            assert_eq!(shown, expected);
            assert_eq!(xpub.send("shared"), Ok(()));
            assert_eq!((xpub.sent(a).len(), xpub.sent(b).len()), (0, 1));
        }
    }
}

#[test]
fn xpub_shows_things_in_the_order_they_happened() {
    let mut xpub = Stage::plain(SocketType::XPub);
    let (a, b) = (xpub.join(), xpub.join());
    xpub.hear(a, "x", true);
    xpub.hear(b, "x", true);
    xpub.detach(a);
    xpub.hear(b, "x", false);
    let c = xpub.join_for("x");
    xpub.detach(c);
    assert_eq!(xpub.recv_all(), messages(["\x01x", "\0x", "\x01x", "\0x"]));
    assert_eq!(xpub.emptied, [a, c]);
}

#[test]
fn xpub_receives_other_messages_too() {
    let mut xpub = Stage::plain(SocketType::XPub);
    let key = xpub.join_for("x");
    xpub.give(key, ["upstream", "2"]);
    xpub.detach(key);
    let expected = [
        "\x01x".into(),
        "\0x".into(),
        Message::from(["upstream", "2"]),
    ];
    assert_eq!(xpub.recv_all(), expected);
    assert_eq!(xpub.emptied, [key]);
}

#[test]
fn manual_subscriptions_are_for_the_peer_of_the_last_message() {
    let mut xpub = xpub(Options {
        xpub_manual: true,
        ..Options::default()
    });
    let (a, b) = (xpub.join(), xpub.join());
    assert!(xpub.hear(a, "A", true));
    assert!(xpub.hear(b, "B", true));
    assert!(xpub.subscribe("too early", true));
    assert_eq!(xpub.recv(), Ok("\x01A".into()));
    assert!(xpub.subscribe("XA", true));
    assert_eq!(xpub.recv(), Ok("\x01B".into()));
    assert!(xpub.subscribe("XB", true));
    assert_eq!(xpub.pattern.subscribers(), 2);
    for text in ["A", "XA", "XB", "too early"] {
        assert_eq!(xpub.send(text), Ok(()));
    }
    assert_eq!(xpub.sent(a), messages(["XA"]));
    assert_eq!(xpub.sent(b), messages(["XB"]));

    assert!(xpub.hear(a, "A", false));
    assert_eq!(xpub.recv(), Ok("\0A".into()));
    assert!(xpub.subscribe("XA", false));
    assert_eq!(xpub.pattern.subscribers(), 1);
    // Other messages count as well.
    xpub.give(a, "me");
    assert_eq!(xpub.recv(), Ok("me".into()));
    assert!(xpub.subscribe("M", true));
    assert_eq!(xpub.send("M"), Ok(()));
    assert_eq!(xpub.sent(a), messages(["M"]));

    // What a peer asked for is what ends with it.
    xpub.detach(b);
    assert_eq!(xpub.recv_all(), messages(["\0B"]));
    assert!(xpub.subscribe("nobody", true));
    assert_eq!(xpub.pattern.subscribers(), 1);
}

#[test]
fn manual_subscriptions_of_who_has_left_are_nobodys() {
    let mut xpub = xpub(Options {
        xpub_manual: true,
        ..Options::default()
    });
    let key = xpub.join_for("A");
    assert_eq!(xpub.recv(), Ok("\x01A".into()));
    xpub.detach(key);
    assert_eq!(xpub.join(), key);
    assert!(xpub.subscribe("A", true));
    assert_eq!(xpub.pattern.subscribers(), 0);
    assert_eq!(xpub.recv_all(), messages(["\0A"]));
}

#[test]
fn only_a_manual_xpub_can_subscribe_for_others() {
    for socket_type in [SocketType::Pub, SocketType::XPub, SocketType::Push] {
        assert!(!Stage::plain(socket_type).subscribe("a", true));
    }
}
