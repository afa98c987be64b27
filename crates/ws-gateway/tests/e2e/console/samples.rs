//! What is told each second, and when it is not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn whoever_has_the_key_is_told_what_this_is_and_how_it_goes_each_second() {
    let house = House::with_console(&[("COMPRESSION_THRESHOLD", "2048")]);
    let (mut viewer, hello) = house.look_in().await;
    assert_eq!(hello["version"], env!("CARGO_PKG_VERSION"));
    let told = ["dev", "canMint", "engine", "websocketPath"].map(|name| hello[name].clone());
    assert_eq!(told, [json!(false), json!(false), json!("memory"), json!("/ws")]);
    assert_eq!(hello["node"], format!("{:016x}", house.handler.node()));
    let settings = json!({
        "authMode": "message", "compressionEnabled": true, "compressionThreshold": 2048,
        "heartbeatMs": 30000, "maxFrameSize": 1 << 20, "messageRateLimit": 6000,
    });
    assert_eq!(hello["settings"], settings);
    let (now, started) = (hello["now"].as_u64(), hello["startedAt"].as_u64());
    assert!(started > Some(1_600_000_000_000) && now >= started, "{hello}");

    let first = viewer.sample().await;
    assert_eq!(
        (&first["gauges"]["viewers"], &first["gauges"]["connections"]),
        (&json!(1), &json!(0))
    );
    let second = viewer.sample().await;
    let passed = second["at"].as_u64().expect("a time") - first["at"].as_u64().expect("a time");
    assert!((700..2500).contains(&passed), "{passed} ms between two samples");
    assert_eq!(second["broker"]["up"], true);
    #[cfg(target_os = "linux")]
    assert!(second["gauges"]["memory_rss"].as_u64() > Some(1 << 20), "{second}");
}

#[tokio::test]
async fn a_sample_has_the_numbers_of_what_was_done() {
    let house = House::with_console(&[("CONNECTION_RATE_LIMIT", "100")]);
    let (mut viewer, _) = house.look_in().await;
    let before = viewer.sample().await;
    let [mut ada, mut bob] = [house.visit("ada").await, house.visit("bob").await];
    for client in [&mut ada, &mut bob] {
        client.subscribe("news").await;
    }
    for n in 0..20 {
        ada.send(json!({ "type": "publish", "channel": "news", "data": n })).await;
        assert_eq!(bob.next().await["data"], n);
    }
    assert_eq!(ada.ask(json!("x".repeat(4000))).await["data"], json!(0));
    ada.send(json!({ "type": "nonsense" })).await;
    let counted = |sample: &Value| sample["errors"]["unknown_type"] == 1;
    let sample = viewer.sample_where(counted).await;
    let gauges = &sample["gauges"];
    let here = ["connections", "online_users", "channels", "subscriptions", "rooms", "viewers"];
    let here = here.map(|name| gauges[name].as_u64().expect("a number"));
    assert_eq!(here, [2, 2, 1, 2, 0, 1]);
    let grown = |name: &str| {
        let of = |sample: &Value| sample["counters"][name].as_u64().expect("a number");
        of(&sample) - of(&before)
    };
    // Two subscribes, twenty publishes, a request, and one that nobody understands.
    assert_eq!(grown("messages_received"), 24);
    assert_eq!((grown("published"), grown("messages_delivered")), (20, 40));
    assert_eq!(
        sample["messages"],
        json!({ "subscribe": 2, "publish": 20, "request": 1, "custom": 1 })
    );
    assert_eq!(grown("compressed_messages"), 1, "the answer of 4,000 characters");
    assert!(grown("compression_before") > 4000 && grown("compression_after") < 200);
    assert!(grown("received_bytes") > 500 && grown("sent_bytes") > 2000);
    assert!(grown("writes") >= 40 && grown("frames_received") >= 24);
    #[cfg(target_os = "linux")]
    assert!(grown("cpu_us") > 0);
    bob.leave().await;
    viewer.sample_where(|sample| sample["ends"] == json!({ "peer_closed": 1 })).await;
}

#[tokio::test]
async fn nothing_is_sampled_while_nobody_looks_and_one_sample_is_for_all() {
    let house = House::with_console(&[]);
    let (mut viewer, _) = house.look_in().await;
    let (mut other, _) = house.look_in().await;
    let seen = viewer.sample_where(|sample| sample["gauges"]["viewers"] == 2).await;
    let number = |sample: &Value| sample["counters"]["samples"].as_u64().expect("a number");
    let same = other.sample_where(|sample| number(sample) >= number(&seen)).await;
    if number(&same) == number(&seen) {
        assert_eq!(same, seen, "two viewers are told the same");
    }
    let last = number(&other.sample().await);
    viewer.leave().await;
    other.leave().await;
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let (mut late, _) = house.look_in().await;
    let fresh = late.sample().await;
    // One may have been due when they left.
    assert!((last + 1..=last + 2).contains(&number(&fresh)), "{last}, then {fresh}");
    let age = fresh["at"].as_u64().expect("a time");
    let again = late.sample().await["at"].as_u64().expect("a time");
    assert!(again - age < 2500, "what was told first was of long ago");
}
