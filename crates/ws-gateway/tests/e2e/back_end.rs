//! A back-end as the gateway's API sees it: requests with a key, and their answers.

use serde_json::{Value, json};

use crate::{
    client::Client,
    exchange::{Response, fetch},
    house::House,
};

pub(crate) const KEY: &str = "correct-horse-battery-staple";

impl House {
    /// A gateway whose API is open to those who know [`KEY`].
    pub(crate) fn with_api(further: &[(&str, &str)]) -> Self {
        Self::with_api_and_file(further, "")
    }

    pub(crate) fn with_api_and_file(further: &[(&str, &str)], file: &str) -> Self {
        Self::open_with_file(&[&[("API_KEY", KEY)], further].concat(), file)
    }

    /// Posts JSON with the key.
    pub(crate) async fn post(&self, target: &str, body: Value) -> Response {
        self.post_text(target, &body.to_string()).await
    }

    pub(crate) async fn post_text(&self, target: &str, body: impl AsRef<[u8]>) -> Response {
        let body = body.as_ref();
        let (length, headers) = (body.len(), "Content-Type: application/json\r\n");
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer {KEY}\r\n\
             {headers}Content-Length: {length}\r\n\r\n"
        );
        fetch(self.address, [head.as_bytes(), body].concat()).await
    }

    /// Asks with the key.
    pub(crate) async fn look(&self, target: &str) -> Response {
        let key = format!("Authorization: Bearer {KEY}\r\n");
        fetch(self.address, format!("GET {target} HTTP/1.1\r\nHost: g\r\n{key}\r\n")).await
    }

    /// Posts what is right, and reads the answer.
    pub(crate) async fn order(&self, target: &str, body: Value) -> Value {
        let response = self.post(target, body).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.json()
    }
}

impl Client {
    /// Subscribes, and reads the answer.
    pub(crate) async fn subscribe(&mut self, channel: &str) {
        self.send(json!({ "type": "subscribe", "channel": channel })).await;
        let answer = self.next().await;
        assert_eq!((&answer["type"], &answer["channel"]), (&json!("subscribed"), &json!(channel)));
    }

    /// Nothing more has come: the next that comes is the answer to a ping.
    pub(crate) async fn has_heard_all(&mut self) {
        self.send(json!({ "type": "ping", "id": "all" })).await;
        let pong = self.next().await;
        assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!("all")), "{pong}");
    }

    /// The next message without its time, which must be there.
    pub(crate) async fn next_untimed(&mut self) -> Value {
        let mut message = self.next().await;
        let timestamp = message.as_object_mut().and_then(|fields| fields.remove("timestamp"));
        assert!(timestamp.is_some_and(|it| it.as_u64() > Some(1_600_000_000_000)), "{message}");
        message
    }
}
