//! What the types say: which calls a socket has and has not, and what may cross threads.
//!
//! This is shown by compiling; what runs only gives it names. An inherent method hides one of a
//! trait: so where a trait with all the verbs is heard, answering [`Absent`], the type has no such
//! verb of its own. A type that gains a verb it must not have does not compile here.

use std::time::Duration;

use hubless::{
    Builder, CloseReport, Connection, Context, Dealer, Endpoint, Error, Event, Frame, Iter,
    Message, Monitor, Pair, PeerId, PeerState, Pub, Pull, Push, RecvError, Rep, Req, Requests,
    Responder, Router, SendError, Sub, TypedSocket, XPub, XSub,
};

/// What a verb gives that a socket has not.
struct Absent;

macro_rules! verbs {
    ($($verb:ident)+) => {
        /// Every verb, of every socket.
        trait Verbs {
            $(
                fn $verb(&self) -> Absent {
                    Absent
                }
            )+
        }

        impl<S: TypedSocket> Verbs for S {}
    };
}

verbs! {
    send try_send send_timeout send_async send_all send_to
    recv try_recv recv_timeout recv_async iter try_iter
    recv_from try_recv_from recv_from_timeout recv_from_async
    request request_timeout request_async abandon serve
    subscribe unsubscribe wait_subscribers subscriber_count
}

/// These sockets have none of these verbs.
macro_rules! lack {
    ($($kind:ident)+: $verbs:tt) => {
        $(lack!(@one $kind $verbs);)+
    };
    (@one $kind:ident [$($verb:ident)+]) => {
        $(let _: fn(&$kind) -> Absent = |socket| socket.$verb();)+
    };
}

#[test]
fn a_socket_has_no_verb_that_its_pattern_has_not() {
    lack!(Sub Pull Rep: [send try_send send_timeout send_async send_all]);
    lack!(Router: [try_send send_timeout send_async send_all]);
    lack!(Pub Push: [recv try_recv recv_timeout recv_async iter try_iter]);
    lack!(Pair Pub Sub Req Rep Dealer Pull Push XPub XSub:
        [send_to recv_from try_recv_from recv_from_timeout recv_from_async]);
    lack!(Pair Pub Sub Rep Dealer Router Pull Push XPub XSub:
        [request request_timeout request_async abandon]);
    lack!(Pair Pub Sub Req Dealer Router Pull Push XPub XSub: [serve]);
    lack!(Pair Pub Req Rep Dealer Router Pull Push: [subscribe unsubscribe]);
    lack!(Pair Sub Req Rep Dealer Router Pull Push XSub: [wait_subscribers subscriber_count]);
}

const TIME: Duration = Duration::ZERO;

/// These sockets can do this; what it gives is `Send`, futures above all.
macro_rules! can {
    ($($kind:ident)+: |$socket:ident| $act:expr) => {
        $(let _: fn(&$kind) = |$socket| are_send($act);)+
    };
}

fn are_send<T: Send>(_: T) {}

#[test]
fn a_socket_has_the_verbs_of_its_pattern_and_its_futures_are_send() {
    type Sent = Result<(), SendError>;
    type Received<T> = Result<T, RecvError>;
    type Asked = Received<(Message, Responder)>;
    type Addressed = Received<(PeerId, Message)>;

    macro_rules! sends {
        ($($kind:ident)+) => {$(
            let _: fn(&$kind) -> [Sent; 4] = |socket| {
                are_send(socket.send_async("x"));
                [
                    socket.send("x"),
                    socket.try_send("x"),
                    socket.send_timeout("x", TIME),
                    socket.send_all(["x"]),
                ]
            };
        )+};
    }
    sends!(Pair Pub Req Dealer Push XPub XSub);

    macro_rules! receives {
        ($($kind:ident)+) => {$(
            let _: fn(&$kind) -> [Received<Message>; 3] = |socket| {
                are_send(socket.recv_async());
                are_send(socket.iter().chain(socket.try_iter()).chain(socket));
                [socket.recv(), socket.try_recv(), socket.recv_timeout(TIME)]
            };
        )+};
    }
    receives!(Pair Sub Req Dealer Pull XPub XSub);

    let _: fn(&Rep) -> [Asked; 3] = |rep| {
        are_send(rep.recv_async());
        are_send(rep.iter().chain(rep));
        are_send(rep.serve(|request| request));
        [rep.recv(), rep.try_recv(), rep.recv_timeout(TIME)]
    };
    let _: fn(&Router) -> [Addressed; 3] = |router| {
        are_send(router.recv_from_async());
        are_send(router.iter().chain(router));
        are_send((router.recv(), router.recv_timeout(TIME)));
        are_send((router.send("x"), router.send_to("ann", "x")));
        [
            router.recv_from(),
            router.try_recv_from(),
            router.recv_from_timeout(TIME),
        ]
    };
    let _: fn(&Req) -> [Result<Message, Error>; 2] = |req| {
        are_send(req.request_async("x"));
        req.abandon();
        [req.request("x"), req.request_timeout("x", TIME)]
    };
    can!(Sub XPub XSub: |it| [it.subscribe("x"), it.unsubscribe("x")]);
    can!(Pub XPub: |it| (it.wait_subscribers(1, TIME), it.subscriber_count()));
    can!(Pair Pub Sub Req Rep Dealer Router Pull Push XPub XSub: |it| {
        let at: Result<Endpoint, Error> = it.bind("inproc://x");
        let connection: Result<Connection, Error> = it.connect("inproc://x");
        let report: Result<CloseReport, Error> = it.close(TIME);
        let ready = async move { connection?.ready().await };
        (at, report, ready, it.monitor(), it.peers(), it.stats(), it.bound())
    });
    let _: fn(&Monitor) = |monitor| are_send(monitor.recv_async());
}

#[test]
fn sockets_are_shared_by_threads() {
    fn are_shared<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    fn crosses<T: Send + Sync>() {}

    are_shared::<(Pair, Pub, Sub, Req, Rep, Dealer)>();
    are_shared::<(Router, Pull, Push, XPub, XSub)>();
    are_shared::<(Context, Connection, Builder<Pub>)>();
    are_shared::<(Message, Frame, Endpoint, PeerId, PeerState, Event)>();
    crosses::<(Monitor, Responder, Error, SendError, RecvError)>();
    crosses::<(Iter<'_>, Requests<'_>)>();
}
