//! A socket under attack, and a good peer that goes on exchanging messages with it.
//!
//! ```text
//!    bad peers, by hand ──►  the socket  ◄──► the good peer
//!                               │
//!                            monitor: how each bad peer ends; that the good one never does
//! ```

use std::time::{Duration, Instant};

use hubless::{
    Builder, Dealer, Endpoint, EventKind, Message, Monitor, Pair, Pub, Pull, Push, Rep, Req,
    Router, SocketStats, Sub, XPub, XSub,
};

use super::{Peer, SOON};

/// A socket type, and how it and a good peer prove to each other that they are well.
pub trait Attacked: Sized {
    /// What the good peer is.
    type Good;

    fn bind(&self, at: &str) -> Endpoint;
    fn connect(&self, at: &str);
    fn monitor(&self) -> Monitor;

    /// Its counters, and how many peers it has.
    fn state(&self) -> (SocketStats, usize);

    fn build(builder: Builder<Self>) -> Self;

    /// A good peer, connected and ready.
    fn good(&self, at: &Endpoint) -> Self::Good;

    /// Exchanges the message `mark`. What others have sent is put into `others`.
    fn exchange(&self, good: &Self::Good, mark: &str, others: &mut Vec<Message>);
}

/// The stand itself.
pub struct Stand<S: Attacked> {
    pub socket: S,
    pub at: Endpoint,
    pub events: Monitor,
    pub others: Vec<Message>,
    pub good: S::Good,
    exchanged: u64,
}

impl<S: Attacked> Stand<S> {
    pub fn new(builder: Builder<S>) -> Stand<S> {
        Stand::at("tcp://127.0.0.1:0", builder)
    }

    /// A stand bound there.
    pub fn at(endpoint: &str, builder: Builder<S>) -> Stand<S> {
        let socket = S::build(builder);
        let events = socket.monitor();
        let at = socket.bind(endpoint);
        let good = socket.good(&at);
        let mut stand = Stand {
            socket,
            at,
            events,
            others: Vec::new(),
            good,
            exchanged: 0,
        };
        stand.exchange();
        stand
    }

    /// The good peer is as well as ever.
    pub fn exchange(&mut self) {
        self.exchanged += 1;
        let mark = format!("good {}", self.exchanged);
        self.socket.exchange(&self.good, &mark, &mut self.others);
    }

    /// The next message of somebody else than the good peer.
    pub fn other(&mut self) -> Message {
        let end = Instant::now() + SOON;
        while self.others.is_empty() {
            assert!(Instant::now() < end, "no message");
            self.exchange();
        }
        self.others.remove(0)
    }

    /// How the connection with `peer` ended. Nobody else's may end meanwhile.
    pub fn end_of(&mut self, peer: &Peer) -> String {
        self.exchange();
        let end = end_of(&self.events, &peer.name);
        self.exchange();
        end
    }
}

/// How the connection with `name` ended, as a monitor tells it: `Disconnected(PeerClosed)`. Ends
/// of other connections are failures.
pub fn end_of(events: &Monitor, name: &str) -> String {
    loop {
        let event = events.recv_timeout(SOON).expect("an end");
        if let EventKind::HandshakeFailed(_) | EventKind::Disconnected(_) = event.kind {
            let remote = event.peer.as_ref().map(|peer| peer.remote.clone());
            assert_eq!(remote.as_deref(), Some(name), "ended: {:?}", event.kind);
            return format!("{:?}", event.kind);
        }
    }
}

macro_rules! attacked {
    ($kind:ident, $good:ident, |$socket:ident, $peer:ident| $prepare:expr,
     |$ours:ident, $theirs:ident, $mark:ident, $others:ident| $exchange:expr) => {
        impl Attacked for $kind {
            type Good = $good;

            fn bind(&self, at: &str) -> Endpoint {
                self.bind(at).expect("to bind")
            }

            fn connect(&self, at: &str) {
                self.connect(at).expect("to connect");
            }

            fn monitor(&self) -> Monitor {
                self.monitor()
            }

            fn state(&self) -> (SocketStats, usize) {
                (self.stats(), self.peers().len())
            }

            fn build(builder: Builder<$kind>) -> $kind {
                builder.build().expect("a socket")
            }

            fn good(&self, at: &Endpoint) -> $good {
                let good = <$good>::new().expect("a socket");
                let connection = good.connect(at).expect("to connect");
                connection.wait_ready(SOON).expect("the good peer");
                let prepare: fn(&$kind, &$good) = |$socket, $peer| $prepare;
                prepare(self, &good);
                good
            }

            fn exchange(&self, $theirs: &$good, $mark: &str, $others: &mut Vec<Message>) {
                let $ours = self;
                $exchange
            }
        }
    };
}

/// Takes messages until `mark` comes; others are kept.
fn take_until(
    mark: &str,
    others: &mut Vec<Message>,
    mut recv: impl FnMut() -> Result<Message, hubless::RecvError>,
) {
    loop {
        let message = recv().expect("what the good peer sent");
        if message[0] == mark {
            return;
        }
        others.push(message);
    }
}

attacked!(
    Pull,
    Push,
    |_socket, _peer| (),
    |ours, good, mark, others| {
        good.send(mark).expect("to send");
        take_until(mark, others, || ours.recv_timeout(SOON));
    }
);

attacked!(
    Push,
    Pull,
    |_socket, _peer| (),
    |ours, good, mark, _others| {
        // In turn: some go to whoever else says that it is a PULL, and are never read.
        let end = Instant::now() + SOON;
        loop {
            ours.send_timeout(mark, SOON).expect("to send");
            match good.recv_timeout(Duration::from_millis(20)) {
                Ok(message) if message[0] == mark => return,
                _ => assert!(Instant::now() < end, "the good peer gets nothing"),
            }
        }
    }
);

attacked!(
    Sub,
    Pub,
    |socket, peer| {
        socket.subscribe("good").expect("to subscribe");
        peer.wait_subscribers(1, SOON).expect("the subscription");
    },
    |ours, good, mark, others| {
        good.send(mark).expect("to send");
        take_until(mark, others, || ours.recv_timeout(SOON));
    }
);

attacked!(
    XSub,
    Pub,
    |socket, peer| {
        socket.send("\u{1}good").expect("to subscribe");
        peer.wait_subscribers(1, SOON).expect("the subscription");
    },
    |ours, good, mark, others| {
        good.send(mark).expect("to send");
        take_until(mark, others, || ours.recv_timeout(SOON));
    }
);

attacked!(
    Pub,
    Sub,
    |socket, peer| {
        peer.subscribe("good").expect("to subscribe");
        socket.wait_subscribers(1, SOON).expect("the subscription");
    },
    |ours, good, mark, _others| {
        ours.send(mark).expect("to send");
        take_until(mark, &mut Vec::new(), || good.recv_timeout(SOON));
    }
);

attacked!(
    XPub,
    Sub,
    |socket, peer| {
        peer.subscribe("good").expect("to subscribe");
        socket.recv_timeout(SOON).expect("the subscription");
    },
    |ours, good, mark, others| {
        ours.send(mark).expect("to send");
        take_until(mark, &mut Vec::new(), || good.recv_timeout(SOON));
        others.extend(ours.try_iter());
    }
);

attacked!(
    Dealer,
    Dealer,
    |_socket, _peer| (),
    |ours, good, mark, others| {
        good.send(mark).expect("to send");
        take_until(mark, others, || ours.recv_timeout(SOON));
    }
);

attacked!(
    Pair,
    Pair,
    |_socket, _peer| (),
    |ours, good, mark, others| {
        good.send(mark).expect("to send");
        take_until(mark, others, || ours.recv_timeout(SOON));
        ours.send(mark).expect("to send");
        take_until(mark, &mut Vec::new(), || good.recv_timeout(SOON));
    }
);

attacked!(
    Router,
    Dealer,
    |_socket, _peer| (),
    |ours, good, mark, others| {
        good.send(mark).expect("to send");
        let mut from = None;
        take_until(mark, others, || {
            let (id, message) = ours.recv_from_timeout(SOON)?;
            from = Some(id);
            Ok(message)
        });
        let from = from.expect("just received");
        ours.send_to(&from, mark).expect("to answer");
        take_until(mark, &mut Vec::new(), || good.recv_timeout(SOON));
    }
);

attacked!(Rep, Req, |_socket, _peer| (), |ours, good, mark, others| {
    good.send(mark).expect("to ask");
    take_until(mark, others, || {
        let (request, responder) = ours.recv_timeout(SOON)?;
        responder.reply(request.clone());
        Ok(request)
    });
    let answer = good.recv_timeout(SOON).expect("the answer");
    assert_eq!(answer[0], mark);
});

/// A REP that answers by itself.
pub struct Echo(Rep, Option<std::thread::JoinHandle<()>>);

impl Echo {
    fn new() -> Result<Echo, hubless::Error> {
        let rep = Rep::new()?;
        let server = rep.clone();
        let thread = std::thread::spawn(move || {
            server.serve(|request| request).expect("to serve");
        });
        Ok(Echo(rep, Some(thread)))
    }

    fn connect(&self, at: &Endpoint) -> Result<hubless::Connection, hubless::Error> {
        self.0.connect(at)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.close(Duration::ZERO);
        if let Some(thread) = self.1.take() {
            let _ = thread.join();
        }
    }
}

attacked!(
    Req,
    Echo,
    |_socket, _peer| (),
    |ours, _good, mark, _others| {
        // In turn: who else says that it is a REP may be asked, and keeps silent or goes away.
        let end = Instant::now() + SOON;
        loop {
            match ours.request_timeout(mark, Duration::from_millis(100)) {
                Ok(answer) if answer[0] == mark => return,
                _ => assert!(Instant::now() < end, "the good peer is not asked"),
            }
        }
    }
);
