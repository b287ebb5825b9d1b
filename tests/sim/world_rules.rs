//! The world against its own rules: time, tasks, reactors, and the failures it must notice.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hubless::{
    Endpoint, SocketType, Time,
    internals::{
        base::{context_options::ContextOptions, options::Options},
        core::{Context, Socket},
        reactor::{Reactor, Tenant},
    },
};

use super::{dice::Dice, faults::Faults, metal::SimMetal, seeds, world::World};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn tasks_sleep_and_give_up_in_virtual_time() {
    let world = World::new(3, false);
    let log = Rc::new(RefCell::new(Vec::new()));
    for seconds in [3, 1, 2] {
        let (world_, log) = (world.clone(), log.clone());
        world.spawn("sleeper", async move {
            world_.sleep(SECOND * seconds).await;
            log.borrow_mut().push(seconds);
        });
    }
    let (world_, log_) = (world.clone(), log.clone());
    world.spawn("gives up", async move {
        assert_eq!(world_.within(SECOND, async { 5 }).await, Some(5));
        assert_eq!(world_.within(SECOND * 9, pending::<()>()).await, None);
        log_.borrow_mut().push(9);
    });
    world.run(SECOND * 10);
    assert_eq!(*log.borrow(), [1, 2, 3, 9]);
    let now = world.now();
    assert!(now >= Time::START + SECOND * 9 && now < Time::START + SECOND * 10);
}

#[test]
#[should_panic(expected = "nothing can happen any more, but these wait: [\"forgotten\"]")]
fn a_task_that_nothing_can_wake_is_a_failure() {
    let world = World::new(1, false);
    world.spawn("done", async {});
    world.spawn("forgotten", pending());
    world.run(SECOND);
}

#[test]
#[should_panic(expected = "not done at 1s: [\"too long\"]")]
fn being_late_is_a_failure() {
    let world = World::new(1, false);
    let world_ = world.clone();
    world.spawn("too long", async move { world_.sleep(SECOND * 2).await });
    world.run(SECOND);
}

#[test]
fn every_seed_is_a_run_of_its_own_that_repeats() {
    seeds::each("every_seed_is_a_run_of_its_own", |world| {
        let mut dice = world.dice();
        let world_ = world.clone();
        world.spawn("wanders", async move {
            for step in 0..5 {
                let wait = Duration::from_nanos(dice.below(1 << 30));
                world_.note("wander", step, 0);
                world_.sleep(wait).await;
            }
            world_.heal();
        });
        world.run(SECOND * 10)
    });
}

#[test]
#[should_panic(expected = "the same seed must give the same trace")]
fn a_seed_that_does_not_repeat_is_a_failure() {
    let runs = Cell::new(0);
    seeds::each("unlike", |_| {
        runs.set(runs.get() + 1);
        runs.get()
    });
}

#[test]
#[should_panic(expected = "another seed gave the same trace")]
fn seeds_that_change_nothing_are_a_failure() {
    seeds::each("alike", |_| 7);
}

/// Counts how often it was driven and swept, and asks to be driven once more at a time.
#[derive(Default)]
struct Counting {
    driven: AtomicU64,
    swept: AtomicU64,
    given_up: AtomicU64,
    again: Time,
}

impl Tenant for Counting {
    fn drive(&self, now: Time) -> Option<Time> {
        self.driven.fetch_add(1, Ordering::Relaxed);
        (now < self.again).then_some(self.again)
    }

    fn sweep(&self) -> Option<Duration> {
        self.swept.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn lies(&self) -> bool {
        false
    }

    fn give_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_reactor_that_hears_of_nothing_any_more_gives_its_tenants_up() {
    let metal = SimMetal::new(Dice::new(5), Faults::none(), false);
    let (mut reactor, handle) = Reactor::new(Arc::new(metal.clone())).unwrap();
    let tenant = Arc::new(Counting::default());
    handle.adopt(tenant.clone());
    assert!(reactor.turn(Some(Duration::ZERO)));
    metal.go_deaf();
    let turns = (1..100).find(|_| !reactor.turn(Some(Duration::ZERO)));
    assert_eq!(turns, Some(8));
    assert!(handle.is_stopped());
    assert_eq!(tenant.given_up.load(Ordering::Relaxed), 1);
}

#[test]
fn a_socket_whose_selector_goes_on_failing_is_closed() {
    let metal = SimMetal::new(Dice::new(5), Faults::none(), false);
    let options = ContextOptions::default();
    let context = Context::new(Arc::new(metal.clone()), options);
    let pull = Socket::new(&context, SocketType::Pull, Options::default()).unwrap();
    let at: Endpoint = "tcp://127.0.0.1:5555".parse().unwrap();
    pull.bind(&at).unwrap();
    metal.go_deaf();
    for turn in 1..=8 {
        assert!(pull.is_open(), "turn {turn}");
        Tenant::drive(&*pull, Time::START);
    }
    assert!(!pull.is_open());
}

#[test]
fn a_reactor_runs_when_it_is_kicked_and_when_its_time_has_come() {
    let world = World::new(5, false);
    let (reactor, handle) = Reactor::new(world.metal()).unwrap();
    let tenant = Arc::new(Counting {
        again: Time::START + SECOND * 5,
        ..Counting::default()
    });
    let key = handle.adopt(tenant.clone());
    world.metal().run(reactor, &Default::default()).unwrap();
    let world_ = world.clone();
    world.spawn("checks", async move {
        let driven = || tenant.driven.load(Ordering::Relaxed);
        world_.sleep(SECOND).await;
        assert_eq!(driven(), 0);
        handle.kick(key);
        world_.sleep(SECOND).await;
        assert_eq!(driven(), 1);
        handle.sweep_soon(key);
        world_.sleep(SECOND).await;
        assert_eq!(tenant.swept.load(Ordering::Relaxed), 1);
        world_.sleep(SECOND * 3).await;
        assert_eq!(driven(), 2);
        handle.stop();
    });
    world.run(SECOND * 10);
}
