//! The floors: what plain sockets and queues give when no library stands on them.
//!
//! Throughput is ZMTP frames copied through 64 KiB buffers, latency a frame thrown back and
//! forth with blocking calls (`MODE=spin`: with calls that never block), inproc a ring for one
//! sender and one receiver. `drain` and `peers` are raw crowds that also stand before real
//! publishers and servers, so that all of those are measured against the same other side.

use std::{
    io::{ErrorKind, Read, Write},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hubless_peers::{
    Failure, Load, Outcome, Tally, Trips, lacking, mode, print_connections, print_weight,
    raw::{BUFFER, Batch, Counter, Place, Stream, put_frame, put_message},
    resident_kb,
};
use mio::{Events, Interest, Poll, Token};

fn main() -> ExitCode {
    hubless_peers::run(|words| match *words {
        [role, ..] if mode() == "spin" && !["req", "rep"].contains(&role) => {
            lacking("spins in round trips only")
        }
        ["pull" | "router", at, size, count] => pull(&Place::parse(at)?, Load::parse(size, count)?),
        ["push" | "dealer", at, size, count] => push(&Place::parse(at)?, Load::parse(size, count)?),
        ["pub", at, size, count] => publish(&Place::parse(at)?, Load::parse(size, count)?, 1),
        ["pub", at, size, count, subs] => {
            publish(&Place::parse(at)?, Load::parse(size, count)?, subs.parse()?)
        }
        ["sub", at, size, count] => drain(&Place::parse(at)?, Load::parse(size, count)?, 1, 1),
        ["drain", at, size, count, subs, matching] => {
            let (subs, matching) = (subs.parse()?, matching.parse()?);
            drain(
                &Place::parse(at)?,
                Load::parse(size, count)?,
                subs,
                matching,
            )
        }
        ["req", at, size, count] => req(&Place::parse(at)?, Load::parse(size, count)?),
        ["rep", at, size, count] => rep(&Place::parse(at)?, Load::parse(size, count)?),
        ["conn", at, size, count] => conn(&Place::parse(at)?, Load::parse(size, count)?),
        ["inproc-thr", size, count] => inproc_thr(Load::parse(size, count)?),
        ["inproc-lat", size, count] => inproc_lat(Load::parse(size, count)?),
        ["idle", kind, at, count] => idle(kind, &Place::parse(at)?, count.parse()?),
        ["peers", kind, at, count] => peers(kind, &Place::parse(at)?, count.parse()?),
        _ => lacking("no such role"),
    })
}

// ---- throughput

fn push(place: &Place, load: Load) -> Outcome {
    let mut batch = Batch::new(place.connect()?);
    let body = load.body();
    for _ in 0..load.count {
        batch.put(&body)?;
    }
    batch.flush()?;
    Ok(())
}

fn pull(place: &Place, load: Load) -> Outcome {
    let mut stream = place.listen()?.accept()?;
    let mut counter = Counter::new(place.protocol);
    let mut buffer = vec![0; BUFFER];
    let mut received = 0;
    let mut tally = None;
    while received < load.count {
        let octets = stream.read(&mut buffer)?;
        if octets == 0 {
            break;
        }
        received += counter.take(&buffer[..octets]);
        if tally.is_none() && received > 0 {
            tally = Some(Tally::begin(load, load.size)?);
        }
    }
    tally.ok_or("nothing came")?.finish(received);
    Ok(())
}

/// Encodes once and writes the same octets to each that asked for everything.
fn publish(place: &Place, load: Load, subscribers: usize) -> Outcome {
    let listener = place.listen()?;
    let (mut streams, mut others) = (Vec::new(), Vec::new());
    for _ in 0..subscribers {
        let mut stream = listener.accept()?;
        stream.greet(place.protocol, "PUB")?;
        let mut subscription = [0; 2];
        stream.read_exact(&mut subscription)?;
        let mut topic = vec![0; subscription[1].into()];
        stream.read_exact(&mut topic)?;
        match topic.len() {
            1 => streams.push(stream),
            _ => others.push(stream),
        }
    }
    let body = load.body();
    let mut buffer = Vec::with_capacity(BUFFER);
    for index in 1..=load.count {
        put_frame(&mut buffer, 0, &body);
        if buffer.len() + load.size + 9 > BUFFER || index == load.count {
            for stream in &mut streams {
                stream.write_all(&buffer)?;
            }
            buffer.clear();
        }
    }
    Ok(())
}

/// `subs` raw subscribers in one thread, of which `matching` ask for everything and the others for
/// what never comes. Tells deliveries a second, all of them together.
fn drain(place: &Place, load: Load, subs: usize, matching: usize) -> Outcome {
    let mut poll = Poll::new()?;
    let mut streams = Vec::with_capacity(subs);
    for index in 0..subs {
        let mut stream = place.connect()?;
        stream.greet(place.protocol, "SUB")?;
        let topic = match index < matching {
            true => String::new(),
            false => format!("nothing like {index}"),
        };
        stream.subscribe(place.protocol, &topic)?;
        stream.set_nonblocking(true)?;
        watch(&poll, &stream, index)?;
        streams.push((stream, Counter::new(place.protocol)));
    }
    let awaited = Load {
        count: load.count * matching,
        ..load
    };
    let mut buffer = vec![0; BUFFER];
    let mut events = Events::with_capacity(256);
    let (mut received, mut open) = (0, subs);
    let mut tally: Option<Tally> = None;
    let mut last = Instant::now();
    while received < awaited.count && open > 0 {
        poll.poll(
            &mut events,
            Some(if tally.is_none() { PATIENCE } else { SILENCE }),
        )?;
        if events.is_empty() {
            break;
        }
        let before = received;
        for event in &events {
            let (stream, counter) = &mut streams[event.token().0];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => {
                        open -= 1;
                        break;
                    }
                    Ok(octets) => received += counter.take(&buffer[..octets]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                        open -= 1;
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        // The end of a connection may come long after its last message.
        if received > before {
            last = Instant::now();
            if tally.is_none() {
                tally = Some(Tally::begin(awaited, awaited.size)?);
            }
        }
    }
    tally.ok_or("nothing came")?.finish_at(received, last);
    Ok(())
}

fn watch(poll: &Poll, stream: &Stream, index: usize) -> Outcome {
    use std::os::fd::AsRawFd;
    let fd = match stream {
        Stream::Tcp(stream) => stream.as_raw_fd(),
        Stream::Unix(stream) => stream.as_raw_fd(),
    };
    let mut source = mio::unix::SourceFd(&fd);
    poll.registry()
        .register(&mut source, Token(index), Interest::READABLE)?;
    Ok(())
}

// ---- latency and connections

fn rep(place: &Place, load: Load) -> Outcome {
    let listener = place.listen()?;
    if mode() == "conn" {
        return serve_connections(place, &listener, load);
    }
    let mut stream = listener.accept()?;
    let spin = spins(&stream)?;
    let mut frame = Vec::new();
    put_frame(&mut frame, 0, &load.body());
    for _ in 0..load.count {
        take_exact(&mut stream, &mut frame, spin)?;
        stream.write_all(&frame)?;
    }
    println!("answered={}", load.count);
    Ok(())
}

fn req(place: &Place, load: Load) -> Outcome {
    let mut stream = place.connect()?;
    let spin = spins(&stream)?;
    let mut frame = Vec::new();
    put_frame(&mut frame, 0, &load.body());
    let mut trips = Trips::new(load);
    for _ in 0..load.count {
        let start = Instant::now();
        stream.write_all(&frame)?;
        take_exact(&mut stream, &mut frame, spin)?;
        trips.note(start);
    }
    trips.finish();
    Ok(())
}

fn spins(stream: &Stream) -> Result<bool, Failure> {
    let spin = mode() == "spin";
    stream.set_nonblocking(spin)?;
    Ok(spin)
}

fn take_exact(stream: &mut Stream, frame: &mut [u8], spin: bool) -> Outcome {
    match spin {
        true => stream.spin_exact(frame)?,
        false => stream.read_exact(frame)?,
    }
    Ok(())
}

/// Accepts, greets, answers once, waits for the end; one connection after the other.
fn serve_connections(
    place: &Place,
    listener: &hubless_peers::raw::Listener,
    load: Load,
) -> Outcome {
    let mut frame = Vec::new();
    put_frame(&mut frame, 0, &load.body());
    for _ in 0..load.count {
        let mut stream = listener.accept()?;
        stream.greet(place.protocol, "REP")?;
        stream.read_exact(&mut frame)?;
        stream.write_all(&frame)?;
    }
    Ok(())
}

fn conn(place: &Place, load: Load) -> Outcome {
    let mut frame = Vec::new();
    put_frame(&mut frame, 0, &load.body());
    let start = Instant::now();
    for _ in 0..load.count {
        let mut stream = place.connect()?;
        stream.greet(place.protocol, "REQ")?;
        stream.write_all(&frame)?;
        stream.read_exact(&mut frame)?;
    }
    print_connections(load.count, start);
    Ok(())
}

// ---- memory

fn idle(kind: &str, place: &Place, count: usize) -> Outcome {
    let own = match kind {
        "pull" => "PULL",
        "router" => "ROUTER",
        _ => return lacking("the floor has no REP that idles"),
    };
    let listener = place.listen()?;
    let bound_kb = resident_kb()?;
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = listener.accept()?;
        stream.greet(place.protocol, own)?;
        stream.read_exact(&mut [0; 10])?;
        streams.push(stream);
    }
    print_weight(bound_kb, count)
}

/// Raw peers that send one message of eight octets each and stay until the other side ends.
fn peers(kind: &str, place: &Place, count: usize) -> Outcome {
    let own = match kind {
        "pull" => "PUSH",
        "router" => "DEALER",
        _ => return lacking("raw peers are for pull and router"),
    };
    let mut message = Vec::new();
    put_message(&mut message, place.protocol, b"I'm here");
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = place.connect()?;
        stream.greet(place.protocol, own)?;
        stream.write_all(&message)?;
        streams.push(stream);
    }
    for mut stream in streams {
        let mut octets = [0; 64];
        while matches!(stream.read(&mut octets), Ok(1..)) {}
    }
    println!("peers={count}");
    Ok(())
}

// ---- inproc

/// A ring of ready buffers between one sender and one receiver, neither of which ever sleeps.
struct Ring {
    slots: Vec<Vec<AtomicU64>>,
    head: Padded,
    tail: Padded,
}

/// Alone on its cache lines.
#[repr(align(128))]
struct Padded(AtomicUsize);

const RING: usize = 1024;

fn inproc_thr(load: Load) -> Outcome {
    // Words, since a body in atomic octets would cost a store each.
    let words = load.size.div_ceil(8);
    let slot = || (0..words).map(|_| AtomicU64::new(0)).collect();
    let ring = Arc::new(Ring {
        slots: (0..RING).map(|_| slot()).collect(),
        head: Padded(AtomicUsize::new(0)),
        tail: Padded(AtomicUsize::new(0)),
    });
    let sending = Arc::clone(&ring);
    let sender = thread::spawn(move || {
        let body = vec![0x7878_7878_7878_7878_u64; words];
        let mut tail = 0;
        for index in 0..load.count {
            while index - tail >= RING {
                tail = sending.tail.0.load(Ordering::Acquire);
                if index - tail >= RING {
                    thread::yield_now();
                }
            }
            for (to, from) in sending.slots[index % RING].iter().zip(&body) {
                to.store(*from, Ordering::Relaxed);
            }
            sending.head.0.store(index + 1, Ordering::Release);
        }
    });
    let mut tally = None;
    let (mut head, mut sum) = (0, 0);
    for index in 0..load.count {
        while head <= index {
            head = ring.head.0.load(Ordering::Acquire);
            if head <= index {
                thread::yield_now();
            }
        }
        for word in &ring.slots[index % RING] {
            sum |= word.load(Ordering::Relaxed);
        }
        ring.tail.0.store(index + 1, Ordering::Release);
        if index == 0 {
            tally = Some(Tally::begin(load, load.size)?);
        }
    }
    std::hint::black_box(sum);
    tally.ok_or("nothing came")?.finish(load.count);
    sender.join().expect("the sender does not panic");
    Ok(())
}

/// Two threads that wake each other, a body copied each way.
fn inproc_lat(load: Load) -> Outcome {
    let there = Arc::new(Cell::default());
    let back = Arc::new(Cell::default());
    let asker = thread::current();
    let (request, reply) = (Arc::clone(&there), Arc::clone(&back));
    let server = thread::spawn(move || {
        let body = load.body();
        for _ in 0..load.count {
            request.wait();
            std::hint::black_box(body.clone());
            reply.ring(&asker);
        }
    });
    let mut trips = Trips::new(load);
    let body = load.body();
    for _ in 0..load.count {
        let start = Instant::now();
        std::hint::black_box(body.clone());
        there.ring(server.thread());
        back.wait();
        trips.note(start);
    }
    trips.finish();
    server.join().expect("the server does not panic");
    Ok(())
}

#[derive(Default)]
struct Cell(AtomicBool);

impl Cell {
    fn ring(&self, whom: &thread::Thread) {
        self.0.store(true, Ordering::Release);
        whom.unpark();
    }

    fn wait(&self) {
        while !self.0.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

/// How long a subscriber waits for its first message.
const PATIENCE: Duration = Duration::from_secs(30);

/// A subscriber that hears nothing for this long takes the rest for lost.
const SILENCE: Duration = Duration::from_secs(1);
