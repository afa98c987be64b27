//! Names and prefixes.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::{
    records::changed,
    stage::{Stage, done, payloads},
};

/// Names that would meet, or be refused, if they were escaped carelessly; the longest there are.
pub(super) fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "h:a",
        "h:A",
        "h:a ",
        " h:a",
        "h: a",
        "h:a b",
        "h:a.b",
        "h:a_b",
        "h:a-b",
        "h:a/b",
        "h:a\\b",
        "h:a=b",
        "h:a+b",
        "h:a%2Eb",
        "h:a=2Eb",
        "h:a_2Eb",
        "h:a\\.b",
        "h:*",
        "h:>",
        "h:a.*",
        "h:a.>",
        "*",
        ">",
        ".",
        "$",
        "h:.",
        "h:..",
        "h:a..b",
        "h:a.",
        ".h:a",
        "h:{a}",
        "h:{a}b",
        "h:}{",
        "h:{}",
        "h:a:b",
        "h::a",
        "h:",
        "h",
        "h:ä",
        "h:a\u{308}",
        "h:日本",
        "h:🦀",
        "h:\n",
        "h:\r\n",
        "h:\t",
        "h:\0",
        "h:\"",
        "h:'",
        "h:$a",
        "h:#",
        "h:?",
        "h:[a]",
        "h:^",
        "h:a:meta",
        "h:a:events",
    ]
    .map(str::to_owned)
    .to_vec();
    let long = format!("h:{}", "x".repeat(1022));
    names.push(format!("{}y", &long[..1023]));
    names.push(long[..1023].to_owned());
    names.push(long);
    names.push(format!("h:{}", "ä".repeat(511)));
    names.push(format!("h:{}", ".".repeat(1022)));
    names
}

/// Whatever names of logs look like, what is appended under one is not found under another.
pub async fn odd_names_of_logs_do_not_meet(stage: Stage) {
    let node = stage.node().await;
    let names = odd_names();
    join_all(names.iter().map(|name| node.follow(name))).await;
    join_all(names.iter().map(|name| node.append(name, name.clone()))).await;
    for name in &names {
        let page = node.read(name, 0).await;
        assert_eq!(payloads(&page.entries), [name], "read of {name:?}");
        let told = node.entries(name, 1).await;
        assert_eq!(payloads(&told), [name], "told of {name:?}");
    }
}

/// Whatever keys of records look like, each is found as it was written.
pub async fn odd_keys_of_records_do_not_meet(stage: Stage) {
    let node = stage.node().await;
    let keys = odd_names();
    let put = async |key: &String| changed(node.put(key, Some(key), None).await);
    join_all(keys.iter().map(put)).await;
    for key in &keys {
        let there = node.get(key).await;
        assert_eq!(there.map(|record| record.value), Some(key.clone().into()), "{key:?}");
    }
    let found: HashSet<String> = done(node.engine.keys("")).await.into_iter().collect();
    assert_eq!(found, keys.into_iter().collect());
}

/// A log, a topic and a record of one name have nothing to do with each other.
pub async fn names_of_logs_topics_and_records_do_not_meet(stage: Stage) {
    let node = stage.node().await;
    node.subscribe("a").await;
    changed(node.put("a", Some("record"), None).await);
    node.append("a", "entry").await;
    node.follow("a").await;
    node.publish("a", "message");
    node.append("a", "entry 2").await;
    assert_eq!(payloads(&node.entries("a", 1).await), ["entry 2"]);
    assert_eq!(payloads(&node.read("a", 0).await.entries), ["entry", "entry 2"]);
    assert_eq!(node.get("a").await.map(|record| record.value), Some("record".into()));
    assert!(node.heard.so_far(|notes| notes.messages.iter().all(|(_, text)| text == "message")));
}

/// Two gateways with prefixes of their own share a server and nothing else.
pub async fn prefixes_do_not_meet(stage: Stage) {
    let (node, stranger) = (stage.node().await, stage.stranger().await);
    stranger.subscribe("ch:a").await;
    stranger.follow("h:a").await;
    node.publish("ch:a", "not for you");
    node.append("h:a", "not for you").await;
    changed(node.put("user:a", Some("mine"), None).await);
    assert_eq!(stranger.read("h:a", 0).await.head.offset, 0);
    assert_eq!(stranger.get("user:a").await, None);
    assert!(done(stranger.engine.keys("")).await.is_empty());
    // What the stranger is told comes in order: what is not before its own entry does not come.
    stranger.append("h:a", "mine").await;
    assert_eq!(payloads(&stranger.entries("h:a", 1).await), ["mine"]);
    assert!(stranger.heard.so_far(|notes| notes.messages.is_empty()));
}
