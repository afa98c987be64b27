//! Following a log.

use super::{
    heard::Notes,
    stage::{Node, Stage, log, numbered, payloads},
};

/// "Entries come in the order of their offsets", and each tells what was before it.
pub async fn entries_come_in_order_with_what_was_before_them(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    let sent = numbered("entry ", 200);
    let mut positions = Vec::new();
    for payload in &sent {
        positions.push(node.append("h:a", payload.clone()).await.position);
    }
    let entries = node.entries("h:a", sent.len()).await;
    assert_eq!(payloads(&entries), sent);
    let mut previous = 0;
    for (entry, position) in entries.iter().zip(positions) {
        assert_eq!(entry.position, position);
        assert_eq!(entry.previous, previous, "0 for the first");
        previous = position.offset;
    }
    assert_eq!(node.read("h:a", 0).await.entries, entries, "they are read as they were told");
}

/// "From now on": what was there is not told, and what comes next names the last that was.
pub async fn what_comes_first_names_what_was_there(stage: Stage) {
    let node = stage.node().await;
    for payload in numbered("", 5) {
        node.append("h:a", payload).await;
    }
    let head = node.read("h:a", 0).await.head;
    node.follow("h:a").await;
    let position = node.append("h:a", "next").await.position;
    let told = node.entries("h:a", 1).await;
    let next = told.iter().find(|entry| entry.position == position);
    assert_eq!(next.map(|entry| entry.previous), Some(head.offset));
}

/// What was before is named "also if that is not kept any more".
pub async fn what_was_before_is_named_when_it_is_gone(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    let first = node.append("h:a", "one").await.position;
    super::stage::done(node.engine.remove(&log("h:a"), &[first.offset])).await;
    node.append("h:a", "two").await;
    assert_eq!(node.entries("h:a", 2).await[1].previous, first.offset);
}

/// Following twice is the same as once.
pub async fn following_twice_is_the_same_as_once(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    node.follow("h:a").await;
    let sent = numbered("", 20);
    for payload in &sent {
        node.append("h:a", payload.clone()).await;
    }
    assert_eq!(payloads(&node.entries("h:a", sent.len()).await), sent);
    node.engine.unfollow(&log("h:a"));
    until_silent(&node, "h:a").await;
}

/// "Takes no more entries of a log; some may still come"; who follows again is told again.
pub async fn what_is_unfollowed_stops_coming(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    node.append("h:a", "before").await;
    node.entries("h:a", 1).await;
    node.engine.unfollow(&log("h:a"));
    node.engine.unfollow(&log("h:never followed"));
    until_silent(&node, "h:a").await;
    let before = node.read("h:a", 0).await.head;
    node.follow("h:a").await;
    let position = node.append("h:a", "again").await.position;
    let again = |notes: &Notes| {
        notes.entries_of("h:a").into_iter().find(|entry| entry.position == position)
    };
    let again = node.heard.until("what comes after following again", again).await;
    assert_eq!(again.previous, before.offset);
}

/// Calls reach the engine in their order: what was left and followed again at once is followed.
pub async fn what_is_left_and_followed_at_once_is_followed(stage: Stage) {
    let node = stage.node().await;
    for round in 1..=20 {
        drop(node.engine.follow(&log("h:a")));
        node.engine.unfollow(&log("h:a"));
        node.follow("h:a").await;
        node.append("h:a", round.to_string()).await;
        let told = node.entries("h:a", round).await;
        assert_eq!(payloads(&told), numbered("", round + 1)[1..]);
    }
}

/// Round after round is appended, until some in a row stay away. Each round is known to have passed by a
/// log that is still followed.
async fn until_silent(node: &Node, name: &str) {
    const IN_A_ROW: usize = 3;
    let mut silent = 0;
    node.follow("h:rounds").await;
    for _ in 0..1000 {
        let position = node.append(name, "round").await.position;
        let round = node.append("h:rounds", "round").await.position;
        let came = |notes: &Notes, log: &str, position| {
            notes.entries_of(log).iter().any(|entry| entry.position == position)
        };
        let has_passed = |notes: &Notes| came(notes, "h:rounds", round).then_some(());
        node.heard.until("a round", has_passed).await;
        let has_come = node.heard.so_far(|notes| came(notes, name, position));
        silent = if has_come { 0 } else { silent + 1 };
        if silent == IN_A_ROW {
            return;
        }
    }
    panic!("{name:?} was unfollowed, and entries keep coming");
}
