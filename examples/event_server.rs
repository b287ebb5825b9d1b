//! An event server: a table of handlers, chosen by an event's name, and an answer to each event.
//!
//! ```text
//!   shop  Req ── ["order.placed", "7 apples"] ──►┐           ┌─ "order.placed"    → fn ─► "7 apples: packing"
//!   shop  Req ◄─ ["ok", "7 apples: packing"] ────┤ Rep ══════┼─ "order.cancelled" → fn
//!   shop  Req ── ["order.lost", …] ─────────────►┘           └─ "stock.counted"   → fn, says when it is done
//! ```
//!
//! What a web framework calls a route is a name in a table here, and what it calls a response is an
//! answer. A handler that fails answers its asker and harms nobody else; one that takes long keeps its
//! `Responder` and answers from another thread, while the server goes on. (Where nobody waits for an
//! answer, events are published: see `event_bus`.)
//!
//! ```sh
//! cargo run --example event_server
//! ```

use std::{collections::HashMap, error::Error, thread, time::Duration};

use hubless::{Endpoint, Message, Rep, Req, Responder};

const SOON: Duration = Duration::from_secs(10);

/// Answers an event now, or takes the responder along and answers later.
type Handler = fn(&str, Responder);

fn main() -> Result<(), Box<dyn Error>> {
    let rep = Rep::new()?;
    let at = rep.bind("tcp://127.0.0.1:0")?;
    let server = rep.clone();
    let serving = thread::spawn(move || serve(&server));

    // Two who ask at the same time: the one who counts does not hold up the one who orders.
    let counting = {
        let at = at.clone();
        thread::spawn(move || ask(&at, &[("stock.counted", "apples")]))
    };
    let orders = ask(
        &at,
        &[
            ("order.placed", "7 apples"),
            ("order.placed", "no pears"),
            ("order.cancelled", "7 apples"),
            ("order.lost", "what now?"),
        ],
    )?;
    for answer in orders {
        println!("{answer}");
    }
    for answer in counting.join().expect("a client does not panic")? {
        println!("{answer}");
    }

    // The server's loop ends with its socket.
    rep.close(Duration::from_secs(1))?;
    let events = serving.join().expect("the server does not panic");
    println!("{events} events handled");
    Ok(())
}

fn serve(rep: &Rep) -> u32 {
    let handlers: HashMap<&str, Handler> = HashMap::from([
        ("order.placed", place as Handler),
        ("order.cancelled", |what, to| {
            ok(to, &format!("{what}: unpacking"))
        }),
        ("stock.counted", count),
    ]);
    let mut events = 0;
    for (event, responder) in rep {
        let (name, what) = text(&event);
        match handlers.get(name) {
            Some(handle) => handle(what, responder),
            None => no(responder, &format!("nobody handles {name:?}")),
        }
        events += 1;
    }
    events
}

fn place(what: &str, responder: Responder) {
    match what.split_once(' ') {
        Some((number, _)) if number.parse::<u32>().is_ok() => {
            ok(responder, &format!("{what}: packing"));
        }
        _ => no(responder, &format!("{what:?} is no order")),
    }
}

/// Takes its time, in a thread of its own.
fn count(what: &str, responder: Responder) {
    let what = what.to_owned();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100)); // there are many
        ok(responder, &format!("{what}: 5000, counted by hand"));
    });
}

fn ok(to: Responder, text: &str) {
    to.reply(["ok", text]);
}

fn no(to: Responder, text: &str) {
    to.reply(["no", text]);
}

/// Asks one thing after the other.
fn ask(at: &Endpoint, events: &[(&str, &str)]) -> Result<Vec<String>, hubless::Error> {
    let req = Req::new()?;
    req.connect(at)?;
    let one = |&(name, what): &(&str, &str)| {
        let answer = req.request_timeout([name, what], SOON)?;
        let (verdict, text) = text(&answer);
        Ok(format!("{name:<16} {verdict}  {text}"))
    };
    events.iter().map(one).collect()
}

/// Name and content, of an event as of an answer.
fn text(message: &Message) -> (&str, &str) {
    let frame = |index| message.frame(index).and_then(|frame| frame.as_str().ok());
    (frame(0).unwrap_or_default(), frame(1).unwrap_or_default())
}
