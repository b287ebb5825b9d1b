//! Every option of libzmq, a row each. Read from its header and sources, in the order of its
//! numbers; those from 93 on are drafts there.

use super::{
    Here, Lens,
    OptionAccess::{Both, Get, Set},
    OptionDefault, OptionKind,
    OptionMoment::{FirstEndpoint, Live, Never, NextEndpoint, NextSocket, NextThread},
    OptionRow, Others,
    fields::*,
    security::*,
};
use crate::base::{
    filter::LocalPeer,
    message::Message,
    options::Verbosity,
    socket_type::SocketType::{self, *},
};

/// A row: name number kind access unit, default (ours: that), range, sockets (=> what it is to
/// others), moment, here.
macro_rules! rows {
    ($($name:ident $number:literal $kind:ident $access:ident $unit:literal
       $default:ident $(($given:literal))? $(ours $ours:expr)?,
       $range:expr, $sockets:expr $(=> $others:ident)?, $moment:ident, $here:expr;)+) => {
        &[$(OptionRow {
            name: stringify!($name),
            number: $number,
            kind: OptionKind::$kind,
            access: $access,
            unit: $unit,
            default: rows!(@default $default $($given)?),
            ours: rows!(@ours $($ours)?),
            range: $range,
            sockets: $sockets,
            others: rows!(@others $($others)?),
            moment: $moment,
            here: $here,
        }),+]
    };
    (@default none) => { OptionDefault::None };
    (@default n $given:literal) => { OptionDefault::Number($given) };
    (@default s $given:literal) => { OptionDefault::Text($given) };
    (@others) => { Others::Refuse };
    (@others $others:ident) => { Others::$others };
    (@ours) => { None };
    (@ours $ours:expr) => { Some(OptionDefault::Number($ours)) };
}

const INT_MAX: i64 = i32::MAX as i64;
const ANY: (i64, i64) = (i32::MIN as i64, INT_MAX);
const COUNT: (i64, i64) = (0, INT_MAX);
const FROM_1: (i64, i64) = (1, INT_MAX);
const WAIT: (i64, i64) = (-1, INT_MAX);
const BIT: (i64, i64) = (0, 1);
const OCTETS: (i64, i64) = (0, i64::MAX);
const SHORT: (i64, i64) = (0, 255);
const NAME: (i64, i64) = (1, 255);

const ALL: &[SocketType] = &[];
const PUBS: &[SocketType] = &[Pub, XPub];
const XPUB: &[SocketType] = &[XPub];
const RECEIVERS: &[SocketType] = &[
    Pair, Sub, Req, Rep, Dealer, Router, Pull, XPub, XSub, Stream,
];
const PROBES: &[SocketType] = &[Req, Dealer, Router];
/// All that shake hands: what a handshake and frames need is nothing to a STREAM.
const ZMTP: &[SocketType] = &[
    Pair, Pub, Sub, Req, Rep, Dealer, Router, Pull, Push, XPub, XSub,
];
const CONFLATES: &[SocketType] = &[Dealer, Pull, Push, Pub, Sub];

const MULTICAST: Here = Here::Held("no PGM or UDP here");
const NORM: Here = Here::Absent("no NORM here");
const GSSAPI: Here = Here::Absent("no GSSAPI here");
const VMCI: Here = Here::Absent("no VMCI here");
const TLS: Here = Here::Absent("no WebSockets here");

const fn field(lens: Lens, how: &'static str) -> Here {
    Here::Field(lens, how)
}

/// The options of sockets.
pub(super) const SOCKET: &[OptionRow] = rows! {
    AFFINITY 4 U64 Both "I/O threads, a bit each; 0: all" n(0), (i64::MIN, i64::MAX), ALL, FirstEndpoint,
        field(Lens::Other(|it| (it.affinity as i64).into(), set_affinity), "affinity");
    ROUTING_ID 5 Octets Both "name; told by REQ, DEALER, ROUTER" s(""), NAME, ALL, NextEndpoint,
        field(Lens::Octets(|it| &mut it.routing_id), "routing_id");
    SUBSCRIBE 6 Octets Set "prefix" none, OCTETS, &[Sub, XSub, XPub], Live, Here::Call("subscribe");
    UNSUBSCRIBE 7 Octets Set "prefix" none, OCTETS, &[Sub, XSub, XPub], Live, Here::Call("unsubscribe");
    RATE 8 Int Both "kbit/s" n(100), FROM_1, ALL, NextEndpoint, MULTICAST;
    RECOVERY_IVL 9 Int Both "ms" n(10000), COUNT, ALL, NextEndpoint, MULTICAST;
    SNDBUF 11 Int Both "octets; -1: the system's" n(-1), WAIT, ALL, NextEndpoint,
        field(Lens::Size(|it| &mut it.send_buffer), "send_buffer");
    RCVBUF 12 Int Both "octets; -1: the system's" n(-1), WAIT, ALL, NextEndpoint,
        field(Lens::Size(|it| &mut it.recv_buffer), "recv_buffer");
    RCVMORE 13 Int Get "yes or no" n(0), BIT, ALL, Never, Here::Call("recv");
    FD 14 Int Get "descriptor" none, WAIT, RECEIVERS, Never, Here::Call("readiness");
    EVENTS 15 Int Get "1: can receive, 2: can send" none, COUNT, ALL, Never, Here::Call("option");
    TYPE 16 Int Get "libzmq's number" none, COUNT, ALL, Never, Here::Call("socket_type");
    LINGER 17 Int Both "ms; -1: for ever" n(-1) ours 1000, WAIT, ALL, Live,
        field(Lens::Other(|it| linger(it.linger).into(), set_linger), "linger");
    RECONNECT_IVL 18 Int Both "ms; -1 or 0: never" n(100), WAIT, ALL, NextEndpoint,
        field(Lens::Other(|it| reconnect(it).0.into(), set_reconnect), "reconnect");
    BACKLOG 19 Int Both "connections" n(100) ours 1024, COUNT, ALL, NextEndpoint,
        field(Lens::Count32(|it| &mut it.backlog), "backlog");
    RECONNECT_IVL_MAX 21 Int Both "ms; 0: no longer than the first" n(0) ours 5000, COUNT, ALL, NextEndpoint,
        field(Lens::Other(|it| reconnect(it).1.into(), set_reconnect_max), "reconnect");
    MAXMSGSIZE 22 I64 Both "octets; negative: no limit" n(-1) ours 1 << 30, (i64::MIN, i64::MAX), ZMTP => Keep, NextEndpoint,
        field(Lens::Other(message_max, set_message_max), "max_message_size");
    SNDHWM 23 Int Both "messages; 0: no limit" n(1000), COUNT, ALL, Live,
        field(Lens::Count(|it| &mut it.send_hwm), "send_hwm");
    RCVHWM 24 Int Both "messages; 0: no limit" n(1000), COUNT, ALL, Live,
        field(Lens::Count(|it| &mut it.recv_hwm), "recv_hwm");
    MULTICAST_HOPS 25 Int Both "hops" n(1), FROM_1, ALL, NextEndpoint, MULTICAST;
    RCVTIMEO 27 Int Both "ms; -1: for ever" n(-1), WAIT, ALL, Live,
        field(Lens::Wait(|it| &mut it.recv_timeout), "recv_timeout");
    SNDTIMEO 28 Int Both "ms; -1: for ever" n(-1), WAIT, ALL, Live,
        field(Lens::Wait(|it| &mut it.send_timeout), "send_timeout");
    IPV4ONLY 31 Int Both "yes or no" n(1), BIT, ALL, NextEndpoint,
        field(Lens::Not(|it| &mut it.ipv6), "ipv6");
    LAST_ENDPOINT 32 Text Get "endpoint" s(""), OCTETS, ALL, Never, Here::Call("bind");
    ROUTER_MANDATORY 33 Int Set "yes or no" n(0) ours 1, COUNT, &[Router], Live,
        field(Lens::Flag(|it| &mut it.mandatory), "mandatory");
    TCP_KEEPALIVE 34 Int Both "-1: the system's, 0: off, 1: on" n(-1), (-1, 1), ALL, NextEndpoint,
        field(Lens::Other(keepalive, set_keepalive), "keepalive");
    TCP_KEEPALIVE_CNT 35 Int Both "probes; -1: the system's" n(-1), WAIT, ALL, NextEndpoint,
        field(Lens::Other(|it| probes(it).2.into(), set_probe_count), "keepalive");
    TCP_KEEPALIVE_IDLE 36 Int Both "s; -1: the system's" n(-1), WAIT, ALL, NextEndpoint,
        field(Lens::Other(|it| probes(it).0.into(), set_probe_idle), "keepalive");
    TCP_KEEPALIVE_INTVL 37 Int Both "s; -1: the system's" n(-1), WAIT, ALL, NextEndpoint,
        field(Lens::Other(|it| probes(it).1.into(), set_probe_interval), "keepalive");
    TCP_ACCEPT_FILTER 38 Text Set "network; each adds one, empty clears" s(""), OCTETS, ALL, NextEndpoint,
        field(Lens::Other(last_network, add_network), "accept_from");
    IMMEDIATE 39 Int Both "yes or no" n(0), BIT, ALL, NextEndpoint,
        field(Lens::Flag(|it| &mut it.immediate), "immediate");
    XPUB_VERBOSE 40 Int Set "yes or no" n(0), COUNT, XPUB => Publish, Live,
        field(Lens::Other(|it| (it.xpub_verbosity != Verbosity::First).into(),
            |it, value| set_verbosity(it, value, Verbosity::Subscriptions)), "verbosity");
    ROUTER_RAW 41 Int Set "yes or no" n(0), COUNT, &[Router], NextEndpoint,
        field(Lens::Flag(|it| &mut it.router_raw), "raw");
    IPV6 42 Int Both "yes or no" n(0), BIT, ALL, NextEndpoint,
        field(Lens::Flag(|it| &mut it.ipv6), "ipv6");
    MECHANISM 43 Int Get "libzmq's number" n(0), COUNT, ALL, Never, Here::Call("option");
    PLAIN_SERVER 44 Int Both "yes or no" n(0), BIT, ZMTP => Read, NextEndpoint,
        field(Lens::Other(is_plain_server, set_plain_server), "plain_server_by_zap");
    PLAIN_USERNAME 45 Text Both "name" s(""), SHORT, ZMTP => Read, NextEndpoint,
        field(Lens::Other(|it| plain(it).0.into(), set_plain_name), "plain_client");
    PLAIN_PASSWORD 46 Text Both "password" s(""), SHORT, ZMTP => Read, NextEndpoint,
        field(Lens::Other(|it| plain(it).1.into(), set_plain_password), "plain_client");
    CURVE_SERVER 47 Int Both "yes or no" n(0), BIT, ZMTP => Read, NextEndpoint,
        field(Lens::Other(is_curve_server, set_curve_server), "curve_server");
    CURVE_PUBLICKEY 48 Octets Both "key, or its text" none, (32, 41), ZMTP => Read, NextEndpoint,
        field(Lens::Other(curve_public, set_curve_public), "curve_client");
    CURVE_SECRETKEY 49 Octets Both "key, or its text" none, (32, 41), ZMTP => Read, NextEndpoint,
        field(Lens::Other(curve_secret, set_curve_secret), "curve_server");
    CURVE_SERVERKEY 50 Octets Both "key, or its text" none, (32, 41), ZMTP => Read, NextEndpoint,
        field(Lens::Other(curve_server_key, set_curve_server_key), "curve_client");
    PROBE_ROUTER 51 Int Set "yes or no" n(0), COUNT, PROBES, Live,
        field(Lens::Flag(|it| &mut it.probe_router), "probe_router");
    REQ_CORRELATE 52 Int Set "yes or no" n(0), COUNT, &[Req], Live,
        field(Lens::Flag(|it| &mut it.req_correlate), "correlate");
    REQ_RELAXED 53 Int Set "yes or no" n(0), COUNT, &[Req], Live,
        field(Lens::Flag(|it| &mut it.req_relaxed), "relaxed");
    CONFLATE 54 Int Both "yes or no" n(0), BIT, CONFLATES => Keep, NextEndpoint,
        field(Lens::Flag(|it| &mut it.conflate), "conflate");
    ZAP_DOMAIN 55 Text Both "name" s(""), SHORT, ZMTP => Read, NextEndpoint,
        field(Lens::Other(zap_domain, set_zap_domain), "zap_domain");
    ROUTER_HANDOVER 56 Int Set "yes or no" n(0), COUNT, &[Router], Live,
        field(Lens::Flag(|it| &mut it.router_handover), "handover");
    TOS 57 Int Both "IP_TOS" n(0), COUNT, ALL, NextEndpoint,
        field(Lens::Count32(|it| &mut it.tos), "tos");
    IPC_FILTER_PID 58 Int Set "process; each adds one, empty clears" none, ANY, ALL, NextEndpoint,
        field(Lens::Other(|it| last_local(it, LocalPeer::Process(0)),
            |it, value| add_local(it, value, LocalPeer::Process(0))), "accept_local");
    IPC_FILTER_UID 59 Int Set "user; each adds one, empty clears" none, ANY, ALL, NextEndpoint,
        field(Lens::Other(|it| last_local(it, LocalPeer::User(0)),
            |it, value| add_local(it, value, LocalPeer::User(0))), "accept_local");
    IPC_FILTER_GID 60 Int Set "group; each adds one, empty clears" none, ANY, ALL, NextEndpoint,
        field(Lens::Other(|it| last_local(it, LocalPeer::Group(0)),
            |it, value| add_local(it, value, LocalPeer::Group(0))), "accept_local");
    CONNECT_ROUTING_ID 61 Octets Set "name of the next peer connected" none, (1, i64::MAX), &[Router, Stream], NextEndpoint,
        Here::Call("connect_as");
    GSSAPI_SERVER 62 Int Both "yes or no" n(0), BIT, ALL, NextEndpoint, GSSAPI;
    GSSAPI_PRINCIPAL 63 Text Both "name" s(""), SHORT, ALL, NextEndpoint, GSSAPI;
    GSSAPI_SERVICE_PRINCIPAL 64 Text Both "name" s(""), SHORT, ALL, NextEndpoint, GSSAPI;
    GSSAPI_PLAINTEXT 65 Int Both "yes or no" n(0), BIT, ALL, NextEndpoint, GSSAPI;
    HANDSHAKE_IVL 66 Int Both "ms; 0: no limit" n(30000), COUNT, ZMTP => Keep, NextEndpoint,
        field(Lens::Limit(|it| &mut it.handshake_timeout), "handshake_timeout");
    SOCKS_PROXY 68 Text Both "host:port" s(""), OCTETS, ALL, NextEndpoint,
        field(Lens::Text(|it| &mut it.socks_proxy), "socks_proxy");
    XPUB_NODROP 69 Int Set "yes or no" n(0), COUNT, PUBS, Live,
        field(Lens::Flag(|it| &mut it.no_drop), "no_drop");
    XPUB_MANUAL 71 Int Set "yes or no" n(0), COUNT, XPUB, Live,
        field(Lens::Flag(|it| &mut it.xpub_manual), "manual");
    XPUB_WELCOME_MSG 72 Octets Set "message" s(""), OCTETS, PUBS, Live,
        field(Lens::Body(|it| &mut it.welcome), "welcome");
    STREAM_NOTIFY 73 Int Set "yes or no" n(1), BIT, &[Stream], NextEndpoint,
        field(Lens::Flag(|it| &mut it.stream_notify), "notify");
    INVERT_MATCHING 74 Int Both "yes or no" n(0), ANY, &[Pub, XPub, Sub] => Keep, Live,
        field(Lens::Flag(|it| &mut it.invert_matching), "invert_matching");
    HEARTBEAT_IVL 75 Int Both "ms; 0: never" n(0), COUNT, ZMTP => Keep, NextEndpoint,
        field(Lens::Limit(|it| &mut it.heartbeat_interval), "heartbeat_interval");
    HEARTBEAT_TTL 76 Int Both "ms, in tenths of a second" n(0), (0, 6_553_599), ZMTP => Keep, NextEndpoint,
        field(Lens::Other(heartbeat_ttl, set_heartbeat_ttl), "heartbeat_ttl");
    HEARTBEAT_TIMEOUT 77 Int Both "ms; -1: the interval" n(-1), WAIT, ZMTP => Keep, NextEndpoint,
        field(Lens::Wait(|it| &mut it.heartbeat_timeout), "heartbeat_timeout");
    XPUB_VERBOSER 78 Int Set "yes or no" n(0), COUNT, XPUB => Publish, Live,
        field(Lens::Other(|it| (it.xpub_verbosity == Verbosity::All).into(),
            |it, value| set_verbosity(it, value, Verbosity::All)), "verbosity");
    CONNECT_TIMEOUT 79 Int Both "ms; 0: the system's" n(0), COUNT, ALL, NextEndpoint,
        field(Lens::Limit(|it| &mut it.connect_timeout), "connect_timeout");
    TCP_MAXRT 80 Int Both "ms; 0: the system's" n(0), COUNT, ALL, NextEndpoint,
        field(Lens::Limit(|it| &mut it.user_timeout), "user_timeout");
    THREAD_SAFE 81 Int Get "yes or no" n(0) ours 1, BIT, ALL, Never, Here::Call("option");
    MULTICAST_MAXTPDU 84 Int Both "octets" n(1500), FROM_1, ALL, NextEndpoint, MULTICAST;
    VMCI_BUFFER_SIZE 85 U64 Set "octets" n(0), OCTETS, ALL, NextEndpoint, VMCI;
    VMCI_BUFFER_MIN_SIZE 86 U64 Set "octets" n(0), OCTETS, ALL, NextEndpoint, VMCI;
    VMCI_BUFFER_MAX_SIZE 87 U64 Set "octets" n(0), OCTETS, ALL, NextEndpoint, VMCI;
    VMCI_CONNECT_TIMEOUT 88 Int Set "ms" n(-1), WAIT, ALL, NextEndpoint, VMCI;
    USE_FD 89 Int Both "descriptor" n(-1), WAIT, ALL, NextEndpoint,
        field(Lens::Other(use_fd, set_use_fd), "bind_listener");
    GSSAPI_PRINCIPAL_NAMETYPE 90 Int Both "libzmq's number" n(0), (0, 2), ALL, NextEndpoint, GSSAPI;
    GSSAPI_SERVICE_PRINCIPAL_NAMETYPE 91 Int Both "libzmq's number" n(0), (0, 2), ALL, NextEndpoint, GSSAPI;
    BINDTODEVICE 92 Text Both "interface" s(""), (0, 15), ALL, NextEndpoint,
        field(Lens::Text(|it| &mut it.device), "device");
    ZAP_ENFORCE_DOMAIN 93 Int Both "yes or no" n(0), ANY, ZMTP => Read, NextEndpoint,
        field(Lens::Flag(|it| &mut it.zap_enforce_domain), "zap_enforce_domain");
    LOOPBACK_FASTPATH 94 Int Both "yes or no" n(0), ANY, ALL, NextEndpoint, Here::Held("Windows only");
    METADATA 95 Text Set "X-name:value" none, OCTETS, ZMTP, NextEndpoint,
        field(Lens::Other(last_property, add_property), "property");
    MULTICAST_LOOP 96 Int Both "yes or no" n(1), ANY, ALL, NextEndpoint, MULTICAST;
    ROUTER_NOTIFY 97 Int Both "1: connect, 2: disconnect" n(0), (0, 3), &[Router], Live,
        field(Lens::Other(notices, set_notices), "notify_connect");
    XPUB_MANUAL_LAST_VALUE 98 Int Set "yes or no" n(0), COUNT, XPUB, Live,
        field(Lens::Other(|it| it.xpub_last_value.into(), set_last_value), "last_value");
    SOCKS_USERNAME 99 Text Both "name" s(""), SHORT, ALL, NextEndpoint,
        field(Lens::Other(|it| login(&it.socks_login).0.into(), set_socks_name), "socks_login");
    SOCKS_PASSWORD 100 Text Both "password" s(""), SHORT, ALL, NextEndpoint,
        field(Lens::Other(|it| socks_password(it).into(), set_socks_password), "socks_login");
    IN_BATCH_SIZE 101 Int Both "octets a read; 0: what fits" n(8192) ours 0, COUNT, ALL, NextEndpoint,
        field(Lens::Count(|it| &mut it.read_octets_max), "max_read_size");
    OUT_BATCH_SIZE 102 Int Both "octets a write; 0: what fits" n(8192) ours 0, COUNT, ALL, NextEndpoint,
        field(Lens::Count(|it| &mut it.write_octets_max), "max_write_size");
    WSS_KEY_PEM 103 Text Set "key" s(""), OCTETS, ALL, NextEndpoint, TLS;
    WSS_CERT_PEM 104 Text Set "certificate" s(""), OCTETS, ALL, NextEndpoint, TLS;
    WSS_TRUST_PEM 105 Text Set "certificates" s(""), OCTETS, ALL, NextEndpoint, TLS;
    WSS_HOSTNAME 106 Text Set "name" s(""), OCTETS, ALL, NextEndpoint, TLS;
    WSS_TRUST_SYSTEM 107 Int Set "yes or no" n(0), BIT, ALL, NextEndpoint, TLS;
    ONLY_FIRST_SUBSCRIBE 108 Int Set "1: it is always so" n(0) ours 1, (1, 1), &[XPub, XSub], Live,
        field(Lens::Other(always, stay_so), "subscribe");
    RECONNECT_STOP 109 Int Both "1: refused, 2: handshake failed, 4: lost" n(0), (0, 7), ALL, NextEndpoint,
        field(Lens::Other(reconnect_stop, set_reconnect_stop), "reconnect_stop");
    HELLO_MSG 110 Octets Set "message" s(""), OCTETS, &[Dealer, Router], Live,
        field(Lens::Body(|it| &mut it.hello), "hello");
    DISCONNECT_MSG 111 Octets Set "message" s(""), OCTETS, &[Router], Live,
        field(Lens::Body(|it| &mut it.disconnect_message), "disconnect_message");
    PRIORITY 112 Int Both "SO_PRIORITY; 0: the system's" n(0), COUNT, ALL, NextEndpoint,
        field(Lens::Count32(|it| &mut it.priority), "priority");
    BUSY_POLL 113 Int Both "µs; 0: the system's" n(0), COUNT, ALL, NextEndpoint,
        field(Lens::Count32(|it| &mut it.busy_poll_us), "busy_poll");
    HICCUP_MSG 114 Octets Set "message" s(""), OCTETS, &[Dealer], Live,
        field(Lens::Body(|it| &mut it.hiccup_message), "hiccup_message");
    XSUB_VERBOSE_UNSUBSCRIBE 115 Int Set "yes or no" n(0), COUNT, &[XSub], Live,
        field(Lens::Flag(|it| &mut it.verbose_unsubscribe), "verbose_unsubscribe");
    TOPICS_COUNT 116 Int Get "prefixes" none, COUNT, &[Pub, XPub, Sub, XSub], Never, Here::Call("option");
    NORM_MODE 117 Int Both "libzmq's number" n(1), (0, 4), ALL, NextEndpoint, NORM;
    NORM_UNICAST_NACK 118 Int Both "yes or no" n(0), BIT, ALL, NextEndpoint, NORM;
    NORM_BUFFER_SIZE 119 Int Both "kB" n(2048), FROM_1, ALL, NextEndpoint, NORM;
    NORM_SEGMENT_SIZE 120 Int Both "octets" n(1400), FROM_1, ALL, NextEndpoint, NORM;
    NORM_BLOCK_SIZE 121 Int Both "segments" n(16), (1, 255), ALL, NextEndpoint, NORM;
    NORM_NUM_PARITY 122 Int Both "segments" n(4), (0, 254), ALL, NextEndpoint, NORM;
    NORM_NUM_AUTOPARITY 123 Int Both "segments" n(0), (0, 254), ALL, NextEndpoint, NORM;
    NORM_PUSH 124 Int Both "yes or no" n(0), BIT, ALL, NextEndpoint, NORM;
};

/// The options of contexts.
pub(super) const CONTEXT: &[OptionRow] = rows! {
    IO_THREADS 1 Int Both "threads; 0: none" n(1), COUNT, ALL, NextEndpoint, Here::Call("ContextBuilder::io_threads");
    MAX_SOCKETS 2 Int Both "sockets" n(1023) ours 65_535, (1, 65_535), ALL, NextSocket,
        Here::Call("ContextBuilder::max_sockets");
    SOCKET_LIMIT 3 Int Get "sockets" n(65535), COUNT, ALL, Never, CONTEXTS;
    THREAD_PRIORITY 3 Int Set "priority" n(-1), COUNT, ALL, NextThread, CONTEXTS;
    THREAD_SCHED_POLICY 4 Int Both "the system's number; -1: as it is" n(-1), COUNT, ALL, NextThread, CONTEXTS;
    MAX_MSGSZ 5 Int Both "octets sent at most" n(2147483647), COUNT, ALL, NextSocket, CONTEXTS;
    MSG_T_SIZE 6 Int Get "octets of a message's handle" n(64) ours size_of::<Message>() as i64, COUNT, ALL, Never, CONTEXTS;
    THREAD_AFFINITY_CPU_ADD 7 Int Set "processor" none, COUNT, ALL, NextThread, CONTEXTS;
    THREAD_AFFINITY_CPU_REMOVE 8 Int Set "processor" none, COUNT, ALL, NextThread, CONTEXTS;
    THREAD_NAME_PREFIX 9 Text Both "name" s(""), (1, 16), ALL, NextThread, CONTEXTS;
    ZERO_COPY_RECV 10 Int Both "1: large bodies always are" n(1), (1, 1), ALL, NextSocket, CONTEXTS;
    IPV6 42 Int Both "yes or no" n(0), COUNT, ALL, NextSocket, CONTEXTS;
    BLOCKY 70 Int Both "yes or no: LINGER begins with 0" n(1), COUNT, ALL, NextSocket, CONTEXTS;
};

/// What can be asked of a message.
pub(super) const MESSAGE: &[OptionRow] = rows! {
    MORE 1 Int Get "yes or no" none, BIT, ALL, Never, Here::Call("Message::frames");
    SRCFD 2 Int Get "descriptor" none, WAIT, ALL, Never, Here::Absent("PeerInfo says who sent it");
    SHARED 3 Int Get "yes or no" none, BIT, ALL, Never,
        Here::Absent("nobody can change octets, shared or not");
};

const CONTEXTS: Here = Here::Call("Context::set_option");
