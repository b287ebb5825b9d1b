//! PUSH and PULL under resets, one-octet reads and all the rest: every letter arrives once or is
//! accounted for, in order, and after the weather has cleared every letter arrives.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use hubless::{RecvError, SocketType};

use super::{
    letters::{Arrivals, Letter},
    seeds,
    sockets::{Node, Socket, check_books, draw_options},
    world::World,
};

#[test]
fn push_pull() {
    seeds::each("push_pull", run);
}

/// What the writers did and the readers saw.
#[derive(Default)]
struct Model {
    /// Letters each PUSH took, in all.
    accepted: Vec<u64>,
    /// Letters taken in good weather that no reader has got yet.
    awaited: BTreeSet<Letter>,
    /// What was read, by whichever PULL.
    seen: BTreeSet<Letter>,
    /// What each PULL got.
    arrivals: Vec<Arrivals>,
    writers_busy: usize,
}

fn run(world: World) -> u64 {
    let mut dice = world.dice();
    let model = Rc::new(RefCell::new(Model::default()));
    let senders = Node::new(&world);
    let receivers = senders.other(&world);
    let heal_after = world.up_to(Duration::from_millis(1500));
    let mut pushes = Vec::new();
    let mut pulls = Vec::new();

    // Some PULLs are bound, and every PUSH connects to some of them; or one PUSH is bound, and
    // all PULLs connect to it.
    let pull_is_bound = dice.chance(700);
    let pull_count = dice.between(1, 2) as usize;
    let push_count = if pull_is_bound { dice.between(1, 3) } else { 1 } as usize;
    for _ in 0..pull_count {
        pulls.push(receivers.socket(SocketType::Pull, draw_options(&world, &mut dice)));
    }
    for _ in 0..push_count {
        pushes.push(senders.socket(SocketType::Push, draw_options(&world, &mut dice)));
    }
    let (bound, connecting) = if pull_is_bound {
        (&pulls, &pushes)
    } else {
        (&pushes, &pulls)
    };
    for (index, socket) in bound.iter().enumerate() {
        socket.bind(&world.bind_endpoint(index));
    }
    for socket in connecting {
        let first = dice.index(bound.len());
        for index in 0..bound.len() {
            if index == first || dice.chance(500) {
                socket.connect(&world.connect_endpoint(index));
            }
        }
    }

    model.borrow_mut().accepted = vec![0; push_count];
    model.borrow_mut().writers_busy = push_count;
    for (writer, socket) in pushes.iter().enumerate() {
        let program = write(
            world.clone(),
            socket.clone(),
            writer,
            heal_after,
            model.clone(),
        );
        world.spawn(format!("push {writer}"), program);
    }
    for (reader, socket) in pulls.iter().enumerate() {
        model.borrow_mut().arrivals.push(Arrivals::default());
        let program = read(world.clone(), socket.clone(), reader, model.clone());
        world.spawn(format!("pull {reader}"), program);
    }
    let director = direct(world.clone(), pushes, pulls, heal_after, model);
    world.spawn("director", director);
    drop((senders, receivers));
    world.run(LIMIT)
}

/// Writes letters in bad weather, rests until it is good, and writes some more.
async fn write(
    world: World,
    socket: Socket,
    writer: usize,
    heal_after: Duration,
    model: Rc<RefCell<Model>>,
) {
    let mut dice = world.dice();
    let hasty = dice.chance(300);
    let letters = dice.between(5, 30);
    let all = letters + GOOD_LETTERS;
    for number in 0..all {
        let good = number >= letters;
        if number == letters {
            world.sleep_until(heal_after + SETTLE).await;
        }
        let letter = Letter {
            writer: writer as u64,
            number,
        };
        // Before the send: the letter may be there before the sender is told that it went.
        if good {
            model.borrow_mut().awaited.insert(letter);
        }
        socket.send(letter.write("")).await.expect("open");
        model.borrow_mut().accepted[writer] += 1;
        world.note("sent", writer, number);
        if !hasty {
            world.sleep(world.up_to(Duration::from_millis(30))).await;
        }
    }
    model.borrow_mut().writers_busy -= 1;
}

/// Reads until the socket is closed.
async fn read(world: World, socket: Socket, reader: usize, model: Rc<RefCell<Model>>) {
    let mut dice = world.dice();
    let lazy = dice.chance(300);
    loop {
        match socket.recv().await {
            Ok(received) => {
                let (letter, _) = Letter::read(&received.message);
                world.note("got", reader, letter.number);
                let mut model = model.borrow_mut();
                model.awaited.remove(&letter);
                assert!(model.seen.insert(letter), "{letter:?} came twice");
                model.arrivals[reader].add(letter, socket.sender(&received));
            }
            Err(RecvError::Closed) => return,
            Err(error) => panic!("pull {reader}: {error}"),
        }
        if lazy {
            world.sleep(world.up_to(Duration::from_millis(20))).await;
        }
    }
}

/// Clears the weather, waits for the end, and holds what happened against the model.
async fn direct(
    world: World,
    pushes: Vec<Socket>,
    pulls: Vec<Socket>,
    heal_after: Duration,
    model: Rc<RefCell<Model>>,
) {
    world.sleep_until(heal_after).await;
    world.heal();
    let done = || {
        let model = model.borrow();
        model.writers_busy == 0 && model.awaited.is_empty()
    };
    let balance = || {
        for socket in pushes.iter().chain(&pulls) {
            let (sent, received) = socket.stats();
            assert!(
                sent.balances() && received.balances(),
                "{sent:?} {received:?}"
            );
        }
    };
    while !done() {
        balance();
        world.sleep(Duration::from_millis(100)).await;
        if world.now() > hubless::Time::START + heal_after + SETTLE + PATIENCE {
            let model = model.borrow();
            panic!(
                "{} writers wait, and these letters are missing: {:?}",
                model.writers_busy, model.awaited
            );
        }
    }
    // Whatever is still on its way must be no duplicate.
    world.sleep(Duration::from_secs(1)).await;
    balance();
    let model = model.borrow();
    for (accepted, socket) in model.accepted.iter().zip(&pushes) {
        let (sent, _) = socket.stats();
        assert_eq!(sent.accepted, *accepted, "accepted is what send said");
        assert_eq!(sent.refused, 0, "a PUSH waits");
    }
    for (arrivals, socket) in model.arrivals.iter().zip(&pulls) {
        let (_, received) = socket.stats();
        assert_eq!(received.delivered, arrivals.count(), "{received:?}");
    }
    check_books(&world, &pushes, &pulls);
    for socket in pushes.iter().chain(&pulls) {
        socket.close();
    }
}

/// Letters each writer writes in good weather.
const GOOD_LETTERS: u64 = 5;

/// From the end of the faults until every connection is made again.
const SETTLE: Duration = Duration::from_secs(10);

/// How long the letters of good weather may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The end of the longest run.
const LIMIT: Duration = Duration::from_secs(60);
