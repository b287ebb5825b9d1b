//! Ctrl-C: a worker that waits for work, and ends in good order.
//!
//! ```text
//!   Ctrl-C ──► a thread that hears of signals ── interrupt ──► Pull ══► worker: recv … Interrupted
//!                                                               │
//!                                      what had arrived: try_iter ──► done as well
//! ```
//!
//! An interrupted call answers `Interrupted`, and has taken nothing. It does not matter when the
//! signal comes: a worker that is busy just then finds out with its next call. What had arrived
//! can still be taken without waiting, and closing goes its usual way.
//!
//! Press Ctrl-C within a second, or let the program do it itself:
//!
//! ```sh
//! cargo run --example interrupt
//! ```

use std::{error::Error, thread, time::Duration};

use hubless::{Message, Pull, Push, RecvError};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
    low_level::raise,
};

const JOBS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let pull = Pull::new()?;
    pull.bind("inproc://jobs")?;
    let push = Push::new()?;
    push.connect("inproc://jobs")?;
    push.send_all((1..=JOBS).map(|job| format!("job {job}")))?;

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let interrupter = pull.interrupter();
    thread::spawn(move || {
        for _ in signals.forever() {
            interrupter.interrupt();
        }
    });
    // Somebody loses patience.
    thread::spawn(|| {
        thread::sleep(Duration::from_millis(300));
        raise(SIGINT)
    });

    let mut done = 0;
    let why = loop {
        match pull.recv() {
            Ok(job) => done += work(&job),
            Err(why) => break why,
        }
    };
    assert_eq!(why, RecvError::Interrupted);
    println!("interrupted after {done} jobs");

    // Finish what is here; the next program would not find it.
    let late: usize = pull.try_iter().map(|job| work(&job)).sum();
    println!(
        "{late} more were here already; now {} are done",
        done + late
    );
    push.close(Duration::from_secs(1))?;
    pull.close(Duration::from_secs(1))?;
    Ok(())
}

/// Does one job.
fn work(_job: &Message) -> usize {
    thread::sleep(Duration::from_millis(25));
    1
}
