//! A bounded queue and its workers: the first program for whoever knows `queue.Queue`.
//!
//! ```text
//!   queue.Queue(maxsize=4)       put │ get
//!   ─────────────────────────────────┼─────────────────────────────
//!   producer ──► Push ═════ inproc://jobs ═════ Pull ──► 3 workers
//!   producer ◄── Pull ═════ inproc://done ═════ Push ◄── 3 workers
//! ```
//!
//! | Python | here |
//! |---|---|
//! | `Queue(maxsize=4)` | high-water marks: 2 at the sender and 2 at the receiver |
//! | `put(x)`, `put_nowait(x)` | `send`, `try_send`, which gives the message back |
//! | `get()`, `get(timeout=t)` | `recv`, `recv_timeout` |
//! | `task_done()`, `join()` | a message for each job that is done, and counting them |
//! | a `None` for each worker | `close`: every loop over the socket ends |
//!
//! Write `tcp://` instead of `inproc://`, and the workers may run on other machines.
//!
//! ```sh
//! cargo run --example work_queue
//! ```

use std::{error::Error, thread, time::Duration};

use hubless::{Pull, Push, SendError};

const WORKERS: usize = 3;
const JOBS: u32 = 30;

fn main() -> Result<(), Box<dyn Error>> {
    let jobs = Push::builder().send_hwm(2).build()?;
    let inbox = Pull::builder().recv_hwm(2).build()?;
    jobs.bind("inproc://jobs")?;
    inbox.connect("inproc://jobs")?;

    let done = Pull::new()?;
    let report = Push::new()?;
    done.bind("inproc://done")?;
    report.connect("inproc://done")?;

    // Nobody works yet: four jobs fit in, the fifth comes back.
    let mut next = 1;
    let refused = loop {
        match jobs.try_send(next.to_string()) {
            Ok(()) => next += 1,
            Err(SendError::Full(job)) => break job,
            Err(error) => return Err(error.into()),
        }
    };
    println!(
        "the queue is full: {} jobs in it, job {} came back",
        next - 1,
        refused.as_str()?
    );

    // A clone is the same socket, so the workers share it: whoever is free takes the next job.
    let workers: Vec<_> = (1..=WORKERS)
        .map(|name| {
            let (inbox, report) = (inbox.clone(), report.clone());
            thread::spawn(move || work(name, &inbox, &report))
        })
        .collect();

    // Back-pressure: `send` waits for room, so the producer is never far ahead of the workers.
    let producer = thread::spawn(move || {
        jobs.send(refused)?;
        jobs.send_all((next + 1..=JOBS).map(|job| job.to_string()))
    });

    // Join: as many answers as there were jobs.
    let mut sum = 0;
    for square in done.iter().take(JOBS as usize) {
        sum += square.as_str()?.parse::<u32>()?;
    }
    producer.join().expect("the producer does not panic")?;
    println!("all {JOBS} jobs are done; the squares of 1 to {JOBS} sum up to {sum}");

    inbox.close(Duration::ZERO)?;
    for worker in workers {
        let (name, count) = worker.join().expect("a worker does not panic")?;
        println!("  worker {name} did {count} and went home");
    }
    Ok(())
}

/// Squares numbers until the queue is closed. Answers how many.
fn work(name: usize, inbox: &Pull, report: &Push) -> Result<(usize, u32), hubless::Error> {
    let mut count = 0;
    for job in inbox {
        let number: u32 = job
            .as_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        thread::sleep(Duration::from_millis(5)); // squares are hard
        report.send((number * number).to_string())?;
        count += 1;
    }
    Ok((name, count))
}
