//! Records.

use super::stage::Stage;
use crate::Conflict;

/// Who expects what is there changes it; who does not is told what is there.
pub async fn a_record_is_changed_by_who_knows_its_revision(stage: Stage) {
    let node = stage.node().await;
    assert_eq!(node.get("user:a").await, None);
    let first = node.put("user:a", Some("one"), None).await;
    let Ok(first) = first else { panic!("nothing was there: {first:?}") };
    let there = node.get("user:a").await;
    assert_eq!(there.as_ref().map(|record| record.revision), Some(first));
    let refused = node.put("user:a", Some("two"), None).await;
    assert_eq!(refused, Err(Conflict { current: there }));
    let second = node.put("user:a", Some("two"), Some(first)).await;
    let Ok(second) = second else { panic!("it was as expected: {second:?}") };
    assert_ne!(second, first);
    assert_eq!(node.get("user:a").await.map(|record| record.value), Some("two".into()));
}
