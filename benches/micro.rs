//! Micro-benches of the inner rooms: what a message costs where it passes, in nanoseconds.
//!
//! ```sh
//! cargo bench --bench micro            # all of them
//! cargo bench --bench micro -- topic   # those whose name holds `topic`
//! ```
//!
//! Each line is a median of samples and their spread, (greatest - least) / median. One thread,
//! warm caches: this tells causes. What users see is measured by `benches/run`.

use std::{
    env,
    hint::black_box,
    io::IoSlice,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hubless::{
    Context, Frame, Interest, Message, Poller, Pull, Push, SocketType, Time,
    internals::{
        base::{options::Options, tuning},
        engine::{Config, Engine, Sink, Step},
        pattern::topics::Topics,
        pipe::{Draft, Lane, Outbox, Store, Window},
        wire::frame,
    },
};

fn main() {
    let wanted = env::args().skip(1).find(|word| !word.starts_with('-'));
    let timer = Timer {
        wanted: wanted.unwrap_or_default(),
    };
    messages(&timer);
    lanes(&timer);
    frames(&timer);
    topics(&timer);
    pollers(&timer);
}

/// Making a message of octets, and letting it go.
fn messages(timer: &Timer) {
    for size in SIZES {
        let body = vec![b'x'; size];
        timer.time(&format!("message/copy/{size}"), 1, || {
            black_box(Message::from(black_box(&body[..])));
        });
    }
    let shared = Message::from(Frame::from(Bytes::from(vec![b'x'; 1024])));
    timer.time("message/clone/1024", 1, || {
        black_box(black_box(&shared).clone());
    });
}

/// A message through a lane: into its one end and out of the other, in lots of [`LOT`].
fn lanes(timer: &Timer) {
    for size in SIZES {
        let message = Message::from(vec![b'x'; size]);
        let lane = Arc::new(Lane::new(Store::Messages, 1000, false));
        let mut window = Window::new(Arc::clone(&lane));
        timer.time(&format!("lane/messages/{size}"), LOT, || {
            for _ in 0..LOT {
                lane.push(&[], &message).expect("there is room");
            }
            for _ in 0..LOT {
                black_box(window.pop().0.expect("it is there"));
            }
        });

        let lane = Arc::new(Lane::new(Store::Octets, 1000, false));
        lane.open(&[]);
        let (mut draft, mut outbox) = (Draft::new(Arc::clone(&lane)), Outbox::new());
        timer.time(&format!("lane/octets/{size}"), LOT, || {
            for _ in 0..LOT {
                draft.push(&[], &message).expect("there is room");
            }
            draft.publish();
            drain(&lane, &mut outbox);
        });
    }
}

/// Writes everything to a stream that takes all it is offered.
fn drain(lane: &Lane, outbox: &mut Outbox) {
    loop {
        lane.exchange(outbox);
        if outbox.is_empty() {
            return;
        }
        let mut slices = [IoSlice::new(&[]); tuning::WRITE_SLICES_MAX];
        let count = outbox.slices(&mut slices);
        let octets = slices[..count].iter().map(|slice| slice.len()).sum();
        black_box(&slices);
        outbox.advance(octets);
    }
}

/// A frame through the engine, from reads of 64 KiB.
fn frames(timer: &Timer) {
    for size in [8, 64, 1024] {
        let mut stream = Vec::new();
        let mut count = 0;
        while stream.len() + size + 9 <= 64 * 1024 {
            frame::encode_frame(&vec![b'x'; size], false, false, &mut stream);
            count += 1;
        }
        let mut engine = ready_engine();
        timer.time(&format!("engine/decode/{size}"), count, || {
            let (taken, step) = engine
                .handle_input(Time::START, &stream, &mut Dustbin)
                .expect("good frames");
            assert!(taken == stream.len() && matches!(step, Step::Drained));
        });
        timer.time(&format!("wire/encode/{size}"), count, || {
            let body = [b'x'; 1024];
            stream.clear();
            for _ in 0..count {
                frame::encode_frame(black_box(&body[..size]), false, false, &mut stream);
            }
            black_box(&stream);
        });
    }
}

/// The engine of a PULL that has shaken hands with a PUSH.
fn ready_engine() -> Engine {
    let engine = |kind| {
        let config = Config::from_options(kind, &Options::default());
        Engine::new(Arc::new(config), Time::START)
    };
    let (mut pull, mut push) = (engine(SocketType::Pull), engine(SocketType::Push));
    while !(pull.is_ready() && push.is_ready()) {
        for (from, to) in [(0, 1), (1, 0)] {
            let mut said = Vec::new();
            let sides = [&mut pull, &mut push];
            sides[from].poll_output(&mut said);
            sides[to]
                .handle_input(Time::START, &said, &mut Dustbin)
                .expect("a good handshake");
        }
    }
    pull
}

struct Dustbin;

impl Sink for Dustbin {
    fn message(&mut self, message: Message) {
        black_box(message);
    }

    fn subscribe(&mut self, topic: Bytes) {
        black_box(topic);
    }

    fn cancel(&mut self, topic: Bytes) {
        black_box(topic);
    }

    fn room(&self) -> usize {
        usize::MAX
    }
}

/// Who wants a topic, among so many topics of a thousand peers. Theory: the octets of the topic
/// and the peers that match, whatever else is subscribed to; what a large tree adds is the way to
/// memory that is not in a cache.
fn topics(timer: &Timer) {
    for count in [1, 100, 10_000, 1_000_000] {
        if !timer.wants(&format!("topics/match/{count}")) {
            continue;
        }
        let mut topics = Topics::new();
        for index in 0..count {
            topics.subscribe(topic(index).as_bytes(), index % 1000);
        }
        let asked: Vec<String> = (0..64).map(|at| topic(at * 15_485_863 % count)).collect();
        timer.time(&format!("topics/match/{count}"), asked.len(), || {
            for topic in &asked {
                topics.matches(topic.as_bytes(), |peer| {
                    black_box(peer);
                });
            }
        });
        timer.time(&format!("topics/miss/{count}"), 1, || {
            topics.matches(black_box(b"weather/none"), |peer| {
                black_box(peer);
            });
        });
    }
    let mut topics = Topics::new();
    for peer in 0..1000 {
        topics.subscribe(b"all", peer);
    }
    timer.time("topics/match/1 by 1000 peers", 1000, || {
        topics.matches(black_box(b"all"), |peer| {
            black_box(peer);
        });
    });
}

/// A message to the one socket that is active, the wait that tells of it and the wait that finds no
/// more; beside so many others that are idle.
fn pollers(timer: &Timer) {
    const IDLE: usize = 10_000;
    for (idle_sockets, idle_peers) in [(0, 0), (IDLE, 0), (0, IDLE)] {
        let name = format!("poller/{idle_sockets} idle, {idle_peers} peers");
        if !timer.wants(&name) {
            continue;
        }
        let at = format!("inproc://{name}");
        let (push, pull) = (Push::new().expect("one"), Pull::new().expect("another"));
        pull.bind(&at[..]).expect("to bind");
        push.connect(&at[..]).expect("to connect");
        let mut poller = Poller::new().expect("a poller");
        poller.add(&pull, 0, Interest::READABLE);
        let context = Context::new();
        let others: Vec<Pull> = (1..=idle_sockets)
            .map(|token| {
                let other = Pull::builder().context(&context).build();
                let other = other.expect("a socket");
                poller.add(&other, token, Interest::READABLE);
                other
            })
            .collect();
        let silent = Push::new().expect("a third");
        for _ in 0..idle_peers {
            silent.connect(&at[..]).expect("to connect");
        }
        let mut ready = Vec::new();
        timer.time(&name, 1, || {
            push.try_send("x").expect("there is room");
            assert_eq!(poller.wait(&mut ready, None).expect("to wait"), 1);
            black_box(pull.try_recv().expect("it is here"));
            let no_more = poller.wait(&mut ready, Some(Duration::ZERO));
            assert_eq!(no_more.expect("to wait"), 0);
        });
        drop((others, silent));
    }
}

fn topic(index: usize) -> String {
    format!("market/{:03}/{:04}/price", index % 997, index / 997)
}

/// Times what a name asks for.
struct Timer {
    wanted: String,
}

impl Timer {
    fn wants(&self, name: &str) -> bool {
        // The large trees take seconds to grow: not for those who ask for something else.
        name.starts_with(&self.wanted) || self.wanted.starts_with("topics")
    }

    /// Prints what one of the `items` of a call of `work` takes.
    fn time(&self, name: &str, items: usize, mut work: impl FnMut()) {
        if !name.contains(&self.wanted) {
            return;
        }
        let mut calls = 1;
        while sample(calls, &mut work) < SAMPLE {
            calls *= 2;
        }
        let mut times: Vec<f64> = (0..SAMPLES)
            .map(|_| sample(calls, &mut work).as_nanos() as f64 / (calls * items) as f64)
            .collect();
        times.sort_by(f64::total_cmp);
        let median = times[SAMPLES / 2];
        let spread = (times[SAMPLES - 1] - times[0]) / median * 100.0;
        println!("{name:<32} {median:>10.2} ns  ±{spread:.0} %");
    }
}

fn sample(calls: usize, work: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        work();
    }
    start.elapsed()
}

const SIZES: [usize; 4] = [8, 64, 1024, 65536];

/// Messages that go through a lane together.
const LOT: usize = 64;

const SAMPLE: Duration = Duration::from_millis(4);
const SAMPLES: usize = 15;
