//! hubless behind libzmq's C interface: the symbols of a `libzmq.so.5`, version 4.3.6.
//!
//! ```text
//!   C program ── zmq.h ──► entry: NULLs, handles, flags, unwinding ── errno
//!                            └── Face: frames said and heard one by one ── hubless::untyped::Socket
//! ```
//!
//! A thin skin: a call judges its arguments and goes into the library. Nothing is queued here, and
//! no thread is started, but for a proxy that is steered. What C programs see of an error is an
//! errno, always: `entry` catches what unwinds.
//!
//! Handles point to slots that are never freed (`slots`), so a stale one is known for what it
//! is. `README.md` says which file has which function.

mod atomics;
mod clock;
mod context;
mod curve;
mod entry;
mod errno;
mod events;
mod flow;
mod message;
mod monitor;
mod options;
mod part;
mod parts;
mod poll;
mod properties;
mod proxy;
mod raised;
mod signal;
mod slots;
mod socket;
mod threads;
mod timers;
mod z85;

pub use self::{
    atomics::*, clock::*, context::*, curve::*, errno::*, flow::*, message::*, monitor::*,
    options::*, part::Part, parts::*, poll::*, properties::*, proxy::*, socket::*, threads::*,
    timers::*, z85::*,
};
