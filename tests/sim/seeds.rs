//! Many seeds, or one again.
//!
//! `HUBLESS_SIM_SEEDS=n` changes how many seeds a scenario runs; `HUBLESS_SIM_SEED=n` runs that one
//! alone and prints its trace.

use super::world::World;

/// Runs a scenario on many seeds. `scenario` runs one world to its end and returns the trace's
/// hash; now and then a seed is run twice to see that it repeats.
///
/// # Panics
/// When a run does; its seed is printed.
pub fn each(name: &'static str, scenario: impl Fn(World) -> u64) {
    if let Some(seed) = from_environment("HUBLESS_SIM_SEED") {
        let _guard = Guard { name, seed };
        scenario(World::new(seed, true));
        return;
    }
    let seeds = from_environment("HUBLESS_SIM_SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        let _guard = Guard { name, seed };
        let hash = scenario(World::new(seed, false));
        if seed % TWICE_EVERY == 0 {
            let again = scenario(World::new(seed, false));
            assert_eq!(hash, again, "the same seed must give the same trace");
        }
    }
}

/// Says which seed it was, if the run panics.
struct Guard {
    name: &'static str,
    seed: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Guard { name, seed } = self;
            eprintln!("seed {seed} of {name} failed; to see it again:");
            eprintln!("  HUBLESS_SIM_SEED={seed} cargo test --test sim {name} -- --nocapture");
        }
    }
}

fn from_environment(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

/// How many seeds one scenario runs.
const SEEDS: u64 = 1000;

/// Each so-manieth seed is run twice.
const TWICE_EVERY: u64 = 50;
