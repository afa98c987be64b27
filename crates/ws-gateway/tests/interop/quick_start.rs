//! The quick start of rooms and direct messages: its environment, its token, its smoke tests, its class.

use ws_test_servers::{Redis, RedisOptions};

use crate::{
    process::{Process, SECRET},
    script::{Script, python},
};

/// Its environment, but for the secret and for where Redis is.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("MAX_CONNECTIONS_PER_USER", "5"),
    ("MESSAGE_RATE_LIMIT", "100"),
    ("CONNECTION_RATE_LIMIT", "10"),
    ("ALLOWED_ORIGINS", "http://localhost:3000,https://yourdomain.com"),
];

async fn start(variables: &[(&str, &str)]) -> Process {
    Process::start(&[], &[&ENVIRONMENT, variables].concat()).await
}

/// One made as the quick start makes it.
async fn made_by_python(user: &str) -> String {
    python("quick_start/make_token.py", &[SECRET, user]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_six_smoke_tests_show_what_they_say() {
    let redis = Redis::start(&RedisOptions::default()).expect("a redis-server");
    let port = redis.port().to_string();
    let gateway = start(&[("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &port)]).await;
    let (one, two) = (made_by_python("user-123").await, made_by_python("user-456").await);
    let host = gateway.address.to_string();
    let mut script = Script::start("quick_start/smoke_tests.mjs", &[&host, &one, &two, "user-456"]);
    script.prints(&["one Connected!", r#"one {"type":"connected",…}"#]).await;
    script.prints(&[r#"one {"type":"pong",…}"#, "two Connected!"]).await;
    // Between two sockets there is no order, in each there is one.
    let (mut heard_by_one, mut heard_by_two) = (Vec::new(), Vec::new());
    let health = loop {
        let line = script.line().await.expect("more");
        match line.split_once(' ') {
            Some(("one", heard)) => heard_by_one.push(heard.to_owned()),
            Some(("two", heard)) => heard_by_two.push(heard.to_owned()),
            _ => break line,
        }
    };
    let joined =
        r#"{"type":"user_joined","user_id":"user-456","room_id":"room-123","timestamp":1…}"#;
    let said = r#"{"type":"room_message","from":"user-123","room_id":"room-123","message":"Hello everyone!","timestamp":1…}"#;
    let own = joined.replace("456", "123");
    alike(&heard_by_one, &[&own, joined, said]);
    let letter =
        r#"{"type":"chat","from":"user-123","message":"Hi there!","messageId":"…","timestamp":1…}"#;
    let typing = r#"{"type":"typing","user_id":"user-123","room_id":"room-123","timestamp":1…}"#;
    alike(&heard_by_two, &[r#"{"type":"connected",…}"#, joined, said, letter, typing]);

    // There it is one connection, here both are still open.
    let expected =
        [r#""redis":"ok""#, r#""connections":2"#, r#""online_users":2"#, r#""status":"ok""#];
    assert!(health.starts_with("health 200 {"), "{health}");
    assert!(expected.iter().all(|field| health.contains(field)), "{health}");
    let stats = script.line().await.expect("the statistics");
    let expected = [r#""total_connections":2"#, r#""online_users":2"#, r#""total_rooms":1"#];
    assert!(stats.starts_with("stats 200 {"), "{stats}");
    assert!(expected.iter().all(|field| stats.contains(field)), "{stats}");
    script.prints(&["… Disconnected", "… Disconnected"]).await;
    script.ends().await;
}

#[track_caller]
fn alike(heard: &[String], expected: &[&str]) {
    assert_eq!(heard.len(), expected.len(), "{heard:#?}");
    for (heard, expected) in heard.iter().zip(expected) {
        assert!(
            crate::script::is_alike(expected, heard),
            "expected {expected}, and it was {heard}"
        );
    }
}

#[tokio::test]
async fn its_class_joins_talks_and_is_back_after_a_restart() {
    let [port] = ws_test_servers::free_ports().expect("a free port").map(|port| port.to_string());
    let gateway = start(&[("WEBSOCKET_PORT", &port)]).await;
    let host = gateway.address.to_string();
    let token = made_by_python("user-123").await;
    let mut script = Script::start("quick_start/client_class.mjs", &[&host, &token]);
    let talk = [
        "Connected",
        "Unknown: connected",
        "user-123 is there",
        "Pong received",
        "user-123: Hello!",
        "user-123 to me: Hi there!",
    ];
    script.prints(&talk).await;
    gateway.signal("TERM").await;
    script.prints(&["Unknown: goodbye", "Disconnected"]).await;
    gateway.ended().await;
    let _gateway = start(&[("WEBSOCKET_PORT", &port)]).await;
    script.prints(&talk).await;
}
