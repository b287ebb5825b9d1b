//! What programs use: typed sockets, contexts, monitors.

mod builder;
mod connection;
mod context;
mod monitor;
mod owner;
mod poller;
mod recv;
mod reqrep;
mod router;
mod send;
mod sockets;

pub use self::{
    builder::Builder,
    connection::Connection,
    context::{Context, ContextBuilder},
    monitor::Monitor,
    owner::CloseReport,
    poller::{Poller, Ready},
    recv::Iter,
    reqrep::{Requests, Responder},
    router::{Addressed, PeerId},
    sockets::{
        Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, SocketStats, Sub, TypedSocket, XPub, XSub,
    },
};
