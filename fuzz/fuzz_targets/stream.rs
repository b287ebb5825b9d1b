//! NULL: a whole stream, or what comes behind a good READY.
#![no_main]

use hubless::{
    SocketType,
    internals::{
        base::auth::Security,
        wire::{command, greeting},
    },
};
use hubless_fuzz::{Side, config, dice};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, piece, rest)) = dice(data) else {
        return;
    };
    let types = [
        SocketType::Pull,
        SocketType::XPub,
        SocketType::Rep,
        SocketType::Router,
    ];
    let theirs = ["PUSH", "SUB", "REQ", "DEALER"];
    let kind = usize::from(choice >> 1 & 3);
    let mut side = Side::new(config(types[kind], Security::Null));
    if choice & 1 == 1 {
        let mut words = greeting::encode(b"").to_vec();
        command::encode_ready([("Socket-Type", theirs[kind].as_bytes())], &mut words);
        assert!(side.hear(&words, usize::MAX) && side.is_ready());
    }
    side.hear(rest, piece);
});
