//! What programs use: typed sockets, contexts, monitors.
