//! Waiting and service times, where time is owned: inproc, what the socket says is to the
//! nanosecond what the programs saw; over the network, no wait is longer than the way.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use hubless::{Context, Histogram, Linger, Pull, Push, RecvError, Time};

use super::{seeds, world::World};

#[test]
fn waits_and_services() {
    seeds::each("waits_and_services", run);
}

/// What the programs saw.
#[derive(Default)]
struct Seen {
    sent_at: VecDeque<Time>,
    /// From each send to the end of its receive.
    ways: Histogram,
    services: Histogram,
    /// The reader has seen all; the writer has looked at its numbers.
    read: bool,
    looked: bool,
}

fn run(world: World) -> u64 {
    let mut dice = world.dice();
    let here = Context::on_metal(world.metal(), 1);
    let there = if world.is_inproc() {
        here.clone()
    } else {
        Context::on_metal(world.metal(), 1)
    };
    // Time alone is random here, not the network's faults: every message arrives.
    world.heal();
    let hwm = [0, 1000][dice.index(2)];
    let both = dice.chance(500);
    let push = Push::builder()
        .context(&here)
        .send_hwm(hwm)
        .linger(Linger::For(Duration::from_secs(60)))
        .time_one_in(u32::from(both || !dice.chance(500)))
        .build()
        .expect("open");
    let pull = Pull::builder()
        .context(&there)
        .recv_hwm(hwm)
        .time_one_in(1)
        .build()
        .expect("open");
    let seen = Rc::new(RefCell::new(Seen::default()));
    let count = dice.between(5, 40);
    pull.bind(world.bind_endpoint(0).as_str()).expect("to bind");
    push.connect(world.bind_endpoint(0).as_str())
        .expect("to connect");

    world.spawn(
        "push",
        write(world.clone(), push, count, both, seen.clone()),
    );
    world.spawn("pull", read(world.clone(), pull, count, seen));
    drop((here, there));
    world.run(Duration::from_secs(300))
}

async fn write(world: World, push: Push, count: u64, both: bool, seen: Rc<RefCell<Seen>>) {
    for _ in 0..count {
        world.sleep(world.up_to(Duration::from_millis(20))).await;
        seen.borrow_mut().sent_at.push_back(world.now());
        push.send_async("x").await.expect("room");
    }
    while !seen.borrow().read || push.stats().sent.queued > 0 {
        world.sleep(Duration::from_millis(1)).await;
    }
    let times = push.times();
    let waits = &push.peers()[0].sent_waits;
    if both {
        let times = times.expect("they were asked for");
        assert_eq!(times.sent.count(), count);
        assert_eq!(waits.as_ref(), Some(&times.sent), "of the only peer");
        assert_eq!((times.received.count(), times.service.count()), (0, 0));
    }
    seen.borrow_mut().looked = true;
}

async fn read(world: World, pull: Pull, count: u64, book: Rc<RefCell<Seen>>) {
    let slow = world.dice().chance(500);
    for _ in 0..count {
        pull.recv_async().await.expect("one more");
        let taken = world.now();
        let sent = book.borrow_mut().sent_at.pop_front().expect("it was sent");
        book.borrow_mut().ways.record(taken - sent);
        let most = Duration::from_millis(if slow { 40 } else { 10 });
        world.sleep(world.up_to(most)).await;
        book.borrow_mut().services.record(world.now() - taken);
    }
    assert_eq!(
        pull.try_recv(),
        Err(RecvError::Empty),
        "asking ends the last service"
    );
    judge(&world, &pull, count, &mut book.borrow_mut());
    while !book.borrow().looked {
        world.sleep(Duration::from_millis(1)).await;
    }
}

/// Does the socket say what the programs saw?
fn judge(world: &World, pull: &Pull, count: u64, seen: &mut Seen) {
    let times = pull.times().expect("they were asked for");
    seen.read = true;
    assert_eq!(times.service, seen.services);
    assert_eq!(times.received.count(), count);
    assert_eq!(
        pull.peers()[0].received_waits.as_ref(),
        Some(&times.received)
    );
    assert!(times.received.sum() <= seen.ways.sum() && times.received.max() <= seen.ways.max());
    if world.is_inproc() {
        assert_eq!(times.received, seen.ways);
    }
    let stats = pull.stats();
    assert_eq!(
        (stats.received.delivered, stats.received.queued),
        (count, 0)
    );
}
