//! The machine on virtual time. Keys are secrets here, since only their ids matter.

use super::*;
use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::key::VerifyingKey;
use proptest::prelude::*;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn settings() -> JwksSettings {
    JwksSettings {
        max_age: seconds(600),
        max_age_min: seconds(60),
        max_age_max: seconds(3600),
        stale_max: seconds(1000),
        cool_down: seconds(10),
        failure_cool_down: seconds(2),
        unknown_key_ttl: seconds(300),
        unknown_keys_max: 3,
        fetch_timeout: seconds(5),
        document_bytes_max: 1000,
    }
}

fn keys(ids: &[&str]) -> KeySet {
    let mut keys = KeySet::default();
    for id in ids {
        let key = VerifyingKey::hmac(&[7; 32], AlgorithmSet::of(&[Algorithm::Hs256]));
        keys.push(key.expect("long enough").with_id(Some(id)));
    }
    keys
}

struct Story(Keyring);

impl Story {
    fn new() -> Self {
        Self(Keyring::new(settings(), RandomState::new()))
    }

    /// One that fetched these keys at 0, without being told how long they are good.
    fn holding(ids: &[&str]) -> Self {
        let mut story = Self::new();
        let ticket = story.start(0);
        story.0.handle_keys(ticket, keys(ids), None, at(0));
        story
    }

    #[track_caller]
    fn start(&mut self, now: u64) -> u64 {
        self.0.poll_fetch(at(now)).expect("a fetch is wanted or due")
    }

    #[track_caller]
    fn fail(&mut self, now: u64) {
        let ticket = self.start(now);
        self.0.handle_failure(ticket, at(now));
    }

    fn want(&mut self, id: &str, now: u64) -> Want {
        let key_id = self.0.hasher.hash_one(id);
        self.0.want(Some(key_id), at(now))
    }

    fn serves(&self, now: u64) -> bool {
        matches!(self.0.keys(at(now)), Keys::Usable(..))
    }
}

#[test]
fn all_who_want_keys_share_one_fetch() {
    let mut story = Story::new();
    for id in 0..1000 {
        assert_eq!(story.want(&id.to_string(), 0), Want::Wait);
    }
    let ticket = story.start(0);
    assert_eq!(story.want("a", 1), Want::Wait);
    assert_eq!(story.0.poll_fetch(at(1)), None);
    assert!(!story.serves(1));
    story.0.handle_keys(ticket, keys(&["a"]), None, at(1));
    assert!(story.serves(1));
    assert_eq!(story.0.poll_fetch(at(1)), None);
}

#[test]
fn the_first_keys_are_fetched_before_anyone_asks() {
    let mut story = Story::new();
    assert_eq!(story.0.poll_timeout(), UNIX_EPOCH);
    story.start(0);
}

#[test]
fn keys_are_refreshed_after_four_fifths_of_their_life() {
    let mut story = Story::holding(&["a"]);
    assert_eq!(story.0.poll_timeout(), at(480));
    assert_eq!(story.0.poll_fetch(at(479)), None);
    let ticket = story.start(480);
    assert!(story.serves(481), "while they are refreshed");
    assert!(!story.0.handle_keys(ticket, keys(&["a"]), None, at(481)), "nothing was lost");
    assert_eq!(story.0.poll_timeout(), at(481 + 480));
}

#[test]
fn the_issuers_word_on_their_age_counts_within_bounds() {
    for (said, refresh_at) in [(Some(0), 48), (Some(100), 80), (Some(1_000_000), 2880), (None, 480)]
    {
        let mut story = Story::new();
        let ticket = story.start(0);
        story.0.handle_keys(ticket, keys(&["a"]), said.map(seconds), at(0));
        assert_eq!(story.0.poll_timeout(), at(refresh_at), "{said:?}");
    }
}

#[test]
fn unknown_key_ids_cost_one_fetch_per_cool_down() {
    let mut story = Story::holding(&["a"]);
    assert_eq!(story.want("x0", 9), Want::Unknown);
    let mut fetches = 0;
    for now in 10..130 {
        for id in 0..20 {
            story.want(&format!("{now}-{id}"), now);
        }
        if let Some(ticket) = story.0.poll_fetch(at(now)) {
            fetches += 1;
            story.0.handle_keys(ticket, keys(&["a"]), None, at(now));
        }
    }
    assert_eq!(fetches, 12);
    assert!(story.0.unknown.len() <= 3);
}

#[test]
fn a_key_id_that_was_looked_for_in_vain_is_not_looked_for_again_soon() {
    let mut story = Story::holding(&["a"]);
    assert_eq!(story.want("x", 10), Want::Wait);
    let ticket = story.start(10);
    story.0.handle_keys(ticket, keys(&["a"]), None, at(11));
    assert_eq!(story.want("x", 11), Want::Unknown);
    assert_eq!(story.want("x", 100), Want::Unknown, "the cool-down alone would allow it");
    assert_eq!(story.want("x", 311), Want::Wait);
}

#[test]
fn a_key_that_appears_ends_its_being_unknown() {
    let mut story = Story::holding(&["a"]);
    story.want("b", 10);
    let ticket = story.start(10);
    story.0.handle_keys(ticket, keys(&["a"]), None, at(10));
    assert_eq!(story.want("c", 20), Want::Wait);
    let ticket = story.start(20);
    assert!(!story.0.handle_keys(ticket, keys(&["a", "b", "c"]), None, at(20)));
    let Keys::Usable(held, _) = story.0.keys(at(20)) else { panic!("just fetched") };
    assert_eq!(held.fitting(Some("b"), Algorithm::Hs256).count(), 1);
}

#[test]
fn failures_cool_down_longer_and_longer() {
    let mut story = Story::new();
    let mut now = 0;
    for cool_down in [2, 4, 8, 16, 32, 32, 32] {
        story.fail(now);
        assert_eq!(story.want("a", now + cool_down - 1), Want::Unavailable, "{cool_down}");
        assert_eq!(story.0.poll_fetch(at(now + cool_down - 1)), None);
        now += cool_down;
        assert_eq!(story.0.poll_timeout(), at(now));
        assert_eq!(story.want("a", now), Want::Wait);
    }
    let ticket = story.start(now);
    story.0.handle_keys(ticket, keys(&["a"]), None, at(now));
    story.want("b", now + 10);
    story.fail(now + 10);
    assert_eq!(story.0.poll_timeout(), at(now + 480), "the first failure of a new row");
}

#[test]
fn keys_serve_beyond_their_age_only_while_the_issuer_is_down() {
    let mut story = Story::holding(&["a"]);
    assert!(story.serves(600));
    assert!(!story.serves(601), "nobody has asked the issuer yet");
    assert_eq!(story.want("a", 601), Want::Wait);
    story.fail(601);
    assert!(story.serves(601));
    assert!(story.serves(1600));
    assert!(!story.serves(1601), "there is an end to it");
    let mut now = 603;
    while now <= 1600 {
        if story.0.poll_fetch(at(now)).is_some() {
            let Fetch::InFlight { ticket, .. } = story.0.fetch else { panic!("just started") };
            assert!(story.serves(now), "also while it is asked again");
            story.0.handle_failure(ticket, at(now));
        }
        now += 1;
    }
    assert!(matches!(story.want("a", 1700), Want::Wait));
}

#[test]
fn a_key_that_is_withdrawn_or_replaced_is_reported() {
    let check = |old: &[&str], new: &[&str], lost: bool| {
        let mut story = Story::holding(old);
        let ticket = story.start(480);
        assert_eq!(story.0.handle_keys(ticket, keys(new), None, at(480)), lost, "{old:?} {new:?}");
    };
    check(&["a"], &["a"], false);
    check(&["a"], &["b", "a"], false);
    check(&["a", "b"], &["b"], true);
    check(&["a"], &["b"], true);
    check(&["a"], &[], true);
    check(&[], &["a"], false);
}

#[test]
fn a_fetch_that_is_never_answered_is_given_up_and_its_answer_dropped() {
    let mut story = Story::new();
    story.want("a", 0);
    let lost = story.start(0);
    assert_eq!(story.0.poll_timeout(), at(10));
    assert_eq!(story.want("a", 9), Want::Wait);
    assert_eq!(story.want("a", 10), Want::Unavailable);
    assert!(!story.0.handle_keys(lost, keys(&["a"]), None, at(11)));
    assert!(!story.serves(11));
    assert_eq!(story.want("a", 12), Want::Wait);
}

#[test]
fn absurd_settings_overflow_nothing() {
    let endless = JwksSettings {
        max_age: Duration::MAX,
        max_age_max: Duration::MAX,
        stale_max: Duration::MAX,
        cool_down: Duration::MAX,
        failure_cool_down: Duration::MAX,
        fetch_timeout: Duration::MAX,
        ..settings()
    };
    let mut story = Story(Keyring::new(endless, RandomState::new()));
    let ticket = story.start(0);
    assert!(story.0.poll_timeout() > at(1_000_000_000));
    story.0.handle_keys(ticket, keys(&["a"]), None, at(0));
    assert!(story.0.poll_timeout() > at(1_000_000_000));
    assert!(story.serves(1_000_000_000));
    let mut story = Story(Keyring::new(story.0.settings, RandomState::new()));
    story.fail(0);
    assert_eq!(story.want("a", 1_000_000_000), Want::Unavailable);
}

#[test]
fn a_clock_that_is_set_back_freezes_nothing() {
    let mut story = Story::holding(&["a"]);
    let long_ago = UNIX_EPOCH + seconds(1000);
    assert!(matches!(story.0.keys(long_ago), Keys::Missing));
    assert_eq!(story.0.want(None, long_ago), Want::Wait);
    assert!(story.0.poll_fetch(long_ago).is_some());
    // Two threads that read the clock in another order than they get here are not that.
    let mut story = Story::holding(&["a"]);
    story.0.held.as_mut().expect("held").fetched_at = at(1);
    story.0.ended_at = Some(at(1));
    assert!(story.serves(0));
    assert_eq!(story.want("x", 0), Want::Unknown);
}

proptest! {
    /// Whatever is asked in whatever order, fetches are apart by the cool-down and memory is bounded.
    #[test]
    fn fetches_stay_apart_and_memory_stays_bounded(steps in prop::collection::vec((0_u64..4, 0_u8..5, 0_u16..500), 1..300)) {
        let mut story = Story::new();
        let (mut now, mut last_end, mut in_flight) = (0, None, None);
        for (pause, action, id) in steps {
            now += pause;
            match action {
                0 | 1 => { story.want(&id.to_string(), now); }
                2 => {
                    if let Some(ticket) = story.0.poll_fetch(at(now)) {
                        if let Some(end) = last_end {
                            prop_assert!(now >= end + 2);
                        }
                        in_flight = Some((ticket, now));
                    }
                }
                _ => {
                    if let Some((ticket, since)) = in_flight.take() {
                        if action == 3 {
                            story.0.handle_keys(ticket, keys(&["1", "2"]), None, at(now));
                        } else {
                            story.0.handle_failure(ticket, at(now));
                        }
                        // One that was given up has ended before.
                        last_end = (now < since + 10).then_some(now);
                    }
                }
            }
            prop_assert!(story.0.unknown.len() <= 3);
            prop_assert!(story.0.looked_for.len() <= LOOKED_FOR_MAX);
        }
    }
}
