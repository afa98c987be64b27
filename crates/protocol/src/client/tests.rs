//! A table for each way of reading.

mod refused;
mod understood;

use super::*;
use crate::error::{Expected, ParseErrorKind};
use crate::error_code::ErrorCode;
use crate::vocabulary::Field;

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

fn id(json: &str) -> Id<'_> {
    Id::new(raw(json)).unwrap()
}

fn auth(token: &str) -> Auth<'_> {
    Auth { token: Token::new(token.into()), session_id: None, channels: Vec::new() }
}

#[track_caller]
fn check(text: &str, expect: &ClientMessage<'_>) {
    let incoming = ClientMessage::parse(text).unwrap();
    // Payloads have no equality of their own: they are equal when their texts are, and Debug shows these.
    assert_eq!(format!("{:?}", incoming.message), format!("{expect:?}"));
    assert_eq!(incoming.message.client_type(), expect.client_type());
    if let (ClientMessage::Auth(incoming), ClientMessage::Auth(expect)) = (incoming.message, expect)
    {
        assert_eq!(incoming.token, expect.token);
    }
}

#[track_caller]
fn refuse(text: &str, kind: ParseErrorKind, code: &str, sentence: &str) {
    let error = ClientMessage::parse(text).unwrap_err();
    assert_eq!((error.kind, error.code().name()), (kind, code), "{text}");
    assert_eq!(error.to_string(), sentence);
}
