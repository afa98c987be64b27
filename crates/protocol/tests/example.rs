//! The example is run against a real client, so that it cannot rot.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

#[path = "../examples/answers.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod answers;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_the_header_of_the_example_promises_is_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(answers::serve(listener));

    let story = async {
        let (mut client, _) = connect_async(&url).await.unwrap();
        let mut answers = Vec::new();
        for question in [
            None,
            Some(r#"{"type":"request","requestId":"1","payload":{"action":"test"}}"#),
            Some(r#"{"type":"ping","id":2}"#),
            Some(r#"{"type":"subscribe"}"#),
            Some(r#"{"type":"subscribe","channel":"a","id":"s"}"#),
        ] {
            if let Some(question) = question {
                // What wants no answer gets none, or the next answer would be the wrong one.
                client.send(Message::text(r#"{"type":"heartbeat"}"#)).await.unwrap();
                client.send(Message::text(question)).await.unwrap();
            }
            let text = client.next().await.unwrap().unwrap().into_text().unwrap();
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            assert!(answer.as_object_mut().unwrap().remove("timestamp").unwrap().is_u64());
            answers.push(answer);
        }
        assert_eq!(answers[0]["type"], "connected");
        assert_eq!(
            answers[1..],
            [
                json!({"type": "response", "requestId": "1", "payload": {"action": "test"}}),
                json!({"type": "pong", "id": 2}),
                json!({
                    "type": "error", "code": "missing_field",
                    "message": "Missing field `channel`: `subscribe` expects a string",
                }),
                json!({
                    "type": "error", "code": "unsupported", "id": "s",
                    "message": "Not offered by this server",
                }),
            ]
        );
    };
    tokio::time::timeout(PATIENCE, story).await.unwrap();
}
