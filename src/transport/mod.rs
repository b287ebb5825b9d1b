//! How octets move: tcp and ipc on mio.
