//! The life of a connection, told over in-memory transports on paused time: what a server built on
//! the handler promises to those who connect. The sections are those of `docs/requirements.md`.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod address;
mod aging;
mod client_codes;
mod credentials;
mod desk;
mod ends;
mod expiry;
mod first_message;
mod house;
mod keys;
mod limits;
mod liveness;
mod logs;
mod own_credentials;
mod per_user;
mod policy;
mod raw;
mod routing;
mod tracking;
mod watching;
