//! Requests that a back-end answers: each of its failures is an error that says which, and nothing
//! else on the connection suffers.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
    time::{Instant, timeout},
};

use crate::{client::Client, house::House};

/// A back-end that does what a payload says.
struct Backend {
    url: String,
    /// What it was asked, with the headers.
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    /// Each permit lets one `"wait"` go on.
    gate: Arc<Semaphore>,
    /// Told of each request.
    arrived: Arc<Notify>,
}

impl Backend {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/answer", listener.local_addr().expect("bound"));
        let asked = Arc::<Mutex<Vec<(HeaderMap, Value)>>>::default();
        let (gate, arrived) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
        let shared = (asked.clone(), gate.clone(), arrived.clone());
        let answer = move |headers: HeaderMap, body: Bytes| async move {
            let (asked, gate, arrived) = shared;
            let question: Value = serde_json::from_slice(&body).expect("JSON");
            let payload = question["payload"].clone();
            asked.lock().push((headers, question));
            arrived.notify_one();
            if payload == "wait" {
                gate.acquire().await.expect("never closed").forget();
            }
            respond(&payload)
        };
        let router = Router::new()
            .route("/answer", post(answer))
            .route("/elsewhere", post(|| async { "\"an answer from elsewhere\"" }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked, gate, arrived }
    }

    fn house(&self, further: &[(&str, &str)]) -> House {
        House::open(&[&[("UPSTREAM", self.url.as_str())], further].concat())
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().len()
    }

    async fn asked_times(&self, times: usize) {
        let reached = async {
            while self.times_asked() < times {
                self.arrived.notified().await;
            }
        };
        timeout(Duration::from_secs(10), reached).await.expect("asked in time");
    }
}

fn respond(payload: &Value) -> Response {
    let raw =
        |text: &'static str| ([(header::CONTENT_TYPE, "application/json")], text).into_response();
    match payload.as_str() {
        Some("fail") => (StatusCode::INTERNAL_SERVER_ERROR, "a stack trace").into_response(),
        Some("not found") => StatusCode::NOT_FOUND.into_response(),
        Some("html") => raw("<html>"),
        Some("two") => raw("{} {}"),
        Some("half") => raw(r#"{"a":"#),
        Some("nothing") => StatusCode::NO_CONTENT.into_response(),
        Some("spaced") => raw("\n { \"a\" : 1 }\r\n"),
        Some("large") => json!("x".repeat(5000)).to_string().into_response(),
        Some("redirect") => Redirect::temporary("/elsewhere").into_response(),
        _ => json!({ "heard": payload }).to_string().into_response(),
    }
}

/// The connection lives and is served.
async fn is_unharmed(client: &mut Client) {
    client.send(json!({ "type": "ping", "id": "unharmed" })).await;
    let pong = client.next().await;
    assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!("unharmed")));
    assert_eq!(client.ask(json!(1)).await["payload"], json!({ "heard": 1 }));
}

#[tokio::test]
async fn an_echo_answers_with_the_payload_and_no_upstream_with_an_error_that_says_so() {
    let house = House::open(&[]);
    let mut client = house.visit("ada").await;
    let payload = json!({ "deep": [1, null, "ü"] });
    assert_eq!(client.ask(payload.clone()).await["payload"], payload);

    let house = House::open(&[("UPSTREAM", "")]);
    let mut client = house.visit("ada").await;
    let error = client.ask(payload).await;
    assert_eq!(error["code"], "upstream_unavailable");
    assert!(error["message"].as_str().is_some_and(|it| it.contains("set UPSTREAM")), "{error}");
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.next().await["type"], "pong");
}

#[tokio::test]
async fn a_back_end_is_sent_request_payload_user_and_connection_and_its_json_is_the_answer() {
    let backend = Backend::open().await;
    let house = backend.house(&[]);
    let mut client = house.visit("ada").await;
    let connection = house.handler.connections_by_user_id("ada")[0].id().to_string();
    let payload = json!({ "question": "a\n\u{1f600}", "n": 1.50 });
    client.send(json!({ "type": "request", "requestId": 7, "id": "i", "payload": payload })).await;
    let answer = client.next().await;
    assert_eq!((&answer["type"], &answer["requestId"]), (&json!("response"), &json!(7)));
    assert_eq!((&answer["id"], &answer["payload"]), (&json!("i"), &json!({ "heard": payload })));
    let (headers, question) = backend.asked.lock().remove(0);
    let expect = json!({
        "requestId": 7, "payload": payload, "userId": "ada", "connectionId": connection,
    });
    assert_eq!(question, expect);
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    assert!(!headers.contains_key(header::AUTHORIZATION), "the client's token is not passed on");

    assert_eq!(client.ask(json!("nothing")).await["payload"], json!(null));
    assert_eq!(client.ask(json!("spaced")).await["payload"], json!({ "a": 1 }));
}

#[tokio::test]
async fn who_did_not_authenticate_has_no_user_id() {
    let backend = Backend::open().await;
    let house = backend.house(&[("AUTH_MODE", "none")]);
    let mut client = Client::connect(house.address, "/ws").await;
    assert_eq!(client.next().await["type"], "connected");
    assert_eq!(client.ask(json!(1)).await["type"], "response");
    assert_eq!(backend.asked.lock()[0].1["userId"], json!(null));
}

#[tokio::test]
async fn each_failure_of_a_back_end_is_an_error_that_says_which() {
    let backend = Backend::open().await;
    let house = backend.house(&[("MAX_FRAME_SIZE", "4KiB")]);
    let mut client = house.visit("ada").await;
    for (payload, sentence) in [
        ("fail", "The upstream answered 500 Internal Server Error"),
        ("not found", "The upstream answered 404 Not Found"),
        ("redirect", "The upstream answered 307 Temporary Redirect"),
        ("html", "The upstream's answer is not JSON"),
        ("two", "The upstream's answer is not JSON"),
        ("half", "The upstream's answer is not JSON"),
        ("large", "The upstream's answer is above 4096 bytes"),
    ] {
        let error = client.ask(json!(payload)).await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("upstream_failed")));
        assert_eq!((&error["message"], &error["requestId"]), (&json!(sentence), &json!("r")));
        is_unharmed(&mut client).await;
    }
    let metrics = crate::exchange::get(house.address, "/metrics").await.body;
    assert!(metrics.contains("ws_upstream_requests_total{outcome=\"failed\"} 7\n"), "{metrics}");
    assert!(metrics.contains("ws_upstream_requests_total{outcome=\"answered\"} 7\n"), "{metrics}");
    assert!(metrics.contains("ws_errors_total{code=\"upstream_failed\"} 7\n"), "{metrics}");
}

#[tokio::test]
async fn a_back_end_that_is_not_there_is_unavailable_and_its_address_stays_with_us() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let house = House::open(&[("UPSTREAM", &format!("http://{address}/answer"))]);
    let mut client = house.visit("ada").await;
    let error = client.ask(json!(1)).await;
    assert_eq!(error["code"], "upstream_unavailable");
    assert_eq!(error["message"], "The upstream cannot be reached");
    assert!(!error.to_string().contains(&address));
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.next().await["type"], "pong");
}

#[tokio::test]
async fn a_back_end_that_hangs_up_or_talks_no_http_has_failed() {
    for greeting in
        [&b""[..], b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1"]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut socket, &mut request).await;
                let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, greeting).await;
            }
        });
        let house = House::open(&[("UPSTREAM", &url)]);
        let mut client = house.visit("ada").await;
        assert_eq!(client.ask(json!(1)).await["code"], "upstream_failed");
        client.send(json!({ "type": "ping" })).await;
        assert_eq!(client.next().await["type"], "pong");
    }
}

#[tokio::test]
async fn a_back_end_that_is_slow_holds_up_its_own_answers_alone() {
    let backend = Backend::open().await;
    let house = backend.house(&[]);
    let mut client = house.visit("ada").await;
    client.send(json!({ "type": "request", "requestId": "slow", "payload": "wait" })).await;
    backend.asked_times(1).await;
    is_unharmed(&mut client).await;
    backend.gate.add_permits(1);
    assert_eq!(client.next().await["requestId"], "slow");
}

#[tokio::test]
async fn upstream_timeout_is_an_error_in_time_also_for_those_who_only_wait_their_turn() {
    let backend = Backend::open().await;
    let house = backend.house(&[("UPSTREAM_TIMEOUT", "300"), ("UPSTREAM_CONCURRENCY", "1")]);
    let mut client = house.visit("ada").await;
    let started = Instant::now();
    for n in 0..3 {
        client.send(json!({ "type": "request", "requestId": n, "payload": "wait" })).await;
    }
    let mut late = Vec::new();
    for _ in 0..3 {
        let error = client.next().await;
        assert_eq!(error["code"], "upstream_timeout");
        late.push(error["requestId"].as_u64());
    }
    late.sort_unstable();
    assert_eq!(late, [Some(0), Some(1), Some(2)]);
    let took = started.elapsed().as_millis();
    assert!((290..2000).contains(&took), "{took} ms");
    is_unharmed(&mut client).await;
}

#[tokio::test]
async fn upstream_concurrency_bounds_what_is_under_way_and_what_waits_and_more_is_overloaded() {
    let backend = Backend::open().await;
    let house = backend.house(&[("UPSTREAM_CONCURRENCY", "2")]);
    let mut client = house.visit("ada").await;
    // Two under way and thirty that wait; sixteen for each that may be under way.
    for n in 0..32 {
        client.send(json!({ "type": "request", "requestId": n, "payload": "wait" })).await;
    }
    backend.asked_times(2).await;
    let error = client.ask(json!("one more")).await;
    assert_eq!((&error["code"], &error["requestId"]), (&json!("overloaded"), &json!("r")));
    assert_eq!(error["message"], "The server is overloaded");
    assert_eq!(backend.times_asked(), 2);

    backend.gate.add_permits(32);
    let mut answered = Vec::new();
    for _ in 0..32 {
        let answer = client.next().await;
        assert_eq!(answer["type"], "response");
        answered.push(answer["requestId"].as_u64().expect("a number"));
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..32).collect::<Vec<_>>());
    is_unharmed(&mut client).await;
    let metrics = crate::exchange::get(house.address, "/metrics").await.body;
    assert!(metrics.contains("ws_upstream_requests_total{outcome=\"busy\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_client_that_is_gone_before_the_answer_harms_nobody_and_gives_its_place_back() {
    let backend = Backend::open().await;
    let house = backend.house(&[("UPSTREAM_CONCURRENCY", "1")]);
    let mut gone = house.visit("ada").await;
    gone.send(json!({ "type": "request", "requestId": 1, "payload": "wait" })).await;
    backend.asked_times(1).await;
    drop(gone);
    house.emptied().await;
    let mut other = house.visit("bob").await;
    other.send(json!({ "type": "request", "requestId": 2, "payload": "behind" })).await;
    backend.gate.add_permits(1);
    assert_eq!(other.next().await["requestId"], 2);
    is_unharmed(&mut other).await;
}
