//! Endpoints that cannot be: the error says what is wrong, with which endpoint, at once. And those
//! that can: they are reached, in every way to write them.

mod common;

use std::{
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    time::Duration,
};

use common::{SOON, free_port, fresh_path, inproc};
use hubless::{
    Connection, Dealer, Endpoint, Error, ErrorKind, EventKind, Linger, Pair, Pull, Push, Reconnect,
};

fn pull() -> Pull {
    Pull::new().expect("a PULL")
}

fn push() -> Push {
    Push::builder()
        .linger(Linger::Drop)
        .build()
        .expect("a PUSH")
}

/// Is it this kind of error, and does it name the endpoint?
fn blames(error: &Error, kind: ErrorKind, endpoint: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert!(
        text.contains(endpoint),
        "{text:?} does not name {endpoint:?}"
    );
}

fn ipc(path: &Path) -> String {
    format!("ipc://{}", path.display())
}

#[test]
fn what_is_no_endpoint() {
    let long = "n".repeat(257);
    let rows = [
        "",
        "nonsense",
        "127.0.0.1:5555",
        "tcp:/127.0.0.1:5555",
        "://",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://:5555",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:http",
        "tcp://127.0.0.1:5555:5556",
        "tcp://[::1:5555",
        "tcp://a b:5555",
        "ipc://",
        "ipc://@",
        "inproc://",
        &format!("inproc://{long}"),
    ];
    for row in rows {
        let (pull, push) = (pull(), push());
        for error in [
            row.parse::<Endpoint>().expect_err(row),
            pull.bind(row).expect_err(row),
            push.connect(row).map(|_: Connection| ()).expect_err(row),
            pull.unbind(row).expect_err(row),
            push.disconnect(row).expect_err(row),
        ] {
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::InvalidEndpoint | ErrorKind::NameTooLong),
                "{row:?}: {error}"
            );
            assert!(error.to_string().contains(row), "{error}");
        }
        assert!(pull.bound().is_empty() && push.peers().is_empty());
    }
}

#[test]
fn transports_there_are_none_of() {
    for row in [
        "udp://127.0.0.1:5555",
        "http://example.org",
        "pgm://eth0;239.192.1.1:5555",
        "TCP2://x:1",
    ] {
        blames(
            &pull().bind(row).expect_err(row),
            ErrorKind::UnknownTransport,
            row,
        );
        let error = push().connect(row).expect_err(row);
        blames(&error, ErrorKind::UnknownTransport, row);
    }
}

#[test]
fn what_can_only_be_bound_or_only_be_connected() {
    for row in [
        "tcp://*:5555",
        "tcp://127.0.0.1:*",
        "tcp://127.0.0.1:0",
        "ipc://*",
    ] {
        let error = push().connect(row).expect_err(row);
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{error}");
        let scheme = &row[..6];
        assert!(error.to_string().contains(scheme), "{error}");
    }
    let row = "tcp://127.0.0.1:0;127.0.0.1:5555";
    let error = pull().bind(row).expect_err("a source address");
    assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
}

#[test]
fn places_that_are_taken() {
    let path = ipc(&fresh_path());
    let name = format!(
        "ipc://@hubless-taken-{}-{}",
        std::process::id(),
        common::unique()
    );
    for at in [free_port(), path, name, inproc()] {
        let first = pull();
        first.bind(&at).expect("to bind");
        // By another socket, and by ourselves.
        for socket in [&pull(), &first] {
            blames(
                &socket.bind(&at).expect_err("taken"),
                ErrorKind::AddressInUse,
                &at,
            );
        }
        assert_eq!(first.bound().len(), 1);
        // The refusal has done no harm.
        let push = push();
        push.connect(&at).expect("to connect");
        push.send("hello").expect("room");
        assert_eq!(first.recv_timeout(SOON).expect("it")[0], "hello");
        drop(first);
        pull().bind(&at).expect("free again");
    }
}

#[test]
fn a_port_that_another_program_has() {
    let (other, at) = common::raw::listen();
    let pull = pull();
    blames(
        &pull.bind(&at).expect_err("taken"),
        ErrorKind::AddressInUse,
        &at,
    );
    drop(other);
    pull.bind(&at).expect("free now");
}

#[test]
fn a_refused_bind_is_told_to_the_monitor() {
    let taken = pull();
    let at = taken.bind("tcp://127.0.0.1:0").expect("to bind");
    let pull = pull();
    let events = pull.monitor();
    pull.bind(&at).expect_err("taken");
    let event = events.recv_timeout(SOON).expect("an event");
    assert!(matches!(event.kind, EventKind::BindFailed(_)), "{event:?}");
    assert_eq!(event.endpoint, at);
}

#[test]
fn addresses_and_interfaces_of_somebody_else() {
    // 192.0.2.0/24 is for documentation: no machine has it.
    for row in [
        "tcp://192.0.2.1:5555",
        "tcp://no-such-interface0:5555",
        "tcp://[2001:db8::1]:5555",
    ] {
        let error = Pull::builder()
            .ipv6(true)
            .build()
            .expect("a PULL")
            .bind(row)
            .expect_err(row);
        blames(&error, ErrorKind::AddressNotAvailable, row);
    }
}

#[test]
fn the_loopback_interface_by_its_name() {
    let pull = pull();
    let at = pull.bind("tcp://lo:*").expect("to bind");
    assert!(at.to_string().starts_with("tcp://127.0.0.1:"), "{at}");
    let push = push();
    push.connect(&at).expect("to connect");
    push.send("hello").expect("room");
    assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "hello");
}

#[test]
fn names_that_do_not_resolve() {
    // RFC 6761: nobody has a name under .invalid.
    let row = "tcp://nobody.invalid:5555";
    let push = Push::builder()
        .linger(Linger::Drop)
        .reconnect(Reconnect::Backoff {
            min: Duration::from_millis(1),
            max: Duration::from_millis(10),
        })
        .build()
        .expect("a PUSH");
    let events = push.monitor();
    let connection = push.connect(row).expect("names are looked up later");
    let mut failed = 0;
    while failed < 2 {
        let event = events.recv_timeout(SOON).expect("an event");
        assert_eq!(event.endpoint.to_string(), row);
        assert!(!matches!(event.kind, EventKind::Connecting), "to what?");
        let unresolved = event.kind.is_unresolved();
        if let EventKind::ConnectFailed(error) = event.kind {
            assert!(unresolved && !error.to_string().is_empty(), "{error}");
            failed += 1;
        }
    }
    let error = connection.wait_ready(Duration::ZERO).expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    blames(
        &pull().bind(row).expect_err("nobody"),
        ErrorKind::AddressNotAvailable,
        row,
    );
    push.disconnect(row).expect("to give up");
}

#[test]
fn names_that_do() {
    let pull = pull();
    let at = pull.bind("tcp://localhost:*").expect("to bind");
    let port = at
        .to_string()
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let push = push();
    push.connect(format!("tcp://localhost:{port}"))
        .expect("to connect");
    push.send("hello").expect("room");
    assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "hello");
}

#[test]
fn version_6_of_ip() {
    let dealer = || Dealer::builder().ipv6(true).build().expect("a DEALER");
    for host in ["[::1]:*", "*:*"] {
        let bound = dealer();
        let at = match bound.bind(format!("tcp://{host}")) {
            Ok(at) => at,
            Err(error) => {
                // A machine without it says so.
                assert_eq!(error.kind(), ErrorKind::AddressNotAvailable, "{error}");
                continue;
            }
        };
        let port = at
            .to_string()
            .rsplit(':')
            .next()
            .expect("a port")
            .to_owned();
        let connected = dealer();
        connected
            .connect(format!("tcp://[::1]:{port}"))
            .expect("to connect");
        connected.send("hello").expect("room");
        assert_eq!(bound.recv_timeout(SOON).expect("it")[0], "hello");
    }
}

#[test]
fn paths_that_are_too_long() {
    let path = std::env::temp_dir().join("p".repeat(120));
    let at = ipc(&path);
    blames(
        &pull().bind(&at).expect_err("too long"),
        ErrorKind::NameTooLong,
        &at,
    );
    blames(
        &push().connect(&at).expect_err("too long"),
        ErrorKind::NameTooLong,
        &at,
    );
    assert!(!path.exists());
}

#[test]
fn a_directory_that_is_not_there() {
    let at = ipc(&fresh_path().join("socket"));
    let error = pull().bind(&at).expect_err("no such directory");
    assert!(error.to_string().contains(&at), "{error}");
}

/// A path that is taken away again at the end.
struct Taken(PathBuf);

impl Drop for Taken {
    fn drop(&mut self) {
        // Whoever took it away before us did no harm.
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn files_that_are_left_over_and_files_that_are_not() {
    // Somebody died and left its socket behind.
    let stale = Taken(fresh_path());
    drop(UnixListener::bind(&stale.0).expect("to bind"));
    assert!(stale.0.exists());
    let (bound, at) = (pull(), ipc(&stale.0));
    bound.bind(&at).expect("nobody listens there");
    let push = push();
    push.connect(&at).expect("to connect");
    push.send("hello").expect("room");
    assert_eq!(bound.recv_timeout(SOON).expect("it")[0], "hello");
    drop(bound);
    assert!(!stale.0.exists(), "we take our own away");

    // Somebody lives.
    let alive = Taken(fresh_path());
    let _listener = UnixListener::bind(&alive.0).expect("to bind");
    let at = ipc(&alive.0);
    blames(
        &pull().bind(&at).expect_err("taken"),
        ErrorKind::AddressInUse,
        &at,
    );
    assert!(alive.0.exists());

    // What is no socket is not ours to remove.
    let file = Taken(fresh_path());
    fs::write(&file.0, "precious").expect("to write");
    let at = ipc(&file.0);
    blames(
        &pull().bind(&at).expect_err("a file"),
        ErrorKind::AddressInUse,
        &at,
    );
    assert_eq!(
        fs::read_to_string(&file.0).expect("it is there"),
        "precious"
    );
}

#[test]
fn what_was_never_bound_or_connected() {
    let socket = Pair::new().expect("a PAIR");
    for at in [free_port(), ipc(&fresh_path()), inproc()] {
        blames(
            &socket.unbind(&at).expect_err("not bound"),
            ErrorKind::NotFound,
            &at,
        );
        blames(
            &socket.disconnect(&at).expect_err("not connected"),
            ErrorKind::NotFound,
            &at,
        );
        // Bound is not connected, and the other way round.
        socket.bind(&at).expect("to bind");
        blames(
            &socket.disconnect(&at).expect_err("bound"),
            ErrorKind::NotFound,
            &at,
        );
        socket.unbind(&at).expect("to unbind");
        socket.connect(&at).expect("to connect");
        blames(
            &socket.unbind(&at).expect_err("connected"),
            ErrorKind::NotFound,
            &at,
        );
        socket.disconnect(&at).expect("to disconnect");
        blames(
            &socket.disconnect(&at).expect_err("once only"),
            ErrorKind::NotFound,
            &at,
        );
    }
}

#[test]
fn one_socket_many_endpoints() {
    let pull = pull();
    let endpoints: Vec<Endpoint> = common::everywhere()
        .into_iter()
        .map(|at| pull.bind(at).expect("to bind"))
        .collect();
    assert_eq!(pull.bound(), endpoints);
    let push = push();
    for at in &endpoints {
        push.connect(at).expect("to connect");
    }
    push.wait_peers(endpoints.len(), SOON).expect("all of them");
    for round in 0..8u64 {
        push.send(round.to_string()).expect("room");
    }
    let mut came: Vec<u64> = (0..8)
        .map(|_| common::number(&pull.recv_timeout(SOON).expect("it")[0]))
        .collect();
    came.sort_unstable();
    assert!(came.into_iter().eq(0..8));
    for at in &endpoints {
        pull.unbind(at).expect("to unbind");
    }
    assert!(pull.bound().is_empty());
}

#[test]
fn every_interface_and_an_address_to_come_from() {
    let rows: [(&str, &[&str]); 3] = [
        ("tcp://*:*", &["tcp://127.0.0.1:", "tcp://localhost:"]),
        ("tcp://127.0.0.1:*", &["tcp://127.0.0.1:*;127.0.0.1:"]),
        (
            "tcp://localhost:*",
            &["tcp://127.0.0.1:", "tcp://lo:*;127.0.0.1:"],
        ),
    ];
    for (row, ways) in rows {
        let pull = pull();
        let at = pull.bind(row).expect(row).to_string();
        let (_, port) = at.rsplit_once(':').expect("a port");
        for way in ways {
            if way.contains("lo:") && !cfg!(target_os = "linux") {
                continue; // the loopback has another name there
            }
            let (push, way) = (push(), format!("{way}{port}"));
            push.connect(&way).expect(&way);
            push.send(&way).expect("room");
            assert_eq!(pull.recv_timeout(SOON).expect(&way)[0], way);
        }
    }
}
