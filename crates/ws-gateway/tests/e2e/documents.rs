//! The documents that the gateway was built after, as their readers meet them: each message below is sent
//! as it is written there, and each answer shows what is shown there.

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tungstenite::Message;

use crate::{
    client::Client,
    exchange::get,
    house::{House, SECRET},
};

/// What the guides of the rooms have in the environment, but for the secret and for Redis.
const UNIVERSAL: [(&str, &str); 4] = [
    ("MAX_CONNECTIONS_PER_USER", "5"),
    ("MESSAGE_RATE_LIMIT", "100"),
    ("CONNECTION_RATE_LIMIT", "10"),
    ("ALLOWED_ORIGINS", "http://localhost:3000,https://yourdomain.com"),
];

impl Client {
    async fn say(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    /// The next message has all that is shown, and a time where one is.
    async fn hears(&mut self, shown: &str) -> Value {
        let message = self.next().await;
        let shown: Value = serde_json::from_str(shown).expect("JSON");
        for (name, value) in shown.as_object().expect("an object") {
            match name.as_str() {
                // These differ each time.
                "timestamp" => assert!(message[name].as_u64() > Some(1_234_567_890), "{message}"),
                "clientId" => {
                    assert_eq!(message[name].as_str().map(str::len), Some(36), "{message}");
                }
                _ => assert_eq!(&message[name], value, "{name} of {message}"),
            }
        }
        message
    }
}

/// A token as the guide makes one: of `user_id` and `exp` alone.
fn token_of_the_guide(user_id: &str) -> String {
    let part = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let payload = json!({ "user_id": user_id, "exp": 4_102_444_800_u64 });
    let signed = [part(json!({ "alg": "HS256", "typ": "JWT" })), part(payload)].join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

async fn guest(house: &House, user_id: &str) -> Client {
    let target = format!("/ws?token={}", token_of_the_guide(user_id));
    let mut client = Client::connect(house.address, &target).await;
    client.hears(r#"{"type": "connected"}"#).await;
    client
}

/// The base handler: connection and authentication.
#[tokio::test]
async fn the_base_handlers_first_messages() {
    let house = House::open(&[]);
    let mut client = Client::connect(house.address, "/ws").await;
    let connected = r#"{
        "type": "connected",
        "clientId": "550e8400-e29b-41d4-a716-446655440000",
        "timestamp": 1234567890
    }"#;
    client.hears(connected).await;
    let auth = r#"{
  "type": "auth",
  "token": "eyJhbGciOiJIUzI1NiIs..."
}"#;
    client.say(&auth.replace("eyJhbGciOiJIUzI1NiIs...", &house.token("user-123"))).await;
    let authenticated = r#"{
        "type": "authenticated",
        "userId": "user-123",
        "timestamp": 1234567890
    }"#;
    client.hears(authenticated).await;

    let mut stranger = Client::connect(house.address, "/ws").await;
    stranger.hears(connected).await;
    stranger.say(auth).await;
    let error = r#"{
        "type": "error",
        "message": "Invalid token",
        "timestamp": 1234567890
    }"#;
    stranger.hears(error).await;
    assert_eq!(stranger.closed().await.0, 1008);
}

#[tokio::test]
async fn the_base_handlers_authentication_has_a_deadline() {
    let house = House::open(&[("AUTH_TIMEOUT", "100")]);
    let mut client = Client::connect(house.address, "/ws").await;
    client.hears(r#"{"type": "connected"}"#).await;
    client.hears(r#"{"type": "error"}"#).await;
    assert_eq!(client.closed().await.0, 1008);
}

/// The base handler: subscriptions, and what is broadcast to them.
#[tokio::test]
async fn the_base_handlers_subscriptions() {
    let house = House::with_api(&[]);
    let mut client = house.visit("user-123").await;
    client
        .say(
            r#"{
  "type": "subscribe",
  "channel": "orders"
}"#,
        )
        .await;
    let subscribed = r#"{"type": "subscribed", "channel": "orders", "timestamp": 1234567890}"#;
    client.hears(subscribed).await;
    let created = json!({ "channel": "orders", "event": "order.created",
                          "data": { "orderId": "123", "symbol": "BTCUSDT", "side": "buy" } });
    assert_eq!(house.order("/api/publish", created).await["receivers"], 1);
    let message = r#"{"type": "message", "channel": "orders", "event": "order.created",
                      "data": {"orderId": "123", "symbol": "BTCUSDT", "side": "buy"}}"#;
    client.hears(message).await;
    client
        .say(
            r#"{
  "type": "unsubscribe",
  "channel": "orders"
}"#,
        )
        .await;
    let unsubscribed = r#"{"type": "unsubscribed", "channel": "orders", "timestamp": 1234567890}"#;
    client.hears(unsubscribed).await;
    let updated = json!({ "channel": "orders", "event": "order.updated", "data": {} });
    assert_eq!(house.order("/api/publish", updated).await["receivers"], 0);
    let announcement = json!({ "event": "system.announcement",
                               "data": "Server maintenance in 5 minutes" });
    assert_eq!(house.order("/api/broadcast", announcement).await["receivers"], 1);
    client.hears(r#"{"type": "message", "event": "system.announcement"}"#).await;
}

/// The base handler: an event that a client has seen is not sent again.
#[tokio::test]
async fn the_base_handlers_event_cache() {
    let house = House::with_api(&[]);
    let mut client = house.visit("user-123").await;
    client.subscribe("orders").await;
    client.subscribe("portfolio").await;
    for channel in ["orders", "orders", "portfolio"] {
        let body = json!({ "channel": channel, "data": channel, "eventId": "event-1" });
        house.order("/api/publish", body).await;
    }
    client.hears(r#"{"type": "message", "channel": "orders", "eventId": "event-1"}"#).await;
    client.has_heard_all().await;
}

/// The base handler: heartbeat in JSON, errors, and a channel that is not named.
#[tokio::test]
async fn the_base_handlers_heartbeat_and_errors() {
    let house = House::open(&[
        ("JSON_PING", "true"),
        ("PING_INTERVAL", "300"),
        ("MESSAGE_RATE_LIMIT", "600"),
        ("MESSAGE_BURST", "2"),
    ]);
    let mut client = house.visit("user-123").await;
    client.hears(r#"{ "type": "ping", "timestamp": 1234567890 }"#).await;
    client.say(r#"{ "type": "pong", "timestamp": 1234567890 }"#).await;
    client.say(r#"{ "type": "subscribe" }"#).await;
    let error = client.hears(r#"{ "type": "error", "code": "missing_field" }"#).await;
    let sentence = error["message"].as_str().expect("a sentence");
    assert!(sentence.contains("channel"), "{sentence}");
    client.say(r#"{ "type": "ping" }"#).await;
    client.hears(r#"{ "type": "pong" }"#).await;
    client.say(r#"{ "type": "ping" }"#).await;
    let limited = r#"{
        "type": "error",
        "message": "Rate limit exceeded",
        "timestamp": 1234567890
    }"#;
    client.hears(limited).await;
}

/// The connection guide's rules of channels, as this gateway's file has them.
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
    publish = false
    allowed_events = ["status_update", "task_start", "task_complete"]
"#;

/// The connection guide: the first message has no type, and its answer says what is open.
#[tokio::test]
async fn the_connection_guides_first_message() {
    let house = House::open_with_file(&[], RULES);
    let mut client = Client::connect(house.address, "/ws").await;
    client.hears(r#"{"type": "connected"}"#).await;
    let first = r#"{
  "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...",
  "sessionId": "session-123",
  "channels": ["chat:session-123", "agent:user-456"]
}"#;
    let placeholder = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...";
    client.say(&first.replace(placeholder, &house.token("user-123"))).await;
    // The guide answers with another session than was asked for; here it is the one that was.
    let answer = r#"{
  "success": true,
  "userId": "user-123",
  "sessionId": "session-123",
  "availableChannels": ["chat:session-123", "agent:user-456"],
  "permissions": ["read", "write"]
}"#;
    client.hears(answer).await;
    client.hears(r#"{"type": "subscribed", "channel": "chat:session-123"}"#).await;
    client.hears(r#"{"type": "subscribed", "channel": "agent:user-456"}"#).await;
    client.say(r#"{"type":"heartbeat"}"#).await;
    client.has_heard_all().await;
}

/// The connection guide: who may do what in which channel.
#[tokio::test]
async fn the_connection_guides_rules_of_channels() {
    let house = House::open_with_file(&[], RULES);
    let mut client = house.visit("user-123").await;
    client.subscribe("chat:session-123").await;
    client.subscribe("agent:user-456").await;
    let publish = |channel: &str, event: &str| json!({ "type": "publish", "channel": channel, "event": event, "data": 1 });
    for event in ["user_message", "typing_start", "typing_stop"] {
        client.send(publish("chat:session-123", event)).await;
        assert_eq!(client.next().await["event"], event);
    }
    for (channel, event) in [
        ("chat:session-123", "status_update"),
        ("agent:user-456", "status_update"),
        ("trips:1", "user_message"),
    ] {
        client.send(publish(channel, event)).await;
        client.hears(r#"{"type": "error", "code": "forbidden"}"#).await;
    }
    client.send(json!({ "type": "subscribe", "channel": "trips:1" })).await;
    client.hears(r#"{"type": "error", "code": "forbidden"}"#).await;
    // Three of the ten of this second are used up, if it is still the same.
    for _ in 0..20 {
        client.send(publish("chat:session-123", "user_message")).await;
    }
    let mut limited = 0;
    for _ in 0..20 {
        limited += usize::from(client.next().await["message"] == "Rate limit exceeded");
    }
    assert!((1..=13).contains(&limited), "{limited}");
}

/// The connection guide: its table of connection types.
#[tokio::test]
async fn the_connection_guides_types() {
    let house = House::open(&[("MAX_CONNECTIONS_PER_USER", "0")]);
    let visit = async |path: &str, user: &str| {
        let target = format!("{path}?token={}", house.token(user));
        let mut client = Client::connect(house.address, &target).await;
        let first = client.next().await;
        (client, first)
    };
    for (path, channel, max, is_owned) in [
        ("/ws/chat/session-123", "chat:session-123", 1, false),
        ("/ws/agent-status/user-123", "agent:user-123", 1, true),
        ("/ws/trips/trip-1/collab", "trip:trip-1", 3, false),
        ("/ws/notifications/user-123", "notifications:user-123", 1, true),
    ] {
        let mut there = Vec::new();
        for _ in 0..max {
            let (mut client, first) = visit(path, "user-123").await;
            assert_eq!(first["type"], "connected", "{path}");
            let own = client.next().await;
            assert_eq!((&own["type"], &own["channel"]), (&json!("subscribed"), &json!(channel)));
            there.push(client);
        }
        let (mut client, first) = visit(path, "user-123").await;
        assert_eq!(first["code"], "too_many_connections", "{path}");
        assert_eq!(client.closed().await, (1008, "Too many connections".to_owned()));
        there.pop().expect("one").leave().await;
        house.until("a place is free", |house| house.handler.connection_count() == max - 1).await;
        let (mut other, first) = visit(path, "user-456").await;
        match is_owned {
            true => {
                assert_eq!(first["code"], "forbidden", "{path}");
                assert_eq!(other.closed().await.0, 1008);
            }
            false => assert_eq!(first["type"], "connected", "{path}"),
        }
        drop((other, there));
        house.emptied().await;
    }
}

/// The quick start: smoke tests 1, 5 and 6.
#[tokio::test]
async fn the_quick_starts_connection_health_and_statistics() {
    let house = House::open(&UNIVERSAL);
    let mut client = guest(&house, "user-123").await;
    client.say(r#"{"type":"ping"}"#).await;
    client.hears(r#"{"type": "pong"}"#).await;
    client.say(r#"{"type":"join_room","payload":{"room_id":"room-123"}}"#).await;
    client.hears(r#"{"type": "user_joined"}"#).await;

    // As `curl` asks. In the guide a key names its engine, `redis`; here one that is always there.
    let health = get(house.address, "/health").await.json();
    let shown = json!({ "status": "ok", "connections": 1, "online_users": 1, "broker": "ok" });
    for (name, value) in shown.as_object().expect("an object") {
        assert_eq!(&health[name], value, "{name} of {health}");
    }
    let stats = get(house.address, "/stats").await.json();
    let shown = json!({ "total_connections": 1, "online_users": 1, "total_rooms": 1 });
    for (name, value) in shown.as_object().expect("an object") {
        assert_eq!(&stats[name], value, "{name} of {stats}");
    }
}

/// The quick start: smoke tests 2, 3 and 4.
#[tokio::test]
async fn the_quick_starts_rooms_direct_messages_and_typing() {
    let house = House::open(&UNIVERSAL);
    let mut client = guest(&house, "user-123").await;
    let mut other = guest(&house, "user-456").await;
    let join = r#"{"type":"join_room","payload":{"room_id":"room-123"}}"#;
    client.say(join).await;
    let joined = r#"{
    "type": "user_joined",
    "user_id": "user-123",
    "room_id": "room-123"
}"#;
    client.hears(joined).await;
    other.say(join).await;
    let joined_as_well = r#"{"type": "user_joined", "user_id": "user-456", "room_id": "room-123"}"#;
    other.hears(joined_as_well).await;
    client.hears(joined_as_well).await;

    let said =
        r#"{"type":"room_message","payload":{"room_id":"room-123","message":"Hello everyone!"}}"#;
    client.say(said).await;
    let heard = r#"{
    "type": "room_message",
    "from": "user-123",
    "room_id": "room-123",
    "message": "Hello everyone!",
    "timestamp": 1234567890
}"#;
    client.hears(heard).await;
    other.hears(heard).await;

    client.say(r#"{"type":"chat","payload":{"to":"user-456","message":"Hi there!"}}"#).await;
    other.hears(r#"{"type": "chat", "from": "user-123", "message": "Hi there!"}"#).await;

    client.say(r#"{"type":"typing","payload":{"room_id":"room-123"}}"#).await;
    other.hears(r#"{"type": "typing", "user_id": "user-123", "room_id": "room-123"}"#).await;
    client.has_heard_all().await;
}

/// The quick start: its troubles and their messages.
#[tokio::test]
async fn the_quick_starts_limits() {
    let house = House::open(&UNIVERSAL);
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(guest(&house, "user-123").await);
    }
    let target = format!("/ws?token={}", token_of_the_guide("user-123"));
    let mut sixth = Client::connect(house.address, &target).await;
    assert_eq!(sixth.closed().await, (1008, "Too many connections".to_owned()));
    for n in 0..100 {
        clients[n % 5].say(r#"{"type":"ping"}"#).await;
        clients[n % 5].hears(r#"{"type": "pong"}"#).await;
    }
    clients[0].say(r#"{"type":"ping"}"#).await;
    clients[0].hears(r#"{"type": "error", "message": "Rate limit exceeded"}"#).await;
    for n in 6..11 {
        let response = get(house.address, "/health").await;
        assert_eq!(response.status, 200, "looking is not connecting");
        let upgrade = crate::exchange::upgrade(&target, "");
        let status = crate::exchange::fetch(house.address, upgrade).await.status;
        assert_eq!(status, if n < 10 { 101 } else { 429 }, "connect {n}");
    }
}
