//! What happens between two steps of a call: a metal that lets the test act at that very moment.

use std::{
    fmt,
    io::{self, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    time::Duration,
};

use hubless::{
    Endpoint, ErrorKind, Message, Reconnect, SocketType, Time,
    internals::{
        base::{
            context_options::{ContextOptions, ThreadOptions},
            options::{Linger, Options},
        },
        core::{Context, Place, Socket, To},
        reactor::{
            Reactor,
            metal::{Acceptor, Address, Metal, Resolved, Selector, SocksTarget, Stream},
        },
        transport::MioMetal,
    },
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A name that was asked for and not answered yet.
struct Lookup {
    host: String,
    done: Resolved,
}

type Act = Box<dyn FnOnce() + Send>;

/// The real metal, but for what the test takes into its own hands.
#[derive(Default)]
struct Stage {
    real: MioMetal,
    lookups: Mutex<Vec<Lookup>>,
    /// To be done when somebody listens, or asks for a random number.
    at_listen: Mutex<Option<Act>>,
    at_random: Mutex<Option<Act>>,
    /// Or looks at the clock.
    at_now: Mutex<Option<Act>>,
}

impl Stage {
    fn act(place: &Mutex<Option<Act>>) {
        let act = place.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
    }

    /// The question about this name, which is there or comes.
    fn lookup(&self, host: &str) -> Lookup {
        let until = self.now() + PATIENCE;
        loop {
            let mut lookups = self.lookups.lock().unwrap();
            if let Some(at) = lookups.iter().position(|it| it.host == host) {
                return lookups.remove(at);
            }
            drop(lookups);
            assert!(self.now() < until, "nobody asked for {host}");
            std::thread::yield_now();
        }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage")
    }
}

impl Metal for Stage {
    fn now(&self) -> Time {
        Stage::act(&self.at_now);
        self.real.now()
    }

    fn random(&self) -> u64 {
        Stage::act(&self.at_random);
        self.real.random()
    }

    fn selector(&self) -> io::Result<Box<dyn Selector>> {
        self.real.selector()
    }

    fn connect(
        &self,
        to: &Address,
        from: Option<&Address>,
        options: &Options,
    ) -> io::Result<Box<dyn Stream>> {
        self.real.connect(to, from, options)
    }

    fn connect_through(
        &self,
        proxy: SocketAddr,
        target: SocksTarget,
        from: Option<&Address>,
        options: &Options,
    ) -> io::Result<Box<dyn Stream>> {
        self.real.connect_through(proxy, target, from, options)
    }

    fn adopt(&self, listener: OwnedFd, options: &Options) -> io::Result<Box<dyn Acceptor>> {
        self.real.adopt(listener, options)
    }

    fn listen(&self, at: &Address, options: &Options) -> io::Result<Box<dyn Acceptor>> {
        let acceptor = self.real.listen(at, options);
        Stage::act(&self.at_listen);
        acceptor
    }

    fn resolve(&self, host: &str, _: u16, _: bool, done: Resolved) {
        let host = host.to_owned();
        self.lookups.lock().unwrap().push(Lookup { host, done });
    }

    fn interface(&self, name: &str) -> Vec<SocketAddr> {
        self.real.interface(name)
    }

    fn run(&self, reactor: Reactor, thread: &ThreadOptions) -> io::Result<()> {
        self.real.run(reactor, thread)
    }
}

fn stage() -> (Arc<Stage>, Arc<Context>) {
    let stage = Arc::new(Stage::default());
    let metal: Arc<dyn Metal> = stage.clone();
    (stage, Context::new(metal, ContextOptions::default()))
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

/// Somebody who listens, and does not wait in `accept`; and where.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// Waits until a socket has closed.
fn closed(socket: &Socket) {
    let until = socket.context().metal().now() + PATIENCE;
    let mut place = Place::default();
    socket
        .block_on(Some(until), false, |waker| {
            socket.poll_closed(&mut place, waker)
        })
        .expect("closes");
}

#[test]
fn an_answer_of_the_resolver_is_for_whoever_has_asked() {
    let (stage, context) = stage();
    let push = Socket::new(&context, SocketType::Push, Options::default()).unwrap();
    let (wrong, wrong_at) = listener();
    let (right, right_at) = listener();
    let first = endpoint("tcp://first.example:7");
    push.connect(&first).unwrap();
    let late = stage.lookup("first.example");
    push.disconnect(&first).unwrap();
    // It takes the place of the first one, and has asked as often.
    push.connect(&endpoint("tcp://second.example:7")).unwrap();
    let second = stage.lookup("second.example");
    (late.done)(Ok(vec![wrong_at]));
    (second.done)(Ok(vec![right_at]));
    let until = stage.now() + PATIENCE;
    loop {
        let came = |to: &TcpListener| to.accept().is_ok();
        assert!(!came(&wrong), "the answer was for another");
        if came(&right) {
            break;
        }
        assert!(stage.now() < until, "nobody came");
        std::thread::yield_now();
    }
    push.close(Linger::Drop);
    closed(&push);
}

#[test]
fn an_answer_of_the_resolver_that_comes_late_disturbs_nobody() {
    let (stage, context) = stage();
    let push = Socket::new(&context, SocketType::Push, Options::default()).unwrap();
    let asked = endpoint("tcp://asked.example:7");
    push.connect(&asked).unwrap();
    let late = stage.lookup("asked.example");
    push.disconnect(&asked).unwrap();
    // A listener takes the place of the dialer that has asked.
    let at = push.bind(&endpoint("tcp://127.0.0.1:*")).unwrap();
    (late.done)(Ok(vec!["127.0.0.1:1".parse().unwrap()]));
    let at = at.to_string();
    let mut peer = TcpStream::connect(at.strip_prefix("tcp://").unwrap()).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut first = [0];
    peer.read_exact(&mut first).expect("somebody is there");
    assert_eq!(first, [0xff]);
    push.close(Linger::Drop);
    closed(&push);
}

/// A socket that cannot deliver what it was given, and takes until the end of its linger.
fn busy(context: &Arc<Context>, options: Options) -> Arc<Socket> {
    let never = Duration::from_secs(3600);
    let (listener, at) = listener();
    drop(listener);
    let reconnect = Reconnect::Backoff {
        min: never,
        max: never,
    };
    let options = Options {
        reconnect,
        ..options
    };
    let push = Socket::new(context, SocketType::Push, options).unwrap();
    push.connect(&Endpoint::from(at)).unwrap();
    push.try_send(To::Anyone, Message::from("for nobody"))
        .unwrap();
    push
}

#[test]
fn who_binds_while_the_socket_closes_is_refused_and_keeps_nothing_open() {
    for linger in [Linger::Drop, Linger::For(Duration::from_millis(50))] {
        let (stage, context) = stage();
        let push = busy(&context, Options::default());
        let (free, at) = listener();
        drop(free);
        let closing = Arc::clone(&push);
        *stage.at_listen.lock().unwrap() = Some(Box::new(move || closing.close(linger)));
        let bound = push.bind(&Endpoint::from(at)).map_err(|error| error.kind());
        assert_eq!(bound, Err(ErrorKind::Closed), "{linger:?}");
        closed(&push);
        TcpListener::bind(at).expect("the address is free");
    }
}

#[test]
fn who_connects_while_the_socket_closes_is_refused_and_keeps_nothing_open() {
    for linger in [Linger::Drop, Linger::For(Duration::from_millis(50))] {
        for immediate in [false, true] {
            let (stage, context) = stage();
            let timed = Options {
                time_one_in: 1,
                ..Options::default()
            };
            let push = busy(&context, timed);
            push.change(|options| {
                options.immediate = immediate;
                Ok(())
            })
            .unwrap();
            let closing = Arc::clone(&push);
            *stage.at_random.lock().unwrap() = Some(Box::new(move || closing.close(linger)));
            let (_listener, at) = listener();
            let connected = push.connect(&Endpoint::from(at));
            let connected = connected.map(|_| ()).map_err(|error| error.kind());
            assert_eq!(connected, Err(ErrorKind::Closed), "{linger:?}");
            closed(&push);
        }
    }
}

#[test]
fn who_connects_to_a_name_while_its_owner_closes_is_for_the_next_owner() {
    let (stage, context) = stage();
    let at = endpoint("inproc://handed-on");
    let [push, first, second] = [SocketType::Push, SocketType::Pull, SocketType::Pull]
        .map(|kind| Socket::new(&context, kind, Options::default()).unwrap());
    first.bind(&at).unwrap();
    // The name was found; the next thing is to come in.
    let closing = Arc::clone(&first);
    *stage.at_now.lock().unwrap() = Some(Box::new(move || closing.close(Linger::Drop)));
    push.connect(&at).unwrap();
    assert!(!first.is_open(), "it closed at that moment");
    push.try_send(To::Anyone, Message::from("for the next"))
        .unwrap();
    second.bind(&at).unwrap();
    let received = second.try_recv().expect("it").message;
    assert_eq!(received, Message::from("for the next"));
}
