//! The world of one run: it lets one thing happen after another, in an order the dice choose, and
//! moves the clock when nothing is left to happen now.
//!
//! ```text
//!        ┌─► a woken task ──┐
//!  dice ─┼─► a reactor      ├─► until nothing can run ─► clock to the next of:
//!        └─► the network  ──┘                              network · reactor's deadline · timer
//!                                                          none, and a task waits: failure
//! ```
//!
//! A reactor is turned only when a thread of its own would have woken: its selector has something
//! to tell, or the time has passed for which it meant to sleep. Whatever the library
//! leaves undone without a bell, a waker or a deadline stays undone, and the run fails.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hubless::{
    Time,
    internals::reactor::{
        Reactor,
        metal::{Metal, SourceId},
    },
};

use super::{
    dice::Dice,
    faults::Faults,
    metal::SimMetal,
    tasks::{Tasks, TimerKey},
};

/// One run. Clones are handles on the same one, for tasks to hold.
#[derive(Clone)]
pub struct World {
    metal: SimMetal,
    tasks: Tasks,
    reactors: Rc<RefCell<Vec<Turning>>>,
    dice: Rc<RefCell<Dice>>,
    scheme: u64,
    beats: bool,
    healed: Rc<Cell<bool>>,
}

/// A reactor, and whether a thread of its own would run now.
struct Turning {
    reactor: Reactor,
    sleep: Option<Sleep>,
}

/// A thread in its poll.
#[derive(Clone, Copy)]
struct Sleep {
    selector: SourceId,
    until: Option<Time>,
}

impl World {
    /// The world of `seed`: its weather and all that follows.
    pub fn new(seed: u64, aloud: bool) -> World {
        let mut dice = Dice::new(seed);
        let faults = Faults::draw(&mut dice);
        if aloud {
            eprintln!("{faults:#?}");
        }
        let scheme = dice.below(5);
        let beats = dice.chance(300);
        let world = World {
            scheme,
            beats,
            healed: Rc::default(),
            metal: SimMetal::new(dice.fork(), faults, aloud),
            tasks: Tasks::default(),
            reactors: Rc::default(),
            dice: Rc::new(RefCell::new(dice)),
        };
        world.metal.net().name("one", &[LISTENER.into()]);
        world
            .metal
            .net()
            .name("two", &[NOBODY.into(), LISTENER.into()]);
        world
    }

    /// The metal, for a context to stand on.
    pub fn metal(&self) -> Arc<dyn Metal> {
        Arc::new(self.metal.clone())
    }

    /// The clock.
    pub fn now(&self) -> Time {
        self.metal.now()
    }

    /// Dice of their own for whoever asks.
    pub fn dice(&self) -> Dice {
        self.dice.borrow_mut().fork()
    }

    /// Has no connection ended so far?
    pub fn is_intact(&self) -> bool {
        self.metal.net().is_intact()
    }

    /// How many messages of at least `octets` may have been on connections that ended, written and
    /// not read: none, if those lost no octet.
    pub fn vanished(&self, octets: usize) -> u64 {
        let net = self.metal.net();
        // Of each, one was begun and one was cut.
        let most: usize = net.vanished().map(|lost| lost / octets + 2).sum();
        most as u64
    }

    /// The longest that `octets` may take to the other side, and as many back, in good weather.
    pub fn crossing(&self, octets: usize) -> Duration {
        let net = self.metal.net();
        let trips = octets / net.faults.capacity_octets + 1;
        // A full way is free again one latency after its octets have arrived.
        net.faults.latency_max * u32::try_from(4 * trips).expect("few")
    }

    /// Do all sockets of this world find out by themselves that a connection is dead? Not where
    /// octets take so long that silence means nothing.
    pub fn hearts_beat(&self) -> bool {
        self.beats && self.crossing(BURST_OCTETS) < Duration::from_secs(2)
    }

    /// Do all sockets of this world talk within one context?
    pub fn is_inproc(&self) -> bool {
        self.scheme == 4
    }

    /// Where the socket number `index` of this world is to be bound: an address, or a path.
    pub fn bind_endpoint(&self, index: usize) -> String {
        match self.scheme {
            0..=2 => format!("tcp://127.0.0.1:{}", 5000 + index),
            3 => format!("ipc:///tmp/sim-{index}"),
            _ => format!("inproc://sim-{index}"),
        }
    }

    /// The same for who connects: perhaps by a name, of which the first address may be a wrong one.
    pub fn connect_endpoint(&self, index: usize) -> String {
        match self.scheme {
            1 => format!("tcp://one:{}", 5000 + index),
            2 => format!("tcp://two:{}", 5000 + index),
            _ => self.bind_endpoint(index),
        }
    }

    /// A random time of at most `most`.
    pub fn up_to(&self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_nanos()).expect("a short time");
        Duration::from_nanos(self.dice.borrow_mut().between(0, most))
    }

    /// Can anything still go wrong?
    pub fn is_bad(&self) -> bool {
        !self.healed.get()
    }

    /// Ends all faults. Who sits on a silent connection is told, unless their hearts beat.
    pub fn heal(&self) {
        self.heal_but_silence();
        if !self.hearts_beat() {
            self.end_silence();
        }
    }

    /// Ends all faults, but who sits on a silent connection is not told.
    pub fn heal_but_silence(&self) {
        self.healed.set(true);
        self.metal.net().heal();
    }

    /// Who sits on a silent connection is told.
    pub fn end_silence(&self) {
        self.metal.net().end_silence();
    }

    /// An event of a program, for the trace.
    pub fn note(&self, what: &'static str, who: usize, amount: u64) {
        let who = i32::try_from(who).expect("few");
        self.metal.net().note(what, who, amount);
    }

    /// Starts a program.
    pub fn spawn(&self, name: impl Into<String>, program: impl Future<Output = ()> + 'static) {
        self.tasks.spawn(name.into(), program);
    }

    /// Waits in virtual time.
    pub async fn sleep(&self, wait: Duration) {
        let until = self.now() + wait;
        let mut timer = Timer::new(&self.tasks);
        poll_fn(|context| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            timer.set(until, context);
            Poll::Pending
        })
        .await;
    }

    /// Waits until this long after the start.
    pub async fn sleep_until(&self, since_start: Duration) {
        let until = Time::START + since_start;
        self.sleep(until.since(self.now())).await;
    }

    /// The outcome of `attempt`, or `None` if it took longer than `wait` and was dropped.
    pub async fn within<T>(&self, wait: Duration, attempt: impl Future<Output = T>) -> Option<T> {
        let until = self.now() + wait;
        let mut attempt = pin!(attempt);
        let mut timer = Timer::new(&self.tasks);
        poll_fn(|context| {
            if let Poll::Ready(outcome) = attempt.as_mut().poll(context) {
                return Poll::Ready(Some(outcome));
            }
            if self.now() >= until {
                return Poll::Ready(None);
            }
            timer.set(until, context);
            Poll::Pending
        })
        .await
    }

    /// Runs until every task is done; returns the trace's hash.
    ///
    /// # Panics
    /// When nothing can happen any more although a task waits, or when the tasks are not done at
    /// `limit`.
    pub fn run(&self, limit: Duration) -> u64 {
        let limit = Time::START + limit;
        for _ in 0..STEPS_MAX {
            if self.step() {
                self.pass_time();
                continue;
            }
            let unfinished = self.tasks.unfinished();
            if unfinished.is_empty() {
                return self.finish();
            }
            let Some(next) = self.next_time() else {
                panic!("nothing can happen any more, but these wait: {unfinished:?}");
            };
            let mut net = self.metal.net();
            net.now = next.max(net.now);
            assert!(next <= limit, "not done at {limit:?}: {unfinished:?}");
        }
        panic!("the library spins: {STEPS_MAX} steps, and no end");
    }

    /// Lets one thing happen, if anything can now.
    fn step(&self) -> bool {
        let now = self.now();
        self.tasks.fire_timers(now);
        for reactor in self.metal.take_reactors() {
            let sleep = None;
            self.reactors.borrow_mut().push(Turning { reactor, sleep });
        }
        let awake = self.awake_reactors(now);
        let tasks = self.tasks.woken_count();
        let network = usize::from(self.metal.net().next_time().is_some_and(|time| time <= now));
        let all = tasks + awake.len() + network;
        if all == 0 {
            return false;
        }
        let choice = self.dice.borrow_mut().index(all);
        if choice < tasks {
            let (task, done) = self.tasks.poll(choice);
            self.note("task", task, u64::from(done));
        } else if let Some(reactor) = awake.get(choice - tasks) {
            self.turn(*reactor);
        } else {
            let errand = self.metal.net().step();
            if let Some(errand) = errand.flatten() {
                errand();
            }
        }
        true
    }

    fn awake_reactors(&self, now: Time) -> Vec<usize> {
        let net = self.metal.net();
        let reactors = self.reactors.borrow();
        let awake = reactors.iter().enumerate().filter(|(_, turning)| {
            turning.sleep.is_none_or(|sleep| {
                net.is_ready(sleep.selector) || sleep.until.is_some_and(|until| until <= now)
            })
        });
        awake.map(|(index, _)| index).collect()
    }

    fn turn(&self, index: usize) {
        let mut turning = self.reactors.borrow_mut().remove(index);
        self.metal.net().outer_poll = None;
        self.note("turn", index, 0);
        let goes_on = turning.reactor.turn(Some(Duration::ZERO));
        let wait = turning.reactor.doze();
        let net = self.metal.net();
        let selector = net.outer_poll.expect("a turn polls the reactor's selector");
        let until = wait.map(|wait| net.now + wait);
        turning.sleep = Some(Sleep { selector, until });
        drop(net);
        if goes_on {
            self.reactors.borrow_mut().insert(index, turning);
        }
    }

    /// Whatever happened took a little time; sometimes the thread was held up.
    fn pass_time(&self) {
        let mut net = self.metal.net();
        let stall = net.faults.stall;
        let most = if net.dice.chance(stall) {
            STALL
        } else {
            STEP_COST
        };
        let cost = net.up_to(most);
        net.now = net.now + cost;
    }

    /// When the next thing happens.
    fn next_time(&self) -> Option<Time> {
        let reactors = self.reactors.borrow();
        let deadlines = reactors.iter().filter_map(|turning| turning.sleep?.until);
        deadlines
            .chain(self.metal.net().next_time())
            .chain(self.tasks.next_timer())
            .min()
    }

    fn finish(&self) -> u64 {
        self.tasks.clear();
        // A reactor holds the metal, which holds those not yet taken.
        drop(self.metal.take_reactors());
        self.reactors.borrow_mut().clear();
        self.metal.net().trace.hash()
    }
}

/// A timer that is gone when its owner is.
struct Timer<'a> {
    tasks: &'a Tasks,
    key: Option<TimerKey>,
}

impl<'a> Timer<'a> {
    fn new(tasks: &'a Tasks) -> Timer<'a> {
        Timer { tasks, key: None }
    }

    fn set(&mut self, until: Time, context: &std::task::Context<'_>) {
        self.cancel();
        self.key = Some(self.tasks.wake_at(until, context.waker().clone()));
    }

    fn cancel(&mut self) {
        if let Some(key) = self.key.take() {
            self.tasks.cancel_timer(key);
        }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// What may lie before a PING and before its PONG.
pub const BURST_OCTETS: usize = 2000;

/// Where everybody listens, and where nobody does.
const LISTENER: [u8; 4] = [127, 0, 0, 1];
const NOBODY: [u8; 4] = [127, 0, 0, 2];

/// The longest an ordinary step takes.
const STEP_COST: Duration = Duration::from_micros(1);

/// The longest a thread is held up.
const STALL: Duration = Duration::from_millis(50);

/// Far more steps than any run needs.
const STEPS_MAX: usize = 200_000;
