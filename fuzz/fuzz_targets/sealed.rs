//! CURVE behind READY: MESSAGE, and what is in it, where every box opens.
#![no_main]

use hubless::{
    SocketType,
    internals::wire::{command, frame, greeting, metadata},
};
use hubless_fuzz::{Side, config, dice, open_curve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, piece, rest)) = dice(data) else {
        return;
    };
    let types = [
        SocketType::Pull,
        SocketType::XPub,
        SocketType::Dealer,
        SocketType::Router,
    ];
    let theirs = ["PUSH", "SUB", "DEALER", "DEALER"];
    let kind = usize::from(choice >> 1 & 3);
    let mut side = Side::new(config(types[kind], open_curve(true)));
    let greeting = greeting::encode_with(greeting::mechanism("CURVE"), false, b"");
    let mut words = greeting.to_vec();
    command::encode("WELCOME", &[0; 160], &mut words);
    let mut ready = vec![0; 24];
    metadata::encode("Socket-Type", theirs[kind].as_bytes(), &mut ready);
    command::encode("READY", &ready, &mut words);
    assert!(side.hear(&words, usize::MAX) && side.is_ready());
    if choice & 1 == 0 {
        side.hear(rest, piece);
        return;
    }
    // Frames are cut by the lengths that stand in front of them, and counted.
    let (mut rest, mut counter, mut words) = (rest, 1u64, Vec::new());
    while let Some((&octets, others)) = rest.split_first() {
        let (inside, others) = others.split_at(others.len().min(octets.into()));
        rest = others;
        counter += 1;
        let body = [b"\x07MESSAGE", &counter.to_be_bytes()[..], &[0; 16], inside].concat();
        words.extend_from_slice(&frame::header(body.len(), false, false));
        words.extend_from_slice(&body);
    }
    side.hear(&words, piece);
});
