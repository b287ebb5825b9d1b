//! How patient one must be: round trips while a flood passes between the same two contexts, and
//! slow senders beside a fast one.
//!
//! ```sh
//! benches/run --load                             # hubless and libzmq in turns
//! cargo bench --bench load -- trips SECONDS      # round trips without and with the flood
//! cargo bench --bench load -- fair SECONDS       # 100 slow peers beside a fast one
//! ```
//!
//! ```text
//!   trips:  one context ── REQ ◄──────► REP ── the other      fair:  one fast PUSH ──┐
//!                       └─ PUSH ──────► PULL ┘                       100 slow ones ──┴─► PULL
//! ```
//!
//! Each prints a line of `key=value`; `benches/peers/c/load.c` is its twin for libzmq.

use std::{
    env,
    error::Error,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use hubless::{Context, Linger, Pull, Push, RecvError, Rep, Req};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["trips", seconds] => trips(Duration::from_secs_f64(seconds.parse()?)),
        ["fair", seconds] => fair(Duration::from_secs_f64(seconds.parse()?)),
        _ => Err("usage: load trips|fair SECONDS".into()),
    }
}

/// Round trips of 64 octets, first alone, then while messages of 64 octets pass as fast as they can.
fn trips(time: Duration) -> Outcome {
    let (client, server) = (Context::new(), Context::new());
    let rep = Rep::builder().context(&server).recv_timeout(LOOK).build()?;
    let pull = Pull::builder()
        .context(&server)
        .recv_timeout(LOOK)
        .build()?;
    let req = Req::builder().context(&client).build()?;
    let push = Push::builder()
        .context(&client)
        .send_timeout(LOOK)
        .linger(Linger::Drop)
        .build()?;
    req.connect(rep.bind("tcp://127.0.0.1:0")?)?;
    push.connect(pull.bind("tcp://127.0.0.1:0")?)?;
    let (over, flooding, passed) = (
        AtomicBool::new(false),
        AtomicBool::new(false),
        AtomicU64::new(0),
    );
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                if let Ok((request, responder)) = rep.recv() {
                    responder.reply(request);
                }
            }
        });
        scope.spawn(|| {
            while !over.load(Relaxed) {
                if pull.recv().is_ok() {
                    passed.fetch_add(1, Relaxed);
                }
            }
        });
        let flood = scope.spawn(|| {
            while !over.load(Relaxed) {
                if flooding.load(Relaxed) {
                    let _ = push.send(&[b'x'; 64][..]);
                } else {
                    thread::park_timeout(LOOK);
                }
            }
        });
        let alone = ask(&req, time)?;
        flooding.store(true, Relaxed);
        flood.thread().unpark();
        // The flood is to have filled what there is to fill.
        ask(&req, time / 10)?;
        let (before, began) = (passed.load(Relaxed), Instant::now());
        let loaded = ask(&req, time)?;
        let rate = (passed.load(Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
        over.store(true, Relaxed);
        println!(
            "{} {} flood/s={rate:.0}",
            told("alone_", alone),
            told("", loaded)
        );
        Ok(())
    })
}

/// One round trip after the other; gives how long each took, in µs.
fn ask(req: &Req, time: Duration) -> Outcome<Vec<f64>> {
    let (body, began, mut times_us) = ([b'x'; 64], Instant::now(), Vec::new());
    while began.elapsed() < time {
        let start = Instant::now();
        req.request(&body[..])?;
        times_us.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times_us)
}

/// A fast sender, and [`SLOW`] that send a message now and then. The figures are how long those of
/// the slow ones were on their way.
fn fair(time: Duration) -> Outcome {
    let (client, server) = (Context::new(), Context::new());
    let pull = Pull::builder()
        .context(&server)
        .recv_timeout(LOOK)
        .build()?;
    let at = pull.bind("tcp://127.0.0.1:0")?;
    let builder = || {
        Push::builder()
            .context(&client)
            .send_timeout(LOOK)
            .linger(Linger::Drop)
    };
    let fast = builder().build()?;
    fast.connect(at.clone())?;
    let slow = (0..SLOW)
        .map(|_| {
            let push = builder().build()?;
            push.connect(at.clone())?;
            Ok(push)
        })
        .collect::<Outcome<Vec<Push>>>()?;
    pull.wait_peers(SLOW + 1, Duration::from_secs(10))?;

    let (over, began) = (AtomicBool::new(false), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                let _ = fast.send(&[b'x'; 64][..]);
            }
        });
        let sent = scope.spawn(|| {
            let mut sent = 0_u64;
            for (index, push) in (0_u64..).zip(slow.iter().cycle()) {
                if over.load(Relaxed) {
                    break;
                }
                let mut body = (index % SLOW as u64).to_le_bytes().to_vec();
                body.extend((began.elapsed().as_nanos() as u64).to_le_bytes());
                sent += u64::from(push.send(body).is_ok());
                thread::sleep(PAUSE);
            }
            sent
        });
        let (mut times_us, mut of_fast, mut of_slow) = (Vec::new(), 0_u64, [0_u64; SLOW]);
        let mut end = None;
        loop {
            let now = began.elapsed();
            if end.is_none() && now >= time {
                over.store(true, Relaxed);
                end = Some(of_fast as f64 / now.as_secs_f64());
            }
            let message = match pull.recv() {
                Ok(message) => message,
                Err(RecvError::TimedOut) if end.is_some() => break,
                Err(RecvError::TimedOut) => continue,
                Err(error) => return Err(error.into()),
            };
            let body = &message[0];
            if body.len() == 16 {
                let number =
                    |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().expect("8 octets"));
                of_slow[number(0) as usize] += 1;
                times_us.push(began.elapsed().as_secs_f64() * 1e6 - number(8) as f64 / 1e3);
            } else {
                of_fast += 1;
            }
        }
        let sent = sent.join().expect("the slow sender does not panic");
        let (least, most) = (of_slow.iter().min(), of_slow.iter().max());
        let share = *least.unwrap_or(&0) as f64 / (*most.unwrap_or(&1)).max(1) as f64;
        let lost = sent - of_slow.iter().sum::<u64>();
        let rate = end.unwrap_or(0.0);
        println!(
            "{} lost={lost} least_of_most={share:.2} flood/s={rate:.0}",
            told("", times_us)
        );
        Ok(())
    })
}

/// The quantiles of times in µs.
fn told(prefix: &str, mut times_us: Vec<f64>) -> String {
    times_us.sort_by(f64::total_cmp);
    let last = times_us.len().saturating_sub(1) as f64;
    let at = |share: f64| {
        times_us
            .get((last * share) as usize)
            .copied()
            .unwrap_or(f64::NAN)
    };
    let (p50, p99, p999, max) = (at(0.5), at(0.99), at(0.999), at(1.0));
    let count = times_us.len();
    format!(
        "{prefix}count={count} {prefix}p50_us={p50:.1} {prefix}p99_us={p99:.1} {prefix}p999_us={p999:.1} \
         {prefix}max_us={max:.1}"
    )
}

/// How often who waits looks whether all is over.
const LOOK: Duration = Duration::from_millis(100);

/// How many are slow, and how long they rest between two messages of one of them.
const SLOW: usize = 100;
const PAUSE: Duration = Duration::from_micros(100);
