//! What gateways decide together: how much a user may say, and whose tokens were taken back.

use reqwest::Method;
use serde_json::{Value, json};
use ws_test_servers::{Nats, NatsOptions, Redis, RedisOptions};

use crate::{
    process::{Client, Process},
    story::House,
};

const KEY: &str = "correct-horse-battery-staple";

async fn order(gateway: &Process, path: &str, body: Value) -> Value {
    let url = format!("http://{}{path}", gateway.address);
    let request = reqwest::Client::new().request(Method::POST, url);
    let request = request.bearer_auth(KEY).header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.expect("an answer");
    serde_json::from_str(&answer.text().await.expect("a text")).expect("JSON")
}

async fn answered(client: &mut Client, pings: u32) -> u32 {
    let mut answered = 0;
    for n in 0..pings {
        client.send(json!({ "type": "ping", "id": n })).await;
        answered += u32::from(client.next().await["type"] == "pong");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    answered
}

/// Two gateways give a user one allowance; a token that one takes back is no good at the other, nor at one that is
/// started later.
async fn they_decide_together(house: House, engine: &str) {
    let house =
        house.with("API_KEY", KEY).with("LIMITS_SCOPE", "cluster").with("MESSAGE_RATE_LIMIT", "60");
    let (a, b) = tokio::join!(house.open_and_up(engine), house.open_and_up(engine));
    let token = a.token("ada");
    let visit = async |gateway: &Process| {
        let target = format!("ws://{}/ws?token={token}", gateway.address);
        let mut client = Client::connect(&target).await;
        assert_eq!(client.next().await["userId"], "ada");
        client
    };
    let (mut here, mut there) = (visit(&a).await, visit(&b).await);
    let started = tokio::time::Instant::now();
    let total = answered(&mut here, 70).await + answered(&mut there, 70).await;
    // A token a second; and fifteen on credit while a gateway does not know of another.
    let more = 2 * 15 + 1 + started.elapsed().as_secs() as u32;
    assert!((60..=60 + more).contains(&total), "{total}, and at most {more} more than 60");

    let said = order(&a, "/api/tokens/revoke", json!({ "sub": "ada" })).await;
    assert_eq!(said["disconnected"], 1, "{said}");
    for client in [&mut here, &mut there] {
        client.until_type("error").await;
        assert_eq!(client.closed().await, (3000, "Token revoked".to_owned()));
    }
    a.signal("KILL").await;
    let c = house.open_and_up(engine).await;
    for gateway in [&b, &c] {
        let refused = async || {
            let url = format!("http://{}/ws?token={token}", gateway.address);
            let upgrade = reqwest::Client::new().get(url);
            let upgrade = upgrade.header("connection", "Upgrade").header("upgrade", "websocket");
            let upgrade = upgrade.header("sec-websocket-version", "13");
            let upgrade = upgrade.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
            upgrade.send().await.expect("an answer").status() == 401
        };
        // The one that was started has to have read it.
        let mut tries = 0;
        while !refused().await {
            tries += 1;
            assert!(tries < 500, "it is good at a gateway that was started later");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_revocations_hold_for_all_gateways_with_redis_between_them() {
    let redis = Redis::start(&RedisOptions::default()).expect("a redis-server");
    let port = redis.port().to_string();
    let variables = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &*port)];
    they_decide_together(House::new("redis-together", &variables), "redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_revocations_hold_for_all_gateways_with_nats_between_them() {
    let nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    they_decide_together(House::new("nats-together", &[("NATS_URL", &nats.url())]), "nats").await;
}
