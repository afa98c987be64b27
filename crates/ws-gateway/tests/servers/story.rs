//! What is the same behind each server.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::process::{Client, Process, file};

const RULES: &str = r#"
[[channels]]
pattern = "orders"
subscribe = true
publish = true
history = { size = 10_000, ttl = "1h" }

[[channels]]
pattern = "*"
subscribe = true
publish = true
presence = true
"#;

/// Gateways with these variables, which say what is between them.
pub(crate) struct House {
    variables: Vec<(String, String)>,
    rules: String,
}

impl House {
    pub(crate) fn new(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::with_file(name, variables, RULES)
    }

    pub(crate) fn with_file(name: &str, variables: &[(&str, &str)], text: &str) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let rules = file(&format!("servers-{name}.toml"), text);
        let rules = rules.to_str().expect("UTF-8").to_owned();
        Self { variables: variables.iter().map(owned).collect(), rules }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn arguments(&self) -> [&str; 2] {
        ["--config", &self.rules]
    }

    pub(crate) async fn open(&self) -> Process {
        let variables: Vec<(&str, &str)> =
            self.variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        Process::start(&self.arguments(), &variables).await
    }

    /// One that has reached its server.
    pub(crate) async fn open_and_up(&self, engine: &str) -> Process {
        let gateway = self.open().await;
        gateway.until_engine(engine, "ok").await;
        gateway
    }
}

impl Process {
    /// What a page of it says.
    pub(crate) async fn page(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).expect("JSON")
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let text = reqwest::get(format!("http://{}{path}", self.address)).await;
        text.expect("an answer").text().await.expect("a text")
    }

    /// Waits until health says so of the engine.
    pub(crate) async fn until_engine(&self, engine: &str, state: &str) {
        for _ in 0..2000 {
            if self.page("/health").await[engine] == state {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{engine} is not {state}:\n{}", self.log());
    }
}

impl Client {
    /// Publishes, and tries again by the same name until it is acknowledged; answers its offset. Messages that come
    /// meanwhile are let go.
    pub(crate) async fn publish_for_certain(&mut self, channel: &str, n: u64) -> u64 {
        loop {
            self.send(json!({ "type": "publish", "id": n, "channel": channel, "data": n,
                              "eventId": format!("event-{n}") }))
                .await;
            loop {
                let answer = self.next().await;
                match answer["type"].as_str() {
                    Some("ack") if answer["id"] == n => {
                        return answer["offset"].as_u64().unwrap_or_default();
                    }
                    Some("error") if answer["id"] == n => break,
                    _ => {}
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Subscribes, perhaps as one that comes back, until that is possible.
    pub(crate) async fn follow(&mut self, channel: &str, since: Option<&Value>) -> Value {
        loop {
            let mut message = json!({ "type": "subscribe", "channel": channel });
            if let Some(since) = since {
                message["since"] = json!({ "epoch": since["epoch"], "offset": since["offset"] });
            }
            self.send(message).await;
            let answer = self.next().await;
            match answer["type"].as_str() {
                Some("subscribed") => return answer,
                Some("error") => sleep(Duration::from_millis(50)).await,
                _ => panic!("{answer}"),
            }
        }
    }

    /// The next message of that channel.
    pub(crate) async fn until(&mut self, channel: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == "message" && message["channel"] == channel {
                return message;
            }
        }
    }

    /// The next of that type.
    pub(crate) async fn until_type(&mut self, name: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == name {
                return message;
            }
        }
    }

    /// The data of the next message that has some.
    pub(crate) async fn next_data(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == "message" {
                return message["data"].clone();
            }
        }
    }
}

/// Live messages cross; and who was connected to a gateway that is killed comes back to another and is given
/// what was published meanwhile, and nothing else.
pub(crate) async fn messages_cross_and_nothing_is_lost_with_a_gateway(house: &House, engine: &str) {
    let (a, b) = tokio::join!(house.open_and_up(engine), house.open_and_up(engine));
    let mut ada = a.visit("ada").await;
    let mut bob = b.visit("bob").await;
    for client in [&mut ada, &mut bob] {
        client.follow("chat", None).await;
    }
    bob.send(json!({ "type": "publish", "channel": "chat", "data": "hello" })).await;
    assert_eq!(ada.next_data().await, "hello");
    assert_eq!(bob.next_data().await, "hello");
    let since = ada.follow("orders", None).await;
    for n in 1..=3 {
        bob.publish_for_certain("orders", n).await;
    }
    let mut at = since;
    for n in 1..=3 {
        let message = ada.next().await;
        assert_eq!(message["data"], json!(n), "{message}");
        at["offset"] = message["offset"].clone();
    }
    a.signal("KILL").await;
    for n in 4..=20 {
        bob.publish_for_certain("orders", n).await;
    }
    let mut ada = b.visit("ada").await;
    let answer = ada.follow("orders", Some(&at)).await;
    assert_eq!(answer["recovered"], json!(true), "{answer}");
    for n in 4..=20 {
        assert_eq!(ada.next_data().await, json!(n));
    }
}

/// Connections outlive the server: `stop` and `start` are done to it while somebody listens.
pub(crate) async fn connections_outlive_the_server(
    house: &House,
    engine: &str,
    stop: impl FnOnce(),
    start: impl FnOnce(),
) {
    let (a, b) = tokio::join!(house.open_and_up(engine), house.open_and_up(engine));
    let (mut ada, mut bob) = (a.visit("ada").await, b.visit("bob").await);
    ada.follow("orders", None).await;
    bob.publish_for_certain("orders", 1).await;
    assert_eq!(ada.next_data().await, json!(1));
    stop();
    a.until_engine(engine, "down").await;
    bob.send(json!({ "type": "publish", "id": "away", "channel": "orders", "data": 0 })).await;
    let refused = bob.next().await;
    assert_eq!((&refused["id"], &refused["code"]), (&json!("away"), &json!("broker_unavailable")));
    start();
    for n in 2..=10 {
        bob.publish_for_certain("orders", n).await;
    }
    for n in 2..=10 {
        assert_eq!(ada.next_data().await, json!(n));
    }
}

/// A gateway that dies is told of to the back-end by another: of each user who was there alone, once.
pub(crate) async fn users_of_a_gateway_that_dies_are_told_of_once(house: House, engine: &str) {
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let hook = format!("http://{}/gone", listener.local_addr().expect("bound"));
    let take = move |body: String| {
        let told = heard.send(serde_json::from_str(&body).expect("JSON"));
        async move { told.map_or(http::StatusCode::GONE, |()| http::StatusCode::NO_CONTENT) }
    };
    let back_end = axum::Router::new().fallback(take);
    let serving = tokio::spawn(async move { axum::serve(listener, back_end).await });
    // Nobody reads here, so that nobody answers pings.
    let house = house.with("HOOK_DISCONNECTED", &hook).with("PING_INTERVAL", "10m");
    let (a, b) = tokio::join!(house.open_and_up(engine), house.open_and_up(engine));
    // From then on, who comes is let in when it is written down.
    a.logs("one of the nodes").await;
    let _ada = a.visit("ada").await;
    let ada_elsewhere = b.visit("ada").await;
    let _bob = a.visit("bob").await;
    // Nobody misses a node of which it has not heard.
    b.logs("another node is there").await;
    a.signal("KILL").await;
    // Some ten seconds, and longer where the machine is busy: who watches starts anew after each answer that
    // was late.
    let patience = Duration::from_secs(120);
    let told = tokio::time::timeout(patience, hears.recv()).await.expect("in time").expect("told");
    assert_eq!(
        told,
        json!({ "hook": "disconnected", "connectionId": null, "userId": "bob",
                             "code": null, "reason": "node_lost", "livedMs": null, "online": false })
    );
    ada_elsewhere.leave().await;
    let told = tokio::time::timeout(patience, hears.recv()).await.expect("in time").expect("told");
    assert_eq!((&told["userId"], &told["online"]), (&json!("ada"), &json!(false)), "{told}");
    assert!(hears.try_recv().is_err());
    serving.abort();
}

/// Without its server the gateway serves, and says so; or it does not start, where that is set.
pub(crate) async fn a_start_without_the_server(house: &House, engine: &str, start: impl FnOnce()) {
    let gateway = house.open().await;
    assert_eq!(gateway.page("/health").await[engine], "down");
    // Again and again, by the gateway itself; how the engine says it is its own matter.
    gateway.logs("; it is being tried\",\"engine\"").await;
    start();
    gateway.until_engine(engine, "ok").await;
    let mut ada = gateway.visit("ada").await;
    ada.follow("orders", None).await;
    ada.publish_for_certain("orders", 1).await;
}

/// With `BROKER_START=fail` it is waited for, in vain; what is said then.
pub(crate) async fn a_start_that_fails(house: &House) -> String {
    let fail = [("BROKER_START", "fail"), ("BROKER_START_TIMEOUT", "300ms")];
    let variables = house.variables.iter().map(|(name, value)| (&**name, &**value));
    let secret = [("JWT_SECRET_KEY", crate::process::SECRET), ("WEBSOCKET_PORT", "0")];
    let variables: Vec<(&str, &str)> = variables.chain(fail).chain(secret).collect();
    let ended = crate::process::run(&house.arguments(), &variables).await;
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(!ended.stderr.contains("listening"), "{ended:?}");
    ended.stderr
}
