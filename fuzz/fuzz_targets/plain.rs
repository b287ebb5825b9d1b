//! PLAIN, either side: what comes behind a good greeting.
#![no_main]

use hubless::{
    SocketType,
    internals::{base::auth::Security, wire::greeting},
};
use hubless_fuzz::{Side, config, dice};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, piece, rest)) = dice(data) else {
        return;
    };
    let security = match choice & 1 {
        0 => Security::PlainServer(None),
        _ => Security::PlainClient {
            user: "joe".into(),
            password: Default::default(),
        },
    };
    let types = [
        SocketType::Router,
        SocketType::Pub,
        SocketType::Pull,
        SocketType::Rep,
    ];
    let mut side = Side::new(config(types[usize::from(choice >> 1 & 3)], security));
    let greeting = greeting::encode_with(greeting::mechanism("PLAIN"), false, b"");
    assert!(side.hear(&greeting, piece));
    side.hear(rest, piece);
});
