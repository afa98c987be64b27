//! What the whole house costs in things that can be counted exactly, on any machine and in any build:
//! allocations, calls to the socket, wake-ups. A figure that rises fails here, long before a clock
//! could tell; one that falls is a reason to lower the bound.
//!
//! The bounds are those of one message, one receiver, one connection. What is asserted to be equal
//! is what `docs/performance.md` promises; what is asserted to be at most is what it costs today.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod connecting;
mod counting;
mod fan_out;
mod house;
mod messages;
mod wire;
