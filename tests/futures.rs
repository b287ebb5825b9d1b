//! Waiting that ends early: timeouts, futures that are dropped, executors of any kind. Nothing
//! is lost by it, and nothing comes twice.

mod common;

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use common::{
    Dice, MOMENT, SOON, Started, balanced, block_on, eventually, everywhere, number, numbered,
    poll_once, quiet,
};
use hubless::{
    Dealer, Linger, Pair, Pub, Pull, Push, RecvError, Rep, Req, Router, SendError, Stream, Sub,
    XPub, XSub,
};

fn is_shared<T: Send + Sync + Clone + 'static>() {}

#[test]
fn sockets_may_go_to_any_thread() {
    is_shared::<Dealer>();
    is_shared::<Pair>();
    is_shared::<Pub>();
    is_shared::<Pull>();
    is_shared::<Push>();
    is_shared::<Rep>();
    is_shared::<Req>();
    is_shared::<Router>();
    is_shared::<Stream>();
    is_shared::<Sub>();
    is_shared::<XPub>();
    is_shared::<XSub>();
    is_shared::<hubless::Context>();
    is_shared::<hubless::Connection>();
}

fn is_send<T: Send>(_: T) {}

/// Is compiled, and has shown by that that every future, stream and sink may go to any thread.
#[allow(dead_code)]
#[rustfmt::skip]
fn every_future_is_send(
    (pair, dealer, router): (Pair, Dealer, Router), (req, rep): (Req, Rep), (push, pull): (Push, Pull),
    (publisher, sub, xpub, xsub): (Pub, Sub, XPub, XSub), raw: Stream, connection: hubless::Connection,
) {
    is_send(pair.send_async("")); is_send(pair.recv_async());
    is_send(dealer.send_async("")); is_send(dealer.recv_async());
    is_send(router.recv_from_async()); is_send(raw.recv_from_async());
    is_send(req.send_async("")); is_send(req.recv_async()); is_send(req.request_async(""));
    is_send(rep.recv_async());
    is_send(push.send_async("")); is_send(pull.recv_async());
    is_send(publisher.send_async("")); is_send(sub.recv_async());
    is_send(xpub.send_async("")); is_send(xpub.recv_async());
    is_send(xsub.send_async("")); is_send(xsub.recv_async());
    is_send(connection.ready());
    is_send(pair.stream()); is_send(dealer.stream()); is_send(req.stream()); is_send(rep.stream());
    is_send(pull.stream()); is_send(sub.stream()); is_send(xpub.stream()); is_send(xsub.stream());
    is_send(router.stream()); is_send(raw.stream()); is_send(raw.sink()); is_send(pull.monitor());
    is_send(dealer.sink()); is_send(router.sink());
}

/// Small marks, so that everybody has to wait a lot.
fn pipeline(at: &str) -> (Push, Pull) {
    let pull = Pull::builder().recv_hwm(3).build().expect("a PULL");
    let at = pull.bind(at).expect("to bind");
    let push = Push::builder().send_hwm(3).build().expect("a PUSH");
    push.connect(&at).expect("to connect");
    (push, pull)
}

#[test]
fn receives_that_time_out_lose_nothing() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let (ask, asked) = mpsc::channel();
        let sending = Started::new(move || {
            let mut next = 0..2000;
            while asked.recv().is_ok() {
                for number in next.by_ref().take(100) {
                    push.send(numbered(number)).expect("to send");
                }
            }
            push
        });
        let mut dice = Dice::new(0x7135_0077);
        let (mut next, mut due, mut timeouts) = (0, 0, 0);
        while next < 2000 {
            let wait = Duration::from_micros(dice.roll(4) * 5);
            match pull.recv_timeout(wait) {
                Ok(message) => {
                    assert_eq!(number(&message[0]), next, "over {at}");
                    next += 1;
                }
                Err(RecvError::TimedOut) => {
                    timeouts += 1;
                    if next == due {
                        ask.send(()).expect("the sender listens");
                        due += 100;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(timeouts >= 20, "one before each hundred");
        assert_eq!(pull.recv_timeout(MOMENT), Err(RecvError::TimedOut));
        drop(ask);
        let push = sending.join("the sender");
        quiet("the sender", || push.stats());
    }
}

#[test]
fn what_is_here_is_received_without_waiting() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        for round in 0..100 {
            push.send(numbered(round)).expect("to send");
            eventually("it has come", || pull.stats().received.queued == 1);
            // By turns: not waiting at all, and waiting no time.
            let received = if round % 2 == 0 {
                pull.try_recv()
            } else {
                pull.recv_timeout(Duration::ZERO)
            };
            assert_eq!(
                number(&received.expect("it is here")[0]),
                round,
                "over {at}"
            );
        }
        assert_eq!(pull.try_recv(), Err(RecvError::Empty));
        assert_eq!(pull.recv_timeout(Duration::ZERO), Err(RecvError::TimedOut));
    }
}

#[test]
fn sends_that_time_out_leave_the_socket_as_it_was() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let mut dice = Dice::new(0x5e4d);
        let (mut read, mut timeouts) = (0, 0);
        // Nothing is read but after a timeout: a few messages, each time.
        let mut read_some = |most: usize| {
            for message in pull.try_iter().take(most) {
                assert_eq!(number(&message[0]), read, "in order, each once");
                read += 1;
            }
            read
        };
        for number in 0..1000 {
            let mut message = numbered(number);
            // Large enough to fill what lies between.
            message.push(vec![0; 20_000]);
            loop {
                let wait = Duration::from_micros(dice.roll(4) * 10);
                match push.send_timeout(message, wait) {
                    Ok(()) => break,
                    Err(SendError::TimedOut(back)) => {
                        assert_eq!((back.len(), back[1].len()), (2, 20_000));
                        (message, timeouts) = (back, timeouts + 1);
                        read_some(1 + dice.roll(9) as usize);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        assert!(timeouts > 0, "over {at}");
        eventually("all is read", || read_some(1000) == 1000);
        quiet("the sender", || push.stats());
        assert_eq!(push.stats().sent.delivered, 1000);
        assert_eq!(pull.recv_timeout(MOMENT), Err(RecvError::TimedOut));
    }
}

/// Counts how often it is rung, and unparks nobody.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls a future some times at most, then drops it. What it gave, if it was ready by then.
fn poll_some<F: Future>(future: F, most: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..most {
        if let Poll::Ready(value) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return Some(value);
        }
        std::thread::yield_now();
    }
    None
}

#[test]
fn futures_that_are_dropped_lose_nothing_and_double_nothing() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let sending = Started::new(move || {
            let mut dice = Dice::new(0xca9c_e100);
            for number in 0..1500 {
                // Dropped before it was ready, it has sent nothing: it is sent again.
                while poll_some(push.send_async(numbered(number)), dice.roll(3)).is_none() {}
            }
            push
        });
        let mut dice = Dice::new(0xca9c_e1ed);
        let mut next = 0;
        while next < 1500 {
            if let Some(message) = poll_some(pull.recv_async(), dice.roll(3)) {
                assert_eq!(number(&message.expect("a message")[0]), next, "over {at}");
                next += 1;
            }
        }
        assert_eq!(pull.recv_timeout(MOMENT), Err(RecvError::TimedOut));
        let push = sending.join("the sender");
        quiet("the sender", || push.stats());
        balanced("the receiver", pull.stats());
    }
}

#[test]
fn a_waiter_that_goes_away_passes_its_bell_on() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        for round in 0..50 {
            // Two wait; the first is rung and dropped: the second must hear of it.
            let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
            let wakers = [&first, &second].map(|count| Waker::from(Arc::clone(count)));
            let mut one = Box::pin(pull.recv_async());
            let mut two = Box::pin(pull.recv_async());
            assert!(
                one.as_mut()
                    .poll(&mut Context::from_waker(&wakers[0]))
                    .is_pending()
            );
            assert!(
                two.as_mut()
                    .poll(&mut Context::from_waker(&wakers[1]))
                    .is_pending()
            );
            push.send(numbered(round)).expect("to send");
            eventually("one is rung", || first.0.load(Ordering::SeqCst) == 1);
            drop(one);
            eventually("so is the other", || second.0.load(Ordering::SeqCst) == 1);
            match poll_once(&mut two) {
                Poll::Ready(message) => assert_eq!(number(&message.expect("it")[0]), round),
                Poll::Pending => panic!("it was there, over {at}"),
            }
        }
    }
}

#[test]
fn a_sender_that_goes_away_passes_its_bell_on() {
    let at = common::inproc();
    let pull = Pull::builder().recv_hwm(1).build().expect("a PULL");
    pull.bind(&at).expect("to bind");
    let push = Push::builder().send_hwm(1).build().expect("a PUSH");
    push.connect(&at).expect("to connect");
    push.send("1").expect("room");
    push.send("2").expect("room");
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let wakers = [&first, &second].map(|count| Waker::from(Arc::clone(count)));
    let mut one = Box::pin(push.send_async("never"));
    let mut two = Box::pin(push.send_async("3"));
    assert!(
        one.as_mut()
            .poll(&mut Context::from_waker(&wakers[0]))
            .is_pending()
    );
    assert!(
        two.as_mut()
            .poll(&mut Context::from_waker(&wakers[1]))
            .is_pending()
    );
    assert_eq!(pull.recv().expect("it")[0], "1");
    assert_eq!(first.0.load(Ordering::SeqCst), 1);
    drop(one);
    assert_eq!(second.0.load(Ordering::SeqCst), 1);
    assert!(poll_once(&mut two).is_ready());
    assert_eq!(pull.recv().expect("it")[0], "2");
    assert_eq!(pull.recv().expect("it")[0], "3");
    assert_eq!(pull.try_recv(), Err(RecvError::Empty));
}

#[test]
fn senders_that_wait_for_different_peers_are_both_heard() {
    let at = common::inproc();
    let publisher = Pub::builder()
        .send_hwm(1)
        .no_drop(true)
        .build()
        .expect("a PUB");
    publisher.bind(&at).expect("to bind");
    let subs = ["x", "y"].map(|topic| {
        let sub = Sub::builder().recv_hwm(1).build().expect("a SUB");
        sub.subscribe(topic).expect("open");
        sub.connect(&at).expect("to connect");
        publisher.send(topic).expect("room");
        publisher.send(topic).expect("room");
        sub
    });
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let wakers = [&first, &second].map(|count| Waker::from(Arc::clone(count)));
    let mut for_x = Box::pin(publisher.send_async("x"));
    let mut for_y = Box::pin(publisher.send_async("y"));
    for (future, waker) in [(&mut for_x, &wakers[0]), (&mut for_y, &wakers[1])] {
        let polled = future.as_mut().poll(&mut Context::from_waker(waker));
        assert!(polled.is_pending());
    }
    // Room for y: whoever waits for x cannot use it.
    assert_eq!(subs[1].recv().expect("it")[0], "y");
    let x = for_x.as_mut().poll(&mut Context::from_waker(&wakers[0]));
    assert!(x.is_pending());
    assert_eq!(second.0.load(Ordering::SeqCst), 1);
    assert!(poll_once(&mut for_y).is_ready());
}

#[test]
fn who_has_waited_for_a_peer_leaves_nothing_behind() {
    let push = Push::new().expect("a PUSH");
    let connection = push.connect(common::inproc().as_str()).expect("to connect");
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    for _ in 0..10 {
        let mut ready = Box::pin(connection.ready());
        let polled = ready.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "nobody is there");
    }
    assert_eq!(Arc::strong_count(&count), 2, "the waker's, and ours");
}

#[test]
fn receives_of_several_sockets_at_a_time() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let (other_push, other_pull) = pipeline(&common::inproc());
        let senders = [(push, 0), (other_push, 1)].map(|(push, index)| {
            Started::new(move || {
                for number in 0..300u64 {
                    push.send([index.to_string(), number.to_string()])
                        .expect("to send");
                }
                push
            })
        });
        // Whichever is ready first; the other one is dropped, each time.
        let mut next = [0, 0];
        while next != [300, 300] {
            let message = block_on(async {
                let mut one = Box::pin(pull.recv_async());
                let mut two = Box::pin(other_pull.recv_async());
                std::future::poll_fn(|context| {
                    let polled = one.as_mut().poll(context);
                    if polled.is_ready() {
                        polled
                    } else {
                        two.as_mut().poll(context)
                    }
                })
                .await
            });
            let message = message.expect("a message");
            let sender = number(&message[0]) as usize;
            assert_eq!(number(&message[1]), next[sender], "over {at}");
            next[sender] += 1;
        }
        for sender in senders {
            sender.join("a sender");
        }
    }
}

#[test]
fn a_request_that_is_dropped_is_given_up() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let server = rep.clone();
        let serving = Started::new(move || {
            // The odd ones are kept, and answered late: when the next even one has come.
            let mut kept = Vec::new();
            for (request, responder) in &server {
                if number(&request[0]) % 2 == 1 {
                    kept.push((request, responder));
                    continue;
                }
                for (request, responder) in kept.drain(..) {
                    responder.reply(request);
                }
                responder.reply(request);
            }
        });
        let req = Req::builder().linger(Linger::Drop).build().expect("a REQ");
        req.connect(&at).expect("to connect");
        let mut dice = Dice::new(0x9e9);
        for round in 0..50 {
            let asked = poll_some(req.request_async(numbered(2 * round + 1)), dice.roll(3));
            assert!(asked.is_none(), "it is not answered before the next");
            let even = 2 * round + 2;
            let answer = block_on(req.request_async(numbered(even))).expect("an answer");
            assert_eq!(number(&answer[0]), even, "over {at}");
        }
        rep.close(SOON).expect("to close");
        serving.join("the server");
    }
}

/// Several tasks on one thread, polled when they were rung and only then.
#[test]
fn tasks_of_one_thread_take_turns() {
    for at in everywhere() {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(&at).expect("to bind");
        let reqs: Vec<Req> = (0..5)
            .map(|_| {
                let req = Req::new().expect("a REQ");
                req.connect(&at).expect("to connect");
                req
            })
            .collect();
        let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = reqs
            .iter()
            .map(|req| {
                Box::pin(async move {
                    for round in 0..40 {
                        let answer = req.request_async(numbered(round)).await.expect("it");
                        assert_eq!(number(&answer[0]), round);
                    }
                }) as Pin<Box<dyn Future<Output = ()>>>
            })
            .collect();
        tasks.push(Box::pin(async {
            for _ in 0..200 {
                let (request, responder) = rep.recv_async().await.expect("a request");
                assert!(responder.reply(request));
            }
        }));
        block_on(std::future::poll_fn(|context| {
            tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
            if tasks.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
    }
}
