//! How octets move: tcp and ipc on mio.
//!
//! ```text
//!   MioMetal ─┬─ selector    mio's Poll, its waker, its registry
//!             ├─ tcp, ipc    connect, listen; both are a `socket` once they stand
//!             ├─ resolver    names to addresses, off the loop
//!             ├─ interfaces  interface names to addresses
//!             ├─ worker      threads for helpers that wait
//!             └─ sys         the few calls that std, mio and socket2 do not have
//! ```
//!
//! The room carries out the traits of [`crate::reactor::metal`] and knows nothing of messages or
//! the protocol. Every descriptor is non-blocking and closed on exec, and no write raises
//! SIGPIPE.

mod interfaces;
mod ipc;
mod mio_metal;
mod resolver;
mod selector;
mod socket;
mod socks5;
mod sys;
mod tcp;
#[cfg(test)]
mod testing;
pub mod worker;

pub use mio_metal::MioMetal;
