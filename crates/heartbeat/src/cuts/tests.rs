use super::*;

const INTERVAL: Option<Duration> = Some(Duration::from_secs(90));

/// Cuts one after the other, so many seconds apart.
struct Story {
    cuts: Cuts,
    now: Instant,
}

impl Story {
    #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
    fn new() -> Self {
        let now = Instant::now();
        Self { cuts: Cuts::new(now), now }
    }

    /// So many cuts, a second apart, of that age and silence in milliseconds.
    fn cut(mut self, count: u64, of: impl Fn(u64) -> (u64, Option<u64>)) -> Self {
        for n in 0..count {
            self.now += Duration::from_secs(1);
            let (age, silence) = of(n);
            let silence = silence.map(Duration::from_millis);
            self.cuts.handle_cut(Duration::from_millis(age), silence, self.now);
        }
        self
    }

    fn suspect(&self) -> Option<Suspect> {
        self.cuts.suspect(INTERVAL)
    }
}

/// Anything from 0 to 1000 s, always the same.
fn noise(n: u64) -> u64 {
    n.wrapping_mul(2_654_435_761) % 1_000_000
}

#[test]
fn a_proxy_that_drops_silent_connections_is_found_by_the_age_of_those_that_never_spoke() {
    let story = Story::new()
        .cut(71, |n| (59_400 + n * 17, Some(59_300 + n * 17)))
        .cut(29, |n| (noise(n), Some(noise(n) % 2_000)));
    let suspect = story.suspect().expect("a suspect");
    assert_eq!(suspect.culprit, Culprit::IdleTimeout);
    assert_eq!(
        suspect.to_string(),
        "71 % of abnormal ends at 60 s ± 1: an idle timeout on the path is shorter than \
         PING_INTERVAL (90 s)"
    );
    assert_eq!((suspect.percent(), suspect.cuts, suspect.of), (71, 71, 100));
}

#[test]
fn a_proxy_that_drops_silent_connections_is_found_by_the_silence_of_those_that_spoke_before() {
    let story = Story::new().cut(60, |n| (60_000 + noise(n), Some(60_000 + n)));
    let suspect = story.suspect().expect("a suspect");
    assert_eq!((suspect.culprit, suspect.after.as_secs()), (Culprit::IdleTimeout, 60));
    // Forgotten in silence, and reset when the ping comes: the silence is the interval itself.
    let story = Story::new().cut(60, |n| (90_000 + noise(n), Some(90_000 + n)));
    assert_eq!(story.suspect().map(|it| it.culprit), Some(Culprit::IdleTimeout));
}

#[test]
fn who_limits_the_lifetime_is_found_though_everybody_talks() {
    let story = Story::new().cut(300, |n| (3_600_000 + n % 60 * 900, Some(n % 700)));
    let suspect = story.suspect().expect("a suspect");
    assert_eq!((suspect.culprit, suspect.after.as_secs()), (Culprit::Lifetime, 3626));
    assert!(suspect.to_string().contains("at 3627 s ± 27: somebody on the path"), "{suspect}");
    // Before a ping is due as well, if they were not silent.
    let story = Story::new().cut(60, |n| (30_000 + n, Some(n % 700)));
    assert_eq!(story.suspect().map(|it| it.culprit), Some(Culprit::Lifetime));
}

#[test]
fn peers_that_vanish_at_any_age_make_nobody_suspect() {
    assert_eq!(Story::new().suspect(), None);
    assert_eq!(Story::new().cut(1000, |n| (noise(n), None)).suspect(), None);
    assert_eq!(Story::new().cut(1000, |n| (noise(n), Some(noise(n + 7) % 90_000))).suspect(), None);
    // As many as half have to agree, and twenty.
    let peak = |n| (60_000 + n, None);
    assert_eq!(Story::new().cut(49, peak).cut(51, |n| (noise(n), None)).suspect(), None);
    assert_eq!(Story::new().cut(19, peak).suspect(), None);
    assert!(Story::new().cut(20, peak).suspect().is_some());
}

#[test]
fn who_goes_at_once_has_gone_by_itself() {
    assert_eq!(Story::new().cut(500, |n| (n % 900, Some(n % 900))).suspect(), None);
}

#[test]
fn one_event_that_ends_all_who_came_together_is_no_timeout() {
    let mut story = Story::new();
    // All came together after an outage, and a proxy is started anew ten minutes later.
    for n in 0..500 {
        let now = story.now + Duration::from_millis(n);
        story.cuts.handle_cut(Duration::from_millis(600_000 + n), None, now);
    }
    assert_eq!(story.suspect(), None);
    // Those who come together and go together each minute are cut by something.
    for wave in 1..5 {
        for n in 0..100 {
            let now = story.now + Duration::from_secs(60 * wave) + Duration::from_millis(n);
            story.cuts.handle_cut(Duration::from_millis(60_000 + n), None, now);
        }
    }
    let story = story.cut(200, |n| (60_000 + n, None));
    assert_eq!(story.suspect().map(|it| it.after.as_secs()), Some(60));
}

#[test]
fn what_was_long_ago_is_forgotten() {
    let story =
        Story::new().cut(2000, |n| (60_000 + n % 1000, None)).cut(1000, |n| (noise(n), None));
    assert_eq!((story.cuts.len(), story.cuts.is_empty()), (1024, false));
    assert_eq!(story.suspect(), None);
}

#[test]
fn without_pings_a_peak_of_silence_is_an_idle_timeout_all_the_same() {
    let story = Story::new().cut(60, |n| (noise(n) + 300_000, Some(300_000 + n)));
    let suspect = story.cuts.suspect(None).expect("a suspect");
    assert_eq!(suspect.culprit, Culprit::IdleTimeout);
    assert!(suspect.to_string().ends_with("an idle timeout on the path, and nobody pings"));
}

#[test]
fn who_has_cut_nothing_for_long_is_suspected_no_more() {
    let mut story = Story::new().cut(60, |_| (60_000, Some(60_000)));
    let first = story.now - Duration::from_secs(59);
    story.cuts.forget_before(first);
    assert_eq!(story.cuts.len(), 60, "the first was cut just then");
    story.cuts.forget_before(first + Duration::from_secs(30));
    assert_eq!(story.suspect().map(|it| it.of), Some(30));
    story.cuts.forget_before(story.now + Duration::from_secs(1));
    assert!(story.cuts.is_empty() && story.suspect().is_none());
}
