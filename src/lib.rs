//! ZeroMQ-style sockets in pure Rust.
//!
//! PUB/SUB, PUSH/PULL, REQ/REP and their kin over ZMTP 3.1, on a mio reactor, with no hub in the
//! middle.

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

pub use api::{
    Addressed, Builder, CloseReport, Connection, Context, ContextBuilder, Dealer, Iter, Monitor,
    Pair, PeerId, Pub, Pull, Push, Rep, Req, Requests, Responder, Router, SocketStats, Sub,
    TypedSocket, XPub, XSub,
};
pub use base::{
    endpoint::{Endpoint, Host, IntoEndpoint, IpcEndpoint, Port, TcpEndpoint},
    error::{Error, ErrorKind, RecvError, SendError},
    event::{Event, EventKind, PeerInfo, ProtocolError, Reason},
    message::{Frame, Message},
    options::{Keepalive, Linger, Reconnect, Verbosity},
    socket_type::SocketType,
    stats::LaneStats,
    time::Time,
};

pub use core::PeerState;

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
