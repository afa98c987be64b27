//! Wall time derived from the runtime's clock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Tells the wall time of an [`Instant`].
///
/// The message path needs a timestamp for each answer and has an `Instant` already; asking the
/// system again would cost more than adding an offset. It also lets paused-time tests move both
/// clocks together. The binary calls [`WallClock::sync`] now and then, so that the offset follows
/// corrections of the system's clock.
#[derive(Debug)]
pub struct WallClock {
    base: Instant,
    /// Microseconds since 1970 at `base`.
    base_micros: AtomicU64,
}

impl WallClock {
    /// A clock by which `now` is `wall`.
    pub fn new(now: Instant, wall: SystemTime) -> Self {
        Self { base: now, base_micros: AtomicU64::new(micros(wall)) }
    }

    /// Says again what time it is.
    pub fn sync(&self, now: Instant, wall: SystemTime) {
        let since = u64::try_from((now - self.base).as_micros()).unwrap_or(u64::MAX);
        self.base_micros.store(micros(wall).saturating_sub(since), Ordering::Relaxed);
    }

    /// The wall time at `now`.
    pub fn wall(&self, now: Instant) -> SystemTime {
        let base = Duration::from_micros(self.base_micros.load(Ordering::Relaxed));
        UNIX_EPOCH + base + now.saturating_duration_since(self.base)
    }

    /// The wall time at `now` in milliseconds since 1970, as timestamps of messages are.
    pub fn wall_ms(&self, now: Instant) -> u64 {
        // In whole numbers, because each answer has one: by way of `SystemTime` it takes four times
        // as long.
        let since = now.saturating_duration_since(self.base);
        let since_micros = since.as_secs() * 1_000_000 + u64::from(since.subsec_micros());
        (self.base_micros.load(Ordering::Relaxed) + since_micros) / 1000
    }

    /// The instant at which the wall will show `wall`; `now` if it has.
    pub fn instant(&self, wall: SystemTime, now: Instant) -> Instant {
        now + wall.duration_since(self.wall(now)).unwrap_or(Duration::ZERO)
    }
}

/// Milliseconds since 1970; zero before.
pub(crate) fn millis(wall: SystemTime) -> u64 {
    micros(wall) / 1000
}

fn micros(wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_follows_the_instant_and_a_correction() {
        let base = tokio::time::Instant::now().into_std();
        let wall = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let clock = WallClock::new(base, wall);
        let later = base + Duration::from_millis(2500);
        assert_eq!(clock.wall_ms(later), 1_000_002_500);
        assert_eq!(clock.wall_ms(later), millis(clock.wall(later)), "two ways to say the same");
        clock.sync(later, wall + Duration::from_secs(10));
        assert_eq!(clock.wall_ms(later), 1_000_010_000);
        assert_eq!(clock.wall_ms(later + Duration::from_secs(1)), 1_000_011_000);
    }

    #[test]
    fn a_wall_time_becomes_an_instant_and_never_one_that_has_passed() {
        let base = tokio::time::Instant::now().into_std();
        let wall = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let clock = WallClock::new(base, wall);
        let due = clock.instant(wall + Duration::from_secs(5), base);
        assert_eq!(due, base + Duration::from_secs(5));
        assert_eq!(clock.instant(UNIX_EPOCH, base), base);
    }
}
