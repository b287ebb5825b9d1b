//! Every parser of `wire`, alone.
#![no_main]

use hubless::{
    PublicKey,
    internals::wire::{command, frame::Header, greeting::Greeting, metadata},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(greeting) = data.first_chunk() {
        let _ = format!("{:?}", Greeting::parse(greeting));
    }
    if let Ok(Some((header, taken))) = Header::decode(data) {
        assert!(taken <= data.len() && header.octets < 1 << 63);
    }
    if let Some(command) = command::Command::parse(data) {
        assert!(command.name.len() + command.data.len() < data.len());
    }
    command::parse_error(data);
    command::parse_hello(data);
    command::parse_ping(data);
    command::parse_subscription(data);
    if let Ok(properties) = metadata::parse(data) {
        let mut again = Vec::new();
        for (name, value) in &properties {
            metadata::encode(name, value, &mut again);
        }
        assert_eq!(metadata::parse(&again), Ok(properties));
    }
    if let Ok(key) = std::str::from_utf8(data)
        .unwrap_or_default()
        .parse::<PublicKey>()
    {
        assert_eq!(key.to_string().as_bytes(), data);
    }
});
