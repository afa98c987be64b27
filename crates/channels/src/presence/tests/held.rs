//! Users who are held by several nodes.

use super::*;

const ONE: Holder = 1;
const OTHER: Holder = 2;

/// What follows from the first statement about a user, or the last.
const TOLD: Change = Change { concerns_nodes: false, ..NOW };

fn here(presence: &Presence, holder: Holder, name: &str, at: u64) -> Change {
    presence.hear(&room(), holder, Statement::Here(name), millis(at))
}

fn gone(presence: &Presence, holder: Holder, name: &str, how: Departure, at: u64) -> Change {
    presence.hear(&room(), holder, Statement::Gone(name, how), millis(at))
}

fn part(restatement: u32, index: u32, is_last: bool) -> Part {
    Part { restatement, index, is_last }
}

/// All of its users at once.
fn restate(presence: &Presence, holder: Holder, names: &[&str], at: u64) -> Restated {
    let names = names.iter().copied();
    presence.restate(&room(), holder, part(at as u32, 0, true), names, millis(at))
}

fn difference(joined: &[&str], left: &[&str], count: usize) -> PresenceEvent {
    let users = |names: &[&str]| names.iter().map(|name| user(name)).collect();
    PresenceEvent::Difference(Difference {
        room: room(),
        joined: users(joined),
        joined_unnamed: 0,
        left: users(left),
        left_unnamed: 0,
        count,
    })
}

#[test]
fn a_user_joins_at_the_first_node_and_leaves_at_the_last() {
    let presence = small();
    let bob = user("bob");
    assert_eq!(here(&presence, ONE, "bob", 0), TOLD);
    assert_eq!(here(&presence, ONE, "bob", 0), NONE, "said again");
    assert_eq!(here(&presence, OTHER, "bob", 0), NONE);
    assert_eq!(presence.join(&room(), &bob, millis(1)), BACK, "ours is news to the others");
    assert_eq!(presence.count("room:room-123"), 1);
    let meant = Departure::Meant;
    assert_eq!(presence.leave(&room(), &bob, meant, millis(2)), BACK);
    assert_eq!(presence.leave(&room(), &bob, meant, millis(2)), NONE, "there, but not by us");
    assert_eq!(gone(&presence, ONE, "bob", meant, 3), NONE);
    assert_eq!(gone(&presence, ONE, "bob", meant, 3), NONE, "said again");
    assert_eq!(gone(&presence, OTHER, "bob", meant, 4), TOLD);
    assert_eq!(presence.stats(), PresenceStats::default());
    assert_eq!(gone(&presence, 3, "eve", meant, 4), NONE, "nobody knows them");
}

#[test]
fn who_is_lost_at_one_node_and_comes_back_at_another_was_never_away() {
    let presence = small();
    here(&presence, ONE, "bob", 0);
    let lost = gone(&presence, ONE, "bob", Departure::Lost, 1000);
    assert_eq!(lost, Change { earlier: true, ..NONE });
    assert_eq!(here(&presence, OTHER, "bob", 1000 + GRACE - 1), NONE);
    assert_eq!(events(&presence, 1000 + GRACE), []);
    gone(&presence, OTHER, "bob", Departure::Lost, 20_000);
    assert_eq!(presence.join(&room(), &user("bob"), millis(20_001)), BACK);
    assert_eq!(events(&presence, 90_000), []);
    presence.leave(&room(), &user("bob"), Departure::Lost, millis(90_000));
    assert_eq!(events(&presence, 90_000 + GRACE), [left("bob")]);
    assert_eq!(presence.stats(), PresenceStats::default());
}

#[test]
fn the_users_of_a_dead_node_are_lost_unless_they_come_back_elsewhere() {
    let presence = small();
    presence.join(&room(), &user("ada"), millis(0));
    for name in ["ada", "bob", "eve", "kim"] {
        here(&presence, ONE, name, 0);
    }
    here(&presence, OTHER, "kim", 0);
    assert!(presence.drop_holder(ONE, millis(1000)));
    assert_eq!((presence.count(&room()), presence.stats().absent), (4, 2));
    here(&presence, OTHER, "bob", 2000);
    assert_eq!(events(&presence, 1000 + GRACE), [left("eve")]);
    assert_eq!(presence.poll_timeout(), None);
    assert!(!presence.drop_holder(ONE, millis(2000)), "nothing of it is left");
    let stats = PresenceStats { rooms: 1, joinable: 1, users: 3, absent: 0 };
    assert_eq!(presence.stats(), stats);
}

#[test]
fn what_a_restatement_brings_is_one_difference_also_in_a_small_room() {
    let presence = small();
    presence.join(&room(), &user("ada"), millis(0));
    here(&presence, ONE, "bob", 0);
    let restated = restate(&presence, ONE, &["ada", "eve", "kim"], 1000);
    assert_eq!(restated, Restated { progress: Progress::Complete, earlier: true });
    // What single users do meanwhile does not overtake it.
    assert_eq!(here(&presence, ONE, "lea", 1500).announcement, Announcement::Batched);
    assert_eq!(events(&presence, 2000), [difference(&["eve", "kim", "lea"], &[], 5)]);
    // Nobody has said why bob is not held any more.
    assert_eq!(events(&presence, 1000 + GRACE), [left("bob")]);
    // Said again, it is no news.
    let names = ["ada", "eve", "kim", "lea"];
    assert_eq!(
        restate(&presence, ONE, &names, 30_000),
        Restated { progress: Progress::Complete, earlier: false }
    );
    restate(&presence, ONE, &[], 40_000);
    assert_eq!(events(&presence, 40_000 + GRACE).len(), 3);
    assert_eq!(presence.users(&room(), 9), [user("ada")]);
}

#[test]
fn what_is_said_between_the_parts_of_a_restatement_counts() {
    let presence = small();
    for name in ["ada", "bob", "eve"] {
        here(&presence, ONE, name, 0);
    }
    let say = |index, is_last, names: &[&str]| {
        let names = names.iter().copied();
        presence.restate(&room(), ONE, part(7, index, is_last), names, millis(1)).progress
    };
    assert_eq!(say(0, false, &["ada"]), Progress::Begun);
    gone(&presence, ONE, "ada", Departure::Meant, 1);
    here(&presence, ONE, "kim", 1);
    assert_eq!(say(1, false, &["bob"]), Progress::Begun);
    assert_eq!(presence.stats().absent, 0, "who is not named yet may be named later");
    assert_eq!(say(2, true, &[]), Progress::Complete);
    assert_eq!(events(&presence, 1 + GRACE).len(), 1);
    let mut users = presence.users(&room(), 9);
    users.sort();
    assert_eq!(users, [user("bob"), user("kim")]);
}

#[test]
fn a_restatement_with_a_hole_takes_nobody_away() {
    let presence = small();
    here(&presence, ONE, "bob", 0);
    let say = |restatement, index, is_last, name| {
        let part = part(restatement, index, is_last);
        presence.restate(&room(), ONE, part, [name], millis(1)).progress
    };
    assert_eq!(say(1, 0, false, "ada"), Progress::Begun);
    assert_eq!(say(1, 2, true, "eve"), Progress::Broken);
    // Parts of two are none of one.
    assert_eq!(say(2, 0, false, "ada"), Progress::Begun);
    assert_eq!(say(3, 1, true, "eve"), Progress::Broken);
    assert_eq!(say(4, 1, true, "eve"), Progress::Broken, "without its beginning");
    assert_eq!((presence.count(&room()), presence.stats().absent), (3, 0));
    // A new one begins from the beginning.
    assert_eq!(say(5, 0, false, "ada"), Progress::Begun);
    assert_eq!(say(6, 0, true, "kim"), Progress::Complete);
    assert_eq!((presence.count(&room()), presence.stats().absent), (4, 3));
}

#[test]
fn what_is_doubted_and_not_said_again_is_dropped() {
    let presence = small();
    here(&presence, ONE, "ada", 0);
    here(&presence, OTHER, "bob", 0);
    presence.doubt(1);
    here(&presence, OTHER, "bob", 100);
    restate(&presence, ONE, &["ada"], 200);
    assert!(presence.drop_doubted(1, millis(1000)));
    assert_eq!(presence.stats().absent, 1, "a single word is no restatement");
    assert_eq!(events(&presence, 1000 + GRACE), [left("bob")]);
    // Doubted again, it is given time again.
    presence.doubt(2);
    presence.doubt(3);
    assert!(!presence.drop_doubted(2, millis(20_000)));
    assert_eq!(presence.count(&room()), 1);
    assert!(presence.drop_doubted(3, millis(20_000)));
    assert_eq!(events(&presence, 20_000 + GRACE), [left("ada")]);
    assert_eq!(presence.stats(), PresenceStats::default());
}

#[test]
fn who_is_only_elsewhere_is_forgotten_with_what_others_say() {
    for presence in [small(), large(0, 100)] {
        presence.join(&room(), &user("ada"), millis(0));
        for name in ["ada", "bob", "eve"] {
            here(&presence, ONE, name, 0);
            here(&presence, OTHER, name, 0);
        }
        events(&presence, 1000);
        assert_eq!(presence.own_users(&room()), [user("ada")]);
        presence.forget_others(&room());
        assert_eq!(presence.users(&room(), 9), [user("ada")]);
        assert_eq!(events(&presence, 90_000), [], "nobody is told");
        // They have nothing more to say of anybody.
        gone(&presence, ONE, "ada", Departure::Meant, 90_000);
        assert!(presence.is_own(&room(), "ada") && !presence.is_own(&room(), "bob"));
        presence.leave(&room(), &user("ada"), Departure::Meant, millis(90_000));
        events(&presence, 99_000);
        assert_eq!(presence.stats(), PresenceStats::default());
    }
}

#[test]
fn forgetting_others_before_anybody_was_told_of_them_is_no_news_either() {
    let presence = small();
    restate(&presence, ONE, &["bob", "eve"], 0);
    presence.forget_others(&room());
    assert_eq!(presence.count(&room()), 0);
    assert_eq!(here(&presence, OTHER, "eve", 500), TOLD);
    assert_eq!(events(&presence, 1000), []);
    presence.forget_others(&room());
    assert_eq!(presence.stats(), PresenceStats::default());
}

#[test]
fn many_statements_at_once_are_one_difference() {
    let presence = small();
    presence.join(&room(), &user("ada"), millis(0));
    let meant = Departure::Meant;
    let statements = [
        Statement::Here("bob"),
        Statement::Here("eve"),
        Statement::Gone("bob", meant),
        Statement::Here("ada"),
    ];
    assert!(presence.hear_many(&room(), ONE, statements, millis(100)));
    assert_eq!(events(&presence, 1100), [difference(&["eve"], &[], 2)]);
    let statements = [Statement::Gone("eve", meant), Statement::Gone("ada", meant)];
    assert!(presence.hear_many(&room(), ONE, statements, millis(2000)));
    assert_eq!(events(&presence, 3000), [difference(&[], &["eve"], 1)]);
}

#[test]
fn a_large_room_of_a_dead_node_is_dropped_completely() {
    let presence = small();
    let names: Vec<String> = (0..10_000).map(|i| format!("user-{i}")).collect();
    presence.restate(&room(), ONE, part(1, 0, true), names.iter().map(String::as_str), millis(0));
    let [PresenceEvent::Difference(told)] = &events(&presence, 1000)[..] else {
        panic!("one difference");
    };
    assert_eq!((told.joined.len(), told.joined_unnamed, told.count), (100, 9_900, 10_000));
    presence.drop_holder(ONE, millis(2000));
    assert_eq!(presence.stats().absent, 10_000);
    events(&presence, 2000 + GRACE);
    events(&presence, 3000 + GRACE);
    assert_eq!(presence.stats(), PresenceStats::default());
    assert_eq!(presence.rooms(), []);
}
