//! Following a log.

use super::stage::{Stage, log, numbered, payloads};

/// Entries come as they are appended, in the order of their offsets, and each tells what was before it.
pub async fn entries_come_in_order_with_what_was_before_them(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    let sent = numbered("entry ", 200);
    let mut positions = Vec::new();
    for payload in &sent {
        positions.push(node.append("h:a", payload.clone()).await.position);
    }
    let entries = node.entries("h:a", sent.len()).await;
    assert_eq!(payloads(&entries), sent);
    let mut previous = 0;
    for (entry, position) in entries.iter().zip(positions) {
        assert_eq!(entry.position, position);
        assert_eq!(entry.previous, previous);
        previous = position.offset;
    }
}

/// What is unfollowed stops coming, even if some may still come.
pub async fn what_is_unfollowed_stops_coming(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    node.append("h:a", "before").await;
    node.entries("h:a", 1).await;
    node.engine.unfollow(&log("h:a"));
    // "Some may still come" has an end: what is appended after a following was answered is after it.
    node.follow("h:b").await;
    node.append("h:b", "between").await;
    node.entries("h:b", 1).await;
    node.append("h:a", "after").await;
    node.append("h:b", "last").await;
    node.entries("h:b", 2).await;
    let of_a = node.heard.so_far(|record| record.entries_of("h:a"));
    assert_eq!(payloads(&of_a), ["before"]);
}
