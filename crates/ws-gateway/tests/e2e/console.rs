//! The console from outside: who gets the page, who may look, and what is seen.

use serde_json::{Value, json};
use ws_transport::Connector;

use crate::{
    client::Client,
    exchange::{Exchange, Response, upgrade},
    house::House,
};

mod dev;
mod door;
mod leaving;
mod orders;
mod pages;
mod questions;
mod samples;
mod tables;

/// With characters that no subprotocol may have.
const KEY: &str = "an operator's key/ü=(1)";
const KEY_ENCODED: &str = "an%20operator's%20key%2F%c3%bc%3d%281%29";
const PROTOCOLS: &str = "Sec-WebSocket-Protocol: ws-gateway.console.v1, bearer.";

impl House {
    fn with_console(further: &[(&str, &str)]) -> Self {
        Self::open(&[&[("ADMIN_KEY", KEY)], further].concat())
    }

    /// Opens the console's WebSocket; what it is told first has been read.
    async fn look_in(&self) -> (Client, Value) {
        let protocols = ["ws-gateway.console.v1".to_owned(), format!("bearer.{KEY_ENCODED}")];
        let connector = Connector::new().with_protocols(protocols);
        let mut viewer = Client::connect_with(&connector, self.address, "/console/ws").await;
        let hello = viewer.next().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        (viewer, hello)
    }

    /// An upgrade of the console with these header lines.
    async fn knock(&self, further: &str) -> (Exchange, Response) {
        let mut exchange = Exchange::open(self.address).await;
        exchange.send(upgrade("/console/ws", further)).await;
        let response = exchange.response().await;
        (exchange, response)
    }

    /// The same, refused: status and code.
    async fn refused(&self, further: &str) -> (u16, String) {
        let (_, response) = self.knock(further).await;
        let code = response.json()["code"].as_str().expect("a code").to_owned();
        (response.status, code)
    }

    fn visits(&self, outcome: &str) -> u64 {
        let outcomes = self.handler.application().outcomes();
        outcomes.visit_totals().find(|(label, _)| *label == outcome).expect("a known outcome").1
    }
}

impl Client {
    /// The next sample.
    async fn sample(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == "sample" {
                return message;
            }
        }
    }

    /// A sample of which something is so, which must come soon.
    async fn sample_where(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..5 {
            last = self.sample().await;
            if is_so(&last) {
                return last;
            }
        }
        panic!("not so in five samples: {last}");
    }

    /// Asks the console, and reads the answer.
    async fn ask_console(&mut self, mut question: Value) -> Value {
        question["id"] = json!(["any", 1]);
        self.send(question).await;
        loop {
            let mut message = self.next().await;
            if message["type"] != "sample" {
                let fields = message.as_object_mut().expect("an object");
                assert_eq!(fields.remove("id"), Some(json!(["any", 1])));
                return message;
            }
        }
    }
}
