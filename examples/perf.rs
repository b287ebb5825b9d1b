//! Measures throughput, latency, connections and memory (the Guide's and libzmq's `local_thr`,
//! `remote_thr`, `local_lat`, `remote_lat`, `inproc_thr`, `inproc_lat`).
//!
//! Each role is a process; two of them make a measurement:
//!
//! ```sh
//! cargo build --release --example perf
//! PATH=$PWD/target/release/examples:$PATH
//! perf pull tcp://127.0.0.1:5555 64 1000000 &  perf push tcp://127.0.0.1:5555 64 1000000
//! perf rep  tcp://127.0.0.1:5555 64 10000   &  perf req  tcp://127.0.0.1:5555 64 10000
//! ```
//!
//! A role prints one line of `key=value`. Throughput is what the receiver saw, from its first
//! message to its last. Every body is a fresh copy, so that copying is in the numbers.

use std::{
    env,
    error::Error,
    fmt, fs,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use hubless::{
    Builder, Dealer, EventKind, Linger, Message, Monitor, Pub, Pull, Push, RecvError, Rep, Req,
    Router, Sub, TypedSocket,
};
#[cfg(feature = "curve")]
use hubless::{KeyPair, SecretKey};

const USAGE: &str = "\
usage: perf ROLE …

  perf pull|router|sub ADDR SIZE COUNT     receives; tells msgs/s and lost
  perf push|dealer ADDR SIZE COUNT         sends to a pull, a router
  perf pub ADDR SIZE COUNT [NSUBS]         sends once NSUBS (1) have subscribed
  perf req ADDR SIZE COUNT                 asks; tells mean_us, p50_us and p99_us
  perf rep ADDR SIZE COUNT                 answers a req or a conn
  perf conn ADDR SIZE COUNT                connects, asks once, closes; tells conns/s
  perf inproc-thr|inproc-lat SIZE COUNT    push to pull, req to rep, between two threads
  perf idle pull|router|rep ADDR N         takes one message of each of N peers; tells memory
  perf peers pull|router|rep ADDR N        is those N peers: push, dealer or req

pull, router, rep, pub and idle bind, the others connect. Environment: HWM, the marks at both
ends (1000); TIMED=N, one message in N is timed; NODROP=0, a pub drops for a slow sub instead of
waiting for it; CURVE=1 encrypts (built with --features curve); BATCH, how many messages a pull takes
at once.";

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Usage>() => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("perf: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Outcome {
    match *words {
        ["pull", at, size, count] => pull(at, Load::parse(size, count)?),
        ["push", at, size, count] => push(at, Load::parse(size, count)?),
        ["sub", at, size, count] => sub(at, Load::parse(size, count)?),
        ["pub", at, size, count] => publish(at, Load::parse(size, count)?, 1),
        ["pub", at, size, count, subs] => publish(at, Load::parse(size, count)?, number(subs)?),
        ["router", at, size, count] => router(at, Load::parse(size, count)?),
        ["dealer", at, size, count] => dealer(at, Load::parse(size, count)?),
        ["req", at, size, count] => req(at, Load::parse(size, count)?),
        ["rep", at, size, count] => rep(at, Load::parse(size, count)?),
        ["conn", at, size, count] => conn(at, Load::parse(size, count)?),
        ["inproc-thr", size, count] => inproc_thr(Load::parse(size, count)?),
        ["inproc-lat", size, count] => inproc_lat(Load::parse(size, count)?),
        ["idle", kind, at, count] => idle(kind, at, number(count)?),
        ["peers", kind, at, count] => peers(kind, at, number(count)?),
        _ => Err(Usage.into()),
    }
}

// ---- throughput

fn pull(at: &str, load: Load) -> Outcome {
    let pull: Pull = marked(Pull::builder()).build()?;
    pull.bind(at)?;
    match batch() {
        Some(most) => load.receive_many(|batch| pull.recv_many(batch, most)),
        None => load.receive(|| pull.recv(), Message::octets),
    }
}

fn push(at: &str, load: Load) -> Outcome {
    let push: Push = marked(Push::builder()).build()?;
    push.connect(at)?;
    let body = load.body();
    for _ in 0..load.count {
        push.send(&body[..])?;
    }
    all_sent(load, push.close(PATIENCE)?.unsent, 0)
}

fn router(at: &str, load: Load) -> Outcome {
    let router: Router = marked(Router::builder()).build()?;
    router.bind(at)?;
    load.receive(|| router.recv_from(), |(_peer, message)| message.octets())
}

fn dealer(at: &str, load: Load) -> Outcome {
    let dealer: Dealer = marked(Dealer::builder()).build()?;
    dealer.connect(at)?;
    let body = load.body();
    for _ in 0..load.count {
        dealer.send(&body[..])?;
    }
    all_sent(load, dealer.close(PATIENCE)?.unsent, 0)
}

fn publish(at: &str, load: Load, subscribers: usize) -> Outcome {
    let no_drop = env::var("NODROP").as_deref() != Ok("0");
    let publisher = marked(Pub::builder()).no_drop(no_drop).build()?;
    publisher.bind(at)?;
    publisher.wait_subscribers(subscribers, PATIENCE)?;
    let body = load.body();
    for _ in 0..load.count {
        publisher.send(&body[..])?;
    }
    let dropped = publisher.stats().sent.refused;
    all_sent(load, publisher.close(PATIENCE)?.unsent, dropped)
}

fn sub(at: &str, load: Load) -> Outcome {
    let sub: Sub = marked(Sub::builder()).build()?;
    sub.subscribe("")?;
    sub.connect(at)?;
    let mut silence = PATIENCE;
    let recv = || {
        let message = sub.recv_timeout(silence);
        silence = SILENCE;
        message
    };
    load.receive(recv, Message::octets)
}

fn inproc_thr(load: Load) -> Outcome {
    let pull: Pull = marked(Pull::builder()).build()?;
    pull.bind("inproc://thr")?;
    let push: Push = marked(Push::builder()).build()?;
    push.connect("inproc://thr")?;
    let sender = thread::spawn(move || {
        let body = load.body();
        (0..load.count).try_for_each(|_| push.send(&body[..]))
    });
    match batch() {
        Some(most) => load.receive_many(|batch| pull.recv_many(batch, most))?,
        None => load.receive(|| pull.recv(), Message::octets)?,
    }
    sender.join().expect("the sender does not panic")?;
    Ok(())
}

fn all_sent(load: Load, unsent: u64, dropped: u64) -> Outcome {
    println!("sent={} unsent={unsent} dropped={dropped}", load.count);
    if unsent > 0 {
        return Err("not everything was sent".into());
    }
    Ok(())
}

// ---- latency and connections

fn req(at: &str, load: Load) -> Outcome {
    let req: Req = marked(Req::builder()).build()?;
    req.connect(at)?.wait_ready(PATIENCE)?;
    load.ask(&req)
}

fn rep(at: &str, load: Load) -> Outcome {
    let rep: Rep = marked(Rep::builder()).build()?;
    rep.bind(at)?;
    load.answer(&rep);
    rep.close(PATIENCE)?;
    println!("answered={}", load.count);
    Ok(())
}

fn inproc_lat(load: Load) -> Outcome {
    let rep = Rep::new()?;
    rep.bind("inproc://lat")?;
    let server = thread::spawn(move || load.answer(&rep));
    let req = Req::new()?;
    req.connect("inproc://lat")?;
    load.ask(&req)?;
    server.join().expect("the server does not panic");
    Ok(())
}

fn conn(at: &str, load: Load) -> Outcome {
    let body = load.body();
    let start = Instant::now();
    for _ in 0..load.count {
        let req: Req = marked(Req::builder()).build()?;
        req.connect(at)?;
        req.request(&body[..])?;
        req.close(Duration::ZERO)?;
    }
    println!("conns/s={:.0}", rate(load.count, start.elapsed()));
    Ok(())
}

// ---- memory

fn idle(kind: &str, at: &str, count: usize) -> Outcome {
    // The socket must live until memory is read: a peer that is gone weighs nothing.
    match kind {
        "pull" => {
            let pull: Pull = marked(Pull::builder()).build()?;
            pull.bind(at)?;
            weigh(count, || pull.recv().map(drop))
        }
        "router" => {
            let router: Router = marked(Router::builder()).build()?;
            router.bind(at)?;
            weigh(count, || router.recv_from().map(drop))
        }
        "rep" => {
            let rep: Rep = marked(Rep::builder()).build()?;
            rep.bind(at)?;
            weigh(count, || {
                let (_request, responder) = rep.recv()?;
                responder.reply("noted");
                Ok(())
            })
        }
        _ => Err(Usage.into()),
    }
}

fn weigh(peers: usize, mut take_one: impl FnMut() -> Result<(), RecvError>) -> Outcome {
    let bound_kb = resident_kb()?;
    for _ in 0..peers {
        take_one()?;
    }
    let after_kb = resident_kb()?;
    let per_peer_kb = (after_kb as f64 - bound_kb as f64) / peers as f64;
    println!("bound_kb={bound_kb} after_kb={after_kb} per_peer_kb={per_peer_kb:.2}");
    Ok(())
}

fn peers(kind: &str, at: &str, count: usize) -> Outcome {
    match kind {
        "pull" => crowd(count, || {
            let push = marked(Push::builder()).linger(Linger::Drop).build()?;
            let events = push.monitor();
            push.connect(at)?;
            push.send("here")?;
            Ok((push, events))
        }),
        "router" => crowd(count, || {
            let dealer = marked(Dealer::builder()).linger(Linger::Drop).build()?;
            let events = dealer.monitor();
            dealer.connect(at)?;
            dealer.send("here")?;
            Ok((dealer, events))
        }),
        "rep" => crowd(count, || {
            let req = marked(Req::builder()).linger(Linger::Drop).build()?;
            let events = req.monitor();
            req.connect(at)?;
            req.send("here")?;
            Ok((req, events))
        }),
        _ => Err(Usage.into()),
    }
}

/// Keeps `count` peers until the `idle` process ends their connections.
fn crowd<S: TypedSocket>(
    count: usize,
    mut join: impl FnMut() -> Result<(S, Monitor), Box<dyn Error>>,
) -> Outcome {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        crowd.push(join()?);
    }
    for (_socket, events) in &mut crowd {
        events.find(|event| matches!(event.kind, EventKind::Disconnected(_)));
    }
    println!("peers={count}");
    Ok(())
}

/// What this process holds in memory now.
fn resident_kb() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|rest| rest.trim().strip_suffix("kB"));
    Ok(kb.ok_or("no VmRSS in /proc/self/status")?.trim().parse()?)
}

// ---- what all of them share

/// `count` messages of `size` octets.
#[derive(Clone, Copy)]
struct Load {
    size: usize,
    count: usize,
}

impl Load {
    fn parse(size: &str, count: &str) -> Result<Load, Usage> {
        let (size, count) = (number(size)?, number(count)?);
        Ok(Load { size, count })
    }

    /// What each message is made a copy of.
    fn body(self) -> Vec<u8> {
        vec![b'x'; self.size]
    }

    /// Receives all of them, or until the first time that nothing comes.
    fn receive<M>(
        self,
        mut recv: impl FnMut() -> Result<M, RecvError>,
        octets: impl Fn(&M) -> usize,
    ) -> Outcome {
        let octets = octets(&recv()?);
        if octets != self.size {
            return Err(format!("a body has {octets} octets, not {}", self.size).into());
        }
        let start = Instant::now();
        let (mut received, mut silence) = (1, Duration::ZERO);
        while received < self.count {
            match recv() {
                Ok(_) => received += 1,
                Err(RecvError::TimedOut) => {
                    silence = SILENCE;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let speed = rate(received - 1, start.elapsed().saturating_sub(silence));
        println!("msgs/s={speed:.0} lost={}", self.count - received);
        Ok(())
    }

    /// Receives all of them, many at once.
    fn receive_many(
        self,
        mut recv: impl FnMut(&mut Vec<Message>) -> Result<usize, RecvError>,
    ) -> Outcome {
        let mut batch = Vec::new();
        let mut received = recv(&mut batch)?;
        let (first, start) = (received, Instant::now());
        while received < self.count {
            batch.clear();
            received += recv(&mut batch)?;
        }
        println!(
            "msgs/s={:.0} lost=0",
            rate(received - first, start.elapsed())
        );
        Ok(())
    }

    /// Asks all of them, one after the other.
    fn ask(self, req: &Req) -> Outcome {
        let body = self.body();
        let mut times_us = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            let start = Instant::now();
            req.request(&body[..])?;
            times_us.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let warm = &mut times_us[self.count / 10..];
        warm.sort_by(f64::total_cmp);
        let mean = warm.iter().sum::<f64>() / warm.len() as f64;
        let at = |share: f64| warm[((warm.len() - 1) as f64 * share).round() as usize];
        let (p50, p99) = (at(0.50), at(0.99));
        println!("mean_us={mean:.2} p50_us={p50:.2} p99_us={p99:.2}");
        Ok(())
    }

    /// Answers all of them.
    fn answer(self, rep: &Rep) {
        let body = self.body();
        for (_request, responder) in rep.iter().take(self.count) {
            responder.reply(&body[..]);
        }
    }
}

/// How many messages to take at once, if the environment says so.
fn batch() -> Option<usize> {
    env::var("BATCH").ok().and_then(|text| text.parse().ok())
}

/// Both marks as the environment says, whether messages are timed, and whether to encrypt.
fn marked<S: TypedSocket>(builder: Builder<S>) -> Builder<S> {
    let said = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    let mark = said("HWM").unwrap_or(1000);
    let timed = u32::try_from(said("TIMED").unwrap_or(0)).unwrap_or(u32::MAX);
    let builder = builder.send_hwm(mark).recv_hwm(mark).time_one_in(timed);
    match env::var("CURVE").as_deref() {
        Ok("1") => encrypted(builder),
        _ => builder,
    }
}

/// The side that binds is the server. Keys that everybody can read keep nothing secret: they are
/// for measuring.
#[cfg(feature = "curve")]
fn encrypted<S: TypedSocket>(builder: Builder<S>) -> Builder<S> {
    let keys = |octet| KeyPair::from(SecretKey::from([octet; 32]));
    let binds = ["pull", "router", "rep", "pub", "idle"];
    match env::args().nth(1) {
        Some(role) if binds.contains(&&*role) => builder.curve_server(keys(1)),
        _ => builder.curve_client(keys(1).public(), keys(2)),
    }
}

#[cfg(not(feature = "curve"))]
fn encrypted<S: TypedSocket>(_: Builder<S>) -> Builder<S> {
    panic!("CURVE=1 needs the feature curve")
}

fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}

/// A count or size: not zero, so that there is something to measure.
fn number(text: &str) -> Result<usize, Usage> {
    text.parse().ok().filter(|&number| number > 0).ok_or(Usage)
}

/// How long to wait for the other process, and for what is queued to leave.
const PATIENCE: Duration = Duration::from_secs(60);

/// A subscriber that hears nothing for this long takes the rest for lost.
const SILENCE: Duration = Duration::from_secs(2);

/// The arguments make no sense.
#[derive(Debug)]
struct Usage;

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(USAGE)
    }
}

impl Error for Usage {}
