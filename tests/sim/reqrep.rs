//! REQ and REP with lost requests and lost replies: a reply is always that of the request asked
//! last, no request is served twice, a REQ that gave up can ask again, and in good weather every
//! request is answered.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use hubless::{RecvError, SocketType, Time};

use super::{
    letters::Letter,
    seeds,
    sockets::{Node, Socket, check_books, draw_options},
    world::World,
};

#[test]
fn req_rep() {
    seeds::each("req_rep", run);
}

#[derive(Default)]
struct Model {
    asked: BTreeSet<Letter>,
    served: BTreeSet<Letter>,
    /// Answers that found no room behind late ones that nobody had read: a REP does not wait.
    refused: BTreeSet<Letter>,
    /// Requests each REQ sent, replies it got.
    sent: Vec<u64>,
    answered: Vec<u64>,
    /// Requests each REP got, replies it sent.
    heard: Vec<u64>,
    replied: Vec<u64>,
    clients_busy: usize,
}

fn run(world: World) -> u64 {
    let mut dice = world.dice();
    let asking = Node::new(&world);
    let serving = asking.other(&world);
    let heal_after = world.up_to(Duration::from_millis(1500));
    let model = Rc::new(RefCell::new(Model::default()));
    let servers: Vec<Socket> = (0..dice.between(1, 2))
        .map(|_| serving.socket(SocketType::Rep, draw_options(&world, &mut dice)))
        .collect();
    let clients: Vec<Socket> = (0..dice.between(1, 3))
        .map(|_| {
            let mut options = draw_options(&world, &mut dice);
            options.req_correlate = dice.chance(300);
            asking.socket(SocketType::Req, options)
        })
        .collect();
    for (index, server) in servers.iter().enumerate() {
        server.bind(&world.bind_endpoint(index));
    }
    for client in &clients {
        let always = dice.index(servers.len());
        for index in 0..servers.len() {
            if index == always || dice.chance(500) {
                client.connect(&world.connect_endpoint(index));
            }
        }
    }
    {
        let mut model = model.borrow_mut();
        model.clients_busy = clients.len();
        (model.sent, model.answered) = (vec![0; clients.len()], vec![0; clients.len()]);
        (model.heard, model.replied) = (vec![0; servers.len()], vec![0; servers.len()]);
    }
    for (index, server) in servers.iter().enumerate() {
        let program = serve(world.clone(), server.clone(), index, model.clone());
        world.spawn(format!("rep {index}"), program);
    }
    for (index, client) in clients.iter().enumerate() {
        let program = ask(
            world.clone(),
            client.clone(),
            index,
            servers.len(),
            heal_after,
            model.clone(),
        );
        world.spawn(format!("req {index}"), program);
    }
    world.spawn(
        "director",
        direct(world.clone(), clients, servers, heal_after, model),
    );
    drop((asking, serving));
    world.run(LIMIT)
}

/// Asks, waits for a while, asks the next; in good weather waits for every answer.
async fn ask(
    world: World,
    socket: Socket,
    writer: usize,
    servers: usize,
    heal_after: Duration,
    model: Rc<RefCell<Model>>,
) {
    let mut dice = world.dice();
    let mut number = 0;
    let mut good_left = GOOD_REQUESTS;
    let mut settled = false;
    // A connection that died in bad weather, unread behind a late reply, is found out when it is
    // used. Each can do so once.
    let mut stale_left = servers;
    while good_left > 0 {
        let bad = world.now() < Time::START + heal_after;
        if !bad && !std::mem::replace(&mut settled, true) {
            world.sleep(SETTLE).await;
        }
        number += 1;
        let letter = Letter {
            writer: writer as u64,
            number,
        };
        model.borrow_mut().asked.insert(letter);
        world.note("ask", writer, number);
        let patience = if bad {
            world.up_to(Duration::from_millis(400))
        } else {
            PATIENCE
        };
        let sent = world
            .within(patience, socket.send(letter.write("ask")))
            .await;
        match sent {
            Some(sent) => {
                sent.expect("its turn");
                model.borrow_mut().sent[writer] += 1;
            }
            None => {
                assert!(bad, "req {writer} cannot send request {number}");
                continue;
            }
        }
        match world.within(patience, socket.recv()).await {
            Some(Ok(reply)) => {
                let (answered, topic) = Letter::read(&reply.message);
                assert_eq!(
                    (answered, topic.as_str()),
                    (letter, "answer"),
                    "req {writer}"
                );
                assert!(model.borrow().served.contains(&letter));
                model.borrow_mut().answered[writer] += 1;
                world.note("answered", writer, number);
                good_left -= u64::from(!bad);
            }
            Some(Err(RecvError::PeerLost)) if bad => {}
            Some(Err(RecvError::PeerLost)) if stale_left > 0 => stale_left -= 1,
            None if bad || model.borrow().refused.contains(&letter) => socket.abandon(),
            other => panic!("req {writer}, request {number}: {other:?}"),
        }
        if dice.chance(600) {
            world.sleep(world.up_to(Duration::from_millis(50))).await;
        }
    }
    model.borrow_mut().clients_busy -= 1;
}

/// Answers each request, some late, until the socket is closed.
async fn serve(world: World, socket: Socket, server: usize, model: Rc<RefCell<Model>>) {
    let mut dice = world.dice();
    let slow = dice.chance(300);
    loop {
        let request = match socket.recv().await {
            Ok(request) => request,
            Err(RecvError::Closed) => return,
            Err(error) => panic!("rep {server}: {error}"),
        };
        let (letter, topic) = Letter::read(&request.message);
        assert_eq!(topic, "ask");
        world.note("serve", server, letter.number);
        {
            let mut model = model.borrow_mut();
            assert!(model.asked.contains(&letter), "nobody asked {letter:?}");
            assert!(model.served.insert(letter), "{letter:?} served twice");
            model.heard[server] += 1;
        }
        if slow && dice.chance(500) {
            world.sleep(world.up_to(Duration::from_millis(300))).await;
        }
        if socket.reply(&request, letter.write("answer")) {
            model.borrow_mut().replied[server] += 1;
        } else {
            world.note("refused", server, letter.number);
            model.borrow_mut().refused.insert(letter);
        }
    }
}

/// Clears the weather, waits for the end, and holds the counters against what was done.
async fn direct(
    world: World,
    clients: Vec<Socket>,
    servers: Vec<Socket>,
    heal_after: Duration,
    model: Rc<RefCell<Model>>,
) {
    world.sleep_until(heal_after).await;
    world.heal();
    while model.borrow().clients_busy > 0 {
        world.sleep(Duration::from_millis(100)).await;
        for socket in clients.iter().chain(&servers) {
            let (sent, received) = socket.stats();
            assert!(
                sent.balances() && received.balances(),
                "{sent:?} {received:?}"
            );
        }
    }
    let model = model.borrow();
    for (index, client) in clients.iter().enumerate() {
        let (sent, received) = client.stats();
        assert_eq!(sent.accepted, model.sent[index], "{sent:?}");
        assert!(received.delivered >= model.answered[index], "{received:?}");
    }
    for (index, server) in servers.iter().enumerate() {
        let (sent, received) = server.stats();
        assert_eq!(sent.accepted, model.replied[index], "{sent:?}");
        assert_eq!(received.delivered, model.heard[index], "{received:?}");
    }
    check_books(&world, &clients, &servers);
    for socket in clients.iter().chain(&servers) {
        socket.close();
    }
}

/// Requests each REQ asks in good weather.
const GOOD_REQUESTS: u64 = 5;

/// From the end of the faults until every connection is made again.
const SETTLE: Duration = Duration::from_secs(10);

/// How long an answer may take in good weather.
const PATIENCE: Duration = Duration::from_secs(10);

/// The end of the longest run.
const LIMIT: Duration = Duration::from_secs(90);
