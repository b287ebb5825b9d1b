//! Every interleaving of the lock-free pieces, by loom.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test --release --test loom` (see `ci/loom`); compiled to
//! nothing otherwise.
#![cfg(loom)]

#[path = "loom/kernel.rs"]
mod kernel;
#[path = "../capi/src/raised.rs"]
mod raised;
#[path = "loom/sockets.rs"]
mod sockets;

use std::{sync::Arc as StdArc, task::Waker};

use hubless::internals::{
    base::sync::{
        Rank,
        biased::Biased,
        park::{Alarm, Parker},
    },
    core::{Place, Waiters},
    pipe::{Draft, Lane, Store, Window, writer::Writer},
};
use loom::{
    sync::{
        Arc, Condvar, Mutex, Notify,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use raised::Raised;

fn model(walk: impl Fn() + Sync + Send + 'static) {
    model_of(3, walk);
}

/// Walks all ways in which threads are interrupted so many times at most.
fn model_of(preemptions: usize, walk: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.max_branches = 5_000;
    model.check(walk);
}

/// A connection reduced to numbers: what is queued, what the stream takes, what was written.
struct Connection {
    writer: Writer,
    queued: AtomicUsize,
    room: AtomicUsize,
    written: AtomicUsize,
    at_work: AtomicUsize,
}

impl Connection {
    fn new(room: usize) -> Arc<Connection> {
        Arc::new(Connection {
            writer: Writer::blocked(),
            queued: AtomicUsize::new(0),
            room: AtomicUsize::new(room),
            written: AtomicUsize::new(0),
            at_work: AtomicUsize::new(0),
        })
    }

    /// A sender: appends, then sees to it that it is written.
    fn send(&self) {
        self.queued.fetch_add(1, Ordering::SeqCst);
        if self.writer.begin() {
            self.write();
        }
    }

    /// The kernel: takes more, and tells so once.
    fn edge(&self, room: usize) {
        self.room.fetch_add(room, Ordering::SeqCst);
        if self.writer.writable() {
            self.write();
        }
    }

    fn write(&self) {
        loop {
            assert_eq!(
                self.at_work.fetch_add(1, Ordering::SeqCst),
                0,
                "one writer at a time"
            );
            let mut full = false;
            while !full && take_one(&self.queued) {
                full = !take_one(&self.room);
                if full {
                    self.queued.fetch_add(1, Ordering::SeqCst);
                } else {
                    self.written.fetch_add(1, Ordering::SeqCst);
                }
            }
            self.at_work.fetch_sub(1, Ordering::SeqCst);
            let again = if full {
                self.writer.block()
            } else {
                self.writer.finish()
            };
            if !again {
                return;
            }
        }
    }
}

fn take_one(count: &AtomicUsize) -> bool {
    let taken = count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    taken.is_ok()
}

fn check(room: usize, edge: usize) {
    model(move || {
        let connection = Connection::new(room);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let connection = Arc::clone(&connection);
                thread::spawn(move || connection.send())
            })
            .collect();
        connection.edge(edge);
        for other in others {
            other.join().expect("a sender");
        }
        let written = connection.written.load(Ordering::SeqCst);
        assert_eq!(
            written,
            2.min(room + edge),
            "what fits is written, whoever came when"
        );
    });
}

#[test]
fn nothing_is_left_lying_when_the_stream_opens() {
    check(0, 2);
}

#[test]
fn a_full_stream_keeps_the_rest_for_the_next_edge() {
    check(0, 1);
}

#[test]
fn an_edge_while_someone_writes_is_not_lost() {
    check(1, 1);
}

/// Three threads, each of which acquires the habit at once and loses it to the next: nobody is
/// ever inside with another, and each sees what the one before it did.
#[test]
fn a_biased_lock_lets_in_one_at_a_time() {
    model(|| {
        let lock = Arc::new(Biased::new(Rank::Socket, loom::cell::Cell::new(0)));
        let threads = [2, 1].map(|times| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || {
                for _ in 0..times {
                    let guard = lock.lock();
                    guard.set(guard.get() + 1);
                }
            })
        });
        for _ in 0..2 {
            let guard = lock.lock();
            guard.set(guard.get() + 1);
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(lock.lock().get(), 5);
    });
}

/// Two threads leave something behind and wake a third, which sleeps until it has seen both. What
/// they leave is seen by the wake alone: no lock helps.
#[test]
fn who_sleeps_sees_all_that_it_was_woken_for() {
    model(|| {
        let (parker, waker) = Parker::new();
        let left = Arc::new(AtomicUsize::new(0));
        let others = [(); 2].map(|()| {
            let (left, waker) = (Arc::clone(&left), waker.clone());
            thread::spawn(move || {
                left.fetch_add(1, Ordering::Relaxed);
                waker.wake();
            })
        });
        while left.load(Ordering::Relaxed) < 2 {
            parker.park(None);
        }
        for other in others {
            other.join().unwrap();
        }
    });
}

/// The bell of somebody else's poll.
struct Bell(Notify);

impl Alarm for Bell {
    fn ring(&self) {
        self.0.notify();
    }
}

/// The same of a thread that polls instead: a wake during the poll rings its bell.
#[test]
fn who_polls_sees_all_that_it_was_woken_for() {
    model(|| {
        let (parker, waker) = Parker::new();
        let bell = StdArc::new(Bell(Notify::new()));
        let alarm: StdArc<dyn Alarm> = StdArc::clone(&bell) as _;
        let left = Arc::new(AtomicUsize::new(0));
        let others = [(); 2].map(|()| {
            let (left, waker) = (Arc::clone(&left), waker.clone());
            thread::spawn(move || {
                left.fetch_add(1, Ordering::Relaxed);
                waker.wake();
            })
        });
        while left.load(Ordering::Relaxed) < 2 {
            if parker.begin_poll(&alarm) {
                bell.0.wait();
                parker.end_poll();
            }
        }
        for other in others {
            other.join().unwrap();
        }
    });
}

/// A queue and the line of those who wait for it, as under a socket's lock.
#[derive(Default)]
struct Queue {
    messages: usize,
    line: Waiters,
}

/// Takes a message, waiting for it.
fn take(queue: &Mutex<Queue>) {
    let (parker, waker) = Parker::new();
    let mut place = Place::default();
    loop {
        let mut inside = queue.lock().unwrap();
        if inside.messages > 0 {
            inside.messages -= 1;
            inside.line.leave(&mut place);
            return;
        }
        inside.line.enter(&mut place, &waker);
        drop(inside);
        parker.park(None);
    }
}

/// Begins to wait, and gives up: what it was woken for is somebody else's.
fn give_up(queue: &Mutex<Queue>) {
    let (_parker, waker) = Parker::new();
    let mut place = Place::default();
    queue.lock().unwrap().line.enter(&mut place, &waker);
    let mut inside = queue.lock().unwrap();
    let next = match inside.line.leave(&mut place) {
        true => inside.line.pop(),
        false => None,
    };
    drop(inside);
    next.inspect(Waker::wake_by_ref);
}

/// One message, one who waits for it, and one who goes away, perhaps after it was woken: the other
/// one hears of it in any case.
#[test]
fn a_waiter_that_goes_away_passes_its_wake_on() {
    model(|| {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let fickle = thread::spawn({
            let queue = Arc::clone(&queue);
            move || give_up(&queue)
        });
        let sender = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                let mut inside = queue.lock().unwrap();
                inside.messages += 1;
                let first = inside.line.pop();
                drop(inside);
                first.inspect(Waker::wake_by_ref);
            }
        });
        take(&queue);
        sender.join().unwrap();
        fickle.join().unwrap();
    });
}

/// An inproc sender, under its socket's lock: says so if the reader is to be rung.
fn send_inproc(draft: &Mutex<Draft>, rung: &AtomicUsize) {
    let mut draft = draft.lock().unwrap();
    let accepted = draft.push(&[], &"m".into()).expect("room");
    rung.fetch_add(usize::from(accepted.ring_reader), Ordering::SeqCst);
}

/// A sender keeps its second message back while the reader has the first. Who reads on until there
/// is nothing either finds that, and fetches it, or is rung for it.
#[test]
fn what_a_sender_holds_back_is_fetched_or_rung_for() {
    model(|| {
        let lane = StdArc::new(Lane::new(Store::Messages, 0, false));
        let mut window = Window::new(StdArc::clone(&lane));
        let draft = Arc::new(Mutex::new(Draft::new(lane)));
        let rung = Arc::new(AtomicUsize::new(0));
        send_inproc(&draft, &rung);
        assert_eq!(
            rung.swap(0, Ordering::SeqCst),
            1,
            "the first ends a drought"
        );
        let sender = thread::spawn({
            let (draft, rung) = (Arc::clone(&draft), Arc::clone(&rung));
            move || {
                send_inproc(&draft, &rung);
                send_inproc(&draft, &rung);
            }
        });
        let mut read = 0;
        loop {
            match window.pop() {
                (Some(_), _) => read += 1,
                (None, _) if window.is_held_back() => {
                    if draft.lock().unwrap().publish() {
                        rung.fetch_add(1, Ordering::SeqCst);
                    }
                }
                (None, _) => break,
            }
        }
        sender.join().unwrap();
        let rings = rung.load(Ordering::SeqCst);
        assert!(read == 3 || rings > 0, "asleep with {} to read", 3 - read);
        while window.pop().0.is_some() {
            read += 1;
        }
        if window.is_held_back() {
            draft.lock().unwrap().publish();
            while window.pop().0.is_some() {
                read += 1;
            }
        }
        assert_eq!(read, 3, "nothing lost");
    });
}

/// Who takes turns finds out along with a message that there is none behind it, and does not look
/// again: it is rung for the next one, or fetches what was held back.
#[test]
fn who_takes_turns_is_rung_for_what_comes_after_its_message() {
    model(|| {
        let lane = StdArc::new(Lane::new(Store::Messages, 0, false));
        let mut window = Window::new(StdArc::clone(&lane));
        let draft = Arc::new(Mutex::new(Draft::new(lane)));
        let rung = Arc::new(AtomicUsize::new(0));
        send_inproc(&draft, &rung);
        assert_eq!(rung.swap(0, Ordering::SeqCst), 1);
        let sender = thread::spawn({
            let (draft, rung) = (Arc::clone(&draft), Arc::clone(&rung));
            move || {
                send_inproc(&draft, &rung);
                send_inproc(&draft, &rung);
            }
        });
        let mut read = 0;
        let mut read_on = |read: &mut i32| loop {
            let (message, _, dry) = window.pop_in_turn();
            *read += i32::from(message.is_some());
            if dry && !window.is_held_back() {
                break;
            }
            if dry && draft.lock().unwrap().publish() {
                rung.fetch_add(1, Ordering::SeqCst);
            }
        };
        read_on(&mut read);
        sender.join().unwrap();
        let rings = rung.load(Ordering::SeqCst);
        assert!(read == 3 || rings > 0, "asleep with {} to read", 3 - read);
        while read < 3 {
            read_on(&mut read);
        }
        assert_eq!(read, 3, "nothing lost");
    });
}

/// A signal of the C library: a descriptor, by the octets that wait there.
struct Shown {
    raised: Raised,
    octets: Mutex<usize>,
    written: Condvar,
}

impl Shown {
    fn new() -> Arc<Shown> {
        Arc::new(Shown {
            raised: Raised::new(),
            octets: Mutex::new(0),
            written: Condvar::new(),
        })
    }

    fn raise(&self) {
        self.raised.raise(|| {
            *self.octets.lock().unwrap() += 1;
            self.written.notify_all();
        });
    }

    fn lower(&self) {
        self.raised.lower(|| {
            let mut octets = self.octets.lock().unwrap();
            *octets = octets.saturating_sub(1);
        });
    }

    fn wait(&self) {
        let mut octets = self.octets.lock().unwrap();
        while *octets == 0 {
            octets = self.written.wait(octets).unwrap();
        }
    }
}

/// Two do something and raise a signal, and who waits for that lowers it and looks: it sees both,
/// by the signal alone, and nothing is left to read in the end.
#[test]
fn a_raised_signal_is_seen_and_can_be_lowered() {
    model(|| {
        let signal = Shown::new();
        let done = Arc::new(AtomicUsize::new(0));
        let others = [(); 2].map(|()| {
            let (signal, done) = (Arc::clone(&signal), Arc::clone(&done));
            thread::spawn(move || {
                done.fetch_add(1, Ordering::Relaxed);
                signal.raise();
            })
        });
        loop {
            signal.lower();
            if done.load(Ordering::Relaxed) == 2 {
                break;
            }
            signal.wait();
            // It may be readable a moment before it can be lowered.
            thread::yield_now();
        }
        for other in others {
            other.join().unwrap();
        }
        signal.lower();
        assert_eq!(*signal.octets.lock().unwrap(), 0, "readable for ever");
    });
}

/// Two lower a signal while it is raised again: either one of them sees why, or it stays raised.
#[test]
fn a_raised_signal_is_not_lowered_unseen_by_two() {
    model(|| {
        let signal = Shown::new();
        let done = Arc::new(AtomicUsize::new(0));
        signal.raise();
        let look = |signal: &Shown, done: &AtomicUsize| {
            signal.lower();
            done.load(Ordering::Relaxed)
        };
        let other = thread::spawn({
            let (signal, done) = (Arc::clone(&signal), Arc::clone(&done));
            move || look(&signal, &done)
        });
        let raiser = thread::spawn({
            let (signal, done) = (Arc::clone(&signal), Arc::clone(&done));
            move || {
                done.store(1, Ordering::Relaxed);
                signal.raise();
            }
        });
        let mine = look(&signal, &done);
        let theirs = other.join().unwrap();
        raiser.join().unwrap();
        let octets = *signal.octets.lock().unwrap();
        assert!(mine + theirs > 0 || octets == 1, "nobody hears of it");
        signal.lower();
        assert_eq!(*signal.octets.lock().unwrap(), 0, "readable for ever");
    });
}
