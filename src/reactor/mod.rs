//! The reactor: one thread's loop over readiness, bells and deadlines.

pub mod metal;

#[derive(Debug)]
pub struct Reactor {}

impl Reactor {
    /// Waits for something to do, at most `wait` (`None`: for ever), and does it. False: done.
    pub fn turn(&mut self, _wait: Option<std::time::Duration>) -> bool {
        false
    }
}
