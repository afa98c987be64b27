//! The wire over real sockets: peers that were not written here, and peers that mean harm.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod deflate;
mod hostile;
mod large;
mod raw;
mod server;
mod tungstenite_client;
mod tungstenite_server;
