//! The binary as an operator runs it: commands, signals, exit codes, what it prints and what it logs.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod commands;
mod console;
mod control_group;
mod handing_over;
mod inspecting;
mod logs;
mod process;
mod reloading;
mod signals;
mod start;
mod tls;
