//! Channels, rooms, presence and direct messages, told over in-memory transports on paused time: who
//! is sent what, in which order, and that nobody is sent anything else.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod back_end;
mod claims;
#[path = "../handler/desk.rs"]
mod desk;
mod direct;
mod endings;
mod events;
mod gates;
#[expect(dead_code, reason = "the house of `tests/handler`, which uses the rest of it")]
#[path = "../handler/house.rs"]
mod house;
mod join_wave;
mod large_rooms;
mod limits;
mod model;
mod nodes;
mod presence;
mod publishing;
#[expect(dead_code, reason = "the house of `tests/handler`, which uses the rest of it")]
#[path = "../handler/raw.rs"]
mod raw;
mod reasons;
mod refreshing;
mod review_edges;
mod review_ends;
mod review_floods;
mod review_told;
mod rooms;
mod slow;
mod subscribing;
mod talk;
mod threads;
mod typed;
