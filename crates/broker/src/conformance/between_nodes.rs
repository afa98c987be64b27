//! Logs and records that several nodes use at once.

use super::stage::{Stage, numbered, payloads};

/// However two nodes append at once, there is one order, both see it, and it is the one that is read.
pub async fn appends_of_two_nodes_have_one_order_that_both_see(stage: Stage) {
    let (left, right) = stage.pair().await;
    left.follow("h:a").await;
    right.follow("h:a").await;
    let appending = async |node: &super::stage::Node, start: &str| {
        for payload in numbered(start, 200) {
            node.append("h:a", payload).await;
        }
    };
    let ((), ()) = futures_util::future::join(appending(&left, "l"), appending(&right, "r")).await;
    let seen = left.entries("h:a", 400).await;
    assert_eq!(right.entries("h:a", 400).await, seen);
    let read = left.read("h:a", 0).await;
    assert_eq!(read.entries, seen);
    for start in ["l", "r"] {
        let of_one: Vec<_> =
            payloads(&seen).into_iter().filter(|text| text.starts_with(start.as_bytes())).collect();
        assert_eq!(of_one, numbered(start, 200), "each node's own order is kept");
    }
}
