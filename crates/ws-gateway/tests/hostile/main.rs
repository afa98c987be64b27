//! Clients that mean harm, or have bad luck: garbage, and going away at every stage. Whatever they do,
//! nothing of them stays behind, nothing panics, and everybody else is served.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod crowd;
mod garbage;
mod vanishing;
