//! One connection's protocol, sans-IO: octets and time in, messages, events and octets out.
