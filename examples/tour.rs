//! A tour in a moment: three patterns over three transports, and what a full queue does.
//!
//! ```text
//!           ┌─► Pull ann                ┌─► Sub "weather."
//!   Push ───┤                    Pub ───┤                         Req ◄──► Rep
//!           └─► Pull bob                └─► Sub ""
//!   each job to one              each message to all who asked    one question, one answer
//! ```
//!
//! Everything runs in this one process, so that there is nothing to set up. None of it depends
//! on that: put the two ends of a pattern into two programs, give both the endpoint, done.
//!
//! ```sh
//! cargo run --release --example tour
//! ```

use std::{
    thread,
    time::{Duration, Instant},
};

use hubless::{Error, Message, Pub, Pull, Push, RecvError, Rep, Req, SendError, Sub};

/// Where to bind: a free port, a free path, a name.
const TRANSPORTS: [&str; 3] = ["tcp://127.0.0.1:0", "ipc://*", "inproc://tour"];

/// Nothing here takes longer, unless something is wrong.
const SOON: Duration = Duration::from_secs(5);

fn main() -> Result<(), Error> {
    let start = Instant::now();
    println!("hubless: three patterns over three transports, no server in between\n");

    println!("PUSH → PULL   work: each job goes to one worker, in turn");
    TRANSPORTS.into_iter().try_for_each(work)?;

    println!("\nPUB → SUB     news: to all who asked for a prefix of it");
    TRANSPORTS.into_iter().try_for_each(news)?;

    println!("\nREQ ↔ REP     a question, and its one answer");
    TRANSPORTS.into_iter().try_for_each(question)?;

    println!("\nA full queue  the mark is 3 messages at each end, and nobody reads");
    full_push()?;
    full_pub()?;

    println!(
        "\nThat took {} ms. What to read next: examples/README.md",
        start.elapsed().as_millis()
    );
    Ok(())
}

fn work(endpoint: &str) -> Result<(), Error> {
    let push = Push::new()?;
    let at = push.bind(endpoint)?; // says which port, path or name it has become
    let ann = Pull::new()?;
    ann.connect(&at)?;
    push.wait_peers(1, SOON)?;
    let bob = Pull::new()?;
    bob.connect(&at)?;
    push.wait_peers(2, SOON)?;

    push.send_all(["peel", "wash", "slice", "dry", "fry", "sweep"])?;

    let anns = list(3, || ann.recv_timeout(SOON))?;
    let bobs = list(3, || bob.recv_timeout(SOON))?;
    println!("  {:8} ann: {anns:20} bob: {bobs}", at.scheme());
    Ok(())
}

fn news(endpoint: &str) -> Result<(), Error> {
    let publisher = Pub::new()?;
    let at = publisher.bind(endpoint)?;
    let weather = Sub::new()?;
    weather.subscribe("weather.")?;
    weather.connect(&at)?;
    let everything = Sub::new()?;
    everything.subscribe("")?;
    everything.connect(&at)?;
    // A subscription takes a moment to travel; what is published before it is here is missed.
    publisher.wait_subscribers(2, SOON)?;

    publisher.send(("weather.oslo", "4°"))?;
    publisher.send(("sports.paris", "2:1"))?;
    publisher.send(("weather.rome", "21°"))?;

    let heard = list(2, || weather.recv_timeout(SOON))?;
    println!("  {:8} \"weather.\" hears {heard}", at.scheme());
    let heard = list(3, || everything.recv_timeout(SOON))?;
    println!("  {:8} \"\"         hears {heard}", "");
    Ok(())
}

fn question(endpoint: &str) -> Result<(), Error> {
    const ROUNDS: usize = 200;
    let rep = Rep::new()?;
    let at = rep.bind(endpoint)?;
    let server = rep.clone(); // a clone is the same socket
    let serving = thread::spawn(move || server.serve(|name| format!("hello {}", words(&name))));

    let req = Req::new()?;
    req.connect(&at)?;
    let answer = req.request_timeout("world", SOON)?;
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let asked = Instant::now();
        req.request_timeout("world", SOON)?;
        times.push(asked.elapsed());
    }
    times.sort();
    let median_us = times[ROUNDS / 2].as_micros();
    let (answer, transport) = (words(&answer), at.scheme());
    println!("  {transport:8} \"world\" → \"{answer}\"   there and back in {median_us} µs");

    rep.close(SOON)?; // ends `serve`, too
    serving.join().expect("the server does not panic")?;
    Ok(())
}

/// A PUSH at its mark waits in `send`; `try_send` gives the message back instead.
fn full_push() -> Result<(), Error> {
    let push = Push::builder().send_hwm(3).build()?;
    push.connect("inproc://later")?; // either side may start first
    push.send_all(["job 1", "job 2", "job 3"])?;
    let refused = match push.try_send("job 4") {
        Err(SendError::Full(message)) => words(&message),
        other => return Ok(other?),
    };
    println!("  Push     3 queued; the next came back: {refused}");

    let worker = Pull::new()?;
    worker.bind("inproc://later")?;
    let jobs = list(3, || worker.recv_timeout(SOON))?;
    println!("           now the worker starts, and takes {jobs}");
    Ok(())
}

/// A PUB never waits for a slow subscriber: it loses what does not fit, and that is counted.
fn full_pub() -> Result<(), Error> {
    let publisher = Pub::builder().send_hwm(3).build()?;
    publisher.bind("inproc://flood")?;
    let sleeper = Sub::builder().recv_hwm(3).build()?;
    sleeper.subscribe("")?;
    sleeper.connect("inproc://flood")?;
    publisher.wait_subscribers(1, SOON)?;
    publisher.send_all((1..=100).map(|number| format!("news {number}")))?;

    let to_sleeper = publisher.peers()[0].sent;
    let (accepted, dropped) = (to_sleeper.accepted, to_sleeper.refused);
    println!("  Pub      100 published, {accepted} queued, {dropped} dropped and counted");
    println!(
        "           now the subscriber wakes, and finds {}",
        sleeper.try_iter().count()
    );
    Ok(())
}

/// The next `count` messages, as a list to read.
fn list(
    count: usize,
    mut recv: impl FnMut() -> Result<Message, RecvError>,
) -> Result<String, RecvError> {
    let messages: Result<Vec<_>, _> = (0..count).map(|_| recv().map(|m| words(&m))).collect();
    Ok(messages?.join(", "))
}

/// The frames of a message as words.
fn words(message: &Message) -> String {
    let frames = message.iter().map(|frame| String::from_utf8_lossy(frame));
    frames.collect::<Vec<_>>().join(" ")
}
