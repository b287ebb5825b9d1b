//! A pipeline: a source deals out work, workers do it side by side, a sink gathers what they made.
//!
//! ```text
//!                  ┌──► Pull worker 1 Push ──┐
//!   source Push ───┼──► Pull worker 2 Push ──┼──► Pull sink
//!                  └──► Pull worker 3 Push ──┘
//! ```
//!
//! The two ends are bound, the workers connect: any number may come, from any machine, and nobody
//! needs to be told. Work is dealt to the workers that are there, hence the wait at the start.
//!
//! ```sh
//! cargo run --release --example pipeline
//! ```

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use hubless::{Endpoint, Pull, Push};

const WORKERS: usize = 3;
const TASKS: u32 = 60;
/// How many numbers a task looks at.
const SPAN: u32 = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let source = Push::new()?;
    let tasks_at = source.bind("tcp://127.0.0.1:0")?;
    let sink = Pull::new()?;
    let results_at = sink.bind("tcp://127.0.0.1:0")?;

    let workers: Vec<_> = (1..=WORKERS)
        .map(|number| {
            let tasks = Pull::new()?;
            let (from, to) = (tasks_at.clone(), results_at.clone());
            let inbox = tasks.clone();
            let thread = thread::spawn(move || work(number, &inbox, &from, &to));
            Ok((tasks, thread))
        })
        .collect::<Result<_, hubless::Error>>()?;
    source.wait_peers(WORKERS, Duration::from_secs(10))?;

    let start = Instant::now();
    source.send_all((0..TASKS).map(|task| (task * SPAN).to_string()))?;

    let mut primes = 0;
    let mut done_by = [0; WORKERS];
    for result in sink.iter().take(TASKS as usize) {
        let worker: usize = result[0].as_str()?.parse()?;
        done_by[worker - 1] += 1;
        primes += result[1].as_str()?.parse::<u32>()?;
    }
    println!("{TASKS} tasks in {} ms", start.elapsed().as_millis());
    for (worker, tasks) in (1..).zip(done_by) {
        println!("  worker {worker} did {tasks}");
    }
    println!("there are {primes} primes below {}", TASKS * SPAN);

    for (tasks, thread) in workers {
        tasks.close(Duration::ZERO)?; // ends the loop that reads from it
        thread.join().expect("a worker does not panic")?;
    }
    Ok(())
}

/// Counts primes until its socket is closed.
fn work(number: usize, tasks: &Pull, from: &Endpoint, to: &Endpoint) -> Result<(), hubless::Error> {
    let results = Push::new()?;
    results.connect(to)?;
    tasks.connect(from)?;
    for task in tasks {
        let first: u32 = task
            .as_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let primes = (first..first + SPAN).filter(|&it| is_prime(it)).count();
        results.send([number.to_string(), primes.to_string()])?;
    }
    Ok(())
}

fn is_prime(number: u32) -> bool {
    number > 1
        && (2..)
            .take_while(|it| it * it <= number)
            .all(|it| number % it != 0)
}
