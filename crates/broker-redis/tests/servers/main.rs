//! What is of Redis alone: servers that restart with and without their data, pause, refuse, move slots.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod batches;
mod cluster;
mod connections;
mod fakes;
mod lives;
mod logs;
mod refusals;
mod scene;
