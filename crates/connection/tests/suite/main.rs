//! The protocol on virtual time and virtual wire: no test here sleeps or opens a socket.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod close;
mod compressed;
mod handshake;
mod hostile;
mod liveness;
mod pair;
mod properties;
mod rfc6455;
mod wire;
