//! RFC 6455 for one connection without I/O: bytes and time in, events and bytes out
