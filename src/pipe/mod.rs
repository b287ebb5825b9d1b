//! The queues between a socket and its peers.
//!
//! A [`Lane`] is *the* queue between a socket and one peer, one for each direction. Marks,
//! credit, conflation and the counters exist here and nowhere else.
//!
//! ```text
//!   sending socket ──► Draft ──► lane of octets ──► Outbox ──► stream            tcp, ipc
//!   stream ──► engine ──► lane of messages ──► Window ──► receiving socket
//!   sending socket ──► lane of messages ──► Window ──► receiving socket        inproc
//! ```

mod answers;
mod chunks;
mod draft;
mod lane;
mod outbox;
mod timing;
mod window;
pub mod writer;

pub use answers::{Accepted, Refused, Store};
pub use draft::{Draft, Plain};
pub use lane::{Lane, Limits};
pub use outbox::Outbox;
pub use timing::Timing;
pub use window::Window;
