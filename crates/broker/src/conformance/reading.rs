//! Reading a log.

use super::stage::{Stage, log, numbered, payloads};
use crate::ReadLimits;

/// Page after page gives all, the oldest first, and each page says where the log is.
pub async fn pages_follow_each_other(stage: Stage) {
    let node = stage.node().await;
    let sent = numbered("entry ", 25);
    for payload in &sent {
        node.append("h:a", payload.clone()).await;
    }
    let limits = ReadLimits { entries_max: 10, bytes_max: usize::MAX };
    let (mut read, mut after) = (Vec::new(), 0);
    loop {
        let page = node.read_from(&log("h:a"), after, limits).await;
        assert!(page.is_complete);
        assert!(page.entries.len() <= 10);
        assert_eq!(page.entries.first().map(|entry| entry.previous), Some(after));
        after = page.entries.last().map_or(0, |entry| entry.position.offset);
        read.extend(payloads(&page.entries));
        if after == page.head.offset {
            break;
        }
    }
    assert_eq!(read, sent);
}
