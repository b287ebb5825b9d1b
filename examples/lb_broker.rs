//! A load-balancing broker: work goes to whoever has been idle for longest, and to nobody else.
//!
//! ```text
//!   Req client ──┐                  idle: B, A                 ┌──► Req worker A  "ready"
//!   Req client ──┼──► Router ═════════ broker ═════════ Router ┼──► Req worker B  "ready"
//!   Req client ──┘   frontend                          backend └──► Req worker C   (busy)
//! ```
//!
//! A worker asks for work with "ready", and each answer of its is the next "ready". The broker
//! looks at its frontend only while somebody is idle: questions wait in the clients' queues, not
//! in a busy worker's. (`queue_proxy` hands work out in turn instead, whoever is busy.)
//!
//! ```sh
//! cargo run --example lb_broker
//! ```

use std::{collections::VecDeque, error::Error, thread, time::Duration};

use hubless::{Endpoint, Interest, Message, PeerId, Poller, Req, Router};

const CLIENTS: usize = 4;
const QUESTIONS: usize = 10;
/// What a question takes each of the workers.
const WORKERS: [(&str, Duration); 3] = [
    ("quick", Duration::from_millis(2)),
    ("quick too", Duration::from_millis(2)),
    ("slow", Duration::from_millis(20)),
];
const SOON: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let (frontend, backend) = (Router::new()?, Router::new()?);
    let clients_at = frontend.bind("tcp://127.0.0.1:0")?;
    let workers_at = backend.bind("tcp://127.0.0.1:0")?;

    let workers = WORKERS.map(|(name, effort)| {
        let at = workers_at.clone();
        thread::spawn(move || work(name, effort, &at))
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let at = clients_at.clone();
            thread::spawn(move || ask(client, &at))
        })
        .collect();

    broker(&frontend, &backend)?;
    for client in clients {
        client.join().expect("a client does not panic")?;
    }
    for worker in workers {
        let (name, count) = worker.join().expect("a worker does not panic")?;
        println!("the {name} worker answered {count}");
    }
    println!("{} questions, all answered", CLIENTS * QUESTIONS);
    Ok(())
}

/// Passes questions to idle workers and answers back, until all is answered and everybody idle.
fn broker(frontend: &Router, backend: &Router) -> Result<(), hubless::Error> {
    const FRONT: usize = 0;
    const BACK: usize = 1;
    let mut poller = Poller::new()?;
    poller.add(backend, BACK, Interest::READABLE);
    let mut idle: VecDeque<PeerId> = VecDeque::new();
    let mut answered = 0;
    let mut ready = Vec::new();
    while answered < CLIENTS * QUESTIONS || idle.len() < WORKERS.len() {
        poller.wait(&mut ready, Some(SOON))?;
        while let Ok((worker, message)) = backend.try_recv_from() {
            // Without anybody's name it is the first "ready".
            if let Some((client, answer)) = unwrap(message) {
                frontend.send_to(client, ["".into(), answer])?;
                answered += 1;
            }
            idle.push_back(worker);
            poller.add(frontend, FRONT, Interest::READABLE);
        }
        while let Some(worker) = idle.pop_front() {
            let Ok((client, question)) = frontend.try_recv_from() else {
                idle.push_front(worker);
                break;
            };
            let question = question.into_frames().pop().unwrap_or_default();
            let envelope = Message::from(["".into(), client.as_bytes().into(), question]);
            backend.send_to(worker, envelope)?;
        }
        if idle.is_empty() {
            poller.remove(FRONT);
        }
    }
    // Everybody is idle: an empty answer sends them home.
    for worker in idle {
        backend.send_to(worker, ["", "", ""])?;
    }
    Ok(())
}

/// A worker's message: an empty frame, then the client and the answer to it, or "ready".
fn unwrap(message: Message) -> Option<(hubless::Frame, hubless::Frame)> {
    let mut frames = message.into_frames().into_iter().skip(1);
    let client = frames.next()?;
    Some((client, frames.next()?))
}

fn work(name: &str, effort: Duration, at: &Endpoint) -> Result<(String, u32), hubless::Error> {
    let req = Req::new()?;
    req.connect(at)?;
    let mut count = 0;
    let mut said = Message::from("ready");
    loop {
        let work = req.request_timeout(said, SOON)?;
        if work[0].is_empty() {
            return Ok((name.to_owned(), count));
        }
        thread::sleep(effort); // questions are hard
        count += 1;
        let answer = format!("{} says the {name} one", work[1].as_str().unwrap_or("?"));
        said = Message::from([work[0].clone(), answer.into()]);
    }
}

fn ask(client: usize, at: &Endpoint) -> Result<(), hubless::Error> {
    let req = Req::new()?;
    req.connect(at)?;
    for number in 0..QUESTIONS {
        let question = format!("{client}.{number}");
        let answer = req.request_timeout(&question, SOON)?;
        assert!(
            answer
                .as_str()
                .is_ok_and(|text| text.starts_with(&question))
        );
    }
    Ok(())
}
