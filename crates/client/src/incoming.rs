//! What the server says, as far as a client listens; unknown fields are ignored.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A server message of any type. Payloads are not parsed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Incoming<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) request_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) channel: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) subject: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) event: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) payload: Option<&'a RawValue>,
    /// What is said in a room or to one; in an error, a sentence.
    #[serde(borrow, default)]
    pub(crate) message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) from: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) epoch: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) offset: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) event_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) message_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) recovered: Option<bool>,
    #[serde(default)]
    pub(crate) dropped: Option<u64>,
    #[serde(default)]
    pub(crate) from_offset: Option<u64>,
    #[serde(rename = "user_id", borrow, default)]
    pub(crate) member: Option<Cow<'a, str>>,
    #[serde(rename = "room_id", borrow, default)]
    pub(crate) room: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) user_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) heartbeat_ms: Option<u64>,
    #[serde(default)]
    pub(crate) reconnect_after_ms: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) code: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) retry_after_ms: Option<u64>,
    #[serde(default)]
    pub(crate) count: Option<u64>,
    #[serde(default)]
    pub(crate) users: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) joined: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) left: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) joined_more: Option<u64>,
    #[serde(default)]
    pub(crate) left_more: Option<u64>,
    #[serde(default)]
    pub(crate) timestamp: Option<u64>,
}

/// What an `id` of ours names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// An entry of the queue.
    Call(u64),
    /// The subscription that was asked for as the so manieth.
    Subscription(u64),
    /// A token that was sent.
    Token,
}

impl Incoming<'_> {
    pub(crate) fn parse(text: &str) -> Option<Incoming<'_>> {
        serde_json::from_str(text).ok()
    }

    /// Which of our messages it answers.
    pub(crate) fn answers(&self) -> Option<Answered> {
        let id = self.id.or(self.request_id)?.get();
        let id = id.trim_matches('"');
        match id.as_bytes().first()? {
            b'a' => Some(Answered::Token),
            b's' => id[1..].parse().ok().map(Answered::Subscription),
            _ => id.parse().ok().map(Answered::Call),
        }
    }

    /// The sentence of an error.
    pub(crate) fn sentence(&self) -> String {
        let sentence = self.message.and_then(|raw| serde_json::from_str(raw.get()).ok());
        sentence.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_calls_subscriptions_and_tokens_are_told_apart() {
        let answers = |text| Incoming::parse(text).and_then(|it| it.answers());
        assert_eq!(answers(r#"{"type":"ack","id":7}"#), Some(Answered::Call(7)));
        assert_eq!(answers(r#"{"type":"response","requestId":8}"#), Some(Answered::Call(8)));
        assert_eq!(answers(r#"{"type":"subscribed","id":"s9"}"#), Some(Answered::Subscription(9)));
        assert_eq!(answers(r#"{"type":"authenticated","id":"a"}"#), Some(Answered::Token));
        assert_eq!(answers(r#"{"type":"ack","id":"elsewhere"}"#), None);
        assert_eq!(answers(r#"{"type":"pong"}"#), None);
    }

    #[test]
    fn escapes_and_unknown_fields_are_read() {
        let text =
            r#"{"type":"error","code":"forbidden","message":"\"a\" is not \u00e4","new":[1]}"#;
        let error = Incoming::parse(text).unwrap();
        assert_eq!(error.sentence(), "\"a\" is not ä");
        assert!(Incoming::parse("{").is_none());
    }
}
