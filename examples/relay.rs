//! A relay race in one process: threads that wait for nobody but the one before them.
//!
//! ```text
//!   main ══ PAIR ══ runner 1 ══ PAIR ══ runner 2 ══ PAIR ══ runner 3 ══ PAIR ══ main
//!             baton ──►                                           baton ──►
//! ```
//!
//! Runners share nothing: no lock, no flag, no condition variable. Each has two sockets, owns what
//! it was handed, and hands it on; a message that arrives is all the synchronisation there is. In
//! front of them runs an `Actor`: a thread that already has its socket, and ends with its owner.
//!
//! ```sh
//! cargo run --release --example relay
//! ```

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use hubless::{Actor, Message, Pair};

const RUNNERS: [&str; 3] = ["ann", "bob", "cid"];
const LAPS: u32 = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let start = Pair::new()?;
    start.bind("inproc://start")?;
    let finish = Pair::new()?;
    finish.bind("inproc://finish")?;

    let runners: Vec<_> = (0..RUNNERS.len())
        .map(|place| thread::spawn(move || run(place)))
        .collect();

    // One lap on which everybody signs the baton.
    start.send("the baton")?;
    println!("{}", finish.recv()?.as_str()?);

    // Then as fast as they can. A hand-over wakes a thread that sleeps, mostly.
    let began = Instant::now();
    for _ in 0..LAPS {
        start.send("go")?;
        finish.recv()?;
    }
    let hands = LAPS * (1 + RUNNERS.len() as u32);
    let each_us = began.elapsed().as_secs_f64() * 1e6 / f64::from(hands);
    println!("{LAPS} laps more, {each_us:.1} µs a hand-over");

    // A runner stops when the one before it has: the end of the line is handed on as well.
    start.send("stop")?;
    assert_eq!(finish.recv()?[0], "stop");
    for runner in runners {
        runner.join().expect("a runner does not fall")?;
    }

    // The same in fewer words, for one thread that serves another.
    let judge = Actor::spawn("judge", |mailbox| {
        let mut batons = 0;
        for baton in &mailbox {
            batons += 1;
            let name = baton.as_str().unwrap_or("this");
            mailbox.send(format!("{name} is valid")).ok();
        }
        batons
    })?;
    judge.send("the baton")?;
    println!("the judge: {}", judge.recv()?.as_str()?);
    let seen = judge.stop().expect("a judge does not panic");
    println!("{seen} baton seen; all have gone home");
    Ok(())
}

/// Takes the baton from the one before, signs it, hands it to the next.
fn run(place: usize) -> Result<(), hubless::Error> {
    let from = Pair::new()?;
    match place {
        0 => from.connect("inproc://start")?,
        _ => from.connect(&format!("inproc://hand {place}")[..])?,
    };
    let to = Pair::new()?;
    if place + 1 == RUNNERS.len() {
        to.connect("inproc://finish")?;
    } else {
        to.bind(&format!("inproc://hand {}", place + 1)[..])?;
    }
    loop {
        let baton = from.recv_timeout(Duration::from_secs(10))?;
        let signed = match baton.as_str() {
            Ok("stop") => return Ok(to.send(baton)?),
            Ok("go") => baton,
            _ => sign(&baton, RUNNERS[place]),
        };
        to.send(signed)?;
    }
}

fn sign(baton: &Message, name: &str) -> Message {
    format!("{} → {name}", baton.as_str().unwrap_or("?")).into()
}
