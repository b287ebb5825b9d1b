//! The futures under three executors: tokio and smol, which know nothing of us, and a thread with a
//! `block_on` for each task. Futures are given up at random moments, and still each message arrives
//! exactly once.

mod common;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use common::{Dice, Started, balanced, block_on, everywhere, number, numbered, quiet};
use futures_sink::Sink;
use hubless::{Dealer, Linger, Pull, Push, RecvError, Rep, Req, Router, SendError};
use smol::{future::yield_now, stream::StreamExt};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What runs tasks, each by itself, until all have ended.
struct Executor {
    name: &'static str,
    run: fn(Vec<Task>),
}

const EXECUTORS: [Executor; 3] = [
    Executor {
        name: "tokio",
        run: |tasks| {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(2).build().expect("a runtime");
            runtime.block_on(async {
                let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
                for task in tasks {
                    task.await.expect("a task does not panic");
                }
            });
        },
    },
    Executor {
        name: "smol",
        run: |tasks| {
            smol::block_on(async {
                let tasks: Vec<_> = tasks.into_iter().map(smol::spawn).collect();
                for task in tasks {
                    task.await;
                }
            });
        },
    },
    Executor {
        name: "block_on",
        run: |tasks| {
            let spawn = |task| Started::new(move || block_on(task));
            let threads: Vec<_> = tasks.into_iter().map(spawn).collect();
            for thread in threads {
                thread.join("a task");
            }
        },
    },
];

impl Executor {
    /// Fails if it takes too long: something is lost then, a message or a wake-up.
    fn run(&self, tasks: Vec<Task>) {
        let run = self.run;
        common::within(self.name, move || run(tasks));
    }
}

/// Somebody who changes their mind.
struct Fickle {
    dice: Dice,
    /// Futures given up that had been waiting.
    given_up: u64,
}

impl Fickle {
    fn new(seed: u64) -> Fickle {
        Fickle {
            dice: Dice::new(seed),
            given_up: 0,
        }
    }

    /// Awaits a future, or gives it up: before it was polled, while it waits, or after it was woken
    /// and before it hears of that.
    async fn perhaps<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        match self.dice.roll(8) {
            0 => return None,
            1..=3 => {}
            _ => return Some(future.await),
        }
        let first = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Poll::Ready(None),
        });
        let first = first.await;
        if first.is_none() {
            self.given_up += 1;
            for _ in 0..self.dice.roll(4) {
                yield_now().await;
            }
        }
        first
    }
}

/// How often each number has come.
struct Tally {
    seen: Vec<AtomicU8>,
    sent: AtomicU64,
    total: AtomicU64,
    given_up: AtomicU64,
}

impl Tally {
    fn new(count: u64) -> Tally {
        Tally {
            seen: (0..count).map(|_| AtomicU8::new(0)).collect(),
            sent: AtomicU64::new(0),
            total: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        }
    }

    /// Notes one. True if it was the last.
    fn note(&self, number: u64) -> bool {
        let before = self.seen[number as usize].fetch_add(1, Ordering::SeqCst);
        assert_eq!(before, 0, "{number} has come twice");
        self.total.fetch_add(1, Ordering::SeqCst) + 1 == self.seen.len() as u64
    }

    /// Waits until all that was sent has come, so that the receivers wait, too.
    async fn drained(&self) {
        while self.total.load(Ordering::SeqCst) < self.sent.load(Ordering::SeqCst) {
            yield_now().await;
        }
    }

    fn is_full(&self) -> bool {
        self.seen.iter().all(|it| it.load(Ordering::SeqCst) == 1)
    }
}

/// Three tasks send `count` messages by two sockets, three receive them by one; everybody changes
/// their mind all the time.
fn give_up_at_random(executor: &Executor, at: &str, count: u64) {
    let pull = Pull::builder().recv_hwm(16).build().expect("a PULL");
    let at = pull.bind(at).expect("to bind");
    let push = || {
        let push = Push::builder().send_hwm(16).build().expect("a PUSH");
        push.connect(&at).expect("to connect");
        push
    };
    let (one, other) = (push(), push());
    let tally = Arc::new(Tally::new(count));
    let mut tasks: Vec<Task> = Vec::new();
    for (sender, push) in [&one, &one, &other].into_iter().enumerate() {
        let (push, tally) = (push.clone(), Arc::clone(&tally));
        let mut fickle = Fickle::new(0x5e4d_0000 + sender as u64);
        tasks.push(Box::pin(async move {
            for number in (sender as u64..count).step_by(3) {
                // Given up, it has sent nothing: it is sent again.
                loop {
                    let sent = fickle.perhaps(push.send_async(numbered(number))).await;
                    if sent.transpose().expect("to send").is_some() {
                        break;
                    }
                }
                tally.sent.fetch_add(1, Ordering::SeqCst);
                if fickle.dice.roll(64) == 0 {
                    tally.drained().await;
                }
            }
            tally.given_up.fetch_add(fickle.given_up, Ordering::SeqCst);
        }));
    }
    for receiver in 0..3 {
        let (pull, tally) = (pull.clone(), Arc::clone(&tally));
        let mut fickle = Fickle::new(0x4ec7_0000 + receiver);
        tasks.push(Box::pin(async move {
            loop {
                match fickle.perhaps(pull.recv_async()).await {
                    None => {}
                    Some(Ok(message)) => {
                        let last = tally.note(number(&message[0]));
                        if last {
                            // So the others hear that it is over.
                            pull.close(Duration::ZERO).expect("to close");
                        }
                    }
                    Some(Err(RecvError::Closed)) => break,
                    Some(Err(error)) => panic!("{error}"),
                }
            }
            tally.given_up.fetch_add(fickle.given_up, Ordering::SeqCst);
        }));
    }
    executor.run(tasks);
    let (name, given_up) = (executor.name, tally.given_up.load(Ordering::SeqCst));
    println!("{count} under {name} over {at}: {given_up} given up while they waited");
    assert!(tally.is_full(), "none is lost under {name} over {at}");
    assert!(given_up > count / 200, "{given_up} of {count} given up");
    quiet("a sender", || one.stats());
    quiet("the other sender", || other.stats());
    balanced("the receiver", pull.stats());
}

#[test]
fn of_a_million_messages_none_is_lost_and_none_comes_twice() {
    for executor in &EXECUTORS {
        let places = everywhere();
        let each = 1_000_000_u64.div_ceil((EXECUTORS.len() * places.len()) as u64);
        for at in places {
            give_up_at_random(executor, &at, each);
        }
    }
}

async fn feed<M>(
    sink: &mut (impl Sink<M, Error = SendError> + Unpin),
    message: M,
) -> Result<(), SendError> {
    poll_fn(|context| Pin::new(&mut *sink).poll_ready(context)).await?;
    Pin::new(&mut *sink).start_send(message)
}

async fn flush<M>(sink: &mut (impl Sink<M, Error = SendError> + Unpin)) -> Result<(), SendError> {
    poll_fn(|context| Pin::new(&mut *sink).poll_flush(context)).await
}

/// A DEALER in two halves, a task each, and a ROUTER that sends everything back.
#[test]
fn split_sockets_stream_and_sink_in_tasks_of_their_own() {
    const COUNT: u64 = 1000;
    for executor in &EXECUTORS {
        for at in everywhere() {
            // No marks: a ROUTER refuses what finds no room.
            let router = Router::builder().send_hwm(0).build().expect("a ROUTER");
            let at = router.bind(at.as_str()).expect("to bind");
            let mut tasks: Vec<Task> = vec![Box::pin(async move {
                let (mut to, mut from) = router.split();
                for _ in 0..2 * COUNT {
                    let (who, message) = from.next().await.expect("open").expect("a message");
                    feed(&mut to, (who, message)).await.expect("to send");
                }
            })];
            for _ in 0..2 {
                let dealer = Dealer::builder().send_hwm(10).build().expect("a DEALER");
                dealer.connect(&at).expect("to connect");
                let (mut sink, mut stream) = dealer.split();
                tasks.push(Box::pin(async move {
                    for number in 0..COUNT {
                        feed(&mut sink, numbered(number)).await.expect("to send");
                    }
                    flush(&mut sink).await.expect("to flush");
                }));
                tasks.push(Box::pin(async move {
                    for expected in 0..COUNT {
                        let message = stream.next().await.expect("open").expect("an echo");
                        assert_eq!(number(&message[0]), expected, "in order");
                    }
                }));
            }
            executor.run(tasks);
        }
    }
}

/// Askers that give up every other question never take an answer for another's.
#[test]
fn requests_that_are_given_up_do_not_mix_up_the_answers() {
    for executor in &EXECUTORS {
        for at in everywhere() {
            let rep = Rep::new().expect("a REP");
            let at = rep.bind(at.as_str()).expect("to bind");
            let left = Arc::new(AtomicU64::new(3));
            let mut requests = rep.stream();
            let mut tasks: Vec<Task> = vec![Box::pin(async move {
                while let Some(request) = requests.next().await {
                    let (question, responder) = request.expect("a question");
                    responder.reply(question);
                }
            })];
            for asker in 0..3 {
                let req = Req::builder().linger(Linger::Drop).build().expect("a REQ");
                req.connect(&at).expect("to connect");
                let (rep, left) = (rep.clone(), Arc::clone(&left));
                let mut fickle = Fickle::new(0xa5c3 + asker);
                tasks.push(Box::pin(async move {
                    for round in 0..30 {
                        let question = 1000 * asker + round;
                        let asking = req.request_async(numbered(question));
                        if let Some(answer) = fickle.perhaps(asking).await {
                            assert_eq!(number(&answer.expect("an answer")[0]), question);
                        }
                    }
                    if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                        rep.close(Duration::ZERO).expect("to close");
                    }
                }));
            }
            executor.run(tasks);
        }
    }
}
