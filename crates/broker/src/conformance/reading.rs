//! Reading a log.

use futures_util::future::{join, join_all};

use super::stage::{ALL, Stage, log, numbered, payloads};
use crate::ReadLimits;

/// "Entries behind `after`, in their order, the oldest first, at most as many as the limits say": page after page
/// gives all, and each page says where the log is.
pub async fn pages_follow_each_other(stage: Stage) {
    let node = stage.node().await;
    let sent = numbered("entry ", 25);
    for payload in &sent {
        node.append("h:a", payload.clone()).await;
    }
    let head = node.read("h:a", 0).await.head;
    let limits = ReadLimits { entries_max: 10, bytes_max: usize::MAX };
    let (mut read, mut after) = (Vec::new(), 0);
    while after < head.offset {
        let page = node.read_from(&log("h:a"), after, limits).await;
        assert!(page.is_complete && page.head == head);
        assert!(!page.entries.is_empty() && page.entries.len() <= 10);
        for entry in &page.entries {
            assert_eq!(
                entry.previous, after,
                "of the one read before it, and `after` for the first"
            );
            assert_eq!(entry.position.epoch, head.epoch);
            after = entry.position.offset;
        }
        read.extend(payloads(&page.entries));
    }
    assert_eq!(read, sent);
}

/// A long log is read page by page while more is appended to it: nothing is left out, nothing comes twice.
pub async fn a_log_that_grows_is_read_to_its_end(stage: Stage) {
    const COUNT: usize = 1000;
    let node = stage.node().await;
    let appending = async {
        for chunk in numbered("entry ", COUNT).chunks(50) {
            join_all(chunk.iter().map(|payload| node.append("h:a", payload.clone()))).await;
            tokio::task::yield_now().await;
        }
    };
    let reading = async {
        let limits = ReadLimits { entries_max: 70, bytes_max: usize::MAX };
        let (mut read, mut after) = (Vec::new(), 0);
        while read.len() < COUNT {
            let page = node.read_from(&log("h:a"), after, limits).await;
            assert!(page.is_complete);
            after = page.entries.last().map_or(after, |entry| entry.position.offset);
            read.extend(payloads(&page.entries));
            tokio::task::yield_now().await;
        }
        read
    };
    let ((), read) = join(appending, reading).await;
    assert_eq!(read, numbered("entry ", COUNT));
}

/// "At most so many bytes of payload, but at least one entry."
pub async fn pages_are_no_larger_than_they_may_be(stage: Stage) {
    let node = stage.node().await;
    for number in 0..10_u8 {
        node.append("h:a", vec![number; 100]).await;
    }
    for (entries_max, bytes_max, count_max) in [
        (10, 1000, 10),
        (10, 999, 9),
        (10, 250, 2),
        (10, 100, 1),
        (10, 99, 1),
        (10, 1, 1),
        (3, 900, 3),
    ] {
        let limits = ReadLimits { entries_max, bytes_max };
        let page = node.read_from(&log("h:a"), 0, limits).await;
        let count = page.entries.len();
        assert!((1..=count_max).contains(&count), "{count} entries for {limits:?}");
        let first: Vec<u8> = page.entries.iter().map(|entry| entry.payload[0]).collect();
        assert!(first.iter().copied().eq(0..count as u8), "{first:?}");
        assert!(page.is_complete);
    }
}

/// "With limits of nothing, only where the log is."
pub async fn limits_of_nothing_tell_where_the_log_is(stage: Stage) {
    let node = stage.node().await;
    let empty = node.read_from(&log("h:a"), 0, ReadLimits::NOTHING).await;
    assert_eq!((empty.head.offset, empty.entries.len()), (0, 0));
    for payload in numbered("", 3) {
        let head = node.append("h:a", payload).await.position;
        for after in [0, head.offset] {
            let page = node.read_from(&log("h:a"), after, ReadLimits::NOTHING).await;
            assert_eq!((page.head, page.entries.len()), (head, 0));
        }
        let page = node.read_from(&log("h:a"), head.offset, ReadLimits::NOTHING).await;
        assert!(page.is_complete);
    }
}

/// A log to which nothing was appended is at its beginning, and nothing is missing there. Its epoch is the one
/// that it has when something is: who listens to a silent room recovers in it.
pub async fn a_log_without_entries_is_complete(stage: Stage) {
    let node = stage.node().await;
    let first = node.read("h:a", 0).await;
    assert_eq!((first.head.offset, first.entries.len(), first.is_complete), (0, 0, true));
    assert_eq!(node.read("h:a", 0).await, first);
    // Others come first.
    node.append("h:b", "elsewhere").await;
    let position = node.append("h:a", "one").await.position;
    assert_eq!(position.epoch, first.head.epoch);
    let page = node.read("h:a", 0).await;
    assert_eq!((page.head, page.is_complete), (position, true));
}

/// Nothing is missing behind the last entry, and behind each that is kept.
pub async fn what_is_kept_is_complete(stage: Stage) {
    let node = stage.node().await;
    let mut offsets = vec![0];
    for payload in numbered("", 10) {
        offsets.push(node.append("h:a", payload).await.position.offset);
    }
    for (read, after) in offsets.iter().enumerate() {
        let page = node.read("h:a", *after).await;
        assert!(page.is_complete, "after {after}");
        assert_eq!(payloads(&page.entries), numbered("", 10)[read..]);
    }
}

/// Behind a place that the log has not reached, nothing is certain: it is one of another life.
pub async fn a_place_that_is_still_to_come_is_not_complete(stage: Stage) {
    let node = stage.node().await;
    for after in [1, 1000, (1 << 53) - 1] {
        let page = node.read("h:never", after).await;
        assert_eq!((page.head.offset, page.entries.len(), page.is_complete), (0, 0, false));
    }
    let head = node.append("h:a", "one").await.position;
    for after in [head.offset + 1, head.offset + 1000, (1 << 53) - 1] {
        let page = node.read("h:a", after).await;
        assert_eq!((page.head, page.entries.len(), page.is_complete), (head, 0, false));
    }
}

/// Reading changes nothing.
pub async fn reading_twice_gives_the_same(stage: Stage) {
    let node = stage.node().await;
    for payload in numbered("", 10) {
        node.append("h:a", payload).await;
    }
    let first = node.read_from(&log("h:a"), 0, ALL).await;
    assert_eq!(node.read_from(&log("h:a"), 0, ALL).await, first);
}
