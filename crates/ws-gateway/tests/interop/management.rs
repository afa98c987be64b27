//! The quick start of connection management: its client, and its four patterns.

use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    process::{Process, answer_to, token, upgrade},
    script::Script,
};

const USER: &str = "user-123";

#[tokio::test]
async fn a_client_connects_asks_and_is_told_how_it_ends() {
    let gateway = Process::start(&[], &[]).await;
    let host = gateway.address.to_string();
    let mut script = Script::start("management/client_connection.mjs", &[&host, &token(USER)]);
    script
        .prints(&[
            "Connected",
            r#"Response: {"type":"connected","clientId":"…","userId":"user-123",…}"#,
            r#"Response: {"type":"response","requestId":"123","payload":{"action":"test"},"timestamp":1…}"#,
        ])
        .await;
    gateway.signal("TERM").await;
    let goodbye = r#"Response: {"type":"goodbye","reconnectAfterMs":…}"#;
    script.prints(&[goodbye, "Closed: 1012 - Server restart"]).await;
    script.ends().await;
    assert_eq!(gateway.ended().await.status, 0);
}

#[tokio::test]
async fn pattern_1_the_token_is_all_it_takes_and_the_limit_is_told() {
    let gateway = Process::start(&[], &[("MESSAGE_RATE_LIMIT", "2")]).await;
    let host = gateway.address.to_string();
    let mut script = Script::start("management/limited.mjs", &[&host, &token(USER)]);
    let expected = ["connected  ", "response 1 ", "response 2 ", "error 3 Rate limit exceeded"];
    script.prints(&expected).await;

    // Its list of troubles: what is shown to whoever comes with a token that does not hold.
    let mut socket = TcpStream::connect(gateway.address).await.expect("it listens");
    let answer = answer_to(&mut socket, &upgrade("/?token=your-jwt-token")).await;
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(answer.contains("Invalid token"), "{answer}");
}

#[tokio::test]
async fn pattern_2_a_response_is_known_by_the_id_of_its_request() {
    let gateway = Process::start(&[], &[]).await;
    let host = gateway.address.to_string();
    let mut script = Script::start("management/request_response.mjs", &[&host, &token(USER)]);
    script.prints(&[r#"Response received: {"action":"getData"}"#, "Closed: 1000"]).await;
    script.ends().await;
}

#[tokio::test]
async fn pattern_3_a_client_that_answers_pings_by_hand_as_well_stays() {
    let gateway = Process::start(&[], &[("PING_INTERVAL", "100")]).await;
    let host = gateway.address.to_string();
    let mut script = Script::start("management/heartbeat.mjs", &[&host, &token(USER)]);
    script.prints(&["ping"; 5]).await;
    gateway.signal("TERM").await;
    while let Some(line) = script.line().await {
        match line.as_str() {
            "ping" => {}
            other => assert_eq!(other, "Closed: 1012 - Server restart"),
        }
    }
}

#[tokio::test]
async fn pattern_4_a_client_comes_back_after_a_restart_and_not_after_a_normal_close() {
    let [port] = ws_test_servers::free_ports().expect("a free port").map(|port| port.to_string());
    let key = "known-to-the-back-end-alone-and-long-enough";
    let variables = [("WEBSOCKET_PORT", &*port), ("API_KEY", key)];
    let gateway = Process::start(&[], &variables).await;
    let host = gateway.address.to_string();
    let mut script = Script::start("management/reconnection.mjs", &[&host, &token(USER)]);
    script.prints(&["Connected"]).await;
    gateway.signal("TERM").await;
    script.prints(&["Reconnecting in 2000ms..."]).await;
    gateway.ended().await;

    let gateway = Process::start(&[], &variables).await;
    script.prints(&["Connected"]).await;
    let mut socket = TcpStream::connect(gateway.address).await.expect("it listens");
    let body = json!({ "code": 1000, "reason": "That is all" }).to_string();
    let order = format!(
        "POST /api/users/{USER}/disconnect HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = answer_to(&mut socket, &order).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    script.prints(&["Connection closed normally"]).await;
    script.ends().await;
}
