//! Many seeds, or one again.
//!
//! `HUBLESS_SIM_SEEDS=n` changes how many seeds a scenario runs; `HUBLESS_SIM_SEED=n` runs that one
//! alone and prints its trace.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use super::world::World;

/// Runs a scenario on many seeds. `scenario` runs one world to its end and returns the trace's
/// hash. No two seeds may give one hash, and now and then a seed is run twice to see that it
/// repeats.
///
/// # Panics
/// When runs do; their seeds are printed.
pub fn each(name: &'static str, scenario: impl Fn(World) -> u64) {
    if let Some(seed) = from_environment("HUBLESS_SIM_SEED") {
        scenario(World::new(seed, true));
        return;
    }
    let seeds = from_environment("HUBLESS_SIM_SEEDS").unwrap_or(SEEDS);
    let mut failed = Vec::new();
    let mut hashes = BTreeSet::new();
    for seed in 0..seeds {
        let run = catch_unwind(AssertUnwindSafe(|| {
            let hash = scenario(World::new(seed, false));
            assert!(hashes.insert(hash), "another seed gave the same trace");
            if seed % TWICE_EVERY == 0 {
                let again = scenario(World::new(seed, false));
                assert_eq!(hash, again, "the same seed must give the same trace");
            }
        }));
        let Err(panic) = run else { continue };
        eprintln!("seed {seed} of {name} failed; to see it again:");
        eprintln!("  HUBLESS_SIM_SEED={seed} cargo test --test sim {name} -- --nocapture");
        failed.push(seed);
        if failed.len() == FAILURES_MAX {
            eprintln!("failed so far: {failed:?}");
            resume_unwind(panic);
        }
    }
    assert!(failed.is_empty(), "failed seeds of {name}: {failed:?}");
}

fn from_environment(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

/// How many seeds one scenario runs.
const SEEDS: u64 = 1000;

/// After so many failures the rest is not tried.
const FAILURES_MAX: usize = 20;

/// Each so-manieth seed is run twice.
const TWICE_EVERY: u64 = 25;
