//! What peers do wrong, one thing at a time, against whole sockets over real connections.
//!
//! For each wrong: the octets that we answer, whether we close, what the monitor says, whether a
//! connecting socket tries again; and that a good peer of the same socket notices nothing. The
//! peers are made by hand; the good one is a socket of ours.

#[path = "misbehaviour/connecting.rs"]
mod connecting;
#[path = "misbehaviour/handshake.rs"]
mod handshake;
#[path = "misbehaviour/heartbeat.rs"]
mod heartbeat;
#[path = "misbehaviour/patterns.rs"]
mod patterns;
mod raw;
#[path = "misbehaviour/traffic.rs"]
mod traffic;
