//! A queue between clients and workers who do not know each other.
//!
//! ```text
//!   Req ──┐                                            ┌──► Rep worker
//!   Req ──┼──► Router ════════ Proxy ════════ Dealer ──┼──► Rep worker
//!   Req ──┘      │                                     └──► Rep worker
//!                └── capture ──► Pub … Sub: who asked what
//! ```
//!
//! Both sides connect, the queue alone is bound: clients and workers come and go, and nobody's
//! address changes. The proxy can be paused; questions then wait where they are. It takes no
//! message for which the other side has no room, so full queues hold back who fills them.
//!
//! ```sh
//! cargo run --example queue_proxy
//! ```

use std::{error::Error, thread, time::Duration};

use hubless::{Dealer, Endpoint, Proxy, Pub, Rep, Req, Router, Sub};

const CLIENTS: usize = 3;
const WORKERS: usize = 2;
const QUESTIONS: usize = 20;
const SOON: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let (frontend, backend, capture) = (Router::new()?, Dealer::new()?, Pub::new()?);
    let clients_at = frontend.bind("tcp://127.0.0.1:0")?;
    let workers_at = backend.bind("tcp://127.0.0.1:0")?;
    capture.bind("inproc://captured")?;
    let log = Sub::new()?;
    log.subscribe("")?;
    log.connect("inproc://captured")?;
    capture.wait_subscribers(1, SOON)?;
    let proxy = Proxy::new(&frontend, &backend).capture(&capture).spawn()?;

    let workers: Vec<_> = (1..=WORKERS)
        .map(|_| {
            let rep = Rep::new()?;
            rep.connect(&workers_at)?;
            let socket = rep.clone();
            let serving = thread::spawn(move || {
                let mut answered = 0;
                for (question, responder) in &rep {
                    responder.reply(question.as_str().unwrap_or_default().to_uppercase());
                    answered += 1;
                }
                answered
            });
            Ok((socket, serving))
        })
        .collect::<Result<_, hubless::Error>>()?;
    backend.wait_peers(WORKERS, SOON)?;

    // Paused: the question is asked and waits. Resumed: it is answered.
    proxy.pause();
    let req = Req::new()?;
    req.connect(&clients_at)?;
    req.send("is anybody there?")?;
    let early = req.recv_timeout(Duration::from_millis(100)).is_ok();
    println!("while it is paused, an answer comes: {early}");
    proxy.resume();
    println!("then it is resumed: {:?}", req.recv_timeout(SOON)?[0]);

    let clients: Vec<_> = (1..=CLIENTS)
        .map(|client| {
            let at = clients_at.clone();
            thread::spawn(move || ask(client, &at))
        })
        .collect();
    for client in clients {
        client.join().expect("a client does not panic")?;
    }

    let stats = proxy.stop();
    println!("{} questions passed to the workers", stats.forward.sent);
    println!("{} answers passed back", stats.backward.sent);
    println!("{} of both were captured", log.try_iter().count());
    for (socket, serving) in workers {
        socket.close(Duration::ZERO)?;
        let answered: usize = serving.join().expect("a worker does not panic");
        println!("  a worker answered {answered}");
    }
    Ok(())
}

fn ask(client: usize, at: &Endpoint) -> Result<(), hubless::Error> {
    let req = Req::new()?;
    req.connect(at)?;
    for question in 0..QUESTIONS {
        let answer = req.request_timeout(format!("client {client}, {question}"), SOON)?;
        assert_eq!(answer[0], format!("CLIENT {client}, {question}"));
    }
    Ok(())
}
