//! A publisher that waits for its subscribers, so that the first message is not missing.
//!
//! ```text
//!               ◄── subscribe "" ──  Sub 1
//!   Pub         ◄── subscribe "" ──  Sub 2       wait_subscribers(3) returns here
//!               ◄── subscribe "" ──  Sub 3
//!               ─── 1, 2, 3 … end ►  all three hear everything
//! ```
//!
//! A `Pub` sends to those who have subscribed by now, and a subscription takes a moment to travel:
//! how long, nobody knows, so do not sleep but wait for what you need. Two more words make the
//! stream complete: `no_drop`, so that a full queue makes `send` wait instead of losing the message,
//! and a last message that says that it is the last.
//!
//! ```sh
//! cargo run --release --example sync_pub
//! ```

use std::{error::Error, thread, time::Duration};

use hubless::{Endpoint, Pub, Sub};

const SUBSCRIBERS: usize = 3;
const MESSAGES: u32 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let publisher = Pub::builder().no_drop(true).build()?;
    let at = publisher.bind("tcp://127.0.0.1:0")?;

    publisher.send("is anybody there?")?;
    let taken = publisher.stats().sent.accepted;
    println!("before anybody subscribed: 1 message sent, {taken} taken");

    let subscribers: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| {
            let at = at.clone();
            thread::spawn(move || listen(&at))
        })
        .collect();

    publisher.wait_subscribers(SUBSCRIBERS, Duration::from_secs(10))?;
    println!("{SUBSCRIBERS} subscribers are here: {MESSAGES} messages, and the end");
    publisher.send_all((1..=MESSAGES).map(|number| number.to_string()))?;
    publisher.send("end")?;

    for (number, subscriber) in (1..).zip(subscribers) {
        let (first, heard) = subscriber.join().expect("a subscriber does not panic")?;
        println!("  subscriber {number} heard {heard}, the first was {first}");
    }
    Ok(())
}

/// The first message, and how many there were before the end.
fn listen(at: &Endpoint) -> Result<(String, u32), hubless::Error> {
    let sub = Sub::new()?;
    sub.subscribe("")?;
    sub.connect(at)?;
    let first = sub.recv()?;
    let rest = sub.iter().take_while(|message| message[0] != "end").count();
    Ok((
        String::from_utf8_lossy(&first[0]).into_owned(),
        1 + rest as u32,
    ))
}
