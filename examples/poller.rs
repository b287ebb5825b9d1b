//! One thread that waits for everything at a time: sockets, a plain descriptor, a timer.
//!
//! ```text
//!   sensor  ── Push ──► Pull ┐
//!   visitor ── Req ───► Rep  ├──► Poller ──► one loop, no locks
//!   console ── text ─► fd    │
//!   clock   ── every 20 ms ──┘
//! ```
//!
//! The poller says what is ready; the program takes it with `try_…`, which never waits. What is
//! not taken is told again, so it may take one message at a time and serve all alike. A thousand
//! more sockets that are idle would not slow it down.
//!
//! ```sh
//! cargo run --example poller
//! ```

use std::{
    error::Error,
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use hubless::{Interest, Poller, Pull, Push, Rep, Req};

const READINGS: usize = 0;
const QUESTIONS: usize = 1;
const CONSOLE: usize = 2;
const CLOCK: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let readings = Pull::new()?;
    let sensor_at = readings.bind("tcp://127.0.0.1:0")?;
    let questions = Rep::new()?;
    let visitor_at = questions.bind("tcp://127.0.0.1:0")?;
    // Any descriptor will do: a pipe, a terminal, somebody else's socket.
    let (mut console, keyboard) = UnixStream::pair()?;

    let sensor = thread::spawn(move || sense(&sensor_at.to_string()));
    let visitor = thread::spawn(move || visit(&visitor_at.to_string(), keyboard));

    let mut poller = Poller::new()?;
    poller.add(&readings, READINGS, Interest::READABLE);
    poller.add(&questions, QUESTIONS, Interest::READABLE);
    poller.add_descriptor(&console, CONSOLE, Interest::READABLE)?;
    poller.add_interval(CLOCK, Duration::from_millis(20));

    let (mut count, mut sum, mut answers, mut ticks) = (0, 0, 0, 0);
    let mut ready = Vec::new();
    'serving: loop {
        poller.wait(&mut ready, None)?;
        for it in &ready {
            match it.token {
                READINGS => {
                    let reading: u32 = readings.try_recv()?.as_str()?.parse()?;
                    (count, sum) = (count + 1, sum + reading);
                }
                QUESTIONS => {
                    let (_, responder) = questions.try_recv()?;
                    responder.reply(count.to_string());
                    answers += 1;
                }
                CONSOLE => {
                    let mut line = [0; 64];
                    let octets = console.read(&mut line)?;
                    print!("console: {}", String::from_utf8_lossy(&line[..octets]));
                    break 'serving;
                }
                CLOCK => ticks += 1,
                other => unreachable!("nothing has token {other}"),
            }
        }
    }
    sensor.join().expect("the sensor does not panic")?;
    let asked = visitor.join().expect("the visitor does not panic");
    assert_eq!(answers, asked.map_err(|error| error.to_string())?);
    println!("{count} readings, {sum} in all; every question answered");
    println!("the clock ticked meanwhile: {}", ticks > 0);
    Ok(())
}

/// Measures now and then.
fn sense(at: &str) -> Result<(), hubless::Error> {
    let push = Push::new()?;
    push.connect(at)?;
    for reading in 1..=20 {
        push.send(reading.to_string())?;
        thread::sleep(Duration::from_millis(5));
    }
    push.close(Duration::from_secs(1))?;
    Ok(())
}

/// Asks until all is there, then says so on the console. Answers how often it has asked.
fn visit(at: &str, mut keyboard: UnixStream) -> Result<u32, Box<dyn Error + Send + Sync>> {
    let req = Req::new()?;
    req.connect(at)?;
    let mut asked = 0;
    loop {
        asked += 1;
        if req.request("how many?")?[0] == "20" {
            keyboard.write_all(b"that will do\n")?;
            return Ok(asked);
        }
        thread::sleep(Duration::from_millis(10));
    }
}
