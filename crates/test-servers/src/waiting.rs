//! Asking again until it is so.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// Whether it became so in time.
#[expect(clippy::disallowed_methods, reason = "a server tells nobody that it is ready")]
pub(crate) fn until<E>(
    limit: Duration,
    mut is_so: impl FnMut() -> Result<bool, E>,
) -> Result<bool, E> {
    let end = Instant::now() + limit;
    loop {
        if is_so()? {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
}
