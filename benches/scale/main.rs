//! How cost grows: with peers, topics, sockets, I/O threads, the size of messages, the mark.
//!
//! ```sh
//! benches/run --scale                                # all of it, with plots
//! cargo bench --bench scale -- peers-fan-in 1 100    # one series at these points
//! ```
//!
//! A line for each point: `series=… x=… cpu_ns=… wall_ns=…`, for one message (or subscription, or
//! socket). CPU is what the threads of this process used: both sides of a message where both are
//! here, ours alone where raw peers are the other side. Those live in a process of their own.

mod crowd;

use std::{
    collections::HashMap,
    env,
    error::Error,
    ffi::OsString,
    fs,
    sync::{RwLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use hubless::{Builder, Context, Pub, Pull, Push, Sub, TypedSocket, XPub};

use crate::crowd::Crowd;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    if let [role, kind, at, count] = &words[..]
        && role == "crowd"
    {
        return crowd::join(kind, at, count.parse()?);
    }
    let wanted = words.first().map_or("", String::as_str);
    for (name, series, points) in SERIES {
        if wanted.is_empty() || wanted == *name {
            let asked: Result<Vec<usize>, _> =
                words.iter().skip(1).map(|word| word.parse()).collect();
            let asked = asked?;
            let points = if asked.is_empty() { points } else { &asked[..] };
            series(name, points)?;
        }
    }
    Ok(())
}

type Series = fn(&str, &[usize]) -> Outcome;

/// The name, what measures it, and at which points.
const SERIES: &[(&str, Series, &[usize])] = &[
    ("peers-one-active", one_active, PEERS),
    ("peers-fan-in", fan_in, PEERS),
    ("peers-round-robin", round_robin, PEERS),
    ("peers-publish", publish_to_all, PEERS),
    ("topics-subscribe", subscribe, TOPICS),
    ("topics-publish", publish_one_of, TOPICS),
    ("sockets-open", open_sockets, SOCKETS),
    ("sockets-one-active", one_socket_active, SOCKETS),
    ("io-threads", io_threads, &[1, 2, 3, 4]),
    (
        "size",
        sizes,
        &[1, 16, 256, 4 << 10, 64 << 10, 1 << 20, 16 << 20],
    ),
    ("hwm", marks, &[1, 10, 100, 1000, 10_000, 100_000]),
];
const PEERS: &[usize] = &[1, 10, 100, 1000, 10_000];
const TOPICS: &[usize] = &[1, 10, 100, 1000, 10_000, 100_000, 1_000_000];
const SOCKETS: &[usize] = &[1, 10, 100, 1000];

// ---- peers on one socket

/// One peer floods while the others are there and silent.
fn one_active(name: &str, points: &[usize]) -> Outcome {
    for &peers in points {
        let pull: Pull = on(&Context::new(), Pull::builder())?;
        let at = pull.bind("tcp://127.0.0.1:0")?;
        let _crowd = Crowd::call("idle", &at, peers - 1)?;
        pull.wait_peers(peers - 1, PATIENCE)?;
        let push: Push = on(&Context::new(), Push::builder())?;
        push.connect(at)?;
        flood(name, peers, 64, 1_000_000, &push, &pull)?;
    }
    Ok(())
}

/// All peers send, in lots of [`crowd::LOT`].
fn fan_in(name: &str, points: &[usize]) -> Outcome {
    for &peers in points {
        let pull: Pull = on(&Context::new(), Pull::builder())?;
        let at = pull.bind("tcp://127.0.0.1:0")?;
        let mut crowd = Crowd::call("push", &at, peers)?;
        pull.wait_peers(peers, PATIENCE)?;
        crowd.go()?;
        // Until the pipes are full, it is bursts into buffers.
        take(&pull, 20_000)?;
        let clock = Clock::start()?;
        take(&pull, 400_000)?;
        clock.tell(name, peers, 400_000)?;
    }
    Ok(())
}

/// All peers are sent to in turn.
fn round_robin(name: &str, points: &[usize]) -> Outcome {
    for &peers in points {
        let push: Push = on(&Context::new(), Push::builder())?;
        let at = push.bind("tcp://127.0.0.1:0")?;
        let _crowd = Crowd::call("pull", &at, peers)?;
        push.wait_peers(peers, PATIENCE)?;
        let body = [b'x'; 64];
        let clock = Clock::start()?;
        for _ in 0..400_000 {
            push.send(&body[..])?;
        }
        until(|| push.stats().sent.queued == 0);
        clock.tell(name, peers, 400_000)?;
    }
    Ok(())
}

/// Every message goes to all peers; the figures are for one delivery.
fn publish_to_all(name: &str, points: &[usize]) -> Outcome {
    for &peers in points {
        let publisher: XPub = on(&Context::new(), XPub::builder().no_drop(true))?;
        let at = publisher.bind("tcp://127.0.0.1:0")?;
        let _crowd = Crowd::call("sub", &at, peers)?;
        publisher.wait_subscribers(peers, PATIENCE)?;
        let body = [b'x'; 64];
        let messages = (1_000_000 / peers).max(100);
        let clock = Clock::start()?;
        for _ in 0..messages {
            publisher.send(&body[..])?;
        }
        until(|| publisher.stats().sent.queued == 0);
        clock.tell(name, peers, messages * peers)?;
    }
    Ok(())
}

// ---- topics

/// Subscribing on the one side and hearing of it on the other, up to so many topics: each point is
/// for those above the last.
fn subscribe(name: &str, points: &[usize]) -> Outcome {
    let (publisher, sub) = news()?;
    let mut had = 0;
    for &topics in points {
        let clock = Clock::start()?;
        for index in had..topics {
            sub.subscribe(topic(index))?;
        }
        hears(&publisher, &sub, topics - 1)?;
        clock.tell(name, topics, topics - had)?;
        while sub.recv_timeout(Duration::from_millis(20)).is_ok() {}
        had = topics;
    }
    Ok(())
}

/// Publishing messages that match one topic of so many, a different one each time.
fn publish_one_of(name: &str, points: &[usize]) -> Outcome {
    let (publisher, sub) = news()?;
    let mut had = 0;
    for &topics in points {
        for index in had..topics {
            sub.subscribe(topic(index))?;
        }
        had = topics;
        hears(&publisher, &sub, topics - 1)?;
        while sub.recv_timeout(Duration::from_millis(20)).is_ok() {}
        let bodies: Vec<String> = (0..50_000).map(|n| topic(n * 7919 % topics)).collect();
        measured(
            name,
            topics,
            bodies.len(),
            vec![
                Box::new(|| {
                    Ok(bodies
                        .iter()
                        .try_for_each(|body| publisher.send(&body[..]))?)
                }),
                Box::new(|| Ok(bodies.iter().try_for_each(|_| sub.recv().map(drop))?)),
            ],
        )?;
    }
    Ok(())
}

fn news() -> Outcome<(Pub, Sub)> {
    let publisher: Pub = on(&Context::new(), Pub::builder().no_drop(true))?;
    let sub: Sub = on(&Context::new(), Sub::builder())?;
    sub.connect(publisher.bind("tcp://127.0.0.1:0")?)?;
    Ok((publisher, sub))
}

/// As long as topics are; their ends differ, as those of instruments or sensors do.
fn topic(index: usize) -> String {
    format!("weather.europe.{index:07}")
}

/// Waits until the publisher knows that topic, the last of those subscribed to.
fn hears(publisher: &Pub, sub: &Sub, index: usize) -> Outcome {
    let start = Instant::now();
    while sub.recv_timeout(Duration::from_millis(2)).is_err() {
        publisher.send(topic(index))?;
        if start.elapsed() > PATIENCE {
            return Err("the publisher has not heard of the last topic".into());
        }
    }
    Ok(())
}

// ---- sockets and I/O threads

/// Making, binding and connecting sockets, up to so many in one context: each point is for those
/// above the last.
fn open_sockets(name: &str, points: &[usize]) -> Outcome {
    let context = Context::new();
    let mut sockets: Vec<Pull> = Vec::new();
    for &most in points {
        let had = sockets.len();
        let clock = Clock::start()?;
        while sockets.len() < most {
            let pull: Pull = on(&context, Pull::builder())?;
            pull.bind("tcp://127.0.0.1:0")?;
            sockets.push(pull);
        }
        clock.tell(name, most, most - had)?;
    }
    Ok(())
}

/// One socket is busy while the others of its context are there and silent.
fn one_socket_active(name: &str, points: &[usize]) -> Outcome {
    for &most in points {
        let context = Context::new();
        let mut others: Vec<Pull> = Vec::new();
        while others.len() + 2 < most {
            let pull: Pull = on(&context, Pull::builder())?;
            pull.bind("tcp://127.0.0.1:0")?;
            others.push(pull);
        }
        let pull: Pull = on(&context, Pull::builder())?;
        let push: Push = on(&context, Push::builder())?;
        push.connect(pull.bind("tcp://127.0.0.1:0")?)?;
        flood(name, most, 64, 1_000_000, &push, &pull)?;
    }
    Ok(())
}

/// Four pairs of sockets in two contexts with so many I/O threads each.
fn io_threads(name: &str, points: &[usize]) -> Outcome {
    for &threads in points {
        let here = Context::builder().io_threads(threads).build();
        let there = Context::builder().io_threads(threads).build();
        let pairs: Vec<(Push, Pull)> = (0..4)
            .map(|_| {
                let pull: Pull = on(&here, Pull::builder())?;
                let push: Push = on(&there, Push::builder())?;
                push.connect(pull.bind("tcp://127.0.0.1:0")?)?;
                push.wait_peers(1, PATIENCE)?;
                Ok::<_, Box<dyn Error>>((push, pull))
            })
            .collect::<Result<_, _>>()?;
        let mut jobs: Vec<Job> = Vec::new();
        for (push, pull) in &pairs {
            jobs.push(Box::new(|| send(push, &[b'x'; 64], 500_000)));
            jobs.push(Box::new(|| take(pull, 500_000)));
        }
        measured(name, threads, 4 * 500_000, jobs)?;
    }
    Ok(())
}

// ---- messages

fn sizes(name: &str, points: &[usize]) -> Outcome {
    for &octets in points {
        let (push, pull) = pipeline(1000)?;
        let count = ((1 << 30) / (octets + 512)).clamp(100, 2_000_000);
        flood(name, octets, octets, count, &push, &pull)?;
    }
    Ok(())
}

fn marks(name: &str, points: &[usize]) -> Outcome {
    for &mark in points {
        let (push, pull) = pipeline(mark)?;
        let count = if mark < 10 { 100_000 } else { 1_000_000 };
        flood(name, mark, 64, count, &push, &pull)?;
    }
    Ok(())
}

fn pipeline(mark: usize) -> Outcome<(Push, Pull)> {
    let pull: Pull = on(&Context::new(), Pull::builder().recv_hwm(mark))?;
    let push: Push = on(&Context::new(), Push::builder().send_hwm(mark))?;
    push.connect(pull.bind("tcp://127.0.0.1:0")?)?;
    Ok((push, pull))
}

// ---- what they share

/// Messages from one thread to another.
fn flood(name: &str, x: usize, octets: usize, count: usize, push: &Push, pull: &Pull) -> Outcome {
    push.wait_peers(1, PATIENCE)?;
    let body = vec![b'x'; octets];
    measured(
        name,
        x,
        count,
        vec![
            Box::new(|| send(push, &body, count)),
            Box::new(|| take(pull, count)),
        ],
    )
}

type Job<'a> = Box<dyn FnOnce() -> Outcome + Send + 'a>;

/// Does all jobs at a time, on a thread each. They stay until the clock was read, since what a
/// thread has used is gone with it.
fn measured(name: &str, x: usize, count: usize, jobs: Vec<Job<'_>>) -> Outcome {
    let (stay, jobs_count) = (&RwLock::new(()), jobs.len());
    thread::scope(|scope| {
        let (done, all_done) = mpsc::channel();
        let held = stay.write().expect("nobody panics");
        let clock = Clock::start()?;
        for job in jobs {
            let done = done.clone();
            scope.spawn(move || {
                let outcome = job().map_err(|error| error.to_string());
                done.send(outcome).expect("somebody listens");
                drop(stay.read());
            });
        }
        for _ in 0..jobs_count {
            all_done.recv()??;
        }
        let told = clock.tell(name, x, count);
        drop(held);
        told
    })
}

fn send(push: &Push, body: &[u8], count: usize) -> Outcome {
    for _ in 0..count {
        push.send(body)?;
    }
    Ok(())
}

fn take(pull: &Pull, count: usize) -> Outcome {
    for _ in 0..count {
        pull.recv_timeout(PATIENCE)?;
    }
    Ok(())
}

fn on<S: TypedSocket>(context: &Context, builder: Builder<S>) -> Outcome<S> {
    let builder = builder.send_timeout(PATIENCE).recv_timeout(PATIENCE);
    Ok(builder.context(context).build()?)
}

/// Looks again and again, at little cost.
fn until(done: impl Fn() -> bool) {
    while !done() {
        thread::sleep(Duration::from_millis(2));
    }
}

/// Time and CPU since it was started.
struct Clock {
    began: Instant,
    used_ns: HashMap<OsString, u64>,
}

impl Clock {
    fn start() -> Outcome<Clock> {
        Ok(Clock {
            used_ns: used_ns()?,
            began: Instant::now(),
        })
    }

    fn tell(&self, series: &str, x: usize, count: usize) -> Outcome {
        let wall_ns = self.began.elapsed().as_nanos() as f64 / count as f64;
        let before = |thread| self.used_ns.get(thread).copied().unwrap_or(0);
        let used_ns = used_ns()?;
        let used_ns: u64 = used_ns
            .iter()
            .map(|(thread, now)| now - before(thread))
            .sum();
        let cpu_ns = used_ns as f64 / count as f64;
        println!("series={series} x={x} cpu_ns={cpu_ns:.1} wall_ns={wall_ns:.1}");
        Ok(())
    }
}

/// What each thread that there is now has used.
fn used_ns() -> Outcome<HashMap<OsString, u64>> {
    // The system counts a thread when it lets go of its CPU.
    thread::yield_now();
    let mut used = HashMap::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        // A thread that ends meanwhile is no fault.
        if let Ok(text) = fs::read_to_string(task.path().join("schedstat")) {
            let ns = text
                .split(' ')
                .next()
                .ok_or("schedstat is empty")?
                .parse()?;
            used.insert(task.file_name(), ns);
        }
    }
    Ok(used)
}

const PATIENCE: Duration = Duration::from_secs(60);
