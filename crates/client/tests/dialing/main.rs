//! Reaching a server: over TCP, TLS and in memory, with every kind of server that does not want us.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod probing;
mod reaching;
mod refused;
mod server;
#[cfg(feature = "tls")]
mod tls;
