//! Sequences of C calls, by seeds: what the fuzz target `calls` plays for hours, for some seconds.

mod program;

use std::{sync::mpsc, thread, time::Duration};

/// How many sequences.
const SEEDS: u64 = 400;

// Calls that are made more often than others.
const SEND: u8 = 15;
const RECV: u8 = 19;

/// Octets by chance, by Marsaglia's xorshift with 64 bits: mostly calls that send and receive,
/// between others of all kinds.
fn octets(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u8| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8 % below
    };
    // Most begin with sockets that fit each other.
    let mut octets = vec![next(80)];
    for _ in 0..10 + next(50) {
        match next(16) {
            0..=6 => octets.extend([2 * (next(8) / 7), SEND, 2, b'o', b'k', next(5)]),
            7..=13 => octets.extend([0, RECV, 80, next(5)]),
            _ => octets.extend([(); 8].map(|()| next(255))),
        }
    }
    octets
}

#[test]
fn every_sequence_of_calls_is_answered() {
    let place = std::env::temp_dir().join(format!("hubless-calls-{}", std::process::id()));
    std::fs::create_dir(&place).expect("a folder");
    // Paths of endpoints are relative, and this is the only test here.
    std::env::set_current_dir(&place).expect("to go there");
    let (tell, told) = mpsc::channel();
    let player = thread::spawn(move || {
        let mut received = 0;
        for seed in 0..SEEDS {
            tell.send(seed).expect("somebody listens");
            received += program::run(&octets(seed));
        }
        received
    });
    let mut last = 0;
    loop {
        match told.recv_timeout(Duration::from_secs(30)) {
            Ok(seed) => last = seed,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("seed {last} is not answered"),
        }
    }
    let received = player.join().unwrap_or_else(|_| panic!("seed {last}"));
    assert!(received > 100, "only {received} parts were received");
    std::fs::remove_dir_all(&place).expect("to tidy up");
}
