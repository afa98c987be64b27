//! What `peers`, `budgets` and `curves` have in common: servers that are started, driven and stopped,
//! each on a core of its own, and what is made of the figures.
//!
//! A figure is CPU time of the server as the kernel accounts it, or its resident memory, never a time
//! on the wall: other work on the machine changes the latter and hardly the former. What is published
//! is a ratio of two figures that were measured in turn, A B A B, in the same run.

pub(crate) mod conditions;
pub(crate) mod cores;
pub(crate) mod duel;
pub(crate) mod load;
pub(crate) mod ours;
pub(crate) mod page;
pub(crate) mod pairs;
pub(crate) mod process;
pub(crate) mod reading;
pub(crate) mod server;
