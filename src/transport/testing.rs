//! What the tests of this room share: waiting for readiness, and a look at every octet.

use std::{
    io::{self, IoSlice},
    time::Duration,
};

use super::selector::MioSelector;
use crate::reactor::metal::{Acceptor, Selector, SourceId, Stream};

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Calls until it is not "would block", waiting for readiness in between.
fn patiently<T>(source: SourceId, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut selector = MioSelector::new().expect("descriptors are left");
    selector.register(source, 1).expect("open");
    let mut ready = Vec::new();
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        selector.poll(&mut ready, Some(PATIENCE)).expect("no fault");
        assert!(!ready.is_empty(), "nothing became ready");
    }
}

/// The outcome of a connect.
pub(super) fn finished(stream: &dyn Stream) -> io::Result<()> {
    patiently(stream.source(), || stream.finish_connect())
}

/// The outcome of an accept.
pub(super) fn outcome(acceptor: &dyn Acceptor) -> io::Result<Box<dyn Stream>> {
    patiently(acceptor.source(), || acceptor.accept())
}

/// The next connection.
pub(super) fn accepted(acceptor: &dyn Acceptor) -> Box<dyn Stream> {
    outcome(acceptor).expect("a connection")
}

/// Both ends of a new connection: ours, and the accepted one.
pub(super) fn connected(
    acceptor: &dyn Acceptor,
    connect: impl FnOnce() -> io::Result<Box<dyn Stream>>,
) -> (Box<dyn Stream>, Box<dyn Stream>) {
    let near = connect().expect("under way");
    let far = accepted(acceptor);
    finished(&*near).expect("somebody listens");
    let nothing = acceptor
        .accept()
        .map(drop)
        .expect_err("one connection only");
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    (near, far)
}

/// Everything up to the end of the stream.
pub(super) fn read_all(stream: &dyn Stream) -> Vec<u8> {
    let mut into = Vec::new();
    while patiently(stream.source(), || stream.read(&mut into, 1000)).expect("no fault") > 0 {}
    into
}

/// Writes more than the kernel holds, in one thread, and compares every octet, both ways.
pub(super) fn carries_octets(near: &dyn Stream, far: &dyn Stream) {
    let nothing = far.read(&mut Vec::new(), 10).expect_err("nothing sent");
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    one_way(near, far);
    one_way(far, near);
}

fn one_way(from: &dyn Stream, to: &dyn Stream) {
    let sent = (0..=250).collect::<Vec<u8>>().repeat(64 << 10);
    let mut arrived = Vec::new();
    let (mut position, mut full) = (0, 0);
    while arrived.len() < sent.len() {
        // Slices of odd sizes, so that a write ends inside of one.
        let rest = &sent[position..];
        let (first, second) = rest.split_at(rest.len().min(777_777));
        let both = [IoSlice::new(first), IoSlice::new(second)];
        let slices = if position % 2 == 0 {
            &both[..]
        } else {
            &both[..1]
        };
        match from.write(slices) {
            _ if rest.is_empty() => {}
            Ok(octets) => {
                position += octets;
                continue;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                full += 1;
            }
        }
        let before = arrived.len();
        let octets = patiently(to.source(), || to.read(&mut arrived, 333_333)).expect("open");
        assert!((1..=333_333).contains(&octets));
        assert_eq!(arrived.len(), before + octets);
    }
    assert!(arrived == sent, "other octets arrived than were sent");
    assert!(full > 0, "the kernel held all of it at once");
}
