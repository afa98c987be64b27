//! The inspector over HTTP and in the console: who may look, what is told, and that it ends.

use std::time::Duration;

use http::{HeaderValue, header};
use serde_json::{Value, json};
use ws_transport::Connector;

use crate::{client::Client, exchange::get, house::House};

const KEY: &str = "an operator's key";

impl House {
    fn inspected() -> Self {
        Self::open(&[("ADMIN_KEY", KEY), ("CONNECTION_RATE_LIMIT", "0")])
    }

    /// A client of that name, which calls itself something.
    async fn visit_as(&self, user: &str, agent: &'static str) -> Client {
        let connector =
            Connector::new().with_header(header::USER_AGENT, HeaderValue::from_static(agent));
        let target = format!("/ws?token={}", self.token(user));
        let mut client = Client::connect_with(&connector, self.address, &target).await;
        assert_eq!(client.next().await["type"], "connected");
        client
    }

    async fn inspect(&self, target: &str) -> reqwest::Response {
        let url = format!("http://{}/api/inspect/{target}", self.address);
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        client.get(url).bearer_auth(KEY).send().await.expect("an answer")
    }

    /// Status and body.
    async fn inspected_as(&self, target: &str) -> (u16, Value) {
        let response = self.inspect(target).await;
        let status = response.status().as_u16();
        let body = response.bytes().await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    /// The users of the connections that are found.
    async fn found(&self, query: &str) -> Vec<String> {
        let (status, body) = self.inspected_as(&format!("connections?window=0&{query}")).await;
        assert_eq!(status, 200, "{query}: {body}");
        let rows = body["connections"].as_array().expect("a list");
        assert_eq!(body["matched"], rows.len(), "{query}: {body}");
        let mut users: Vec<_> =
            rows.iter().map(|row| row["userId"].as_str().expect("a user").to_owned()).collect();
        users.sort();
        users
    }
}

/// The lines of a trace, as they come.
struct Lines {
    response: reqwest::Response,
    held: Vec<u8>,
}

impl Lines {
    async fn of(house: &House, query: &str) -> Self {
        let response = house.inspect(&format!("trace?{query}")).await;
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        let mut lines = Self { response, held: Vec::new() };
        assert_eq!(lines.next().await.expect("a line")["type"], "begin");
        lines
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("JSON"));
            }
            self.held.extend_from_slice(&self.response.chunk().await.expect("readable")?);
        }
    }

    /// The next line, and what it is in few words.
    async fn told(&mut self) -> (Value, String) {
        let line = self.next().await.expect("a line");
        let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let kind = if line["type"] == "frame" { word("message") } else { word("type") };
        let told = format!("{} {kind} {}", word("direction"), word("channel"));
        (line, told.trim().to_owned())
    }
}

#[tokio::test]
async fn nobody_inspects_without_the_key_and_few_may_guess_it() {
    let house = House::open(&[]);
    for target in ["/api/inspect/connections", "/api/inspect/trace?user=ada"] {
        assert_eq!(get(house.address, target).await.status, 404, "there is no key");
    }
    let house = House::open(&[("ADMIN_KEY", KEY), ("API_KEY", "the-key-of-back-ends")]);
    let ask = async |key: &str| {
        let url = format!("http://{}/api/inspect/connections", house.address);
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        client.get(url).bearer_auth(key).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(get(house.address, "/api/inspect/trace?user=ada").await.status, 401);
    assert_eq!(ask("the-key-of-back-ends").await, 401);
    for _ in 0..9 {
        assert_eq!(ask("guess").await, 401);
    }
    assert_eq!(ask(KEY).await, 429);
}

#[tokio::test]
async fn connections_are_filtered_and_sorted_by_what_they_do() {
    let house = House::inspected();
    let mut ada = house.visit_as("ada", "our-app/2.0").await;
    let mut bob = house.visit_as("bob", "our-app/1.0").await;
    let _cid = house.visit("cid").await;
    for client in [&mut ada, &mut bob] {
        client.send(json!({ "type": "subscribe", "channel": "news" })).await;
        assert_eq!(client.next().await["type"], "subscribed");
    }
    assert_eq!(house.found("").await, ["ada", "bob", "cid"]);
    assert_eq!(house.found("user=bob").await, ["bob"]);
    assert_eq!(house.found("channel=news").await, ["ada", "bob"]);
    assert_eq!(house.found("channel=news&user=ada").await, ["ada"]);
    assert_eq!(house.found("channel=nobody-is-there").await, [""; 0]);
    assert_eq!(house.found("agent=OUR-APP").await, ["ada", "bob"]);
    assert_eq!(house.found("agent=app/2").await, ["ada"]);
    assert_eq!(house.found("address=127.0.0.1").await.len(), 3);
    assert_eq!(house.found("address=127.0.0.0/8").await.len(), 3);
    assert_eq!(house.found("address=10.0.0.0/8").await.len(), 0);
    assert_eq!(house.found("healthy=true&closing=false").await.len(), 3);
    assert_eq!(house.found("reason=drain").await.len(), 0);
    assert_eq!(house.found("minQueued=1").await.len(), 0);

    let (_, body) = house.inspected_as("connections?window=0&sort=oldest&limit=1").await;
    assert_eq!((&body["matched"], &body["complete"]), (&json!(3), &json!(true)));
    assert_eq!(body["connections"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["connections"][0]["messagesInPerSecond"], Value::Null, "nobody counted");

    // What they do in a while is counted in that while.
    let talking = tokio::spawn(async move {
        loop {
            bob.send(json!({ "type": "ping" })).await;
            bob.next().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let (_, body) = house.inspected_as("connections?window=300ms&minRate=1").await;
    talking.abort();
    assert_eq!((&body["matched"], &body["total"]), (&json!(1), &json!(3)), "{body}");
    let row = &body["connections"][0];
    assert_eq!((&row["userId"], &row["agent"]), (&json!("bob"), &json!("our-app/1.0")));
    let rate = |name: &str| row[name].as_f64().expect("a number");
    assert!(rate("messagesInPerSecond") > 1.0 && rate("bytesOutPerSecond") > 1.0, "{row}");
    assert_eq!(body["agents"], json!([{ "agent": "our-app/1.0", "connections": 1 }]));
}

#[tokio::test]
async fn what_the_inspector_does_not_understand_is_refused_with_a_sentence() {
    let house = House::inspected();
    for (target, names) in [
        ("connections?usr=ada", "usr: not known here: it is one of user, channel"),
        ("connections?address=here", "address: an address or a network is expected"),
        ("connections?reason=none", "reason: one of peer_closed, "),
        ("connections?sort=size", "sort: one of rate, bytes, queued"),
        ("connections?limit=0", "limit: a number from 1 to 1000 is expected"),
        ("connections?window=1m", "window: a time from 0 s to 10 s is expected"),
        ("connections?healthy=maybe", "healthy: true or false is expected"),
        ("connections?channel=a%20b", "channel: "),
        ("trace", "a user, a channel or a connection is expected"),
        ("trace?connection=7", "connection: a connection's id is expected"),
        ("trace?user=ada&for=2h", "for: a time from 1 s to 3600 s is expected"),
        ("trace?user=ada&sample=0", "sample: a number from 1 to 1000000 is expected"),
        ("trace?user=ada&rate=5001", "rate: a number from 1 to 5000 is expected"),
    ] {
        let (status, body) = house.inspected_as(target).await;
        assert_eq!((status, &body["code"]), (422, &json!("invalid_field")), "{target}");
        let sentence = body["error"].as_str().expect("a sentence");
        assert!(sentence.starts_with(names), "{target}: {sentence}");
    }
}

#[tokio::test]
async fn a_trace_tells_what_passes_without_payloads_and_ends_by_itself() {
    let house = House::inspected();
    let mut lines = Lines::of(&house, "user=ada&for=1s").await;
    let mut ada = house.visit_as("ada", "our-app/2.0").await;
    let mut bob = house.visit("bob").await;
    for client in [&mut ada, &mut bob] {
        client.send(json!({ "type": "subscribe", "channel": "news" })).await;
        client.next().await;
    }
    bob.send(json!({ "type": "publish", "channel": "news", "event": "said", "data": "private" }))
        .await;
    ada.next().await;
    let mut told = Vec::new();
    for _ in 0..5 {
        let (line, word) = lines.told().await;
        assert_eq!(line["userId"], "ada", "{line}");
        assert!(!line.to_string().contains("private"), "{line}");
        told.push(word);
    }
    assert_eq!(
        told,
        ["opened", "out connected", "in subscribe news", "out subscribed news", "out message news"]
    );
    let end = lines.next().await.expect("the end");
    assert_eq!(
        (&end["type"], &end["told"], &end["dropped"]),
        (&json!("end"), &json!(5), &json!(0))
    );
    assert_eq!(lines.next().await, None);
    assert_eq!(house.handler.watch_stats().watchers, 0);

    // Whoever asks for payloads has them, and whoever goes ends it.
    let mut lines = Lines::of(&house, "channel=news&payloads=true&for=1h").await;
    bob.next().await;
    bob.send(json!({ "type": "publish", "channel": "news", "data": "private" })).await;
    let (line, word) = lines.told().await;
    assert_eq!(word, "in publish news");
    assert_eq!(line["payload"], r#"{"channel":"news","data":"private","type":"publish"}"#);
    assert_eq!(house.handler.watch_stats().watchers, 1);
    drop(lines);
    house.until("nobody watches", |house| house.handler.watch_stats().watchers == 0).await;
}

#[tokio::test]
async fn eight_may_trace_and_one_more_is_told_to_wait() {
    let house = House::inspected();
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(Lines::of(&house, "user=ada").await);
    }
    let response = house.inspect("trace?user=ada").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &HeaderValue::from_static("10"))
    );
    // Looking is something else.
    assert_eq!(house.inspected_as("connections?window=0").await.0, 200);
}

#[tokio::test]
async fn the_console_is_told_rates_and_what_passes_as_long_as_it_asks() {
    let house = House::inspected();
    let value = HeaderValue::from_bytes(format!("Bearer {KEY}").as_bytes()).expect("a value");
    let connector = Connector::new().with_header(header::AUTHORIZATION, value);
    let mut viewer = Client::connect_with(&connector, house.address, "/console/ws").await;
    let until = async |viewer: &mut Client, kind: &str| loop {
        let message = viewer.next().await;
        if message["type"] == kind {
            return message;
        }
        assert!(message["type"] == "sample" || message["type"] == "hello", "{message}");
    };
    let mut ada = house.visit("ada").await;
    viewer.send(json!({ "type": "inspect", "user": "ada" })).await;
    assert_eq!(
        until(&mut viewer, "inspected").await["connections"][0]["bytesInPerSecond"],
        Value::Null
    );
    viewer.send(json!({ "type": "trace", "user": "ada", "sample": 1 })).await;
    assert_eq!(until(&mut viewer, "tracing").await["trace"]["user"], "ada");
    ada.send(json!({ "type": "ping" })).await;
    ada.next().await;
    let traced = until(&mut viewer, "traced").await;
    assert_eq!(traced["lines"][0]["message"], "ping", "{traced}");
    tokio::time::sleep(Duration::from_millis(60)).await;
    viewer.send(json!({ "type": "inspect", "minRate": 0.1 })).await;
    let inspected = loop {
        let message = viewer.next().await;
        if message["type"] == "inspected" {
            break message;
        }
    };
    assert_eq!(inspected["matched"], 1, "{inspected}");
    viewer.send(json!({ "type": "untrace" })).await;
    let untraced = loop {
        let message = viewer.next().await;
        if message["type"] == "untraced" {
            break message;
        }
    };
    assert_eq!(untraced["state"]["told"], 2, "{untraced}");
    assert_eq!(house.handler.watch_stats().watchers, 0);
    viewer.send(json!({ "type": "trace" })).await;
    assert_eq!(until(&mut viewer, "error").await["code"], "missing_field");
    viewer.send(json!({ "type": "trace", "channel": "a b" })).await;
    assert_eq!(until(&mut viewer, "error").await["code"], "invalid_field");
}
