//! Gateways with NATS between them.

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use ws_broker_nats::{Bridge, Client, NatsConfig};
use ws_test_servers::{Nats, NatsCluster, NatsOptions};

use crate::{
    collector::{Collector, TRACE, TRACEPARENT, one},
    story::{self, House},
};

#[tokio::test(flavor = "multi_thread")]
async fn messages_cross_and_nothing_is_lost_with_a_gateway() {
    let nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    let house = House::new("nats-cross", &[("NATS_URL", &nats.url())]);
    story::messages_cross_and_nothing_is_lost_with_a_gateway(&house, "nats").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_cross_a_cluster_and_nothing_is_lost_with_a_gateway() {
    let cluster = NatsCluster::start(&NatsOptions::jetstream()).expect("three nodes");
    let urls = cluster.urls().join(",");
    let house = House::new("nats-cluster", &[("NATS_URL", &urls), ("NATS_REPLICAS", "3")]);
    story::messages_cross_and_nothing_is_lost_with_a_gateway(&house, "nats").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_outlive_a_server_that_is_killed() {
    let mut nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    let house = House::new("nats-killed", &[("NATS_URL", &nats.url())]);
    let nats = std::cell::RefCell::new(&mut nats);
    let stop = || nats.borrow_mut().kill().expect("it is killed");
    let start = || nats.borrow_mut().restart().expect("it starts again");
    story::connections_outlive_the_server(&house, "nats", stop, start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_gateway_that_dies_are_told_of_once() {
    let nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    let house = House::new("nats-dies", &[("NATS_URL", &nats.url())]);
    story::users_of_a_gateway_that_dies_are_told_of_once(house, "nats").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_server_goes_on_or_fails_as_it_is_set() {
    let mut nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    nats.kill().expect("it is killed");
    let house = House::new("nats-away", &[("NATS_URL", &nats.url())]);
    let said = story::a_start_that_fails(&house).await;
    assert!(said.contains("not there after 300ms: no NATS server can be reached"), "{said}");
    let start = || nats.restart().expect("it starts");
    story::a_start_without_the_server(&house, "nats", start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_is_said_to_be_one() {
    let nats = Nats::start(&NatsOptions::default()).expect("a nats-server");
    let said =
        story::a_start_that_fails(&House::new("nats-core", &[("NATS_URL", &nats.url())])).await;
    assert!(said.contains("has no JetStream"), "{said}");
}

const BRIDGES: &str = r#"
[broker]
broker = "memory"

[[bridges]]
subject = "orders.*"
channel = "orders"

[[bridges]]
subject = "chat.support"
channel = "chat:support"
direction = "both"

[[bridges]]
subject = "audit"
channel = "kept"
direction = "out"

[[channels]]
pattern = "kept"
subscribe = true
publish = true
history = { size = 10, ttl = "1m" }

[[channels]]
pattern = "*"
subscribe = true
publish = true
"#;

/// A program on NATS that is no gateway.
fn stranger(nats: &Nats) -> Client {
    Client::connect(NatsConfig {
        urls: vec![nats.url()],
        prefix: "stranger".to_owned(),
        ..NatsConfig::default()
    })
}

/// What comes at a subject, as subject, payload and event.
fn heard(client: &Client, subject: &str) -> (Bridge, UnboundedReceiver<[String; 3]>) {
    let (heard, hears) = tokio::sync::mpsc::unbounded_channel();
    let bridge = client.bridge(subject, None, move |arrival| {
        let payload = String::from_utf8_lossy(arrival.payload).into_owned();
        let event = arrival.headers.get("Ws-Event").unwrap_or_default().to_owned();
        let _ = heard.send([arrival.subject.to_owned(), payload, event]);
    });
    (bridge.expect("a subject"), hears)
}

/// The next at that subject that comes soon. Connections have words of their own, which are let go.
async fn next_at(subject: &str, hears: &mut UnboundedReceiver<[String; 3]>) -> Option<[String; 3]> {
    let hearing = async {
        loop {
            let heard = hears.recv().await?;
            if heard[0] == subject {
                return Some(heard);
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_millis(300), hearing).await.ok().flatten()
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_11_bridges_pass_messages_both_ways_and_nothing_goes_round_in_circles() {
    let nats = Nats::start(&NatsOptions::default()).expect("a nats-server");
    let stranger = stranger(&nats);
    stranger.ready().await.expect("it is there");
    let (_chat, mut chat) = heard(&stranger, "chat.*");
    let (_audit, mut audit) = heard(&stranger, "audit");
    let house = House::with_file("nats-bridges", &[("NATS_URL", &nats.url())], BRIDGES);
    let gateway = house.open().await;
    let mut ada = gateway.visit("ada").await;
    for channel in ["orders", "chat:support", "kept"] {
        ada.follow(channel, None).await;
    }
    // In, as soon as the bridge is open.
    for turn in 0.. {
        assert!(turn < 500, "it is not open");
        stranger.publish("orders.new", "{\"n\":1.50}".into(), &[]).expect("on its way");
        ada.send(json!({ "type": "ping", "id": "heard" })).await;
        let message = ada.next().await;
        if message["type"] == "message" {
            assert_eq!(message["channel"], "orders");
            assert_eq!(
                (&message["subject"], &message["data"]["n"]),
                (&json!("orders.new"), &json!(1.5))
            );
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stranger.publish("chat.support", "hello".into(), &[("Ws-Event", "said")]).expect("on its way");
    let said = ada.until("chat:support").await;
    assert_eq!((&said["event"], &said["data"]), (&json!("said"), &json!("hello")));
    assert_eq!(said["subject"], "chat.support");
    // Out, as soon as the gateway's connection is found to be good.
    for turn in 1.. {
        assert!(turn < 100, "nothing goes out: {}", gateway.text("/metrics").await);
        ada.send(json!({ "type": "publish", "channel": "kept", "event": "said", "data": 8 })).await;
        assert_eq!(ada.until("kept").await["offset"], json!(turn));
        if let Some([_, payload, event]) = next_at("audit", &mut audit).await {
            assert_eq!((&*payload, &*event), ("8", "said"));
            break;
        }
    }
    // What went out does not come back.
    ada.send(json!({ "type": "publish", "channel": "chat:support", "data": [7] })).await;
    assert_eq!(ada.until("chat:support").await["data"], json!([7]));
    let [_, payload, _] = next_at("chat.support", &mut chat).await.expect("it went out");
    assert_eq!(payload, "[7]");
    ada.send(json!({ "type": "ping", "id": "all" })).await;
    assert_eq!(ada.until_type("pong").await["id"], "all");
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_11_requests_are_answered_by_whoever_answers_at_a_subject() {
    let nats = Nats::start(&NatsOptions::default()).expect("a nats-server");
    let upstream = format!("{}/rpc.echo", nats.url());
    let collector = Collector::open().await;
    let variables = [
        ("UPSTREAM", &*upstream),
        ("UPSTREAM_TIMEOUT", "500ms"),
        ("MAX_FRAME_SIZE", "1KiB"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.address),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ];
    let house = House::with_file("nats-upstream", &variables, "");
    let gateway = house.open().await;
    let mut ada = gateway.visit("ada").await;
    let failed = ada.ask("anybody?").await;
    assert_eq!(failed["code"], "upstream_unavailable", "{failed}");

    let stranger = stranger(&nats);
    stranger.ready().await.expect("it is there");
    let answers = stranger.clone();
    let _serving = stranger.bridge("rpc.echo", None, move |arrival| {
        let question: Value = serde_json::from_slice(arrival.payload).expect("JSON");
        assert_eq!(question["userId"], "ada");
        let answer = match question["payload"].as_str() {
            Some("silence") => return,
            Some("much") => "[1]".repeat(1000),
            Some("noise") => "no JSON".to_owned(),
            Some("nothing") => String::new(),
            Some("header") => json!(arrival.headers.get("traceparent")).to_string(),
            _ => json!({ "was": question["payload"] }).to_string(),
        };
        answers
            .publish(arrival.reply.expect("an answer is awaited"), answer.into(), &[])
            .expect("sent");
    });
    // It has subscribed when it answers.
    let answer = loop {
        let answer = ada.ask("hello").await;
        if answer["code"] != "upstream_unavailable" {
            break answer;
        }
    };
    assert_eq!(answer["payload"], json!({ "was": "hello" }), "{answer}");
    for (payload, code) in
        [("silence", "upstream_timeout"), ("much", "upstream_failed"), ("noise", "upstream_failed")]
    {
        assert_eq!(ada.ask(payload).await["code"], code, "{payload}");
    }
    assert_eq!(ada.ask("nothing").await["payload"], Value::Null);
    // The service is told of the trace as HTTP's are: by a header.
    ada.send(json!({ "type": "request", "requestId": 1, "payload": "header",
                     "traceparent": TRACEPARENT }))
        .await;
    let header = ada.next().await["payload"].clone();
    let spans = collector.spans(2).await;
    let [request, asked] = ["request", "upstream"].map(|name| one(&spans, "ws-gateway", name));
    assert_eq!(asked.parent, request.id, "{spans:#?}");
    assert_eq!(header, json!(format!("00-{TRACE}-{}-01", asked.id)));
}
