//! What a message is about, without its payload.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::sighting::{Outline, Payload};

/// As much of a name is told as the longest channel has.
const NAME_BYTES_MAX: usize = 200;
/// As much of a text is told.
const PAYLOAD_BYTES_MAX: usize = 4096;
/// What a room's channel is called before its id.
const ROOM: &str = "room:";

/// The fields that are looked at, wherever a message has them.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    room_id: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestId")]
    request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// What stands in the payload of a message about a room.
#[derive(Deserialize)]
struct Room<'a> {
    #[serde(borrow)]
    room_id: Option<&'a RawValue>,
}

/// What was read of one text, once for all watchers.
pub(super) struct Read {
    pub(super) outline: Outline,
    /// Whether it has a token in it, or might have.
    is_secret: bool,
}

impl Read {
    pub(super) fn of(text: &str) -> Self {
        let Ok(fields) = serde_json::from_str::<Fields<'_>>(text) else {
            let outline = Outline { is_unreadable: true, ..Outline::default() };
            // Whoever misspells a token is not to find it in somebody's trace.
            return Self { outline, is_secret: text.contains("token") || holds_a_jwt(text) };
        };
        let kind = fields.kind.and_then(string);
        let is_auth = kind.as_deref() == Some("auth");
        let is_secret = is_auth || fields.token.is_some() || holds_a_jwt(text);
        // A string or a number; whatever else stands there is no id, and may be anything.
        let id = fields.id.or(fields.request_id);
        let id = id.filter(|id| !id.get().starts_with(['{', '[']));
        let outline = Outline {
            channel: fields
                .channel
                .and_then(string)
                .or_else(|| fields.room(kind.as_deref()))
                .map(|it| cut(&it)),
            event: fields.event.and_then(string).map(|event| cut(&event)),
            id: id.map(|id| cut(id.get())),
            code: fields.code.and_then(string).map(|code| cut(&code)),
            kind: kind.map(|kind| cut(&kind)),
            is_unreadable: false,
        };
        Self { outline, is_secret }
    }

    /// As much of the text as may be told. Of a client that has not been let in nothing is told: what it says
    /// first is who it is.
    pub(super) fn payload(&self, text: &str, is_welcome: bool) -> Payload {
        if self.is_secret || !is_welcome {
            return Payload::Secret;
        }
        let end = text.floor_char_boundary(PAYLOAD_BYTES_MAX);
        Payload::Text { text: text[..end].into(), is_cut: end < text.len() }
    }
}

impl Fields<'_> {
    /// A room has its id beside the type when we say it, and in the payload when a client does.
    fn room(&self, kind: Option<&str>) -> Option<Cow<'_, str>> {
        let id = match self.room_id {
            Some(id) => string(id),
            None => {
                let is_about_a_room = kind?.contains("room") || kind == Some("typing");
                let payload = self.payload.filter(|_| is_about_a_room)?;
                serde_json::from_str::<Room<'_>>(payload.get()).ok()?.room_id.and_then(string)
            }
        };
        id.map(|id| Cow::Owned([ROOM, &id].concat()))
    }
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(raw.get()).ok()
}

fn cut(name: &str) -> Box<str> {
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].into()
}

/// Wherever it stands, and whoever's it is: these are the first letters of one, of `{"`. Where another character
/// stands between the two, it is one if it has three parts.
fn holds_a_jwt(text: &str) -> bool {
    let is_of_one =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let is_one = |word: &str| {
        let begins = ["eyA", "ewk", "ewo", "ew0"].iter().any(|letters| word.starts_with(letters));
        begins && word.bytes().filter(|byte| *byte == b'.').count() == 2
    };
    text.contains("eyJ") || text.split(|letter| !is_of_one(letter)).any(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(text: &str) -> Option<String> {
        Read::of(text).outline.channel.map(String::from)
    }

    #[test]
    fn a_message_is_about_its_channel_or_its_room_whoever_says_it() {
        let chat = Some("chat:1".to_owned());
        assert_eq!(channel(r#"{"type":"publish","channel":"chat:1","data":1}"#), chat);
        assert_eq!(channel(r#"{"type":"subscribe","channel":"chat:\u0031"}"#), chat);
        let room = Some("room:7".to_owned());
        assert_eq!(channel(r#"{"type":"join_room","payload":{"room_id":"7"}}"#), room);
        assert_eq!(channel(r#"{"type":"typing","payload":{"room_id":"7"}}"#), room);
        assert_eq!(channel(r#"{"type":"user_joined","user_id":"a","room_id":"7"}"#), room);
        assert_eq!(channel(r#"{"type":"request","payload":{"room_id":"7"}}"#), None);
        assert_eq!(channel(r#"{"type":"publish","channel":7}"#), None);
    }

    #[test]
    fn an_outline_has_names_and_no_payload() {
        let text = r#"{"type":"error","code":"forbidden","requestId":"r1","message":"no"}"#;
        let outline = Read::of(text).outline;
        assert_eq!(outline.kind.as_deref(), Some("error"));
        assert_eq!(outline.code.as_deref(), Some("forbidden"));
        assert_eq!(outline.id.as_deref(), Some(r#""r1""#));
        let no_id = r#"{"type":"publish","id":{"card":"4111 1111"}}"#;
        assert_eq!(Read::of(no_id).outline.id, None);
        let long = format!(r#"{{"type":"{}"}}"#, "ä".repeat(1000));
        assert_eq!(Read::of(&long).outline.kind.map(|kind| kind.len()), Some(NAME_BYTES_MAX));
    }

    #[test]
    fn what_might_hold_a_token_is_never_told() {
        for text in [
            r#"{"type":"auth","token":"eyJhbGciOi"}"#,
            r#"{"token":"eyJhbGciOi","channels":[]}"#,
            r#"{"type":"auth","tokem":"eyJhbGciOi"}"#,
            r#"{"type":"auth","token":"eyJhbGciOi"#,
            r#"{"tok":"eyJhbGciOi"#,
            r#"{"type":"request","requestId":1,"payload":{"jwt":"eyJhbGciOi"}}"#,
            // `{ "alg"…` and `{`, a new line, `"alg"…`.
            r#"{"type":"request","requestId":1,"payload":"eyAiYWxnIjoi.e30.c2ln"}"#,
            r#"{"type":"request","requestId":1,"payload":"x=ewogICJhbGci.e30.c2ln"}"#,
        ] {
            assert_eq!(Read::of(text).payload(text, true), Payload::Secret, "{text}");
        }
        let harmless = r#"{"type":"request","requestId":1,"payload":"ewok, eyAlpha.b"}"#;
        assert_ne!(Read::of(harmless).payload(harmless, true), Payload::Secret);
        let text = r#"{"type":"ping"}"#;
        assert_eq!(Read::of(text).payload(text, false), Payload::Secret, "not let in");
        let told = Payload::Text { text: text.into(), is_cut: false };
        assert_eq!(Read::of(text).payload(text, true), told);
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let text = "ä".repeat(PAYLOAD_BYTES_MAX);
        let Payload::Text { text, is_cut: true } = Read::of(&text).payload(&text, true) else {
            panic!("not cut");
        };
        assert_eq!(text.len(), PAYLOAD_BYTES_MAX);
    }
}
