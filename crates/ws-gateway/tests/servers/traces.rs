//! Gateways as processes with a real server between them, and one trace over both.

use std::time::Duration;

use serde_json::json;
use tokio::{net::TcpStream, time::timeout};
use ws_test_servers::{Nats, NatsOptions, Redis, RedisOptions};

use crate::{
    collector::{Collector, TRACE, TRACEPARENT, Told, one},
    process::{Client, answer_to, upgrade},
    story::House,
};

/// Ada publishes at one gateway, Bob reads at the other: in a channel that keeps nothing and in one that keeps
/// everything.
async fn a_publish_is_one_trace(house: House, engine: &str) {
    let collector = Collector::open().await;
    let house = house
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address)
        .with("OTEL_BSP_SCHEDULE_DELAY", "1")
        .with("LOG_FORMAT", "json");
    let a = house.open_and_up(engine).await;
    let house = house.with("OTEL_SERVICE_NAME", "b");
    let b = house.open_and_up(engine).await;
    let (mut ada, mut bob) = (a.visit("ada").await, b.visit("bob").await);
    bob.follow("chat", None).await;
    bob.follow("orders", None).await;
    let mut expected = 0;
    for (channel, hop) in [("chat", "broker publish"), ("orders", "broker append")] {
        ada.send(
            json!({ "type": "publish", "channel": channel, "data": 1, "traceparent": TRACEPARENT }),
        )
        .await;
        bob.until(channel).await;
        // Publish and hop there, arrival and delivery here.
        expected += 4;
        let spans = collector.spans(expected).await;
        let of_channel = |span: &&Told| span.said["ws.channel"] == channel;
        let spans: Vec<_> = spans.iter().filter(of_channel).cloned().collect();
        let [publish, hop] = ["publish", hop].map(|name| one(&spans, "ws-gateway", name));
        let [arrival, delivery] = ["broker receive", "delivery"].map(|name| one(&spans, "b", name));
        for (parent, child) in [(publish, hop), (hop, arrival), (arrival, delivery)] {
            assert_eq!(child.parent, parent.id, "{spans:#?}");
        }
        assert_eq!(arrival.said["messaging.system"], engine);
    }
    // A message to a user goes the same way, to the gateway that has the user.
    until_known(&mut ada, &mut bob).await;
    let chat = json!({ "to": "bob", "message": "hello" });
    ada.send(json!({ "type": "chat", "payload": chat, "traceparent": TRACEPARENT })).await;
    while bob.until_type("chat").await["message"] != "hello" {}
    let spans = collector.spans(expected + 4).await;
    let of_user = |span: &&Told| !span.said.contains_key("ws.channel");
    let spans: Vec<_> = spans.iter().filter(of_user).cloned().collect();
    let [chat, hop] = ["chat", "broker publish"].map(|name| one(&spans, "ws-gateway", name));
    let [arrival, delivery] = ["broker receive", "delivery"].map(|name| one(&spans, "b", name));
    for (parent, child) in [(chat, hop), (hop, arrival), (arrival, delivery)] {
        assert_eq!(child.parent, parent.id, "{spans:#?}");
    }
    assert_eq!((&*hop.said["messaging.system"], &*delivery.said["ws.receivers"]), (engine, "1"));
    // What is logged on the way is logged with the trace.
    let target = format!("/ws?token={}", a.token("eve"));
    let header = format!("\r\ntraceparent: {TRACEPARENT}\r\n");
    let request = upgrade(&target).replacen("\r\n", &header, 1);
    let mut socket = TcpStream::connect(a.address).await.expect("it listens");
    assert!(answer_to(&mut socket, &request).await.starts_with("HTTP/1.1 101"));
    a.logs(&format!("\"trace_id\":\"{TRACE}\"")).await;
}

/// Where somebody is, other gateways learn a moment after; until then nobody is found there.
async fn until_known(ada: &mut Client, bob: &mut Client) {
    loop {
        let chat = json!({ "to": "bob", "message": "are you there?" });
        ada.send(json!({ "type": "chat", "payload": chat })).await;
        if timeout(Duration::from_millis(200), bob.until_type("chat")).await.is_ok() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_is_one_trace_over_two_gateways_and_redis() {
    let redis = Redis::start(&RedisOptions::default()).expect("a redis-server");
    let variables = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &*redis.port().to_string())];
    a_publish_is_one_trace(House::new("redis-traces", &variables), "redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_is_one_trace_over_two_gateways_and_nats() {
    let nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    let house = House::new("nats-traces", &[("NATS_URL", &nats.url())]);
    a_publish_is_one_trace(house, "nats").await;
}
