//! The queues between a socket and its peers.
//!
//! A [`Lane`] is *the* queue between a socket and one peer, one for each direction. Marks,
//! credit, conflation and the counters exist here and nowhere else.
//!
//! ```text
//!   sending socket ──► lane of octets ──► Outbox ──► stream      tcp, ipc: framed by the sender
//!   stream ──► engine ──► lane of messages ──► Window ──► receiving socket
//!   sending socket ──► lane of messages ──► Window ──► receiving socket        inproc
//! ```

mod chunks;
mod lane;
mod outbox;
mod window;
pub mod writer;

pub use lane::{Accepted, Lane, Refused, Store};
pub use outbox::Outbox;
pub use window::Window;
