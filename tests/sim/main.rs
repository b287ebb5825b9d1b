//! The simulator: the whole library on one thread, under a clock of its own, on a network whose
//! order and faults come from a seed.
//!
//! ```text
//!   scenarios    what programs do, and the plain model they are checked against
//!   world        the loop: tasks, reactors, network and time, in an order the dice choose
//!   metal        the library's traits   ─┐
//!   net, stream, accept, ready           ├─ the simulated network
//!   faults, dice, trace                 ─┘
//! ```

mod accept;
mod dice;
mod faults;
mod metal;
mod metal_rules;
mod net;
mod ready;
mod seeds;
mod stream;
mod tasks;
mod trace;
mod world;
mod world_rules;
