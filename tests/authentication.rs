//! Who may come in: PLAIN and authenticators between sockets of ours.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use hubless::{
    AuthRequest, Builder, Credentials, Endpoint, ErrorKind, Event, EventKind, Monitor, Pull, Push,
    Reason, Reconnect, Verdict,
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
