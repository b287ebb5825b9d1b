//! Streams and sinks: the same messages by the same way, none lost and none twice.

mod common;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use common::{
    Dice, MOMENT, SOON, Started, balanced, block_on, everywhere, inproc, number, numbered,
    pipeline, quiet,
};
use futures_core::Stream;
use futures_sink::Sink;
use hubless::{
    Dealer, EventKind, Incoming, Message, Monitor, Outgoing, OutgoingTo, Pair, PeerId, Pull, Push,
    RecvError, Rep, Req, Responder, Router, SendError,
};

/// The next item.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// Sends and flushes.
async fn send<S, M>(sink: &mut S, message: M) -> Result<(), S::Error>
where
    S: Sink<M> + Unpin,
{
    feed(sink, message).await?;
    poll_fn(|context| Pin::new(&mut *sink).poll_flush(context)).await
}

/// Sends, and leaves it to others to flush.
async fn feed<S, M>(sink: &mut S, message: M) -> Result<(), S::Error>
where
    S: Sink<M> + Unpin,
{
    poll_fn(|context| Pin::new(&mut *sink).poll_ready(context)).await?;
    Pin::new(&mut *sink).start_send(message)
}

/// Runs two futures on one thread, to the end of both.
fn together<A: Future, B: Future>(one: A, other: B) -> (A::Output, B::Output) {
    let (mut one, mut other) = (Box::pin(one), Box::pin(other));
    let (mut first, mut second) = (None, None);
    block_on(poll_fn(move |context| {
        if first.is_none() {
            if let Poll::Ready(value) = one.as_mut().poll(context) {
                first = Some(value);
            }
        }
        if second.is_none() {
            if let Poll::Ready(value) = other.as_mut().poll(context) {
                second = Some(value);
            }
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    }))
}

#[test]
fn all_of_them_may_be_sent_to_other_threads() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Incoming<Message>>();
    is_send::<Incoming<(PeerId, Message)>>();
    is_send::<Incoming<(Message, Responder)>>();
    is_send::<Outgoing>();
    is_send::<OutgoingTo>();
    is_send::<Monitor>();
}

#[test]
fn a_stream_gives_what_a_sink_takes_and_ends_with_its_socket() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        let sending = async {
            let mut sink = push.sink();
            for number in 0..3000 {
                feed(&mut sink, numbered(number)).await.expect("to send");
            }
            poll_fn(|context| Pin::new(&mut sink).poll_close(context)).await
        };
        let receiving = async {
            let mut stream = pull.stream();
            for expected in 0..3000 {
                let message = next(&mut stream).await.expect("it is open");
                assert_eq!(number(&message.expect("a message")[0]), expected);
            }
            pull.close(Duration::ZERO).expect("to close");
            assert!(next(&mut stream).await.is_none());
            assert!(next(&mut stream).await.is_none(), "and again");
        };
        let (closed, ()) = together(sending, receiving);
        assert_eq!(closed, Ok(()), "over {at}");
    }
}

#[test]
fn a_sink_holds_one_message_that_finds_no_room() {
    let push = Push::new().expect("a PUSH");
    let mut sink = push.sink();
    let mut context = Context::from_waker(Waker::noop());
    let mut sink = Pin::new(&mut sink);
    assert_eq!(sink.as_mut().poll_ready(&mut context), Poll::Ready(Ok(())));
    assert_eq!(sink.as_mut().start_send("1".into()), Ok(()));
    assert_eq!(sink.as_mut().poll_ready(&mut context), Poll::Pending);
    let refused = SendError::Full("2".into());
    assert_eq!(sink.as_mut().start_send("2".into()), Err(refused));
    let (pull, at) = (Pull::new().expect("a PULL"), inproc());
    pull.bind(&at).expect("to bind");
    push.connect(&at).expect("to connect");
    assert_eq!(sink.as_mut().poll_flush(&mut context), Poll::Ready(Ok(())));
    assert_eq!(pull.recv().expect("it")[0], "1");
    push.close(Duration::ZERO).expect("to close");
    let closed = SendError::Closed("3".into());
    assert_eq!(sink.as_mut().start_send("3".into()), Err(closed));
}

#[test]
fn both_halves_are_used_at_a_time() {
    for at in everywhere() {
        let (left, right) = (Pair::new().expect("a PAIR"), Pair::new().expect("a PAIR"));
        let at = left.bind(&at).expect("to bind");
        right.connect(&at).expect("to connect");
        let echoing = Started::new(move || {
            let (mut sink, mut stream) = left.split();
            block_on(async {
                for _ in 0..2000 {
                    let message = next(&mut stream).await.expect("it is open");
                    let message = message.expect("a message");
                    send(&mut sink, message).await.expect("to send");
                }
            });
            sink
        });
        let (mut sink, mut stream) = right.split();
        let sending = async {
            for number in 0..2000 {
                send(&mut sink, numbered(number)).await.expect("to send");
            }
        };
        let receiving = async {
            for expected in 0..2000 {
                let message = next(&mut stream).await.expect("it is open");
                assert_eq!(number(&message.expect("a message")[0]), expected);
            }
        };
        together(sending, receiving);
        drop(echoing.join("the echo"));
    }
}

#[test]
fn routers_and_servers_have_theirs() {
    let (router, at) = (Router::new().expect("a ROUTER"), inproc());
    router.bind(&at).expect("to bind");
    let (mut to, mut from) = router.split();
    let ann = Dealer::builder().routing_id("ann").build();
    let ann = ann.expect("a DEALER");
    ann.connect(&at).expect("to connect");
    ann.send("hello").expect("to send");
    block_on(async {
        let (who, message) = next(&mut from).await.expect("open").expect("a message");
        assert_eq!(message[0], "hello");
        send(&mut to, (who, "welcome".into()))
            .await
            .expect("to send");
        assert_eq!(ann.recv_async().await.expect("it")[0], "welcome");
        let refused = send(&mut to, (PeerId::from("bob"), "who?".into())).await;
        assert_eq!(refused, Err(SendError::Unroutable("who?".into())));
    });

    let (rep, req, at) = (Rep::new().expect("a REP"), Req::new(), inproc());
    let req = req.expect("a REQ");
    rep.bind(&at).expect("to bind");
    req.connect(&at).expect("to connect");
    let mut requests = rep.stream();
    let serving = async {
        let (request, responder) = next(&mut requests).await.expect("open").expect("one");
        assert!(responder.reply(request));
    };
    let ((), answer) = together(serving, req.request_async("?"));
    assert_eq!(answer.expect("an answer")[0], "?");
    // A stream of a REQ that has asked nothing says so, each time.
    let mut answers = req.stream();
    for _ in 0..2 {
        let answer = block_on(next(&mut answers)).expect("it is open");
        assert_eq!(answer, Err(RecvError::WrongState));
    }
}

#[test]
fn a_monitor_is_a_stream_of_events() {
    let pull = Pull::new().expect("a PULL");
    let mut events = pull.monitor();
    pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let event = block_on(next(&mut events)).expect("it is open");
    assert!(matches!(event.kind, EventKind::Listening), "{event}");
    pull.close(SOON).expect("to close");
    while block_on(next(&mut events)).is_some() {}
}

/// Polls a stream or a sink some times at most; what it gave, if it was ready by then.
fn poll_some<T>(most: u64, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    for _ in 0..most {
        if let Poll::Ready(value) = poll(&mut Context::from_waker(Waker::noop())) {
            return Some(value);
        }
        std::thread::yield_now();
    }
    None
}

#[test]
fn what_is_dropped_at_any_moment_loses_nothing_and_doubles_nothing() {
    for at in everywhere() {
        let (push, pull) = pipeline(&at);
        const COUNT: u64 = 3000;
        let sending = Started::new(move || {
            let mut dice = Dice::new(0x0074_01e5);
            let mut next = 0;
            while next < COUNT {
                // A sink for some messages; the last of them may find no room, and is then
                // flushed, or dropped with its sink and sent again.
                let mut sink = push.sink();
                for _ in 0..dice.roll(5) {
                    let mut sink = Pin::new(&mut sink);
                    if poll_some(dice.roll(3), |context| sink.as_mut().poll_ready(context))
                        .is_none()
                    {
                        break;
                    }
                    if next == COUNT {
                        break;
                    }
                    sink.as_mut().start_send(numbered(next)).expect("to send");
                    let flushed = poll_some(1 + dice.roll(3), |context| {
                        sink.as_mut().poll_flush(context)
                    });
                    if flushed.is_none() {
                        break;
                    }
                    next += 1;
                }
            }
            push
        });
        let mut dice = Dice::new(0x0057_4ea3);
        let mut expected = 0;
        while expected < COUNT {
            let mut stream = pull.stream();
            for _ in 0..dice.roll(5) {
                let polled = poll_some(dice.roll(3), |context| {
                    Pin::new(&mut stream).poll_next(context)
                });
                let Some(message) = polled else { break };
                let message = message.expect("it is open").expect("a message");
                assert_eq!(number(&message[0]), expected, "over {at}");
                expected += 1;
            }
        }
        assert_eq!(pull.recv_timeout(MOMENT), Err(RecvError::TimedOut));
        let push = sending.join("the sender");
        quiet("the sender", || push.stats());
        balanced("the receiver", pull.stats());
    }
}
