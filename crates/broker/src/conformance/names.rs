//! Names and prefixes.

use super::stage::{Stage, payloads};

/// Names that would meet if they were escaped carelessly.
fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "h:a",
        "h:A",
        "h:a ",
        " h:a",
        "h: a",
        "h:a.b",
        "h:a_b",
        "h:a-b",
        "h:a/b",
        "h:a\\b",
        "h:a=b",
        "h:a%2Eb",
        "h:a=2Eb",
        "h:*",
        "h:>",
        "h:a.*",
        "h:a.>",
        "h:.",
        "h:..",
        "h:a..b",
        "h:a.",
        "h:{a}",
        "h:{a}b",
        "h:}{",
        "h:a:b",
        "h::a",
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
    ]
    .map(str::to_owned)
    .to_vec();
    let long = format!("h:{}", "x".repeat(1022));
    names.push(format!("{}y", &long[..1023]));
    names.push(long);
    names.push(format!("h:{}", "ä".repeat(511)));
    names
}

/// Whatever names look like, what is appended under one is not found under another.
pub async fn odd_names_do_not_meet(stage: Stage) {
    let node = stage.node().await;
    let names = odd_names();
    for name in &names {
        node.follow(name).await;
    }
    for name in &names {
        node.append(name, name.clone()).await;
    }
    for name in &names {
        let page = node.read(name, 0).await;
        assert_eq!(payloads(&page.entries), [name], "read of {name:?}");
        let told = node.entries(name, 1).await;
        assert_eq!(payloads(&told), [name], "told of {name:?}");
    }
}

/// Two gateways with prefixes of their own share a server and nothing else.
pub async fn prefixes_do_not_meet(stage: Stage) {
    let (node, stranger) = (stage.node().await, stage.stranger().await);
    stranger.subscribe("ch:a").await;
    stranger.follow("h:a").await;
    node.publish("ch:a", "not for you");
    node.append("h:a", "not for you").await;
    assert!(node.put("user:a", Some("mine"), None).await.is_ok());
    assert_eq!(stranger.read("h:a", 0).await.head.offset, 0);
    assert_eq!(stranger.get("user:a").await, None);
    // What the stranger is told comes in order: what is not before its own entry does not come.
    stranger.append("h:a", "mine").await;
    assert_eq!(payloads(&stranger.entries("h:a", 1).await), ["mine"]);
    assert!(stranger.heard.so_far(|record| record.messages.is_empty()));
}
