//! Through a SOCKS5 proxy that is not ours: microsocks, a package of Debian's.
//!
//! `ci/interop` fetches it and says in HUBLESS_MICROSOCKS where it is.

use std::{
    env,
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use hubless::{EventKind, Pull, Push, Rep, Req};

const LIMIT: Duration = Duration::from_secs(30);

/// A proxy at work. It is killed when dropped.
struct Proxy {
    process: Child,
    at: String,
}

impl Proxy {
    /// Starts one, with further arguments, and waits until it listens. Its port is one that was free
    /// a moment ago: if somebody else has taken it since, the proxy ends, and the next one is tried.
    fn start(arguments: &[&str]) -> Proxy {
        let program = env::var("HUBLESS_MICROSOCKS").unwrap_or_else(|_| "microsocks".into());
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            let port = TcpListener::bind((own_address(), 0)).expect("a free port");
            let at = port.local_addr().expect("its address");
            drop(port);
            let process = Command::new(&program)
                .args(["-i", &at.ip().to_string(), "-p", &at.port().to_string()])
                .args(arguments)
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
            let mut proxy = Proxy {
                process,
                at: at.to_string(),
            };
            while proxy.is_running() {
                if TcpStream::connect(at).is_ok() && proxy.is_running() {
                    return proxy;
                }
                assert!(began.elapsed() < LIMIT, "{program} does not listen");
                thread::sleep(Duration::from_millis(5)); // tidy: owned time
            }
        }
        panic!("{program} ends as soon as it is started")
    }

    fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

/// An address of this machine that no other process listens at: so whoever answers there is the
/// proxy that was started.
fn own_address() -> Ipv4Addr {
    let [_, first, second, third] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 1 + first % 100, second, third)
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Where a PULL is, with the host by number and by name: then the proxy looks it up.
fn by_number_and_name() -> (Pull, [String; 2]) {
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind").to_string();
    let named = at.replace("127.0.0.1", "localhost");
    (pull, [at, named])
}

/// Proxies pick their ports by trying, and those of one process share its address: one at a time.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn messages_pass_through_it() {
    let _alone = ALONE.lock();
    let proxy = Proxy::start(&[]);
    let (pull, places) = by_number_and_name();
    for at in places {
        let push = Push::builder().socks_proxy(&proxy.at).build();
        let push = push.expect("a PUSH");
        push.connect(&at[..])
            .expect("to connect")
            .wait_ready(LIMIT)
            .expect("a handshake");
        for number in 0..1000 {
            push.send(number.to_string()).expect("to send");
        }
        for number in 0..1000 {
            let message = pull.recv_timeout(LIMIT).expect("a message");
            assert_eq!(message[0], *number.to_string(), "by {at}");
        }
    }
}

#[test]
fn it_is_shown_a_name_and_a_password() {
    let _alone = ALONE.lock();
    let proxy = Proxy::start(&["-u", "ann", "-P", "secret"]);
    let rep = Rep::new().expect("a REP");
    let at = rep.bind("tcp://127.0.0.1:0").expect("to bind");
    let req = Req::builder()
        .socks_proxy(&proxy.at)
        .socks_login("ann", "secret")
        .build();
    let req = req.expect("a REQ");
    req.connect(&at).expect("to connect");
    let serving = thread::spawn(move || {
        let (question, responder) = rep.recv_timeout(LIMIT).expect("a question");
        responder.reply(question)
    });
    let answer = req.request_timeout("through?", LIMIT).expect("an answer");
    assert_eq!(answer[0], "through?");
    assert!(serving.join().expect("no panic"));
}

#[test]
fn without_them_nobody_passes() {
    let _alone = ALONE.lock();
    let proxy = Proxy::start(&["-u", "ann", "-P", "secret"]);
    let (pull, [at, _]) = by_number_and_name();
    let nameless = Push::builder().socks_proxy(&proxy.at);
    let mistaken = Push::builder()
        .socks_proxy(&proxy.at)
        .socks_login("ann", "wrong");
    for builder in [nameless, mistaken] {
        let push = builder.build().expect("a PUSH");
        let events = push.monitor();
        push.connect(&at[..]).expect("to connect");
        let failed = loop {
            match events.recv_timeout(LIMIT).expect("an event").kind {
                EventKind::ConnectFailed(error) => break error,
                EventKind::Connected => panic!("it has passed"),
                _ => {}
            }
        };
        println!("{failed}");
    }
    assert!(pull.peers().is_empty(), "nobody is here");
}
