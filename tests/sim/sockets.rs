//! Sockets as the programs of a run use them: the library's own, made into futures, on contexts
//! that stand on the simulated metal.

use std::{future::poll_fn, sync::Arc, time::Duration};

use hubless::{
    Endpoint, ErrorKind, LaneStats, Message, Reconnect, RecvError, SendError, SocketType,
    internals::{
        base::{
            context_options::ContextOptions,
            options::{Linger, Options},
        },
        core::{Context, Place, Socket as Core, To},
        pattern::Received,
    },
};

use super::{
    dice::Dice,
    letters::{Letter, Sender},
    world::{BURST_OCTETS, World},
};

/// A process: one context, one or two reactors.
#[derive(Clone)]
pub struct Node {
    context: Arc<Context>,
}

impl Node {
    /// A process in this world.
    pub fn new(world: &World) -> Node {
        let reactors = world.dice().between(1, 2) as usize;
        Node {
            context: Context::new(
                world.metal(),
                ContextOptions {
                    io_threads: reactors,
                    sockets_max: 100,
                    ..ContextOptions::default()
                },
            ),
        }
    }

    /// Another process; in a world that talks within one context the same one.
    pub fn other(&self, world: &World) -> Node {
        if world.is_inproc() {
            self.clone()
        } else {
            Node::new(world)
        }
    }

    /// A socket of this process.
    pub fn socket(&self, socket_type: SocketType, options: Options) -> Socket {
        let core = Core::new(&self.context, socket_type, options).expect("open");
        core.tell_who();
        Socket { core }
    }
}

/// Options that matter to a lossy network, drawn. Time limits leave the world's network the time
/// it needs: in good weather none of them ends a connection.
pub fn draw_options(world: &World, dice: &mut Dice) -> Options {
    let burst = world.crossing(BURST_OCTETS);
    let handshake = world.crossing(HANDSHAKE_OCTETS);
    let marks = [1, 2, 10, 1000, 0];
    let min = Duration::from_millis(dice.between(10, 50));
    let mut options = Options {
        send_hwm: marks[dice.index(marks.len())],
        recv_hwm: marks[dice.index(marks.len())],
        reconnect: Reconnect::Backoff { min, max: min * 8 },
        linger: Linger::For(Duration::from_secs(1)),
        immediate: dice.chance(250),
        handshake_timeout: Some(handshake + Duration::from_millis(dice.between(100, 3000))),
        ..Options::default()
    };
    if world.hearts_beat() || dice.chance(250) {
        options.heartbeat_interval = Some(Duration::from_millis(dice.between(200, 2000)));
        options.heartbeat_timeout = Some(burst + Duration::from_millis(dice.between(500, 2000)));
    }
    if dice.chance(250) {
        options.connect_timeout = Some(Duration::from_millis(dice.between(100, 2000)));
    }
    options
}

/// A socket.
#[derive(Clone)]
pub struct Socket {
    core: Arc<Core>,
}

impl Socket {
    /// Binds. The simulated network always lets us.
    pub fn bind(&self, endpoint: &str) {
        let endpoint: Endpoint = endpoint.parse().expect("an endpoint");
        self.core.bind(&endpoint).expect("a free address");
    }

    /// Binds, unless the address is taken.
    pub fn try_bind(&self, endpoint: &str) -> bool {
        let endpoint: Endpoint = endpoint.parse().expect("an endpoint");
        match self.core.bind(&endpoint) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::AddressInUse => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Begins to connect.
    pub fn connect(&self, endpoint: &str) {
        let endpoint: Endpoint = endpoint.parse().expect("an endpoint");
        self.core.connect(&endpoint).expect("begins");
    }

    /// Begins to connect to a peer that has this name here.
    pub fn connect_as(&self, endpoint: &str, name: &str) {
        let endpoint: Endpoint = endpoint.parse().expect("an endpoint");
        let name = name.to_owned().into();
        self.core.connect_as(&endpoint, Some(name)).expect("begins");
    }

    /// Sends; waits for room.
    pub async fn send(&self, message: Message) -> Result<(), SendError> {
        self.send_as(To::Anyone, message).await
    }

    /// ROUTER, STREAM: sends to the peer of that name; waits for nothing.
    pub async fn send_to(&self, name: &[u8], message: Message) -> Result<(), SendError> {
        self.send_as(To::Peer(name), message).await
    }

    async fn send_as(&self, to: To<'_>, message: Message) -> Result<(), SendError> {
        let mut waiting = SendPlace(self, Place::default());
        let mut message = Some(message);
        poll_fn(|context| {
            let SendPlace(socket, place) = &mut waiting;
            socket
                .core
                .poll_send(place, to, &mut message, context.waker())
        })
        .await
    }

    /// Receives, with all that the pattern knows of the message.
    pub async fn recv(&self) -> Result<Received, RecvError> {
        let mut waiting = RecvPlace(self, Place::default());
        poll_fn(|context| {
            let RecvPlace(socket, place) = &mut waiting;
            socket.core.poll_recv(place, context.waker())
        })
        .await
    }

    /// Which peer sent it. To a socket that is bound each connection is a peer of its own, though
    /// it may have the place of one that has left.
    pub fn sender(&self, received: &Received) -> Sender {
        let is_bound = !self.core.endpoints(true).is_empty();
        Sender {
            place: received.from,
            connection: received.info.clone().filter(|_| is_bound),
        }
    }

    /// REP: answers.
    pub fn reply(&self, request: &Received, message: Message) -> bool {
        let route = request.route.as_ref().expect("REP receives with a route");
        self.core.reply(route, message)
    }

    /// REQ: gives the open request up.
    pub fn abandon(&self) {
        self.core.abandon();
    }

    /// SUB: subscribes or cancels.
    pub fn subscribe(&self, topic: &str, subscribe: bool) {
        let able = self.core.subscribe(topic.as_bytes(), subscribe);
        assert_eq!(able, Ok(true));
    }

    /// ROUTER: the names of those who are connected.
    pub fn ready_names(&self) -> Vec<Vec<u8>> {
        let ready = self.core.peers().into_iter().filter(|peer| peer.ready);
        ready.map(|peer| peer.routing_id.to_vec()).collect()
    }

    /// The counters: sent, received.
    pub fn stats(&self) -> (LaneStats, LaneStats) {
        let stats = self.core.stats();
        (stats.sent, stats.received)
    }

    /// Closes, with the socket's own linger.
    pub fn close(&self) {
        self.core.close(self.core.options().linger);
    }
}

/// Holds the counters of those who wrote against those of all who could read it. At rest: nothing
/// is on its way any more.
///
/// # Panics
/// When a message is unaccounted for.
pub fn check_books(world: &World, writers: &[Socket], readers: &[Socket]) {
    let (missing, most) = balance(world, writers, readers);
    assert!(
        missing <= most,
        "{missing} messages are missing: more than {most}"
    );
}

/// As [`check_books`], where readers may refuse a writer after they have read what it wrote.
pub fn check_books_but_refusals(world: &World, writers: &[Socket], readers: &[Socket]) {
    balance(world, writers, readers);
}

/// How many messages that a kernel had taken were not read, and how many that can be.
fn balance(world: &World, writers: &[Socket], readers: &[Socket]) -> (u64, u64) {
    let mut written = LaneStats::default();
    for (sent, _) in writers.iter().map(Socket::stats) {
        assert!(sent.balances() && sent.queued == 0, "{sent:?}");
        written = written.plus(sent);
    }
    let mut read = LaneStats::default();
    for reader in readers {
        let (_, received) = reader.stats();
        assert!(received.balances() && received.queued == 0, "{received:?}");
        let unread = received.dropped + received.lost;
        assert!(unread == 0 || !reader.core.is_open(), "{received:?}");
        read = read.plus(received);
    }
    let all_open = writers.iter().chain(readers).all(|it| it.core.is_open());
    if world.is_inproc() && !all_open {
        // Both ends of a lane within a process count what is in it, each until it closed.
        return (0, 0);
    }
    if world.is_intact() && all_open {
        assert_eq!(written.lost, 0, "lost with a connection, though none was");
    }
    // What a kernel had taken is gone if the connection ended first; all else is there.
    let missing = written.delivered.checked_sub(read.accepted);
    let missing = missing.expect("no more is read than was written");
    (missing, world.vanished(Letter::OCTETS_MIN))
}

/// A place in the line of senders, given back if the send is dropped.
struct SendPlace<'a>(&'a Socket, Place);

impl Drop for SendPlace<'_> {
    fn drop(&mut self) {
        self.0.core.leave_send(&mut self.1);
    }
}

/// A place in the line of receivers, given back if the receive is dropped.
struct RecvPlace<'a>(&'a Socket, Place);

impl Drop for RecvPlace<'_> {
    fn drop(&mut self) {
        self.0.core.leave_recv(&mut self.1);
    }
}

/// More than each side says before it is ready.
const HANDSHAKE_OCTETS: usize = 300;
