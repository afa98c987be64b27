//! Gateways as processes with a real server between them: what crosses, what survives, and what is said when
//! the server is not there.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod balancers;
#[path = "../e2e/collector.rs"]
#[expect(dead_code, reason = "the tests in one process use all of it")]
mod collector;
mod levelling;
mod nats;
#[path = "../binary/process.rs"]
#[expect(dead_code, reason = "the tests of the binary use all of it")]
mod process;
mod prometheus;
mod redis;
mod rooms;
mod story;
mod together;
mod traces;
mod tunnel;
