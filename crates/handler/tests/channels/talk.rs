//! What clients of channels say, and how it is told what they have heard.

use std::{sync::Arc, time::Duration};

use futures_util::SinkExt;
use serde_json::{Value, json, value::RawValue};
use tungstenite::Message;
use ws_auth::TokenRequest;
use ws_channels::{ChannelName, ChannelRules, RuleSpec};
use ws_handler::{HandlerConfig, Publish, Published};

use crate::house::{House, PATH, Peer, settle};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A rule that allows what is named in `actions`.
pub(crate) fn rule(pattern: &str, actions: &str) -> RuleSpec {
    let allows = |action| actions.split(' ').any(|word| word == action);
    RuleSpec {
        pattern: pattern.to_owned(),
        subscribe: allows("subscribe"),
        publish: allows("publish"),
        presence: allows("presence"),
        ..RuleSpec::default()
    }
}

pub(crate) fn compiled(rules: &[RuleSpec]) -> Arc<ChannelRules> {
    Arc::new(ChannelRules::compile(rules).expect("sound rules"))
}

/// A house with these rules and none else.
pub(crate) fn house_with(rules: &[RuleSpec]) -> House {
    House::open(|config| config.policy.rules = compiled(rules))
}

pub(crate) fn name(channel: &str) -> ChannelName {
    ChannelName::new(channel).expect("a sound name")
}

pub(crate) fn raw_json(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("JSON")
}

pub(crate) fn subscribe(channel: &str) -> Value {
    json!({ "type": "subscribe", "channel": channel })
}

pub(crate) fn unsubscribe(channel: &str) -> Value {
    json!({ "type": "unsubscribe", "channel": channel })
}

pub(crate) fn publish(channel: &str, data: impl Into<Value>) -> Value {
    json!({ "type": "publish", "channel": channel, "data": data.into() })
}

pub(crate) fn join(room: &str) -> Value {
    json!({ "type": "join_room", "payload": { "room_id": room } })
}

pub(crate) fn leave(room: &str) -> Value {
    json!({ "type": "leave_room", "payload": { "room_id": room } })
}

pub(crate) fn say(room: &str, message: &str) -> Value {
    json!({ "type": "room_message", "payload": { "room_id": room, "message": message } })
}

/// The same message with an `id`.
pub(crate) fn with_id(mut message: Value, id: impl Into<Value>) -> Value {
    message["id"] = id.into();
    message
}

pub(crate) fn subscribed(channel: &str) -> Value {
    json!({ "type": "subscribed", "channel": channel })
}

pub(crate) fn unsubscribed(channel: &str) -> Value {
    json!({ "type": "unsubscribed", "channel": channel })
}

/// What subscribers are sent of a `publish`.
pub(crate) fn message(channel: &str, from: &str, data: impl Into<Value>) -> Value {
    json!({ "type": "message", "channel": channel, "data": data.into(), "from": from })
}

/// What subscribers are sent when a back-end publishes.
pub(crate) fn bulletin(channel: &str, data: impl Into<Value>) -> Value {
    json!({ "type": "message", "channel": channel, "data": data.into() })
}

pub(crate) fn joined(room: &str, user: &str) -> Value {
    json!({ "type": "user_joined", "user_id": user, "room_id": room })
}

pub(crate) fn left(room: &str, user: &str) -> Value {
    json!({ "type": "user_left", "user_id": user, "room_id": room })
}

pub(crate) fn said(room: &str, from: &str, message: &str) -> Value {
    json!({ "type": "room_message", "from": from, "room_id": room, "message": message })
}

pub(crate) fn acked(id: impl Into<Value>) -> Value {
    json!({ "type": "ack", "id": id.into() })
}

pub(crate) fn error(code: &str, message: &str) -> Value {
    json!({ "type": "error", "code": code, "message": message })
}

/// No message at all.
pub(crate) const NOTHING: [Value; 0] = [];

/// A message without its timestamp, which must be there.
pub(crate) fn undated(mut message: Value) -> Value {
    let timestamp = message.as_object_mut().expect("an object").remove("timestamp");
    assert!(timestamp.is_some_and(|at| at.is_u64()), "without a timestamp: {message}");
    message
}

impl Peer {
    /// Everything that it has been sent and has not looked at, without letting time pass.
    pub(crate) async fn heard(&mut self) -> Vec<Value> {
        self.flush().await;
        settle().await;
        self.heard_now().await
    }

    /// As [`Peer::heard`], of a server that has nothing left to do.
    pub(crate) async fn heard_now(&mut self) -> Vec<Value> {
        self.send(json!({ "type": "ping", "id": "that is all" })).await;
        let mut heard = Vec::new();
        loop {
            let message = undated(self.next().await);
            if message == json!({ "type": "pong", "id": "that is all" }) {
                return heard;
            }
            heard.push(message);
        }
    }

    /// Says something; answers everything that comes of it to the speaker.
    pub(crate) async fn say(&mut self, message: Value) -> Vec<Value> {
        self.send(message).await;
        self.heard().await
    }

    /// Says something together with what is said next, in one write.
    pub(crate) async fn feed(&mut self, message: &Value) {
        self.stream.feed(Message::text(message.to_string())).await.expect("the server reads");
    }

    pub(crate) async fn flush(&mut self) {
        self.stream.flush().await.expect("the server reads");
    }

    /// Subscribes, and nothing else comes of it.
    pub(crate) async fn enter(&mut self, channel: &str) {
        assert_eq!(self.say(subscribe(channel)).await, [subscribed(channel)]);
    }
}

impl House {
    pub(crate) async fn visit_all<const N: usize>(&self, users: [&str; N]) -> [Peer; N] {
        let mut peers = Vec::new();
        for user in users {
            peers.push(self.visit(user).await);
        }
        peers.try_into().unwrap_or_else(|_| unreachable!("as many peers as users"))
    }

    /// Connects with a token that has further claims, and reads the greeting.
    pub(crate) async fn visit_with(&self, token: TokenRequest) -> Peer {
        let mut peer = self.connect(&format!("{PATH}?token={}", self.mint(&token)), &[]).await;
        assert_eq!(peer.next().await["type"], "connected");
        peer
    }

    /// A back-end publishes.
    pub(crate) fn bulletin(&self, channel: &str, data: impl Into<Value>) -> Published {
        self.publish_event(channel, data, None)
    }

    pub(crate) fn publish_event(
        &self,
        channel: &str,
        data: impl Into<Value>,
        event_id: Option<&str>,
    ) -> Published {
        let (channel, data) = (name(channel), raw_json(&data.into()));
        self.handler.publish(&Publish {
            channel: &channel,
            event: None,
            data: &data,
            event_id,
            from: None,
        })
    }

    /// How often something happened in channels, by its label.
    pub(crate) fn tallied(&self, label: &str) -> u64 {
        crate::house::counted(&self.handler.channel_stats().counts, label)
    }

    /// Channels, those with presence, subscriptions, present and absent users, places of connection types.
    pub(crate) fn holds(&self) -> [usize; 6] {
        let stats = self.handler.channel_stats();
        let places = stats.typed_connections;
        [
            stats.channels,
            stats.channels_with_presence,
            stats.subscriptions,
            stats.present,
            stats.absent,
            places,
        ]
    }
}

/// Nobody has to say who it is.
pub(crate) fn anonymous(config: &mut HandlerConfig) {
    config.policy.auth_mode = ws_handler::AuthMode::None;
}
