//! Peers that were not written here, on the other end of the wire: Python's `websockets`, Node's `ws`.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod as_clients;
mod as_servers;
mod peers;
#[path = "../wire/server.rs"]
mod server;
