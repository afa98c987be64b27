//! How much of a log is kept.

use std::time::Duration;

use super::stage::{ALL, KEEP, Stage, done, entries, numbered, outcome, payloads};
use crate::{EngineError, Keep, Log, WhenFull};

const NEVER_DROPS: Keep = Keep { entries_max: entries(3), when_full: WhenFull::Refuse, ..KEEP };

/// "At most so many entries", and "the oldest goes": what is left are the last ones, in their places.
pub async fn the_oldest_goes_when_there_are_too_many(stage: Stage) {
    let node = stage.node().await;
    let keep = Keep { entries_max: entries(10), ..KEEP };
    let log = Log { name: "h:a", keep: &keep };
    let mut offsets = Vec::new();
    for (number, payload) in numbered("", 35).into_iter().enumerate() {
        offsets.push(node.append_to(&log, payload).await.position.offset);
        let kept = node.read_from(&log, 0, ALL).await.entries;
        assert_eq!(kept.len(), (number + 1).min(10));
    }
    let page = node.read_from(&log, 0, ALL).await;
    assert_eq!(payloads(&page.entries), numbered("", 35)[25..]);
    let kept: Vec<u64> = page.entries.iter().map(|entry| entry.position.offset).collect();
    assert_eq!(kept, offsets[25..]);
    assert_eq!(page.head.offset, offsets[34]);
}

/// Behind what went, a page is complete; before it, it is not.
pub async fn what_went_is_known_to_be_missing(stage: Stage) {
    let node = stage.node().await;
    let keep = Keep { entries_max: entries(10), ..KEEP };
    let log = Log { name: "h:a", keep: &keep };
    let mut offsets = vec![0];
    for payload in numbered("", 25) {
        offsets.push(node.append_to(&log, payload).await.position.offset);
    }
    for (read, after) in offsets.iter().enumerate() {
        let page = node.read_from(&log, *after, ALL).await;
        assert_eq!(page.entries.len(), (25 - read).min(10));
        match read {
            0..15 => assert!(!page.is_complete, "{} are missing", 15 - read),
            // Nothing is missing, but it takes an engine that counts without holes to be certain.
            15 => {}
            _ => assert!(page.is_complete, "{read} of 25 were read"),
        }
    }
}

/// "None that is older": neither is it read, nor does it count, and who had not read it is told.
pub async fn what_is_too_old_is_gone(stage: Stage) {
    let node = stage.node().await;
    let keep = Keep { ttl: Duration::from_secs(2), ..KEEP };
    let log = Log { name: "h:a", keep: &keep };
    let old = node.append_to(&log, "old").await;
    stage.pass(Duration::from_millis(2_500)).await;
    let appended = node.append_to(&log, "new").await;
    assert_eq!(appended.position.epoch, old.position.epoch);
    let page = node.read_from(&log, 0, ALL).await;
    assert_eq!(payloads(&page.entries), ["new"]);
    assert!(!page.is_complete, "the first one is missing");
    assert_eq!(page.head, appended.position);
}

/// A log of which all is too old is still where it was: who has read all of it has missed nothing.
pub async fn a_log_of_which_all_is_too_old_is_where_it_was(stage: Stage) {
    let node = stage.node().await;
    let keep = Keep { ttl: Duration::from_secs(2), ..KEEP };
    let log = Log { name: "h:a", keep: &keep };
    let first = node.append_to(&log, "one").await.position;
    let last = node.append_to(&log, "two").await.position;
    stage.pass(Duration::from_millis(2_500)).await;
    for (after, is_complete) in [(0, false), (first.offset, false), (last.offset, true)] {
        let page = node.read_from(&log, after, ALL).await;
        assert_eq!(page.head, last);
        assert_eq!((page.entries.len(), page.is_complete), (0, is_complete), "after {after}");
    }
    node.follow_log(&log).await;
    let next = node.append_to(&log, "three").await.position;
    assert_eq!(next.epoch, last.epoch);
    let told = node.entries("h:a", 1).await;
    assert_eq!((told[0].position, told[0].previous), (next, last.offset));
    let page = node.read_from(&log, first.offset, ALL).await;
    assert!(!page.is_complete, "the second is missing");
}

/// "It is refused", and nothing else changes; there is room again when something was taken out.
pub async fn a_full_log_refuses_until_something_is_taken_out(stage: Stage) {
    let node = stage.node().await;
    let log = Log { name: "inbox:a", keep: &NEVER_DROPS };
    let first = node.append_event(&log, "0", "event-0").await.position;
    for payload in ["1", "2"] {
        node.append_to(&log, payload).await;
    }
    let before = node.read_from(&log, 0, ALL).await;
    for _ in 0..2 {
        let refused = outcome(node.engine.append(&log, "3".into(), None)).await;
        assert_eq!(refused, Err(EngineError::Full));
    }
    let refused = outcome(node.engine.append(&log, "3".into(), Some("event-3"))).await;
    assert_eq!(refused, Err(EngineError::Full));
    // What is there already needs no room.
    assert!(node.append_event(&log, "0", "event-0").await.is_repeated);
    assert_eq!(node.read_from(&log, 0, ALL).await, before);
    done(node.engine.remove(&log, &[first.offset])).await;
    // The name was not taken by what was refused.
    let appended = node.append_event(&log, "3", "event-3").await;
    assert!(!appended.is_repeated);
    assert!(appended.position.offset > before.head.offset);
    assert_eq!(payloads(&node.read_from(&log, 0, ALL).await.entries), ["1", "2", "3"]);
}

/// What is too old makes room as well.
pub async fn a_full_log_takes_more_when_something_is_too_old(stage: Stage) {
    let node = stage.node().await;
    let keep = Keep { ttl: Duration::from_secs(2), ..NEVER_DROPS };
    let log = Log { name: "inbox:a", keep: &keep };
    for payload in numbered("", 3) {
        node.append_to(&log, payload).await;
    }
    stage.pass(Duration::from_millis(2_500)).await;
    node.append_to(&log, "3").await;
    assert_eq!(payloads(&node.read_from(&log, 0, ALL).await.entries), ["3"]);
}

/// Logs with other bounds live beside each other.
pub async fn each_log_is_kept_as_it_says(stage: Stage) {
    let node = stage.node().await;
    for count in [1, 2, 5] {
        let keep = Keep { entries_max: entries(count), ..KEEP };
        let name = format!("h:{count}");
        let log = Log { name: &name, keep: &keep };
        for payload in numbered("", 8) {
            node.append_to(&log, payload).await;
        }
        let page = node.read_from(&log, 0, ALL).await;
        assert_eq!(page.entries.len(), count as usize);
    }
}

/// Bounds may be as large as an operator can wish.
pub async fn bounds_may_be_large(stage: Stage) {
    let node = stage.node().await;
    let keep = Keep {
        entries_max: entries(u32::MAX),
        ttl: Duration::from_secs(10 * 365 * 24 * 3600),
        when_full: WhenFull::DropOldest,
        event_window: Duration::from_secs(24 * 3600),
    };
    let log = Log { name: "h:a", keep: &keep };
    let first = node.append_event(&log, "one", "event").await;
    assert!(node.append_event(&log, "one", "event").await.is_repeated);
    let page = node.read_from(&log, 0, ALL).await;
    assert_eq!((page.head, page.is_complete), (first.position, true));
    assert_eq!(payloads(&page.entries), ["one"]);
}
