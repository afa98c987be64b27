//! That what the file says of channels is what clients meet.

use serde_json::{Value, json};

use crate::{client::Client, house::House};

const FILE: &str = r#"
[[channels]]
pattern = "news"
subscribe = true

[[channels]]
pattern = "chat:*"
subscribe = true
publish = true
allowed_events = ["user_message"]
rate_limit = 2

[[channels]]
pattern = "chat:closed"

[[channels]]
pattern = "user:{user_id}:*"
subscribe = true

[subscriptions]
max_channels_per_connection = 3
max_connections_per_channel = 2
"#;

async fn subscribe(client: &mut Client, channel: &str) -> Value {
    client.send(json!({ "type": "subscribe", "channel": channel, "id": 1 })).await;
    client.next().await
}

async fn publish(client: &mut Client, channel: &str, event: &str) -> Value {
    let publish =
        json!({ "type": "publish", "channel": channel, "event": event, "data": 1, "id": 2 });
    client.send(publish).await;
    client.next().await
}

#[tokio::test]
async fn section_6_rules_of_the_file_decide_and_a_denial_names_the_rule() {
    let house = House::open_with_file(&[], FILE);
    let mut ada = house.visit("ada").await;
    for channel in ["news", "chat:1", "user:ada:inbox"] {
        assert_eq!(subscribe(&mut ada, channel).await["type"], "subscribed", "{channel}");
    }
    for (channel, sentence) in [
        ("chat:closed", "by the rule chat:closed"),
        ("user:bob:inbox", "reserved"),
        ("orders", "no rule allows this channel"),
    ] {
        let denied = subscribe(&mut ada, channel).await;
        assert_eq!(denied["code"], "forbidden", "{channel}: {denied}");
        assert!(denied["message"].as_str().is_some_and(|it| it.contains(sentence)), "{denied}");
    }
    for (channel, event, sentence) in [
        ("news", "flash", "by the rule news"),
        ("chat:1", "flash", "the event is not allowed by the rule chat:*"),
    ] {
        let denied = publish(&mut ada, channel, event).await;
        assert_eq!(denied["code"], "forbidden", "{channel}: {denied}");
        assert!(denied["message"].as_str().is_some_and(|it| it.contains(sentence)), "{denied}");
    }
}

#[tokio::test]
async fn section_6_the_rate_of_a_rule_is_that_of_a_user_in_a_channel() {
    let house = House::open_with_file(&[], FILE);
    let mut ada = house.visit("ada").await;
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(publish(&mut ada, "chat:1", "user_message").await["code"].clone());
    }
    // A machine that halts for half a second between two of them lets one more through.
    assert_eq!(codes[..2], [Value::Null, Value::Null]);
    assert!(codes.contains(&json!("rate_limited")), "{codes:?}");
    assert_eq!(publish(&mut ada, "chat:2", "user_message").await["type"], "ack");
    let mut bob = house.visit("bob").await;
    assert_eq!(publish(&mut bob, "chat:1", "user_message").await["type"], "ack");
}

#[tokio::test]
async fn section_6_subscriptions_are_limited_as_configured() {
    let house = House::open_with_file(&[], FILE);
    let mut ada = house.visit("ada").await;
    for channel in ["chat:1", "chat:2", "chat:3"] {
        assert_eq!(subscribe(&mut ada, channel).await["type"], "subscribed", "{channel}");
    }
    assert_eq!(subscribe(&mut ada, "chat:4").await["code"], "too_many_subscriptions");
    let mut bob = house.visit("bob").await;
    assert_eq!(subscribe(&mut bob, "chat:1").await["type"], "subscribed");
    let mut eve = house.visit("eve").await;
    assert_eq!(subscribe(&mut eve, "chat:1").await["code"], "channel_full");
}

#[tokio::test]
async fn section_4_9_without_rules_any_channel_may_be_used_but_the_reserved_ones() {
    let house = House::open(&[]);
    let mut ada = house.visit("ada").await;
    assert_eq!(subscribe(&mut ada, "anything").await["type"], "subscribed");
    for channel in ["user:ada:inbox", "$SYS"] {
        assert_eq!(subscribe(&mut ada, channel).await["code"], "forbidden", "{channel}");
    }
}
