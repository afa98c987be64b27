//! Several gateways with an engine between them, in one process: what crosses from one to another, and what
//! becomes of it while the engine is away.

use serde_json::{Value, json};
use ws_broker::MemoryCluster;

use crate::{back_end::KEY, client::Client, exchange::get, house::House};

const RULES: &str = r#"
[[channels]]
pattern = "orders"
subscribe = true
publish = true
history = { size = 1000, ttl = "1h" }

[[channels]]
pattern = "patient"
subscribe = true
publish = true
history = { size = 1000, ttl = "1h" }
on_outage = "queue"

[[channels]]
pattern = "strict:*"
subscribe = true
publish = true
on_outage = "refuse"

[[channels]]
pattern = "*"
subscribe = true
publish = true
presence = true
"#;

/// So many gateways behind one engine, and its switches.
fn houses<const COUNT: usize>(variables: &[(&str, &str)]) -> (MemoryCluster, [House; COUNT]) {
    let cluster = MemoryCluster::new();
    let variables = [&[("API_KEY", KEY)], variables].concat();
    let houses = std::array::from_fn(|_| House::open_beside(cluster.node(), &variables, RULES));
    (cluster, houses)
}

impl Client {
    /// Publishes, and reads the answer without its time.
    async fn publish(&mut self, channel: &str, data: Value) -> Value {
        let message = json!({ "type": "publish", "id": 1, "channel": channel, "data": data });
        self.send(message).await;
        self.next_untimed().await
    }

    /// Subscribes, perhaps as one that comes back, and reads the answer without its time.
    async fn follow(&mut self, channel: &str, since: Option<&Value>) -> Value {
        let mut message = json!({ "type": "subscribe", "channel": channel });
        if let Some(since) = since {
            message["since"] = json!({ "epoch": since["epoch"], "offset": since["offset"] });
        }
        self.send(message).await;
        let answer = self.next_untimed().await;
        assert_eq!(answer["type"], "subscribed", "{answer}");
        answer
    }

    /// Offset and data of the next message.
    async fn next_kept(&mut self) -> (u64, Value) {
        let message = self.next().await;
        assert_eq!(message["type"], "message", "{message}");
        (message["offset"].as_u64().expect("an offset"), message["data"].clone())
    }
}

#[tokio::test]
async fn section_4_11_a_publish_reaches_who_is_connected_to_another_gateway_once() {
    let (_engine, [a, b, c]) = houses(&[]);
    let [mut ada, mut bob, mut eve] =
        [a.visit("ada").await, b.visit("bob").await, c.visit("eve").await];
    for client in [&mut ada, &mut bob] {
        client.subscribe("chat").await;
    }
    eve.subscribe("elsewhere").await;
    ada.send(json!({ "type": "publish", "channel": "chat", "event": "said", "data": [1],
                     "eventId": "e" }))
        .await;
    let expect = json!({ "type": "message", "channel": "chat", "event": "said", "data": [1],
                         "from": "ada", "eventId": "e" });
    assert_eq!(ada.next_untimed().await, expect);
    assert_eq!(bob.next_untimed().await, expect);
    // A back-end's as well, through whichever gateway.
    c.order("/api/publish", json!({ "channel": "chat", "data": 2 })).await;
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.next().await["data"], json!(2));
    }
    // Who has left hears no more.
    bob.send(json!({ "type": "unsubscribe", "channel": "chat" })).await;
    assert_eq!(bob.next().await["type"], "unsubscribed");
    ada.publish("chat", json!(3)).await;
    for client in [&mut bob, &mut eve] {
        client.has_heard_all().await;
    }
}

#[tokio::test]
async fn section_4_11_what_is_kept_has_one_order_for_all_gateways() {
    let (_engine, [a, b]) = houses(&[]);
    let [mut ada, mut bob] = [a.visit("ada").await, b.visit("bob").await];
    for client in [&mut ada, &mut bob] {
        client.follow("orders", None).await;
    }
    let both = async |house: &House, user: &'static str| {
        let mut client = house.visit(user).await;
        for n in 0..50 {
            client.send(json!({ "type": "publish", "channel": "orders", "data": [user, n] })).await;
        }
        client.has_heard_all().await;
    };
    tokio::join!(both(&a, "one"), both(&b, "two"));
    let mut seen = Vec::new();
    for _ in 0..100 {
        let (at_a, at_b) = (ada.next_kept().await, bob.next_kept().await);
        assert_eq!(at_a, at_b);
        seen.push(at_a);
    }
    assert!(seen.iter().map(|(offset, _)| *offset).eq(1..=100));
    for user in ["one", "two"] {
        let of_user = seen.iter().filter(|(_, data)| data[0] == user);
        assert!(of_user.map(|(_, data)| data[1].as_u64().unwrap()).eq(0..50), "{user}");
    }
}

#[tokio::test]
async fn section_4_11_who_comes_back_to_another_gateway_is_given_what_it_missed() {
    let (_engine, [a, b]) = houses(&[]);
    let mut bob = b.visit("bob").await;
    let mut ada = a.visit("ada").await;
    let since = ada.follow("orders", None).await;
    ada.leave().await;
    // The gateway that it was connected to is gone with everybody on it.
    drop(a);
    for n in 1..=5 {
        assert_eq!(
            bob.publish("orders", json!(n)).await,
            json!({ "type": "ack", "id": 1, "offset": n })
        );
    }
    let mut ada = b.visit("ada").await;
    let answer = ada.follow("orders", Some(&since)).await;
    assert_eq!(
        (&answer["recovered"], &answer["epoch"]),
        (&json!(true), &since["epoch"]),
        "{answer}"
    );
    for n in 1..=5 {
        assert_eq!(ada.next_kept().await, (n, json!(n)));
    }
    bob.publish("orders", json!(6)).await;
    assert_eq!(ada.next_kept().await, (6, json!(6)));
    let another = json!({ "epoch": "1", "offset": 3 });
    let mut eve = b.visit("eve").await;
    assert_eq!(eve.follow("orders", Some(&another)).await["recovered"], json!(false));
}

#[tokio::test]
async fn section_4_11_without_the_engine_a_rule_says_what_becomes_of_a_publish() {
    let (engine, [a, b]) = houses(&[]);
    let [mut ada, mut bob] = [a.visit("ada").await, b.visit("bob").await];
    let mut near = a.visit("near").await;
    for client in [&mut near, &mut bob] {
        for channel in ["chat", "orders", "patient"] {
            client.follow(channel, None).await;
        }
    }
    engine.set_down("it was switched off");
    let refused = ada.publish("orders", json!(1)).await;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("error"), &json!("broker_unavailable"))
    );
    assert!(refused["message"].as_str().unwrap().contains("it was not published"), "{refused}");
    let refused = ada.publish("strict:1", json!(1)).await;
    assert_eq!(refused["code"], json!("broker_unavailable"), "{refused}");
    // What has no history goes on here.
    assert_eq!(ada.publish("chat", json!("local")).await, json!({ "type": "ack", "id": 1 }));
    assert_eq!(near.next().await["data"], json!("local"));
    // What may wait is acknowledged when it is kept.
    ada.send(json!({ "type": "publish", "id": 2, "channel": "patient", "data": "kept" })).await;
    ada.has_heard_all().await;
    engine.set_up();
    let acknowledged = ada.next_untimed().await;
    assert_eq!(acknowledged, json!({ "type": "ack", "id": 2, "offset": 1 }));
    for client in [&mut near, &mut bob] {
        let mut came = [client.next().await, client.next().await];
        came.sort_by_key(|message| message["type"].to_string());
        assert_eq!((&came[0]["type"], &came[0]["channel"]), (&json!("gap"), &json!("*")));
        assert_eq!((&came[1]["data"], &came[1]["offset"]), (&json!("kept"), &json!(1)));
    }
    assert_eq!(ada.publish("orders", json!(2)).await["offset"], json!(1));
}

#[tokio::test]
async fn section_6_health_and_readiness_say_how_the_engine_is() {
    let (engine, [lenient]) = houses(&[]);
    let strict = House::open_beside(engine.node(), &[("BROKER_READY", "on")], "");
    for (state, ready) in [("ok", 200), ("down", 503), ("ok", 200)] {
        for (house, ready) in [(&lenient, 200), (&strict, ready)] {
            let health = get(house.address, "/health").await.json();
            assert_eq!((&health["broker"], &health["status"]), (&json!(state), &json!("ok")));
            assert_eq!(get(house.address, "/ready").await.status, ready, "{state}");
            let metrics = get(house.address, "/metrics").await.body;
            let up = u8::from(state == "ok");
            assert!(
                metrics.contains(&format!("ws_broker_up{{engine=\"memory\"}} {up}\n")),
                "{state}"
            );
        }
        if state == "ok" { engine.set_down("it was switched off") } else { engine.set_up() }
    }
    let stats = get(strict.address, "/stats").await.json();
    let broker = &stats["broker"];
    assert_eq!((&broker["status"], &broker["reconnects"]), (&json!("down"), &json!(1)), "{broker}");
    assert_eq!(broker["reason"], json!("it was switched off"));
}

#[tokio::test]
async fn section_6_a_back_end_is_told_where_its_message_is_kept_or_that_it_is_not() {
    let (engine, [a, b]) = houses(&[]);
    let mut ada = b.visit("ada").await;
    let since = ada.follow("orders", None).await;
    let body = json!({ "channel": "orders", "data": 1, "eventId": "e" });
    let expect = json!({ "duplicate": false, "epoch": since["epoch"], "offset": 1 });
    assert_eq!(a.order("/api/publish", body.clone()).await, expect);
    assert_eq!(ada.next_kept().await, (1, json!(1)));
    // Again, through another gateway: it was there already.
    let expect = json!({ "duplicate": true, "epoch": since["epoch"], "offset": 1 });
    assert_eq!(b.order("/api/publish", body.clone()).await, expect);
    for n in 2..=4 {
        a.order("/api/publish", json!({ "channel": "orders", "event": "n", "data": n })).await;
    }
    let page = b.look("/api/channels/orders/history?since=1&limit=2").await.json();
    let shown = |page: &Value| -> Vec<(u64, Value)> {
        let messages = page["messages"].as_array().expect("a list");
        let shown = |it: &Value| (it["offset"].as_u64().expect("an offset"), it["data"].clone());
        messages.iter().map(shown).collect()
    };
    assert_eq!(shown(&page), [(2, json!(2)), (3, json!(3))]);
    assert_eq!((&page["complete"], &page["next"]), (&json!(true), &json!(3)), "{page}");
    assert_eq!((&page["offset"], &page["epoch"]), (&json!(4), &since["epoch"]));
    assert_eq!(page["messages"][0]["event"], "n");
    let page = b.look("/api/channels/orders/history?since=3&epoch=1").await.json();
    assert_eq!((shown(&page), &page["next"]), (vec![(4, json!(4))], &Value::Null));
    assert_eq!(page["complete"], json!(false));
    assert_eq!(b.look("/api/channels/chat/history").await.status, 404);
    for n in 2..=4 {
        assert_eq!(ada.next_kept().await, (n, json!(n)));
    }
    engine.set_down("it was switched off");
    assert_eq!(b.look("/api/channels/orders/history").await.status, 503);
    let refused = a.post("/api/publish", body).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    let sentence = "the memory engine is not available: it was switched off";
    assert_eq!(refused.json(), json!({ "code": "broker_unavailable", "error": sentence }));
    let counted = a.handler.application().outcomes();
    let unavailable = counted.api_totals().find(|(label, _)| *label == "unavailable");
    assert_eq!(unavailable, Some(("unavailable", 1)));
    ada.has_heard_all().await;
}
