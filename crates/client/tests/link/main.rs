//! The client against a server that says what the test says, on a wire in memory and on virtual time.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod coming_back;
mod hostile;
mod house;
mod inbox;
mod liveness;
mod network;
mod pooled;
mod recovery;
mod requests;
mod rooms;
mod sending;
mod states;
mod subscriptions;
