//! The driver's stories on paused time, over a transport that does what a test tells it to.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod backlog;
mod closing;
mod liveness;
mod outbox;
mod peer;
mod readiness;
mod scripted;
mod stress;
mod writes;
