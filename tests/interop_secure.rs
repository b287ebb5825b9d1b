//! Security mechanisms with libzmq on the other side: either side the server, either side bound,
//! over TCP and over Unix-domain sockets; and who is not let in.

mod interop;

use hubless::{Builder, Dealer, EventKind, PeerInfo, ProtocolError, Reason};
use interop::{
    LIMIT, Peer, Scratch, Theirs, hex,
    sides::{Ours, Side, await_event},
};

/// What a dealer of theirs is told, besides.
type TheirOptions = Vec<(&'static str, String)>;

fn theirs<'a>(peer: &'a Peer, options: &TheirOptions) -> Theirs<'a> {
    let options: Vec<_> = options.iter().map(|(k, v)| (*k, v.as_str())).collect();
    peer.socket("DEALER", &options)
}

/// All sizes at which something changes, several frames, and many messages, both ways.
fn talk(ours: &dyn Side, theirs: &dyn Side) {
    let sizes = [
        0, 1, 63, 64, 65, 222, 223, 255, 256, 8192, 8193, 65_535, 65_536, 300_000,
    ];
    for (from, to) in [(ours, theirs), (theirs, ours)] {
        for octets in sizes {
            from.send_bodies(&[], &[octets]);
            to.expect_bodies(0, &[octets]);
        }
        from.send_bodies(&[], &sizes);
        to.expect_bodies(0, &sizes);
        let (sent, received) = (
            from.begin_send_numbers(&[], 10_000),
            to.begin_recv_numbers(10_000),
        );
        received();
        sent();
    }
}

/// Talks over both transports, either side bound.
fn talk_everywhere(
    ours: impl Fn() -> Builder<Dealer>,
    peer: &Peer,
    options: &TheirOptions,
    check: impl Fn(&PeerInfo),
) {
    let scratch = Scratch::new();
    for we_bind in [true, false] {
        for endpoint in scratch.endpoints(if we_bind { "ours" } else { "theirs" }) {
            println!("{endpoint}, we bind: {we_bind}");
            let dealer = ours().build().expect("a socket");
            let (us, them) = (Ours::Dealer(dealer.clone()), theirs(peer, options));
            if we_bind {
                them.connect(&Side::bind(&us, &endpoint));
            } else {
                Side::connect(&us, &them.bind(&endpoint));
            }
            dealer.wait_peers(1, LIMIT).expect("a peer");
            let info = dealer.peers()[0].info.clone();
            check(&info.expect("known once ready"));
            talk(&us, &them);
            us.close();
            them.close(0);
        }
    }
}

/// Why our side's handshake failed; theirs has no messages for us.
fn failure(ours: Builder<Dealer>, peer: &Peer, options: &TheirOptions, we_bind: bool) -> Reason {
    let dealer = ours.build().expect("a socket");
    let events = dealer.monitor();
    let them = theirs(peer, options);
    if we_bind {
        let at = dealer.bind("tcp://127.0.0.1:0").expect("to bind");
        them.connect(&at.to_string());
    } else {
        let at = them.bind("tcp://127.0.0.1:0");
        dealer.connect(at).expect("to connect");
    }
    let mut reason = None;
    await_event(&events, |kind| match kind {
        EventKind::HandshakeFailed(why) => {
            reason = Some(why.clone());
            true
        }
        EventKind::HandshakeSucceeded => panic!("let in"),
        _ => false,
    });
    reason.expect("found above")
}

fn check(user: &[u8], password: &[u8]) -> bool {
    user == b"admin" && password == b"secret"
}

fn guarded(keys: &[String]) -> Peer {
    let peer = Peer::start();
    let keys = keys.join(",");
    let users = r#"{"admin":"secret"}"#;
    peer.begin(&format!(
        r#"{{"do":"guard","users":{users},"keys":[{keys}]}}"#
    ))
    .get();
    peer
}

fn plain_client(user: &str, password: &str) -> TheirOptions {
    vec![
        ("PLAIN_USERNAME", hex(user.as_bytes())),
        ("PLAIN_PASSWORD", hex(password.as_bytes())),
    ]
}

#[test]
fn plain_with_us_as_the_server() {
    let peer = Peer::start();
    talk_everywhere(
        || Dealer::builder().plain_server(check),
        &peer,
        &plain_client("admin", "secret"),
        |info| assert_eq!(info.property("User-Id").expect("a name"), "admin"),
    );
}

#[test]
fn plain_with_them_as_the_server() {
    let peer = guarded(&[]);
    talk_everywhere(
        || Dealer::builder().plain_client("admin", "secret"),
        &peer,
        &vec![("PLAIN_SERVER", "1".into())],
        |_| {},
    );
}

#[test]
fn plain_refuses_a_wrong_password_and_another_mechanism() {
    let peer = guarded(&[]);
    for we_bind in [true, false] {
        let server = || Dealer::builder().plain_server(check);
        let wrong = plain_client("admin", "sesame");
        let reason = failure(server(), &peer, &wrong, we_bind);
        assert!(matches!(reason, Reason::Denied(400)), "{reason:?}");
        let reason = failure(server(), &peer, &Vec::new(), we_bind);
        let mismatch = ProtocolError::MechanismMismatch;
        assert!(
            matches!(reason, Reason::Protocol(error) if error == mismatch)
                || matches!(reason, Reason::PeerClosed | Reason::Io(_)),
            "{reason:?}"
        );
        let wrong = Dealer::builder().plain_client("admin", "sesame");
        let reason = failure(wrong, &peer, &vec![("PLAIN_SERVER", "1".into())], we_bind);
        assert!(
            matches!(&reason, Reason::Refused(status) if status == "400"),
            "{reason:?}"
        );
    }
}

/// CURVE, with keys of either side's making.
#[cfg(feature = "curve")]
mod curve {
    use hubless::{AuthRequest, Credentials, KeyPair, PublicKey, Verdict};

    use super::*;

    fn key(key: PublicKey) -> String {
        hex(key.as_bytes())
    }

    fn curve_client(server: PublicKey, keys: &KeyPair) -> TheirOptions {
        vec![
            ("CURVE_SERVERKEY", key(server)),
            ("CURVE_PUBLICKEY", key(keys.public())),
            ("CURVE_SECRETKEY", hex(keys.secret().expose())),
        ]
    }

    fn curve_server(keys: &KeyPair) -> TheirOptions {
        vec![
            ("CURVE_SERVER", "1".into()),
            ("CURVE_SECRETKEY", hex(keys.secret().expose())),
        ]
    }

    #[test]
    fn curve_with_us_as_the_server() {
        let (ours, theirs) = (KeyPair::generate(), KeyPair::generate());
        let known = theirs.public();
        let judge = move |peer: &AuthRequest| match peer.credentials {
            Credentials::Curve { key } if key == known => Verdict::allow_as("joe"),
            _ => Verdict::Deny,
        };
        talk_everywhere(
            || {
                Dealer::builder()
                    .curve_server(ours.clone())
                    .authenticator(judge)
            },
            &Peer::start(),
            &curve_client(ours.public(), &theirs),
            |info| assert_eq!(info.property("User-Id").expect("a name"), "joe"),
        );
    }

    #[test]
    fn curve_with_them_as_the_server() {
        let (ours, theirs) = (KeyPair::generate(), KeyPair::generate());
        talk_everywhere(
            || Dealer::builder().curve_client(theirs.public(), ours.clone()),
            &guarded(&[key(ours.public())]),
            &curve_server(&theirs),
            |_| {},
        );
    }

    #[test]
    fn keys_of_their_making_read_as_ours() {
        let peer = Peer::start();
        let made = peer.begin(r#"{"do":"keypair"}"#).get();
        let text = |name| {
            let octets = made.text(name);
            let digit = |at| u8::from_str_radix(&octets[at..at + 2], 16).expect("hexadecimal");
            let text = (0..octets.len()).step_by(2).map(digit).collect();
            String::from_utf8(text).expect("text")
        };
        let secret: hubless::SecretKey = text("secret").parse().expect("a key");
        assert_eq!(secret.to_z85(), text("secret"));
        let pair = KeyPair::from(secret);
        assert_eq!(pair.public().to_string(), text("public"));
    }

    #[test]
    fn key_files_read_on_both_sides() {
        let (peer, scratch) = (Peer::start(), Scratch::new());
        let folder = scratch.ipc("x");
        let folder = folder["ipc://".len()..].trim_end_matches("/x");
        let ours = KeyPair::generate();
        ours.save(format!("{folder}/ours.key")).expect("to write");
        for (name, secret) in [
            ("ours.key", ""),
            ("ours.key_secret", &ours.secret().to_z85()),
        ] {
            let command = format!(r#"{{"do":"read_keys","path":"{folder}/{name}"}}"#);
            let read = peer.begin(&command).get();
            let public = ours.public().to_string();
            assert_eq!(hex(public.as_bytes()), format!("{:?}", read.text("public")));
            assert_eq!(hex(secret.as_bytes()), format!("{:?}", read.text("secret")));
        }
        let command = format!(r#"{{"do":"write_keys","folder":"{folder}","name":"theirs"}}"#);
        peer.begin(&command).get();
        let pair = KeyPair::load(format!("{folder}/theirs.key_secret")).expect("to read");
        let public = PublicKey::load(format!("{folder}/theirs.key")).expect("to read");
        assert_eq!(public, pair.public());
    }

    #[test]
    fn curve_refuses_wrong_keys_and_another_mechanism() {
        let (ours, theirs, other) = (
            KeyPair::generate(),
            KeyPair::generate(),
            KeyPair::generate(),
        );
        let peer = guarded(&[key(other.public())]);
        for we_bind in [true, false] {
            // A client of theirs that takes us for somebody else.
            let server = || Dealer::builder().curve_server(ours.clone());
            let reason = failure(
                server(),
                &peer,
                &curve_client(other.public(), &theirs),
                we_bind,
            );
            assert!(
                matches!(reason, Reason::Protocol(ProtocolError::Cryptographic)),
                "{reason:?}"
            );
            // A client of theirs that we do not let in.
            let reason = failure(
                server().authenticator(|_: &AuthRequest| false),
                &peer,
                &curve_client(ours.public(), &theirs),
                we_bind,
            );
            assert!(matches!(reason, Reason::Denied(400)), "{reason:?}");
            // We, not being on their list.
            let client =
                |server: &KeyPair| Dealer::builder().curve_client(server.public(), ours.clone());
            let reason = failure(client(&theirs), &peer, &curve_server(&theirs), we_bind);
            assert!(
                matches!(&reason, Reason::Refused(status) if status == "400"),
                "{reason:?}"
            );
            // We, taking them for somebody else: they close.
            let reason = failure(client(&other), &peer, &curve_server(&theirs), we_bind);
            assert!(
                matches!(reason, Reason::PeerClosed | Reason::Io(_)),
                "{reason:?}"
            );
            for theirs in [Vec::new(), plain_client("admin", "secret")] {
                let reason = failure(server(), &peer, &theirs, we_bind);
                assert!(
                    matches!(
                        reason,
                        Reason::Protocol(ProtocolError::MechanismMismatch)
                            | Reason::PeerClosed
                            | Reason::Io(_)
                    ),
                    "{reason:?}"
                );
            }
        }
    }
}
