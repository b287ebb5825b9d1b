//! Sockets, sessions, dialers and listeners: where the three columns meet.

mod attach;
mod batch;
mod bells;
mod closing;
mod context;
mod dialer;
mod drive;
mod ending;
mod endpoints;
mod few;
mod flush;
mod gate;
mod hearing;
mod in_place;
mod in_turn;
mod inproc;
mod interrupt;
mod job;
mod lease;
mod link;
mod listener;
mod listening;
mod lying;
mod monitor;
mod narrow;
mod numbers;
mod places;
mod pollset;
mod seal;
mod session;
mod short_way;
mod signal;
mod socket;
mod spin;
mod state;
mod subscriptions;
mod terms;
mod times;
mod wait;
mod watch;
mod way;
mod words;
mod work;
mod zap;

#[allow(unused_imports, reason = "loom walks it")]
pub use self::wait::Waiters;
pub use self::{
    context::Context,
    endpoints::Connected,
    hearing::sleep,
    in_place::InPlace,
    listening::Listened,
    monitor::Queue,
    signal::Signal,
    socket::{PeerState, Socket, To, WithInfo},
    times::Times,
    wait::Place,
    watch::{Look, Watch},
};
