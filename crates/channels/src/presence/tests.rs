use std::time::Duration;

use super::*;
use crate::clock::millis;

mod boundary;
mod held;
mod threads;

const GRACE: u64 = 15_000;
/// What follows from the first connection of a user, or from the last.
const NOW: Change =
    Change { announcement: Announcement::Now, earlier: false, concerns_nodes: true };
/// What follows from the first connection of a user who is still taken to be there.
const BACK: Change =
    Change { announcement: Announcement::None, earlier: false, concerns_nodes: true };
/// What follows from another connection, or from one of which nobody knows.
const NONE: Change =
    Change { announcement: Announcement::None, earlier: false, concerns_nodes: false };

fn room() -> ChannelName {
    ChannelName::room("room-123").unwrap()
}

fn user(name: &str) -> Arc<str> {
    name.into()
}

fn small() -> Presence {
    Presence::new(PresenceConfig::default())
}

fn large(above: usize, names: usize) -> Presence {
    Presence::new(PresenceConfig {
        batch_above: above,
        batch_names_max: names,
        ..PresenceConfig::default()
    })
}

fn events(presence: &Presence, at: u64) -> Vec<PresenceEvent> {
    let mut events = Vec::new();
    presence.handle_timeout(millis(at), |event| events.push(event));
    events
}

fn left(name: &str) -> PresenceEvent {
    PresenceEvent::Left { room: room(), user: user(name) }
}

#[test]
fn a_user_joins_with_the_first_connection_and_leaves_after_the_last() {
    let presence = small();
    let bob = user("bob");
    assert_eq!(presence.join(&room(), &bob, millis(0)), NOW);
    assert_eq!(presence.join(&room(), &bob, millis(1)), NONE, "a second device");
    assert_eq!(presence.count("room:room-123"), 1);
    assert_eq!(presence.leave(&room(), &bob, Departure::Lost, millis(2)), NONE);
    assert_eq!(presence.poll_timeout(), None, "one device is left");
    let lost = presence.leave(&room(), &bob, Departure::Lost, millis(3));
    assert_eq!(lost, Change { earlier: true, concerns_nodes: true, ..NONE });
    assert_eq!(presence.poll_timeout(), Some(millis(3 + GRACE)));
    assert_eq!(presence.count("room:room-123"), 1, "may come back");
    assert_eq!(events(&presence, 2 + GRACE), []);
    assert_eq!(events(&presence, 3 + GRACE), [left("bob")]);
    assert_eq!(events(&presence, 9 + GRACE), [], "once");
    assert_eq!(presence.stats(), PresenceStats::default());
    assert_eq!(presence.poll_timeout(), None);
}

#[test]
fn a_reconnect_within_the_grace_period_is_not_told() {
    let presence = small();
    let bob = user("bob");
    presence.join(&room(), &bob, millis(0));
    for tunnel in 0..10 {
        let at = tunnel * 20_000;
        presence.leave(&room(), &bob, Departure::Lost, millis(at));
        assert_eq!(presence.stats().absent, 1);
        assert_eq!(presence.join(&room(), &bob, millis(at + GRACE - 1)), BACK);
        assert_eq!(events(&presence, at + GRACE), []);
        assert_eq!(presence.stats(), PresenceStats { rooms: 1, joinable: 1, users: 1, absent: 0 });
    }
}

#[test]
fn a_channel_in_which_somebody_is_counts_as_a_room_to_join_only_by_its_name() {
    let presence = small();
    let orders = ChannelName::new("orders").unwrap();
    presence.join(&orders, &user("ada"), millis(0));
    assert_eq!(presence.stats(), PresenceStats { rooms: 1, users: 1, ..PresenceStats::default() });
    presence.join(&room(), &user("ada"), millis(0));
    presence.leave(&orders, &user("ada"), Departure::Meant, millis(1));
    let left = PresenceStats { rooms: 1, joinable: 1, users: 1, absent: 0 };
    assert_eq!(presence.stats(), left);
    presence.leave(&room(), &user("ada"), Departure::Meant, millis(2));
    assert_eq!(presence.stats(), PresenceStats::default());
}

#[test]
fn who_means_to_leave_has_left_at_once() {
    let presence = small();
    let bob = user("bob");
    presence.join(&room(), &bob, millis(0));
    presence.join(&room(), &bob, millis(0));
    assert_eq!(presence.leave(&room(), &bob, Departure::Meant, millis(1)), NONE);
    assert_eq!(presence.leave(&room(), &bob, Departure::Meant, millis(1)), NOW);
    assert_eq!(
        presence.leave(&room(), &bob, Departure::Meant, millis(1)),
        NONE,
        "who is not there"
    );
    assert_eq!(presence.leave(&room(), &user("eve"), Departure::Lost, millis(1)), NONE);
    assert_eq!(presence.stats(), PresenceStats::default());
}

#[test]
fn without_grace_a_lost_connection_is_told_at_once() {
    let config = PresenceConfig { grace: Duration::ZERO, ..PresenceConfig::default() };
    let presence = Presence::new(config);
    presence.join(&room(), &user("bob"), millis(0));
    assert_eq!(presence.leave(&room(), &user("bob"), Departure::Lost, millis(1)), NOW);
}

#[test]
fn in_a_large_room_changes_are_collected() {
    let presence = large(2, 100);
    for name in ["a", "b"] {
        assert_eq!(presence.join(&room(), &user(name), millis(0)), NOW);
    }
    let first = presence.join(&room(), &user("c"), millis(100));
    assert_eq!(first, Change { announcement: Announcement::Batched, earlier: true, ..NOW });
    let second = presence.join(&room(), &user("d"), millis(200));
    assert_eq!(second, Change { announcement: Announcement::Batched, ..NOW });
    assert_eq!(
        presence.leave(&room(), &user("a"), Departure::Meant, millis(300)).announcement,
        Announcement::Batched
    );
    assert_eq!(presence.poll_timeout(), Some(millis(1100)));
    assert_eq!(events(&presence, 1099), []);
    assert_eq!(
        events(&presence, 1100),
        [PresenceEvent::Difference(Difference {
            room: room(),
            joined: vec![user("c"), user("d")],
            joined_unnamed: 0,
            left: vec![user("a")],
            left_unnamed: 0,
            count: 3,
        })]
    );
    assert_eq!(presence.poll_timeout(), None);
}

#[test]
fn who_comes_and_goes_within_an_interval_is_not_told() {
    let presence = large(0, 100);
    presence.join(&room(), &user("a"), millis(0));
    events(&presence, 1000);
    // One who flashes by, and one who is gone for a moment.
    presence.join(&room(), &user("b"), millis(1100));
    presence.leave(&room(), &user("b"), Departure::Meant, millis(1200));
    presence.leave(&room(), &user("a"), Departure::Meant, millis(1300));
    presence.join(&room(), &user("a"), millis(1400));
    assert_eq!(presence.users("room:room-123", 9), [user("a")]);
    assert_eq!(events(&presence, 9000), []);
    assert_eq!(presence.stats(), PresenceStats { rooms: 1, joinable: 1, users: 1, absent: 0 });
    presence.leave(&room(), &user("a"), Departure::Meant, millis(9100));
    assert_eq!(events(&presence, 10_100).len(), 1);
    assert_eq!(presence.stats(), PresenceStats::default());
}

#[test]
fn a_join_wave_costs_deliveries_in_proportion_to_the_room() {
    const USERS: u64 = 10_000;
    let presence = small();
    let room = room();
    let (mut deliveries, mut names) = (0, 0);
    // Ten seconds of it: one each millisecond.
    for at in 0..USERS + 2000 {
        if at < USERS {
            let change = presence.join(&room, &user(&format!("user-{at}")), millis(at));
            if change.announcement == Announcement::Now {
                deliveries += presence.count(&room);
                names += presence.count(&room);
            }
        }
        if presence.poll_timeout().is_some_and(|deadline| deadline <= millis(at)) {
            presence.handle_timeout(millis(at), |event| match event {
                PresenceEvent::Difference(told) => {
                    assert!(told.joined.len() <= 100);
                    deliveries += told.count;
                    names += told.count * told.joined.len();
                }
                PresenceEvent::Left { .. } => panic!("nobody leaves"),
            });
        }
    }
    assert_eq!(presence.count(&room) as u64, USERS);
    // These are the figures in the README. Each told to each would be 50 million of both.
    assert_eq!((deliveries, names), (56_770, 5_550_775));
}

#[test]
fn a_room_of_any_size_is_counted_and_listed_within_a_bound() {
    let presence = small();
    for i in 0..1000 {
        presence.join(&room(), &user(&format!("user-{i}")), millis(0));
    }
    assert_eq!(presence.count("room:room-123"), 1000);
    assert_eq!(presence.users("room:room-123", 10).len(), 10);
    assert_eq!(presence.users("room:other", 10), Vec::<Arc<str>>::new());
}

#[test]
fn who_flaps_is_remembered_once_and_the_absent_are_bounded() {
    let config = PresenceConfig { absent_max: 64, ..PresenceConfig::default() };
    let presence = Presence::new(config);
    let bob = user("bob");
    for _ in 0..10_000 {
        presence.join(&room(), &bob, millis(0));
        presence.leave(&room(), &bob, Departure::Lost, millis(0));
    }
    assert_eq!(presence.stats().absent, 1);
    let mut told = 0;
    for i in 0..1000 {
        let user = user(&format!("user-{i}"));
        presence.join(&room(), &user, millis(0));
        let change = presence.leave(&room(), &user, Departure::Lost, millis(0));
        told += usize::from(change.announcement != Announcement::None);
    }
    assert_eq!(presence.stats().absent, 64);
    assert_eq!(told, 1001 - 64, "who cannot be waited for has left");
}

#[test]
fn a_wave_of_departures_is_handed_out_completely() {
    let presence =
        Presence::new(PresenceConfig { batch_above: usize::MAX, ..PresenceConfig::default() });
    for i in 0..5_000 {
        let user = user(&format!("user-{i}"));
        presence.join(&room(), &user, millis(0));
        presence.leave(&room(), &user, Departure::Lost, millis(0));
    }
    assert_eq!(events(&presence, GRACE).len(), 5_000);
    assert_eq!(presence.stats(), PresenceStats::default());
}
