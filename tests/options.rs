//! The options of libzmq by name: every row of the table is walked, and each that acts has a test
//! that shows what it does.

mod common;

use std::{collections::BTreeSet, fs, net::TcpListener, path::Path, time::Duration};

use common::{
    MOMENT, SOON, eventually, inproc,
    raw::{Raw, greeting, ready},
    within,
};
use hubless::{
    Context, Dealer, Endpoint, Error, ErrorKind, EventKind, IpcEndpoint, LocalPeer, Message,
    Monitor, OptionAccess, OptionDefault, OptionKind, OptionMoment, OptionRow, OptionValue, Pub,
    Pull, Push, Reason, ReconnectStop, Rep, Req, Router, SendError, SocketType, Stream, Sub, XPub,
    XSub, internals::base::option_table,
};

/// Where it is shown what an option does: its name, a file, a test there.
const SHOWN: &[(&str, &str, &str)] = &[
    (
        "TCP_ACCEPT_FILTER",
        "tests/options.rs",
        "who_is_in_no_network_does_not_come_in",
    ),
    (
        "IPC_FILTER_PID",
        "tests/options.rs",
        "who_is_no_local_peer_does_not_come_in",
    ),
    (
        "IPC_FILTER_UID",
        "tests/options.rs",
        "who_is_no_local_peer_does_not_come_in",
    ),
    (
        "IPC_FILTER_GID",
        "tests/options.rs",
        "who_is_no_local_peer_does_not_come_in",
    ),
    (
        "SOCKS_PROXY",
        "tests/socks_proxy.rs",
        "a_name_is_the_proxys_to_resolve",
    ),
    (
        "SOCKS_USERNAME",
        "tests/socks_proxy.rs",
        "a_proxy_may_ask_for_a_login",
    ),
    (
        "SOCKS_PASSWORD",
        "tests/socks_proxy.rs",
        "a_proxy_may_ask_for_a_login",
    ),
    (
        "PLAIN_USERNAME",
        "tests/options.rs",
        "a_name_and_a_password_are_shown",
    ),
    (
        "PLAIN_PASSWORD",
        "tests/options.rs",
        "a_name_and_a_password_are_shown",
    ),
    (
        "PLAIN_SERVER",
        "tests/options.rs",
        "a_handler_judges_names_and_passwords",
    ),
    (
        "ZAP_DOMAIN",
        "tests/options.rs",
        "a_handler_judges_names_and_passwords",
    ),
    (
        "ZAP_ENFORCE_DOMAIN",
        "tests/options.rs",
        "a_handler_judges_names_and_passwords",
    ),
    (
        "CURVE_SERVER",
        "tests/options.rs",
        "keys_come_one_by_one_in_any_order",
    ),
    (
        "CURVE_PUBLICKEY",
        "tests/options.rs",
        "keys_come_one_by_one_in_any_order",
    ),
    (
        "CURVE_SECRETKEY",
        "tests/options.rs",
        "keys_come_one_by_one_in_any_order",
    ),
    (
        "CURVE_SERVERKEY",
        "tests/options.rs",
        "keys_come_one_by_one_in_any_order",
    ),
    (
        "AFFINITY",
        "tests/options.rs",
        "affinity_chooses_among_the_io_threads",
    ),
    (
        "ROUTING_ID",
        "tests/interop_routing.rs",
        "our_names_reach_their_router",
    ),
    (
        "SUBSCRIBE",
        "tests/options.rs",
        "subscriptions_are_options_too",
    ),
    (
        "UNSUBSCRIBE",
        "tests/options.rs",
        "subscriptions_are_options_too",
    ),
    ("SNDBUF", "src/transport/tcp.rs", "options_reach_both_sides"),
    ("RCVBUF", "src/transport/tcp.rs", "options_reach_both_sides"),
    ("EVENTS", "tests/options.rs", "what_is_only_read"),
    ("TYPE", "tests/options.rs", "what_is_only_read"),
    (
        "LINGER",
        "tests/lifecycle.rs",
        "dropping_ends_when_the_linger_is_over",
    ),
    (
        "RECONNECT_IVL",
        "tests/monitor.rs",
        "waits_before_reconnecting_are_random_and_grow_to_their_limit",
    ),
    (
        "RECONNECT_IVL_MAX",
        "tests/monitor.rs",
        "waits_before_reconnecting_are_random_and_grow_to_their_limit",
    ),
    (
        "BACKLOG",
        "src/transport/tcp.rs",
        "the_backlog_holds_so_many",
    ),
    (
        "MAXMSGSIZE",
        "tests/large.rs",
        "what_is_larger_than_allowed_ends_that_connection_alone",
    ),
    (
        "SNDHWM",
        "tests/option_effects.rs",
        "marks_move_while_messages_wait",
    ),
    (
        "RCVHWM",
        "tests/option_effects.rs",
        "marks_move_while_messages_wait",
    ),
    ("RCVTIMEO", "tests/options.rs", "waits_change_at_once"),
    ("SNDTIMEO", "tests/options.rs", "waits_change_at_once"),
    (
        "IPV4ONLY",
        "src/transport/tcp.rs",
        "any_ipv6_address_means_ipv4_too_if_so_asked",
    ),
    ("LAST_ENDPOINT", "tests/options.rs", "what_is_only_read"),
    (
        "ROUTER_MANDATORY",
        "tests/options.rs",
        "a_router_that_must_not_refuse_drops",
    ),
    (
        "TCP_KEEPALIVE",
        "src/transport/tcp.rs",
        "options_reach_both_sides",
    ),
    (
        "TCP_KEEPALIVE_CNT",
        "src/transport/tcp.rs",
        "options_reach_both_sides",
    ),
    (
        "TCP_KEEPALIVE_IDLE",
        "src/transport/tcp.rs",
        "options_reach_both_sides",
    ),
    (
        "TCP_KEEPALIVE_INTVL",
        "src/transport/tcp.rs",
        "options_reach_both_sides",
    ),
    (
        "IMMEDIATE",
        "tests/backpressure.rs",
        "immediate_queues_for_nobody_who_is_not_there",
    ),
    (
        "XPUB_VERBOSE",
        "tests/options.rs",
        "an_xpub_changes_while_it_lives",
    ),
    (
        "IPV6",
        "src/transport/tcp.rs",
        "any_ipv6_address_means_ipv4_too_if_so_asked",
    ),
    ("MECHANISM", "tests/options.rs", "what_is_only_read"),
    (
        "PROBE_ROUTER",
        "tests/wire_replay.rs",
        "a_dealer_probes_by_itself",
    ),
    (
        "REQ_CORRELATE",
        "tests/interop_routing.rs",
        "a_late_answer_is_told_by_its_number",
    ),
    (
        "REQ_RELAXED",
        "tests/options.rs",
        "a_relaxed_req_asks_again",
    ),
    (
        "CONFLATE",
        "tests/backpressure.rs",
        "conflate_keeps_the_newest",
    ),
    (
        "ROUTER_HANDOVER",
        "tests/interop_routing.rs",
        "with_handover_a_name_goes_to_who_comes_last",
    ),
    (
        "ROUTER_RAW",
        "tests/stream_sockets.rs",
        "a_raw_router_is_a_stream_that_may_drop",
    ),
    ("TOS", "src/transport/tcp.rs", "options_reach_both_sides"),
    (
        "CONNECT_ROUTING_ID",
        "tests/options.rs",
        "a_router_names_whom_it_connects_to",
    ),
    (
        "HANDSHAKE_IVL",
        "tests/misbehaviour/handshake.rs",
        "a_handshake_that_stops_ends_in_time",
    ),
    (
        "XPUB_NODROP",
        "tests/options.rs",
        "an_xpub_changes_while_it_lives",
    ),
    (
        "XPUB_MANUAL",
        "tests/options.rs",
        "an_xpub_changes_while_it_lives",
    ),
    (
        "XPUB_WELCOME_MSG",
        "tests/wire_replay.rs",
        "an_xpub_welcomes",
    ),
    (
        "INVERT_MATCHING",
        "tests/options.rs",
        "matching_is_inverted_while_it_lives",
    ),
    (
        "HEARTBEAT_IVL",
        "tests/heartbeats.rs",
        "a_silent_peer_is_found_while_calls_wait",
    ),
    (
        "HEARTBEAT_TTL",
        "tests/interop_heartbeat.rs",
        "they_notice_silence_after_the_time_that_our_ping_tells",
    ),
    (
        "HEARTBEAT_TIMEOUT",
        "tests/misbehaviour/heartbeat.rs",
        "who_does_not_answer_is_given_up",
    ),
    (
        "XPUB_VERBOSER",
        "tests/interop_routing.rs",
        "our_xpub_shows_as_much_as_it_is_told_to",
    ),
    (
        "CONNECT_TIMEOUT",
        "tests/options.rs",
        "an_attempt_to_connect_ends_in_time",
    ),
    (
        "TCP_MAXRT",
        "src/transport/tcp.rs",
        "options_reach_both_sides",
    ),
    ("THREAD_SAFE", "tests/options.rs", "what_is_only_read"),
    (
        "BINDTODEVICE",
        "src/transport/tcp.rs",
        "a_device_is_bound_to",
    ),
    (
        "METADATA",
        "tests/options.rs",
        "properties_are_said_in_the_handshake",
    ),
    (
        "RECONNECT_STOP",
        "tests/options.rs",
        "a_dialer_stops_after_what_it_is_told",
    ),
    (
        "STREAM_NOTIFY",
        "tests/stream_sockets.rs",
        "it_may_be_asked_not_to_show_that",
    ),
    (
        "HELLO_MSG",
        "tests/options.rs",
        "hello_comes_first_with_every_connection",
    ),
    (
        "DISCONNECT_MSG",
        "tests/options.rs",
        "a_peer_that_goes_leaves_a_message",
    ),
    (
        "PRIORITY",
        "src/transport/tcp.rs",
        "options_reach_both_sides",
    ),
    (
        "BUSY_POLL",
        "src/transport/tcp.rs",
        "options_reach_both_sides",
    ),
    (
        "HICCUP_MSG",
        "tests/options.rs",
        "a_connection_that_is_lost_leaves_a_message",
    ),
    ("TOPICS_COUNT", "tests/options.rs", "what_is_only_read"),
    (
        "IO_THREADS",
        "tests/options.rs",
        "affinity_chooses_among_the_io_threads",
    ),
    ("MORE", "tests/option_effects.rs", "nothing_more_is_to_come"),
    (
        "RCVMORE",
        "tests/option_effects.rs",
        "nothing_more_is_to_come",
    ),
    ("FD", "tests/option_effects.rs", "a_number_shows_readiness"),
    (
        "USE_FD",
        "tests/option_effects.rs",
        "a_listener_is_used_by_its_number",
    ),
    (
        "ROUTER_NOTIFY",
        "tests/option_effects.rs",
        "a_router_is_told_who_comes_and_goes",
    ),
    (
        "XPUB_MANUAL_LAST_VALUE",
        "tests/option_effects.rs",
        "the_last_value_goes_to_who_asked_last",
    ),
    (
        "IN_BATCH_SIZE",
        "tests/option_effects.rs",
        "reads_are_as_small_as_they_are_said_to_be",
    ),
    (
        "OUT_BATCH_SIZE",
        "src/core/narrow.rs",
        "no_write_offers_more_than_was_said",
    ),
    (
        "ONLY_FIRST_SUBSCRIBE",
        "tests/option_effects.rs",
        "only_the_first_frame_subscribes",
    ),
    (
        "XSUB_VERBOSE_UNSUBSCRIBE",
        "tests/option_effects.rs",
        "every_cancellation_is_passed_on",
    ),
    (
        "MAX_SOCKETS",
        "tests/options.rs",
        "a_context_has_so_many_sockets",
    ),
    (
        "SOCKET_LIMIT",
        "tests/context_options.rs",
        "every_option_of_a_context_holds_what_it_says",
    ),
    (
        "THREAD_PRIORITY",
        "tests/context_options.rs",
        "threads_are_favoured",
    ),
    (
        "THREAD_SCHED_POLICY",
        "tests/context_options.rs",
        "threads_run_as_they_are_told",
    ),
    (
        "MAX_MSGSZ",
        "tests/context_options.rs",
        "no_message_is_larger_than_the_context_lets_it_be",
    ),
    (
        "MSG_T_SIZE",
        "tests/context_options.rs",
        "every_option_of_a_context_holds_what_it_says",
    ),
    (
        "THREAD_AFFINITY_CPU_ADD",
        "tests/context_options.rs",
        "threads_run_as_they_are_told",
    ),
    (
        "THREAD_AFFINITY_CPU_REMOVE",
        "tests/context_options.rs",
        "threads_run_as_they_are_told",
    ),
    (
        "THREAD_NAME_PREFIX",
        "tests/context_options.rs",
        "threads_run_as_they_are_told",
    ),
    (
        "ZERO_COPY_RECV",
        "tests/context_options.rs",
        "every_option_of_a_context_holds_what_it_says",
    ),
    (
        "BLOCKY",
        "tests/context_options.rs",
        "sockets_begin_as_their_context_says",
    ),
];

/// Both sets of rows, with a word for each.
fn tables() -> [(&'static str, &'static [OptionRow]); 3] {
    [
        ("socket", OptionRow::of_sockets()),
        ("context", OptionRow::of_contexts()),
        ("message", OptionRow::of_messages()),
    ]
}

#[test]
fn every_option_that_acts_is_shown_to() {
    let (mut acting, mut all) = (BTreeSet::new(), 0);
    for (word, rows) in tables() {
        let act: Vec<&str> = rows
            .iter()
            .filter(|row| row.acts())
            .map(|row| row.name)
            .collect();
        println!("{word} options acting: {} / {}", act.len(), rows.len());
        all += rows.len();
        acting.extend(act);
    }
    println!("acting: {} / {all}", acting.len());
    let shown: BTreeSet<&str> = SHOWN.iter().map(|(name, ..)| *name).collect();
    assert_eq!(acting, shown, "rows that act, and rows that are shown to");
    assert_eq!(shown.len(), SHOWN.len(), "twice");
    for (name, file, test) in SHOWN {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let at = text.find(&format!("fn {test}()"));
        let at = at.unwrap_or_else(|| panic!("{name}: no test {test} in {file}"));
        let before = text[..at].trim_end();
        assert!(before.ends_with("#[test]"), "{file}: {test} is no test");
    }
}

#[test]
fn names_and_numbers_are_each_ones_own() {
    let rows = OptionRow::of_sockets();
    for (at, row) in rows.iter().enumerate() {
        let found = OptionRow::named(row.name).expect("it has a row");
        assert_eq!((found.name, found.number), (row.name, row.number));
        assert_eq!(
            OptionRow::numbered(row.number).map(|row| row.name),
            Some(row.name)
        );
        assert!(at == 0 || rows[at - 1].number < row.number, "{}", row.name);
    }
    assert!(OptionRow::named("SNDHWN").is_none() && OptionRow::numbered(10).is_none());
}

/// Calls it for a builder of that type.
macro_rules! builder {
    ($socket_type:expr, $builder:ident => $it:expr) => {
        match $socket_type {
            SocketType::Pub => {
                let $builder = Pub::builder();
                $it
            }
            SocketType::XPub => {
                let $builder = XPub::builder();
                $it
            }
            SocketType::Sub => {
                let $builder = Sub::builder();
                $it
            }
            SocketType::XSub => {
                let $builder = XSub::builder();
                $it
            }
            SocketType::Req => {
                let $builder = Req::builder();
                $it
            }
            SocketType::Stream => {
                let $builder = Stream::builder();
                $it
            }
            SocketType::Router => {
                let $builder = Router::builder();
                $it
            }
            _ => {
                let $builder = Dealer::builder();
                $it
            }
        }
    };
}

/// What the builder says to that value.
fn built(socket_type: SocketType, name: &str, value: OptionValue) -> Result<(), Error> {
    builder!(socket_type, builder => builder.option(name, value)?.build().map(drop))
}

/// A socket that exists is told so before it has any endpoint; what it says then.
fn told(socket_type: SocketType, name: &str, value: OptionValue) -> Result<OptionValue, Error> {
    builder!(socket_type, builder => {
        let socket = builder.build()?;
        socket.set_option(name, value)?;
        socket.option(name)
    })
}

/// What a new socket says.
fn begins(socket_type: SocketType, name: &str) -> Result<OptionValue, Error> {
    builder!(socket_type, builder => builder.build()?.option(name))
}

/// A value that is good, and not what it begins with.
fn good(row: &OptionRow) -> OptionValue {
    match (row.name, row.begins_with()) {
        ("RECONNECT_IVL_MAX", _) => 60_000.into(),
        ("HEARTBEAT_TTL", _) => 1_200.into(),
        ("ONLY_FIRST_SUBSCRIBE", _) => 1.into(),
        ("METADATA", _) => "X-room:7".into(),
        ("TCP_ACCEPT_FILTER", _) => "10.0.0.0/8".into(),
        ("SOCKS_PROXY", _) => "proxy:1080".into(),
        ("IPC_FILTER_PID" | "IPC_FILTER_UID" | "IPC_FILTER_GID", _) => 7.into(),
        ("BINDTODEVICE", _) => "lo".into(),
        (name, _) if name.starts_with("CURVE") && name.ends_with("KEY") => (&[7; 32][..]).into(),
        (_, OptionDefault::Number(begin)) if row.range.1 == 1 => (1 - begin.max(0)).into(),
        (_, OptionDefault::Number(begin)) if row.unit == "yes or no" && row.range.0 < 0 => {
            (1 - begin).into()
        }
        ("ROUTER_MANDATORY", _) => 0.into(),
        (_, OptionDefault::Number(begin)) if row.range.0 == 0 && begin == 0 => 1.into(),
        (_, OptionDefault::Number(_)) => row.range.1.min(7).into(),
        _ => "some".into(),
    }
}

fn is_refused<T: std::fmt::Debug>(outcome: Result<T, Error>, row: &OptionRow, what: &str) {
    let error = outcome.expect_err(&format!("{}: {what}", row.name));
    assert_eq!(
        error.kind(),
        ErrorKind::InvalidOption,
        "{}: {what}",
        row.name
    );
    assert!(
        error.to_string().contains(row.name),
        "{}: {error}",
        row.name
    );
}

/// They are kept for endpoints that are not here.
const HELD: [&str; 6] = [
    "RATE",
    "RECOVERY_IVL",
    "MULTICAST_HOPS",
    "MULTICAST_MAXTPDU",
    "LOOPBACK_FASTPATH",
    "MULTICAST_LOOP",
];

#[test]
fn what_is_held_is_for_endpoints_that_are_an_error() {
    let held = OptionRow::of_sockets()
        .iter()
        .filter(|row| !row.acts() && begins(SocketType::Dealer, row.name).is_ok());
    assert!(held.map(|row| row.name).eq(HELD));
    let socket = Dealer::new().expect("a DEALER");
    socket.set_option("RATE", 1000).expect("it is held");
    assert_eq!(
        socket.option("RATE").expect("it is held"),
        OptionValue::from(1000)
    );
    for kind in ["pgm", "epgm", "norm", "udp"] {
        let error = socket.connect(&*format!("{kind}://lo;239.192.1.1:5555"));
        let error = error.expect_err("such endpoints are not here");
        assert_eq!(error.kind(), ErrorKind::UnknownTransport, "{error}");
    }
}

#[test]
fn every_row_holds_what_it_says() {
    for row in OptionRow::of_sockets() {
        let of = row.sockets.first().copied().unwrap_or(SocketType::Dealer);
        let octets = matches!(row.kind, OptionKind::Octets | OptionKind::Text);
        let value = good(row);
        if let (Err(why), false) = (row.how(), HELD.contains(&row.name)) {
            for refused in [
                built(of, row.name, value.clone()),
                told(of, row.name, value).map(drop),
            ] {
                let error = refused.expect_err(row.name).to_string();
                assert!(error.contains(why), "{}: {error}", row.name);
            }
            is_refused(begins(of, row.name), row, "absent");
            continue;
        }
        if row.name.starts_with("CURVE") && !cfg!(feature = "curve") {
            is_refused(told(of, row.name, value), row, "left out");
            continue;
        }
        if row.access == OptionAccess::Get {
            begins(of, row.name).unwrap_or_else(|error| panic!("{}: {error}", row.name));
            is_refused(told(of, row.name, value.clone()), row, "only read");
            is_refused(built(of, row.name, value), row, "only read");
            continue;
        }
        if let Ok(value) = begins(of, row.name) {
            let begins_with = row.begins_with();
            let no_key = OptionValue::from(&[0; 32][..]);
            let empty = [OptionValue::from(""), OptionValue::from(-1), no_key].contains(&value);
            let nothing = begins_with == OptionDefault::None && empty;
            assert!(nothing || value == begins_with, "{}: {value}", row.name);
        }
        // Live, and before there is a socket.
        match told(of, row.name, value.clone()) {
            Ok(said) => assert_eq!(said, value, "{}", row.name),
            Err(error) => {
                assert!(
                    error.to_string().contains("only set"),
                    "{}: {error}",
                    row.name
                );
            }
        }
        // Out of range, and of another kind.
        let wrong: OptionValue = if octets { 1.into() } else { "1".into() };
        is_refused(told(of, row.name, wrong.clone()), row, "kind");
        is_refused(built(of, row.name, wrong), row, "kind");
        let (least, most) = row.range;
        let beyond: Vec<OptionValue> = match octets {
            true if most > 1000 => Vec::new(),
            true => vec![
                "x".repeat(usize::try_from(most).expect("short") + 1)
                    .as_str()
                    .into(),
            ],
            false if (least, most) == (i64::MIN, i64::MAX) => Vec::new(),
            false if most == i64::MAX => vec![(least - 1).into()],
            false => vec![(least - 1).into(), (most + 1).into()],
        };
        for beyond in beyond {
            is_refused(told(of, row.name, beyond.clone()), row, "range");
            is_refused(built(of, row.name, beyond), row, "range");
        }
        // Another type's.
        if !row.sockets.is_empty() {
            let another = [
                SocketType::XSub,
                SocketType::Dealer,
                SocketType::Router,
                SocketType::Stream,
            ];
            let another = another.into_iter().find(|kind| !row.sockets.contains(kind));
            let another = another.expect("some type does not have it");
            is_refused(told(another, row.name, good(row)), row, "type");
        }
    }
}

#[test]
fn what_was_settled_with_the_first_endpoint_stays() {
    for row in OptionRow::of_sockets() {
        if row.moment != OptionMoment::FirstEndpoint {
            continue;
        }
        let socket = Dealer::new().expect("a DEALER");
        socket
            .set_option(row.name, good(row))
            .expect("not yet settled");
        socket.bind("tcp://127.0.0.1:0").expect("to bind");
        // The I/O thread of which it has become is the first: another one's bit.
        is_refused(socket.set_option(row.name, 0b10), row, "moment");
    }
    let closed = Dealer::new().expect("a DEALER");
    closed.close(SOON).expect("to close");
    let error = closed.set_option("LINGER", 0).expect_err("it is closed");
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[test]
fn the_document_has_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPTIONS.md");
    let text = fs::read_to_string(&path).expect("docs/OPTIONS.md");
    let at = text.find("\n## Sockets").expect("the tables");
    let fresh = format!("{}{}", &text[..at], option_table::text::tables());
    if std::env::var_os("HUBLESS_WRITE_DOCS").is_some() {
        fs::write(&path, fresh).expect("to write");
    } else {
        assert!(
            text == fresh,
            "docs/OPTIONS.md is old: HUBLESS_WRITE_DOCS=1 writes it anew"
        );
    }
}

#[test]
fn affinity_chooses_among_the_io_threads() {
    let context = Context::builder().io_threads(2).build();
    let pull = Pull::builder()
        .context(&context)
        .affinity(0b10)
        .build()
        .expect("a PULL");
    let at = pull
        .bind("tcp://127.0.0.1:0")
        .expect("the second thread is there");
    let push = Push::builder()
        .context(&context)
        .affinity(0b01)
        .build()
        .expect("a PUSH");
    push.connect(&at).expect("to connect");
    push.send("over two threads").expect("to send");
    assert_eq!(
        pull.recv_timeout(SOON).expect("it comes")[0],
        "over two threads"
    );
    let third = Pull::builder()
        .context(&context)
        .affinity(0b100)
        .build()
        .expect("a PULL");
    third
        .bind("tcp://127.0.0.1:0")
        .expect_err("there is no third thread");
}

#[test]
fn a_context_has_so_many_sockets() {
    let context = Context::builder().max_sockets(1).build();
    let _one = Pull::builder()
        .context(&context)
        .build()
        .expect("the first");
    let error = Pull::builder()
        .context(&context)
        .build()
        .expect_err("the second");
    assert_eq!(error.kind(), ErrorKind::TooMany);
}

#[test]
fn subscriptions_are_options_too() {
    let publisher = Pub::new().expect("a PUB");
    let sub = Sub::new().expect("a SUB");
    let at = inproc();
    publisher.bind(&*at).expect("to bind");
    sub.connect(&*at).expect("to connect");
    sub.set_option("SUBSCRIBE", "a").expect("to subscribe");
    publisher.wait_subscribers(1, SOON).expect("it is heard");
    publisher.send("apple").expect("to send");
    assert_eq!(sub.recv_timeout(SOON).expect("it matches")[0], "apple");
    sub.set_option("UNSUBSCRIBE", "a").expect("to cancel");
    eventually("the subscription is over", || {
        publisher.subscriber_count() == 0
    });
}

#[test]
fn what_is_only_read() {
    let publisher = XPub::new().expect("an XPUB");
    let number = |name| publisher.option(name).expect(name);
    assert_eq!(number("TYPE"), OptionValue::Number(9));
    assert_eq!(number("THREAD_SAFE"), OptionValue::Number(1));
    assert_eq!(number("MECHANISM"), OptionValue::Number(0));
    assert_eq!(number("LAST_ENDPOINT"), OptionValue::from(""));
    assert_eq!(number("EVENTS"), OptionValue::Number(2));
    let at = publisher.bind("tcp://127.0.0.1:0").expect("to bind");
    assert_eq!(number("LAST_ENDPOINT"), OptionValue::from(&*at.to_string()));
    let sub = Sub::new().expect("a SUB");
    for topic in ["a", "b", "a"] {
        sub.subscribe(topic).expect("to subscribe");
    }
    assert_eq!(
        sub.option("TOPICS_COUNT").expect("a count"),
        OptionValue::Number(2)
    );
    sub.connect(&at).expect("to connect");
    eventually("both are shown", || {
        number("TOPICS_COUNT") == OptionValue::Number(2)
    });
    assert_eq!(number("EVENTS"), OptionValue::Number(3));
}

#[test]
fn waits_change_at_once() {
    let dealer = Dealer::new().expect("a DEALER");
    dealer.set_recv_timeout(MOMENT).expect("it is open");
    dealer.set_send_timeout(MOMENT).expect("it is open");
    let both = move || {
        dealer.recv().expect_err("nothing comes");
        matches!(dealer.send("to nobody"), Err(SendError::TimedOut(_)))
    };
    assert!(within("both time out", both));
}

#[test]
fn a_router_that_must_not_refuse_drops() {
    let router = Router::new().expect("a ROUTER");
    assert!(matches!(
        router.send_to("nobody", "x"),
        Err(SendError::Unroutable(_))
    ));
    router.set_mandatory(false).expect("it is open");
    router.send_to("nobody", "x").expect("it is dropped");
    router.send(["nobody", "x"]).expect("it is dropped");
    let dealer = Dealer::builder()
        .routing_id("ann")
        .recv_hwm(1)
        .build()
        .expect("a DEALER");
    let at = inproc();
    router.bind(&*at).expect("to bind");
    dealer.connect(&*at).expect("to connect");
    router.set_option("SNDHWM", 1).expect("it is open");
    for _ in 0..2000 {
        router.send_to("ann", "x").expect("it is taken or dropped");
    }
    assert!(router.stats().sent.refused > 0, "{:?}", router.stats());
}

#[test]
fn a_router_names_whom_it_connects_to() {
    let at = inproc();
    for at in ["tcp://127.0.0.1:0", &at] {
        let dealer = Dealer::builder()
            .routing_id("itself")
            .build()
            .expect("a DEALER");
        let at = dealer.bind(at).expect("to bind");
        let router = Router::new().expect("a ROUTER");
        router
            .set_option("CONNECT_ROUTING_ID", "ann")
            .expect("a name");
        router.connect(&at).expect("to connect");
        router
            .send_to("ann", "hello")
            .expect("she has her name at once");
        assert_eq!(dealer.recv_timeout(SOON).expect("it comes")[0], "hello");
        dealer.send("here").expect("to send");
        let (who, message) = router.recv_from_timeout(SOON).expect("an answer");
        assert_eq!((who, &message[0]), ("ann".into(), &"here".into()));

        let taken = router.connect_as(&at, "ann").expect_err("it is taken");
        assert_eq!(taken.kind(), ErrorKind::InvalidOption);
        router
            .connect(&at)
            .expect("the name was for one connect only");
    }
}

#[test]
fn a_relaxed_req_asks_again() {
    let at = inproc();
    for at in ["tcp://127.0.0.1:0", &at] {
        let rep = Rep::new().expect("a REP");
        let at = rep.bind(at).expect("to bind");
        let req = Req::builder()
            .relaxed(true)
            .correlate(true)
            .build()
            .expect("a REQ");
        req.connect(&at).expect("to connect");
        req.send("first").expect("to send");
        let (_, late) = rep.recv_timeout(SOON).expect("the first");
        req.send("second").expect("the first is given up");
        let (request, responder) = rep.recv_timeout(SOON).expect("the second");
        assert_eq!(request[0], "second");
        late.reply("to the first");
        responder.reply("to the second");
        assert_eq!(
            req.recv_timeout(SOON).expect("an answer")[0],
            "to the second"
        );
        req.set_relaxed(false).expect("it is open");
        req.send("third").expect("to send");
        assert!(matches!(
            req.try_send("fourth"),
            Err(SendError::WrongState(_))
        ));
    }
}

#[test]
fn an_xpub_changes_while_it_lives() {
    let publisher = XPub::new().expect("an XPUB");
    let at = inproc();
    publisher.bind(&*at).expect("to bind");
    let subscriber = |topic: &str| {
        let sub = Sub::builder().recv_hwm(1).build().expect("a SUB");
        sub.subscribe(topic).expect("to subscribe");
        sub.connect(&*at).expect("to connect");
        sub
    };
    let _one = subscriber("a");
    assert_eq!(
        publisher.recv_timeout(SOON).expect("the first is shown")[0],
        b"\x01a"
    );
    let _two = subscriber("a");
    publisher.wait_subscribers(2, SOON).expect("it is heard");
    publisher.try_recv().expect_err("the second is not");
    publisher.set_option("XPUB_VERBOSE", 1).expect("it is open");
    let _three = subscriber("a");
    assert_eq!(
        publisher.recv_timeout(SOON).expect("it is verbose")[0],
        b"\x01a"
    );

    publisher.set_manual(true).expect("it is open");
    let manual = subscriber("b");
    assert_eq!(
        publisher.recv_timeout(SOON).expect("it is asked")[0],
        b"\x01b"
    );
    publisher.subscribe("c").expect("to apply another");
    publisher.send("carrot").expect("to send");
    publisher.send("banana").expect("to send");
    publisher.set_manual(false).expect("it is open");
    manual
        .try_recv()
        .expect_err("it filters: a carrot is not what it asked for");

    publisher.set_no_drop(true).expect("it is open");
    let full = (0..10_000).find_map(|_| publisher.try_send("apple").err());
    assert!(matches!(full, Some(SendError::Full(_))), "{full:?}");
    publisher.set_no_drop(false).expect("it is open");
    publisher.try_send("apple").expect("it is dropped");
}

#[test]
fn matching_is_inverted_while_it_lives() {
    let (publisher, sub) = (Pub::new().expect("a PUB"), Sub::new().expect("a SUB"));
    let at = inproc();
    publisher.bind(&*at).expect("to bind");
    sub.subscribe("a").expect("to subscribe");
    sub.connect(&*at).expect("to connect");
    publisher.wait_subscribers(1, SOON).expect("it is heard");
    publisher
        .set_option("INVERT_MATCHING", 1)
        .expect("it is open");
    sub.set_invert_matching(true).expect("it is open");
    publisher.send("apple").expect("to send");
    publisher.send("banana").expect("to send");
    assert_eq!(
        sub.recv_timeout(SOON).expect("it does not match")[0],
        "banana"
    );
}

#[test]
fn an_attempt_to_connect_ends_in_time() {
    // A listener whose backlog is full answers nobody.
    let push = Push::builder()
        .connect_timeout(MOMENT)
        .build()
        .expect("a PUSH");
    let events = push.monitor();
    // TEST-NET-1 (RFC 5737): routed to nobody, or refused at once by a machine without a route.
    push.connect("tcp://192.0.2.1:9").expect("to begin");
    let failed = within("it fails", move || {
        events
            .map(|event| event.kind)
            .find(|kind| matches!(kind, EventKind::ConnectFailed(_)))
    });
    assert!(failed.is_some());
}

#[test]
fn properties_are_said_in_the_handshake() {
    let pull = Pull::builder()
        .option("METADATA", "X-room:attic")
        .expect("a property")
        .property("X-floor", "3")
        .build()
        .expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut raw = Raw::connect_silently(&at);
    raw.write(&greeting());
    raw.write(&ready("PUSH", b""));
    std::io::Read::read_exact(&mut raw.stream, &mut [0; 64]).expect("a greeting");
    let said = raw.read().expect("a READY").body;
    let has = |part: &[u8]| said.windows(part.len()).any(|window| window == part);
    assert!(has(b"\x06X-room\0\0\0\x05attic"), "{}", said.escape_ascii());
    assert!(has(b"\x07X-floor\0\0\0\x013"), "{}", said.escape_ascii());

    let push = Push::new().expect("a PUSH");
    let events = push.monitor();
    push.connect(&at).expect("to connect");
    let info = within("ready", move || {
        events
            .map(|event| event.peer)
            .find_map(|peer| peer.filter(|peer| peer.socket_type.is_some()))
    });
    assert_eq!(
        info.expect("somebody")
            .property("x-ROOM")
            .expect("it is said"),
        "attic"
    );
    for wrong in ["Y-room:x", "X-:x", "X-a b:x", "X-room"] {
        let built = Pull::builder()
            .option("METADATA", wrong)
            .and_then(|it| it.build());
        assert_eq!(
            built.map(drop).expect_err(wrong).kind(),
            ErrorKind::InvalidOption
        );
    }
}

/// Why a dialer with these orders gave up.
fn why_stopped(stop: ReconnectStop, act: impl FnOnce(&Push)) -> Reason {
    let push = Push::builder()
        .reconnect(common::AT_ONCE)
        .reconnect_stop(stop)
        .build()
        .expect("a PUSH");
    let events = push.monitor();
    act(&push);
    let stopped = within("it gives up", move || {
        events.map(|event| event.kind).find_map(|kind| match kind {
            EventKind::ConnectStopped(reason) => Some(reason),
            _ => None,
        })
    });
    stopped.expect("a reason")
}

#[test]
fn a_dialer_stops_after_what_it_is_told() {
    let never = ReconnectStop::default();
    let refused = ReconnectStop {
        refused: true,
        ..never
    };
    let reason = why_stopped(refused, |push| {
        push.connect(&*common::free_port()).expect("to begin");
    });
    assert!(matches!(reason, Reason::Io(_)), "{reason}");

    let (listener, at) = common::raw::listen();
    let failed = ReconnectStop {
        handshake_failed: true,
        ..never
    };
    let reason = why_stopped(failed, |push| {
        push.connect(&*at).expect("to begin");
        drop(listener.accept().expect("it comes"));
    });
    assert!(
        matches!(reason, Reason::PeerClosed | Reason::Io(_)),
        "{reason}"
    );

    let lost = ReconnectStop {
        lost: true,
        ..never
    };
    let reason = why_stopped(lost, |push| {
        push.connect(&*at).expect("to begin");
        drop(Raw::accept(&listener, "PULL"));
    });
    assert!(
        matches!(reason, Reason::PeerClosed | Reason::Io(_)),
        "{reason}"
    );
}

#[test]
fn hello_comes_first_with_every_connection() {
    let (listener, at) = common::raw::listen();
    let dealer = Dealer::builder()
        .hello("hello")
        .reconnect(common::AT_ONCE)
        .build()
        .expect("a DEALER");
    dealer.connect(&*at).expect("to begin");
    dealer.send("queued").expect("to queue");
    for first in ["hello", "queued", "hello"].chunks(2) {
        let mut raw = Raw::accept(&listener, "ROUTER");
        for expected in first {
            assert_eq!(raw.read().expect("a message").body, expected.as_bytes());
        }
    }
    let (bound, at) = (
        Router::builder()
            .hello("welcome")
            .build()
            .expect("a ROUTER"),
        inproc(),
    );
    bound.bind(&*at).expect("to bind");
    let dealer = Dealer::new().expect("a DEALER");
    dealer.connect(&*at).expect("to connect");
    assert_eq!(dealer.recv_timeout(SOON).expect("it comes")[0], "welcome");
}

#[test]
fn a_peer_that_goes_leaves_a_message() {
    let router = Router::builder()
        .disconnect_message("gone")
        .build()
        .expect("a ROUTER");
    let at = router.bind("tcp://127.0.0.1:0").expect("to bind");
    let mut raw = Raw::connect_as(&at, "DEALER", b"ann");
    raw.send(&[b"last words"]);
    drop(raw);
    let next = || router.recv_from_timeout(SOON).expect("a message");
    assert_eq!(next(), ("ann".into(), "last words".into()));
    assert_eq!(next(), ("ann".into(), "gone".into()));
}

#[test]
fn a_connection_that_is_lost_leaves_a_message() {
    let (listener, at) = common::raw::listen();
    let dealer = Dealer::builder()
        .hiccup_message("lost")
        .build()
        .expect("a DEALER");
    dealer.connect(&*at).expect("to begin");
    let mut raw = Raw::accept(&listener, "ROUTER");
    raw.send(&[b"one"]);
    drop(raw);
    assert_eq!(dealer.recv_timeout(SOON).expect("a message")[0], "one");
    assert_eq!(dealer.recv_timeout(SOON).expect("a message")[0], "lost");
}

/// What becomes of somebody who connects there.
fn fate<S>(bound: &Endpoint, events: &Monitor, dial: impl FnOnce(&Endpoint) -> S) -> EventKind {
    let _stream = dial(bound);
    loop {
        match events.recv_timeout(SOON).expect("an event").kind {
            EventKind::Listening => {}
            kind => return kind,
        }
    }
}

fn is_denied(kind: &EventKind) -> bool {
    let denied = std::io::ErrorKind::PermissionDenied;
    matches!(kind, EventKind::AcceptFailed(error) if error.kind() == denied)
}

#[test]
fn who_is_in_no_network_does_not_come_in() {
    let come = |networks: &[&str]| {
        let pull = Pull::new().expect("a PULL");
        for network in networks {
            pull.set_option("TCP_ACCEPT_FILTER", *network)
                .expect("a network");
        }
        let events = pull.monitor();
        let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
        fate(&at, &events, Raw::connect_silently)
    };
    assert!(is_denied(&come(&["10.0.0.0/8"])));
    for welcome in [&["10.0.0.0/8", "127.0.0.0/8"][..], &["10.0.0.0/8", ""], &[]] {
        assert!(matches!(come(welcome), EventKind::Accepted), "{welcome:?}");
    }
    let pull = Pull::new().expect("a PULL");
    for wrong in ["0.0.0.0/", "0.0.0.0/-1", "0.0.0.0/33", "foo"] {
        let error = pull
            .set_option("TCP_ACCEPT_FILTER", wrong)
            .expect_err(wrong);
        assert_eq!(error.kind(), ErrorKind::InvalidOption);
    }
}

#[test]
fn who_is_no_local_peer_does_not_come_in() {
    let dial = |at: &Endpoint| {
        let Endpoint::Ipc(IpcEndpoint::Path(path)) = at else {
            panic!("{at}");
        };
        std::os::unix::net::UnixStream::connect(path).expect("to connect")
    };
    let come = |peers: &[LocalPeer]| {
        let mut builder = Pull::builder();
        for peer in peers {
            builder = builder.accept_local(*peer);
        }
        let pull = builder.build().expect("a PULL");
        let events = pull.monitor();
        let at = pull.bind("ipc://*").expect("to bind");
        fate(&at, &events, dial)
    };
    let me = i32::try_from(std::process::id()).expect("a process");
    let mine = fs::metadata("/proc/self").expect("ourselves");
    let (uid, gid) = {
        use std::os::unix::fs::MetadataExt;
        (mine.uid(), mine.gid())
    };
    for stranger in [
        LocalPeer::Process(me + 1),
        LocalPeer::User(uid + 1),
        LocalPeer::Group(gid + 1),
    ] {
        assert!(is_denied(&come(&[stranger])), "{stranger:?}");
        for friend in [
            LocalPeer::Process(me),
            LocalPeer::User(uid),
            LocalPeer::Group(gid),
        ] {
            assert!(
                matches!(come(&[stranger, friend]), EventKind::Accepted),
                "{friend:?}"
            );
        }
    }
    let pull = Pull::new().expect("a PULL");
    pull.set_option("IPC_FILTER_PID", me + 1).expect("to add");
    let events = pull.monitor();
    let at = pull.bind("ipc://*").expect("to bind");
    assert!(is_denied(&fate(&at, &events, dial)));
}

#[test]
fn a_name_and_a_password_are_shown() {
    let check = |user: &[u8], password: &[u8]| user == b"joe" && password == b"open sesame";
    let pull = Pull::builder().plain_server(check).build().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let push = Push::new().expect("a PUSH");
    push.set_option("PLAIN_USERNAME", "joe").expect("a name");
    push.set_option("PLAIN_PASSWORD", "open sesame")
        .expect("a password");
    assert_eq!(
        push.option("MECHANISM").expect("one"),
        OptionValue::Number(1)
    );
    push.connect(&at).expect("to connect");
    push.send("hello").expect("to send");
    assert_eq!(pull.recv_timeout(SOON).expect("it comes")[0], "hello");
}

#[test]
fn a_handler_judges_names_and_passwords() {
    let context = Context::new();
    let handler = Rep::builder().context(&context).build().expect("a REP");
    let pull = || Pull::builder().context(&context).build().expect("a PULL");
    let push = || {
        let push = Push::new().expect("a PUSH");
        push.set_option("PLAIN_USERNAME", "joe").expect("a name");
        push.set_option("PLAIN_PASSWORD", "open")
            .expect("a password");
        push
    };
    let plain = pull();
    plain.set_option("PLAIN_SERVER", 1).expect("to set");
    plain.set_option("ZAP_DOMAIN", "shop").expect("to set");
    assert_eq!(
        plain.option("MECHANISM").expect("one"),
        OptionValue::Number(1)
    );
    assert_eq!(
        plain.option("ZAP_DOMAIN").expect("one"),
        OptionValue::from("shop")
    );
    // Nobody is there to be asked.
    let events = plain.monitor();
    let at = plain.bind("tcp://127.0.0.1:0").expect("to bind");
    let joe = push();
    joe.connect(&at).expect("to connect");
    let failed = |events: &Monitor| loop {
        let event = events.recv_timeout(SOON).expect("an event");
        if matches!(event.kind, EventKind::HandshakeFailed(_)) {
            return event.libzmq()[0];
        }
    };
    assert_eq!(failed(&events), (0x0800, 14));
    let enforced = pull();
    enforced.set_option("ZAP_DOMAIN", "x").expect("to set");
    enforced
        .set_option("ZAP_ENFORCE_DOMAIN", 1)
        .expect("to set");
    let events = enforced.monitor();
    let elsewhere = enforced.bind("tcp://127.0.0.1:0").expect("to bind");
    let nobody = Push::new().expect("a PUSH");
    nobody.connect(&elsewhere).expect("to connect");
    assert_eq!(failed(&events), (0x0800, 14));
    drop(nobody);

    handler.bind("inproc://zeromq.zap.01").expect("to bind");
    let (request, responder) = handler.recv_timeout(SOON).expect("a request");
    assert_eq!(
        request,
        Message::from(["1.0", "1", "shop", "127.0.0.1", "", "PLAIN", "joe", "open"])
    );
    assert!(responder.reply(["1.0", "1", "200", "", "joe", ""]));
    joe.send("hello").expect("to send");
    assert_eq!(plain.recv_timeout(SOON).expect("it comes")[0], "hello");
}

#[cfg(feature = "curve")]
#[test]
fn keys_come_one_by_one_in_any_order() {
    use hubless::{KeyPair, ProtocolError};
    let (server, client) = (KeyPair::generate(), KeyPair::generate());
    let octets = |octets: &[u8; 32]| OptionValue::from(&octets[..]);
    let pull = Pull::new().expect("a PULL");
    pull.set_option("CURVE_SECRETKEY", octets(server.secret().expose()))
        .expect("a key");
    pull.set_option("CURVE_SERVER", 1).expect("to set");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let push = || {
        let push = Push::new().expect("a PUSH");
        let text = client.secret().to_z85();
        push.set_option("CURVE_SECRETKEY", text.as_str())
            .expect("a key");
        let text = format!("{}\0", server.public());
        push.set_option("CURVE_SERVERKEY", text.as_str())
            .expect("a key");
        push
    };
    let good = push();
    let text = client.public().to_string();
    good.set_option("CURVE_PUBLICKEY", text.as_str())
        .expect("a key");
    assert_eq!(
        good.option("MECHANISM").expect("one"),
        OptionValue::Number(2)
    );
    let key = good.option("CURVE_PUBLICKEY").expect("one");
    assert_eq!(key, octets(client.public().as_bytes()));
    assert!(
        good.set_option("CURVE_PUBLICKEY", "x".repeat(39).as_str())
            .is_err()
    );
    assert!(
        good.set_option("CURVE_PUBLICKEY", "~".repeat(40).as_str())
            .is_err()
    );
    good.connect(&at).expect("to connect");
    good.send("hello").expect("to send");
    assert_eq!(pull.recv_timeout(SOON).expect("it comes")[0], "hello");
    // A public key that is not that secret's, and none at all, prove nothing.
    let events = pull.monitor();
    let other = push();
    let key = KeyPair::generate().public();
    other
        .set_option("CURVE_PUBLICKEY", octets(key.as_bytes()))
        .expect("a key");
    let none = Push::new().expect("a PUSH");
    none.set_option("CURVE_SERVERKEY", octets(server.public().as_bytes()))
        .expect("a key");
    for push in [other, none] {
        push.connect(&at).expect("to connect");
        let reason = loop {
            match events.recv_timeout(SOON).expect("an event").kind {
                EventKind::HandshakeFailed(reason) => break reason,
                EventKind::HandshakeSucceeded => panic!("let in"),
                _ => {}
            }
        };
        assert!(
            matches!(reason, Reason::Protocol(ProtocolError::Cryptographic)),
            "{reason}"
        );
        push.close(Duration::ZERO).expect("to close");
    }
    good.set_option("CURVE_SERVER", 0).expect("to set");
    assert_eq!(
        good.option("MECHANISM").expect("one"),
        OptionValue::Number(0)
    );
}

#[test]
fn a_listener_is_taken_over() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address");
    let path = common::fresh_path();
    let local = std::os::unix::net::UnixListener::bind(&path).expect("a path");
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind_listener(listener).expect("it listens");
    assert_eq!(at.to_string(), format!("tcp://{port}"));
    let also = pull.bind_listener(local).expect("it listens");
    assert_eq!(also.to_string(), format!("ipc://{}", path.display()));
    for at in [at, also] {
        let push = Push::new().expect("a PUSH");
        push.connect(&at).expect("to connect");
        push.send("hello").expect("to send");
        assert_eq!(pull.recv_timeout(SOON).expect("it comes")[0], "hello");
        pull.unbind(&at).expect("it is bound");
    }
    let _ = fs::remove_file(path);
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    pull.bind_listener(stranger)
        .expect_err("it does not listen");
}

#[test]
fn hiccups_stop_at_the_mark() {
    let (listener, at) = common::raw::listen();
    let dealer = Dealer::builder()
        .hiccup_message("lost")
        .recv_hwm(2)
        .reconnect(common::AT_ONCE)
        .build()
        .expect("a DEALER");
    dealer.connect(&*at).expect("to begin");
    for _ in 0..6 {
        drop(Raw::accept(&listener, "ROUTER"));
    }
    let _last = Raw::accept(&listener, "ROUTER");
    let received = dealer.stats().received;
    assert_eq!((received.accepted, received.queued), (2, 2), "{received:?}");
}
