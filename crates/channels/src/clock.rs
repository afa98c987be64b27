//! Where the tests of this crate take their time from: one fixed instant, to which they add.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

#[expect(clippy::disallowed_methods, reason = "a test needs one base instant to add durations to")]
static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The instant so many milliseconds after the start of the test.
pub(crate) fn millis(after: u64) -> Instant {
    *BASE + Duration::from_millis(after)
}
