//! How an engine is asked, whatever it is asked.

use futures_util::future::join_all;

use super::stage::{ALL, Stage, done, log, numbered, payloads};
use crate::Status;

/// "How it is now": a node that works says that it is up, and which engine it is.
pub async fn a_node_at_work_says_what_it_is(stage: Stage) {
    let node = stage.node().await;
    assert_eq!(node.engine.status(), Status::Up);
    assert!(["memory", "disk", "redis", "nats"].contains(&node.engine.kind()));
}

/// "The question is on its way when the call returns, whether or not the answer is awaited."
pub async fn what_is_not_awaited_is_done(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    drop(node.engine.append(&log("h:a"), "not awaited".into(), None));
    assert_eq!(payloads(&node.entries("h:a", 1).await), ["not awaited"]);
    drop(node.engine.put("user:a", Some("there".into()), None));
    // Behind it, as the next case shows.
    assert!(node.get("user:a").await.is_some());
    drop(node.engine.remove(&log("h:a"), &[node.read("h:a", 0).await.head.offset]));
    assert!(node.read("h:a", 0).await.entries.is_empty());
}

/// "Two calls from one thread reach the engine in their order."
pub async fn calls_are_done_in_the_order_in_which_they_are_made(stage: Stage) {
    let node = stage.node().await;
    let sent = numbered("", 100);
    let appends: Vec<_> =
        sent.iter().map(|text| node.engine.append(&log("h:a"), text.clone(), None)).collect();
    let read = node.engine.read(&log("h:a"), 0, ALL);
    let mut offsets = Vec::new();
    for append in join_all(appends.into_iter().map(done)).await {
        offsets.push(append.position.offset);
    }
    assert!(offsets.is_sorted(), "{offsets:?}");
    assert_eq!(payloads(&done(read).await.entries), sent);
}

/// Answers may be awaited in any order, and late.
pub async fn answers_wait_until_they_are_taken(stage: Stage) {
    let node = stage.node().await;
    let append = node.engine.append(&log("h:a"), "first".into(), None);
    let read = node.engine.read(&log("h:a"), 0, ALL);
    let get = node.engine.get("user:a");
    assert_eq!(done(get).await, None);
    assert_eq!(payloads(&done(read).await.entries), ["first"]);
    assert!(!done(append).await.is_repeated);
}
