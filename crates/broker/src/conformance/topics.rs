//! Topics between nodes.

use bytes::Bytes;
use futures_util::future::{join, join_all};

use super::{
    names::odd_names,
    payloads::odd_payloads,
    stage::{Node, Stage, numbered},
};

/// "Messages of one node in one topic arrive in their order, each at most once"; and "those published
/// after the answer are certain to come".
pub async fn messages_arrive_in_their_order_each_once(stage: Stage) {
    let (near, far) = stage.pair().await;
    far.subscribe("ch:news").await;
    let sent = numbered("message ", 1000);
    for payload in &sent {
        near.publish("ch:news", payload.clone());
    }
    assert_eq!(far.messages("ch:news", sent.len()).await, sent);
}

/// The order of each node and topic holds however many publish at once.
pub async fn nodes_that_publish_at_once_keep_their_orders(stage: Stage) {
    let (left, right) = stage.pair().await;
    let reader = stage.node().await;
    for topic in ["ch:a", "ch:b"] {
        reader.subscribe(topic).await;
    }
    let publish = async |node: &Node, start: &str| {
        for payload in numbered(start, 100) {
            node.publish("ch:a", payload.clone());
            node.publish("ch:b", payload);
            tokio::task::yield_now().await;
        }
    };
    join(publish(&left, "l"), publish(&right, "r")).await;
    for topic in ["ch:a", "ch:b"] {
        let messages = reader.messages(topic, 200).await;
        for start in ["l", "r"] {
            let of_one: Vec<Bytes> = messages
                .iter()
                .filter(|text| text.starts_with(start.as_bytes()))
                .cloned()
                .collect();
            assert_eq!(of_one, numbered(start, 100), "of {start} in {topic}");
        }
    }
}

/// "Perhaps this one as well": a node that hears itself hears each message once, in order; the others hear
/// it whether or not the publisher is subscribed.
pub async fn a_node_hears_itself_at_most_once(stage: Stage) {
    let (near, far) = stage.pair().await;
    near.subscribe("ch:a").await;
    far.subscribe("ch:a").await;
    let sent = numbered("", 50);
    for payload in &sent {
        near.publish("ch:a", payload.clone());
    }
    assert_eq!(far.messages("ch:a", sent.len()).await, sent);
    // What comes back behind its own messages shows that those have come, if they do.
    far.publish("ch:a", "end");
    near.heard
        .until("the end", |notes| notes.messages_of("ch:a").contains(&"end".into()).then_some(()))
        .await;
    let own = near.heard.so_far(|notes| notes.messages_of("ch:a"));
    let own: Vec<Bytes> = own.into_iter().filter(|text| *text != "end").collect();
    let mut left = sent.iter();
    assert!(own.iter().all(|message| left.any(|other| other == message)), "{own:?}");
}

/// "Following twice is the same as once": messages come once, and one unsubscribing ends it.
pub async fn subscribing_twice_is_the_same_as_once(stage: Stage) {
    let (near, far) = stage.pair().await;
    far.subscribe("ch:a").await;
    far.subscribe("ch:a").await;
    let sent = numbered("", 20);
    for payload in &sent {
        near.publish("ch:a", payload.clone());
    }
    assert_eq!(far.messages("ch:a", sent.len()).await, sent);
    far.engine.unsubscribe("ch:a");
    until_silent(&near, &far, "ch:a").await;
}

/// "Takes no more messages of a topic; some may still come", and others go on; who subscribes again hears
/// again.
pub async fn what_is_unsubscribed_stops_coming_until_it_is_subscribed_again(stage: Stage) {
    let (near, far) = stage.pair().await;
    let other = stage.node().await;
    far.subscribe("ch:a").await;
    other.subscribe("ch:a").await;
    near.publish("ch:a", "before");
    far.messages("ch:a", 1).await;
    far.engine.unsubscribe("ch:a");
    until_silent(&near, &far, "ch:a").await;
    near.publish("ch:a", "others hear it");
    let heard_it = |notes: &super::heard::Notes| {
        notes.messages_of("ch:a").contains(&"others hear it".into()).then_some(())
    };
    other.heard.until("what others hear", heard_it).await;
    far.subscribe("ch:a").await;
    near.publish("ch:a", "again");
    let again = |notes: &super::heard::Notes| {
        notes.messages_of("ch:a").contains(&"again".into()).then_some(())
    };
    far.heard.until("what comes after subscribing again", again).await;
}

/// Calls reach the engine in their order: what was left and subscribed again at once is subscribed.
pub async fn what_is_left_and_subscribed_at_once_is_subscribed(stage: Stage) {
    let (near, far) = stage.pair().await;
    for round in 1..=20 {
        drop(far.engine.subscribe("ch:a"));
        far.engine.unsubscribe("ch:a");
        far.subscribe("ch:a").await;
        near.publish("ch:a", round.to_string());
        assert_eq!(far.messages("ch:a", round).await, numbered("", round + 1)[1..]);
    }
}

/// A topic that nobody is subscribed to takes messages as well; what was never subscribed is told of nothing.
pub async fn what_nobody_takes_is_no_error(stage: Stage) {
    let node = stage.node().await;
    node.publish("ch:nobody", "hello");
    node.engine.unsubscribe("ch:nobody");
    node.engine.unsubscribe("ch:never");
}

/// However odd the names are, messages come in the topic in which they were published, and in no other.
pub async fn odd_names_of_topics_do_not_meet(stage: Stage) {
    let (near, far) = stage.pair().await;
    let names = odd_names();
    join_all(names.iter().map(|name| far.subscribe(name))).await;
    for name in &names {
        near.publish(name, name.clone());
    }
    for name in &names {
        assert_eq!(far.messages(name, 1).await, [name], "{name:?}");
    }
    // All have come, and none twice.
    let count = far.heard.so_far(|notes| notes.messages.len());
    assert_eq!(count, names.len());
}

/// A payload is any bytes: none, all of them, many.
pub async fn payloads_of_messages_arrive_whole(stage: Stage) {
    let (near, far) = stage.pair().await;
    far.subscribe("ch:a").await;
    let sent = odd_payloads();
    for payload in &sent {
        near.publish("ch:a", payload.clone());
    }
    assert!(far.messages("ch:a", sent.len()).await == sent, "not as they were sent");
}

/// "Called one at a time for each topic and each log."
pub async fn a_listener_is_told_one_thing_at_a_time(stage: Stage) {
    let (left, right) = stage.pair().await;
    right.subscribe("ch:a").await;
    right.follow("h:a").await;
    let publishing = [&left, &right, &left, &right].map(|node| async move {
        for payload in numbered("", 50) {
            node.publish("ch:a", payload.clone());
            node.append("h:a", payload).await;
        }
    });
    join_all(publishing).await;
    right.messages("ch:a", 100).await;
    right.entries("h:a", 200).await;
    assert_eq!(right.heard.so_far(|notes| notes.overlaps), 0);
}

/// "Some may still come" has an end: round after round is published, until some in a row stay away. Each
/// round is known to have passed by a topic that is still subscribed.
async fn until_silent(near: &Node, far: &Node, topic: &str) {
    const IN_A_ROW: usize = 3;
    let mut silent = 0;
    far.subscribe("ch:rounds").await;
    for round in 0..1000 {
        let name = Bytes::from(format!("round {round}"));
        near.publish(topic, name.clone());
        near.publish("ch:rounds", name.clone());
        let has_passed = |notes: &super::heard::Notes| {
            notes.messages_of("ch:rounds").contains(&name).then_some(())
        };
        far.heard.until("a round", has_passed).await;
        let came = far.heard.so_far(|notes| notes.messages_of(topic).contains(&name));
        silent = if came { 0 } else { silent + 1 };
        if silent == IN_A_ROW {
            return;
        }
    }
    panic!("{topic:?} was unsubscribed, and messages keep coming");
}
