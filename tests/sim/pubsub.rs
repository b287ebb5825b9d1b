//! PUB and SUB under reconnections and changing subscriptions: nobody gets what it did not
//! subscribe to, nothing comes twice or out of order, and once the weather has cleared each
//! publisher's view is each subscriber's: every letter comes to exactly those who want it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use hubless::{RecvError, SocketType, Time};

use super::{
    dice::Dice,
    letters::{Arrivals, Letter},
    seeds,
    sockets::{Node, Socket, check_books, draw_options},
    world::World,
};

#[test]
fn pub_sub() {
    seeds::each("pub_sub", run);
}

/// One subscriber, as it should be.
#[derive(Default)]
struct Subscriber {
    /// What it is subscribed to, and how often.
    held: BTreeMap<&'static str, u32>,
    /// Which publishers it is connected to.
    publishers: BTreeSet<u64>,
    /// Letters of good weather it wants and has not got yet.
    awaited: BTreeSet<Letter>,
    arrivals: Arrivals,
}

impl Subscriber {
    fn wants(&self, topic: &str) -> bool {
        self.held.keys().any(|held| topic.starts_with(held))
    }

    /// One change of what it holds, made in the socket too.
    fn change(&mut self, socket: &Socket, dice: &mut Dice) {
        let cancels = !self.held.is_empty() && dice.chance(450);
        if cancels {
            let any = dice.index(self.held.len());
            let (topic, count) = self.held.iter_mut().nth(any).expect("within");
            let topic = *topic;
            *count -= 1;
            if *count == 0 {
                self.held.remove(topic);
            }
            socket.subscribe(topic, false);
        } else {
            let topic = HELD[dice.index(HELD.len())];
            *self.held.entry(topic).or_default() += 1;
            socket.subscribe(topic, true);
        }
    }
}

type Model = Rc<RefCell<Vec<Subscriber>>>;

fn run(world: World) -> u64 {
    let mut dice = world.dice();
    let publishing = Node::new(&world);
    let subscribing = publishing.other(&world);
    let heal_after = world.up_to(Duration::from_millis(1500));
    let socket = |node: &Node, socket_type, dice: &mut Dice| {
        let mut options = draw_options(&world, dice);
        // Room for all of a round's letters: a full subscriber would rightly miss some.
        options.send_hwm = [100, 1000, 0][dice.index(3)];
        node.socket(socket_type, options)
    };
    let publishers: Vec<Socket> = (0..dice.between(1, 2))
        .map(|_| socket(&publishing, SocketType::Pub, &mut dice))
        .collect();
    let subscribers: Vec<Socket> = (0..dice.between(1, 3))
        .map(|_| socket(&subscribing, SocketType::Sub, &mut dice))
        .collect();
    let model: Model = Rc::default();
    let publishers_are_bound = dice.chance(700);
    let bound = if publishers_are_bound {
        &publishers
    } else {
        &subscribers
    };
    for (index, socket) in bound.iter().enumerate() {
        socket.bind(&world.bind_endpoint(index));
    }
    for (index, socket) in subscribers.iter().enumerate() {
        let mut subscriber = Subscriber::default();
        let always = dice.index(publishers.len());
        for (writer, publisher) in publishers.iter().enumerate() {
            if writer == always || dice.chance(500) {
                if publishers_are_bound {
                    socket.connect(&world.connect_endpoint(writer));
                } else {
                    publisher.connect(&world.connect_endpoint(index));
                }
                subscriber.publishers.insert(writer as u64);
            }
        }
        for _ in 0..dice.between(0, 3) {
            subscriber.change(socket, &mut dice);
        }
        model.borrow_mut().push(subscriber);
    }
    for (reader, socket) in subscribers.iter().enumerate() {
        let program = read(world.clone(), socket.clone(), reader, model.clone());
        world.spawn(format!("sub {reader} reads"), program);
        let program = waver(
            world.clone(),
            socket.clone(),
            reader,
            model.clone(),
            heal_after,
        );
        world.spawn(format!("sub {reader} changes"), program);
    }
    world.spawn(
        "director",
        direct(world.clone(), publishers, subscribers, heal_after, model),
    );
    drop((publishing, subscribing));
    world.run(LIMIT)
}

/// Reads until the socket is closed.
async fn read(world: World, socket: Socket, reader: usize, model: Model) {
    loop {
        match socket.recv().await {
            Ok(received) => {
                let (letter, topic) = Letter::read(&received.message);
                world.note("got", reader, letter.number);
                let subscriber = &mut model.borrow_mut()[reader];
                assert!(
                    subscriber.wants(&topic),
                    "sub {reader} got {topic:?} and holds {:?}",
                    subscriber.held
                );
                assert!(subscriber.publishers.contains(&letter.writer));
                subscriber.awaited.remove(&letter);
                subscriber.arrivals.add(letter, socket.sender(&received));
            }
            Err(RecvError::Closed) => return,
            Err(error) => panic!("sub {reader}: {error}"),
        }
    }
}

/// Changes its mind now and then while the weather is bad.
async fn waver(world: World, socket: Socket, reader: usize, model: Model, heal_after: Duration) {
    let mut dice = world.dice();
    while world.now() < Time::START + heal_after {
        world.sleep(world.up_to(Duration::from_millis(200))).await;
        model.borrow_mut()[reader].change(&socket, &mut dice);
    }
}

/// Publishes in bad weather, clears it, and then takes rounds: some change their subscriptions,
/// all publishers publish on every topic, and everybody gets what it wants.
async fn direct(
    world: World,
    publishers: Vec<Socket>,
    subscribers: Vec<Socket>,
    heal_after: Duration,
    model: Model,
) {
    let mut dice = world.dice();
    let mut number = 0;
    while world.now() < Time::START + heal_after {
        let writer = dice.index(publishers.len());
        let topic = SAID[dice.index(SAID.len())];
        publish(&publishers, writer, number, topic).await;
        number += 1;
        world.sleep(world.up_to(Duration::from_millis(60))).await;
    }
    world.heal();
    world.sleep(SETTLE).await;
    for round in 0..ROUNDS {
        for (subscriber, socket) in model.borrow_mut().iter_mut().zip(&subscribers) {
            for _ in 0..dice.between(0, 3) {
                subscriber.change(socket, &mut dice);
            }
        }
        // The publishers learn of it.
        world.sleep(Duration::from_secs(2)).await;
        let taken = |socket: &Socket| socket.stats().0.accepted;
        let before: Vec<u64> = publishers.iter().map(taken).collect();
        let mut wanted = vec![0; publishers.len()];
        for topic in SAID {
            for (writer, wanted) in wanted.iter_mut().enumerate() {
                let letter = Letter {
                    writer: writer as u64,
                    number,
                };
                for subscriber in model.borrow_mut().iter_mut() {
                    if subscriber.wants(topic) && subscriber.publishers.contains(&letter.writer) {
                        subscriber.awaited.insert(letter);
                        *wanted += 1;
                    }
                }
                publish(&publishers, writer, number, topic).await;
            }
            number += 1;
        }
        world.sleep(PATIENCE).await;
        for (writer, socket) in publishers.iter().enumerate() {
            let sent = taken(socket) - before[writer];
            assert_eq!(sent, wanted[writer], "pub {writer} sends what is wanted");
        }
        for (reader, subscriber) in model.borrow().iter().enumerate() {
            assert!(
                subscriber.awaited.is_empty(),
                "round {round}: sub {reader} holds {:?} and misses {:?}",
                subscriber.held,
                subscriber.awaited
            );
        }
    }
    for (subscriber, socket) in model.borrow().iter().zip(&subscribers) {
        let (_, received) = socket.stats();
        assert!(received.delivered >= subscriber.arrivals.count());
    }
    check_books(&world, &publishers, &subscribers);
    for socket in publishers.iter().chain(&subscribers) {
        socket.close();
    }
}

async fn publish(publishers: &[Socket], writer: usize, number: u64, topic: &str) {
    let letter = Letter {
        writer: writer as u64,
        number,
    };
    let sent = publishers[writer].send(letter.write(topic)).await;
    sent.expect("a PUB never waits");
}

/// What is subscribed to.
const HELD: [&str; 7] = ["", "a", "ab", "abc", "b", "ba", "c"];

/// What is published on.
const SAID: [&str; 8] = ["a", "ab", "abc", "abcd", "b", "bab", "c", "d"];

/// Rounds of good weather.
const ROUNDS: usize = 2;

/// From the end of the faults until every connection is made again.
const SETTLE: Duration = Duration::from_secs(10);

/// How long a round's letters may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The end of the longest run.
const LIMIT: Duration = Duration::from_secs(60);
