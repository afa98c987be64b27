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

/// Two gateways give a user one allowance; a token that one takes back is no good at the other, nor for a moment at
/// one that is started later, nor at one that is started while the engine hangs.
async fn they_decide_together(
    house: House,
    engine: &str,
    pause: impl FnOnce(),
    resume: impl FnOnce(),
) {
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
    let told = tokio::time::Instant::now();
    for client in [&mut here, &mut there] {
        client.until_type("error").await;
        assert_eq!(client.closed().await, (3000, "Token revoked".to_owned()));
    }
    // When the second is over in which it was said, and one more; a machine that tests may be slow.
    assert!(told.elapsed() < std::time::Duration::from_secs(8), "{:?}", told.elapsed());
    a.signal("KILL").await;
    let c = house.open_and_up(engine).await;
    for gateway in [&b, &c] {
        assert_eq!(judged(gateway, &token).await, 401);
    }
    // One that is started while the engine hangs takes no token, and is sent nobody.
    pause();
    let d = house.open().await;
    assert_eq!(d.page("/ready").await["status"], "revocations_unknown");
    for token in [&token, &d.token("bob")] {
        assert_eq!(upgraded(&d, token).await, (503, json!("revocations_unknown")));
    }
    resume();
    d.until_engine(engine, "ok").await;
    assert_eq!(judged(&d, &token).await, 401);
    assert_eq!(d.page("/ready").await["status"], "ready");
    d.visit("bob").await;
}

/// Status and code of the answer to an upgrade with that token.
async fn upgraded(gateway: &Process, token: &str) -> (u16, Value) {
    let url = format!("http://{}/ws?token={token}", gateway.address);
    let upgrade = reqwest::Client::new().get(url);
    let upgrade = upgrade.header("connection", "Upgrade").header("upgrade", "websocket");
    let upgrade = upgrade.header("sec-websocket-version", "13");
    let upgrade = upgrade.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = upgrade.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let body = if status == 101 { String::new() } else { answer.text().await.expect("a text") };
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    (status, body["code"].clone())
}

/// The status when the gateway knows what was revoked; until then it lets nobody in.
async fn judged(gateway: &Process, token: &str) -> u16 {
    for _ in 0..50 {
        match upgraded(gateway, token).await {
            (503, code) => assert_eq!(code, "revocations_unknown"),
            (status, _) => return status,
        }
    }
    panic!("it does not read what was revoked:\n{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_revocations_hold_for_all_gateways_with_redis_between_them() {
    let redis = Redis::start(&RedisOptions::default()).expect("a redis-server");
    let port = redis.port().to_string();
    let house =
        House::new("redis-together", &[("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &*port)]);
    let pause = || redis.pause().expect("it is stopped");
    let resume = || redis.resume().expect("it goes on");
    they_decide_together(house, "redis", pause, resume).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_revocations_hold_for_all_gateways_with_nats_between_them() {
    let nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    let house = House::new("nats-together", &[("NATS_URL", &nats.url())]);
    let pause = || nats.pause().expect("it is stopped");
    let resume = || nats.resume().expect("it goes on");
    they_decide_together(house, "nats", pause, resume).await;
}
