//! Sockets, sessions, dialers and listeners: where the three columns meet.
