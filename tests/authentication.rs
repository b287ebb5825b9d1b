//! Who may come in: PLAIN and authenticators between sockets of ours.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use hubless::{
    AllowList, AuthRequest, Builder, Credentials, Endpoint, ErrorKind, Event, EventKind, Monitor,
    Pull, Push, Reason, Reconnect, Verdict,
};

const LIMIT: Duration = Duration::from_secs(20);

fn await_event(events: &Monitor, wanted: impl Fn(&EventKind) -> bool) -> Event {
    loop {
        let event = events.recv_timeout(LIMIT).expect("the event in time");
        if wanted(&event.kind) {
            return event;
        }
    }
}

fn bound(builder: Builder<Pull>) -> (Pull, Endpoint) {
    let pull = builder.build().expect("a socket");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    (pull, at)
}

/// The status with which a client is refused, as either side sees it.
fn refusal(pull: Builder<Pull>, push: Builder<Push>) -> (u16, Option<String>) {
    let (pull, at) = bound(pull);
    let theirs = pull.monitor();
    let push = push.reconnect(Reconnect::Never).build().expect("a socket");
    let ours = push.monitor();
    push.connect(at).expect("to connect");
    let failed = |kind: &EventKind| matches!(kind, EventKind::HandshakeFailed(_));
    let status = match await_event(&theirs, failed).kind {
        EventKind::HandshakeFailed(Reason::Denied(status)) => status,
        other => panic!("{other}"),
    };
    let told = match await_event(&ours, failed).kind {
        EventKind::HandshakeFailed(Reason::Refused(status)) => {
            Some(String::from_utf8(status.to_vec()).expect("digits"))
        }
        _ => None,
    };
    (status, told)
}

#[test]
fn an_authenticator_sees_the_address_and_gives_a_name() {
    let judge = |peer: &AuthRequest| match (&peer.credentials, peer.address.as_str()) {
        (Credentials::Null, "127.0.0.1") => Verdict::allow_as("neighbour"),
        _ => Verdict::Deny,
    };
    let (pull, at) = bound(Pull::builder().authenticator(judge));
    let push = Push::new().expect("a socket");
    push.connect(at).expect("to connect");
    push.send("hello").expect("to send");
    assert_eq!(pull.recv_timeout(LIMIT).expect("a message"), "hello".into());
    let peer = pull.peers()[0].info.clone().expect("it is ready");
    assert_eq!(peer.property("user-id").expect("a name"), "neighbour");
}

#[test]
fn a_list_of_networks_lets_in_who_comes_from_there() {
    let from = |network: &str| {
        let network = network.parse().expect("a network");
        Pull::builder().authenticator(AllowList::new().network(network))
    };
    assert_eq!(refusal(from("10.0.0.0/8"), Push::builder()).0, 400);
    let both = AllowList::new()
        .network("10.0.0.0/8".parse().expect("a network"))
        .network("127.0.0.0/8".parse().expect("a network"));
    let (pull, at) = bound(Pull::builder().authenticator(both));
    let push = Push::new().expect("a socket");
    push.connect(at).expect("to connect");
    push.send("hello").expect("to send");
    assert_eq!(pull.recv_timeout(LIMIT).expect("a message"), "hello".into());
}

#[test]
fn who_is_refused_is_told_why() {
    let judged = |verdict: Verdict| {
        let judge = move |_: &AuthRequest| verdict.clone();
        refusal(Pull::builder().authenticator(judge), Push::builder())
    };
    assert_eq!(judged(Verdict::Deny), (400, Some("400".into())));
    assert_eq!(judged(Verdict::Failed), (500, Some("500".into())));
    assert_eq!(judged(Verdict::NotNow), (300, None));
}

#[test]
fn a_password_and_an_authenticator_must_both_agree() {
    let check = |user: &[u8], password: &[u8]| user == b"joe" && password == b"sesame";
    let nobody = |_: &AuthRequest| false;
    let joe = || Push::builder().plain_client("joe", "sesame");
    let server = || Pull::builder().plain_server(check);
    assert_eq!(refusal(server().authenticator(nobody), joe()).0, 400);
    let wrong = Push::builder().plain_client("joe", "Sesame");
    assert_eq!(refusal(server(), wrong).0, 400);
    let (pull, at) = bound(server().authenticator(|_: &AuthRequest| true));
    let push = joe().build().expect("a socket");
    push.connect(at).expect("to connect");
    pull.wait_peers(1, LIMIT).expect("a peer");
    let peer = pull.peers()[0].info.clone().expect("it is ready");
    assert_eq!(peer.property("User-Id").expect("a name"), "joe");
}

/// The server's side may be the one that connects.
#[test]
fn a_server_that_connects_asks_too() {
    let check = |user: &[u8], _: &[u8]| user == b"joe";
    let push = Push::builder().plain_client("joe", "").build();
    let push = push.expect("a socket");
    let at = push.bind("tcp://127.0.0.1:0").expect("to bind");
    let pull = Pull::builder().plain_server(check).build();
    let pull = pull.expect("a socket");
    pull.connect(at).expect("to connect");
    push.send("hello").expect("to send");
    assert_eq!(pull.recv_timeout(LIMIT).expect("a message"), "hello".into());
}

#[test]
fn a_panic_in_an_authenticator_lets_nobody_in_and_ends_nothing() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let judge = |_: &AuthRequest| match ASKED.fetch_add(1, Ordering::SeqCst) {
        0 => panic!("a fault of the user's, planted by this test"),
        _ => true,
    };
    let (pull, at) = bound(Pull::builder().authenticator(judge));
    let events = pull.monitor();
    let refused = Push::builder().reconnect(Reconnect::Never).build();
    let refused = refused.expect("a socket");
    refused.connect(at.clone()).expect("to connect");
    await_event(&events, |kind| {
        matches!(kind, EventKind::HandshakeFailed(Reason::Denied(500)))
    });
    let push = Push::new().expect("a socket");
    push.connect(at).expect("to connect");
    push.send("hello").expect("to send");
    assert_eq!(pull.recv_timeout(LIMIT).expect("a message"), "hello".into());
}

#[test]
fn names_and_passwords_have_at_most_255_octets() {
    let long = "u".repeat(256);
    let error = Push::builder().plain_client(&long, "").build();
    assert_eq!(
        error.expect_err("too long").kind(),
        ErrorKind::InvalidOption
    );
    assert!(
        Push::builder()
            .plain_client(&long[1..], &long[1..])
            .build()
            .is_ok()
    );
}

/// CURVE between sockets of ours.
#[cfg(feature = "curve")]
mod curve {
    use hubless::{KeyPair, Linger, Message, ProtocolError, Pub, PublicKey, Sub};

    use super::*;

    fn client(server: PublicKey) -> Builder<Push> {
        Push::builder().curve_client(server, KeyPair::generate())
    }

    #[test]
    fn without_an_authenticator_every_key_may_come_in() {
        let keys = KeyPair::generate();
        let (pull, at) = bound(Pull::builder().curve_server(keys.clone()));
        let push = client(keys.public()).build().expect("a socket");
        push.connect(at).expect("to connect");
        for octets in [0, 1, 64, 65, 8192, 8193, 70_000, 3 << 20] {
            let body = vec![octets as u8; octets];
            push.send(Message::from(body.clone())).expect("to send");
            assert_eq!(pull.recv_timeout(LIMIT).expect("a message"), body.into());
        }
    }

    #[test]
    fn keys_that_are_not_known_are_refused() {
        let keys = KeyPair::generate();
        let known = KeyPair::generate();
        let friend = known.public();
        let judge = move |peer: &AuthRequest| matches!(peer.credentials, Credentials::Curve { key } if key == friend);
        let server = || {
            Pull::builder()
                .curve_server(keys.clone())
                .authenticator(judge)
        };
        let refused = refusal(server(), client(keys.public()));
        assert_eq!(refused, (400, Some("400".into())));
        let (pull, at) = bound(server());
        let push = Push::builder().curve_client(keys.public(), known).build();
        let push = push.expect("a socket");
        push.connect(at).expect("to connect");
        pull.wait_peers(1, LIMIT).expect("a peer");
    }

    #[test]
    fn a_client_with_another_server_in_mind_stays_outside() {
        let (pull, at) = bound(Pull::builder().curve_server(KeyPair::generate()));
        let events = pull.monitor();
        let stranger = KeyPair::generate().public();
        let push = client(stranger).build().expect("a socket");
        push.connect(at).expect("to connect");
        await_event(&events, |kind| {
            let forged = Reason::Protocol(ProtocolError::Cryptographic);
            matches!(kind, EventKind::HandshakeFailed(reason)
                if reason.to_string() == forged.to_string())
        });
    }

    #[test]
    fn subscriptions_reach_a_publisher() {
        let keys = KeyPair::generate();
        let publisher = Pub::builder().curve_server(keys.clone()).build();
        let publisher = publisher.expect("a socket");
        let at = publisher.bind("tcp://127.0.0.1:0").expect("to bind");
        let subscriber = Sub::builder().curve_client(keys.public(), KeyPair::generate());
        let subscriber = subscriber.build().expect("a socket");
        subscriber.subscribe("a").expect("to subscribe");
        subscriber.connect(at).expect("to connect");
        publisher.wait_subscribers(1, LIMIT).expect("a subscriber");
        subscriber.subscribe("b").expect("to subscribe");
        publisher.send("a1").expect("to send");
        assert_eq!(
            subscriber.recv_timeout(LIMIT).expect("a message"),
            "a1".into()
        );
    }

    /// The connection is lost with much under way: what had not begun to leave goes over the
    /// next one, sealed anew, in order, nothing twice; and the counters balance.
    #[test]
    fn what_had_not_left_goes_over_the_next_connection() {
        const COUNT: u32 = 3000;
        let keys = KeyPair::generate();
        let server = || {
            let pull = Pull::builder().curve_server(keys.clone());
            pull.recv_hwm(10).recv_buffer(8 << 10)
        };
        let (pull, at) = bound(server());
        let push = client(keys.public()).send_hwm(0).send_buffer(8 << 10);
        let push = push.linger(Linger::Drop).build().expect("a socket");
        push.connect(at.clone()).expect("to connect");
        for number in 0..COUNT {
            let mut body = number.to_be_bytes().to_vec();
            body.resize(if number % 100 == 0 { 30_000 } else { 500 }, 0);
            push.send(Message::from(["head".as_bytes(), &body]))
                .expect("to send");
        }
        let number = |pull: &Pull| {
            let message = pull.recv_timeout(LIMIT).expect("a message");
            let octets: [u8; 4] = message.frames()[1][..4].try_into().expect("a number");
            u32::from_be_bytes(octets)
        };
        let mut last = 0;
        for expected in 0..50 {
            last = number(&pull);
            assert_eq!(last, expected);
        }
        pull.close(Duration::ZERO).expect("to close");
        let pull = server().build().expect("a socket");
        pull.bind(at).expect("to bind");
        while last < COUNT - 1 {
            let next = number(&pull);
            assert!(next > last, "{next} after {last}");
            last = next;
        }
        let sent = push.stats().sent;
        assert!(sent.balances(), "{sent:?}");
        assert_eq!((sent.accepted, sent.queued), (u64::from(COUNT), 0));
        assert!(sent.lost <= 1, "the one that was cut: {sent:?}");
    }
}
