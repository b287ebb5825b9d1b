//! What programs use: typed sockets, contexts, monitors.

mod builder;
mod context;
mod monitor;
mod owner;
mod recv;
mod reqrep;
mod router;
mod send;
mod sockets;

pub use self::{
    builder::Builder,
    context::{Context, ContextBuilder},
    monitor::Monitor,
    owner::CloseReport,
    recv::Iter,
    reqrep::{Requests, Responder},
    router::{Addressed, PeerId},
    sockets::{
        Connection, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, SocketStats, Sub, TypedSocket,
        XPub, XSub,
    },
};
