//! Who gets a message: the socket types' rules over lanes.

pub mod subscriptions;
mod topic_tree;
pub mod topics;
pub mod turns;
