//! When the server is away, and when it is back.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join;

use super::{
    records::changed,
    stage::{ALL, Node, Stage, log, numbered, outcome, payloads},
};
use crate::{Answer, Appended, EngineError, ReadLimits, Revision, Status};

/// "At once": far less than what a call to a server may take.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How often a call may be lost behind an outage.
const TRIES_MAX: usize = 20;

/// "While the server is away, calls fail with `Unavailable` at once and are not kept for later."
pub async fn calls_fail_at_once_and_are_not_kept_for_later(stage: Stage) {
    let (node, other) = stage.pair().await;
    other.subscribe("ch:a").await;
    let before = node.append("h:a", "before").await.position;
    stop(&stage, &[&node, &other]).await;
    assert!(matches!(node.engine.status(), Status::Down(_)));
    let engine = &node.engine;
    refused(engine.append(&log("h:a"), "lost".into(), None)).await;
    refused(engine.append(&log("h:a"), "lost".into(), Some("event"))).await;
    refused(engine.read(&log("h:a"), 0, ALL)).await;
    refused(engine.remove(&log("h:a"), &[before.offset])).await;
    refused(engine.follow(&log("h:a"))).await;
    refused(engine.subscribe("ch:b")).await;
    refused(engine.get("user:a")).await;
    refused(engine.put("user:a", Some("lost".into()), None)).await;
    refused(engine.keys("")).await;
    let published = engine.publish("ch:a", "lost".into());
    assert!(matches!(published, Err(EngineError::Unavailable { .. })), "{published:?}");
    start(&stage, &[&node, &other]).await;
    node.publish("ch:a", "after");
    let heard = |notes: &super::heard::Notes| {
        notes.messages_of("ch:a").contains(&"after".into()).then_some(())
    };
    other.heard.until("what comes after", heard).await;
    let messages = other.heard.so_far(|notes| notes.messages_of("ch:a"));
    assert_eq!(messages, ["after"]);
    let (after, asked) = append_after_outage(&node, "h:a", "after", "event").await;
    assert!(asked > 1 || !after.is_repeated, "what failed did not take the name");
    let read = payloads(&node.read("h:a", 0).await.entries);
    assert!(!read.contains(&"lost".into()), "{read:?}");
    assert_eq!(node.get("user:a").await, None);
}

/// "Follows again what it followed before it says `Up`": nothing is missed from then on.
pub async fn what_was_followed_is_followed_again_before_it_is_up(stage: Stage) {
    let (near, far) = stage.pair().await;
    for name in ["a", "b"] {
        far.subscribe(&format!("ch:{name}")).await;
        far.follow(&format!("h:{name}")).await;
    }
    for round in 0..3 {
        stop(&stage, &[&near, &far]).await;
        start(&stage, &[&near, &far]).await;
        for name in ["a", "b"] {
            let text = format!("{name}{round}");
            near.publish(&format!("ch:{name}"), text.clone());
            append_after_outage(&near, &format!("h:{name}"), &text, &text).await;
            let messages = far.messages(&format!("ch:{name}"), round + 1).await;
            assert_eq!(messages.last(), Some(&text.clone().into()));
            let entries = far.entries(&format!("h:{name}"), round + 1).await;
            assert_eq!(payloads(&entries).last(), Some(&text.into()));
        }
    }
}

/// What is left while the server is away is not followed when it is back.
pub async fn what_is_left_meanwhile_is_not_followed_again(stage: Stage) {
    let (near, far) = stage.pair().await;
    for topic in ["ch:a", "ch:b"] {
        far.subscribe(topic).await;
    }
    far.follow("h:a").await;
    far.follow("h:b").await;
    stop(&stage, &[&near, &far]).await;
    far.engine.unsubscribe("ch:a");
    far.engine.unfollow(&log("h:a"));
    start(&stage, &[&near, &far]).await;
    for name in ["a", "b"] {
        near.publish(&format!("ch:{name}"), name);
        append_after_outage(&near, &format!("h:{name}"), name, name).await;
    }
    far.messages("ch:b", 1).await;
    far.entries("h:b", 1).await;
    far.heard.so_far(|notes| {
        assert_eq!((notes.messages_of("ch:a").len(), notes.entries_of("h:a").len()), (0, 0));
    });
}

/// "The engine comes back by itself", also when it was never there.
pub async fn a_node_that_comes_first_waits_for_the_server(stage: Stage) {
    let other = stage.node().await;
    stage.server().stop().await;
    other.heard.until("the engine to be down", |notes| notes.is_down().then_some(())).await;
    let node = stage.node_at_once().await;
    assert_ne!(node.engine.status(), Status::Up);
    refused(node.engine.read(&log("h:a"), 0, ReadLimits::NOTHING)).await;
    refused(node.engine.get("user:a")).await;
    assert!(node.engine.publish("ch:a", "lost".into()).is_err());
    assert_eq!(node.heard.so_far(super::heard::Notes::ups), 0);
    stage.server().start().await;
    node.until_up().await;
    append_after_outage(&node, "h:a", "here", "here").await;
}

/// Whatever was acknowledged is there afterwards, or the log has another life: nobody is told that all is
/// there when it is not.
pub async fn what_was_acknowledged_is_there_or_the_epoch_is_another(stage: Stage) {
    let node = stage.node().await;
    let sent = numbered("", 50);
    let mut last = None;
    for payload in &sent {
        last = Some(node.append("h:a", payload.clone()).await.position);
    }
    stop(&stage, &[&node]).await;
    start(&stage, &[&node]).await;
    let page = node.read("h:a", 0).await;
    if Some(page.head.epoch) == last.map(|position| position.epoch) {
        assert_eq!(payloads(&page.entries), sent);
        assert_eq!(Some(page.head), last);
    }
    let next = append_after_outage(&node, "h:a", "next", "next").await.0.position;
    assert_eq!(next.epoch, page.head.epoch);
    assert!(next.offset > page.head.offset);
}

/// Revisions are not given again even if the server lost its records.
pub async fn no_revision_comes_twice_after_an_outage(stage: Stage) {
    let node = stage.node().await;
    let mut revisions = Vec::new();
    change_often(&node, &mut revisions).await;
    stop(&stage, &[&node]).await;
    start(&stage, &[&node]).await;
    change_often(&node, &mut revisions).await;
    let mut once = revisions.clone();
    once.sort_unstable_by_key(|revision| revision.0);
    once.dedup();
    assert_eq!(once.len(), revisions.len(), "{revisions:?}");
}

/// Who publishes through an outage is heard in order, each message at most once.
pub async fn messages_through_an_outage_come_at_most_once_in_order(stage: Stage) {
    let (near, far) = stage.pair().await;
    far.subscribe("ch:a").await;
    let count = AtomicUsize::new(0);
    let publishing = async {
        // Until some have passed after the outage.
        let mut passed_after = 0;
        while passed_after < 100 {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let published = near.engine.publish("ch:a", format!("{number}").into());
            let is_over = near.is_back() && far.is_back();
            passed_after += usize::from(published.is_ok() && is_over);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    join(publishing, outage_after(&stage, &[&near, &far], &count, 50)).await;
    near.publish("ch:a", "end");
    let end = |notes: &super::heard::Notes| {
        notes.messages_of("ch:a").contains(&"end".into()).then_some(())
    };
    far.heard.until("the end", end).await;
    let mut messages = far.heard.so_far(|notes| notes.messages_of("ch:a"));
    messages.retain(|text| *text != "end");
    let numbers = messages.iter().map(|text| String::from_utf8_lossy(text).parse::<u64>());
    let numbers: Vec<u64> = numbers.map(|number| number.unwrap_or(0)).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

/// Who appends through an outage, and again under the same event whenever it is not known whether it was
/// done, has each entry in the log once, in order.
pub async fn events_through_an_outage_are_appended_once(stage: Stage) {
    const COUNT: usize = 200;
    let node = stage.node().await;
    let epoch = node.read("h:a", 0).await.head.epoch;
    let count = AtomicUsize::new(0);
    let appending = async {
        for payload in numbered("", COUNT) {
            let event = String::from_utf8_lossy(&payload).into_owned();
            let log = log("h:a");
            while let Err(error) =
                outcome(node.engine.append(&log, payload.clone(), Some(&event))).await
            {
                assert!(is_outage(&error), "{error}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            count.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    };
    join(appending, outage_after(&stage, &[&node], &count, COUNT / 2)).await;
    let page = node.read("h:a", 0).await;
    if page.head.epoch == epoch {
        assert_eq!(payloads(&page.entries), numbered("", COUNT));
    }
}

/// Stops the server, once so much is done, and starts it again.
async fn outage_after(stage: &Stage, nodes: &[&Node], done: &AtomicUsize, count: usize) {
    while done.load(Ordering::Relaxed) < count {
        tokio::task::yield_now().await;
    }
    stop(stage, nodes).await;
    start(stage, nodes).await;
}

/// Stops the server, and waits until the nodes know.
pub(super) async fn stop(stage: &Stage, nodes: &[&Node]) {
    stage.server().stop().await;
    for node in nodes {
        let is_down = |notes: &super::heard::Notes| notes.is_down().then_some(());
        node.heard.until("the engine to be down", is_down).await;
        // One connection of several may be found to be broken before another.
        while !matches!(
            outcome(node.engine.get("nothing")).await,
            Err(EngineError::Unavailable { .. })
        ) {
            tokio::task::yield_now().await;
        }
    }
}

/// Starts the server, and waits until the nodes know.
async fn start(stage: &Stage, nodes: &[&Node]) {
    stage.server().start().await;
    for node in nodes {
        let is_up = |notes: &super::heard::Notes| {
            (notes.statuses.last() == Some(&Status::Up)).then_some(())
        };
        node.heard.until("the engine to be up again", is_up).await;
        assert_eq!(node.engine.status(), Status::Up);
    }
}

/// Appends behind an outage. A server that is up again may still lose a call, while a cluster moves what it
/// leads from one to another: who is told so asks again under the same event. Answers how often it asked, too.
pub(super) async fn append_after_outage(
    node: &Node,
    name: &str,
    payload: &str,
    event: &str,
) -> (Appended, usize) {
    let log = log(name);
    let mut asked = 1;
    loop {
        match outcome(node.engine.append(&log, payload.to_owned().into(), Some(event))).await {
            Ok(appended) => return (appended, asked),
            Err(error) => assert!(is_outage(&error) && asked < TRIES_MAX, "{error}"),
        }
        asked += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Changes a record five times, and again where it is not known whether that was done.
async fn change_often(node: &Node, revisions: &mut Vec<Revision>) {
    let mut asked = 0;
    for _ in 0..5 {
        let revision = loop {
            let expected = node.get("user:a").await.map(|record| record.revision);
            match outcome(node.engine.put("user:a", Some("value".into()), expected)).await {
                Ok(outcome) => break changed(outcome),
                Err(error) => assert!(is_outage(&error) && asked < TRIES_MAX, "{error}"),
            }
            asked += 1;
        };
        revisions.push(revision);
    }
}

/// The answer is there at once, and says that the engine is away.
async fn refused<T: std::fmt::Debug>(answer: Answer<T>) {
    #[expect(clippy::disallowed_methods, reason = "how long a refusal takes is what is asked")]
    let asked = Instant::now();
    let outcome = outcome(answer).await;
    assert!(matches!(outcome, Err(EngineError::Unavailable { .. })), "{outcome:?}");
    let took = asked.elapsed();
    assert!(took < AT_ONCE, "at once, and it took {took:?}");
}

/// Whether it is one of the errors that an outage explains.
pub(super) fn is_outage(error: &EngineError) -> bool {
    use EngineError::{Overloaded, Unavailable, Unknown};
    matches!(error, Unavailable { .. } | Unknown { .. } | Overloaded { .. })
}
