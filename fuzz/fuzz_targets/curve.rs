//! CURVE, either side: what comes behind a good greeting, where every box opens.
#![no_main]

use hubless::{
    SocketType,
    internals::wire::{command, greeting},
};
use hubless_fuzz::{Side, config, dice, open_curve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, piece, rest)) = dice(data) else {
        return;
    };
    let types = [
        SocketType::Router,
        SocketType::Pub,
        SocketType::Pull,
        SocketType::Rep,
    ];
    let client = choice & 1 == 1;
    let mut side = Side::new(config(
        types[usize::from(choice >> 1 & 3)],
        open_curve(client),
    ));
    let greeting = greeting::encode_with(greeting::mechanism("CURVE"), false, b"");
    assert!(side.hear(&greeting, piece));
    if choice & 8 == 0 {
        // The first word is good: what comes is the second.
        let mut first = Vec::new();
        match client {
            true => command::encode("WELCOME", &[0; 160], &mut first),
            false => {
                let mut hello = [0; 194];
                hello[0] = 1;
                command::encode("HELLO", &hello, &mut first);
            }
        }
        assert!(side.hear(&first, usize::MAX));
    }
    if choice & 16 == 0 {
        side.hear(rest, piece);
        return;
    }
    // As much as there is, in the frame and under the name that fit.
    let name = if client { "READY" } else { "INITIATE" };
    let mut word = Vec::new();
    command::encode(name, rest, &mut word);
    side.hear(&word, piece);
});
