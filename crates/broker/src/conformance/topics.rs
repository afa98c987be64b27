//! Topics between nodes.

use super::stage::{Stage, numbered};

/// Messages of one node in one topic arrive in their order, each at most once; those published after the
/// answer are certain to come.
pub async fn messages_arrive_in_their_order_each_once(stage: Stage) {
    let (near, far) = stage.pair().await;
    far.subscribe("ch:news").await;
    let sent = numbered("message ", 1000);
    for payload in &sent {
        near.publish("ch:news", payload.clone());
    }
    assert_eq!(far.messages("ch:news", sent.len()).await, sent);
}
