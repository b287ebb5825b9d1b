//! A server with several threads behind one endpoint.
//!
//! ```text
//!   Req client ──┐                 ┌── thread 1: recv, work, reply
//!   Req client ──┼──► Rep  ════════┼── thread 2
//!   Req client ──┘   (one socket)  └── thread 3 …
//! ```
//!
//! A socket may be used by many threads, and a `Rep` may have many requests open: each comes with
//! the `Responder` that answers it. So the threads share the socket; there is nothing to put in
//! between. Whoever is free takes the next request.
//!
//! ```sh
//! cargo run --example mt_server
//! ```

use std::{
    error::Error,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use hubless::{Rep, Req};

const THREADS: usize = 4;
const CLIENTS: usize = 8;
/// What one answer takes: a slow disk, a query.
const WORK: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let rep = Rep::new()?;
    let at = rep.bind("tcp://127.0.0.1:0")?;
    let (busy, busiest) = (AtomicUsize::new(0), AtomicUsize::new(0));

    let serve = || {
        let mut answered = 0;
        // The loop ends when the socket is closed.
        for (request, responder) in &rep {
            busiest.fetch_max(busy.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            thread::sleep(WORK);
            busy.fetch_sub(1, Ordering::Relaxed);
            responder.reply(request);
            answered += 1;
        }
        answered
    };
    let ask = |client: usize| {
        let req = Req::new()?;
        req.connect(&at)?;
        let question = format!("client {client}");
        let answer = req.request(&question)?;
        assert_eq!(answer[0], question);
        Ok(())
    };

    let start = Instant::now();
    thread::scope(|scope| {
        let servers = [(); THREADS].map(|()| scope.spawn(serve));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || ask(client)))
            .collect();
        let asked: Result<(), hubless::Error> = clients
            .into_iter()
            .try_for_each(|client| client.join().expect("a client does not panic"));
        let took_ms = start.elapsed().as_millis();

        rep.close(Duration::from_secs(1))?;
        for (number, server) in (1..).zip(servers) {
            let answered: usize = server.join().expect("a server does not panic");
            println!("  thread {number} answered {answered}");
        }
        let busiest = busiest.load(Ordering::Relaxed);
        let work_ms = WORK.as_millis();
        println!("{CLIENTS} requests of {work_ms} ms each took {took_ms} ms, {busiest} at once");
        Ok(asked?)
    })
}
