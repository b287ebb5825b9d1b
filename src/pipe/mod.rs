//! The queues between a socket and its peers.
