//! The octets of ZMTP: greeting, frames, commands, metadata. No state, no I/O.
