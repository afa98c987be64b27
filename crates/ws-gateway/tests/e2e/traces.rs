//! Whose request led to what, as a collector of OpenTelemetry is told.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;
use ws_broker::MemoryCluster;

use crate::{
    back_end::KEY,
    collector::{CALLER, Collector, TRACE, TRACEPARENT, Told, one},
    exchange::{Exchange, get, upgrade},
    house::House,
};

const RULES: &str = r#"
[[channels]]
pattern = "kept"
subscribe = true
publish = true
history = { size = 100, ttl = "1h" }

[[channels]]
pattern = "*"
subscribe = true
publish = true
"#;

/// What a gateway of that name is told, beside other things: spans go at once.
fn settings<'s>(collector: &'s Collector, service: &'s str) -> Vec<(&'s str, &'s str)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address),
        ("OTEL_SERVICE_NAME", service),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("API_KEY", KEY),
    ]
}

/// Two of them behind one engine.
fn houses(collector: &Collector) -> (MemoryCluster, House, House) {
    let engine = MemoryCluster::new();
    let open = |service| House::open_beside(engine.node(), &settings(collector, service), RULES);
    let (a, b) = (open("a"), open("b"));
    (engine, a, b)
}

/// What each knows of the next.
fn is_chain(spans: &[&Told]) {
    assert_eq!(spans[0].parent, CALLER);
    for pair in spans.windows(2) {
        assert_eq!(pair[1].parent, pair[0].id, "{pair:#?}");
    }
}

#[tokio::test]
async fn a_publish_is_one_trace_from_its_client_over_both_gateways_to_those_who_read_it() {
    let collector = Collector::open().await;
    let (_engine, a, b) = houses(&collector);
    let (mut ada, mut bob) = (a.visit("ada").await, b.visit("bob").await);
    ada.subscribe("chat").await;
    bob.subscribe("chat").await;
    ada.send(
        json!({ "type": "publish", "channel": "chat", "data": 1, "traceparent": TRACEPARENT }),
    )
    .await;
    for client in [&mut ada, &mut bob] {
        let expect = json!({ "type": "message", "channel": "chat", "data": 1, "from": "ada" });
        assert_eq!(client.next_untimed().await, expect, "a reader is told nothing of it");
    }
    let spans = collector.spans(5).await;
    let publish = one(&spans, "a", "publish");
    is_chain(&[publish, one(&spans, "a", "delivery")]);
    let (hop, arrival) = (one(&spans, "a", "broker publish"), one(&spans, "b", "broker receive"));
    is_chain(&[publish, hop, arrival, one(&spans, "b", "delivery")]);
    assert_eq!((&*publish.said["user.id"], &*publish.said["ws.channel"]), ("ada", "chat"));
    assert_eq!(arrival.said["messaging.system"], "memory");
    assert_eq!(one(&spans, "b", "delivery").said["ws.receivers"], "1");
    assert!(spans.iter().all(|span| span.failure.is_none()));
}

#[tokio::test]
async fn what_is_kept_carries_its_trace_through_the_log() {
    let collector = Collector::open().await;
    let (_engine, a, b) = houses(&collector);
    let (mut ada, mut bob) = (a.visit("ada").await, b.visit("bob").await);
    bob.subscribe("kept").await;
    ada.send(
        json!({ "type": "publish", "channel": "kept", "data": 1, "traceparent": TRACEPARENT }),
    )
    .await;
    assert_eq!(bob.next().await["data"], 1);
    let spans = collector.spans(4).await;
    let [publish, append] = ["publish", "broker append"].map(|name| one(&spans, "a", name));
    let [arrival, delivery] = ["broker receive", "delivery"].map(|name| one(&spans, "b", name));
    is_chain(&[publish, append, arrival, delivery]);
}

#[tokio::test]
async fn a_back_ends_publish_belongs_to_the_trace_of_its_request() {
    let collector = Collector::open().await;
    let (_engine, a, b) = houses(&collector);
    let mut bob = b.visit("bob").await;
    bob.subscribe("chat").await;
    let body = json!({ "channel": "chat", "data": 1 }).to_string();
    let mut exchange = Exchange::open(a.address).await;
    let head = format!(
        "POST /api/publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\ntraceparent: {TRACEPARENT}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange.send(&head).await;
    assert_eq!(exchange.response().await.status, 200);
    assert_eq!(bob.next().await["data"], 1);
    let spans = collector.spans(4).await;
    let [api, hop] = ["api", "broker publish"].map(|name| one(&spans, "a", name));
    is_chain(&[api, hop, one(&spans, "b", "broker receive")]);
    assert_eq!(api.said["http.response.status_code"], "200");
}

/// A back-end that is asked by hooks and as an upstream, and keeps the header of each.
async fn back_end() -> (String, Arc<Mutex<Vec<(String, Option<String>)>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let answer =
        async |State(heard): State<Arc<Mutex<Vec<_>>>>, uri: http::Uri, headers: HeaderMap| {
            let trace = headers.get("traceparent").map(|it| it.to_str().expect("text").to_owned());
            heard.lock().push((uri.path().to_owned(), trace));
            "{}"
        };
    let router = Router::new().fallback(post(answer)).with_state(heard.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, heard)
}

#[tokio::test]
async fn the_trace_is_handed_to_the_upstream_and_to_hooks() {
    let collector = Collector::open().await;
    let (address, heard) = back_end().await;
    let at = |path: &str| format!("{address}/{path}");
    let (upstream, connect, publish) = (at("upstream"), at("connect"), at("publish"));
    let mut variables = settings(&collector, "a");
    variables.extend([
        ("UPSTREAM", &*upstream),
        ("HOOK_CONNECT", &connect),
        ("HOOK_PUBLISH", &publish),
    ]);
    let house = House::open(&variables);
    let head = format!("traceparent: {TRACEPARENT}\r\n");
    let mut exchange = Exchange::open(house.address).await;
    let target = format!("/ws?token={}", house.token("ada"));
    exchange.send(&upgrade(&target, &head)).await;
    let spans = collector.spans(2).await;
    is_chain(&[one(&spans, "a", "upgrade"), one(&spans, "a", "hook")]);
    drop(exchange);

    let mut ada = house.visit("ada").await;
    ada.subscribe("chat").await;
    for message in [
        json!({ "type": "request", "requestId": 1, "payload": 1, "traceparent": TRACEPARENT }),
        json!({ "type": "publish", "channel": "chat", "data": 1, "traceparent": TRACEPARENT }),
    ] {
        ada.send(message).await;
        ada.next().await;
    }
    let spans = collector.spans(2 + 2 + 3).await;
    is_chain(&[one(&spans, "a", "request"), one(&spans, "a", "upstream")]);
    let publish = one(&spans, "a", "publish");
    is_chain(&[publish, one(&spans, "a", "delivery")]);
    let hooks: Vec<_> = spans.iter().filter(|span| span.name == "hook").collect();
    assert_eq!(hooks[1].parent, publish.id);
    assert_eq!(
        (&*hooks[1].said["ws.hook"], &*hooks[1].said["ws.hook.allowed"]),
        ("publish", "true")
    );

    let heard = heard.lock();
    let of = |path: &str| {
        let of_path = heard.iter().filter(|(it, trace)| {
            it == path && trace.as_ref().is_some_and(|trace| trace.contains(TRACE))
        });
        let traces: Vec<_> = of_path.filter_map(|(_, trace)| trace.clone()).collect();
        assert_eq!(traces.len(), 1, "{heard:?}");
        traces[0].clone()
    };
    let expect = |span: &Told| format!("00-{TRACE}-{}-01", span.id);
    assert_eq!(of("/upstream"), expect(one(&spans, "a", "upstream")));
    assert_eq!(of("/connect"), expect(hooks[0]));
    assert_eq!(of("/publish"), expect(hooks[1]));
}

#[tokio::test]
async fn an_upgrade_that_is_refused_says_why_and_whose_token_it_was_not() {
    let collector = Collector::open().await;
    let house = House::open(&settings(&collector, "a"));
    let head = format!("traceparent: {TRACEPARENT}\r\n");
    let mut exchange = Exchange::open(house.address).await;
    exchange.send(&upgrade("/ws?token=secret-token", &head)).await;
    assert_eq!(exchange.response().await.status, 401);
    let spans = collector.spans(1).await;
    let upgrade = one(&spans, "a", "upgrade");
    assert_eq!(upgrade.failure.as_deref(), Some("invalid_token"));
    assert_eq!(upgrade.said["url.path"], "/ws");
    assert!(!format!("{spans:?}").contains("secret-token"));
}

#[tokio::test]
async fn samplers_decide_and_what_is_no_traceparent_begins_a_trace_of_its_own() {
    let collector = Collector::open().await;
    let house = House::open(&settings(&collector, "a"));
    let mut ada = house.visit("ada").await;
    let unsampled = TRACEPARENT.replace("-01", "-00");
    for (id, traceparent) in [unsampled.as_str(), "nonsense", TRACEPARENT].iter().enumerate() {
        ada.send(json!({ "type": "ping", "id": id, "traceparent": traceparent })).await;
        assert_eq!(ada.next().await["type"], "pong");
    }
    ada.send(json!({ "type": "ping", "traceparent": 7 })).await;
    assert_eq!(ada.next().await["code"], "invalid_field");
    assert_eq!(collector.spans(1).await.len(), 1);
    let pings: Vec<_> = collector.all().into_iter().filter(|span| span.name == "ping").collect();
    assert_eq!(pings.len(), 2, "the one that is not recorded is not told of: {pings:?}");
    assert_eq!(pings[0].parent, "");

    let mut variables = settings(&collector, "off");
    variables.push(("OTEL_TRACES_SAMPLER", "always_off"));
    let off = House::open(&variables);
    let mut bob = off.visit("bob").await;
    bob.send(json!({ "type": "ping", "traceparent": TRACEPARENT })).await;
    assert_eq!(bob.next().await["type"], "pong");
    off.close().await;
    assert!(collector.all().iter().all(|span| span.service != "off"));
}

#[tokio::test]
async fn a_client_that_wants_everything_recorded_is_bounded_and_served() {
    let collector = Collector::open().await;
    let mut variables = settings(&collector, "a");
    variables.push(("TRACES_PER_SECOND_MAX", "5"));
    let house = House::open(&variables);
    let mut ada = house.visit("ada").await;
    for id in 0..200 {
        ada.send(json!({ "type": "ping", "id": id, "traceparent": TRACEPARENT })).await;
        assert_eq!(ada.next().await["id"], id);
    }
    let page = get(house.address, "/metrics").await.body;
    let sample = |name: &str| -> u64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().parse().expect("a number")
    };
    // Within at most some seconds: a slow machine takes longer for the two hundred.
    assert!(sample("ws_trace_limited_total ") > 20, "{page}");
    house.close().await;
    assert!(collector.all().len() < 180);
}

#[tokio::test]
async fn a_collector_that_is_dead_or_never_answers_harms_nobody_and_what_is_lost_is_counted() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let silent_address = format!("http://{}", silent.local_addr().expect("bound"));
    let dead_address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        format!("http://{}", listener.local_addr().expect("bound"))
    };
    for address in [silent_address, dead_address] {
        let house = House::open(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &address),
            ("OTEL_BSP_SCHEDULE_DELAY", "1"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
            ("TRACES_PER_SECOND_MAX", "1000000"),
        ]);
        let mut ada = house.visit("ada").await;
        for id in 0..100 {
            ada.send(json!({ "type": "ping", "id": id })).await;
            assert_eq!(ada.next().await["id"], id);
        }
        let page = get(house.address, "/metrics").await.body;
        let name = "ws_trace_spans_total{outcome=\"dropped\"} ";
        let dropped = page.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        assert!(dropped.parse::<u64>().expect("a number") > 50, "{page}");
        // The farewell has an end, too.
        ada.leave().await;
        let closed = tokio::time::timeout(Duration::from_secs(20), house.close()).await;
        assert!(closed.is_ok());
    }
}

#[tokio::test]
async fn a_collector_that_is_busy_is_sent_the_same_again_and_keys_go_with_it() {
    let collector = Collector::open().await;
    collector.answer_with(StatusCode::SERVICE_UNAVAILABLE);
    let mut variables = settings(&collector, "a");
    variables.push(("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b"));
    let house = House::open(&variables);
    let mut ada = house.visit("ada").await;
    ada.send(json!({ "type": "ping", "traceparent": TRACEPARENT })).await;
    assert_eq!(ada.next().await["type"], "pong");
    house.until("it was asked", |_| !collector.headers().is_empty()).await;
    collector.answer_with(StatusCode::OK);
    assert_eq!(collector.spans(1).await[0].name, "ping");
    assert!(collector.headers().iter().all(|headers| headers["api-key"] == "a b"));
}
