//! Appending: offsets, and events that are appended once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::stage::{ALL, KEEP, Stage, log, numbered, payloads};
use crate::{Keep, Log};

/// Offsets grow, the epoch stays, both are less than 2^53, and nothing is a repetition.
pub async fn offsets_grow_and_epochs_stay(stage: Stage) {
    let node = stage.node().await;
    let mut last = node.read("h:a", 0).await.head;
    assert_eq!(last.offset, 0, "0 before the first");
    for payload in numbered("", 50) {
        let appended = node.append("h:a", payload).await;
        assert!(appended.position.offset > last.offset);
        assert!(appended.position.offset < 1 << 53 && appended.position.epoch < 1 << 53);
        assert_eq!(
            appended.position.epoch, last.epoch,
            "also the one that was read before the first"
        );
        assert!(!appended.is_repeated);
        last = appended.position;
    }
    assert_eq!(node.read("h:a", 0).await.head, last);
}

/// Each log counts for itself: what is appended elsewhere is not between two of its entries.
pub async fn logs_do_not_disturb_each_other(stage: Stage) {
    let node = stage.node().await;
    for number in 0..20 {
        node.append("h:a", format!("a{number}")).await;
        node.append("h:b", format!("b{number}")).await;
    }
    assert_eq!(payloads(&node.read("h:a", 0).await.entries), numbered("a", 20));
    assert_eq!(payloads(&node.read("h:b", 0).await.entries), numbered("b", 20));
}

/// Entries carry the engine's time, which is near to everybody's.
#[expect(clippy::disallowed_methods, reason = "a server's clock is compared with this machine's")]
pub async fn entries_carry_their_time(stage: Stage) {
    let node = stage.node().await;
    node.append("h:a", "now").await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for entry in node.read("h:a", 0).await.entries {
        let appended = Duration::from_millis(entry.appended_ms);
        let apart = now.abs_diff(appended);
        assert!(apart < Duration::from_secs(60), "{apart:?} apart");
    }
}

/// "An entry of that name that was appended within the window is not appended again: the answer is the place
/// of the first." Nobody is told of it either.
pub async fn an_event_is_appended_once(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    let first = node.append_event(&log("h:a"), "one", "event-1").await;
    let other = node.append_event(&log("h:a"), "two", "event-2").await;
    assert!(!first.is_repeated && !other.is_repeated);
    for _ in 0..3 {
        let again = node.append_event(&log("h:a"), "three", "event-1").await;
        assert!(again.is_repeated);
        assert_eq!(again.position, first.position);
    }
    // The name is one of this log alone.
    assert!(!node.append_event(&log("h:b"), "four", "event-1").await.is_repeated);
    node.append("h:a", "last").await;
    assert_eq!(payloads(&node.entries("h:a", 3).await), ["one", "two", "last"]);
    assert_eq!(payloads(&node.read("h:a", 0).await.entries), ["one", "two", "last"]);
}

/// Names of events are any text, and none is taken for another.
pub async fn odd_names_of_events_do_not_meet(stage: Stage) {
    let node = stage.node().await;
    let long = "x".repeat(1000);
    let longer = format!("{long}x");
    let names = [
        "a",
        "A",
        " a",
        "a ",
        "a b",
        "ä",
        "a\u{308}",
        "日本",
        "🦀",
        "a\nb",
        "a\r\nb: c",
        "\t",
        "\"",
        "*",
        ">",
        "a.b",
        "{a}",
        "a:b",
        "",
        &long,
        &longer,
    ];
    for (number, name) in names.iter().enumerate() {
        let appended = node.append_event(&log("h:a"), &number.to_string(), name).await;
        assert!(!appended.is_repeated, "{name:?}");
    }
    for name in names {
        let again = node.append_event(&log("h:a"), "again", name).await;
        assert!(again.is_repeated, "{name:?}");
    }
    assert_eq!(payloads(&node.read("h:a", 0).await.entries), numbered("", names.len()));
}

/// The name is remembered for its window, whatever became of its entry.
pub async fn an_event_is_known_when_its_entry_is_gone(stage: Stage) {
    let node = stage.node().await;
    let keep = Keep { entries_max: super::stage::entries(2), ..KEEP };
    let log = Log { name: "h:a", keep: &keep };
    let pushed_out = node.append_event(&log, "one", "event-1").await;
    for payload in numbered("", 5) {
        node.append_to(&log, payload).await;
    }
    let again = node.append_event(&log, "one", "event-1").await;
    assert_eq!((again.is_repeated, again.position), (true, pushed_out.position));
    let removed = node.append_event(&log, "two", "event-2").await;
    super::stage::done(node.engine.remove(&log, &[removed.position.offset])).await;
    let again = node.append_event(&log, "two", "event-2").await;
    assert_eq!((again.is_repeated, again.position), (true, removed.position));
}

/// After its window, a name is a new one.
pub async fn the_name_of_an_event_is_forgotten_after_its_window(stage: Stage) {
    let node = stage.node().await;
    let keep = Keep { event_window: Duration::from_secs(1), ..KEEP };
    let log = Log { name: "h:a", keep: &keep };
    let first = node.append_event(&log, "one", "event-1").await;
    stage.pass(Duration::from_millis(2_500)).await;
    let second = node.append_event(&log, "two", "event-1").await;
    assert!(!second.is_repeated);
    assert!(second.position.offset > first.position.offset);
    let third = node.append_event(&log, "three", "event-1").await;
    assert_eq!((third.is_repeated, third.position), (true, second.position));
    assert_eq!(payloads(&node.read_from(&log, 0, ALL).await.entries), ["one", "two"]);
}
