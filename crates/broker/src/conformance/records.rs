//! Records.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::stage::{Node, Stage, done};
use crate::{Conflict, Record, Revision};

/// Who expects what is there changes it; who does not changes nothing and is told what is there.
pub async fn a_record_is_changed_by_who_knows_its_revision(stage: Stage) {
    let node = stage.node().await;
    assert_eq!(node.get("user:a").await, None);
    let first = changed(node.put("user:a", Some("one"), None).await);
    let there = node.get("user:a").await;
    assert_eq!(there, Some(Record { value: "one".into(), revision: first }));
    for value in [Some("two"), None] {
        let refused = node.put("user:a", value, None).await;
        assert_eq!(refused, Err(Conflict { current: there.clone() }));
    }
    let second = changed(node.put("user:a", Some("two"), Some(first)).await);
    assert_ne!(second, first);
    let there = node.get("user:a").await;
    assert_eq!(there, Some(Record { value: "two".into(), revision: second }));
    let refused = node.put("user:a", Some("three"), Some(first)).await;
    assert_eq!(refused, Err(Conflict { current: there }));
    // Others are not concerned.
    assert_eq!(node.get("user:b").await, None);
}

/// "`value` of `None` takes it away": who knew it before knows it no more.
pub async fn a_record_is_taken_away_by_who_knows_its_revision(stage: Stage) {
    let node = stage.node().await;
    let refused = node.put("user:a", Some("one"), Some(Revision(1))).await;
    assert_eq!(refused, Err(Conflict { current: None }), "there is none of any revision");
    let first = changed(node.put("user:a", Some("one"), None).await);
    changed(node.put("user:a", None, Some(first)).await);
    assert_eq!(node.get("user:a").await, None);
    for value in [Some("two"), None] {
        let refused = node.put("user:a", value, Some(first)).await;
        assert_eq!(refused, Err(Conflict { current: None }));
    }
    let second = changed(node.put("user:a", Some("two"), None).await);
    let there = node.get("user:a").await;
    assert_eq!(there, Some(Record { value: "two".into(), revision: second }));
}

/// "No two of a key are the same, also if it was taken away in between."
pub async fn no_revision_comes_twice(stage: Stage) {
    let node = stage.node().await;
    let mut revisions = HashSet::new();
    for _ in 0..5 {
        let mut last = None;
        for value in [Some("one"), Some("one"), Some("two"), None] {
            let revision = changed(node.put("user:a", value, last).await);
            assert!(revisions.insert(revision), "{revision:?} was there before");
            last = Some(revision);
        }
        assert_eq!(node.get("user:a").await, None);
    }
}

/// However many change one record at once, no change gets lost.
pub async fn no_change_is_lost_when_many_change_at_once(stage: Stage) {
    const TASKS: usize = 8;
    const CHANGES: usize = 10;
    let node = stage.node().await;
    join_all((0..TASKS).map(|_| count_up(&node, "user:a", CHANGES))).await;
    let there = node.get("user:a").await;
    let expected = (TASKS * CHANGES).to_string();
    assert_eq!(there.map(|record| record.value), Some(expected.into()));
}

/// Of many who create one record at once, one does.
pub async fn of_many_who_create_a_record_one_does(stage: Stage) {
    let node = stage.node().await;
    let values: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let puts = values.iter().map(|value| node.put("user:a", Some(value.as_str()), None));
    let outcomes = join_all(puts).await;
    let winners: Vec<&String> = values
        .iter()
        .zip(&outcomes)
        .filter(|(_, put)| put.is_ok())
        .map(|(value, _)| value)
        .collect();
    assert_eq!(winners.len(), 1);
    let there = node.get("user:a").await;
    assert_eq!(there.as_ref().map(|record| record.value.clone()), Some(winners[0].clone().into()));
    let refused = outcomes.into_iter().filter_map(Result::err);
    assert!(refused.into_iter().all(|conflict| conflict.current == there));
}

/// "The keys of all records whose keys begin with `prefix`, in no particular order."
pub async fn keys_are_found_by_how_they_begin(stage: Stage) {
    let node = stage.node().await;
    let keys = [
        "node:1",
        "node:2",
        "node:10",
        "nodes",
        "node",
        "user:node:1",
        "node:*",
        "node:[1]",
        "Node:1",
    ];
    for key in keys {
        changed(node.put(key, Some("there"), None).await);
    }
    let gone = changed(node.put("node:gone", Some("there"), None).await);
    changed(node.put("node:gone", None, Some(gone)).await);
    for prefix in
        ["node:", "node", "node:1", "node:*", "node:[", "node:?", "*", "user:", "", "none"]
    {
        let found: HashSet<String> = done(node.engine.keys(prefix)).await.into_iter().collect();
        let expected = keys.into_iter().filter(|key| key.starts_with(prefix));
        assert_eq!(found, expected.map(str::to_owned).collect(), "with {prefix:?}");
    }
}

/// There is nothing to be found among logs and topics.
pub async fn keys_are_those_of_records_alone(stage: Stage) {
    let node = stage.node().await;
    node.subscribe("user:topic").await;
    node.follow("user:log").await;
    node.append("user:log", "one").await;
    assert_eq!(done(node.engine.keys("")).await, Vec::<String>::new());
    assert_eq!(node.get("user:log").await, None);
}

/// Adds one, so many times, however often somebody else was first.
pub(super) async fn count_up(node: &Node, key: &str, times: usize) {
    for _ in 0..times {
        let mut current = node.get(key).await;
        loop {
            let text = current.as_ref().map_or(&b"0"[..], |record| &record.value);
            let count: usize = String::from_utf8_lossy(text).parse().unwrap_or(usize::MAX / 2);
            let revision = current.as_ref().map(|record| record.revision);
            match node.put(key, Some(&(count + 1).to_string()), revision).await {
                Ok(_) => break,
                Err(conflict) => current = conflict.current,
            }
        }
    }
}

pub(super) fn changed(put: Result<Revision, Conflict>) -> Revision {
    match put {
        Ok(revision) => revision,
        Err(conflict) => panic!("it was as expected, and there is a {conflict:?}"),
    }
}
