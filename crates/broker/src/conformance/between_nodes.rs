//! Logs and records that several nodes use at once.

use futures_util::future::{join, join_all};

use super::{
    records::{changed, count_up},
    stage::{Node, Stage, done, log, numbered, payloads},
};
use crate::Conflict;

/// "Whether there may be other nodes behind it."
pub async fn an_engine_with_several_nodes_says_so(stage: Stage) {
    let (left, right) = stage.pair().await;
    assert!(left.engine.is_shared() && right.engine.is_shared());
}

/// However two nodes append at once, there is one order, both see it, and it is the one that is read.
pub async fn appends_of_two_nodes_have_one_order_that_both_see(stage: Stage) {
    let (left, right) = stage.pair().await;
    left.follow("h:a").await;
    right.follow("h:a").await;
    let appending = async |node: &Node, start: &str| {
        for payload in numbered(start, 200) {
            node.append("h:a", payload).await;
        }
    };
    join(appending(&left, "l"), appending(&right, "r")).await;
    // Two that came at the same moment may be told in either order: their offsets are what counts.
    let mut seen = left.entries("h:a", 400).await;
    seen.sort_by_key(|entry| entry.position);
    let mut seen_there = right.entries("h:a", 400).await;
    seen_there.sort_by_key(|entry| entry.position);
    assert!(seen_there == seen, "both see the same");
    let read = right.read("h:a", 0).await;
    assert!(read.entries == seen, "it is what is read");
    for start in ["l", "r"] {
        let of_one: Vec<_> =
            payloads(&seen).into_iter().filter(|text| text.starts_with(start.as_bytes())).collect();
        assert_eq!(of_one, numbered(start, 200), "each node's own order is kept");
    }
}

/// "The answer means that it is kept": whoever asks next, anywhere, finds it.
pub async fn what_was_appended_is_there_for_all(stage: Stage) {
    let (left, right) = stage.pair().await;
    for number in 1..=50 {
        let (writer, reader) = if number % 2 == 0 { (&left, &right) } else { (&right, &left) };
        let position = writer.append("h:a", number.to_string()).await.position;
        let page = reader.read("h:a", 0).await;
        assert_eq!((page.head, page.entries.len()), (position, number));
    }
}

/// "From now on": however much is appended meanwhile, what comes after the answer is told without a gap.
pub async fn nothing_is_missed_once_a_log_is_followed(stage: Stage) {
    let (left, right) = stage.pair().await;
    for log in ["h:a", "h:b", "h:c"] {
        let appending = async {
            for payload in numbered("", 100) {
                left.append(log, payload).await;
                tokio::task::yield_now().await;
            }
        };
        let following = async {
            while right.read(log, 0).await.head.offset == 0 {
                tokio::task::yield_now().await;
            }
            right.follow(log).await;
            right.read(log, 0).await.head
        };
        let ((), since) = join(appending, following).await;
        let last = left.append(log, "last").await.position;
        let is_last = |notes: &super::heard::Notes| {
            let told = notes.entries_of(log);
            told.last().is_some_and(|entry| entry.position == last).then_some(told)
        };
        let told = right.heard.until("the last entry", is_last).await;
        assert!(told[0].previous <= since.offset, "{} and {}", told[0].previous, since.offset);
        for pair in told.windows(2) {
            assert_eq!(pair[1].previous, pair[0].position.offset);
        }
    }
}

/// Who stops following leaves the others to it.
pub async fn one_node_unfollows_and_the_other_goes_on(stage: Stage) {
    let (left, right) = stage.pair().await;
    left.follow("h:a").await;
    right.follow("h:a").await;
    left.append("h:a", "one").await;
    left.entries("h:a", 1).await;
    left.engine.unfollow(&log("h:a"));
    let sent = numbered("", 20);
    for payload in &sent {
        left.append("h:a", payload.clone()).await;
    }
    assert_eq!(payloads(&right.entries("h:a", 21).await)[1..], sent);
}

/// An event that two nodes append at once is appended once, and both are told the same place.
pub async fn an_event_of_two_nodes_is_appended_once(stage: Stage) {
    let (left, right) = stage.pair().await;
    for number in 0..20 {
        let event = format!("event-{number}");
        let log = log("h:a");
        let appends =
            [&left, &right, &left, &right].map(|node| node.append_event(&log, &event, &event));
        let appended = join_all(appends).await;
        let first: Vec<_> = appended.iter().filter(|appended| !appended.is_repeated).collect();
        assert_eq!(first.len(), 1, "{appended:?}");
        assert!(appended.iter().all(|other| other.position == first[0].position));
    }
    assert_eq!(payloads(&left.read("h:a", 0).await.entries), numbered("event-", 20));
}

/// What one node takes out is gone for the other.
pub async fn what_one_removes_is_gone_for_the_other(stage: Stage) {
    let (left, right) = stage.pair().await;
    let first = left.append("inbox:a", "one").await.position;
    right.append("inbox:a", "two").await;
    done(right.engine.remove(&log("inbox:a"), &[first.offset])).await;
    assert_eq!(payloads(&left.read("inbox:a", 0).await.entries), ["two"]);
}

/// A record is one for all nodes, and none of their changes gets lost.
pub async fn no_change_is_lost_between_nodes(stage: Stage) {
    const CHANGES: usize = 25;
    let (left, right) = stage.pair().await;
    join(count_up(&left, "user:a", CHANGES), count_up(&right, "user:a", CHANGES)).await;
    let there = left.get("user:a").await;
    assert_eq!(there, right.get("user:a").await);
    let count = there.as_ref().map(|record| record.value.clone());
    assert_eq!(count, Some((2 * CHANGES).to_string().into()));
    let revision = there.map(|record| record.revision);
    let newer = changed(left.put("user:a", Some("left"), revision).await);
    let refused = right.put("user:a", Some("right"), revision).await;
    let Err(Conflict { current: Some(current) }) = refused else { panic!("{refused:?}") };
    assert_eq!(current.revision, newer);
}

/// A node that comes later finds everything, and a node that goes takes nothing along.
pub async fn nodes_come_and_go(stage: Stage) {
    let first = stage.node().await;
    let position = first.append("h:a", "one").await.position;
    changed(first.put("user:a", Some("there"), None).await);
    drop(first);
    let second = stage.node().await;
    let page = second.read("h:a", 0).await;
    assert_eq!((page.head, payloads(&page.entries)), (position, vec!["one".into()]));
    assert_eq!(second.get("user:a").await.map(|record| record.value), Some("there".into()));
    second.follow("h:a").await;
    second.append("h:a", "two").await;
    assert_eq!(payloads(&second.entries("h:a", 1).await), ["two"]);
}
