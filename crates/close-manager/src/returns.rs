//! When each of those who are sent away is to come back.

use std::time::{Duration, Instant};

use crate::Pace;

/// Nobody is asked to be back before the others who leave in the same second: a balancer has to notice
/// that a server goes before it sends them elsewhere.
const SPREAD_MIN: Duration = Duration::from_secs(1);

/// Spreads those who are sent away over the time that it takes whoever receives them.
///
/// `count` connections that are taken in at so many a second take `count / per second` to be taken in:
/// that is the window. Each place in it is given to one of them, in the order in which they leave. Who
/// leaves when its place has come already may come back at once, so that a server that can afford to
/// send them away at that pace leaves nobody without service.
///
/// Performs no I/O and reads no clock.
///
/// ```
/// use std::{num::NonZeroU32, time::{Duration, Instant}};
/// use ws_close_manager::{Pace, Returns};
///
/// let now = Instant::now();
/// let pace = Pace::new(NonZeroU32::new(100).unwrap(), 7);
/// let mut returns = Returns::new(pace, 1000, now);
/// assert_eq!(returns.window(), Duration::from_secs(10));
/// // All at once: the last comes back at the end of the window.
/// let last = (0..1000).map(|_| returns.next(now)).last().unwrap();
/// assert!(last > Duration::from_millis(9980) && last <= Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
pub struct Returns {
    started: Instant,
    step: Duration,
    window: Duration,
    told: u32,
    jitter: fastrand::Rng,
}

impl Returns {
    /// For `count` connections from `now` on, of which so many a second as `pace` says may come back; all
    /// within a second are spread over that second all the same.
    #[must_use]
    pub fn new(pace: Pace, count: usize, now: Instant) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let borne = Duration::from_secs(count.into()) / pace.per_second.get();
        let window = borne.max(SPREAD_MIN);
        let jitter = fastrand::Rng::with_seed(pace.seed);
        Self { started: now, step: window / count, window, told: 0, jitter }
    }

    /// From the first who leaves until the last is back.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// How long the next of those who leave is to stay away, counted from `now`.
    pub fn next(&mut self, now: Instant) -> Duration {
        let place = self.step * self.told + self.step.mul_f64(self.jitter.f64());
        self.told = self.told.saturating_add(1);
        (self.started + place).saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn pace(per_second: u32) -> Pace {
        Pace::new(NonZeroU32::new(per_second).unwrap(), 7)
    }

    fn clock() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn in_no_second_of_the_window_more_are_asked_back_than_are_borne() {
        let now = clock();
        let mut returns = Returns::new(pace(50), 1000, now);
        assert_eq!(returns.window(), Duration::from_secs(20));
        let mut seconds = [0; 20];
        for _ in 0..1000 {
            seconds[returns.next(now).as_secs() as usize] += 1;
        }
        assert!(seconds.iter().all(|count| (49..=51).contains(count)), "{seconds:?}");
    }

    #[test]
    fn who_leaves_at_the_pace_of_the_window_is_hardly_away_at_all() {
        let started = clock();
        let mut returns = Returns::new(pace(1000), 10_000, started);
        for turn in 0..10_000 {
            let away = returns.next(started + Duration::from_millis(1) * turn);
            assert!(away <= Duration::from_millis(1), "{away:?}");
        }
    }

    #[test]
    fn who_leaves_late_may_come_back_at_once() {
        let started = clock();
        let mut returns = Returns::new(pace(10), 10, started);
        assert_eq!(returns.next(started + Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn few_are_spread_over_a_second_however_many_would_be_borne() {
        let now = clock();
        let mut returns = Returns::new(pace(1_000_000), 4, now);
        let away: Vec<_> = (0..4).map(|_| returns.next(now).as_millis() / 250).collect();
        assert_eq!(away, [0, 1, 2, 3]);
    }

    #[test]
    fn servers_that_drain_together_do_not_send_theirs_in_step() {
        let now = clock();
        let places = |seed| {
            let pace = Pace::new(NonZeroU32::new(100).unwrap(), seed);
            let mut returns = Returns::new(pace, 100, now);
            (0..100).map(|_| returns.next(now)).collect::<Vec<_>>()
        };
        assert_ne!(places(1), places(2));
        assert_eq!(places(3), places(3));
    }
}
