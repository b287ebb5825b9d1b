//! Who drives, and when messages leave: on a metal whose clock stands still, and whose reactor
//! nobody turns but the test.

mod raw;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use hubless::{
    Endpoint, Message, SocketType, Time,
    internals::{
        base::{
            context_options::{ContextOptions, ThreadOptions},
            options::Options,
            tuning,
        },
        core::{Context, Place, Socket, To},
        reactor::{
            Reactor,
            metal::{Acceptor, Address, Metal, Resolved, Selector, Stream},
        },
        transport::MioMetal,
    },
};
use raw::{Peer, frame};

/// The real network, under a clock that the test moves.
#[derive(Clone)]
struct Still(Arc<Inner>);

struct Inner {
    mio: MioMetal,
    nanos: AtomicU64,
    reactor: Mutex<Option<Reactor>>,
}

impl Still {
    fn new() -> Still {
        Still(Arc::new(Inner {
            mio: MioMetal::new(),
            nanos: AtomicU64::new(0),
            reactor: Mutex::new(None),
        }))
    }

    /// A socket on it, bound.
    fn bound(&self, socket_type: SocketType, options: Options) -> (Arc<Socket>, Endpoint) {
        let context = Context::new(Arc::new(self.clone()), ContextOptions::default());
        let socket = Socket::new(&context, socket_type, options).expect("a socket");
        let endpoint = "tcp://127.0.0.1:0".parse().expect("an endpoint");
        let at = socket.bind(&endpoint).expect("to bind");
        (socket, at)
    }

    /// Time passes, in some steps, and the reactor has a turn after each.
    fn pass(&self, time: Duration) {
        let mut reactor = self.0.reactor.lock().expect("no panic");
        let reactor = reactor.as_mut().expect("bound");
        for _ in 0..4 {
            let step = u64::try_from(time.as_nanos() / 4).expect("short");
            self.0.nanos.fetch_add(step, Ordering::Relaxed);
            reactor.turn(Some(Duration::ZERO));
        }
    }
}

impl fmt::Debug for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Still")
    }
}

impl Metal for Still {
    fn now(&self) -> Time {
        Time::from_nanos(self.0.nanos.load(Ordering::Relaxed))
    }

    fn random(&self) -> u64 {
        self.0.mio.random()
    }

    fn selector(&self) -> io::Result<Box<dyn Selector>> {
        self.0.mio.selector()
    }

    fn connect(
        &self,
        to: &Address,
        from: Option<&Address>,
        options: &Options,
    ) -> io::Result<Box<dyn Stream>> {
        self.0.mio.connect(to, from, options)
    }

    fn listen(&self, at: &Address, options: &Options) -> io::Result<Box<dyn Acceptor>> {
        self.0.mio.listen(at, options)
    }

    fn resolve(&self, host: &str, port: u16, ipv6: bool, done: Resolved) {
        self.0.mio.resolve(host, port, ipv6, done);
    }

    fn interface(&self, name: &str) -> Vec<SocketAddr> {
        self.0.mio.interface(name)
    }

    fn run(&self, reactor: Reactor, _: &ThreadOptions) -> io::Result<()> {
        *self.0.reactor.lock().expect("no panic") = Some(reactor);
        Ok(())
    }
}

/// Connects peers made by hand, each in a thread of its own: the caller drives.
fn connect(socket: &Socket, at: &Endpoint, theirs: &'static str, peers: usize) -> Vec<Peer> {
    let ours = socket.socket_type();
    let connecting: Vec<_> = (0..peers)
        .map(|_| {
            let at = at.clone();
            thread::spawn(move || Peer::ready(&at, ours, theirs))
        })
        .collect();
    let mut place = Place::default();
    let all = socket.block_on(None, false, |waker| {
        socket.poll_peers(&mut place, waker, |ready, _| ready == peers)
    });
    all.expect("no limit").expect("open");
    let joined = connecting.into_iter().map(|peer| peer.join());
    joined.map(|peer| peer.expect("a handshake")).collect()
}

fn send(socket: &Socket, body: &[u8]) {
    let sent = socket.try_send(To::Anyone, Message::from(body));
    sent.expect("room");
}

/// Long enough for what lies to be written out, if the reactor has been asked to.
const A_WHILE: Duration = Duration::from_millis(4);

/// What is looked for in vain: the octets would come from this very machine.
const AT_ONCE: Duration = Duration::from_millis(50);

#[test]
fn a_message_leaves_at_once_or_with_the_next_sweep_and_needs_no_other() {
    let metal = Still::new();
    let (push, at) = metal.bound(SocketType::Push, Options::default());
    let mut peer = connect(&push, &at, "PULL", 1).remove(0);

    send(&push, b"has waited");
    peer.expect(&frame(0, b"has waited"));

    send(&push, b"one");
    send(&push, b"of many");
    assert!(peer.hears_nothing_for(AT_ONCE), "they wait for more");
    metal.pass(A_WHILE);
    peer.expect(&frame(0, b"one"));
    peer.expect(&frame(0, b"of many"));

    metal.pass(A_WHILE);
    send(&push, b"after a pause");
    peer.expect(&frame(0, b"after a pause"));

    send(&push, b"lies");
    let large = vec![7; tuning::FLUSH_OCTETS];
    send(&push, &large);
    peer.expect(&frame(0, b"lies"));
    peer.expect(&frame(2, &large));

    send(&push, b"before a wait");
    assert!(peer.hears_nothing_for(AT_ONCE), "it waits for more");
    let limit = metal.now();
    let waited = push.block_on(Some(limit), false, |_| Poll::<()>::Pending);
    waited.expect_err("nothing was waited for");
    peer.expect(&frame(0, b"before a wait"));
    push.close(hubless::Linger::Drop);
    metal.pass(A_WHILE);
}

#[test]
fn who_waits_for_one_socket_writes_out_what_it_has_left_in_another() {
    let (metal, elsewhere) = (Still::new(), Still::new());
    let (push, at) = metal.bound(SocketType::Push, Options::default());
    let mut peer = connect(&push, &at, "PULL", 1).remove(0);
    let (pull, at) = elsewhere.bound(SocketType::Pull, Options::default());
    let mut other = connect(&pull, &at, "PUSH", 1).remove(0);
    let readable = || pull.readiness().0;
    send(&push, b"has waited");
    peer.expect(&frame(0, b"has waited"));

    send(&push, b"left before a wait");
    assert!(peer.hears_nothing_for(AT_ONCE), "it waits for more");
    let limit = elsewhere.now();
    let waited = pull.block_on(Some(limit), true, |_| Poll::<()>::Pending);
    waited.expect_err("nothing was waited for");
    peer.expect(&frame(0, b"left before a wait"));

    // The other one answers at once, and nobody drives.
    other.say(&frame(0, b"an answer"));
    assert!(!readable());
    assert!(pull.drive_after_others(), "something was written out");
    assert!(readable());

    send(&push, b"left before a look");
    assert!(peer.hears_nothing_for(AT_ONCE), "it waits for more");
    assert!(pull.drive_after_others());
    peer.expect(&frame(0, b"left before a look"));
    assert!(!pull.drive_after_others(), "nothing has been left since");

    for socket in [push, pull] {
        socket.close(hubless::Linger::Drop);
    }
    metal.pass(A_WHILE);
    elsewhere.pass(A_WHILE);
}

#[test]
fn one_that_floods_does_not_keep_out_another_while_nobody_waits() {
    let metal = Still::new();
    let options = Options {
        recv_hwm: 10,
        ..Options::default()
    };
    let (pull, at) = metal.bound(SocketType::Pull, options);
    let mut peers = connect(&pull, &at, "PUSH", 2);
    let (mut quiet, mut floods) = (peers.remove(0), peers.remove(0));
    let flood = frame(0, b"f").repeat(1000);
    let octets = floods.say_until_stuck(&flood, FLOOD * flood.len() / 1000);
    let messages = octets / frame(0, b"f").len();
    assert!(
        messages > 10 * SOON_ENOUGH,
        "{messages} fit into the kernel"
    );

    let receive = || {
        let mut place = Place::default();
        let received = pull.block_on(None, true, |waker| pull.poll_recv(&mut place, waker));
        let message = received.expect("no limit").expect("open").message;
        message[0].to_vec()
    };
    for _ in 0..100 {
        assert_eq!(receive(), b"f");
    }
    quiet.say(&frame(0, b"q"));
    let before = (0..messages - 100).take_while(|_| receive() == b"f");
    let before = before.count();
    assert!(before < SOON_ENOUGH, "after {before} others");
    let mut place = Place::default();
    pull.close(hubless::Linger::Drop);
    while pull.poll_closed(&mut place, Waker::noop()).is_pending() {
        metal.pass(A_WHILE);
    }
}

/// Messages of the flood, if the kernel takes as many.
const FLOOD: usize = 500_000;

/// What may come before: some turns of a peer that floods.
const SOON_ENOUGH: usize = 20_000;
