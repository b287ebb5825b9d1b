//! Endpoints: every form that can be bound is reached, and those that cannot are refused at once,
//! by an error that names them.

use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use hubless::{Endpoint, Error, ErrorKind, Pull, Push};

/// Nothing here takes this long; it is a guard against a hang.
const SOON: Duration = Duration::from_secs(30);

/// A name that nobody else has: no other test, no other process.
fn fresh() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("hubless-endpoints-{}-{next}", std::process::id())
}

fn fresh_path() -> String {
    env::temp_dir().join(fresh()).display().to_string()
}

/// A message from a socket that connects to `endpoint`.
#[track_caller]
fn reaches(pull: &Pull, endpoint: &str) {
    let push = Push::builder().ipv6(true).build().expect("a socket");
    push.connect(endpoint).expect(endpoint);
    push.send(endpoint).expect("to send");
    let message = pull.recv_timeout(SOON).expect(endpoint);
    assert_eq!(message[0], endpoint);
}

#[track_caller]
fn port(endpoint: &Endpoint) -> String {
    let text = endpoint.to_string();
    let port: u16 = text.rsplit(':').next().unwrap().parse().expect("a port");
    assert_ne!(port, 0, "{text}");
    port.to_string()
}

#[test]
fn every_way_to_write_a_tcp_address_is_reached() {
    // What is bound, and what is connected to with its port.
    let forms: [(&str, &[&str]); 4] = [
        (
            "tcp://127.0.0.1:*",
            &["tcp://127.0.0.1:", "tcp://localhost:"],
        ),
        ("tcp://127.0.0.1:0", &["tcp://127.0.0.1:0;127.0.0.1:"]),
        ("tcp://localhost:*", &["tcp://127.0.0.1:"]),
        ("tcp://*:*", &["tcp://127.0.0.1:", "tcp://localhost:"]),
    ];
    for (bound, connected) in forms {
        let pull = Pull::new().expect("a socket");
        let at = pull.bind(bound).expect(bound);
        for form in connected {
            reaches(&pull, &format!("{form}{}", port(&at)));
        }
        assert_eq!(pull.bound(), [at]);
    }
}

#[test]
fn both_families_are_reached_if_asked_for() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        println!("this machine has no IPv6");
        return;
    }
    let pull = Pull::builder().ipv6(true).build().expect("a socket");
    let at = pull.bind("tcp://*:*").expect("to bind");
    reaches(&pull, &format!("tcp://127.0.0.1:{}", port(&at)));
    reaches(&pull, &format!("tcp://[::1]:{}", port(&at)));
    let at = pull.bind("tcp://[::1]:*").expect("to bind");
    reaches(&pull, &format!("tcp://::1:{}", port(&at)));
}

#[test]
#[cfg(target_os = "linux")]
fn an_interface_is_bound_by_its_name() {
    let pull = Pull::new().expect("a socket");
    let at = pull.bind("tcp://lo:*").expect("to bind");
    assert!(at.to_string().starts_with("tcp://127.0.0.1:"), "{at}");
    reaches(&pull, &at.to_string());
}

#[test]
fn every_way_to_write_an_ipc_address_is_reached() {
    let mut forms = vec![format!("ipc://{}", fresh_path()), "ipc://*".into()];
    if cfg!(target_os = "linux") {
        forms.push(format!("ipc://@{}", fresh()));
    }
    for form in forms {
        let pull = Pull::new().expect("a socket");
        let at = pull.bind(&form).expect(&form);
        reaches(&pull, &at.to_string());
    }
}

#[test]
#[cfg(unix)]
fn the_file_of_a_dead_owner_is_no_hindrance() {
    let path = fresh_path();
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket file"));
    let pull = Pull::new().expect("a socket");
    let at = pull.bind(format!("ipc://{path}")).expect("to bind over it");
    reaches(&pull, &at.to_string());
    drop(pull);
    assert!(!std::path::Path::new(&path).exists(), "it is left lying");
}

#[track_caller]
fn is_refused<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, endpoint: &str) {
    let error = result.expect_err(endpoint);
    assert_eq!(error.kind(), kind, "{endpoint}: {error}");
    assert!(error.to_string().contains(endpoint), "{endpoint}: {error}");
}

#[test]
fn what_is_no_endpoint_is_refused_at_once_and_named() {
    use ErrorKind::{InvalidEndpoint, NameTooLong, UnknownTransport};
    let long_path = format!("ipc:///{}", "x".repeat(200));
    let wrong = [
        ("", InvalidEndpoint),
        ("127.0.0.1:5555", InvalidEndpoint),
        ("tcp:/127.0.0.1:5555", InvalidEndpoint),
        ("tcp://", InvalidEndpoint),
        ("tcp://127.0.0.1", InvalidEndpoint),
        ("tcp://127.0.0.1:", InvalidEndpoint),
        ("tcp://127.0.0.1:http", InvalidEndpoint),
        ("tcp://127.0.0.1:65536", InvalidEndpoint),
        ("tcp://127.0.0.1:-1", InvalidEndpoint),
        ("tcp://:5555", InvalidEndpoint),
        ("tcp://[::1:5555", InvalidEndpoint),
        ("ipc://", InvalidEndpoint),
        ("inproc://", InvalidEndpoint),
        ("udp://127.0.0.1:5555", UnknownTransport),
        ("http://example.org", UnknownTransport),
        ("TCP://127.0.0.1:5555", UnknownTransport),
        (&long_path, NameTooLong),
    ];
    let push = Push::new().expect("a socket");
    for (endpoint, kind) in wrong {
        is_refused(push.bind(endpoint), kind, endpoint);
        is_refused(push.connect(endpoint), kind, endpoint);
    }
    for endpoint in ["tcp://*:5555", "tcp://127.0.0.1:*", "ipc://*"] {
        is_refused(push.connect(endpoint), InvalidEndpoint, endpoint);
    }
    let zero = push.connect("tcp://127.0.0.1:0");
    is_refused(zero, InvalidEndpoint, "tcp://127.0.0.1:*"); // the same, as we write it
    let from = "tcp://127.0.0.1:*;127.0.0.1:5555";
    is_refused(push.bind(from), InvalidEndpoint, from);
    assert!(push.bound().is_empty() && push.peers().is_empty());
}

#[test]
fn what_cannot_be_bound_is_refused_at_once_and_named() {
    let first = Pull::new().expect("a socket");
    let second = Pull::new().expect("a socket");
    for form in [
        "tcp://127.0.0.1:*",
        "ipc://*",
        &format!("inproc://{}", fresh()),
    ] {
        let taken = first.bind(form).expect(form).to_string();
        is_refused(second.bind(&taken), ErrorKind::AddressInUse, &taken);
        is_refused(first.bind(&taken), ErrorKind::AddressInUse, &taken);
    }
    // A file that is no socket is somebody's.
    let path = fresh_path();
    std::fs::write(&path, "precious").expect("a file");
    let endpoint = format!("ipc://{path}");
    is_refused(second.bind(&endpoint), ErrorKind::AddressInUse, &endpoint);
    assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
    std::fs::remove_file(&path).expect("to remove it");

    // An address for documentation (RFC 5737): nobody has it.
    let elsewhere = "tcp://192.0.2.1:5555";
    is_refused(
        second.bind(elsewhere),
        ErrorKind::AddressNotAvailable,
        elsewhere,
    );
    let nowhere = "ipc:///no/such/folder/socket";
    let error = second.bind(nowhere).expect_err(nowhere);
    assert!(error.to_string().contains(nowhere), "{error}");
    assert!(second.bound().is_empty());
}

#[test]
fn what_was_not_bound_or_connected_cannot_be_taken_back() {
    let push = Push::new().expect("a socket");
    let endpoint = "tcp://127.0.0.1:5555";
    is_refused(push.unbind(endpoint), ErrorKind::NotFound, endpoint);
    is_refused(push.disconnect(endpoint), ErrorKind::NotFound, endpoint);
}
