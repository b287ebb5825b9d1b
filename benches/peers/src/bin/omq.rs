//! omq-tokio behind the command line of `examples/perf.rs`.
//!
//! Ordinary is its blocking API with one I/O thread, `MODE=ct` its async sockets on a runtime of
//! one thread. Special are `batch` (receives in batches into storage that is reused), `spin`
//! (spins 50 µs before it blocks) and `exclusive` (REQ and REP that own their one connection).

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hubless_peers::{
    Load, Outcome, Tally, Trips, hwm, lacking, mode, print_connections, print_weight, resident_kb,
};
use omq_tokio::{
    Context, Message, Options, Socket, SocketType, blocking,
    exclusive::{Options as ExclusiveOptions, Socket as ExclusiveSocket},
};

fn main() -> ExitCode {
    hubless_peers::run(|words| match mode().as_str() {
        "ct" => current_thread(words),
        "exclusive" => exclusive(words),
        "" | "conn" | "batch" | "spin" => blocking(words),
        _ => lacking("no such mode"),
    })
}

fn options() -> Options {
    let mark = hwm() as u32;
    let options = Options::default()
        .send_hwm(mark)
        .recv_hwm(mark)
        .linger_forever();
    match mode().as_str() {
        "batch" => options.recv_batching(true),
        "spin" => options.recv_spin(Duration::from_micros(50)),
        _ => options,
    }
}

fn publisher_options() -> Options {
    let mut options = options();
    options.xpub_nodrop = true;
    options
}

// ---- blocking

fn blocking(words: &[&str]) -> Outcome {
    if mode() == "batch" && !["pull", "push", "inproc-thr"].contains(&words[0]) {
        return lacking("batches pay for PULL only");
    }
    let context = Context::new();
    let socket = |kind| context.blocking_socket(kind, options());
    match *words {
        ["pull", at, size, count] => {
            let pull = socket(SocketType::Pull);
            pull.bind(at)?;
            receive(&pull, Load::parse(size, count)?)
        }
        ["router", at, size, count] => {
            let router = socket(SocketType::Router);
            router.bind(at)?;
            receive(&router, Load::parse(size, count)?)
        }
        ["push", at, size, count] => {
            let push = socket(SocketType::Push);
            push.connect(at)?;
            send(push, Load::parse(size, count)?)
        }
        ["dealer", at, size, count] => {
            let dealer = socket(SocketType::Dealer);
            dealer.connect(at)?;
            send(dealer, Load::parse(size, count)?)
        }
        ["pub", at, size, count, ref subs @ ..] => {
            let publisher = context.blocking_socket(SocketType::Pub, publisher_options());
            publisher.bind(at)?;
            let subs = subs.first().map_or(Ok(1), |subs| subs.parse())?;
            publisher.wait_subscribed(subs, PATIENCE)?;
            send(publisher, Load::parse(size, count)?)
        }
        ["sub", at, size, count] => {
            let sub = socket(SocketType::Sub);
            sub.connect(at)?;
            sub.subscribe(Bytes::new())?;
            hear(&sub, Load::parse(size, count)?)
        }
        ["rep", at, size, count] => {
            let rep = socket(SocketType::Rep);
            rep.bind(at)?;
            answer(&rep, Load::parse(size, count)?)?;
            rep.close()?;
            Ok(())
        }
        ["req", at, size, count] => {
            let req = socket(SocketType::Req);
            req.connect(at)?;
            req.wait_connected(1, PATIENCE)?;
            ask(&req, Load::parse(size, count)?)
        }
        ["conn", at, size, count] => {
            let load = Load::parse(size, count)?;
            let (body, start) = (load.body(), Instant::now());
            for _ in 0..load.count {
                let req = socket(SocketType::Req);
                req.connect(at)?;
                req.send(Message::from_slice(&body))?;
                req.recv()?;
                req.close()?;
            }
            print_connections(load.count, start);
            Ok(())
        }
        ["inproc-thr", size, count] => {
            let load = Load::parse(size, count)?;
            let (pull, push) = (socket(SocketType::Pull), socket(SocketType::Push));
            pull.bind("inproc://here")?;
            push.connect("inproc://here")?;
            push.wait_connected(1, PATIENCE)?;
            let sender = thread::spawn(move || send(push, load).map_err(|error| error.to_string()));
            receive(&pull, load)?;
            sender.join().expect("the sender does not panic")?;
            Ok(())
        }
        ["inproc-lat", size, count] => {
            let load = Load::parse(size, count)?;
            let (rep, req) = (socket(SocketType::Rep), socket(SocketType::Req));
            rep.bind("inproc://here")?;
            req.connect("inproc://here")?;
            req.wait_connected(1, PATIENCE)?;
            let server =
                thread::spawn(move || answer(&rep, load).map_err(|error| error.to_string()));
            ask(&req, load)?;
            server.join().expect("the server does not panic")?;
            Ok(())
        }
        ["idle", "pull", at, count] => {
            let pull = socket(SocketType::Pull);
            pull.bind(at)?;
            let (peers, bound_kb) = (count.parse()?, resident_kb()?);
            for _ in 0..peers {
                pull.recv()?;
            }
            print_weight(bound_kb, peers)
        }
        _ => lacking("no such role"),
    }
}

fn send(socket: blocking::Socket, load: Load) -> Outcome {
    let body = load.body();
    for _ in 0..load.count {
        socket.send(Message::from_slice(&body))?;
    }
    socket.close()?;
    Ok(())
}

fn receive(socket: &blocking::Socket, load: Load) -> Outcome {
    let tally = Tally::begin(load, last_part(&socket.recv()?))?;
    if mode() == "batch" {
        let (mut received, mut batch) = (1, Vec::with_capacity(BATCH));
        while received < load.count {
            received += socket.recv_many_into(BATCH, &mut batch)?;
            batch.clear();
        }
    } else {
        for _ in 1..load.count {
            socket.recv()?;
        }
    }
    tally.finish(load.count);
    Ok(())
}

/// Receives until nothing more comes: a publisher may drop.
fn hear(sub: &blocking::Socket, load: Load) -> Outcome {
    let tally = Tally::begin(load, last_part(&sub.recv_timeout(PATIENCE)?))?;
    let mut received = 1;
    while received < load.count && sub.recv_timeout(SILENCE).is_ok() {
        received += 1;
    }
    let silence = match received < load.count {
        true => SILENCE,
        false => Duration::ZERO,
    };
    tally.finish_at(received, Instant::now() - silence);
    Ok(())
}

fn ask(req: &blocking::Socket, load: Load) -> Outcome {
    let (body, mut trips) = (load.body(), Trips::new(load));
    for _ in 0..load.count {
        let start = Instant::now();
        req.send(Message::from_slice(&body))?;
        req.recv()?;
        trips.note(start);
    }
    trips.finish();
    Ok(())
}

fn answer(rep: &blocking::Socket, load: Load) -> Outcome {
    let body = load.body();
    for _ in 0..load.count {
        rep.recv()?;
        rep.send(Message::from_slice(&body))?;
    }
    Ok(())
}

/// The body's octets, the last part of a message.
fn last_part(message: &Message) -> usize {
    message.iter().last().map_or(0, |part| part.len())
}

// ---- async, on one thread

fn current_thread(words: &[&str]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let socket = |kind| Socket::new(kind, options());
        match *words {
            ["pull" | "router", at, size, count] => {
                let load = Load::parse(size, count)?;
                let kind = match words[0] {
                    "pull" => SocketType::Pull,
                    _ => SocketType::Router,
                };
                let pull = socket(kind);
                pull.bind(at).await?;
                let tally = Tally::begin(load, last_part(&pull.recv().await?))?;
                for _ in 1..load.count {
                    pull.recv().await?;
                }
                tally.finish(load.count);
                Ok(())
            }
            ["push" | "dealer" | "pub", at, size, count, ref subs @ ..] => {
                let load = Load::parse(size, count)?;
                let sender = match words[0] {
                    "push" => socket(SocketType::Push),
                    "dealer" => socket(SocketType::Dealer),
                    _ => Socket::new(SocketType::Pub, publisher_options()),
                };
                if words[0] == "pub" {
                    sender.bind(at).await?;
                    let subs = subs.first().map_or(Ok(1), |subs| subs.parse())?;
                    sender.wait_subscribed(subs, PATIENCE).await?;
                } else {
                    sender.connect(at).await?;
                }
                let body = load.body();
                for _ in 0..load.count {
                    sender.send(Message::from_slice(&body)).await?;
                }
                sender.close().await?;
                Ok(())
            }
            ["rep", at, size, count] => {
                let load = Load::parse(size, count)?;
                let (rep, body) = (socket(SocketType::Rep), load.body());
                rep.bind(at).await?;
                for _ in 0..load.count {
                    rep.recv().await?;
                    rep.send(Message::from_slice(&body)).await?;
                }
                rep.close().await?;
                Ok(())
            }
            ["req", at, size, count] => {
                let load = Load::parse(size, count)?;
                let (req, body) = (socket(SocketType::Req), load.body());
                req.connect(at).await?;
                req.wait_connected(1, PATIENCE).await?;
                let mut trips = Trips::new(load);
                for _ in 0..load.count {
                    let start = Instant::now();
                    req.send(Message::from_slice(&body)).await?;
                    req.recv().await?;
                    trips.note(start);
                }
                trips.finish();
                Ok(())
            }
            _ => lacking("measured with the blocking API"),
        }
    })
}

// ---- exclusive

fn exclusive(words: &[&str]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let own = ExclusiveOptions::default();
        match *words {
            ["req" | "rep", at, ..] if !at.starts_with("tcp:") => lacking("exclusive is tcp only"),
            ["rep", at, size, count] => {
                let load = Load::parse(size, count)?;
                let body = load.body();
                let (mut rep, _) = ExclusiveSocket::bind(SocketType::Rep, at, own).await?;
                for _ in 0..load.count {
                    rep.recv().await?;
                    rep.send(&Message::from_slice(&body)).await?;
                }
                rep.close().await?;
                Ok(())
            }
            ["req", at, size, count] => {
                let load = Load::parse(size, count)?;
                let body = load.body();
                let mut req = ExclusiveSocket::connect(SocketType::Req, at, own).await?;
                let mut trips = Trips::new(load);
                for _ in 0..load.count {
                    let start = Instant::now();
                    req.send(&Message::from_slice(&body)).await?;
                    req.recv().await?;
                    trips.note(start);
                }
                trips.finish();
                Ok(())
            }
            _ => lacking("exclusive is for REQ and REP"),
        }
    })
}

const PATIENCE: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(1);

/// How many messages are taken at once.
const BATCH: usize = 256;
