//! Heartbeats both ways, with libzmq on the other side: PINGs are answered, an idle link stays, a
//! silent one is ended and made anew.

mod interop;

use std::time::Duration;

use hubless::{Builder, Dealer, EventKind, Monitor, Reason};
use interop::{
    LIMIT, Peer, Theirs,
    sides::await_event,
    tap::{Tap, Way},
};

/// So often somebody pings.
const INTERVAL: Duration = Duration::from_millis(40);

/// So many PINGs show that a link stays: they take longer than [`TTL`].
const PINGS: usize = 50;

/// What our PINGs and theirs ask of the other side.
const TTL: Duration = Duration::from_millis(1500);

/// Plays it with either side bound, and a tap between them.
fn play(
    options: &[(&str, &str)],
    builder: impl Fn() -> Builder<Dealer>,
    story: impl Fn(&Line<'_>),
) {
    for we_bind in [true, false] {
        println!("we bind: {we_bind}");
        let peer = Peer::start();
        let theirs = peer.socket("DEALER", options);
        theirs.monitor();
        let ours = builder().build().expect("a socket");
        let events = ours.monitor();
        let anywhere = "tcp://127.0.0.1:0";
        let tap;
        if we_bind {
            tap = Tap::to(&ours.bind(anywhere).expect("to bind").to_string());
            theirs.connect(tap.endpoint());
        } else {
            tap = Tap::to(&theirs.bind(anywhere));
            ours.connect(tap.endpoint()).expect("to connect");
        }
        let (to_us, to_them) = if we_bind {
            (Way::There, Way::Back)
        } else {
            (Way::Back, Way::There)
        };
        let line = Line {
            peer: &peer,
            theirs,
            ours,
            events,
            tap,
            to_us,
            to_them,
        };
        line.await_up();
        line.say_hello();
        story(&line);
    }
}

/// The two ends of the line, and what is between them.
struct Line<'a> {
    peer: &'a Peer,
    theirs: Theirs<'a>,
    ours: Dealer,
    events: Monitor,
    tap: Tap,
    to_us: Way,
    to_them: Way,
}

impl Line<'_> {
    fn await_up(&self) {
        await_event(&self.events, |kind| {
            matches!(kind, EventKind::HandshakeSucceeded)
        });
        self.theirs.await_event("HANDSHAKE_SUCCEEDED");
    }

    /// A message each way.
    fn say_hello(&self) {
        self.ours.send_timeout("hello", LIMIT).expect("room");
        let heard = self.theirs.ask_within_limit("recv", "");
        assert_eq!(heard.frames().expect("a message"), [b"hello"]);
        self.theirs.ask_within_limit("send", r#""frames":["68"]"#);
        assert_eq!(self.ours.recv_timeout(LIMIT).expect("a message")[0], "h");
    }

    /// Nobody has ended the connection.
    fn assert_still_up(&self) {
        while let Ok(event) = self.events.try_recv() {
            assert!(
                !matches!(event.kind, EventKind::Disconnected(_)),
                "{event:?}"
            );
        }
        assert_eq!(self.theirs.count_events("DISCONNECTED"), 0);
    }

    /// We end the connection because we hear nothing.
    fn await_timeout(&self) {
        await_event(&self.events, |kind| {
            assert!(
                !matches!(kind, EventKind::Disconnected(reason)
                    if !matches!(reason, Reason::HeartbeatTimeout)),
                "{kind:?}"
            );
            matches!(kind, EventKind::Disconnected(_))
        });
    }
}

#[test]
fn our_pings_are_answered_and_keep_an_idle_link() {
    let builder = || {
        let builder = Dealer::builder().heartbeat_interval(INTERVAL);
        builder.heartbeat_timeout(LIMIT).heartbeat_ttl(TTL)
    };
    play(&[], builder, |line| {
        line.tap.await_commands(line.to_us, "PONG", PINGS);
        line.assert_still_up();
        line.say_hello();
    });
}

#[test]
fn their_pings_are_answered_and_keep_an_idle_link() {
    let options = [
        ("HEARTBEAT_IVL", &*INTERVAL.as_millis().to_string()),
        ("HEARTBEAT_TIMEOUT", &LIMIT.as_millis().to_string()),
        ("HEARTBEAT_TTL", &TTL.as_millis().to_string()),
    ];
    play(&options, Dealer::builder, |line| {
        let (mut pings, mut pongs) = (0, 0);
        while pongs < PINGS {
            match line.tap.next() {
                (way, command) if command == "PING" => {
                    assert_eq!(way, line.to_us);
                    pings += 1;
                }
                (way, command) if command == "PONG" => {
                    assert_eq!(way, line.to_them);
                    pongs += 1;
                    assert!(pongs <= pings, "a PONG that nobody asked for");
                }
                _ => {}
            }
        }
        line.assert_still_up();
        line.say_hello();
    });
}

#[test]
fn we_notice_a_peer_that_is_stopped_and_meet_it_again() {
    let builder = || {
        let builder = Dealer::builder().heartbeat_interval(INTERVAL);
        builder.heartbeat_timeout(Duration::from_secs(1))
    };
    play(&[], builder, |line| {
        line.peer.freeze();
        line.await_timeout();
        line.peer.thaw();
        line.await_up();
        line.say_hello();
    });
}

#[test]
fn we_notice_silence_after_the_time_that_their_ping_tells() {
    let options = [
        ("HEARTBEAT_IVL", &*INTERVAL.as_millis().to_string()),
        ("HEARTBEAT_TIMEOUT", &LIMIT.as_millis().to_string()),
        ("HEARTBEAT_TTL", "1000"),
    ];
    play(&options, Dealer::builder, |line| {
        line.tap.await_commands(line.to_us, "PING", 1);
        line.tap.silence();
        line.await_timeout();
        line.await_up();
        line.say_hello();
    });
}

#[test]
fn they_notice_silence_after_the_time_that_our_ping_tells() {
    let builder = || {
        let builder = Dealer::builder().heartbeat_interval(INTERVAL);
        let ttl = Duration::from_secs(1);
        builder.heartbeat_timeout(LIMIT).heartbeat_ttl(ttl)
    };
    play(&[], builder, |line| {
        line.tap.await_commands(line.to_them, "PING", 1);
        line.tap.silence();
        line.theirs.await_event("DISCONNECTED");
        line.await_up();
        line.say_hello();
    });
}
