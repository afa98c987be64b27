//! Rooms that become large and small again, and connections that come and go about a boundary.

use super::*;

/// What somebody believes who was there from the start and hears everything.
#[derive(Default)]
struct Listener {
    believed: std::collections::BTreeSet<String>,
    told_at_once: usize,
    differences: Vec<Difference>,
}

impl Listener {
    fn came(&mut self, change: Change, user: &str) {
        if change.announcement == Announcement::Now {
            self.told_at_once += 1;
            assert!(self.believed.insert(user.into()), "{user} is told to join twice");
        }
    }

    fn went(&mut self, change: Change, user: &str) {
        if change.announcement == Announcement::Now {
            self.told_at_once += 1;
            assert!(self.believed.remove(user), "{user} is told to leave twice");
        }
    }

    fn hear(&mut self, presence: &Presence, at: u64) {
        for event in events(presence, at) {
            match event {
                PresenceEvent::Left { user, .. } => {
                    self.told_at_once += 1;
                    assert!(self.believed.remove(&*user));
                }
                PresenceEvent::Difference(told) => {
                    for user in &told.joined {
                        assert!(self.believed.insert(user.to_string()));
                    }
                    for user in &told.left {
                        assert!(self.believed.remove(&**user));
                    }
                    self.differences.push(told);
                }
            }
        }
    }
}

fn nth(i: usize) -> Arc<str> {
    user(&format!("user-{i}"))
}

#[test]
fn a_room_that_outgrows_the_boundary_and_shrinks_again_is_told_at_once_again() {
    let presence = small();
    let mut listener = Listener::default();
    let join = |listener: &mut Listener, i, at| {
        let change = presence.join(&room(), &nth(i), millis(at));
        listener.came(change, &nth(i));
        change.announcement
    };
    let leave = |listener: &mut Listener, i, at| {
        let change = presence.leave(&room(), &nth(i), Departure::Meant, millis(at));
        listener.went(change, &nth(i));
        change.announcement
    };
    for i in 0..50 {
        assert_eq!(join(&mut listener, i, 0), Announcement::Now, "{i}");
    }
    assert_eq!(join(&mut listener, 50, 100), Announcement::Batched, "the 51st");
    // Small again, but what is collected must not be overtaken by what comes after it.
    assert_eq!(leave(&mut listener, 0, 200), Announcement::Batched);
    assert_eq!(leave(&mut listener, 1, 300), Announcement::Batched);
    assert_eq!(join(&mut listener, 0, 400), Announcement::None, "told neither");
    listener.hear(&presence, 1100);
    let told = &listener.differences[0];
    assert_eq!(
        (told.joined.clone(), told.left.clone(), told.count),
        (vec![nth(50)], vec![nth(1)], 50)
    );
    // 50 are there: who leaves is told at once, and so is the 50th, but not the 51st.
    assert_eq!(leave(&mut listener, 2, 1200), Announcement::Now);
    assert_eq!(join(&mut listener, 2, 1300), Announcement::Now);
    assert_eq!(join(&mut listener, 1, 1400), Announcement::Batched);
    assert_eq!(presence.poll_timeout(), Some(millis(2400)));
    listener.hear(&presence, 2400);
    assert_eq!(listener.believed.len(), 51);
    for i in 0..=50 {
        leave(&mut listener, i, 3000 + i as u64);
    }
    // The 51st who left began a collection, and all others were part of it.
    listener.hear(&presence, 4000);
    assert_eq!((listener.believed.len(), listener.differences.len()), (0, 3));
    assert_eq!(presence.stats(), PresenceStats::default());
    assert_eq!(presence.poll_timeout(), None);
}

#[test]
fn who_is_lost_before_the_room_was_told_of_the_join_is_told_to_have_been_there() {
    let presence = large(0, 100);
    let bob = user("bob");
    presence.join(&room(), &bob, millis(0));
    presence.leave(&room(), &bob, Departure::Lost, millis(500));
    let difference = |joined: &[&str], left: &[&str], count| {
        let users = |names: &[&str]| names.iter().map(|name| user(name)).collect();
        PresenceEvent::Difference(Difference {
            room: room(),
            joined: users(joined),
            joined_unnamed: 0,
            left: users(left),
            left_unnamed: 0,
            count,
        })
    };
    assert_eq!(events(&presence, 1000), [difference(&["bob"], &[], 1)]);
    assert_eq!(presence.poll_timeout(), Some(millis(500 + GRACE)));
    // The grace period ends, which is collected for another interval.
    assert_eq!(events(&presence, 500 + GRACE), []);
    assert_eq!(presence.count(&room()), 0);
    assert_eq!(events(&presence, 1500 + GRACE), [difference(&[], &["bob"], 0)]);
    assert_eq!(presence.stats(), PresenceStats::default());
}

#[test]
fn who_comes_by_another_connection_never_left_in_whichever_order_the_two_are_noticed() {
    for presence in [small(), large(0, 100)] {
        let bob = user("bob");
        presence.join(&room(), &bob, millis(0));
        events(&presence, 1000);
        // The new connection is there before the old one is found dead, and the other way round.
        assert_eq!(presence.join(&room(), &bob, millis(2000)), NONE);
        assert_eq!(presence.leave(&room(), &bob, Departure::Lost, millis(45_000)), NONE);
        let lost = presence.leave(&room(), &bob, Departure::Lost, millis(50_000));
        assert_eq!(lost.announcement, Announcement::None);
        assert_eq!(presence.join(&room(), &bob, millis(50_000 + GRACE - 1)), BACK);
        assert_eq!(events(&presence, 200_000), []);
        // Lost by one connection, left by the other: that one was the last, and meant it.
        presence.join(&room(), &bob, millis(200_000));
        presence.leave(&room(), &bob, Departure::Lost, millis(200_001));
        let left = presence.leave(&room(), &bob, Departure::Meant, millis(200_002));
        assert_ne!(left.announcement, Announcement::None);
        events(&presence, 300_000);
        assert_eq!(presence.stats(), PresenceStats::default());
    }
}

#[test]
fn a_grace_period_that_ends_in_a_room_that_has_become_small_is_told_at_once() {
    let presence = large(2, 100);
    for i in 0..3 {
        presence.join(&room(), &nth(i), millis(0));
    }
    events(&presence, 1000);
    presence.leave(&room(), &nth(0), Departure::Lost, millis(1000));
    presence.leave(&room(), &nth(1), Departure::Meant, millis(1000));
    assert_eq!(events(&presence, 2000).len(), 1);
    assert_eq!(events(&presence, 1000 + GRACE), [left("user-0")]);
}

#[test]
fn any_channel_may_have_presence_and_is_called_by_its_name() {
    let presence = small();
    let bob = user("bob");
    let longest = "x".repeat(ChannelName::BYTES_MAX);
    for name in ["orders", "user:bob:inbox", "$presence:orders", &longest] {
        let name = ChannelName::new(name).unwrap();
        assert_eq!(presence.join(&name, &bob, millis(0)), NOW);
        assert_eq!((presence.count(&name), presence.users(&name, 9)), (1, vec![bob.clone()]));
        presence.leave(&name, &bob, Departure::Lost, millis(0));
        let left = PresenceEvent::Left { room: name.clone(), user: bob.clone() };
        assert_eq!(events(&presence, GRACE), [left]);
        assert_eq!(presence.count(&name), 0);
    }
    assert_eq!(presence.stats(), PresenceStats::default());
}

#[test]
fn ten_thousand_who_are_lost_at_once_and_come_back_are_no_news() {
    let presence = small();
    for i in 0..10_000 {
        presence.join(&room(), &nth(i), millis(0));
    }
    events(&presence, 1000);
    for i in 0..10_000 {
        presence.leave(&room(), &nth(i), Departure::Lost, millis(2000));
    }
    for i in 0..9_000 {
        assert_eq!(presence.join(&room(), &nth(i), millis(2000 + i as u64)), BACK);
    }
    // A thousand do not: one difference, which names a hundred of them.
    let mut told = events(&presence, 2000 + GRACE);
    told.extend(events(&presence, 3000 + GRACE));
    let [PresenceEvent::Difference(told)] = &told[..] else { panic!("{} events", told.len()) };
    assert_eq!((told.left.len(), told.left_unnamed, told.count), (100, 900, 9_000));
    assert_eq!(presence.stats(), PresenceStats { rooms: 1, joinable: 1, users: 9_000, absent: 0 });
}
