//! The octets of ZMTP: greeting, frames, commands, metadata. No state, no I/O.
//!
//! ```text
//!   greeting   64 octets, once each way          who speaks which revision and mechanism
//!   frame      flags, size, body                 the unit of everything that follows
//!   command    name, data; inside one frame      READY, ERROR, PING, PONG, SUBSCRIBE, CANCEL
//!   metadata   (name, value)*; inside READY      Socket-Type, Identity, X-...
//!   z85        keys as text
//!   v2         what ZMTP 2.0 has in place of READY
//!   zap        what is asked about a peer, and the answer
//! ```
//!
//! Whatever is parsed here comes from a stranger: no sum, cast or index goes unchecked, and the
//! lints below hold us to it.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

pub mod command;
pub mod frame;
pub mod greeting;
pub mod metadata;
pub mod v2;
pub mod z85;
pub mod zap;

pub use command::encode_subscription;
pub use greeting::Revision;
