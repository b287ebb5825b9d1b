//! Sockets whose type is chosen at run time: the same sockets, with libzmq's manners.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    time::Duration,
};

use hubless::{
    Context, ErrorKind, Interest, Message, OptionValue, RecvError, SendError, SocketType,
    untyped::Socket,
};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(10);

const LINGER: i32 = 17;
const EVENTS: i32 = 15;
const RCVTIMEO: i32 = 27;
const ROUTER_MANDATORY: i32 = 33;
const REQ_CORRELATE: i32 = 52;
const REQ_RELAXED: i32 = 53;

fn pair_of(kinds: [SocketType; 2], name: &str) -> [Socket; 2] {
    let context = Context::new();
    let [bound, connected] =
        kinds.map(|kind| Socket::like_libzmq(&context, kind).expect("a socket"));
    bound.bind(format!("inproc://{name}")).expect("a free name");
    connected.connect(format!("inproc://{name}")).expect("it");
    [bound, connected]
}

fn number(socket: &Socket, option: i32) -> i64 {
    match socket.option(option).expect("an option that is read") {
        OptionValue::Number(number) => number,
        other => panic!("{other}"),
    }
}

#[test]
fn every_type_is_made_and_says_what_it_is() {
    let context = Context::new();
    for kind in SocketType::ALL {
        let socket = Socket::new(&context, kind).expect("a socket");
        assert_eq!(socket.socket_type(), kind);
        let at = SocketType::ALL.iter().position(|it| *it == kind);
        assert_eq!(number(&socket, 16), at.expect("in ALL") as i64);
    }
}

#[test]
fn like_libzmq_begins_with_its_defaults() {
    let context = Context::new();
    let router = Socket::like_libzmq(&context, SocketType::Router).expect("a socket");
    assert_eq!(number(&router, LINGER), -1);
    // Nobody is there, and nobody complains.
    router.send(["nobody", "lost"]).expect("dropped");
    router
        .set_option(ROUTER_MANDATORY, 1)
        .expect("a live option");
    let refused = router.send(["nobody", "kept"]).expect_err("unroutable");
    assert_eq!(refused, SendError::Unroutable(["nobody", "kept"].into()));
    assert_eq!(
        number(
            &Socket::new(&context, SocketType::Push).expect("a socket"),
            LINGER
        ),
        1000
    );
}

#[test]
fn rep_takes_turns_and_answers_what_it_received_last() {
    let [rep, req] = pair_of([SocketType::Rep, SocketType::Req], "turns");
    assert!(matches!(
        rep.try_send("first"),
        Err(SendError::WrongState(_))
    ));
    assert_eq!(req.try_recv(), Err(RecvError::WrongState));
    req.send("question").expect("a peer");
    assert!(matches!(req.send("another"), Err(SendError::WrongState(_))));
    assert_eq!(rep.recv().expect("the question")[0], "question");
    assert_eq!(rep.recv(), Err(RecvError::WrongState));
    assert_eq!(number(&rep, EVENTS), 2);
    rep.send("answer").expect("its turn");
    assert_eq!(number(&rep, EVENTS), 0);
    assert_eq!(req.recv().expect("the answer")[0], "answer");
}

#[test]
fn what_comes_soon_is_taken_and_what_is_out_of_turn_refused() {
    let [rep, req] = pair_of([SocketType::Rep, SocketType::Req], "soon");
    let text = |received: (Message, _)| received.0[0].as_str().map(str::to_owned).expect("text");
    for timeout in [-1, 0, 20_000] {
        for socket in [&rep, &req] {
            socket.set_option(RCVTIMEO, timeout).expect("a live option");
        }
        assert!(matches!(rep.recv_soon_from(), Err(RecvError::Empty)));
        assert!(matches!(req.recv_late_from(), Err(RecvError::WrongState)));
        req.send("question").expect("a peer");
        let question = rep.recv_soon_from().or_else(|_| rep.recv_late_from());
        assert_eq!(question.map(text), Ok("question".into()));
        for _ in 0..2 {
            assert!(matches!(rep.recv_soon_from(), Err(RecvError::WrongState)));
            assert!(matches!(req.recv_soon_from(), Err(RecvError::Empty)));
        }
        rep.send("answer").expect("its turn");
        let answer = req.recv_soon_from().or_else(|_| req.recv_late_from());
        assert_eq!(answer.map(text), Ok("answer".into()));
    }
}

#[test]
fn requests_may_begin_and_cease_to_carry_a_number() {
    let [rep, req] = pair_of([SocketType::Rep, SocketType::Req], "numbers");
    for (round, correlated) in [0, 1, 1, 0, 0, 1].into_iter().enumerate() {
        req.set_option(REQ_CORRELATE, correlated)
            .expect("a live option");
        let question = [format!("{round}"), String::new(), "and more".into()];
        req.send(question.clone()).expect("a peer");
        // Looking takes nothing away.
        assert_eq!(number(&rep, EVENTS), 1);
        assert_eq!(rep.recv().expect("the question"), question.into());
        rep.send(format!("answer {round}")).expect("its turn");
        assert_eq!(number(&req, EVENTS) & 1, 1);
        let answer = req.recv().expect("the answer");
        assert_eq!(answer, format!("answer {round}").into());
    }
}

#[test]
fn a_router_shows_and_takes_names_as_first_frames() {
    let [router, dealer] = pair_of([SocketType::Router, SocketType::Dealer], "names");
    dealer.send("here").expect("a peer");
    let mut message = router.recv().expect("it was sent");
    assert_eq!(message.len(), 2);
    let name = message.pop_front().expect("a name");
    router
        .send(Message::from(vec![name, "hello".into()]))
        .expect("a peer");
    assert_eq!(dealer.recv().expect("for it")[0], "hello");
}

#[test]
fn a_message_said_by_frames_is_admitted_at_the_first() {
    let [pull, push] = pair_of([SocketType::Pull, SocketType::Push], "admitted");
    assert_eq!(push.try_admit(b""), Ok(()));
    drop(pull);
    assert_eq!(push.try_admit(b""), Err(ErrorKind::Full));
    let [router, _dealer] = pair_of([SocketType::Router, SocketType::Dealer], "routed");
    assert_eq!(router.try_admit(b"nobody"), Ok(()));
    router
        .set_option(ROUTER_MANDATORY, 1)
        .expect("a live option");
    assert_eq!(router.admit(b"nobody"), Err(ErrorKind::Unroutable));
    let [_rep, req] = pair_of([SocketType::Rep, SocketType::Req], "asked");
    assert_eq!(req.try_admit(b""), Ok(()));
    req.send("question").expect("a peer");
    assert_eq!(req.try_admit(b""), Err(ErrorKind::WrongState));
}

#[test]
fn admission_waits_for_room() {
    let [pull, push] = pair_of([SocketType::Pull, SocketType::Push], "room");
    push.set_option(28, 20_000).expect("SNDTIMEO");
    while push.try_send("x").is_ok() {}
    let sender = push.clone();
    let waiting = std::thread::spawn(move || sender.admit(b""));
    while !waiting.is_finished() {
        // Until it is empty; then the sender needs only be scheduled.
        drop(pull.try_recv());
        std::thread::yield_now();
    }
    assert_eq!(waiting.join().expect("no panic"), Ok(()));
}

#[test]
fn a_request_whose_peer_is_gone_waits_on() {
    let [rep, req] = pair_of([SocketType::Rep, SocketType::Req], "lost");
    req.send("question").expect("a peer");
    drop(rep);
    assert_eq!(req.recv_timeout(SHORT), Err(RecvError::TimedOut));
    assert_eq!(req.try_recv(), Err(RecvError::Empty));
    assert_eq!(number(&req, EVENTS), 0);
    assert!(matches!(req.send("again"), Err(SendError::WrongState(_))));
    req.set_option(REQ_RELAXED, 1).expect("a live option");
    assert!(matches!(req.try_send("again"), Err(SendError::Full(_))));
}

#[test]
fn waiting_takes_nothing_and_a_watcher_is_woken() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Count>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let [pull, push] = pair_of([SocketType::Pull, SocketType::Push], "watched");
    let waited = pull.wait(Interest::READABLE, Some(SHORT));
    assert_eq!(waited.map(|look| look.readable), Err(ErrorKind::TimedOut));
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let watcher = pull.watch(Waker::from(Arc::clone(&count)));
    assert!(!watcher.look(Interest::READABLE).is_ready());
    push.send("x").expect("a peer");
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(watcher.look(Interest::READABLE).readable);
    for _ in 0..2 {
        let look = pull.wait(Interest::READABLE, Some(LONG)).expect("it is");
        assert!(look.readable && !look.writable);
    }
    assert_eq!(pull.try_recv().expect("still here")[0], "x");
}

#[test]
fn closing_behind_does_not_wait_and_loses_nothing() {
    let context = Context::new();
    let push = Socket::like_libzmq(&context, SocketType::Push).expect("a socket");
    let pull = Socket::like_libzmq(&context, SocketType::Pull).expect("a socket");
    let at = pull.bind("tcp://127.0.0.1:*").expect("a free port");
    push.connect(&at).expect("an endpoint");
    for n in 0..100 {
        push.send(n.to_string()).expect("room");
    }
    push.close_behind();
    drop(push);
    for n in 0..100 {
        assert_eq!(
            pull.recv_timeout(LONG).expect("it lingers")[0],
            n.to_string()
        );
    }
    context.shutdown();
    assert_eq!(pull.recv(), Err(RecvError::Closed));
    drop(pull);
    context.wait_closed(Some(LONG)).expect("all are closed");
}
