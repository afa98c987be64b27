//! Users of several nodes behind one engine: messages to them, their limit, and that they are offline.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

#[path = "../handler/desk.rs"]
mod desk;
mod direct;
mod everywhere;
#[expect(dead_code, reason = "the house of `tests/handler`, which uses the rest of it")]
#[path = "../handler/house.rs"]
mod house;
mod joining;
mod letters;
mod levelling;
mod limit;
mod limiting;
mod offline;
#[expect(dead_code, reason = "the house of `tests/handler`, which uses the rest of it")]
#[path = "../handler/raw.rs"]
mod raw;
mod revoking;
mod street;
#[expect(dead_code, reason = "what clients of `tests/channels` say")]
#[path = "../channels/talk.rs"]
mod talk;
