//! The application of these tests: does what a request's payload says, and notes who comes and goes.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use ws_channels::ChannelName;
use ws_connection::{Cause, End};
use ws_handler::{
    Application, Client, ConnectionId, LateResponder, OfflineCause, Publish, Responder,
    WebSocketHandler,
};
use ws_protocol::{Custom, ErrorCode};
use ws_transport::Replies;

#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) notes: Mutex<Notes>,
    /// By which it publishes in `orders`, in the name of who asks with the payload `"publish"`.
    pub(crate) press: OnceLock<WebSocketHandler<Desk>>,
}

#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) connected: Vec<ConnectionId>,
    pub(crate) disconnected: Vec<(ConnectionId, Cause)>,
    /// Users whose last connection on any node is gone.
    pub(crate) offline: Vec<(String, OfflineCause)>,
    /// The payloads of requests in the order in which they came.
    pub(crate) requests: Vec<String>,
    /// Responders of requests whose payload was `"keep"`.
    pub(crate) kept: Vec<LateResponder>,
}

impl Application for Desk {
    fn handle_connect(&self, client: &Arc<Client>) {
        self.notes.lock().connected.push(client.id());
    }

    fn handle_request(
        &self,
        client: &Arc<Client>,
        payload: &RawValue,
        responder: Responder<'_, '_>,
    ) {
        self.notes.lock().requests.push(payload.get().to_owned());
        match payload.get() {
            "\"fail\"" => responder.fail(ErrorCode::Forbidden, None),
            "\"say why\"" => responder.fail(ErrorCode::Forbidden, Some("Not on Sundays".into())),
            "\"later\"" => {
                let (later, payload) = (responder.later(), payload.to_owned());
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    later.respond(&payload);
                });
            }
            "\"keep\"" => self.notes.lock().kept.push(responder.later()),
            "\"forget\"" => drop(responder.later()),
            "\"overlook\"" => drop(responder),
            "\"publish\"" => {
                self.publish(client, payload);
                responder.respond(payload);
            }
            "\"panic\"" => panic!("the application has a bug"),
            _ => responder.respond(payload),
        }
    }

    fn handle_message(
        &self,
        client: &Arc<Client>,
        message: &Custom<'_>,
        replies: &mut Replies<'_>,
    ) -> bool {
        // Serves `order` alone, so that a test sees both answers.
        if message.type_name != "order" {
            return false;
        }
        assert_eq!(client.is_healthy(), replies.connection().is_healthy());
        let _ = replies.send_text(message.text);
        true
    }

    fn handle_disconnect(&self, client: &Arc<Client>, end: &End) {
        self.notes.lock().disconnected.push((client.id(), end.cause));
    }

    fn handle_user_offline(&self, user_id: &str, cause: OfflineCause) {
        self.notes.lock().offline.push((user_id.to_owned(), cause));
    }
}

impl Desk {
    fn publish(&self, client: &Client, data: &RawValue) {
        let channel = ChannelName::new("orders").expect("a sound name");
        let (user, event, event_id) = (client.user_id(), None, None);
        let publish = Publish { channel: &channel, event, data, event_id, from: user.as_deref() };
        let press = self.press.get().expect("the test has set it");
        press.publish(&publish);
    }
}
