use super::*;
use crate::clock;

fn of(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// A message limit of one every 100 ms with the ladder above it: what one connection goes through.
struct Connection {
    limit: TokenBucket,
    used: BucketState,
    ladder: Ladder,
    strikes: Strikes,
}

impl Connection {
    fn new(ladder: Ladder) -> Self {
        let limit = TokenBucket::per_second(of(10)).with_burst(of(2));
        let used = limit.new_state(clock::millis(0));
        Self { limit, used, ladder, strikes: Strikes::default() }
    }

    fn send(&mut self, at_ms: u64) -> Verdict {
        let now = clock::millis(at_ms);
        let outcome = self.limit.check(&mut self.used, 1, now);
        self.ladder.judge(&mut self.strikes, outcome, now)
    }
}

fn told(retry_ms: u64) -> Verdict {
    Verdict::Drop { retry_at: clock::millis(retry_ms), first_in_burst: true }
}

fn silent(retry_ms: u64) -> Verdict {
    Verdict::Drop { retry_at: clock::millis(retry_ms), first_in_burst: false }
}

#[test]
fn flood_is_told_once_for_each_retry_period() {
    let mut connection = Connection::new(Ladder::default());
    for (at_ms, expect) in [
        (0, Verdict::Allow),
        (0, Verdict::Allow),
        (0, told(100)),
        (1, silent(100)),
        (99, silent(100)),
        // A token has come back; after that the next word is due.
        (100, Verdict::Allow),
        (100, told(200)),
        (150, silent(200)),
        (199, silent(200)),
    ] {
        assert_eq!(connection.send(at_ms), expect, "at {at_ms} ms");
    }
}

#[test]
fn who_keeps_on_is_closed() {
    let mut connection = Connection::new(Ladder::new(of(3), Duration::from_secs(30)).unwrap());
    let verdicts = [0; 6].map(|at_ms| connection.send(at_ms));
    let expect =
        [Verdict::Allow, Verdict::Allow, told(100), silent(100), silent(100), Verdict::Close];
    assert_eq!(verdicts, expect);
    assert_eq!(connection.send(1), Verdict::Close);
}

#[test]
fn who_overshoots_now_and_then_is_never_closed() {
    let mut connection = Connection::new(Ladder::new(of(3), Duration::from_secs(30)).unwrap());
    for round in 0..1000 {
        let at_ms = round * 10_000;
        assert_eq!(connection.send(at_ms), Verdict::Allow);
        assert_eq!(connection.send(at_ms), Verdict::Allow);
        assert_eq!(connection.send(at_ms), told(at_ms + 100), "round {round}");
    }
}

#[test]
fn default_ladder_closes_at_the_hundred_and_first_denial() {
    let mut connection = Connection::new(Ladder::default());
    let verdicts: Vec<_> = (0..103).map(|_| connection.send(0)).collect();
    assert_eq!(verdicts.iter().position(|verdict| *verdict == Verdict::Close), Some(102));
}

#[test]
fn ladder_that_never_closes_drops_for_ever() {
    let mut connection = Connection::new(Ladder::never_closing());
    let closed = (0..10_000).any(|_| connection.send(0) == Verdict::Close);
    assert!(!closed);
}

#[test]
fn allowed_messages_cost_no_patience() {
    let mut strikes = Strikes::default();
    for _ in 0..1000 {
        let verdict = Ladder::default().judge(&mut strikes, Ok(()), clock::millis(0));
        assert_eq!(verdict, Verdict::Allow);
    }
    assert_eq!(strikes, Strikes::default());
}

#[test]
fn window_of_nothing_is_refused() {
    assert_eq!(Ladder::new(of(1), Duration::ZERO), Err(ConfigError::ZeroPeriod));
}

#[test]
fn strikes_fit_into_every_connection() {
    assert!(size_of::<Strikes>() <= 32);
}
