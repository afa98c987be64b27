//! Taking single entries out of a log.

use super::stage::{ALL, Node, Stage, done, log, numbered, payloads};

/// "Takes single entries out of a log. What is not there is no error."
pub async fn what_is_removed_is_gone_and_the_rest_stays(stage: Stage) {
    let node = stage.node().await;
    let offsets = append_numbers(&node, 6).await;
    done(node.engine.remove(&log("h:a"), &[offsets[1], offsets[4]])).await;
    assert_eq!(payloads(&node.read("h:a", 0).await.entries), ["0", "2", "3", "5"]);
    let beyond = offsets[5] + 1000;
    done(node.engine.remove(&log("h:a"), &[offsets[4], 0, beyond, offsets[0]])).await;
    done(node.engine.remove(&log("h:a"), &[])).await;
    done(node.engine.remove(&log("h:never"), &[1, 2, 3])).await;
    let page = node.read("h:a", 0).await;
    assert_eq!(payloads(&page.entries), ["2", "3", "5"]);
    let kept: Vec<u64> = page.entries.iter().map(|entry| entry.position.offset).collect();
    assert_eq!(kept, [offsets[2], offsets[3], offsets[5]], "they keep their places");
}

/// The log stays where it is, also when its last entry goes: no place is given twice.
pub async fn no_offset_is_given_twice(stage: Stage) {
    let node = stage.node().await;
    let offsets = append_numbers(&node, 3).await;
    let head = node.read("h:a", 0).await.head;
    done(node.engine.remove(&log("h:a"), &offsets)).await;
    let page = node.read("h:a", head.offset).await;
    assert_eq!((page.head, page.entries.len(), page.is_complete), (head, 0, true));
    assert!(node.read("h:a", 0).await.entries.is_empty());
    let next = node.append("h:a", "next").await.position;
    assert_eq!(next.epoch, head.epoch);
    assert!(next.offset > head.offset);
    assert_eq!(payloads(&node.read_from(&log("h:a"), 0, ALL).await.entries), ["next"]);
}

async fn append_numbers(node: &Node, count: usize) -> Vec<u64> {
    let mut offsets = Vec::new();
    for payload in numbered("", count) {
        offsets.push(node.append("h:a", payload).await.position.offset);
    }
    offsets
}
