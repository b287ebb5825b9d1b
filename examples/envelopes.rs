//! Envelopes: what the frames of a message are for.
//!
//! ```text
//!   PUB/SUB     [ topic ][ from ][ body ]        the first frame is what subscriptions match
//!
//!   REQ         [ ][ body ]                      an empty frame ends the envelope
//!   at ROUTER   [ who ][ ][ body ]               each ROUTER on the way puts the sender in front
//!   at REP      [ body ]                         and REP keeps the envelope for the answer
//! ```
//!
//! A message is all its frames: they arrive together or not at all.
//!
//! ```sh
//! cargo run --example envelopes
//! ```

use std::{error::Error, time::Duration};

use hubless::{Message, Pub, Req, Router, Sub};

const SOON: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    topics()?;
    println!();
    replies()
}

/// The topic has a frame of its own: what is in the body cannot be taken for it.
fn topics() -> Result<(), Box<dyn Error>> {
    let publisher = Pub::new()?;
    publisher.bind("inproc://news")?;
    let sub = Sub::new()?;
    sub.subscribe("B")?;
    sub.connect("inproc://news")?;
    publisher.wait_subscribers(1, SOON)?;

    let messages = [
        ("A", "desk 1", "B is not meant"),
        ("B", "desk 1", "this is"),
        ("Bee", "desk 2", "this too: a prefix is enough"),
    ]
    .map(Message::from);
    publisher.send_all(&messages)?;
    let heard = [sub.recv_timeout(SOON)?, sub.recv_timeout(SOON)?];

    println!("PUB sends, and a SUB of \"B\" gets");
    for message in messages {
        let mark = if heard.contains(&message) {
            "✓"
        } else {
            "–"
        };
        println!("  {mark} {}", frames(&message));
    }
    Ok(())
}

/// The way of a question to a ROUTER and of the answer back.
fn replies() -> Result<(), Box<dyn Error>> {
    let router = Router::new()?;
    router.bind("inproc://desk")?;
    let req = Req::builder().routing_id("ann").build()?;
    req.connect("inproc://desk")?;

    let question = Message::from("how late is it?");
    println!("REQ sends        {}", frames(&question));
    req.send(question)?;

    let mut message = router.recv_timeout(SOON)?;
    println!("ROUTER receives  {}", frames(&message));
    let who = message.pop_front().ok_or("no sender")?;
    let end = message.pop_front().ok_or("no end of the envelope")?;
    assert!(end.is_empty());

    let mut answer = Message::from("late");
    answer.push_front(end);
    answer.push_front(who);
    println!("ROUTER sends     {}", frames(&answer));
    router.send(answer)?;

    println!("REQ receives     {}", frames(&req.recv_timeout(SOON)?));
    Ok(())
}

/// All frames, as text in brackets.
fn frames(message: &Message) -> String {
    message
        .iter()
        .map(|frame| format!("[{}]", String::from_utf8_lossy(frame)))
        .collect()
}
