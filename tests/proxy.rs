//! Proxies: nothing is lost, doubled or reordered on the way; marks hold; pause, resume, stop.

mod common;

use std::time::Duration;

use common::{
    MOMENT, SOON, Started, balanced, eventually, everywhere, inproc, number, numbered, unique,
    within,
};
use hubless::{
    Dealer, Message, Pair, Proxy, ProxyHandle, Pub, Pull, Push, RecvError, Rep, Req, Router, Sub,
    TypedSocket, XPub, XSub,
};

const CLIENTS: usize = 4;
const WORKERS: usize = 2;
/// Requests of one client; 100 000 in all.
const REQUESTS: u64 = 25_000;
/// Requests of one client that are not answered yet: those of all fit into any queue, so that no
/// ROUTER finds a peer at its mark.
const OPEN_MAX: u64 = 200;

/// Requests and answers of a client, over `from`; the workers' side over `to`.
fn requests_and_answers(from: &str, to: &str) {
    let (frontend, backend) = (Router::new().expect("a ROUTER"), Dealer::new().expect("it"));
    let front_at = frontend.bind(from).expect("to bind");
    let back_at = backend.bind(to).expect("to bind");
    let proxy = Proxy::new(&frontend, &backend).spawn().expect("a thread");

    let workers: Vec<(Router, Started<u64>)> = (0..WORKERS)
        .map(|worker| {
            let socket = Router::new().expect("a ROUTER");
            socket.connect(&back_at).expect("to connect");
            let shared = socket.clone();
            (socket, Started::new(move || answer(worker, &shared)))
        })
        .collect();
    backend.wait_peers(WORKERS, SOON).expect("workers");
    let clients: Vec<Started<()>> = (0..CLIENTS)
        .map(|client| {
            let at = front_at.clone();
            Started::new(move || ask(client, &at))
        })
        .collect();
    for client in clients {
        client.join("a client");
    }
    let total = CLIENTS as u64 * REQUESTS;
    let stats = within("stopping", move || proxy.stop());
    for way in [stats.forward, stats.backward] {
        assert_eq!((way.received, way.sent, way.dropped), (total, total, 0));
        assert_eq!(way.received_octets, way.sent_octets);
    }
    assert!(stats.backward.sent_octets > stats.forward.sent_octets);
    let mut answered = 0;
    for (socket, worker) in workers {
        socket.close(Duration::ZERO).expect("to close");
        answered += worker.join("a worker");
    }
    assert_eq!(answered, total);
    balanced("the frontend", frontend.stats());
    balanced("the backend", backend.stats());
    assert_eq!(frontend.stats().received.delivered, total);
    assert_eq!(backend.stats().sent.accepted, total);
}

/// Asks by numbers; answers come from each worker in order, and once.
fn ask(client: usize, at: &hubless::Endpoint) {
    let socket = Dealer::new().expect("a DEALER");
    socket.connect(at).expect("to connect");
    let mut next_of = [0; WORKERS];
    let mut answered = 0;
    for request in 0..REQUESTS {
        socket
            .send([client.to_string(), request.to_string()])
            .expect("to ask");
        let open_max = if request + 1 < REQUESTS { OPEN_MAX } else { 1 };
        while request + 1 - answered >= open_max {
            let answer = socket.recv_timeout(SOON).expect("an answer");
            assert_eq!(number(&answer[0]), client as u64);
            let worker = number(&answer[1]) as usize;
            let asked = number(&answer[2]);
            assert!(asked >= next_of[worker], "worker {worker} said {asked}");
            next_of[worker] = asked + 1;
            answered += 1;
        }
    }
    assert_eq!(answered, REQUESTS);
    assert_eq!(socket.recv_timeout(MOMENT), Err(RecvError::TimedOut));
}

/// Answers until the socket is closed; requests come from each client in order.
fn answer(worker: usize, socket: &Router) -> u64 {
    let mut next_of = [0; CLIENTS];
    let mut count = 0;
    for (proxy, request) in socket {
        let mut frames = request.into_frames();
        let (client, asked) = (number(&frames[1]) as usize, number(&frames[2]));
        assert!(asked >= next_of[client], "client {client} asked {asked}");
        next_of[client] = asked + 1;
        frames.insert(2, worker.to_string().into());
        socket.send_to(&proxy, frames).expect("to answer");
        count += 1;
    }
    count
}

#[test]
fn requests_and_answers_pass_once_and_in_order() {
    requests_and_answers("tcp://127.0.0.1:0", &inproc());
}

#[test]
fn requests_and_answers_pass_between_two_networks() {
    requests_and_answers("ipc://*", "tcp://127.0.0.1:0");
}

/// A streamer between a source and a sink, all with queues of two.
fn streamer() -> (Push, Pull, Push, Pull) {
    let (source, frontend) = (two::<Push>(), two::<Pull>());
    let (backend, sink) = (two::<Push>(), two::<Pull>());
    let at = inproc();
    frontend.bind(&at).expect("to bind");
    source.connect(&at).expect("to connect");
    (source, frontend, backend, sink)
}

fn two<S: Two>() -> S {
    S::two()
}

trait Two {
    fn two() -> Self;
}

impl Two for Push {
    fn two() -> Push {
        Push::builder().send_hwm(2).build().expect("a PUSH")
    }
}

impl Two for Pull {
    fn two() -> Pull {
        Pull::builder().recv_hwm(2).build().expect("a PULL")
    }
}

fn join(backend: &Push, sink: &Pull) {
    let at = inproc();
    sink.bind(&at).expect("to bind");
    backend.connect(&at).expect("to connect");
}

/// Sends numbers up to `end` and no further: then the queues are as full as `full` says.
fn fill(source: &Push, end: u64, full: impl Fn() -> bool) {
    let mut next = source.stats().sent.accepted;
    eventually("the queues are full", || {
        while source.try_send(numbered(next)).is_ok() {
            next += 1;
        }
        full()
    });
    let refused = source.send_timeout(numbered(next), MOMENT);
    assert!(refused.is_err() && next == end, "{next} sent, not {end}");
}

#[test]
fn a_side_without_room_holds_back_the_other() {
    let (source, frontend, backend, sink) = streamer();
    let waiting = || frontend.stats().received.queued == 4;
    let proxy = Proxy::new(&frontend, &backend).spawn().expect("a thread");
    // Nobody is behind: what comes stays where it is, and nothing is in the proxy's hands.
    fill(&source, 4, waiting);
    assert_eq!(proxy.stats().forward.received, 0);

    // Somebody is, and does not read: both queues fill.
    join(&backend, &sink);
    let passed = || sink.stats().received.queued == 4;
    fill(&source, 8, || passed() && waiting());
    assert_eq!(proxy.stats().forward.sent, 4);

    for expected in 0..8 {
        let message = sink.recv_timeout(SOON).expect("what was sent");
        assert_eq!(number(&message[0]), expected);
    }
    let stats = proxy.stop();
    assert_eq!((stats.forward.received, stats.forward.sent), (8, 8));
    assert_eq!(stats.backward, Default::default());
}

#[test]
fn a_capture_sees_each_message_once() {
    for at in everywhere() {
        let (frontend, backend, capture) = (
            Router::new().expect("a ROUTER"),
            Dealer::new().expect("it"),
            Push::builder().send_hwm(5).build().expect("a PUSH"),
        );
        let front_at = frontend.bind(&at).expect("to bind");
        let (back_at, captured_at) = (inproc(), inproc());
        backend.bind(&back_at).expect("to bind");
        capture.bind(&captured_at).expect("to bind");
        let proxy = Proxy::new(&frontend, &backend).capture(&capture);
        let proxy = proxy.spawn().expect("a thread");

        let rep = Rep::new().expect("a REP");
        rep.connect(&back_at).expect("to connect");
        let serving = {
            let rep = rep.clone();
            Started::new(move || rep.serve(|request| format!("re {}", number(&request[0]))))
        };
        let req = Req::builder().routing_id("ann").build().expect("a REQ");
        req.connect(&front_at).expect("to connect");
        let asking = Started::new(move || {
            for n in 0..100 {
                let answer = req.request_timeout(numbered(n), SOON).expect("an answer");
                assert_eq!(answer[0], format!("re {n}"));
            }
        });
        // It is at its mark and has nobody yet: it holds the proxy back.
        let seen = Pull::builder().recv_hwm(5).build().expect("a PULL");
        seen.connect(&captured_at).expect("to connect");
        for n in 0..100 {
            let asked = seen.recv_timeout(SOON).expect("the question");
            assert_eq!(asked, Message::from(["ann", "", &n.to_string()]));
            let answered = seen.recv_timeout(SOON).expect("the answer");
            assert_eq!(answered, Message::from(["ann", "", &format!("re {n}")]));
        }
        asking.join("asking");
        assert_eq!(seen.try_recv(), Err(RecvError::Empty));
        assert_eq!(proxy.stop().backward.sent, 100);
        rep.close(Duration::ZERO).expect("to close");
        serving.join("serving").expect("closed");
    }
}

#[test]
fn it_pauses_resumes_and_stops() {
    let (source, frontend, backend, sink) = streamer();
    join(&backend, &sink);
    let proxy = Proxy::new(&frontend, &backend).spawn().expect("a thread");
    let control = proxy.control();
    source.send("1").expect("room");
    assert_eq!(sink.recv_timeout(SOON).expect("it passes")[0], "1");

    control.pause();
    source.send("2").expect("room");
    assert_eq!(sink.recv_timeout(MOMENT), Err(RecvError::TimedOut));
    assert_eq!(proxy.stats().forward.received, 1);
    proxy.pause();
    proxy.resume();
    assert_eq!(sink.recv_timeout(SOON).expect("it passes")[0], "2");

    // What is not taken stays with its socket, and another proxy takes it.
    proxy.pause();
    source.send("3").expect("room");
    let stats = within("stopping", move || proxy.stop());
    assert_eq!((stats.forward.received, stats.forward.sent), (2, 2));
    assert_eq!(control.stats(), stats);
    control.pause();
    control.resume();
    let paused = Proxy::new(&frontend, &backend);
    paused.control().pause();
    let again = paused.spawn().expect("a thread");
    assert_eq!(sink.recv_timeout(MOMENT), Err(RecvError::TimedOut));
    again.resume();
    assert_eq!(sink.recv_timeout(SOON).expect("it passes")[0], "3");
    within("dropping it", move || drop(again));
    source.send("4").expect("room");
    assert_eq!(frontend.recv_timeout(SOON).expect("ours again")[0], "4");
}

#[test]
fn pausing_in_the_midst_of_a_flood_is_prompt_and_exact() {
    let (frontend, backend) = (Pull::new().expect("a PULL"), Push::new().expect("a PUSH"));
    let (source, sink) = (Push::new().expect("a PUSH"), Pull::new().expect("a PULL"));
    let from = frontend.bind("tcp://127.0.0.1:0").expect("to bind");
    let to = sink.bind("tcp://127.0.0.1:0").expect("to bind");
    source.connect(&from).expect("to connect");
    backend.connect(&to).expect("to connect");
    let proxy = Proxy::new(&frontend, &backend).spawn().expect("a thread");
    let total = 20_000;
    let sending = Started::new(move || {
        source.send_all((0..total).map(numbered)).expect("to send");
        source
    });
    let reading = Started::new(move || {
        for expected in 0..total {
            let message = sink.recv_timeout(SOON).expect("what was sent");
            assert_eq!(number(&message[0]), expected);
        }
        sink
    });
    while proxy.stats().forward.sent < total {
        proxy.pause();
        let paused = proxy.stats().forward;
        assert_eq!(paused.received, paused.sent);
        std::thread::yield_now();
        assert_eq!(proxy.stats().forward, paused, "nothing moves");
        proxy.resume();
        let moves = || proxy.stats().forward.sent > paused.sent.min(total - 1);
        eventually("it goes on", moves);
    }
    let sink = reading.join("the sink");
    sending.join("the source");
    assert_eq!(sink.try_recv(), Err(RecvError::Empty));
    let stats = proxy.stop().forward;
    assert_eq!((stats.received, stats.dropped), (total, 0));
}

/// Runs a proxy over these, closes one socket, and waits for the proxy's end.
fn ends_with(proxy: Proxy, what: &str, close: impl FnOnce()) {
    let proxy: ProxyHandle = proxy.spawn().expect("a thread");
    // It passes, or waits, or is on its way there: the end must find it everywhere.
    if unique() % 2 == 0 {
        proxy.pause();
    }
    close();
    within(what, move || proxy.join());
}

#[test]
fn it_ends_when_any_of_its_sockets_closes() {
    fn closes<S: TypedSocket + Clone>(
        make: impl Fn(&S, &Pull, &Pub) -> Proxy,
        close: impl Fn(&S),
        socket: impl Fn() -> S,
        what: &str,
    ) {
        for _ in 0..2 {
            let end = |which: usize| {
                let (first, second) = (socket(), Pull::new().expect("a PULL"));
                let capture = Pub::new().expect("a PUB");
                let proxy = make(&first, &second, &capture);
                ends_with(proxy, what, || match which {
                    0 => close(&first),
                    1 => drop(second.close(Duration::ZERO)),
                    _ => drop(capture.close(Duration::ZERO)),
                });
            };
            (0..3).for_each(end);
        }
    }
    closes::<Push>(
        |push, pull, capture| Proxy::new(pull, push).capture(capture),
        |push| drop(push.close(Duration::ZERO)),
        || Push::new().expect("a PUSH"),
        "a streamer",
    );
    closes::<Dealer>(
        |dealer, pull, capture| Proxy::new(dealer, pull).capture(capture),
        |dealer| drop(dealer.close(Duration::ZERO)),
        || Dealer::new().expect("a DEALER"),
        "a streamer that goes backward",
    );
    // Two that cannot talk: it has nothing to do, and still ends.
    closes::<Sub>(
        |sub, pull, capture| Proxy::new(sub, pull).capture(capture),
        |sub| drop(sub.close(Duration::ZERO)),
        || Sub::new().expect("a SUB"),
        "a proxy without a way",
    );
}

#[test]
fn it_ends_when_any_of_its_sockets_is_interrupted() {
    for which in 0..3 {
        let (_source, frontend, backend, sink) = streamer();
        join(&backend, &sink);
        let tap = Pub::new().expect("a PUB");
        let interrupter = [
            frontend.interrupter(),
            backend.interrupter(),
            tap.interrupter(),
        ];
        let proxy = Proxy::new(&frontend, &backend).capture(&tap);
        ends_with(proxy, "interrupting", || interrupter[which].interrupt());
    }
}

#[test]
fn a_proxy_that_waits_for_room_ends_as_well() {
    let (source, frontend, backend, _sink) = streamer();
    fill(&source, 4, || true);
    let proxy = Proxy::new(&frontend, &backend).spawn().expect("a thread");
    backend.close(Duration::ZERO).expect("to close");
    let stats = within("a closed backend", move || proxy.join());
    assert_eq!(stats.forward.received, 0);
    assert_eq!(frontend.recv().expect("still there")[0], "0");
}

#[test]
fn news_pass_forward_and_subscriptions_backward() {
    let (frontend, backend) = (XSub::new().expect("an XSUB"), XPub::new().expect("an XPUB"));
    let front_at = frontend.bind("tcp://127.0.0.1:0").expect("to bind");
    let back_at = backend.bind("tcp://127.0.0.1:0").expect("to bind");
    let proxy = Proxy::new(&frontend, &backend).spawn().expect("a thread");
    let publisher = Pub::new().expect("a PUB");
    publisher.connect(&front_at).expect("to connect");
    let subs = ["a", "b"].map(|topic| {
        let sub = Sub::new().expect("a SUB");
        sub.subscribe(topic).expect("open");
        sub.connect(&back_at).expect("to connect");
        sub
    });
    // Both subscriptions have gone through.
    backend.wait_subscribers(2, SOON).expect("subscribers");
    publisher.wait_subscribers(1, SOON).expect("the proxy");
    eventually("both topics are there", || {
        proxy.stats().backward.sent == 2 && {
            publisher.send("a?").expect("to send");
            publisher.send("b?").expect("to send");
            subs.iter().all(|sub| sub.stats().received.accepted > 0)
        }
    });
    for n in 0..100 {
        publisher.send(format!("a{n}")).expect("to send");
        publisher.send(format!("b{n}")).expect("to send");
        publisher.send(format!("c{n}")).expect("to send");
    }
    for (sub, topic) in subs.iter().zip(["a", "b"]) {
        let mut next = 0;
        while next < 100 {
            let message = sub.recv_timeout(SOON).expect("news");
            if message[0] != format!("{topic}?") {
                assert_eq!(message[0], format!("{topic}{next}"));
                next += 1;
            }
        }
    }
    drop(subs);
    eventually("the cancellations pass, too", || {
        proxy.stats().backward.sent == 4
    });
    assert_eq!(proxy.stop().forward.dropped, 0);
}

#[test]
fn a_router_drops_what_is_for_nobody_and_it_is_counted() {
    let (frontend, backend) = (Pull::new().expect("a PULL"), Router::new().expect("it"));
    let (from, to) = (inproc(), inproc());
    frontend.bind(&from).expect("to bind");
    backend.bind(&to).expect("to bind");
    let source = Push::new().expect("a PUSH");
    source.connect(&from).expect("to connect");
    let ann = Dealer::builder().routing_id("ann").build().expect("it");
    ann.connect(&to).expect("to connect");
    let proxy = Proxy::new(&frontend, &backend).spawn().expect("a thread");
    source.send(["bob", "x"]).expect("to send");
    source.send(["ann", "hello"]).expect("to send");
    assert_eq!(ann.recv_timeout(SOON).expect("a letter")[0], "hello");
    let stats = proxy.stop().forward;
    assert_eq!((stats.received, stats.sent, stats.dropped), (2, 1, 1));
    assert_eq!((stats.received_octets, stats.sent_octets), (12, 8));
}

#[test]
fn a_socket_joined_to_itself_sends_back() {
    let (echo, user) = (Pair::new().expect("a PAIR"), Pair::new().expect("a PAIR"));
    let at = echo.bind("tcp://127.0.0.1:0").expect("to bind");
    user.connect(&at).expect("to connect");
    let proxy = Proxy::new(&echo, &echo).spawn().expect("a thread");
    for n in 0..1000 {
        user.send(numbered(n)).expect("to send");
        let back = user.recv_timeout(SOON).expect("an echo");
        assert_eq!(number(&back[0]), n);
    }
    assert_eq!(proxy.stop().forward.sent, 1000);
}

#[test]
fn a_large_body_passes_by_reference() {
    let (source, frontend, backend, sink) = streamer();
    join(&backend, &sink);
    let proxy = Proxy::new(&frontend, &backend).spawn().expect("a thread");
    let body = bytes::Bytes::from(vec![7; 1 << 20]);
    source.send(&body).expect("to send");
    let received = sink.recv_timeout(SOON).expect("it");
    assert_eq!(received[0].as_ptr(), body.as_ptr());
    assert_eq!(proxy.stop().forward.sent_octets, 1 << 20);
}

#[test]
fn it_runs_in_the_thread_that_asks() {
    let (source, frontend, backend, sink) = streamer();
    join(&backend, &sink);
    let proxy = Proxy::new(&frontend, &backend);
    let control = proxy.control();
    let user = Started::new(move || {
        source.send("hello").expect("to send");
        let message = sink.recv_timeout(SOON).expect("it passes");
        control.stop();
        message
    });
    let stats = proxy.run();
    assert_eq!(user.join("the user")[0], "hello");
    assert_eq!(stats.forward.sent, 1);
}
