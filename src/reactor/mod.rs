//! The reactor: one thread's loop over readiness, bells and deadlines.

pub mod metal;

#[derive(Debug)]
pub struct Reactor {}
