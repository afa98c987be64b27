//! Rooms whose members are at several nodes: several handlers on one engine, in one process.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use ws_broker::{Memory, MemoryCluster};
use ws_channels::PresenceConfig;

use crate::{
    house::{House, Peer, settle},
    talk::{NOTHING, SECOND, join, joined, leave, left, subscribe},
};

mod outages;
mod threads;
mod waves;

/// Longer than it takes until nodes have told each other everything, and shorter than anything is collected.
const A_MOMENT: Duration = Duration::from_millis(100);

/// A handler, and its way to the others.
struct Node {
    house: House,
    engine: Arc<Memory>,
}

impl Node {
    fn open(cluster: &MemoryCluster) -> Self {
        Self::with_presence(cluster, PresenceConfig::default())
    }

    fn with_presence(cluster: &MemoryCluster, presence: PresenceConfig) -> Self {
        let engine = cluster.node();
        let of_house = engine.clone();
        let house = House::open(|config| {
            config.engine = of_house;
            config.channels.presence = presence;
        });
        Self { house, engine }
    }

    /// Somebody who has joined the room `r` and heard what there was to hear.
    async fn member(&self, user: &str) -> Peer {
        let mut peer = self.house.visit(user).await;
        peer.say(join("r")).await;
        tokio::time::sleep(A_MOMENT).await;
        peer.heard().await;
        peer
    }

    /// Who is in the room `r`, as this node knows it.
    fn sees(&self) -> Vec<String> {
        let mut users: Vec<_> = self
            .house
            .handler
            .presence("room:r", 1000)
            .users
            .iter()
            .map(ToString::to_string)
            .collect();
        users.sort();
        users
    }
}

fn nodes<const N: usize>(cluster: &MemoryCluster) -> [Node; N] {
    std::array::from_fn(|_| Node::open(cluster))
}

/// What has become known of a room at once.
fn change(count: usize, came: &[&str], went: &[&str]) -> Value {
    json!({
        "type": "presence", "channel": "room:r", "count": count, "joined": came, "left": went,
    })
}

#[tokio::test(start_paused = true)]
async fn who_joins_and_leaves_at_one_node_is_told_to_the_members_at_all() {
    let cluster = MemoryCluster::new();
    let [one, two, three] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    tokio::time::sleep(2 * SECOND).await;
    ada.heard().await;
    bob.heard().await;
    let mut eve = three.house.visit("eve").await;
    assert_eq!(eve.say(join("r")).await, [joined("r", "eve")]);
    assert_eq!(ada.heard().await, [joined("r", "eve")]);
    assert_eq!(bob.heard().await, [joined("r", "eve")]);
    for node in [&one, &two] {
        assert_eq!(node.sees(), ["ada", "bob", "eve"]);
    }
    eve.say(leave("r")).await;
    assert_eq!(ada.heard().await, [left("r", "eve")]);
    assert_eq!(bob.heard().await, [left("r", "eve")]);
    assert_eq!(one.sees(), two.sees());
}

#[tokio::test(start_paused = true)]
async fn who_is_there_already_is_told_to_a_node_that_comes_later_as_one_change() {
    let cluster = MemoryCluster::new();
    let [one, two, three] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    tokio::time::sleep(2 * SECOND).await;
    ada.heard().await;
    bob.heard().await;
    let mut eve = three.member("eve").await;
    assert_eq!(three.sees(), ["ada", "bob", "eve"], "as soon as they have answered");
    tokio::time::sleep(SECOND).await;
    let heard = eve.heard().await;
    let names = &heard[0]["joined"];
    assert!(*names == json!(["ada", "bob"]) || *names == json!(["bob", "ada"]), "{heard:?}");
    assert_eq!((&heard[0]["count"], heard.len()), (&json!(3), 1));
    // The others had only one to hear of.
    assert_eq!(ada.heard().await, [joined("r", "eve")]);
    assert_eq!(bob.heard().await, [joined("r", "eve")]);
}

#[tokio::test(start_paused = true)]
async fn a_user_at_two_nodes_joins_once_and_leaves_with_the_last_connection() {
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let mut bob = one.member("bob").await;
    ada.heard().await;
    let mut again = two.member("bob").await;
    tokio::time::sleep(2 * SECOND).await;
    again.heard().await;
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(one.sees(), two.sees());
    bob.say(leave("r")).await;
    tokio::time::sleep(A_MOMENT).await;
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(one.sees(), ["ada", "bob"]);
    again.say(leave("r")).await;
    assert_eq!(ada.heard().await, [left("r", "bob")]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_lost_at_one_node_and_comes_back_at_another_is_no_news() {
    let cluster = MemoryCluster::new();
    let [one, two, three] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let bob = two.member("bob").await;
    tokio::time::sleep(2 * SECOND).await;
    ada.heard().await;
    bob.vanish().await;
    ada.quiet_for(14 * SECOND).await;
    let bob = three.member("bob").await;
    ada.quiet_for(16 * SECOND).await;
    bob.vanish().await;
    ada.quiet_for(14 * SECOND).await;
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(ada.heard().await, [left("r", "bob")]);
}

#[tokio::test(start_paused = true)]
async fn who_watches_a_channel_is_told_of_those_at_other_nodes() {
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let mut ada = one.house.visit("ada").await;
    let mut watching = subscribe("orders");
    watching["presence"] = true.into();
    ada.say(watching).await;
    tokio::time::sleep(2 * SECOND).await;
    ada.heard().await;
    let mut bob = two.house.visit("bob").await;
    bob.say(subscribe("orders")).await;
    let news = json!({
        "type": "presence", "channel": "orders", "count": 2, "joined": ["bob"], "left": [],
    });
    assert_eq!(ada.heard().await, [news]);
}

#[tokio::test(start_paused = true)]
async fn typing_reaches_the_members_at_other_nodes_and_is_not_kept() {
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    tokio::time::sleep(2 * SECOND).await;
    ada.heard().await;
    bob.heard().await;
    let typing = json!({ "type": "typing", "payload": { "room_id": "r" } });
    assert_eq!(ada.say(typing.clone()).await, NOTHING);
    let told = json!({ "type": "typing", "user_id": "ada", "room_id": "r" });
    assert_eq!(bob.heard().await, [told]);
    two.engine.set_down("a test says so");
    ada.say(typing).await;
    two.engine.set_up();
    tokio::time::sleep(2 * SECOND).await;
    let heard = bob.heard().await;
    assert!(heard.iter().all(|it| it["type"] != "typing"), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_without_members_forgets_who_is_elsewhere() {
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let mut bob = two.member("bob").await;
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(two.sees(), ["ada", "bob"]);
    bob.say(leave("r")).await;
    // The channel is followed for a little while yet.
    tokio::time::sleep(SECOND).await;
    assert_eq!(two.sees(), ["ada"]);
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(two.sees(), Vec::<String>::new());
    assert_eq!(two.house.holds(), [0; 6]);
    ada.heard().await;
    // Who comes back is told anew.
    let mut bob = two.member("bob").await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(bob.heard().await, [change(2, &["ada"], &[])]);
    settle().await;
    assert_eq!(ada.heard().await, [joined("r", "bob")]);
}
