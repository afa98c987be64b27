use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use proptest::prelude::*;

use super::*;
use crate::clock::millis;

const WINDOW: u64 = 1000;

fn events(per_channel: usize, all: usize) -> PublishedEvents {
    PublishedEvents::new(PublishedEventsConfig {
        window: Duration::from_millis(WINDOW),
        events_per_channel_max: NonZeroUsize::new(per_channel).unwrap(),
        events_max: NonZeroUsize::new(all).unwrap(),
    })
}

fn name(i: usize) -> ChannelName {
    ChannelName::new(&format!("channel:{i}")).unwrap()
}

#[test]
fn an_event_published_twice_within_the_window_is_delivered_once() {
    let events = events(100, 100);
    assert!(events.insert(&name(1), "e1", millis(0)));
    assert!(!events.insert(&name(1), "e1", millis(999)));
    assert!(events.insert(&name(2), "e1", millis(999)), "another channel");
    assert!(events.insert(&name(1), "e2", millis(999)), "another event");
    assert!(events.insert(&name(1), "e1", millis(1000)), "the window began with the first");
    let stats = events.stats();
    assert_eq!((stats.new, stats.repeated, stats.evicted), (4, 1, 0));
    assert_eq!((stats.channels, stats.events), (2, 3));
}

#[test]
fn what_has_failed_may_be_tried_again() {
    let events = events(100, 100);
    for other in ["a", "b"] {
        events.insert(&name(1), other, millis(0));
    }
    assert!(events.insert(&name(1), "e1", millis(0)));
    events.forget(&name(1), "e1");
    events.forget(&name(1), "unknown");
    events.forget(&name(7), "e1");
    assert!(events.insert(&name(1), "e1", millis(1)));
    assert!(!events.insert(&name(1), "b", millis(1)));
    events.forget(&name(1), "e1");
    events.forget(&name(1), "a");
    events.forget(&name(1), "b");
    assert_eq!((events.stats().channels, events.stats().events), (0, 0));
}

#[test]
fn a_flood_of_events_in_one_channel_pushes_out_its_own() {
    let events = events(100, 10_000);
    assert!(events.insert(&name(1), "mine", millis(0)));
    for i in 0..5_000 {
        assert!(events.insert(&name(2), &format!("e{i}"), millis(0)));
    }
    assert_eq!(events.stats().events, 101);
    assert_eq!(events.stats().evicted, 4_900);
    assert!(!events.insert(&name(1), "mine", millis(1)), "another channel's is remembered");
    assert!(!events.insert(&name(2), "e4999", millis(1)));
    assert!(events.insert(&name(2), "e0", millis(1)), "and this is what the bound costs");
}

#[test]
fn a_flood_of_channels_is_bounded_and_forgets_the_silent_ones() {
    let events = events(10, 3_200);
    for i in 0..20_000 {
        assert!(events.insert(&name(i), "e", millis(0)));
        assert!(events.stats().events <= 3_200 || i % 500 != 0);
    }
    let stats = events.stats();
    assert!(stats.events <= 3_200 && stats.channels == stats.events, "{stats:?}");
    assert_eq!(stats.evicted as usize + stats.events, 20_000);
    assert!(!events.insert(&name(19_999), "e", millis(0)), "the latest are remembered");
}

#[test]
fn what_is_over_is_forgotten_without_being_asked_for() {
    let events = events(10, 1_000_000);
    for i in 0..10_000 {
        events.insert(&name(i), "e", millis(0));
    }
    assert_eq!(events.stats().channels, 10_000);
    // Two go with each one that comes.
    for i in 0..6_000 {
        events.insert(&name(100_000 + i), "e", millis(WINDOW));
    }
    let stats = events.stats();
    assert!(stats.channels < 6_500, "{stats:?}");
    assert_eq!(stats.evicted, 0, "nothing went before its time");
}

#[test]
fn of_many_who_publish_an_event_at_once_one_is_told_to_deliver() {
    let events = events(100, 100);
    let delivered = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for i in 0..100 {
                    let new = events.insert(&name(1), &format!("e{i}"), millis(0));
                    delivered.fetch_add(new.into(), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(delivered.into_inner(), 100);
}

proptest! {
    #[test]
    fn it_remembers_what_a_map_of_times_remembers(
        steps in proptest::collection::vec((0..3_usize, 0..8_u8, 0..400_u64, any::<bool>()), 1..200),
    ) {
        let events = events(1000, 100_000);
        let mut model: BTreeMap<(usize, u8), u64> = BTreeMap::new();
        let mut now = 0;
        for (channel, event, wait, forget) in steps {
            now += wait;
            model.retain(|_, at| *at + WINDOW > now);
            let (name, id) = (name(channel), format!("e{event}"));
            if forget && wait % 4 == 0 {
                events.forget(&name, &id);
                model.remove(&(channel, event));
            } else {
                let known = model.contains_key(&(channel, event));
                prop_assert_eq!(events.insert(&name, &id, millis(now)), !known);
                model.entry((channel, event)).or_insert(now);
            }
            prop_assert!(events.stats().events >= model.len());
        }
        prop_assert_eq!(events.stats().evicted, 0);
    }
}
