//! Houses with a history, and what is told of them.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use serde_json::{Value, json};
use ws_broker::Engine;
use ws_channels::{HistorySpec, OnOutage, RuleSpec};

use crate::{
    house::{House, Peer},
    talk::{compiled, publish, rule, subscribe, with_id},
};

pub(crate) const SIZE: u32 = 100;
/// Topics that a node follows for itself.
pub(crate) const OWN_TOPICS: usize = 2;

/// Keeps what is published in `pattern`.
pub(crate) fn keeping(pattern: &str, size: u32) -> RuleSpec {
    let history = HistorySpec { size, ttl: Duration::from_secs(300) };
    RuleSpec { history: Some(history), ..rule(pattern, "subscribe publish presence") }
}

/// `kept:…` is kept, `waits:…` as well and waits for the engine; all else is not.
pub(crate) fn house_on(engine: Option<Arc<dyn Engine>>, size: u32) -> House {
    House::open(|config| {
        config.policy.limits.connections_per_user_max = NonZeroUsize::new(1000);
        config.policy.rules = compiled(&[
            keeping("kept:*", size),
            keeping("room:*", size),
            RuleSpec { on_outage: Some(OnOutage::Queue), ..keeping("waits:*", size) },
            RuleSpec { on_outage: Some(OnOutage::Refuse), ..rule("strict:*", "subscribe publish") },
            rule("*", "subscribe publish presence"),
        ]);
        if let Some(engine) = engine {
            config.engine = engine;
        }
    })
}

pub(crate) fn house() -> House {
    house_on(None, SIZE)
}

/// A position as `subscribed` and clients have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
}

pub(crate) fn since(channel: &str, place: &Place) -> Value {
    let mut message = subscribe(channel);
    message["since"] = json!({ "epoch": place.epoch, "offset": place.offset });
    message
}

impl Peer {
    /// Subscribes, and nothing but the answer comes of it.
    pub(crate) async fn follow(&mut self, channel: &str) -> Place {
        let heard = self.say(subscribe(channel)).await;
        assert_eq!(heard.len(), 1, "{heard:?}");
        place_of(&heard[0])
    }

    /// Publishes; answers the offset.
    pub(crate) async fn put(&mut self, channel: &str, data: u64) -> u64 {
        let heard = self.say(with_id(publish(channel, data), data)).await;
        let ack = heard.iter().find(|message| message["type"] == "ack");
        let ack = ack.unwrap_or_else(|| panic!("no ack among {heard:?}"));
        ack["offset"].as_u64().expect("an offset")
    }

    /// Subscribes with a position; answers whether it recovered, and what was replayed.
    pub(crate) async fn recover(&mut self, channel: &str, place: &Place) -> (bool, Vec<u64>) {
        let heard = self.say(since(channel, place)).await;
        assert_eq!(heard[0]["type"], "subscribed", "{heard:?}");
        (heard[0]["recovered"] == true, data_of(&heard[1..]))
    }
}

pub(crate) fn place_of(subscribed: &Value) -> Place {
    Place {
        epoch: subscribed["epoch"].as_str().expect("an epoch").to_owned(),
        offset: subscribed["offset"].as_u64().expect("an offset"),
    }
}

/// The data of messages, which are nothing but messages.
pub(crate) fn data_of(heard: &[Value]) -> Vec<u64> {
    let data = heard.iter().map(|message| {
        assert_eq!(message["type"], "message", "{message}");
        message["data"].as_u64().expect("a number")
    });
    data.collect()
}

/// The offsets of messages.
pub(crate) fn offsets_of(heard: &[Value]) -> Vec<u64> {
    heard.iter().map(|message| message["offset"].as_u64().expect("an offset")).collect()
}
