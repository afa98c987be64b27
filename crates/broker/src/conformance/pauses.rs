//! When the server is there and does nothing.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};

use super::{
    outages::{append_after_outage, is_outage, stop},
    stage::{Stage, log, numbered, outcome, payloads},
};
use crate::EngineError;

/// What is asked of a server that does nothing is answered, and appended at most once; when the server
/// goes on, so does the node.
pub async fn a_call_to_a_paused_server_is_answered(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    node.append("h:a", "before").await;
    stage.server().pause();
    let appended = outcome(node.engine.append(&log("h:a"), "meanwhile".into(), None)).await;
    let read = outcome(node.engine.get("user:a")).await;
    stage.server().resume();
    assert!(appended.is_err_and(|error| is_outage(&error)));
    assert!(read.is_err_and(|error| is_outage(&error)));
    node.until_at_work().await;
    append_after_outage(&node, "h:a", "after", "after").await;
    let entries = payloads(&node.read("h:a", 0).await.entries);
    let meanwhile = entries.iter().filter(|text| **text == "meanwhile").count();
    assert!(meanwhile <= 1, "{entries:?}");
    assert_eq!(entries.last(), Some(&"after".into()));
}

/// "One that was on its way when the connection broke fails with `Unknown`": when it is not known whether it was
/// done, nobody says that it was not.
pub async fn what_was_on_its_way_is_not_known(stage: Stage) {
    let node = stage.node().await;
    node.append("h:a", "before").await;
    stage.server().pause();
    let append = node.engine.append(&log("h:a"), "on its way".into(), None);
    let put = node.engine.put("user:a", Some("on its way".into()), None);
    // It is given the time to be written.
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop(&stage, &[&node]).await;
    let appended = outcome(append).await;
    assert!(matches!(appended, Err(EngineError::Unknown { .. })), "{appended:?}");
    let put = outcome(put).await;
    assert!(matches!(put, Err(EngineError::Unknown { .. })), "{put:?}");
    stage.server().start().await;
    node.until_at_work().await;
}

/// "What is under way is bounded: beyond that, calls fail."
pub async fn what_waits_for_a_paused_server_is_bounded(stage: Stage) {
    /// So much of 4 KiB each is 256 MiB: a bound that is larger is none.
    const TOO_MANY: usize = 65_536;
    let node = stage.node().await;
    let payload = Bytes::from(vec![b'x'; 4096]);
    stage.server().pause();
    let mut published = 0;
    while node.engine.publish("ch:a", payload.clone()).is_ok() {
        published += 1;
        assert!(published < TOO_MANY, "publishes have no bound");
        give_way(published).await;
    }
    // Some engines can only say a moment later that there was no room: nobody's answer is thrown away.
    let mut appends = FuturesUnordered::new();
    let is_refused = |ended: Option<Result<_, EngineError>>| match ended {
        Some(Err(error)) if is_outage(&error) => true,
        other => panic!("appended while nothing is: {other:?}"),
    };
    loop {
        appends.push(node.engine.append(&log("h:a"), payload.clone(), None));
        if appends.next().now_or_never().is_some_and(is_refused) {
            break;
        }
        assert!(appends.len() < TOO_MANY, "appends have no bound");
        give_way(appends.len()).await;
    }
    drop(appends);
    stage.server().resume();
    node.until_at_work().await;
}

/// A pause that is over soon costs nothing but time: whatever was answered with `Ok` is there, once, in
/// order.
pub async fn a_short_pause_loses_nothing_that_was_acknowledged(stage: Stage) {
    let node = stage.node().await;
    let mut acknowledged = Vec::new();
    for (number, payload) in numbered("", 60).into_iter().enumerate() {
        if number == 30 {
            stage.server().pause();
        }
        let append = node.engine.append(&log("h:a"), payload.clone(), None);
        if number == 30 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            stage.server().resume();
        }
        match outcome(append).await {
            Ok(_) => acknowledged.push(payload),
            Err(error) => {
                assert!(is_outage(&error), "{error}");
                node.until_at_work().await;
            }
        }
    }
    let entries = payloads(&node.read("h:a", 0).await.entries);
    let mut sorted = entries.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), entries.len(), "each at most once");
    let mut left = entries.iter();
    assert!(acknowledged.iter().all(|text| left.any(|entry| entry == text)), "{entries:?}");
}

async fn give_way(count: usize) {
    if count.is_multiple_of(64) {
        tokio::task::yield_now().await;
    }
}
