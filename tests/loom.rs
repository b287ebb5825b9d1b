//! Every interleaving of the lock-free pieces, by loom.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test --release --test loom` (see `ci/loom`); compiled to
//! nothing otherwise.
#![cfg(loom)]

use hubless::internals::{
    base::sync::{Rank, biased::Biased},
    pipe::writer::Writer,
};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

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
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
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
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
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
