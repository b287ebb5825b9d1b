//! What the tests of behaviour share: limits on every wait, endpoints, dice, and peers by hand.

// Each test file is a program of its own and uses some of this, not all.
#![allow(dead_code)]

pub mod process;
pub mod raw;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use hubless::{LaneStats, Message, PeerState, Pull, Push, Reconnect, SocketStats};

/// The limit of waits that should end soon: generous, because machines are busy.
pub const SOON: Duration = Duration::from_secs(30);

/// How long we look for what must not happen.
pub const MOMENT: Duration = Duration::from_millis(50);

/// Tries to connect again at once, so that tests need not wait.
pub const AT_ONCE: Reconnect = Reconnect::Backoff {
    min: Duration::from_millis(1),
    max: Duration::from_millis(20),
};

/// Endpoints to bind, one of each transport.
pub fn everywhere() -> Vec<String> {
    let abstract_name = format!("ipc://@hubless-{}-{}", std::process::id(), unique());
    vec![
        "tcp://127.0.0.1:0".into(),
        "ipc://*".into(),
        abstract_name,
        inproc(),
    ]
}

/// An inproc name that nobody else uses.
pub fn inproc() -> String {
    format!("inproc://test-{}", unique())
}

/// A number that no other test of this process gets.
pub fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A TCP port that was free a moment ago, as an endpoint. For those who connect first.
pub fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("tcp://{}", listener.local_addr().expect("its address"))
}

/// A fresh path for a Unix-domain socket.
pub fn fresh_path() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("hubless-{}-{}", std::process::id(), unique()))
}

/// A PUSH and the PULL it is joined to.
pub fn pipeline(at: &str) -> (Push, Pull) {
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind(at).expect("to bind");
    let push = Push::new().expect("a PUSH");
    let connection = push.connect(&at).expect("to connect");
    connection.wait_ready(SOON).expect("a handshake");
    (push, pull)
}

/// Runs `work` in a thread of its own and fails if it takes longer than [`SOON`].
pub fn within<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    Started::new(work).join(what)
}

/// Work in another thread, whose end can be waited for with a limit.
pub struct Started<T> {
    done: mpsc::Receiver<T>,
    thread: thread::JoinHandle<()>,
}

impl<T: Send + 'static> Started<T> {
    pub fn new(work: impl FnOnce() -> T + Send + 'static) -> Started<T> {
        let (tell, done) = mpsc::channel();
        let thread = thread::spawn(move || {
            // Whoever does not wait for us has failed already.
            let _ = tell.send(work());
        });
        Started { done, thread }
    }

    /// Has it ended?
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// What it gave.
    pub fn join(self, what: &str) -> T {
        match self.done.recv_timeout(SOON) {
            Ok(value) => value,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: not done after {SOON:?}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let panic = self.thread.join().expect_err("no answer, so it panicked");
                std::panic::resume_unwind(panic)
            }
        }
    }
}

/// Waits for what no call waits for, such as a counter: looks every millisecond.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "{what}: not after {SOON:?}");
        thread::sleep(Duration::from_millis(1)); // tidy: owned time
    }
}

/// Waits until every lane of a socket balances and has nothing queued to send.
pub fn quiet(what: &str, stats: impl Fn() -> SocketStats) {
    let start = Instant::now();
    while stats().sent.queued > 0 {
        let seen = stats();
        assert!(start.elapsed() < SOON, "{what}: still {seen:?}");
        thread::sleep(Duration::from_millis(1)); // tidy: owned time
    }
    balanced(what, stats());
}

/// Both directions balance.
pub fn balanced(what: &str, stats: SocketStats) {
    let SocketStats { sent, received, .. } = stats;
    assert!(sent.balances(), "{what}, sent: {sent:?}");
    assert!(received.balances(), "{what}, received: {received:?}");
}

/// Every lane of every peer balances, one by one.
pub fn each_balances(what: &str, peers: &[PeerState]) {
    for peer in peers {
        let lanes: [LaneStats; 2] = [peer.sent, peer.received];
        for lane in lanes {
            assert!(lane.balances(), "{what}: {lane:?} of {peer:?}");
        }
    }
}

/// A message that says a number.
pub fn numbered(number: u64) -> Message {
    Message::from(number.to_string())
}

/// The number that a message's frame says.
pub fn number(frame: &[u8]) -> u64 {
    let text = std::str::from_utf8(frame).expect("a number as text");
    text.parse().expect("a number")
}

/// Dice that a seed replays: Marsaglia's xorshift with 64 bits.
pub struct Dice(u64);

impl Dice {
    /// The seed is printed, so that a failure can be replayed.
    pub fn new(seed: u64) -> Dice {
        println!("seed {seed:#x}");
        Dice(seed | 1)
    }

    /// Evenly, 0 to `below` − 1.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The plainest executor: one future, one thread. Fails if it takes longer than [`SOON`].
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let start = Instant::now();
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        assert!(
            start.elapsed() < SOON,
            "a future is not ready after {SOON:?}"
        );
        thread::park_timeout(SOON);
    }
}

/// Polls a future once.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
