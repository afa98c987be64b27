//! What is carried and kept: any bytes.

use bytes::Bytes;
use futures_util::future::join_all;

use super::stage::{Stage, payloads};

/// The largest payload that every engine takes, with room for what an engine wraps around it.
const LARGE_BYTES: usize = (1 << 20) - (16 << 10);

/// None, every byte there is, what looks like a protocol, many.
pub(super) fn odd_payloads() -> Vec<Bytes> {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let large: Vec<u8> = (0..LARGE_BYTES).map(|index| (index % 251) as u8).collect();
    vec![
        Bytes::new(),
        Bytes::from(every),
        Bytes::from_static(b"\r\n"),
        Bytes::from_static(b"+OK\r\nPUB a 1\r\n$-1\r\n"),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"\xff\xfe not UTF-8"),
        Bytes::from(large),
        Bytes::from_static(b"last"),
    ]
}

/// Entries are read and told as they were appended.
pub async fn entries_are_as_they_were_appended(stage: Stage) {
    let node = stage.node().await;
    node.follow("h:a").await;
    let sent = odd_payloads();
    for payload in &sent {
        node.append("h:a", payload.clone()).await;
    }
    assert!(payloads(&node.entries("h:a", sent.len()).await) == sent, "told otherwise");
    assert!(payloads(&node.read("h:a", 0).await.entries) == sent, "read otherwise");
}

/// Records are got as they were put; one that is empty is there.
pub async fn records_are_as_they_were_put(stage: Stage) {
    let node = stage.node().await;
    let small = odd_payloads().into_iter().filter(|payload| payload.len() < 1024);
    let puts = small.enumerate().map(async |(number, value)| {
        let key = format!("user:{number}");
        let put = super::stage::done(node.engine.put(&key, Some(value.clone()), None)).await;
        assert!(put.is_ok(), "nothing was there: {put:?}");
        let there = node.get(&key).await;
        assert_eq!(there.map(|record| record.value), Some(value));
    });
    join_all(puts).await;
}
