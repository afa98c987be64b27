//! Limits that are watched, priced, or one for all gateways.

use serde_json::{Value, json};
use ws_broker::MemoryCluster;

use crate::{
    client::Client,
    exchange::{fetch, get, upgrade},
    house::House,
};

fn counted(page: &str, line: &str) -> f64 {
    let found = page.lines().find_map(|it| it.strip_prefix(line));
    let found = found.unwrap_or_else(|| panic!("no {line} in {page}"));
    found.trim().parse().expect("a number")
}

async fn codes(client: &mut Client, count: usize) -> Vec<Value> {
    let mut codes = Vec::new();
    for n in 0..count {
        codes.push(client.ask(json!(n)).await["code"].clone());
    }
    codes
}

#[tokio::test]
async fn a_limit_in_shadow_mode_refuses_nobody_and_counts_whom_it_would_have_refused() {
    let file = "[tiers.strict]\nmessages_per_minute = 2\nmode = \"enforce\"\n\
                [limits]\nmessage_rate_limit = 2\n";
    let variables = [("RATE_LIMIT_MODE", "shadow"), ("CONNECTION_RATE_LIMIT", "2")];
    let house = House::open_with_file(&variables, file);
    let mut ada = house.visit("ada").await;
    assert!(codes(&mut ada, 5).await.iter().all(Value::is_null));
    let strict = house.mint(&ws_auth::TokenRequest::new("bob").tier("strict"));
    let mut bob = Client::connect(house.address, &format!("/ws?token={strict}")).await;
    assert_eq!(bob.next().await["type"], "connected");
    let refused = [Value::Null, Value::Null, json!("rate_limited")];
    assert_eq!(codes(&mut bob, 3).await, refused);
    // A third connect of two.
    house.visit("eve").await;
    let page = get(house.address, "/metrics").await.body;
    assert_eq!(counted(&page, "ws_limiter_shadow_denials_total{limiter=\"messages\"}"), 3.0);
    assert_eq!(counted(&page, "ws_limiter_shadow_denials_total{limiter=\"connects\"}"), 1.0);
    assert_eq!(counted(&page, "ws_limiter_denials_total{limiter=\"messages\"}"), 1.0);
    let stats = get(house.address, "/stats").await.json();
    assert_eq!(stats["rate_limits"]["messages"]["shadowed"], 3);
}

#[tokio::test]
async fn connects_are_enforced_while_messages_are_watched() {
    let house = House::open(&[
        ("RATE_LIMIT_MODE", "shadow"),
        ("CONNECTION_RATE_LIMIT_MODE", "enforce"),
        ("CONNECTION_RATE_LIMIT", "1"),
    ]);
    house.visit("ada").await;
    assert_eq!(fetch(house.address, upgrade("/ws", "")).await.status, 429);
}

#[tokio::test]
async fn messages_cost_by_their_kind_and_their_length() {
    let file = "[costs]\nping = 0\npublish = 2\n";
    let variables = [("MESSAGE_RATE_LIMIT", "20"), ("MESSAGE_COST_BYTES", "4KiB")];
    let house = House::open_with_file(&variables, file);
    let mut ada = house.visit("ada").await;
    for _ in 0..50 {
        ada.send(json!({ "type": "ping" })).await;
        assert_eq!(ada.next().await["type"], "pong");
    }
    let publish = json!({ "type": "publish", "id": 1, "channel": "c", "data": "x".repeat(65_536) });
    // Two, and sixteen; two are left, which is as much as a short one takes.
    ada.send(publish.clone()).await;
    assert_eq!(ada.next().await["type"], "ack");
    ada.send(publish).await;
    assert_eq!(ada.next().await["code"], "rate_limited");
    // On the wire they were a few hundred bytes: what counts is what they inflate to.
    assert_eq!(house.handler.config().compression.stats().inflated_messages, 2);
    let short = json!({ "type": "publish", "id": 2, "channel": "c", "data": 1 });
    ada.send(short.clone()).await;
    assert_eq!(ada.next().await["type"], "ack");
    ada.send(short).await;
    assert_eq!(ada.next().await["code"], "rate_limited");
}

#[tokio::test]
async fn two_gateways_have_one_limit_together() {
    let cluster = MemoryCluster::new();
    let variables = [("LIMITS_SCOPE", "cluster"), ("MESSAGE_RATE_LIMIT", "40")];
    let [a, b] = std::array::from_fn(|_| House::open_beside(cluster.node(), &variables, ""));
    let mut answered = 0;
    for house in [&a, &b] {
        let mut ada = house.visit("ada").await;
        for n in 0..45 {
            answered += usize::from(ada.ask(json!(n)).await["type"] == "response");
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
    // As long as they do not know of each other each gives ten on credit; and a token comes in 1.5 s.
    assert!((40..=40 + 2 * 10 + 5).contains(&answered), "{answered}");
    let page = get(b.address, "/metrics").await.body;
    assert!(counted(&page, "ws_limiter_settlements_total{limiter=\"messages\"}") >= 1.0);
    assert!(counted(&page, "ws_limiter_denials_total{limiter=\"messages\"}") >= 1.0);
    let stats = get(a.address, "/stats").await.json();
    assert!(stats["rate_limits"]["cluster"]["messages"]["settled"].as_u64() >= Some(1), "{stats}");
}
