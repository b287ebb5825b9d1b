//! What the programs of all peers share: the load, the clock, the line they print.
//!
//! Each program speaks the command line of `examples/perf.rs` and prints its keys, so that
//! `benches/run` can put any two of the same kind against each other. What a peer cannot do, its
//! program refuses with exit code 3 and one line that says why.

pub mod raw;

use std::{
    env, fs,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Whatever went wrong.
pub type Failure = Box<dyn std::error::Error>;

/// How a role ends.
pub type Outcome = Result<(), Failure>;

/// Runs a peer's program: hands it the words of the command line and turns its end into an exit
/// code, 3 where the peer is asked for what it has not.
pub fn run(role: impl FnOnce(&[&str]) -> Outcome) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match role(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if error.is::<Lacking>() { 3 } else { 1 })
        }
    }
}

/// The peer has no such thing.
#[derive(Debug)]
pub struct Lacking(String);

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lacking {}

/// Refuses a role: `why` ends up in the table.
pub fn lacking(why: impl Into<String>) -> Outcome {
    Err(Lacking(why.into()).into())
}

/// The setting of the peer that is asked for, in the variable `MODE`; empty for the ordinary one.
pub fn mode() -> String {
    env::var("MODE").unwrap_or_default()
}

/// The mark at both ends.
pub fn hwm() -> usize {
    let text = env::var("HWM").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(1000)
}

/// `count` messages of `size` octets.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub size: usize,
    pub count: usize,
}

impl Load {
    /// # Errors
    /// If one of them is not a number.
    pub fn parse(size: &str, count: &str) -> Result<Load, Failure> {
        let (size, count) = (size.parse()?, count.parse()?);
        Ok(Load { size, count })
    }

    /// What each message is made a copy of.
    pub fn body(self) -> Vec<u8> {
        vec![b'x'; self.size]
    }
}

/// Times a receiver from its first message to its last.
#[derive(Debug)]
pub struct Tally {
    load: Load,
    start: Instant,
}

impl Tally {
    /// Starts the clock: the first message is here and has `octets`.
    ///
    /// # Errors
    /// If that is not what was asked for.
    pub fn begin(load: Load, octets: usize) -> Result<Tally, Failure> {
        if octets != load.size {
            return Err(format!("a body has {octets} octets, not {}", load.size).into());
        }
        let start = Instant::now();
        Ok(Tally { load, start })
    }

    /// Prints what `received` messages make, the first included.
    pub fn finish(self, received: usize) {
        self.finish_at(received, Instant::now());
    }

    /// The same, where the last came at `end`.
    pub fn finish_at(self, received: usize, end: Instant) {
        let speed = rate(received.saturating_sub(1), end - self.start);
        let lost = self.load.count.saturating_sub(received);
        println!("msgs/s={speed:.0} lost={lost}");
    }
}

/// The round trips of an asker.
#[derive(Debug)]
pub struct Trips {
    times_us: Vec<f64>,
}

impl Trips {
    pub fn new(load: Load) -> Trips {
        let times_us = Vec::with_capacity(load.count);
        Trips { times_us }
    }

    /// Notes a round trip that began at `start` and is over.
    pub fn note(&mut self, start: Instant) {
        self.times_us.push(start.elapsed().as_secs_f64() * 1e6);
    }

    /// Prints them without the first tenth, which warms up.
    pub fn finish(mut self) {
        let skip = self.times_us.len() / 10;
        let warm = &mut self.times_us[skip..];
        warm.sort_by(f64::total_cmp);
        let mean = warm.iter().sum::<f64>() / warm.len() as f64;
        let at = |share: f64| warm[((warm.len() - 1) as f64 * share).round() as usize];
        let (p50, p99, p999) = (at(0.50), at(0.99), at(0.999));
        println!("mean_us={mean:.2} p50_us={p50:.2} p99_us={p99:.2} p999_us={p999:.2}");
    }
}

/// What this process holds in memory now.
///
/// # Errors
/// If the system does not say.
pub fn resident_kb() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|rest| rest.trim().strip_suffix("kB"));
    Ok(kb.ok_or("no VmRSS in /proc/self/status")?.trim().parse()?)
}

/// Prints what `peers` peers weigh that came after `bound_kb` was read.
///
/// # Errors
/// If the system does not say.
pub fn print_weight(bound_kb: u64, peers: usize) -> Outcome {
    let after_kb = resident_kb()?;
    let per_peer_kb = (after_kb as f64 - bound_kb as f64) / peers as f64;
    println!("bound_kb={bound_kb} after_kb={after_kb} per_peer_kb={per_peer_kb:.2}");
    Ok(())
}

/// Prints how many connections were made and used since `start`.
pub fn print_connections(count: usize, start: Instant) {
    println!("conns/s={:.0}", rate(count, start.elapsed()));
}

/// So many a second.
pub fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}
