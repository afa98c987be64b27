//! Messages to a user, wherever the user is.

use serde_json::{Value, json};
use ws_handler::{Kept, Sent};

use crate::{
    street::{A_WHILE, chat, street},
    talk::raw_json,
};

fn sent(connections: usize, kept: Kept) -> Sent {
    Sent { connections, is_complete: true, kept }
}

#[tokio::test(start_paused = true)]
async fn a_chat_reaches_every_connection_of_a_user_on_all_nodes() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut bob = nodes[0].house.visit("bob").await;
    let mut adas = [
        nodes[0].house.visit("ada").await,
        nodes[1].house.visit("ada").await,
        nodes[2].house.visit("ada").await,
    ];
    bob.send(chat("ada", "hi", 1)).await;
    let ack = bob.next().await;
    assert_eq!((&ack["type"], &ack["id"]), (&json!("ack"), &json!(1)));
    for ada in &mut adas {
        let heard = ada.next().await;
        assert_eq!((&heard["from"], &heard["message"]), (&json!("bob"), &json!("hi")));
        assert_eq!(heard["messageId"], ack["messageId"], "one message under one name");
    }
    bob.quiet_for(A_WHILE).await;
}

#[tokio::test(start_paused = true)]
async fn chats_of_one_sender_arrive_in_their_order_with_what_it_says_next_behind_them() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut ada = nodes[1].house.visit("ada").await;
    let mut bob = nodes[0].house.visit("bob").await;
    for number in 0..20 {
        bob.send(chat("ada", &number.to_string(), number)).await;
    }
    bob.send(json!({ "type": "ping" })).await;
    for number in 0..20 {
        assert_eq!(bob.next().await["id"], number);
        assert_eq!(ada.next().await["message"], number.to_string());
    }
    assert_eq!(bob.next().await["type"], "pong");
}

#[tokio::test(start_paused = true)]
async fn who_is_nowhere_is_said_to_be_offline() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut bob = nodes[0].house.visit("bob").await;
    bob.send(chat("ada", "hi", 1)).await;
    assert_eq!(bob.next().await["code"], "user_offline");
    let ada = nodes[2].house.visit("ada").await;
    ada.leave().await;
    tokio::time::sleep(A_WHILE).await;
    bob.send(chat("ada", "hi", 2)).await;
    assert_eq!(bob.next().await["code"], "user_offline");
}

#[tokio::test(start_paused = true)]
async fn a_back_end_is_told_how_many_connections_took_a_message() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut adas = [nodes[1].house.visit("ada").await, nodes[2].house.visit("ada").await];
    let data = raw_json(&json!({ "n": 1 }));
    let handler = &nodes[0].house.handler;
    assert_eq!(handler.send_to_user("ada", None, &data), 0, "of this node");
    let answer = handler.send_to_user_everywhere("ada", Some("e"), &data).await;
    assert_eq!(answer, sent(2, Kept::NotNeeded));
    for ada in &mut adas {
        let heard: Value = ada.next().await;
        assert_eq!((&heard["event"], &heard["data"]), (&json!("e"), &json!({ "n": 1 })));
    }
    let answer = handler.send_to_user_everywhere("eve", None, &data).await;
    assert_eq!(answer, sent(0, Kept::NotOffered));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_is_waited_for_a_second() {
    let (_cluster, nodes) = street(|_| {}).await;
    let _ada = nodes[1].house.visit("ada").await;
    let mut here = nodes[0].house.visit("ada").await;
    nodes[1].engine.set_losing(true);
    let started = tokio::time::Instant::now();
    let data = raw_json(&json!(1));
    let answer = nodes[0].house.handler.send_to_user_everywhere("ada", None, &data).await;
    assert_eq!(started.elapsed().as_secs(), 1);
    assert_eq!(answer, Sent { connections: 1, is_complete: false, kept: Kept::NotNeeded });
    here.next().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_a_message_reaches_who_is_here() {
    let (cluster, nodes) = street(|_| {}).await;
    let mut bob = nodes[0].house.visit("bob").await;
    let mut ada = nodes[0].house.visit("ada").await;
    cluster.set_down("gone");
    bob.send(chat("ada", "hi", 1)).await;
    assert_eq!(bob.next().await["type"], "ack");
    assert_eq!(ada.next().await["message"], "hi");
}
