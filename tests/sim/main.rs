//! The simulator: the whole library on one thread, under a clock of its own, on a network whose
//! order and faults come from a seed.
//!
//! ```text
//!   pipeline, pubsub, reqrep, addressed, octets, numbers    what programs do, and the model they are held against
//!   sockets, letters            what they do it with
//!   world, tasks        the loop: tasks, reactors, network and time, in an order the dice choose
//!   metal        the library's traits   ─┐
//!   net, stream, accept, ready           ├─ the simulated network
//!   faults, dice, trace                 ─┘
//! ```

mod accept;
mod addressed;
mod dice;
mod faults;
mod letters;
mod metal;
mod metal_rules;
mod net;
mod numbers;
mod octets;
mod pipeline;
mod pubsub;
mod ready;
mod reqrep;
mod seeds;
mod sockets;
mod stream;
mod tasks;
mod trace;
mod world;
mod world_rules;
