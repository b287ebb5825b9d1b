//! A queue's letters, live: λ, μ, ρ, L and W of a PULL whose work comes faster and faster, until a
//! second worker helps.
//!
//! ```text
//!   Poisson arrivals, λ grows ──► Push ═══► queue (Pull) ═══► one worker, then two; 1/μ = 2 ms
//! ```
//!
//! Watch ρ pass 1: the queue grows for as long as that lasts, and Little's law (W = L/λ) says what
//! that means for who waits. W is shown twice: from counters alone, and as a histogram of messages
//! that were timed.
//!
//! ```sh
//! cargo run --release --example dashboard
//! ```
//!
//! `dashboard SECONDS` takes its time.

use std::{
    env,
    error::Error,
    thread,
    time::{Duration, Instant},
};

use hubless::{Meter, Pull, Push};

/// 1/μ.
const SERVICE: Duration = Duration::from_millis(2);
/// ρ with one worker, from first to last.
const LOADS: (f64, f64) = (0.3, 1.5);
/// When the second worker comes: a share of the whole time.
const HELP_AT: f64 = 0.6;
const LINES: u32 = 16;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let seconds: f64 = env::args().nth(1).map_or(Ok(4.0), |text| text.parse())?;
    let jobs = Pull::builder().recv_hwm(0).time_one_in(1).build()?;
    let source = Push::builder().send_hwm(0).build()?;
    jobs.bind("inproc://jobs")?;
    source.connect("inproc://jobs")?;

    let start = Instant::now();
    let arriving = thread::spawn(move || {
        let mut dice = Dice(0xDA5B);
        let mut next = 0.0;
        while next < seconds {
            let load = LOADS.0 + (LOADS.1 - LOADS.0) * next / seconds;
            next += dice.exponential(SERVICE.as_secs_f64() / load);
            sleep_until(start, next);
            source.send("job")?;
        }
        Ok::<Push, hubless::SendError>(source)
    });
    let worker = |dice: u64| {
        let (jobs, mut dice) = (jobs.clone(), Dice(dice));
        // Ends when the socket is closed.
        thread::spawn(move || {
            for _job in &jobs {
                let service = dice.exponential(SERVICE.as_secs_f64());
                sleep_until(Instant::now(), service);
            }
        })
    };
    let mut workers = vec![worker(0xB0B)];

    println!("   t/s  c    λ/s    μ/s     ρ      L   W = L/λ     p50      p99");
    let mut meter = Meter::new(&jobs);
    let span = Duration::from_secs_f64(seconds / f64::from(LINES));
    for line in 1..=LINES {
        let until = span.as_secs_f64() * f64::from(line);
        while start.elapsed().as_secs_f64() < until {
            thread::sleep(Duration::from_millis(2));
            meter.sample();
        }
        let (Some(rates), Some(times)) = (meter.received(span), jobs.times()) else {
            continue;
        };
        let servers = workers.len();
        println!(
            "  {until:4.1}  {servers}  {:5.0}  {:5.0}  {:4.2}  {:5.1}  {:6.1} ms  {:6.1}  {:6.1} ms  {}",
            rates.arrivals,
            rates.service_rate().unwrap_or_default(),
            rates.load().unwrap_or_default() / servers as f64,
            rates.waiting,
            1e3 * rates.wait().as_secs_f64(),
            1e3 * times.received.quantile(0.5).as_secs_f64(),
            1e3 * times.received.quantile(0.99).as_secs_f64(),
            "▪".repeat((rates.waiting / 2.0).round().clamp(0.0, 60.0) as usize),
        );
        if until >= HELP_AT * seconds && servers == 1 {
            workers.push(worker(0xBEE));
        }
    }

    let source = arriving.join().expect("the source does not panic")?;
    while jobs.stats().received.queued > 0 {
        thread::sleep(SERVICE);
    }
    let (times, stats) = (jobs.times().unwrap_or_default(), jobs.stats());
    let (waits, service) = (times.received, times.service);
    println!("all {} jobs are done", stats.received.delivered);
    for (what, times) in [("waited", &waits), ("service", &service)] {
        println!(
            "{what:8} mean {:.1} ms, p50 {:.1}, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1}",
            1e3 * times.mean().as_secs_f64(),
            1e3 * times.quantile(0.5).as_secs_f64(),
            1e3 * times.quantile(0.9).as_secs_f64(),
            1e3 * times.quantile(0.99).as_secs_f64(),
            1e3 * times.quantile(0.999).as_secs_f64(),
            1e3 * times.max().as_secs_f64(),
        );
    }
    drop(source);
    jobs.close(Duration::from_secs(1))?;
    for worker in workers {
        worker.join().expect("a worker does not panic");
    }
    Ok(())
}

fn sleep_until(start: Instant, seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds).saturating_sub(start.elapsed()));
}

/// Marsaglia's xorshift with 64 bits.
struct Dice(u64);

impl Dice {
    /// Exponentially distributed, by inversion.
    fn exponential(&mut self, mean: f64) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let even = ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -mean * even.ln()
    }
}
