//! What nodes miss of each other, and how they agree again.

use super::*;

#[tokio::test(start_paused = true)]
async fn after_an_outage_of_the_engine_every_node_knows_who_came_and_went_meanwhile() {
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    let mut eve = two.member("eve").await;
    tokio::time::sleep(2 * SECOND).await;
    cluster.set_down("a test says so");
    eve.say(leave("r")).await;
    let mut kim = one.house.visit("kim").await;
    kim.say(join("r")).await;
    tokio::time::sleep(20 * SECOND).await;
    ada.heard().await;
    bob.heard().await;
    assert_eq!(one.sees(), ["ada", "bob", "eve", "kim"], "as it was known last");
    assert_eq!(two.sees(), ["ada", "bob"]);
    cluster.set_up();
    tokio::time::sleep(2 * SECOND).await;
    let heard = bob.heard().await;
    assert!(heard.contains(&change(3, &["kim"], &[])), "{heard:?}");
    // That eve left was not heard, and is found out: she may be on her way to another node.
    tokio::time::sleep(15 * SECOND).await;
    let heard = ada.heard().await;
    assert!(heard.contains(&left("r", "eve")), "{heard:?}");
    assert_eq!(one.sees(), ["ada", "bob", "kim"]);
    assert_eq!(two.sees(), ["ada", "bob", "kim"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_alone_was_away_says_and_asks_everything_again() {
    let cluster = MemoryCluster::new();
    let [one, two, three] = nodes(&cluster);
    let _ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    let mut eve = three.member("eve").await;
    tokio::time::sleep(2 * SECOND).await;
    three.engine.set_down("a test says so");
    bob.say(leave("r")).await;
    let mut kim = one.member("kim").await;
    eve.say(leave("r")).await;
    let mut lea = three.member("lea").await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(one.sees(), ["ada", "eve", "kim"]);
    assert_eq!(three.sees(), ["ada", "bob", "lea"]);
    three.engine.set_up();
    // Those who are lost without a word have their grace period.
    tokio::time::sleep(17 * SECOND).await;
    assert_eq!(one.sees(), ["ada", "kim", "lea"]);
    assert_eq!(three.sees(), ["ada", "bob", "kim", "lea"]);
    // The second node has nobody there any more, and does not follow it. That it says nothing is noticed later.
    for _ in 0..4 {
        tokio::time::sleep(10 * SECOND).await;
        kim.heard().await;
        lea.heard().await;
    }
    assert_eq!(three.sees(), ["kim", "lea"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_last_of_a_room_that_is_not_followed_any_more_is_said_again_after_an_outage()
{
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let _ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    tokio::time::sleep(2 * SECOND).await;
    // It leaves the last word on its way.
    one.engine.set_losing(true);
    bob.say(leave("r")).await;
    tokio::time::sleep(12 * SECOND).await;
    one.engine.set_losing(false);
    assert_eq!(two.house.holds(), [0; 6]);
    assert_eq!(one.sees(), ["ada", "bob"]);
    two.engine.set_down("a test says so");
    two.engine.set_up();
    tokio::time::sleep(17 * SECOND).await;
    assert_eq!(one.sees(), ["ada"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_on_the_way_is_found_when_the_engine_says_that_something_was() {
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    tokio::time::sleep(2 * SECOND).await;
    ada.heard().await;
    one.engine.set_losing(true);
    bob.say(leave("r")).await;
    let _eve = two.member("eve").await;
    one.engine.set_losing(false);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(one.sees(), ["ada", "bob"]);
    one.engine.set_up();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(ada.heard().await.last(), Some(&change(3, &["eve"], &[])));
    tokio::time::sleep(15 * SECOND).await;
    assert_eq!(ada.heard().await, [left("r", "bob")]);
    assert_eq!(one.sees(), ["ada", "eve"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_late_changes_nothing_in_the_end() {
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    tokio::time::sleep(2 * SECOND).await;
    ada.heard().await;
    one.engine.hold();
    bob.say(leave("r")).await;
    bob.say(join("r")).await;
    bob.say(leave("r")).await;
    let _eve = two.member("eve").await;
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(ada.heard().await, NOTHING);
    one.engine.release();
    assert_eq!(
        ada.heard().await,
        [left("r", "bob"), joined("r", "bob"), left("r", "bob"), joined("r", "eve")]
    );
    assert_eq!(one.sees(), ["ada", "eve"]);
}

#[tokio::test(start_paused = true)]
async fn the_users_of_a_dead_node_have_left_after_their_grace_period_and_are_back_if_it_lives() {
    let cluster = MemoryCluster::new();
    let [one, two, three] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    let mut kim = two.member("kim").await;
    tokio::time::sleep(5 * SECOND).await;
    ada.heard().await;
    two.engine.set_down("a test says so");
    // For all that the others know it is dead, and its clients are on their way to other nodes.
    tokio::time::sleep(12 * SECOND).await;
    let mut again = three.member("kim").await;
    bob.heard().await;
    kim.heard().await;
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(one.sees(), ["ada", "bob", "kim"]);
    tokio::time::sleep(15 * SECOND).await;
    assert_eq!(ada.heard().await, [left("r", "bob")]);
    again.heard().await;
    bob.heard().await;
    kim.heard().await;
    assert_eq!(one.sees(), ["ada", "kim"]);
    two.engine.set_up();
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(ada.heard().await, [change(3, &["bob"], &[])]);
    for node in [&one, &two, &three] {
        assert_eq!(node.sees(), ["ada", "bob", "kim"]);
    }
}
