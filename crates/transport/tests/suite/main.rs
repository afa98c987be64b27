//! Stories of the driver, the streams and the handshakes on paused time, over transports that do what a
//! test tells them to.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod backlog;
mod closing;
mod eager;
mod fairness;
mod handshakes;
mod liveness;
mod outbox;
mod overflow;
mod peer;
mod queued;
mod readiness;
mod scripted;
mod slow_readers;
mod stream;
mod stress;
#[cfg(feature = "tls")]
mod tls;
mod writes;
