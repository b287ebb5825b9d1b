//! zeromq (zmq.rs) behind the command line of `examples/perf.rs`.
//!
//! Ordinary are a tokio runtime of two workers and, `MODE=ct`, of one thread. It has no marks, no
//! linger and no inproc: a sender stays until the receiver has gone, so that nothing is lost.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::StreamExt;
use hubless_peers::{
    Load, Outcome, Tally, Trips, lacking, mode, print_connections, print_weight, resident_kb,
};
use tokio::{runtime::Builder, time::timeout};
use zeromq::{
    DealerSocket, PubSocket, PullSocket, PushSocket, RepSocket, ReqSocket, RouterSocket, Socket,
    SocketEvent, SocketRecv, SocketSend, SubSocket, ZmqMessage,
};

fn main() -> ExitCode {
    hubless_peers::run(|words| {
        let runtime = match mode().as_str() {
            "ct" => Builder::new_current_thread().enable_all().build()?,
            _ => Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?,
        };
        runtime.block_on(role(words))
    })
}

async fn role(words: &[&str]) -> Outcome {
    match *words {
        ["pull", at, size, count] => {
            receive(PullSocket::new(), at, Load::parse(size, count)?).await
        }
        ["router", at, size, count] => {
            receive(RouterSocket::new(), at, Load::parse(size, count)?).await
        }
        ["push", at, size, count] => send(PushSocket::new(), at, Load::parse(size, count)?).await,
        ["dealer", at, size, count] => {
            send(DealerSocket::new(), at, Load::parse(size, count)?).await
        }
        ["pub", at, size, count, ref subs @ ..] => {
            let subs = subs.first().map_or(Ok(1), |subs| subs.parse())?;
            publish(at, Load::parse(size, count)?, subs).await
        }
        ["sub", at, size, count] => hear(at, Load::parse(size, count)?).await,
        ["rep", at, size, count] => answer(at, Load::parse(size, count)?).await,
        ["req", at, size, count] => ask(at, Load::parse(size, count)?).await,
        ["conn", at, size, count] => connections(at, Load::parse(size, count)?).await,
        ["idle", "pull", at, count] => idle(at, count.parse()?).await,
        ["inproc-thr" | "inproc-lat", ..] => lacking("no inproc"),
        _ => lacking("no such role"),
    }
}

fn message(body: &[u8]) -> ZmqMessage {
    Bytes::copy_from_slice(body).into()
}

fn last_part(message: &ZmqMessage) -> usize {
    message.iter().last().map_or(0, Bytes::len)
}

async fn receive(mut socket: impl Socket + SocketRecv, at: &str, load: Load) -> Outcome {
    socket.bind(at).await?;
    let tally = Tally::begin(load, last_part(&socket.recv().await?))?;
    for _ in 1..load.count {
        socket.recv().await?;
    }
    tally.finish(load.count);
    Ok(())
}

async fn send(mut socket: impl Socket + SocketSend, at: &str, load: Load) -> Outcome {
    socket.connect(at).await?;
    let body = load.body();
    for _ in 0..load.count {
        socket.send(message(&body)).await?;
    }
    // It hears of the other's end only by sending to it.
    let gone = async {
        while socket.send(message(&body)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, gone).await?;
    Ok(())
}

async fn publish(at: &str, load: Load, subscribers: usize) -> Outcome {
    let mut publisher = PubSocket::new();
    let mut events = publisher.monitor();
    publisher.bind(at).await?;
    let mut accepted = 0;
    while accepted < subscribers {
        let event = timeout(PATIENCE, events.next()).await?;
        accepted += usize::from(matches!(event, Some(SocketEvent::Accepted(..))));
    }
    // There is no way to hear of a subscription.
    tokio::time::sleep(Duration::from_millis(300 + subscribers as u64)).await;
    let body = load.body();
    for index in 0..load.count {
        publisher.send(message(&body)).await?;
        // Its fan-out runs beside us only if we let it.
        if index % 64 == 63 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::sleep(LAST_WORDS).await;
    Ok(())
}

async fn hear(at: &str, load: Load) -> Outcome {
    let mut sub = SubSocket::new();
    sub.connect(at).await?;
    sub.subscribe("").await?;
    let first = timeout(PATIENCE, sub.recv()).await??;
    let tally = Tally::begin(load, last_part(&first))?;
    let (mut received, mut silence) = (1, Duration::ZERO);
    while received < load.count {
        match timeout(SILENCE, sub.recv()).await {
            Ok(message) => drop(message?),
            Err(_) => {
                silence = SILENCE;
                break;
            }
        }
        received += 1;
    }
    tally.finish_at(received, Instant::now() - silence);
    Ok(())
}

async fn ask(at: &str, load: Load) -> Outcome {
    let mut req = ReqSocket::new();
    req.connect(at).await?;
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

async fn answer(at: &str, load: Load) -> Outcome {
    let mut rep = RepSocket::new();
    rep.bind(at).await?;
    let body = load.body();
    let mut answered = 0;
    while answered < load.count {
        // An asker that went away is an error here, and no reason to stop.
        if rep.recv().await.is_ok() && rep.send(message(&body)).await.is_ok() {
            answered += 1;
        }
    }
    tokio::time::sleep(LAST_WORDS).await;
    Ok(())
}

async fn connections(at: &str, load: Load) -> Outcome {
    let (body, start) = (load.body(), Instant::now());
    for _ in 0..load.count {
        let mut req = ReqSocket::new();
        req.connect(at).await?;
        req.send(message(&body)).await?;
        req.recv().await?;
        req.close().await;
    }
    print_connections(load.count, start);
    Ok(())
}

async fn idle(at: &str, peers: usize) -> Outcome {
    let mut pull = PullSocket::new();
    pull.bind(at).await?;
    let bound_kb = resident_kb()?;
    for _ in 0..peers {
        pull.recv().await?;
    }
    print_weight(bound_kb, peers)
}

const PATIENCE: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(1);

/// What is left in queues when there is no linger gets so long.
const LAST_WORDS: Duration = Duration::from_millis(300);
