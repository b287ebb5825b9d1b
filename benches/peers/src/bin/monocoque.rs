//! monocoque-rs behind the command line of `examples/perf.rs`; built once on compio (io_uring) and
//! once on tokio.
//!
//! Ordinary sends each message at once. Special is `flush`: sends gather until 64 KiB are there
//! or the caller flushes, and receives go into storage that is reused. Each of its sockets has one
//! peer, so there is no conn and no idle crowd.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hubless_peers::{Load, Outcome, Tally, Trips, lacking, mode};
use monocoque::{
    rt::{LocalRuntime, TcpListener, UnixListener, UnixStream},
    zmq::{
        DealerSocket, PubSocket, PullSocket, PushSocket, RepSocket, ReqSocket, RouterSocket,
        SocketOptions, SubSocket,
    },
};

fn main() -> ExitCode {
    hubless_peers::run(|words| LocalRuntime::new()?.block_on(role(words)))
}

async fn role(words: &[&str]) -> Outcome {
    match *words {
        [role, ..] if flushes() && !["push", "pull", "dealer", "router"].contains(&role) => {
            lacking("coalesces for PUSH and DEALER")
        }
        [role, at, size, count, ..] if role != "idle" && role != "peers" => {
            let load = Load::parse(size, count)?;
            match (role, at.strip_prefix("ipc://"), at.strip_prefix("tcp://")) {
                ("pull", Some(path), _) => pull_ipc(path, load).await,
                ("push", Some(path), _) => push_ipc(path, load).await,
                ("rep", Some(path), _) => rep_ipc(path, load).await,
                ("req", Some(path), _) => req_ipc(path, load).await,
                ("pull", _, Some(address)) => pull_tcp(address, load).await,
                ("push", _, Some(address)) => push_tcp(address, load).await,
                ("router", _, Some(address)) => router(address, load).await,
                ("dealer", _, Some(_)) => dealer(at, load).await,
                ("rep", _, Some(address)) => rep_tcp(address, load).await,
                ("req", _, Some(_)) => req_tcp(at, load).await,
                ("pub", _, Some(address)) => {
                    let subs = words.get(4).map_or(Ok(1), |subs| subs.parse())?;
                    publish(address, load, subs).await
                }
                ("sub", _, Some(_)) => hear(at, load).await,
                ("conn", ..) => lacking("a REP has one peer in its life"),
                _ => lacking("no such role"),
            }
        }
        ["inproc-thr" | "inproc-lat", ..] => lacking("no inproc in its public API"),
        ["idle", ..] => lacking("a PULL has one peer"),
        _ => lacking("no such role"),
    }
}

fn flushes() -> bool {
    mode() == "flush"
}

fn options() -> SocketOptions {
    SocketOptions::default().with_write_coalescing(flushes())
}

/// The kinds of socket are types without a trait in common, so the work on them is text.
macro_rules! receive {
    ($socket:ident, $load:ident) => {{
        let first = $socket.recv().await?.ok_or("nothing came")?;
        let tally = Tally::begin($load, first.last().map_or(0, Bytes::len))?;
        let mut frames = Vec::new();
        for _ in 1..$load.count {
            if flushes() {
                $socket.recv_into(&mut frames).await?;
            } else {
                $socket.recv().await?;
            }
        }
        tally.finish($load.count);
        Ok(())
    }};
}

macro_rules! ask {
    ($req:ident, $load:ident) => {{
        let (body, mut trips) = ($load.body(), Trips::new($load));
        for _ in 0..$load.count {
            let start = Instant::now();
            $req.send_one(Bytes::copy_from_slice(&body)).await?;
            $req.recv().await?.ok_or("no answer")?;
            trips.note(start);
        }
        trips.finish();
        Ok(())
    }};
}

macro_rules! answer {
    ($rep:ident, $load:ident) => {{
        let body = $load.body();
        for _ in 0..$load.count {
            $rep.recv().await?.ok_or("no question")?;
            $rep.send(vec![Bytes::copy_from_slice(&body)]).await?;
        }
        Ok(())
    }};
}

macro_rules! push {
    ($push:ident, $load:ident) => {{
        let body = $load.body();
        for _ in 0..$load.count {
            $push.send_one(Bytes::copy_from_slice(&body)).await?;
        }
        $push.flush().await?;
        Ok(())
    }};
}

async fn pull_tcp(address: &str, load: Load) -> Outcome {
    let (stream, _) = TcpListener::bind(address).await?.accept().await?;
    let mut pull = PullSocket::from_tcp_with_options(stream, options()).await?;
    receive!(pull, load)
}

async fn pull_ipc(path: &str, load: Load) -> Outcome {
    let (stream, _) = UnixListener::bind(path).await?.accept().await?;
    let mut pull = PullSocket::from_unix_stream_with_options(stream, options()).await?;
    receive!(pull, load)
}

async fn push_tcp(address: &str, load: Load) -> Outcome {
    let mut push = PushSocket::connect_with_options(address, options()).await?;
    push!(push, load)
}

async fn push_ipc(path: &str, load: Load) -> Outcome {
    let stream = UnixStream::connect(path).await?;
    let mut push = PushSocket::from_unix_stream_with_options(stream, options()).await?;
    push!(push, load)
}

async fn router(address: &str, load: Load) -> Outcome {
    let (stream, _) = TcpListener::bind(address).await?.accept().await?;
    let mut router = RouterSocket::from_tcp_with_options(stream, options()).await?;
    receive!(router, load)
}

async fn dealer(at: &str, load: Load) -> Outcome {
    let mut dealer = DealerSocket::connect_with_options(at, options()).await?;
    let body = load.body();
    for _ in 0..load.count {
        dealer.send(vec![Bytes::copy_from_slice(&body)]).await?;
    }
    dealer.flush().await?;
    Ok(())
}

async fn rep_tcp(address: &str, load: Load) -> Outcome {
    let (stream, _) = TcpListener::bind(address).await?.accept().await?;
    let mut rep = RepSocket::from_tcp_with_options(stream, options()).await?;
    answer!(rep, load)
}

async fn rep_ipc(path: &str, load: Load) -> Outcome {
    let (stream, _) = UnixListener::bind(path).await?.accept().await?;
    let mut rep = RepSocket::from_unix_stream_with_options(stream, options()).await?;
    answer!(rep, load)
}

async fn req_tcp(at: &str, load: Load) -> Outcome {
    let mut req = ReqSocket::connect_with_options(at, options()).await?;
    ask!(req, load)
}

async fn req_ipc(path: &str, load: Load) -> Outcome {
    let mut req = ReqSocket::connect_ipc(path).await?;
    ask!(req, load)
}

async fn publish(address: &str, load: Load, subscribers: usize) -> Outcome {
    let mut publisher = PubSocket::bind(address).await?;
    for _ in 0..subscribers {
        publisher.accept_subscriber().await?;
    }
    // There is no way to hear of a subscription, and no linger for what its workers hold.
    monocoque::rt::sleep(Duration::from_millis(300 + subscribers as u64)).await;
    let body = load.body();
    for _ in 0..load.count {
        publisher.send(vec![Bytes::copy_from_slice(&body)]).await?;
    }
    monocoque::rt::sleep(Duration::from_millis(300)).await;
    Ok(())
}

async fn hear(at: &str, load: Load) -> Outcome {
    let mut sub = SubSocket::connect(at).await?;
    sub.subscribe(b"").await?;
    let first = sub.recv().await?.ok_or("nothing came")?;
    let tally = Tally::begin(load, first.last().map_or(0, Bytes::len))?;
    let (mut received, mut last) = (1, Instant::now());
    // The publisher drops, and ends the connection when it is done.
    while received < load.count && matches!(sub.recv().await, Ok(Some(_))) {
        received += 1;
        last = Instant::now();
    }
    tally.finish_at(received, last);
    Ok(())
}
