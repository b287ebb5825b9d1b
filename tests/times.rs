//! Waiting and service times, calls and turns, through the public API, over every transport.
//! (What they are to the nanosecond is tested where time is owned: `tests/sim/numbers.rs`.)

mod common;

use std::{thread, time::Duration};

use common::{SOON, eventually, everywhere, inproc};
use hubless::{Context, Histogram, Linger, Meter, Poller, Pub, Pull, Push, Rep, Req, Sub};

const PAUSE: Duration = Duration::from_millis(20);

/// All times lie above `least`, and there are so many.
fn above(times: &Histogram, count: u64, least: Duration, what: &str) {
    assert_eq!(times.count(), count, "{what}: {times:?}");
    assert!(times.quantile(0.0) >= least, "{what}: {times:?}");
    assert!(times.max() < SOON, "{what}: {times:?}");
}

#[test]
fn what_waits_and_what_is_worked_on_is_timed() {
    for at in everywhere() {
        let pull = Pull::builder().time_one_in(1).build().expect("a PULL");
        let push = Push::builder().time_one_in(1).build().expect("a PUSH");
        let at = pull.bind(at).expect("to bind");
        push.connect(&at).expect("to connect");
        push.send_all(["x"; 10]).expect("to send");
        eventually("all is here", || pull.stats().received.queued == 10);
        thread::sleep(PAUSE); // tidy: owned time
        for _ in 0..10 {
            pull.recv_timeout(SOON).expect("it is here");
        }
        let times = pull.times().expect("asked for");
        above(&times.received, 10, PAUSE, &at.to_string());
        assert_eq!(times.service.count(), 9, "the last is not done");
        thread::sleep(PAUSE); // tidy: owned time
        assert!(pull.try_recv().is_err());
        let times = pull.times().expect("asked for");
        assert_eq!(times.service.count(), 10);
        assert!(times.service.max() >= PAUSE);
        assert_eq!(pull.peers()[0].received_waits, Some(times.received));

        eventually("all has left", || push.stats().sent.queued == 0);
        let times = push.times().expect("asked for");
        assert_eq!(times.sent.count(), 10, "{at}: {times:?}");
        assert_eq!(times.received, Histogram::new());
        assert_eq!(push.peers()[0].sent_waits, Some(times.sent));
    }
}

#[test]
fn nothing_is_timed_unless_it_was_asked_for() {
    let (pull, push) = (Pull::new().expect("a PULL"), Push::new().expect("a PUSH"));
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    push.connect(&at).expect("to connect");
    push.send("x").expect("to send");
    pull.recv_timeout(SOON).expect("it");
    assert_eq!((pull.times(), push.times()), (None, None));
    let peer = &pull.peers()[0];
    assert!(peer.received_waits.is_none() && peer.sent_waits.is_none());
    let mut meter = Meter::new(&pull);
    eventually("time passes", || {
        meter.sample();
        meter.received(SOON).is_some()
    });
    assert_eq!(meter.received(SOON).expect("looks").service, None);
}

#[test]
fn one_in_so_many_is_timed_whatever_the_way() {
    const MESSAGES: usize = 20_000;
    for at in everywhere() {
        let pull = Pull::builder().time_one_in(10).build().expect("a PULL");
        let push = Push::builder().time_one_in(10).build().expect("a PUSH");
        let at = pull.bind(at).expect("to bind");
        push.connect(&at).expect("to connect");
        let sending = thread::spawn(move || {
            push.send_all((0..MESSAGES).map(|_| "x")).expect("to send");
            eventually("all has left", || push.stats().sent.queued == 0);
            push.times().expect("asked for")
        });
        for _ in 0..MESSAGES {
            pull.recv_timeout(SOON).expect("it comes");
        }
        let sent = sending.join().expect("a sender").sent;
        let received = pull.times().expect("asked for");
        for times in [&sent, &received.received, &received.service] {
            // 2000 on average, and five times the deviation on either side.
            assert!((1875..2125).contains(&times.count()), "{at}: {times:?}");
        }
    }
}

#[test]
fn those_who_have_left_are_in_the_times() {
    let at = inproc();
    let pull = Pull::builder().time_one_in(1).build().expect("a PULL");
    pull.bind(&at).expect("to bind");
    for _ in 0..3 {
        let push = Push::new().expect("a PUSH");
        push.connect(&at).expect("to connect");
        push.send("x").expect("to send");
        pull.recv_timeout(SOON).expect("it");
        push.close(SOON).expect("to close");
    }
    eventually("they are gone", || pull.peers().is_empty());
    assert_eq!(pull.times().expect("asked for").received.count(), 3);
}

#[test]
fn an_answer_ends_a_service_and_so_does_a_poller() {
    let at = inproc();
    let rep = Rep::builder().time_one_in(1).build().expect("a REP");
    let req = Req::new().expect("a REQ");
    rep.bind(&at).expect("to bind");
    req.connect(&at).expect("to connect");
    req.send("how long?").expect("to ask");
    let (_, responder) = rep.recv_timeout(SOON).expect("the question");
    thread::sleep(PAUSE); // tidy: owned time
    assert!(responder.reply("so long"));
    let service = rep.times().expect("asked for").service;
    above(&service, 1, PAUSE, "an answer");

    let pull = Pull::builder().time_one_in(1).build().expect("a PULL");
    let push = Push::new().expect("a PUSH");
    let at = inproc();
    pull.bind(&at).expect("to bind");
    push.connect(&at).expect("to connect");
    push.send("x").expect("to send");
    pull.recv().expect("it");
    thread::sleep(PAUSE); // tidy: owned time
    let mut poller = Poller::new().expect("a poller");
    poller.add(&pull, 0, hubless::Interest::READABLE);
    let mut ready = Vec::new();
    poller.wait(&mut ready, Some(Duration::ZERO)).expect("it");
    above(&pull.times().expect("it").service, 1, PAUSE, "a poller");
}

#[test]
fn a_thread_that_never_comes_back_stops_nobody() {
    let at = inproc();
    let pull = Pull::builder().time_one_in(1).build().expect("a PULL");
    let push = Push::builder().send_hwm(0).build().expect("a PUSH");
    pull.bind(&at).expect("to bind");
    push.connect(&at).expect("to connect");
    for _ in 0..200 {
        push.send("x").expect("to send");
        let pull = pull.clone();
        let gone = thread::spawn(move || pull.recv_timeout(SOON).map(drop));
        gone.join().expect("a thread").expect("a message");
    }
    push.send_all(["x", "x"]).expect("to send");
    pull.recv_timeout(SOON).expect("it");
    pull.recv_timeout(SOON).expect("it");
    let times = pull.times().expect("asked for");
    assert_eq!((times.received.count(), times.service.count()), (202, 1));
}

#[test]
fn a_meter_tells_the_rate_of_service_and_the_load() {
    let at = inproc();
    let pull = Pull::builder().time_one_in(1).build().expect("a PULL");
    let push = Push::new().expect("a PUSH");
    pull.bind(&at).expect("to bind");
    push.connect(&at).expect("to connect");
    let mut meter = Meter::new(&pull);
    push.send_all(["x"; 5]).expect("to send");
    for _ in 0..5 {
        pull.recv().expect("it");
        thread::sleep(PAUSE); // tidy: owned time
    }
    assert!(pull.try_recv().is_err());
    meter.sample();
    let service = pull.times().expect("asked for").service;
    for span in Meter::SPANS {
        let rates = meter.received(span).expect("two looks");
        let told = rates.service.expect("five were served");
        assert!(told.abs_diff(service.mean()) < Duration::from_micros(1));
        let rate = rates.service_rate().expect("it took some time");
        assert!(rate < 50.0 && (rate * told.as_secs_f64() - 1.0).abs() < 1e-9);
        let load = rates.load().expect("it is known");
        assert!((load - rates.arrivals / rate).abs() < 1e-6);
        assert!(load > 0.0 && load < 1.01, "one thread has served: {load}");
    }
}

#[test]
fn subscribers_are_timed_one_by_one() {
    let at = inproc();
    let publisher = Pub::builder().time_one_in(1).build().expect("a PUB");
    publisher.bind(&at).expect("to bind");
    let subs = ["a", "b", ""].map(|topic| {
        let sub = Sub::builder().time_one_in(1).build().expect("a SUB");
        sub.subscribe(topic).expect("open");
        sub.connect(&at).expect("to connect");
        sub
    });
    publisher.wait_subscribers(3, SOON).expect("all three");
    publisher.send_all(["a1", "b1", "b2", "c1"]).expect("it");
    for (sub, count) in subs.iter().zip([1, 2, 4]) {
        for _ in 0..count {
            sub.recv_timeout(SOON).expect("its own");
        }
        assert_eq!(sub.times().expect("asked for").received.count(), count);
    }
    assert_eq!(publisher.times().expect("asked for").sent.count(), 7);
}

#[test]
fn system_calls_and_wake_ups_are_counted() {
    let (pull, push) = (Pull::new().expect("a PULL"), Push::new().expect("a PUSH"));
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    push.connect(&at).expect("to connect");
    pull.wait_peers(1, SOON).expect("a peer");
    let before = (push.stats().calls, pull.stats().calls);
    for _ in 0..10 {
        push.send("x").expect("to send");
        eventually("it has left", || push.stats().sent.queued == 0);
        pull.recv_timeout(SOON).expect("it comes");
    }
    let (sent, received) = (push.stats().calls, pull.stats().calls);
    assert!(sent.writes - before.0.writes >= 10, "{sent:?}");
    assert!(received.reads - before.1.reads >= 10, "{received:?}");
    assert!(received.polls > before.1.polls, "{received:?}");

    // A thread that sleeps is woken: sooner or later it does, between one message and the next.
    let sleeper = pull.clone();
    let sleeping =
        thread::spawn(
            move || {
                while sleeper.recv_timeout(SOON).expect("a message")[0] != "end" {}
            },
        );
    eventually("it was woken", || {
        push.send("wake up").expect("to send");
        pull.stats().calls.wakeups > received.wakeups
    });
    push.send("end").expect("to send");
    sleeping.join().expect("a thread");

    // Within the process nothing passes through the kernel.
    let at = inproc();
    let (pull, push) = (Pull::new().expect("a PULL"), Push::new().expect("a PUSH"));
    pull.bind(&at).expect("to bind");
    push.connect(&at).expect("to connect");
    push.send_all(["x"; 100]).expect("to send");
    pull.try_iter().for_each(drop);
    assert_eq!((push.stats().calls, pull.stats().calls), Default::default());
}

#[test]
fn io_threads_tell_of_their_turns() {
    let context = Context::builder().io_threads(2).build();
    assert!(context.io_stats().is_empty(), "none is needed yet");
    let pull = Pull::builder().context(&context).build().expect("a PULL");
    let push = Push::builder().context(&context).build().expect("it");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    push.connect(&at).expect("to connect");
    push.send("x").expect("to send");
    pull.recv_timeout(SOON).expect("it comes");
    let threads = context.io_stats();
    assert_eq!(threads.len(), 2);
    for thread in &threads {
        assert_eq!(thread.sockets, 1, "{thread:?}");
        assert!(thread.wakeups <= thread.turns, "{thread:?}");
        assert!(thread.longest_turn <= thread.busy && thread.busy <= thread.lifetime);
        assert!(thread.slow_turns <= thread.turns);
        assert!((0.0..=1.0).contains(&thread.utilisation()));
    }
    // Nobody waited at the PUSH while it connected.
    let worked = || context.io_stats().iter().any(|it| it.turns > 0);
    eventually("they have worked", worked);
    push.close(SOON).expect("to close");
    pull.close(SOON).expect("to close");
    eventually("nobody is left", || {
        context.io_stats().iter().all(|thread| thread.sockets == 0)
    });
}

#[test]
fn connections_made_anew_are_counted() {
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let push = Push::builder().linger(Linger::Drop).build().expect("it");
    let connection = push.connect(&at).expect("to connect");
    for round in 0..3 {
        connection.wait_ready(SOON).expect("a peer");
        let stats = push.stats();
        assert_eq!((stats.connections, stats.reconnects), (round + 1, round));
        assert_eq!(stats.peers, 1);
        pull.wait_peers(1, SOON).expect("it knows, too");
        pull.unbind(&at).expect("it was bound");
        eventually("it is gone", || push.stats().peers == 0);
        pull.bind(&at).expect("to bind");
    }
    connection.wait_ready(SOON).expect("a peer");
    eventually("here, too", || pull.stats().connections == 4);
    assert_eq!(pull.stats().reconnects, 0, "to it they are new peers");
}

#[test]
fn of_messages_taken_many_at_a_time_only_the_waits_are_known() {
    let at = inproc();
    let pull = Pull::builder().time_one_in(1).build().expect("a PULL");
    let push = Push::new().expect("a PUSH");
    pull.bind(&at).expect("to bind");
    push.connect(&at).expect("to connect");
    push.send_all(["x"; 10]).expect("to send");
    let mut lot = Vec::new();
    pull.recv().expect("it");
    assert_eq!(pull.recv_many(&mut lot, 5).expect("it"), 5);
    assert_eq!(pull.recv_many(&mut lot, 5).expect("it"), 4);
    let times = pull.times().expect("asked for");
    assert_eq!((times.received.count(), times.service.count()), (10, 1));
}
