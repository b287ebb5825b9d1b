//! rzmq behind the command line of `examples/perf.rs`.
//!
//! Ordinary is tokio with its adaptive throttle off, as its own benchmarks have it. Special is
//! `uring`, where its own threads spin on io_uring (tcp only).

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use hubless_peers::{
    Failure, Load, Outcome, Tally, Trips, hwm, lacking, mode, print_connections, print_weight,
    resident_kb,
};
use rzmq::{
    Context, Msg, Socket, SocketType, ZmqError,
    socket::{
        SocketEvent,
        options::{
            ADAPTIVE_THROTTLE, IO_URING_SESSION_ENABLED, LINGER, RCVHWM, RCVTIMEO, SNDHWM,
            SUBSCRIBE, XPUB_NODROP,
        },
    },
    uring::{UringConfig, initialize_uring_backend},
};
use tokio::{runtime::Builder, time::timeout};

fn main() -> ExitCode {
    hubless_peers::run(|words| {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            if mode() == "uring" {
                if words.get(1).is_some_and(|at| at.starts_with("ipc:"))
                    || words[0].starts_with("inproc")
                {
                    return lacking("io_uring is for tcp only");
                }
                initialize_uring_backend(UringConfig::default())?;
            }
            let context = Context::new()?;
            role(&context, words).await?;
            context.term().await?;
            Ok(())
        })
    })
}

async fn role(context: &Context, words: &[&str]) -> Outcome {
    match *words {
        ["pull", at, size, count] => {
            let pull = bound(context, SocketType::Pull, at).await?;
            receive(&pull, 1, Load::parse(size, count)?).await
        }
        ["router", at, size, count] => {
            let router = bound(context, SocketType::Router, at).await?;
            receive(&router, 2, Load::parse(size, count)?).await
        }
        ["push", at, size, count] => {
            let push = connected(context, SocketType::Push, at).await?;
            send(&push, Load::parse(size, count)?).await
        }
        ["dealer", at, size, count] => {
            let dealer = connected(context, SocketType::Dealer, at).await?;
            send(&dealer, Load::parse(size, count)?).await
        }
        ["pub", at, size, count, ref subs @ ..] => {
            let subs = subs.first().map_or(Ok(1), |subs| subs.parse())?;
            publish(context, at, Load::parse(size, count)?, subs).await
        }
        ["sub", at, size, count] => {
            let sub = socket(context, SocketType::Sub).await?;
            sub.set_option(SUBSCRIBE, "").await?;
            sub.connect(at).await?;
            hear(&sub, Load::parse(size, count)?).await
        }
        ["rep", at, size, count] => {
            let rep = bound(context, SocketType::Rep, at).await?;
            answer(&rep, Load::parse(size, count)?).await?;
            rep.close().await?;
            Ok(())
        }
        ["req", at, size, count] => {
            let req = connected(context, SocketType::Req, at).await?;
            ask(&req, Load::parse(size, count)?).await
        }
        ["conn", at, size, count] => connections(context, at, Load::parse(size, count)?).await,
        ["inproc-thr", size, count] => {
            let load = Load::parse(size, count)?;
            let pull = bound(context, SocketType::Pull, "inproc://here").await?;
            let push = connected(context, SocketType::Push, "inproc://here").await?;
            let sender =
                tokio::spawn(
                    async move { send(&push, load).await.map_err(|error| error.to_string()) },
                );
            tokio::spawn(async move {
                receive(&pull, 1, load)
                    .await
                    .map_err(|error| error.to_string())
            })
            .await??;
            sender.await??;
            Ok(())
        }
        ["inproc-lat", size, count] => {
            let load = Load::parse(size, count)?;
            let rep = bound(context, SocketType::Rep, "inproc://here").await?;
            let req = connected(context, SocketType::Req, "inproc://here").await?;
            let server =
                tokio::spawn(
                    async move { answer(&rep, load).await.map_err(|error| error.to_string()) },
                );
            tokio::spawn(async move { ask(&req, load).await.map_err(|error| error.to_string()) })
                .await??;
            server.await??;
            Ok(())
        }
        ["idle", "pull", at, count] => {
            let pull = bound(context, SocketType::Pull, at).await?;
            let (peers, bound_kb) = (count.parse()?, resident_kb()?);
            for _ in 0..peers {
                pull.recv().await?;
            }
            print_weight(bound_kb, peers)
        }
        _ => lacking("no such role"),
    }
}

async fn socket(context: &Context, kind: SocketType) -> Result<Socket, ZmqError> {
    let socket = context.socket(kind)?;
    let mark = hwm() as i32;
    socket.set_option(SNDHWM, mark).await?;
    socket.set_option(RCVHWM, mark).await?;
    socket.set_option(LINGER, -1_i32).await?;
    socket.set_option(ADAPTIVE_THROTTLE, 0_i32).await?;
    if mode() == "uring" {
        socket.set_option(IO_URING_SESSION_ENABLED, 1_i32).await?;
    }
    Ok(socket)
}

async fn bound(context: &Context, kind: SocketType, at: &str) -> Result<Socket, ZmqError> {
    let socket = socket(context, kind).await?;
    socket.bind(at).await?;
    Ok(socket)
}

async fn connected(context: &Context, kind: SocketType, at: &str) -> Result<Socket, ZmqError> {
    let socket = socket(context, kind).await?;
    socket.connect(at).await?;
    Ok(socket)
}

fn message(body: &[u8]) -> Msg {
    Msg::from_vec(body.to_vec())
}

async fn send(socket: &Socket, load: Load) -> Outcome {
    let body = load.body();
    for _ in 0..load.count {
        socket.send(message(&body)).await?;
    }
    socket.close().await?;
    Ok(())
}

/// Messages of `parts` frames, the last of which is the body.
async fn receive(socket: &Socket, parts: usize, load: Load) -> Outcome {
    let take = async || -> Result<usize, Failure> {
        if parts == 1 {
            return Ok(socket.recv().await?.size());
        }
        Ok(socket.recv_multipart().await?.last().map_or(0, Msg::size))
    };
    let tally = Tally::begin(load, take().await?)?;
    for _ in 1..load.count {
        take().await?;
    }
    tally.finish(load.count);
    Ok(())
}

async fn publish(context: &Context, at: &str, load: Load, subscribers: usize) -> Outcome {
    let publisher = socket(context, SocketType::Pub).await?;
    publisher.set_option(XPUB_NODROP, 1_i32).await?;
    let events = publisher.monitor(subscribers * 8).await?;
    publisher.bind(at).await?;
    let mut greeted = 0;
    while greeted < subscribers {
        let event = timeout(PATIENCE, events.recv()).await?;
        greeted += usize::from(matches!(event, Ok(SocketEvent::HandshakeSucceeded { .. })));
    }
    // There is no way to hear of a subscription.
    tokio::time::sleep(Duration::from_millis(300 + subscribers as u64)).await;
    send(&publisher, load).await
}

async fn hear(sub: &Socket, load: Load) -> Outcome {
    let first = timeout(PATIENCE, sub.recv()).await??;
    let tally = Tally::begin(load, first.size())?;
    sub.set_option(RCVTIMEO, SILENCE.as_millis() as i32).await?;
    let mut received = 1;
    while received < load.count && sub.recv().await.is_ok() {
        received += 1;
    }
    let silence = match received < load.count {
        true => SILENCE,
        false => Duration::ZERO,
    };
    tally.finish_at(received, Instant::now() - silence);
    Ok(())
}

async fn ask(req: &Socket, load: Load) -> Outcome {
    let (body, mut trips) = (load.body(), Trips::new(load));
    for _ in 0..load.count {
        let start = Instant::now();
        req.send(message(&body)).await?;
        req.recv().await?;
        trips.note(start);
    }
    trips.finish();
    Ok(())
}

async fn answer(rep: &Socket, load: Load) -> Outcome {
    let body = load.body();
    for _ in 0..load.count {
        rep.recv().await?;
        rep.send(message(&body)).await?;
    }
    Ok(())
}

async fn connections(context: &Context, at: &str, load: Load) -> Outcome {
    let (body, start) = (load.body(), Instant::now());
    for _ in 0..load.count {
        let req = connected(context, SocketType::Req, at).await?;
        req.send(message(&body)).await?;
        req.recv().await?;
        req.close().await?;
    }
    print_connections(load.count, start);
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(1);
