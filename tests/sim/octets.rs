//! STREAM: records of octets from clients to a server and back, over connections that are cut, reset
//! and hung up on, and made again. What one connection brings is what was sent there, from its
//! beginning, in order, perhaps cut at its end; no record comes twice; each connection is shown to
//! come and to go; and in good weather every record is answered.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use hubless::{Message, RecvError, SendError, SocketType, Time, internals::base::options::Options};

use super::{
    dice::{Dice, mix},
    seeds,
    sockets::{Node, Socket, draw_options},
    world::World,
};

#[test]
fn stream_stream() {
    seeds::each("stream_stream", run);
}

/// Who wrote a record, and as which.
type Record = (usize, u64);

#[derive(Default)]
struct Model {
    /// Records that clients' sockets took, those the server read, and what became of its answers.
    sent: BTreeSet<Record>,
    heard: BTreeSet<Record>,
    refused: BTreeSet<Record>,
    answered: BTreeSet<Record>,
    hung_up: usize,
    clients_busy: usize,
}

/// What one connection has brought so far.
#[derive(Default)]
struct Line {
    octets: Vec<u8>,
    last: Option<Record>,
}

fn run(world: World) -> u64 {
    let mut dice = world.dice();
    // There is no STREAM within a process.
    let endpoint = |connects| match (world.is_inproc(), connects) {
        (true, _) => "tcp://127.0.0.1:5000".to_owned(),
        (_, true) => world.connect_endpoint(0),
        (_, false) => world.bind_endpoint(0),
    };
    let heal_after = world.up_to(Duration::from_millis(1500));
    let model = Rc::new(RefCell::new(Model::default()));
    let server = Node::new(&world).socket(SocketType::Stream, options(&world, &mut dice));
    server.bind(&endpoint(false));
    let serving = serve(world.clone(), server.clone(), dice.fork(), model.clone());
    world.spawn("server", serving);
    let asking = Node::new(&world);
    let clients: Vec<Socket> = (0..dice.between(1, 3) as usize)
        .map(|client| {
            let mut options = options(&world, &mut dice);
            // A peer has its name before it is there; and there is room to show that it is.
            (options.immediate, options.recv_hwm) = (false, 1000);
            let socket = asking.socket(SocketType::Stream, options);
            socket.connect_as(&endpoint(true), &name(client));
            let listening = listen(world.clone(), socket.clone(), client, model.clone());
            world.spawn(format!("client {client} listens"), listening);
            let asking = ask(
                world.clone(),
                socket.clone(),
                client,
                heal_after,
                model.clone(),
            );
            world.spawn(format!("client {client} asks"), asking);
            socket
        })
        .collect();
    model.borrow_mut().clients_busy = clients.len();
    let director = direct(world.clone(), server, clients, heal_after, model);
    world.spawn("director", director);
    world.run(LIMIT)
}

/// As others have them, but for what only ZMTP can do.
fn options(world: &World, dice: &mut Dice) -> Options {
    Options {
        heartbeat_interval: None,
        heartbeat_timeout: None,
        ..draw_options(world, dice)
    }
}

/// Answers each record with itself, and hangs up now and then while the weather is bad.
async fn serve(world: World, socket: Socket, mut dice: Dice, model: Rc<RefCell<Model>>) {
    let mut lines: BTreeMap<Vec<u8>, Line> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    let hangs_up = dice.chance(300);
    loop {
        let (who, octets) = match socket.recv().await {
            Ok(received) => (received.identity.to_vec(), octets(&received.message)),
            Err(RecvError::Closed) => return,
            Err(error) => panic!("server: {error}"),
        };
        assert!(!gone.contains(&who), "it speaks, though it has gone");
        if octets.is_empty() {
            if lines.remove(&who).is_some() {
                gone.insert(who);
            } else {
                lines.insert(who, Line::default());
            }
            continue;
        }
        let line = lines.get_mut(&who).expect("shown when it came");
        for record in line.take(&octets) {
            world.note("heard", record.0, record.1);
            {
                let mut model = model.borrow_mut();
                assert!(model.sent.contains(&record), "{record:?} was never sent");
                assert!(model.heard.insert(record), "{record:?} came twice");
            }
            match socket.send_to(&who, write(record)).await {
                Ok(()) => {}
                Err(SendError::Full(_) | SendError::Unroutable(_)) => {
                    world.note("refused", record.0, record.1);
                    model.borrow_mut().refused.insert(record);
                }
                Err(SendError::Closed(_)) => return,
                Err(error) => panic!("server: {error}"),
            }
        }
        if hangs_up && world.is_bad() && dice.chance(100) {
            world.note("hang up", 0, 0);
            match socket.send_to(&who, Message::new()).await {
                Ok(()) => {
                    model.borrow_mut().hung_up += 1;
                    lines.remove(&who);
                    gone.insert(who);
                }
                // It has gone by itself; that is yet to be read.
                Err(SendError::Unroutable(_)) => {}
                Err(error) => panic!("server: {error}"),
            }
        }
    }
}

/// Sends records in bad weather, rests until it is good, and sends some more, one after the answer
/// to the other.
async fn ask(
    world: World,
    socket: Socket,
    client: usize,
    heal_after: Duration,
    model: Rc<RefCell<Model>>,
) {
    let mut dice = world.dice();
    let records = dice.between(3, 12);
    for number in 0..records + GOOD_RECORDS {
        if number == records {
            world.sleep_until(heal_after + SETTLE).await;
        }
        let record = (client, number);
        let until = world.now() + PATIENCE;
        // Before the send: the record may be there before the sender is told that it went.
        model.borrow_mut().sent.insert(record);
        world.note("ask", client, number);
        while let Err(error) = socket.send_to(name(client).as_bytes(), write(record)).await {
            assert!(matches!(error, SendError::Full(_)), "{client}: {error}");
            if number < records && world.now() > Time::START + heal_after {
                model.borrow_mut().sent.remove(&record);
                break;
            }
            assert!(world.now() < until, "{record:?} finds no room");
            world.sleep(Duration::from_millis(5)).await;
        }
        if number < records {
            world.sleep(world.up_to(Duration::from_millis(100))).await;
            continue;
        }
        let settled = || {
            let model = model.borrow();
            model.answered.contains(&record) || model.refused.contains(&record)
        };
        while !settled() {
            assert!(world.now() < until, "{record:?} is not answered");
            world.sleep(Duration::from_millis(20)).await;
        }
    }
    model.borrow_mut().clients_busy -= 1;
}

/// Takes the answers until the socket is closed.
async fn listen(world: World, socket: Socket, client: usize, model: Rc<RefCell<Model>>) {
    let mut line: Option<Line> = None;
    loop {
        let received = match socket.recv().await {
            Ok(received) => received,
            Err(RecvError::Closed) => return,
            Err(error) => panic!("client {client}: {error}"),
        };
        assert_eq!(*received.identity, *name(client).as_bytes());
        let octets = octets(&received.message);
        if octets.is_empty() {
            line = match line {
                Some(_) => None,
                None => Some(Line::default()),
            };
            continue;
        }
        let line = line.as_mut().expect("shown when it came");
        for record in line.take(&octets) {
            world.note("answered", client, record.1);
            let mut model = model.borrow_mut();
            assert_eq!(record.0, client, "another's answer");
            assert!(model.heard.contains(&record), "{record:?} was never heard");
            assert!(model.answered.insert(record), "{record:?} came twice");
        }
    }
}

/// Clears the weather, waits for the end, and holds what happened against the model.
async fn direct(
    world: World,
    server: Socket,
    clients: Vec<Socket>,
    heal_after: Duration,
    model: Rc<RefCell<Model>>,
) {
    world.sleep_until(heal_after).await;
    // No heart beats without ZMTP: nobody finds out about silence by himself.
    world.heal_but_silence();
    world.end_silence();
    while model.borrow().clients_busy > 0 {
        world.sleep(Duration::from_millis(100)).await;
    }
    world.sleep(Duration::from_secs(1)).await;
    let model = model.borrow();
    for socket in clients.iter().chain([&server]) {
        let (sent, received) = socket.stats();
        assert!(sent.balances() && sent.queued == 0, "{sent:?}");
        assert!(received.balances() && received.queued == 0, "{received:?}");
    }
    if world.is_intact() && model.hung_up == 0 {
        assert_eq!(model.heard, model.sent, "lost, though no connection was");
        let settled: BTreeSet<_> = model.answered.union(&model.refused).copied().collect();
        assert_eq!(settled, model.heard, "lost, though no connection was");
    }
    for socket in clients.iter().chain([&server]) {
        socket.close();
    }
}

impl Line {
    /// Takes more octets in. Answers the records that are complete.
    ///
    /// # Panics
    /// When what has come is not what was sent, or not in order.
    fn take(&mut self, octets: &[u8]) -> Vec<Record> {
        self.octets.extend_from_slice(octets);
        let mut records = Vec::new();
        while let Some(end) = self.octets.iter().position(|octet| *octet == b'\n') {
            let text: Vec<u8> = self.octets.drain(..=end).collect();
            let words = std::str::from_utf8(&text).expect("text");
            let mut words = words.split(' ').map(str::parse);
            let (Some(Ok(client)), Some(Ok(number))) = (words.next(), words.next()) else {
                panic!("no record: {}", text.escape_ascii());
            };
            let record = (client as usize, number);
            assert_eq!(write(record)[0], text, "a record damaged on its way");
            if let Some((client, last)) = self.last.replace(record) {
                assert!(client == record.0 && last < number, "out of order");
            }
            records.push(record);
        }
        records
    }
}

/// A record, on a line of its own, now and then a long one.
fn write((client, number): Record) -> Message {
    let shape = mix((client as u64) << 32 | number);
    let filler = if shape % 8 == 0 { 200 } else { shape % 24 };
    let filler: String = ('a'..='z').cycle().take(filler as usize).collect();
    format!("{client} {number} {filler}\n").into()
}

/// The octets of a message, which is of one frame.
fn octets(message: &Message) -> Vec<u8> {
    assert_eq!(message.len(), 1, "octets have no frames");
    message[0].to_vec()
}

/// What a client calls its connection.
fn name(client: usize) -> String {
    format!("server of {client}")
}

#[test]
fn records_are_put_together_again() {
    let text = [write((1, 2)), write((1, 5))].map(|it| it[0].to_vec());
    let mut line = Line::default();
    let mut found = Vec::new();
    for octet in text.concat() {
        found.extend(line.take(&[octet]));
    }
    assert_eq!(found, [(1, 2), (1, 5)]);
}

#[test]
#[should_panic(expected = "no record")]
fn a_record_without_its_beginning_is_seen() {
    Line::default().take(b"beginning\n");
}

#[test]
#[should_panic(expected = "out of order")]
fn records_in_another_order_are_seen() {
    let mut line = Line::default();
    for number in [3, 2] {
        line.take(&write((1, number))[0]);
    }
}

/// Records each client sends in good weather.
const GOOD_RECORDS: u64 = 3;

/// From the end of the faults until every connection is made again.
const SETTLE: Duration = Duration::from_secs(10);

/// How long a record may wait for room, and for its answer, in good weather.
const PATIENCE: Duration = Duration::from_secs(20);

/// The end of the longest run.
const LIMIT: Duration = Duration::from_secs(90);
