//! A forwarder: many publishers, many subscribers, and one address that both know.
//!
//! ```text
//!   Pub oslo ──┐                                      ┌──► Sub "oslo"
//!   Pub rome ──┼──► XSub ═════════ Proxy ═════ XPub ──┼──► Sub "rome"
//!   Pub lima ──┘      ◄─── subscriptions ──────       └──► Sub ""
//! ```
//!
//! News go one way, subscriptions the other, through to the publishers: what nobody has subscribed
//! to is not even sent to the forwarder.
//!
//! ```sh
//! cargo run --example forwarder
//! ```

use std::{error::Error, thread, time::Duration};

use hubless::{Proxy, Pub, Sub, XPub, XSub};

const CITIES: [&str; 3] = ["oslo", "rome", "lima"];
const READINGS: u32 = 50;
const SOON: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (frontend, backend) = (XSub::new()?, XPub::new()?);
    let publishers_at = frontend.bind("tcp://127.0.0.1:0")?;
    let subscribers_at = backend.bind("tcp://127.0.0.1:0")?;
    let proxy = Proxy::new(&frontend, &backend).spawn()?;

    let mut publishers = Vec::new();
    for city in CITIES {
        let publisher = Pub::new()?;
        publisher.connect(&publishers_at)?;
        publishers.push((city, publisher));
    }

    // Lima is in the news, but nobody listens to it.
    let listeners: Vec<_> = ["oslo", "rome"]
        .into_iter()
        .map(|topic| {
            let sub = Sub::new()?;
            sub.subscribe(topic)?;
            sub.connect(&subscribers_at)?;
            Ok(thread::spawn(move || listen(topic, &sub)))
        })
        .collect::<Result<_, hubless::Error>>()?;

    // A subscription has two hops to travel. What is sent before it is here goes nowhere, so the
    // publishers go on until everybody has heard enough.
    for (_, publisher) in &publishers {
        publisher.wait_subscribers(1, SOON)?;
    }
    let mut readings = 0;
    while !listeners.iter().all(thread::JoinHandle::is_finished) {
        readings += 1;
        for (city, publisher) in &publishers {
            publisher.send(format!("{city} {readings}"))?;
        }
        thread::sleep(Duration::from_micros(100)); // a reading is taken
    }
    for listener in listeners {
        let (topic, heard) = listener.join().expect("a listener does not panic")?;
        println!("{topic:?} heard {heard} readings, one after the other");
    }

    for (city, publisher) in &publishers {
        let sent = publisher.stats().sent.accepted;
        println!("  {city} was sent to the forwarder: {}", sent > 0);
    }
    println!("the forwarder passed {} news on", proxy.stop().forward.sent);
    Ok(())
}

/// Takes so many readings; none is missing between the first and the last.
fn listen(topic: &str, sub: &Sub) -> Result<(String, u32), Box<dyn Error + Send + Sync>> {
    let mut last = None;
    for _ in 0..READINGS {
        let message = sub.recv_timeout(SOON)?;
        let number = message.as_str()?.trim_start_matches(topic).trim();
        let number: u32 = number.parse()?;
        assert!(last.is_none_or(|last| number == last + 1), "{number}");
        last = Some(number);
    }
    Ok((topic.to_owned(), READINGS))
}
