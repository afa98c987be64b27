//! The guide to connections: its connection, pool, states, way back, queue and memory of messages.

use serde_json::json;

use crate::{
    process::{Process, file, token},
    script::Script,
};

const USER: &str = "user-123";
const CONNECTED: &str = r#"{"type":"connected",…}"#;
const AUTHENTICATED: &str = r#"{"type":"authenticated","success":true,"userId":"user-123","sessionId":"session-123","availableChannels":["chat:session-123","agent:user-456"],"permissions":["read","write"],…}"#;
const SUBSCRIBED: [&str; 2] = [
    r#"{"type":"subscribed","channel":"chat:session-123",…}"#,
    r#"{"type":"subscribed","channel":"agent:user-456",…}"#,
];

/// The guide's rules of channels.
const RULES: &str = r#"
    [[channels]]
    pattern = "chat:*"
    subscribe = true
    publish = true
    rate_limit = 10
    allowed_events = ["user_message", "typing_start", "typing_stop"]

    [[channels]]
    pattern = "agent:*"
    subscribe = true
    allowed_events = ["status_update", "task_start", "task_complete"]
"#;

/// A gateway at the same port each time, so that it can be restarted.
struct House {
    port: String,
    rules: String,
}

impl House {
    fn new() -> Self {
        let [port] = ws_test_servers::free_ports().expect("a free port");
        let rules = file("interop-guide.toml", RULES).to_string_lossy().into_owned();
        Self { port: port.to_string(), rules }
    }

    /// Its clients say every tenth of a second that they live, or answer pings.
    async fn start(&self) -> Process {
        // When clients come back is their own matter here.
        let variables =
            [("WEBSOCKET_PORT", &*self.port), ("PING_INTERVAL", "500"), ("RECONNECT_RATE", "0")];
        Process::start(&["--config", &self.rules], &variables).await
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

#[tokio::test]
async fn a_connection_authenticates_by_its_first_message_and_is_back_after_a_restart() {
    let house = House::new();
    let gateway = house.start().await;
    let mut script = Script::start("connection_guide/basic.mjs", &[&house.host(), &token(USER)]);
    let greeting = [&[CONNECTED, AUTHENTICATED][..], &SUBSCRIBED].concat();
    script.prints(&["WebSocket connected"]).await;
    script.prints(&greeting).await;
    let mut other = gateway.visit("user-456").await;
    other
        .send(json!({ "type": "publish", "channel": "chat:session-123", "event": "user_message",
                      "data": "Hello" }))
        .await;
    let heard = r#"{"type":"message","channel":"chat:session-123","event":"user_message","data":"Hello","from":"user-456",…}"#;
    script.prints(&[heard]).await;

    gateway.signal("TERM").await;
    script.prints(&["WebSocket closed: 1012 Server restart"]).await;
    drop(other);
    gateway.ended().await;
    let _gateway = house.start().await;
    script.prints(&greeting).await;
}

#[tokio::test]
async fn a_pool_gives_what_is_free_and_no_more_than_so_many() {
    let house = House::new();
    let _gateway = house.start().await;
    let mut script = Script::start("connection_guide/pool.mjs", &[&house.host(), &token(USER)]);
    script
        .prints(&[
            "authenticated user-123",
            "authenticated user-123",
            "No available connections",
            "the same again: true",
            "closed 1000",
            "closed 1000",
        ])
        .await;
    script.ends().await;
}

#[tokio::test]
async fn states_follow_one_another_as_in_the_guide() {
    let house = House::new();
    let gateway = house.start().await;
    let mut script =
        Script::start("connection_guide/lifecycle.mjs", &[&house.host(), &token(USER)]);
    script.prints(&["connecting", "authenticating", "connected"]).await;
    gateway.signal("TERM").await;
    script.prints(&["disconnected", "error", "reconnecting"]).await;
    gateway.ended().await;
    let _gateway = house.start().await;
    script
        .prints(&[
            "connecting",
            "authenticating",
            "connected",
            "disconnected",
            r#"{"messagesSent":0,"messagesReceived":4,"errors":1,"reconnectAttempts":1} true"#,
        ])
        .await;
    script.ends().await;
}

#[tokio::test]
async fn a_client_that_looks_at_the_gateways_health_waits_until_it_is_back() {
    let house = House::new();
    let gateway = house.start().await;
    let mut script =
        Script::start("connection_guide/reconnection.mjs", &[&house.host(), &token(USER)]);
    script.prints(&["authenticated"]).await;
    gateway.signal("KILL").await;
    script.prints(&["offline"]).await;
    let _gateway = house.start().await;
    script.prints(&["online", "authenticated"]).await;
}

#[tokio::test]
async fn a_queue_sends_by_priority_and_tries_again() {
    let gateway = Process::start(&[], &[]).await;
    let host = gateway.address.to_string();
    let mut script = Script::start("connection_guide/priority_queue.mjs", &[&host, &token(USER)]);
    script.prints(&["connected ", "subscribed "]).await;
    // The promise and the message come by different ways.
    let mut early = [script.line().await, script.line().await].map(Option::unwrap_or_default);
    early.sort();
    assert_eq!(early, ["message early", "sent after all"]);
    let order =
        ["message low", "message critical", "message high", "message normal", "message low"];
    script.prints(&order).await;
}

#[tokio::test]
async fn a_letter_that_comes_again_is_known_by_its_id() {
    let gateway = Process::start(&[], &[]).await;
    let mut other = gateway.visit("user-456").await;
    let letter = json!({ "type": "chat", "payload": { "to": USER, "message": "Hi" }, "id": 1 });
    other.send(letter).await;
    assert_eq!(other.next().await["type"], "ack");
    let host = gateway.address.to_string();
    let mut script = Script::start("connection_guide/deduplication.mjs", &[&host, &token(USER)]);
    script.prints(&["new: Hi", "duplicate: Hi"]).await;
    script.ends().await;
}
