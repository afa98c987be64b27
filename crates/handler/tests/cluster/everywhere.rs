//! What back-ends do to all nodes.

use serde_json::json;
use ws_close_manager::SendableCode;
use ws_handler::Reached;

use crate::{
    street::{A_WHILE, street},
    talk::{join, raw_json},
};

fn reached(connections: usize) -> Reached {
    Reached { connections, is_complete: true }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_everybody_on_all_nodes() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut peers = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        peers.push(node.house.visit(&format!("u{number}")).await);
    }
    let data = raw_json(&json!("all"));
    let handler = &nodes[0].house.handler;
    assert_eq!(handler.broadcast_everywhere(Some("e"), &data).await, reached(3));
    for peer in &mut peers {
        assert_eq!(peer.next().await["data"], "all");
    }
    assert_eq!(handler.broadcast(None, &data), 1, "of this node");
}

#[tokio::test(start_paused = true)]
async fn a_user_is_disconnected_on_all_nodes() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut peers = [nodes[1].house.visit("ada").await, nodes[2].house.visit("ada").await];
    let mut bob = nodes[2].house.visit("bob").await;
    let handler = &nodes[0].house.handler;
    let code = SendableCode::POLICY;
    assert_eq!(handler.disconnect_user_everywhere("ada", code, "out").await, reached(2));
    for peer in &mut peers {
        assert_eq!(peer.closed().await, (1008, "out".to_owned()));
    }
    bob.quiet_for(A_WHILE).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_room_is_asked_of_the_others_where_nobody_here_is_in_it() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut peers = Vec::new();
    for (node, user) in [(1, "ada"), (1, "bob"), (2, "eve")] {
        let mut peer = nodes[node].house.visit(user).await;
        peer.send(join("r")).await;
        peers.push(peer);
    }
    tokio::time::sleep(A_WHILE).await;
    let info = nodes[0].house.handler.presence_everywhere("room:r", 10).await;
    let mut users: Vec<_> = info.users.iter().map(|user| &**user).collect();
    users.sort_unstable();
    assert_eq!((info.count, users), (3, vec!["ada", "bob", "eve"]));
    let few = nodes[0].house.handler.presence_everywhere("room:r", 2).await;
    assert_eq!((few.count, few.users.len()), (3, 2));
    let mut max = nodes[0].house.visit("max").await;
    max.send(json!({ "type": "presence", "channel": "room:r", "id": 5 })).await;
    max.send(json!({ "type": "ping" })).await;
    let answer = max.next().await;
    assert_eq!((&answer["type"], &answer["id"]), (&json!("presence"), &json!(5)));
    assert_eq!((&answer["count"], answer["users"].as_array().map(Vec::len)), (&json!(3), Some(3)));
    assert_eq!(max.next().await["type"], "pong");
    let nobody = nodes[0].house.handler.presence_everywhere("room:empty", 10).await;
    assert_eq!(nobody.count, 0);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_reach_all_nodes_is_said_to_be_incomplete() {
    let (cluster, nodes) = street(|_| {}).await;
    let _ada = nodes[0].house.visit("ada").await;
    cluster.set_down("gone");
    let data = raw_json(&json!("all"));
    let handler = &nodes[0].house.handler;
    let incomplete = Reached { connections: 1, is_complete: false };
    assert_eq!(handler.broadcast_everywhere(None, &data).await, incomplete);
    let code = SendableCode::POLICY;
    assert_eq!(handler.disconnect_user_everywhere("ada", code, "out").await, incomplete);
}
