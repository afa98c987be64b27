//! Appending, and what is kept.

use std::time::Duration;

use super::stage::{KEEP, Stage, numbered, payloads};
use crate::{Keep, Log};

/// Offsets grow, the epoch stays, both are less than 2^53, and nothing is a repetition.
pub async fn offsets_grow_and_epochs_stay(stage: Stage) {
    let node = stage.node().await;
    let mut last = node.read("h:a", 0).await.head;
    assert_eq!(last.offset, 0, "before the first");
    for payload in numbered("", 50) {
        let appended = node.append("h:a", payload).await;
        assert!(appended.position.offset > last.offset);
        assert!(appended.position.offset < 1 << 53 && appended.position.epoch < 1 << 53);
        assert!(last.offset == 0 || appended.position.epoch == last.epoch);
        assert!(!appended.is_repeated);
        last = appended.position;
    }
    assert_eq!(node.read("h:a", 0).await.head, last);
}

/// An event that was appended within the window is not appended again: the answer is the first one's place.
pub async fn an_event_is_appended_once(stage: Stage) {
    let node = stage.node().await;
    let log = Log { name: "h:a", keep: &KEEP };
    let first = node.append_event(&log, "one", "event-1").await;
    let other = node.append_event(&log, "two", "event-2").await;
    assert!(!first.is_repeated && !other.is_repeated);
    let again = node.append_event(&log, "three", "event-1").await;
    assert!(again.is_repeated);
    assert_eq!(again.position, first.position);
    // The name is one of this log alone.
    let elsewhere = Log { name: "h:b", keep: &KEEP };
    assert!(!node.append_event(&elsewhere, "four", "event-1").await.is_repeated);
    assert_eq!(payloads(&node.read("h:a", 0).await.entries), ["one", "two"]);
}

/// Nothing is kept that is older than the ttl.
pub async fn what_is_too_old_is_gone(stage: Stage) {
    let node = stage.node().await;
    let keep = Keep { ttl: Duration::from_secs(2), ..KEEP };
    let log = Log { name: "h:a", keep: &keep };
    node.append_to(&log, "old").await;
    stage.pass(Duration::from_millis(2_500)).await;
    let appended = node.append_to(&log, "new").await;
    let page = node.read_from(&log, 0, super::stage::ALL).await;
    assert_eq!(payloads(&page.entries), ["new"]);
    assert!(!page.is_complete, "the first one is missing");
    assert_eq!(page.head, appended.position);
}
