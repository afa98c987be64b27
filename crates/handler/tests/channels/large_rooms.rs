//! Rooms with so many users that each is not told of each.

use std::slice::from_ref;

use serde_json::{Value, json};

use crate::{
    house::{House, Peer},
    talk::{NOTHING, SECOND, join, joined, leave, left, subscribe, subscribed},
};

/// Above three users, changes are collected, and at most two who came and two who left are named.
fn house_of_small_rooms() -> House {
    House::open(|config| {
        config.policy.limits.connections_per_user_max = None;
        config.channels.presence.batch_above = 3;
        config.channels.presence.batch_names_max = 2;
    })
}

fn change(count: u64, joined: &[&str], left: &[&str]) -> Value {
    json!({
        "type": "presence", "channel": "room:r", "count": count, "joined": joined, "left": left,
    })
}

async fn crowd<const N: usize>(house: &House, users: [&str; N]) -> [Peer; N] {
    let mut peers = house.visit_all(users).await;
    for peer in &mut peers {
        peer.say(join("r")).await;
    }
    peers
}

#[tokio::test(start_paused = true)]
async fn in_a_large_room_who_came_is_told_once_a_second_to_all_together() {
    let house = house_of_small_rooms();
    let [mut ada, mut bob, _cat] = crowd(&house, ["ada", "bob", "cat"]).await;
    assert_eq!(ada.heard().await, [joined("r", "bob"), joined("r", "cat")]);
    let mut dan = house.visit("dan").await;
    assert_eq!(dan.say(join("r")).await, [joined("r", "dan")], "its own answer comes at once");
    tokio::time::sleep(SECOND / 2).await;
    let mut eve = house.visit("eve").await;
    eve.say(join("r")).await;
    assert_eq!(ada.heard().await, NOTHING);
    tokio::time::sleep(SECOND * 6 / 10).await;
    let told = change(5, &["dan", "eve"], &[]);
    for peer in [&mut ada, &mut dan, &mut eve] {
        assert_eq!(peer.heard().await, from_ref(&told));
    }
    assert_eq!(bob.heard().await.pop(), Some(told));
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(ada.heard().await, NOTHING, "nothing changed, and nothing is told");
}

#[tokio::test(start_paused = true)]
async fn in_a_large_room_who_comes_and_goes_within_the_second_is_not_told() {
    let house = house_of_small_rooms();
    let [mut ada, _bob, _cat] = crowd(&house, ["ada", "bob", "cat"]).await;
    ada.heard().await;
    let [mut dan] = crowd(&house, ["dan"]).await;
    dan.say(leave("r")).await;
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(dan.heard().await, NOTHING);
    assert_eq!(house.holds(), [1, 1, 3, 3, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn in_a_large_room_some_are_named_and_the_others_counted() {
    let house = house_of_small_rooms();
    let [mut ada, _bob, _cat] = crowd(&house, ["ada", "bob", "cat"]).await;
    ada.heard().await;
    let [mut dan, mut eve, mut fay] = crowd(&house, ["dan", "eve", "fay"]).await;
    tokio::time::sleep(SECOND).await;
    let mut told = change(6, &["dan", "eve"], &[]);
    told["joinedMore"] = 1.into();
    assert_eq!(ada.heard().await, [told]);
    for peer in [&mut dan, &mut eve, &mut fay] {
        peer.say(leave("r")).await;
    }
    tokio::time::sleep(SECOND).await;
    let mut told = change(3, &[], &["dan", "eve"]);
    told["leftMore"] = 1.into();
    assert_eq!(ada.heard().await, [told]);
    for peer in [&mut dan, &mut eve, &mut fay] {
        assert!(peer.heard().await.iter().all(|it| it["left"] == json!([])), "it has left");
    }
    // Small again: each is told of each.
    let [_gus] = crowd(&house, ["gus"]).await;
    tokio::time::sleep(2 * SECOND).await;
    ada.heard().await;
    let mut cat = house.visit("cat").await;
    cat.say(join("r")).await;
    assert_eq!(ada.heard().await, NOTHING, "a further connection of one who is there");
}

#[tokio::test(start_paused = true)]
async fn in_a_large_room_a_lost_connection_is_told_after_its_grace_with_the_others() {
    let house = house_of_small_rooms();
    let [mut ada, _bob, _cat, dan] = crowd(&house, ["ada", "bob", "cat", "dan"]).await;
    tokio::time::sleep(SECOND).await;
    ada.heard().await;
    dan.vanish().await;
    tokio::time::sleep(15 * SECOND).await;
    assert_eq!(ada.heard().await, NOTHING);
    tokio::time::sleep(SECOND * 11 / 10).await;
    assert_eq!(ada.heard().await, [change(3, &[], &["dan"])]);
    // With three, who leaves is told at once.
    let mut bob = house.visit("bob").await;
    bob.say(join("r")).await;
    let mut cat = house.visit("cat").await;
    cat.say(join("r")).await;
    bob.say(leave("r")).await;
    assert_eq!(ada.heard().await, NOTHING, "bob has another connection there");
    drop(_bob);
    tokio::time::sleep(16 * SECOND).await;
    assert_eq!(ada.heard().await, [left("r", "bob")]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_no_room_tells_nobody_how_large_it_is() {
    let house = house_of_small_rooms();
    let mut peers = house.visit_all(["ada", "bob", "cat", "dan", "eve"]).await;
    for peer in &mut peers {
        assert_eq!(peer.say(subscribe("orders")).await, [subscribed("orders")]);
    }
    tokio::time::sleep(3 * SECOND).await;
    for peer in &mut peers {
        assert_eq!(peer.heard().await, NOTHING);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_in_its_second_while_somebody_elses_grace_takes_longer() {
    let house = house_of_small_rooms();
    let [mut ada, _bob, _cat, dan] = crowd(&house, ["ada", "bob", "cat", "dan"]).await;
    tokio::time::sleep(SECOND).await;
    ada.heard().await;
    dan.vanish().await;
    tokio::time::sleep(5 * SECOND).await;
    let [_eve] = crowd(&house, ["eve"]).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(ada.heard().await, [change(5, &["eve"], &[])], "dan is counted yet");
    // And the grace ends when it ends.
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(ada.heard().await, [change(4, &[], &["dan"])]);
}
