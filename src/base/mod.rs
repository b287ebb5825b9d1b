//! The ground floor: words that every room uses.

pub mod auth;
mod bodies;
pub mod context_options;
pub mod endpoint;
mod endpoint_parse;
pub mod envelope;
pub mod error;
pub mod event;
pub mod filter;
mod frame;
pub mod histogram;
pub mod interest;
pub mod keys;
pub mod lent;
pub mod message;
pub mod name;
pub mod option_table;
pub mod options;
pub mod rates;
pub mod reconnect;
pub mod secret;
pub mod socket_type;
pub mod stats;
pub mod sync;
pub mod time;
pub mod tuning;
