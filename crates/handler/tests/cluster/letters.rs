//! What is kept for users who are away, with several nodes and with one.

use std::num::NonZeroU32;

use serde_json::{Value, json};
use ws_broker::{InboxConfig, MemoryCluster};
use ws_handler::Kept;

use crate::{
    house::{House, Peer},
    street::{A_WHILE, Node, chat, street, with_inbox},
    talk::raw_json,
};

async fn say(from: &mut Peer, to: &str, message: &str) -> Value {
    from.send(chat(to, message, 1)).await;
    from.next().await
}

async fn hear(peer: &mut Peer, count: usize) -> Vec<(String, String)> {
    let mut heard = Vec::new();
    for _ in 0..count {
        let message = peer.next().await;
        let text = |field: &str| message[field].as_str().expect("a text").to_owned();
        heard.push((text("message"), text("messageId")));
    }
    heard
}

async fn ack(peer: &mut Peer, id: &str) {
    peer.send(json!({ "type": "ack", "messageId": id })).await;
    peer.quiet_for(A_WHILE).await;
}

async fn check_story(write: &House, read: &House) {
    let mut bob = write.visit("bob").await;
    for message in ["a", "b", "c"] {
        assert_eq!(say(&mut bob, "ada", message).await["type"], "ack", "kept is as good as sent");
    }
    let mut ada = read.visit("ada").await;
    let heard = hear(&mut ada, 3).await;
    let messages: Vec<&str> = heard.iter().map(|(message, _)| &**message).collect();
    assert_eq!(messages, ["a", "b", "c"]);
    ack(&mut ada, &heard[1].1).await;
    ada.vanish().await;
    let mut ada = write.visit("ada").await;
    let again = hear(&mut ada, 2).await;
    assert_eq!(again, [heard[0].clone(), heard[2].clone()], "what was not acknowledged");
    for (_, id) in &again {
        ack(&mut ada, id).await;
    }
    ada.vanish().await;
    read.visit("ada").await.quiet_for(A_WHILE).await;
}

#[tokio::test(start_paused = true)]
async fn letters_come_with_the_next_connection_to_any_node_until_they_are_acknowledged() {
    let (_cluster, nodes) = street(with_inbox).await;
    check_story(&nodes[0].house, &nodes[1].house).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_alone_keeps_letters_as_well() {
    let house = House::open(with_inbox);
    check_story(&house, &house).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_inbox_refuses_and_says_so() {
    let (_cluster, nodes) = street(|config| {
        let entries_max = NonZeroU32::new(2).expect("two");
        config.inbox = Some(InboxConfig { entries_max, ..InboxConfig::default() });
    })
    .await;
    let mut bob = nodes[0].house.visit("bob").await;
    say(&mut bob, "ada", "a").await;
    say(&mut bob, "ada", "b").await;
    let refused = say(&mut bob, "ada", "c").await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("inbox_full"), &json!(1)));
    let data = raw_json(&json!(1));
    let sent = nodes[1].house.handler.send_to_user_everywhere("ada", None, &data).await;
    assert_eq!(sent.kept, Kept::Full);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_node_does_not_answer_is_kept() {
    let (_cluster, nodes) = street(with_inbox).await;
    let mut bob = nodes[0].house.visit("bob").await;
    let ada = nodes[1].house.visit("ada").await;
    nodes[1].engine.set_losing(true);
    assert_eq!(say(&mut bob, "ada", "hi").await["type"], "ack");
    drop(ada);
    let mut ada = nodes[2].house.visit("ada").await;
    assert_eq!(hear(&mut ada, 1).await[0].0, "hi");
}

#[tokio::test(start_paused = true)]
async fn who_comes_at_the_moment_when_a_letter_is_kept_is_given_it() {
    for delay_us in 0..40 {
        let cluster = MemoryCluster::new();
        let nodes = [0, 1].map(|_| Node::open(&cluster, with_inbox));
        tokio::time::sleep(A_WHILE).await;
        let mut bob = nodes[0].house.visit("bob").await;
        let sending = async {
            for _ in 0..delay_us {
                tokio::task::yield_now().await;
            }
            say(&mut bob, "ada", "hi").await
        };
        let (ack, mut ada) = tokio::join!(sending, nodes[1].house.visit("ada"));
        assert_eq!(ack["type"], "ack");
        assert_eq!(hear(&mut ada, 1).await[0].0, "hi", "after {delay_us}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_nothing_is_kept_and_the_sender_is_told() {
    let (cluster, nodes) = street(with_inbox).await;
    let mut bob = nodes[0].house.visit("bob").await;
    cluster.set_down("gone");
    assert_eq!(say(&mut bob, "ada", "hi").await["code"], "broker_unavailable");
}
