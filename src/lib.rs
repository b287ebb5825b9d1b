//! ZeroMQ-style sockets in pure Rust.
//!
//! PUB/SUB, PUSH/PULL, REQ/REP and their kin over ZMTP 3.1, on a mio reactor, with no hub in the
//! middle.
//!
//! ```
//! use hubless::{Pull, Push};
//! use std::time::Duration;
//!
//! let pull = Pull::new()?;
//! let at = pull.bind("tcp://127.0.0.1:0")?; // or "ipc://*", or "inproc://jobs"
//!
//! let push = Push::new()?;
//! push.connect(&at)?; // returns at once, the connection is made behind it
//! push.send("five boxes of apples")?;
//!
//! let job = pull.recv_timeout(Duration::from_secs(5))?;
//! assert_eq!(job.as_str()?, "five boxes of apples");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which socket
//!
//! | sockets | what for | when the other side is slow |
//! |---|---|---|
//! | [`Push`] → [`Pull`] | work, each message to one worker, in turn | `send` waits |
//! | [`Pub`] → [`Sub`] | news, each message to all who subscribed to a prefix of it | it misses messages, counted |
//! | [`Req`] ↔ [`Rep`] | one question, one answer | the question waits |
//! | [`Dealer`] ↔ [`Router`] | many questions at once; peers addressed by name | `Dealer` waits, `Router` refuses |
//! | [`XPub`] ↔ [`XSub`] | PUB/SUB with the subscriptions in your hands | as [`Pub`] |
//! | [`Pair`] ↔ [`Pair`] | two threads, both ways | `send` waits |
//! | [`Stream`] | octets to and from programs that do not speak ZMTP | it is not read; `send_to` refuses |
//!
//! # What all of them have in common
//!
//! * **Made** by `new`, or by a [`Builder`] that sets options first. No context is needed; a
//!   [`Context`] of your own keeps `inproc` names apart and sets the number of I/O threads.
//! * **Shared** by cloning: a clone is the same socket, and every call takes `&self`. A socket
//!   closes with its last clone, or for all of them in `close`, which ends calls that wait.
//! * **Joined** by `bind` and `connect`, any number of times, in either order. An [`Endpoint`] is
//!   judged at once; connections are made, and made anew, behind the scenes. `wait_peers` and
//!   `wait_subscribers` tell when somebody is there: never sleep for that.
//! * **Waiting** is said in the name: `recv` waits, `try_recv` never does, `recv_timeout` for so
//!   long, `recv_async` gives a future for any executor. With the feature `futures`, `stream`,
//!   `sink` and `split` give streams and sinks.
//! * **Together** with others, descriptors and timers, sockets are waited for by a [`Poller`];
//!   `readiness` gives a descriptor for a loop of your own, `interrupter` ends calls that wait.
//! * **Refused** sends give the message back, in a [`SendError`].
//! * **Watched** by `monitor`, `peers` and `stats`: events and counters that add up; by a [`Meter`]
//!   and `times`: λ, μ, ρ, L and W of each queue.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `futures` | sockets and monitors as streams, sockets as sinks: `stream`, `sink`, `split` |
//! | `prometheus` | the numbers as text that Prometheus reads: `prometheus::Page` |
//! | `curve` | CURVE, the one mechanism that encrypts, and its keys; needs Rust 1.89 |
//!
//! None of them is on by default.
//!
//! # What is promised
//!
//! A [`Message`] is frames, delivered whole or not at all, at most once, in order from one sender
//! to one receiver over one connection. Nothing is acknowledged or stored; and nothing is encrypted,
//! except by CURVE (the feature `curve`): see `Builder::curve_server`.

// What only tests, benches and fuzz targets use is compiled all the same.
#![cfg_attr(not(feature = "internals"), allow(dead_code))]

mod api;
mod base;
mod core;
mod engine;
mod pattern;
mod pipe;
mod reactor;
mod transport;
mod wire;

#[cfg(feature = "curve")]
pub use api::KeyFolder;
#[cfg(feature = "prometheus")]
pub use api::prometheus;
pub use api::{
    Actor, Addressed, AllowList, Builder, CloseReport, Connection, Context, ContextBuilder, Dealer,
    Interrupter, Iter, Mailbox, Meter, Monitor, Pair, PeerId, Poller, Proxied, Proxy, ProxyControl,
    ProxyHandle, ProxyStats, Pub, Pull, Push, Readiness, Ready, Rep, Req, Requests, Responder,
    Router, Stream, Sub, TypedSocket, WayStats, XPub, XSub,
};
#[cfg(feature = "futures")]
pub use api::{Incoming, Outgoing, OutgoingTo};
pub use base::{
    auth::{AuthRequest, Authenticator, Credentials, Verdict},
    endpoint::{Endpoint, Host, IntoEndpoint, IpcEndpoint, Port, TcpEndpoint},
    error::{Error, ErrorKind, RecvError, SendError},
    event::{Event, EventKind, PeerInfo, ProtocolError, Reason},
    filter::{LocalPeer, Network},
    histogram::Histogram,
    interest::Interest,
    keys::{KeyPair, PublicKey, SecretKey},
    message::{Frame, Message},
    option_table::{
        OptionAccess, OptionDefault, OptionKind, OptionMoment, OptionName, OptionRow, OptionValue,
    },
    options::{Balance, Keepalive, Linger, OnFull, Reconnect, ReconnectStop, Verbosity},
    rates::Rates,
    secret::Secret,
    socket_type::SocketType,
    stats::{Calls, IoStats, LaneStats, SocketStats},
    time::Time,
};

pub use core::{PeerState, Times};

/// Sockets whose type is known only when the program runs.
pub mod untyped {
    pub use crate::{
        api::untyped::{
            Exclusive, ExclusiveGuard, InPlace, Socket, Watcher, lend, lend_on, let_go, take_lent,
        },
        core::Look,
    };
}

pub use wire::z85::NoKey;

/// The programs of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../README.zh-CN.md")]
#[derive(Debug)]
pub struct Readme;

/// The inner rooms, for our own tests, benches and fuzz targets. Not public API.
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod internals {
    pub mod base {
        pub use crate::base::*;
    }
    pub mod core {
        pub use crate::core::*;
    }
    pub mod engine {
        pub use crate::engine::*;
    }
    pub mod pattern {
        pub use crate::pattern::*;
    }
    pub mod pipe {
        pub use crate::pipe::*;
    }
    pub mod reactor {
        pub use crate::reactor::*;
    }
    pub mod transport {
        pub use crate::transport::*;
    }
    pub mod wire {
        pub use crate::wire::*;
    }
}
