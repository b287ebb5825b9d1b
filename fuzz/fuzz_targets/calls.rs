//! The C interface: sequences of calls on handles that are good, stale, NULL or of another kind. The
//! test `sequences` of `capi` plays some of them each time.
#![no_main]

#[path = "../../capi/tests/sequences/program/mod.rs"]
mod program;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    program::run(data);
});
