//! The handler of ZAP: a REP or ROUTER in the same context says who may come in.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use hubless::{
    Builder, Context, Dealer, Event, EventKind, Message, Monitor, PeerInfo, ProtocolError, Pull,
    Push, Reason, Reconnect, Rep, Router, SocketType, untyped::Socket,
};

const LIMIT: Duration = Duration::from_secs(20);
const HANDLER: &str = "inproc://zeromq.zap.01";
const JOE: [&str; 7] = ["", "1.0", "1", "200", "OK", "joe", ""];

/// A context with a handler that gives `answer` to each request, and what it was asked.
struct House {
    context: Context,
    asked: Arc<Mutex<Vec<Message>>>,
    handler: Router,
}

impl House {
    fn empty() -> Context {
        Context::new()
    }

    fn with(answer: impl Fn(&Message) -> Option<Message> + Send + 'static) -> House {
        let context = Context::new();
        let handler = Router::builder().context(&context).build();
        let handler = handler.expect("a socket");
        handler.bind(HANDLER).expect("to bind");
        let asked = Arc::<Mutex<Vec<Message>>>::default();
        let (router, log) = (handler.clone(), Arc::clone(&asked));
        thread::spawn(move || {
            while let Ok((peer, request)) = router.recv_from() {
                let reply = answer(&request);
                log.lock().expect("no panic").push(request);
                if let Some(reply) = reply {
                    // Whoever asked may be gone.
                    let _ = router.send_to(peer, reply);
                }
            }
        });
        House {
            context,
            asked,
            handler,
        }
    }

    fn saying(reply: [&'static str; 7]) -> House {
        House::with(move |_| Some(Message::from(reply)))
    }

    fn asked(&self) -> Vec<Message> {
        self.asked.lock().expect("no panic").clone()
    }

    fn pull(&self) -> Builder<Pull> {
        Pull::builder().context(&self.context)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // Its thread ends with it.
        let _ = self.handler.close(Duration::ZERO);
    }
}

fn failed(events: &Monitor) -> Event {
    loop {
        let event = events.recv_timeout(LIMIT).expect("an event in time");
        match event.kind {
            EventKind::HandshakeFailed(_) => return event,
            EventKind::HandshakeSucceeded => panic!("let in"),
            _ => {}
        }
    }
}

/// How a client fails, as the server's and its own monitor tell it in libzmq's numbers.
fn failure(pull: Builder<Pull>, push: Builder<Push>) -> [(u16, u32); 2] {
    let pull = pull.build().expect("a socket");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let push = push.reconnect(Reconnect::Never).build().expect("a socket");
    let monitors = [pull.monitor(), push.monitor()];
    push.connect(at).expect("to connect");
    monitors.map(|monitor| match failed(&monitor).libzmq()[0] {
        // What it said last was not read: the system tells of a reset.
        (0x0800, 104) => (0x0800, 32),
        event => event,
    })
}

/// Lets a message through, and what its receiver knows of the sender.
fn arrival(pull: Builder<Pull>, push: Builder<Push>) -> Arc<PeerInfo> {
    let pull = pull.recv_timeout(LIMIT).build().expect("a socket");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let push = push.build().expect("a socket");
    push.connect(at).expect("to connect");
    push.send("hello").expect("to send");
    let (message, info) = pull.recv_with_info().expect("a message");
    assert_eq!(message, "hello".into());
    info.expect("it is there")
}

fn joe() -> Builder<Push> {
    Push::builder().plain_client("joe", "sesame")
}

#[test]
fn a_handler_learns_all_and_what_it_says_is_seen_on_messages() {
    let known =
        "\u{6}X-Role\0\0\0\u{5}admin\u{b}Socket-Type\0\0\0\u{3}SUB\u{8}Identity\0\0\0\u{1}i";
    let house = House::saying(["", "1.0", "1", "200", "OK", "joe", known]);
    let server = house.pull().plain_server_by_zap().zap_domain("shop");
    let client = joe().property("X-Role", "guest");
    let info = arrival(server, client);
    assert_eq!(info.property("User-Id").expect("a name"), "joe");
    assert_eq!(info.property("X-Role").expect("a role"), "admin");
    assert_eq!(info.property("Socket-Type").expect("a type"), "PUSH");
    assert_eq!(info.property("Identity"), None);
    let request = [
        "",
        "1.0",
        "1",
        "shop",
        "127.0.0.1",
        "",
        "PLAIN",
        "joe",
        "sesame",
    ];
    assert_eq!(house.asked(), [Message::from(request)]);
}

#[test]
fn a_rep_and_a_dealer_with_a_name() {
    let context = House::empty();
    let handler = Rep::builder().context(&context).build().expect("a socket");
    handler.bind(HANDLER).expect("to bind");
    let serving = handler.clone();
    let server = thread::spawn(move || {
        let (request, responder) = serving.recv().expect("a request");
        assert!(responder.reply(["1.0", "1", "200", "", "", ""]));
        request
    });
    let dealer = |builder: Builder<Dealer>| builder.recv_timeout(LIMIT).build().expect("a socket");
    let bound = dealer(
        Dealer::builder()
            .context(&context)
            .zap_domain("test")
            .routing_id("srv"),
    );
    let at = bound.bind("tcp://127.0.0.1:0").expect("to bind");
    let client = dealer(Dealer::builder().routing_id("cli"));
    client.connect(at).expect("to connect");
    client.send("hello").expect("to send");
    let (_, info) = bound.recv_with_info().expect("a message");
    assert_eq!(
        info.expect("there").property("User-Id"),
        None,
        "no name was given"
    );
    let request = ["1.0", "1", "test", "127.0.0.1", "srv", "NULL"];
    assert_eq!(server.join().expect("no panic"), Message::from(request));
}

/// Each status, for each mechanism: the server's event, then the client's.
#[test]
fn the_answer_of_a_handler_that_goes_at_once_counts() {
    for round in 0..30 {
        let context = Context::new();
        let handler = Socket::like_libzmq(&context, SocketType::Rep).expect("a REP");
        handler.bind(HANDLER).expect("to bind");
        let answering = thread::spawn(move || {
            handler.recv().expect("a question");
            let answer = ["1.0", "1", "200", "OK", "joe", ""];
            handler.send(Message::from(answer)).expect("to answer");
            handler.close_behind();
        });
        let pull = Pull::builder().context(&context).plain_server_by_zap();
        let pull = pull.build().expect("a PULL");
        let push = joe().context(&context).build().expect("a PUSH");
        let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
        push.connect(at).expect("to connect");
        push.send("in").expect("to send");
        let message = pull
            .recv_timeout(LIMIT)
            .unwrap_or_else(|error| panic!("{round}: {error}"));
        assert_eq!(message[0], "in");
        answering.join().expect("no panic");
    }
}

#[test]
fn each_status_is_told_on_both_sides() {
    for (status, theirs) in [
        ("300", (0x0800, 32)),
        ("400", (0x4000, 400)),
        ("500", (0x4000, 500)),
    ] {
        let ours = (0x4000, status.parse().expect("a number"));
        let house = House::saying(["", "1.0", "1", status, "", "", ""]);
        let null = failure(house.pull().zap_domain("x"), Push::builder());
        assert_eq!(null, [ours, theirs], "NULL {status}");
        let plain = failure(house.pull().plain_server_by_zap(), joe());
        assert_eq!(plain, [ours, theirs], "PLAIN {status}");
        #[cfg(feature = "curve")]
        {
            let (server, client) = curve::pair(house.pull());
            assert_eq!(failure(server, client), [ours, theirs], "CURVE {status}");
        }
    }
}

#[test]
fn malformed_answers_let_nobody_in() {
    let broken = "\u{3}abc";
    for (at, value, error) in [
        (0, "x", ProtocolError::ZapUnspecified),
        (1, "9.9", ProtocolError::ZapBadVersion),
        (2, "2", ProtocolError::ZapBadRequestId),
        (3, "201", ProtocolError::ZapInvalidStatus),
        (6, broken, ProtocolError::ZapInvalidMetadata),
    ] {
        let mut reply = JOE;
        reply[at] = value;
        let house = House::saying(reply);
        let events = failure(house.pull().plain_server_by_zap(), joe());
        assert_eq!(events, [(0x2000, error as u32), (0x0800, 32)], "{value}");
        let events = failure(house.pull().zap_domain("x"), Push::builder());
        assert_eq!(events, [(0x2000, error as u32), (0x0800, 32)], "{value}");
    }
    for frames in [1, 6, 8] {
        let house =
            House::with(move |_| Some(Message::from_iter(JOE.into_iter().cycle().take(frames))));
        let events = failure(house.pull().plain_server_by_zap(), joe());
        let malformed = ProtocolError::ZapMalformedReply as u32;
        assert_eq!(
            events,
            [(0x2000, malformed), (0x0800, 32)],
            "{frames} frames"
        );
    }
}

#[test]
fn without_a_handler_plain_lets_nobody_in_and_null_asks_only_where_it_must() {
    let context = House::empty();
    let pull = || Pull::builder().context(&context);
    let nobody = [(0x0800, 14), (0x0800, 32)];
    assert_eq!(failure(pull().plain_server_by_zap(), joe()), nobody);
    let enforced = pull().zap_domain("x").zap_enforce_domain(true);
    assert_eq!(failure(enforced, Push::builder()), nobody);
    arrival(pull().zap_domain("x"), Push::builder());
    arrival(pull().zap_enforce_domain(true), Push::builder());
    let check = |user: &[u8], _: &[u8]| user == b"joe";
    let info = arrival(pull().plain_server(check), joe());
    assert_eq!(info.property("User-Id").expect("a name"), "joe");
}

#[test]
fn a_handler_is_not_asked_about_null_without_a_domain() {
    let house = House::saying(["", "1.0", "1", "400", "", "", ""]);
    arrival(house.pull(), Push::builder());
    arrival(house.pull().zap_enforce_domain(true), Push::builder());
    assert_eq!(house.asked(), []);
}

/// A check of our own and the handler must both agree; the handler knows the name.
#[test]
fn a_handler_comes_on_top_of_our_own_checks() {
    let check = |_: &[u8], password: &[u8]| password == b"sesame";
    let house = House::saying(["", "1.0", "1", "200", "", "Joseph", ""]);
    let info = arrival(house.pull().plain_server(check), joe());
    assert_eq!(info.property("User-Id").expect("a name"), "Joseph");
    let wrong = Push::builder().plain_client("joe", "?");
    let denied = [(0x4000, 400); 2];
    assert_eq!(failure(house.pull().plain_server(check), wrong), denied);
    assert_eq!(
        house.asked().len(),
        1,
        "not about whom our own check refused"
    );
    let house = House::saying(["", "1.0", "1", "400", "", "", ""]);
    assert_eq!(failure(house.pull().plain_server(check), joe()), denied);
}

/// Over the handshake's time, whether the handler is silent or gone; and others go on meanwhile.
#[test]
fn a_handler_that_does_not_answer_costs_no_more_than_the_handshakes_time() {
    for leaves in [false, true] {
        let house = House::with(|request| match request.frame(7)?.as_str() {
            Ok("joe") => Some(Message::from(JOE)),
            _ => None,
        });
        let pull = house
            .pull()
            .plain_server_by_zap()
            .recv_timeout(LIMIT)
            .handshake_timeout(Duration::from_millis(300));
        let pull = pull.build().expect("a socket");
        let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
        let events = pull.monitor();
        let start = Instant::now();
        let unanswered = Push::builder()
            .plain_client("nobody", "")
            .reconnect(Reconnect::Never);
        let unanswered = unanswered.build().expect("a socket");
        unanswered.connect(&at).expect("to connect");
        if leaves {
            while house.asked().is_empty() {
                thread::yield_now();
            }
            house.handler.unbind(HANDLER).expect("to unbind");
        } else {
            let push = joe().build().expect("a socket");
            push.connect(&at).expect("to connect");
            push.send("hello").expect("to send");
            assert_eq!(pull.recv().expect("a message"), "hello".into());
        }
        let late = loop {
            let event = events.recv_timeout(LIMIT).expect("an event in time");
            if let EventKind::HandshakeFailed(reason) = event.kind {
                break reason;
            }
        };
        assert!(matches!(late, Reason::HandshakeTimeout), "{late}");
        assert!(start.elapsed() >= Duration::from_millis(300));
    }
}

/// Questions nobody waits for any more are bounded, and do not stay.
#[test]
fn questions_that_a_handler_leaves_unread_are_bounded() {
    let context = House::empty();
    let handler = Router::builder().context(&context).build();
    let handler = handler.expect("a socket");
    handler.bind(HANDLER).expect("to bind");
    let pull = Pull::builder().context(&context).plain_server_by_zap();
    let pull = pull.handshake_timeout(Duration::from_millis(50)).build();
    let pull = pull.expect("a socket");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let events = pull.monitor();
    let push = joe().build().expect("a socket");
    push.connect(at).expect("to connect");
    for _ in 0..3 {
        assert!(matches!(
            failed(&events).kind,
            EventKind::HandshakeFailed(Reason::HandshakeTimeout)
        ));
    }
    assert!(handler.peers().len() <= 4);
    drop(push);
    let mut asked = 0;
    while let Ok((_, request)) = handler.try_recv_from() {
        assert_eq!(request.frame(7).expect("a name"), "joe");
        asked += 1;
    }
    assert!(asked >= 3);
}

/// What cannot judge, lets nobody in.
#[test]
fn a_handler_of_another_type_lets_nobody_in() {
    let context = House::empty();
    let handler = Dealer::builder().context(&context).build();
    let handler = handler.expect("a socket");
    handler.bind(HANDLER).expect("to bind");
    let pull = Pull::builder().context(&context).plain_server_by_zap();
    assert_eq!(failure(pull, joe()), [(0x4000, 500); 2]);
}

/// The mechanism of an endpoint is that it was bound with: who changes it later lets nobody in.
#[test]
fn options_changed_later_let_nobody_in() {
    use hubless::OptionValue;
    let pull = Pull::builder().plain_server(|_: &[u8], _: &[u8]| false);
    let pull = pull.build().expect("a socket");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    pull.set_option("PLAIN_USERNAME", OptionValue::from("somebody"))
        .expect("to set");
    let events = pull.monitor();
    let push = joe().reconnect(Reconnect::Never).build().expect("a socket");
    push.connect(at).expect("to connect");
    assert_eq!(failed(&events).libzmq()[0], (0x4000, 400));
}

#[cfg(feature = "curve")]
mod curve {
    use hubless::KeyPair;

    use super::*;

    pub fn pair(pull: Builder<Pull>) -> (Builder<Pull>, Builder<Push>) {
        let (ours, theirs) = (KeyPair::generate(), KeyPair::generate());
        let push = Push::builder().curve_client(ours.public(), theirs);
        (pull.curve_server(ours), push)
    }

    #[test]
    fn a_handler_learns_the_key() {
        let house = House::saying(JOE);
        let (ours, theirs) = (KeyPair::generate(), KeyPair::generate());
        let push = Push::builder().curve_client(ours.public(), theirs.clone());
        let info = arrival(house.pull().curve_server(ours), push);
        assert_eq!(info.property("User-Id").expect("a name"), "joe");
        let asked = house.asked();
        let head = ["", "1.0", "1", "", "127.0.0.1", "", "CURVE"];
        assert!(asked[0].iter().take(7).eq(head));
        assert_eq!(
            asked[0].frame(7).expect("a key"),
            theirs.public().as_bytes()
        );
    }

    /// As the option says: nobody is asked where none is enforced, and nobody comes in unasked
    /// where one is.
    #[test]
    fn a_domain_that_is_enforced() {
        let house = House::saying(["", "1.0", "1", "400", "", "", ""]);
        let (server, client) = pair(house.pull().zap_enforce_domain(true));
        arrival(server, client);
        assert_eq!(house.asked(), []);
        let (server, client) = pair(house.pull().zap_enforce_domain(true).zap_domain("x"));
        assert_eq!(failure(server, client), [(0x4000, 400); 2]);

        let context = House::empty();
        let pull = || Pull::builder().context(&context);
        let (server, client) = pair(pull());
        arrival(server, client);
        let (server, client) = pair(pull().zap_domain("x"));
        arrival(server, client);
        let (server, client) = pair(pull().zap_domain("x").zap_enforce_domain(true));
        assert_eq!(failure(server, client), [(0x0800, 14), (0x0800, 32)]);
    }
}
