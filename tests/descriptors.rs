//! When descriptors run out: nothing breaks, nothing spins, and those who wait get in once there
//! are some again.
//!
//! Each test runs in a process of its own with room for few descriptors, and uses them up by
//! opening files.

#![cfg(target_os = "linux")]

mod common;

use std::{
    fs::File,
    io::{Read, Seek},
    time::{Duration, Instant},
};

use common::{
    SOON,
    process::{self, Other},
};
use hubless::{ErrorKind, EventKind, Monitor, Pull, Push, Reconnect};

const DESCRIPTORS: usize = 64;

/// Opens files until there is no room for another one.
fn use_up() -> Vec<File> {
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    assert!(!files.is_empty() && files.len() < DESCRIPTORS);
    files
}

/// Processor time of this process so far, in hundredths of a second. `figures` was opened while
/// there was room for it.
fn processor_time(figures: &mut File) -> u64 {
    let mut stat = String::new();
    figures.rewind().expect("to go back to the start");
    figures.read_to_string(&mut stat).expect("our own figures");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    ticks().expect("in user space") + ticks().expect("in the system")
}

/// Waits for an event.
fn told(events: &Monitor, wanted: impl Fn(&EventKind) -> bool) {
    while !wanted(&events.recv_timeout(SOON).expect("an event").kind) {}
}

#[test]
fn a_listener_rests_and_then_takes_who_waits() {
    let test = "a_listener_rests_and_then_takes_who_waits";
    if process::role().is_some() {
        return rest();
    }
    for at in ["tcp://127.0.0.1:0", "ipc://*"] {
        let mut other = Other::start_with_descriptors(test, at, Some(DESCRIPTORS));
        let at = other.hear();
        let first = Push::new().expect("a PUSH");
        first.connect(&at).expect("to connect");
        first.send("first").expect("room");
        assert_eq!(other.hear(), "full");
        let second = Push::new().expect("a PUSH");
        second.connect(&at).expect("to connect");
        second.send("second").expect("room");
        assert_eq!(other.hear(), "resting");
        first.send("still served").expect("room");
        assert_eq!(other.hear(), "free");
        other.end();
    }
}

fn rest() {
    let at = process::role().expect("a role").remove(0);
    let pull = Pull::new().expect("a PULL");
    let events = pull.monitor();
    let at = pull.bind(&at).expect("to bind");
    process::say(&at.to_string());
    assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "first");
    let mut figures = File::open("/proc/self/stat").expect("our own figures");
    let files = use_up();
    process::say("full");
    told(&events, |kind| matches!(kind, EventKind::AcceptFailed(_)));
    process::say("resting");
    // Those who are in are served.
    assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "still served");

    let (start, before) = (Instant::now(), processor_time(&mut figures));
    let mut failures = 0;
    while start.elapsed() < Duration::from_secs(1) {
        if let Ok(event) = events.recv_timeout(Duration::from_millis(100)) {
            assert!(
                matches!(event.kind, EventKind::AcceptFailed(_)),
                "{event:?}"
            );
            failures += 1;
        }
    }
    let used = processor_time(&mut figures) - before;
    // Ten times a second; a busy loop would come to thousands, and to a hundred hundredths.
    assert!(
        (1..=20).contains(&failures),
        "{failures} attempts in a second"
    );
    assert!(used < 30, "{used} hundredths of a second of processor time");

    drop(files);
    assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "second");
    process::say("free");
    process::wait_for_parent();
}

#[test]
fn a_dialer_tries_again() {
    let test = "a_dialer_tries_again";
    let Some(role) = process::role() else {
        let pull = Pull::new().expect("a PULL");
        for at in ["tcp://127.0.0.1:0", "ipc://*"] {
            let at = pull.bind(at).expect("to bind").to_string();
            let other = Other::start_with_descriptors(test, &at, Some(DESCRIPTORS));
            assert_eq!(pull.recv_timeout(SOON).expect("it")[0], "at last");
            other.end();
        }
        return;
    };
    let push = Push::builder()
        .reconnect(Reconnect::Backoff {
            min: Duration::from_millis(1),
            max: Duration::from_millis(50),
        })
        .build()
        .expect("a PUSH");
    let events = push.monitor();
    // It has its poll set, and no room for a connection.
    push.bind("tcp://127.0.0.1:0").expect("to bind");
    let files = use_up();
    push.connect(&role[0])
        .expect("connecting is never refused for that");
    for _ in 0..3 {
        told(&events, |kind| {
            assert!(!matches!(kind, EventKind::Connecting), "with what?");
            matches!(kind, EventKind::ConnectFailed(_)) && kind.is_exhaustion()
        });
    }
    drop(files);
    push.send("at last").expect("to send");
    told(&events, |kind| {
        matches!(kind, EventKind::HandshakeSucceeded)
    });
    assert_eq!(push.close(SOON).expect("to close").unsent, 0);
}

#[test]
fn what_needs_a_descriptor_says_that_there_is_none() {
    let test = "what_needs_a_descriptor_says_that_there_is_none";
    if process::role().is_none() {
        return Other::start_with_descriptors(test, "alone", Some(DESCRIPTORS)).end();
    }
    let at = "tcp://127.0.0.1:0";
    let (bound, unbound) = (Pull::new().expect("a PULL"), Pull::new().expect("a PULL"));
    let first = bound.bind(at).expect("to bind");
    let files = use_up();
    // One that has its poll set and one that has none; inproc needs nothing.
    for pull in [&bound, &unbound] {
        let error = pull.bind(at).expect_err("no descriptor");
        assert_eq!(error.kind(), ErrorKind::TooMany);
        assert!(error.to_string().contains("tcp://127.0.0.1:"), "{error}");
    }
    let push = Push::new().expect("a PUSH");
    let error = push.connect(&first).expect_err("no descriptor");
    assert_eq!(error.kind(), ErrorKind::TooMany);
    assert!(error.to_string().contains(&first.to_string()), "{error}");
    bound.bind("inproc://needs-none").expect("to bind");
    push.connect("inproc://needs-none").expect("to connect");
    push.send("hello").expect("room");
    assert_eq!(bound.recv_timeout(SOON).expect("it")[0], "hello");

    drop(files);
    let second = unbound.bind(at).expect("to bind");
    push.connect(&second).expect("to connect");
    push.wait_peers(2, SOON).expect("both");
}
