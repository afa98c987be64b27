//! What is done.

pub(super) mod doors;
pub(super) mod frames;
mod gang;
pub(super) mod messages;
