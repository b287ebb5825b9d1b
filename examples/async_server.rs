//! Futures: one server, many questions at once, answered as they are done.
//!
//! ```text
//!   ann  Dealer ──┐                         ┌── task: "ann, 1"   60 ms
//!   bob  Dealer ──┼──► Router ══ a stream ══┼── task: "bob, 1"   60 ms
//!   cid  Dealer ──┘     ▲                   └── task: "ann, 2"   40 ms …
//!                       └── a sink ◄── "…, working on it"  "…, done"
//! ```
//!
//! Clients ask without waiting, the server begins on each question at once, and each gets two
//! answers. What is asked last takes least, so it is done first. Nine questions under way are nine
//! small values, not nine threads.
//!
//! The executor is smol here. Any other will do, for the futures know none: `tokio::spawn` in the
//! place of `smol::spawn`, `tokio::time::sleep` in the place of the timer, and that is all.
//!
//! ```sh
//! cargo run --example async_server
//! ```

use std::{
    error::Error,
    time::{Duration, Instant},
};

use hubless::{Dealer, Endpoint, Message, PeerId, Router};
use smol::Timer;

const CLIENTS: [&str; 3] = ["ann", "bob", "cid"];
const QUESTIONS: u32 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let router = Router::new()?;
        let at = router.bind("tcp://127.0.0.1:0")?;
        // Dropped at the end of this block, which ends it: it never does by itself.
        let _server = smol::spawn(serve(router));

        let began = Instant::now();
        let clients = CLIENTS.map(|name| smol::spawn(ask(name, at.clone())));
        for client in clients {
            println!("{}", client.await?);
        }
        let together: u32 = (1..=QUESTIONS).map(effort_ms).sum();
        let together = together * CLIENTS.len() as u32;
        let took = began.elapsed().as_millis();
        println!("{together} ms of work, done in {took} ms");
        Ok(())
    })
}

/// Begins on every question that comes, and waits for none.
async fn serve(router: Router) -> Result<(), hubless::Error> {
    loop {
        let (who, question) = router.recv_from_async().await?;
        let to = router.clone();
        smol::spawn(async move {
            // Who has asked may be gone by now, and then nobody is interested.
            answer(&to, &who, &question).await.ok();
        })
        .detach();
    }
}

async fn answer(to: &Router, who: &PeerId, question: &Message) -> Result<(), Box<dyn Error>> {
    let number: u32 = question[0].as_str()?.parse()?;
    to.send_to(who, [&number.to_string(), "working on it"])?;
    Timer::after(Duration::from_millis(effort_ms(number).into())).await;
    to.send_to(who, [&number.to_string(), "done"])?;
    Ok(())
}

/// What is asked first is hardest.
fn effort_ms(number: u32) -> u32 {
    20 * (QUESTIONS + 1 - number)
}

/// Asks everything at once, then reads until all is done.
async fn ask(name: &'static str, at: Endpoint) -> Result<String, hubless::Error> {
    let dealer = Dealer::builder().routing_id(name).build()?;
    dealer.connect(&at)?;
    for number in 1..=QUESTIONS {
        dealer.send_async(number.to_string()).await?;
    }
    let (mut answers, mut done) = (0, Vec::new());
    while done.len() < QUESTIONS as usize {
        let answer = dealer.recv_async().await?;
        answers += 1;
        if answer[1] == "done" {
            done.push(answer[0].as_str().unwrap_or("?").to_owned());
        }
    }
    let done = done.join(", ");
    Ok(format!(
        "{name}: {answers} answers, done in the order {done}"
    ))
}
