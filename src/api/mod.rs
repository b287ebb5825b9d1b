//! What programs use: typed sockets, contexts, monitors, proxies.

mod actor;
mod allow;
mod builder;
mod connection;
mod context;
mod control;
mod exclusive;
#[cfg(feature = "futures")]
mod flow;
mod interrupt;
#[cfg(feature = "curve")]
mod key_folder;
#[cfg(feature = "curve")]
mod keys;
mod meter;
mod monitor;
mod options;
mod owner;
mod poller;
#[cfg(feature = "prometheus")]
pub mod prometheus;
mod proxy;
mod readiness;
mod recv;
mod reqrep;
mod router;
mod send;
mod sockets;
pub mod untyped;

#[cfg(feature = "futures")]
pub use self::flow::{Incoming, Outgoing, OutgoingTo};
#[cfg(feature = "curve")]
pub use self::key_folder::KeyFolder;
pub use self::{
    actor::{Actor, Mailbox},
    allow::AllowList,
    builder::Builder,
    connection::Connection,
    context::{Context, ContextBuilder},
    control::{ProxyControl, ProxyStats, WayStats},
    interrupt::Interrupter,
    meter::Meter,
    monitor::Monitor,
    owner::CloseReport,
    poller::{Poller, Ready},
    proxy::{Proxied, Proxy, ProxyHandle},
    readiness::Readiness,
    recv::Iter,
    reqrep::{Requests, Responder},
    router::{Addressed, PeerId},
    sockets::{
        Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Stream, Sub, TypedSocket, XPub, XSub,
    },
};
