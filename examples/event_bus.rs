//! An event bus: sources, handlers, and a bus that knows neither.
//!
//! ```text
//!   shop ─────┐                                       ┌──► handlers by name   "order.*" → fn
//!   warehouse ┼──► XSub ═══════ bus ═══════════ XPub ─┤
//!   clock ────┘                                       └──► handlers by type   enum Event → match
//! ```
//!
//! An event is two frames: its name, by which it is subscribed to, and what there is to know. The
//! first listener looks its handler up by name; the second turns the event into a value of its own
//! type first, and the compiler sees to it that no event is forgotten.
//!
//! ```sh
//! cargo run --example event_bus
//! ```

use std::{collections::HashMap, error::Error, thread, time::Duration};

use hubless::{Message, Proxy, Pub, Sub, XPub, XSub};

const SOON: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let (sources, listeners) = (XSub::new()?, XPub::new()?);
    sources.bind("inproc://sources")?;
    listeners.bind("inproc://listeners")?;
    let bus = Proxy::new(&sources, &listeners).spawn()?;

    let by_name = subscribe(&["order.", "end"])?;
    let by_type = subscribe(&["order.", "stock.", "end"])?;
    let handling = thread::spawn(move || handle_by_name(&by_name));
    let matching = thread::spawn(move || handle_by_type(&by_type));

    let (shop, warehouse) = (Pub::new()?, Pub::new()?);
    for source in [&shop, &warehouse] {
        source.connect("inproc://sources")?;
    }
    // The three topics have passed the bus, and so the sources know of them.
    while bus.stats().backward.sent < 3 {
        thread::yield_now();
    }

    shop.send(("order.placed", "7 apples"))?;
    shop.send(("order.placed", "2 pears"))?;
    shop.send(("order.cancelled", "2 pears"))?;
    warehouse.send(("stock.low", "apples"))?;
    warehouse.send(("heartbeat", "still here"))?; // nobody cares: it does not leave
    for source in [&shop, &warehouse] {
        source.send(("end", ""))?;
    }

    handling.join().expect("a handler does not panic")?;
    let seen = matching.join().expect("a handler does not panic")?;
    println!("by type: {seen}");
    let stats = bus.stop();
    println!("{} events passed the bus", stats.forward.sent);
    Ok(())
}

fn subscribe(topics: &[&str]) -> Result<Sub, hubless::Error> {
    let sub = Sub::new()?;
    for topic in topics {
        sub.subscribe(topic)?;
    }
    sub.connect("inproc://listeners")?;
    Ok(sub)
}

/// Dispatch by name: a table of handlers, which may grow while the program runs.
fn handle_by_name(sub: &Sub) -> Result<(), hubless::Error> {
    type Handler = fn(&str) -> String;
    let handlers: HashMap<&str, Handler> = HashMap::from([
        (
            "order.placed",
            (|what| format!("packing {what}")) as Handler,
        ),
        ("order.cancelled", |what| format!("unpacking {what}")),
    ]);
    let mut ends = 0;
    while ends < 2 {
        let event = sub.recv_timeout(SOON)?;
        let (name, what) = text(&event);
        match handlers.get(name) {
            Some(handle) => println!("by name: {}", handle(what)),
            None => ends += 1,
        }
    }
    Ok(())
}

/// Everything that may happen, as far as this listener is concerned.
enum Event {
    Placed,
    Cancelled,
    Low(String),
    End,
}

impl Event {
    fn read(message: &Message) -> Option<Event> {
        let (name, what) = text(message);
        Some(match name {
            "order.placed" => Event::Placed,
            "order.cancelled" => Event::Cancelled,
            "stock.low" => Event::Low(what.to_owned()),
            "end" => Event::End,
            _ => return None,
        })
    }
}

/// Dispatch by type: a `match` that the compiler checks.
fn handle_by_type(sub: &Sub) -> Result<String, hubless::Error> {
    let (mut open, mut low, mut ends) = (0, String::new(), 0);
    while ends < 2 {
        match Event::read(&sub.recv_timeout(SOON)?) {
            Some(Event::Placed) => open += 1,
            Some(Event::Cancelled) => open -= 1,
            Some(Event::Low(what)) => low = what,
            Some(Event::End) => ends += 1,
            None => {} // a newer source than we are
        }
    }
    Ok(format!("{open} order open, {low} are low"))
}

/// Name and content.
fn text(event: &Message) -> (&str, &str) {
    let frame = |index| event.frame(index).and_then(|frame| frame.as_str().ok());
    (frame(0).unwrap_or_default(), frame(1).unwrap_or_default())
}
