//! Channels with a history: offsets, recovery, several nodes behind one engine, and an engine that is away.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod again;
mod changed_rules;
#[path = "../handler/desk.rs"]
mod desk;
mod distant;
#[expect(dead_code, reason = "the house of `tests/handler`, which uses the rest of it")]
#[path = "../handler/house.rs"]
mod house;
mod mishaps;
mod nodes;
mod outage;
#[expect(dead_code, reason = "the house of `tests/handler`, which uses the rest of it")]
#[path = "../handler/raw.rs"]
mod raw;
mod recovery;
mod slow;
mod story;
#[expect(dead_code, reason = "what clients of `tests/channels` say")]
#[path = "../channels/talk.rs"]
mod talk;
mod threads;
