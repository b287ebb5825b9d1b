//! Who gets a message: the socket types' rules over lanes.

pub mod turns;
