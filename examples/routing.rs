//! Routing: a ROUTER knows its peers by name, and says from whom each message came.
//!
//! ```text
//!                  ┌──► Dealer "ann"      letters go to whom they are addressed
//!   Router ────────┼──► Dealer "bob"
//!                  ├◄─► Req               whoever asks for work gets some: the quick get more
//!                  └◄─► Req
//! ```
//!
//! A peer's name is the routing id that it chose; the ROUTER makes one up for those who did not.
//! A REQ puts an empty frame before its question and expects one before the answer: the end of the
//! envelope (see `envelopes`). A DEALER adds nothing.
//!
//! ```sh
//! cargo run --example routing
//! ```

use std::{error::Error, thread, time::Duration};

use hubless::{Dealer, Endpoint, Req, Router, SendError};

const SOON: Duration = Duration::from_secs(10);
const JOBS: u32 = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let router = Router::new()?;
    let at = router.bind("tcp://127.0.0.1:0")?;
    letters(&router, &at)?;
    println!();
    jobs(&router, &at)
}

/// By name: each letter reaches its reader, and one that cannot be delivered comes back.
fn letters(router: &Router, at: &Endpoint) -> Result<(), Box<dyn Error>> {
    let mut readers = Vec::new();
    for name in ["ann", "bob"] {
        let reader = Dealer::builder().routing_id(name).build()?;
        reader.connect(at)?;
        readers.push((name, reader));
    }
    router.wait_peers(readers.len(), SOON)?;

    println!("letters, by name");
    for name in ["bob", "ann", "eve"] {
        match router.send_to(name, format!("dear {name}")) {
            Ok(()) => {}
            Err(SendError::Unroutable(letter)) => {
                println!(
                    "  nobody of the name {name}: \"{}\" came back",
                    letter.as_str()?
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    for (name, reader) in readers {
        println!(
            "  {name} reads \"{}\"",
            reader.recv_timeout(SOON)?.as_str()?
        );
        reader.send("thank you")?;
        let (from, answer) = router.recv_from_timeout(SOON)?;
        println!("  {from} says \"{}\"", answer.as_str()?);
    }
    Ok(())
}

/// On demand: a worker asks when it is free, so nobody's queue grows behind a slow one.
fn jobs(router: &Router, at: &Endpoint) -> Result<(), Box<dyn Error>> {
    let workers: Vec<_> = [("quick", 1), ("slow", 40)]
        .map(|(name, ms)| {
            let at = at.clone();
            thread::spawn(move || work(name, &at, Duration::from_millis(ms)))
        })
        .into();

    println!("jobs, on demand");
    let mut next = 0;
    let mut at_work = workers.len();
    while at_work > 0 {
        let (worker, _question) = router.recv_from_timeout(SOON)?;
        if next < JOBS {
            next += 1;
            router.send_to(&worker, ["", &format!("job {next}")])?;
        } else {
            router.send_to(&worker, ["", "done"])?;
            at_work -= 1;
        }
    }
    let mut all = 0;
    for worker in workers {
        let (name, count) = worker.join().expect("a worker does not panic")?;
        println!("  the {name} worker did {count}");
        all += count;
    }
    println!("  {all} in all");
    Ok(())
}

/// Asks for jobs until there are no more. Answers how many it did.
fn work(
    name: &'static str,
    at: &Endpoint,
    time: Duration,
) -> Result<(&'static str, u32), hubless::Error> {
    let req = Req::new()?;
    req.connect(at)?;
    let mut count = 0;
    while req.request_timeout("what next?", SOON)?[0] != "done" {
        thread::sleep(time);
        count += 1;
    }
    Ok((name, count))
}
