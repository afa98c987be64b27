//! Bodies of the fuzz targets, here so that they are compiled and tried with everything else.
//!
//! Each takes any bytes whatever and panics if a promise of this crate is broken. `xtask/fuzz` has a target of
//! one line for each; the tests below run them on some thousand inputs.

mod bytes;
mod heads;
mod input;
mod operations;
mod pair;
mod watch;

pub use bytes::bytes;
pub use heads::heads;
pub use operations::operations;
pub use pair::pair;

use std::time::Instant;

/// Some instant: where it lies does not matter.
#[expect(
    clippy::disallowed_methods,
    reason = "the time of a fuzzed connection has to begin somewhere"
)]
fn base() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
