//! A table for each way of reading: what is understood, what is refused, what is ignored.

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

#[test]
fn auth_row_typed_and_untyped() {
    check(
        r#"{"type":"auth","token":"eyJhbGciOiJIUzI1NiIs..."}"#,
        &ClientMessage::Auth(auth("eyJhbGciOiJIUzI1NiIs...")),
    );
    check(
        r#"{"token":"eyJ","sessionId":"session-123","channels":["chat:session-123","agent:user-456"]}"#,
        &ClientMessage::Auth(Auth {
            session_id: Some("session-123".into()),
            channels: vec!["chat:session-123".into(), "agent:user-456".into()],
            ..auth("eyJ")
        }),
    );
    check(r#"{"token":"t"}"#, &ClientMessage::Auth(auth("t")));
    check(
        r#"{"type":null,"token":"t","sessionId":null,"channels":null}"#,
        &ClientMessage::Auth(auth("t")),
    );
}

#[test]
fn request_row() {
    let payload = raw(r#"{ "action": "test" }"#);
    check(
        r#"{"type":"request","requestId":"123","payload":{ "action": "test" },"timestamp":1700000000000}"#,
        &ClientMessage::Request { request_id: id("\"123\""), payload },
    );
    check(
        r#"{"payload":null,"requestId":7,"type":"request"}"#,
        &ClientMessage::Request { request_id: id("7"), payload: raw("null") },
    );
}

#[test]
fn channel_rows() {
    let channel = || Cow::from("orders");
    check(
        r#"{"type":"subscribe","channel":"orders"}"#,
        &ClientMessage::Subscribe { channel: channel(), since: None, presence: false },
    );
    check(
        r#"{"type":"subscribe","channel":"orders","presence":true,"since":{"epoch":"e1","offset":42}}"#,
        &ClientMessage::Subscribe {
            channel: channel(),
            since: Some(Position { epoch: "e1".into(), offset: 42 }),
            presence: true,
        },
    );
    check(
        r#"{"type":"unsubscribe","channel":"orders"}"#,
        &ClientMessage::Unsubscribe { channel: channel() },
    );
    check(
        r#"{"type":"presence","channel":"orders"}"#,
        &ClientMessage::Presence { channel: channel() },
    );
    check(
        r#"{"type":"publish","channel":"orders","data":[1]}"#,
        &ClientMessage::Publish(Publication {
            channel: channel(),
            event: None,
            data: raw("[1]"),
            event_id: None,
        }),
    );
    check(
        r#"{"type":"publish","channel":"orders","event":"created","data":null,"eventId":"e-7"}"#,
        &ClientMessage::Publish(Publication {
            channel: channel(),
            event: Some("created".into()),
            data: raw("null"),
            event_id: Some("e-7".into()),
        }),
    );
}

#[test]
fn room_and_chat_rows() {
    let room_id = || Cow::from("room-123");
    check(
        r#"{"type":"join_room","payload":{"room_id":"room-123"}}"#,
        &ClientMessage::JoinRoom { room_id: room_id() },
    );
    check(
        r#"{"type":"leave_room","payload":{"room_id":"room-123"}}"#,
        &ClientMessage::LeaveRoom { room_id: room_id() },
    );
    check(
        r#"{"type":"typing","payload":{"room_id":"room-123"}}"#,
        &ClientMessage::Typing { room_id: room_id() },
    );
    check(
        r#"{"type":"room_message","payload":{"room_id":"room-123","message":"Hello everyone!"}}"#,
        &ClientMessage::RoomMessage { room_id: room_id(), message: raw("\"Hello everyone!\"") },
    );
    check(
        r#"{"type":"chat","payload":{"to":"user-456","message":"Hi there!"}}"#,
        &ClientMessage::Chat { to: "user-456".into(), message: raw("\"Hi there!\"") },
    );
}

#[test]
fn rows_of_signs_of_life_and_acks() {
    check(r#"{"type":"ping"}"#, &ClientMessage::Ping);
    check(r#"{"type":"pong","timestamp":1234567890}"#, &ClientMessage::Pong);
    check(r#"{"type":"heartbeat"}"#, &ClientMessage::Heartbeat);
    check(r#"{"type":"ack","messageId":"m-1"}"#, &ClientMessage::Ack { message_id: "m-1".into() });
}

#[test]
fn every_message_may_carry_an_id_and_it_is_kept_as_written() {
    let written = [r#""a-1""#, r#""\u0061\"""#, "7", "-0.50", "1e400"];
    for json in written {
        let text = format!("{{\"id\": {json} ,\"type\":\"ping\"}}");
        let incoming = ClientMessage::parse(&text).unwrap();
        assert_eq!(incoming.correlation(), Correlation { id: Some(id(json)), request_id: None });
    }
    let incoming = ClientMessage::parse(r#"{"type":"ping","id":null}"#).unwrap();
    assert_eq!(incoming.id, None);
    let text = r#"{"type":"request","id":1,"requestId":"r","payload":0}"#;
    assert_eq!(
        ClientMessage::parse(text).unwrap().correlation(),
        Correlation { id: Some(id("1")), request_id: Some(id("\"r\"")) },
    );
}

#[test]
fn strings_are_borrowed_unless_an_escape_forces_a_copy() {
    for (text, borrowed) in [
        (r#"{"type":"presence","channel":"grüße:ñ"}"#, true),
        (r#"{"type":"presence","channel":"gr\u00fc\u00dfe:ñ"}"#, false),
    ] {
        let ClientMessage::Presence { channel } = ClientMessage::parse(text).unwrap().message
        else {
            panic!("expected presence");
        };
        assert_eq!(channel, "grüße:ñ");
        assert_eq!(matches!(channel, Cow::Borrowed(_)), borrowed);
    }
}

#[test]
fn unknown_fields_are_ignored_and_so_are_known_ones_where_they_mean_nothing() {
    check(
        r#"{"a":[{}],"type":"ping","a":1,"TYPE":"x","channel":5,"timestamp":{},"":""}"#,
        &ClientMessage::Ping,
    );
}

#[test]
fn whitespace_is_allowed_where_json_allows_it() {
    check(" \r\n\t{ \"type\" :\n\"ping\" } \n", &ClientMessage::Ping);
}

#[test]
fn texts_that_are_not_one_object_are_bad_json() {
    for (text, column) in [
        ("", 0),
        ("ping", 1),
        ("{", 1),
        ("{\"type\":\"ping\"", 14),
        ("{\"type\":\"ping\"} x", 17),
        ("{\"type\":\"ping\",}", 16),
        ("{'type':'ping'}", 2),
        ("{\"type\":\"pi\u{1}ng\"}", 11),
        ("\u{feff}{\"type\":\"ping\"}", 1),
        ("\u{c}{\"type\":\"ping\"}", 1),
        ("[1,", 3),
    ] {
        let line = 1;
        let sentence = format!("Bad JSON at line 1, column {column}: expected one JSON object");
        refuse(text, ParseErrorKind::BadJson { line, column }, "bad_json", &sentence);
    }
    for text in ["null", "true", "5", "\"ping\"", "[]", " [{\"type\":\"ping\"}]"] {
        let sentence = "Not a JSON object: expected one JSON object with a field `type`";
        refuse(text, ParseErrorKind::NotAnObject, "bad_json", sentence);
    }
}

#[test]
fn missing_and_unknown_types_are_answered_with_the_list_of_types() {
    let list = "expected one of auth, request, subscribe, unsubscribe, publish, join_room, leave_room, \
                room_message, chat, typing, presence, ack, ping, pong, heartbeat";
    for text in ["{}", r#"{"type":null}"#, r#"{"token":null}"#, r#"{"channel":"a"}"#] {
        let sentence = format!("Missing field `type`: {list}");
        refuse(text, ParseErrorKind::MissingType, "missing_field", &sentence);
    }
    for text in [r#"{"type":""}"#, r#"{"type":"PING"}"#, r#"{"type":"custom","token":"t"}"#] {
        let sentence = format!("Unknown type: {list}");
        refuse(text, ParseErrorKind::UnknownType, "unknown_type", &sentence);
    }
    for text in [r#"{"type":1}"#, r#"{"type":{}}"#, r#"{"type":["ping"],"token":"t"}"#] {
        let kind = ParseErrorKind::InvalidField { field: Field::Type, expected: Expected::String };
        refuse(text, kind, "invalid_field", "Invalid field `type`: expected a string");
    }
}

#[test]
fn each_field_that_a_message_needs_is_missed_by_name() {
    use ClientType::*;
    let id_text = "a string or a number of at most 256 bytes";
    let (string, anything, object) = ("a string", "any JSON value", "an object");
    for (text, message, field, expected, said) in [
        (r#"{"type":"auth"}"#, Auth, Field::Token, Expected::String, string),
        (r#"{"type":"request","payload":1}"#, Request, Field::RequestId, Expected::Id, id_text),
        (
            r#"{"type":"request","requestId":"1"}"#,
            Request,
            Field::Payload,
            Expected::Anything,
            anything,
        ),
        (r#"{"type":"subscribe"}"#, Subscribe, Field::Channel, Expected::String, string),
        (
            r#"{"type":"subscribe","channel":"a","since":{"offset":1}}"#,
            Subscribe,
            Field::Epoch,
            Expected::String,
            string,
        ),
        (
            r#"{"type":"subscribe","channel":"a","since":{"epoch":"e"}}"#,
            Subscribe,
            Field::Offset,
            Expected::Integer,
            "a whole number, not negative",
        ),
        (
            r#"{"type":"unsubscribe","channel":null}"#,
            Unsubscribe,
            Field::Channel,
            Expected::String,
            string,
        ),
        (r#"{"type":"publish","data":1}"#, Publish, Field::Channel, Expected::String, string),
        (r#"{"type":"publish","channel":"a"}"#, Publish, Field::Data, Expected::Anything, anything),
        (r#"{"type":"join_room"}"#, JoinRoom, Field::Payload, Expected::Object, object),
        (
            r#"{"type":"leave_room","room_id":"r","payload":{}}"#,
            LeaveRoom,
            Field::RoomId,
            Expected::String,
            string,
        ),
        (r#"{"type":"typing","payload":{}}"#, Typing, Field::RoomId, Expected::String, string),
        (
            r#"{"type":"room_message","payload":{"room_id":"r"}}"#,
            RoomMessage,
            Field::Message,
            Expected::Anything,
            anything,
        ),
        (r#"{"type":"chat","payload":{"message":"m"}}"#, Chat, Field::To, Expected::String, string),
        (r#"{"type":"presence"}"#, Presence, Field::Channel, Expected::String, string),
        (r#"{"type":"ack"}"#, Ack, Field::MessageId, Expected::String, string),
    ] {
        let kind = ParseErrorKind::MissingField { message, field, expected };
        let sentence = format!("Missing field `{field}`: `{message}` expects {said}");
        refuse(text, kind, "missing_field", &sentence);
    }
}

#[test]
fn each_field_of_the_wrong_kind_is_refused_by_name() {
    for (text, field, expected) in [
        (r#"{"type":"ping","id":true}"#, Field::Id, Expected::Id),
        (r#"{"type":"ping","id":{"a":1}}"#, Field::Id, Expected::Id),
        (r#"{"type":"request","requestId":[],"payload":1}"#, Field::RequestId, Expected::Id),
        (r#"{"type":"auth","token":5}"#, Field::Token, Expected::String),
        (r#"{"token":{"a":1}}"#, Field::Token, Expected::String),
        (r#"{"token":"t","sessionId":1}"#, Field::SessionId, Expected::String),
        (r#"{"token":"t","channels":"a"}"#, Field::Channels, Expected::Strings),
        (r#"{"token":"t","channels":["a",1]}"#, Field::Channels, Expected::Strings),
        (r#"{"token":"t","channels":["\ud800"]}"#, Field::Channels, Expected::Strings),
        (r#"{"type":"subscribe","channel":["a"]}"#, Field::Channel, Expected::String),
        (r#"{"type":"subscribe","channel":"\ud800"}"#, Field::Channel, Expected::String),
        (
            r#"{"type":"subscribe","channel":"a","presence":"true"}"#,
            Field::Presence,
            Expected::Boolean,
        ),
        (r#"{"type":"subscribe","channel":"a","since":7}"#, Field::Since, Expected::Object),
        (
            r#"{"type":"subscribe","channel":"a","since":{"epoch":"e","offset":-1}}"#,
            Field::Offset,
            Expected::Integer,
        ),
        (
            r#"{"type":"subscribe","channel":"a","since":{"epoch":"e","offset":18446744073709551616}}"#,
            Field::Offset,
            Expected::Integer,
        ),
        (
            r#"{"type":"subscribe","channel":"a","since":{"epoch":"e","offset":1.0}}"#,
            Field::Offset,
            Expected::Integer,
        ),
        (r#"{"type":"publish","channel":"a","data":1,"event":1}"#, Field::Event, Expected::String),
        (
            r#"{"type":"publish","channel":"a","data":1,"eventId":1}"#,
            Field::EventId,
            Expected::String,
        ),
        (r#"{"type":"join_room","payload":"room-1"}"#, Field::Payload, Expected::Object),
        (r#"{"type":"join_room","payload":{"\ud800":1}}"#, Field::Payload, Expected::Object),
        (r#"{"type":"join_room","payload":{"room_id":1}}"#, Field::RoomId, Expected::String),
        (r#"{"type":"chat","payload":{"to":1,"message":1}}"#, Field::To, Expected::String),
        (r#"{"type":"ack","messageId":1}"#, Field::MessageId, Expected::String),
    ] {
        let kind = ParseErrorKind::InvalidField { field, expected };
        let sentence = format!("Invalid field `{field}`: expected {expected}");
        refuse(text, kind, "invalid_field", &sentence);
    }
}

#[test]
fn a_field_given_twice_is_refused_however_it_is_spelled_and_wherever_it_is_read() {
    for (text, field) in [
        (r#"{"type":"ping","type":"auth"}"#, Field::Type),
        (r#"{"type":"ping","\u0074ype":"ping"}"#, Field::Type),
        (r#"{"type":null,"type":"ping"}"#, Field::Type),
        (r#"{"type":"subscribe","channel":"mine","channel":"yours"}"#, Field::Channel),
        (r#"{"type":"join_room","payload":{"room_id":"a","room_id":"b"}}"#, Field::RoomId),
        (
            r#"{"type":"subscribe","channel":"a","since":{"offset":1,"epoch":"e","offset":2}}"#,
            Field::Offset,
        ),
    ] {
        let kind = ParseErrorKind::RepeatedField { field };
        let sentence = format!("Repeated field `{field}`: expected it once");
        refuse(text, kind, "invalid_field", &sentence);
    }
    // What we do not read is the application's own affair.
    check(
        r#"{"type":"request","requestId":1,"payload":{"type":1,"type":2}}"#,
        &ClientMessage::Request { request_id: id("1"), payload: raw(r#"{"type":1,"type":2}"#) },
    );
}

#[test]
fn an_error_carries_the_ids_that_could_be_read() {
    for (text, id_json, request_id_json) in [
        (r#"{"type":"nope","id":"a"}"#, Some("\"a\""), None),
        (r#"{"type":"request","id":1,"requestId":"r"}"#, Some("1"), Some("\"r\"")),
        (r#"{"type":"request","id":[],"requestId":"r","payload":1}"#, None, Some("\"r\"")),
        (r#"{"type":"request","requestId":true,"payload":1,"id":2}"#, Some("2"), None),
        (r#"{"id":"a","type":"request","requestId":5,"payload":{"a"#, Some("\"a\""), Some("5")),
        (r#"{"type":"request","payload":{"a"#, None, None),
        (r#"{"type":"ping","id":"a"}}"#, Some("\"a\""), None),
        (r#"["id","a"]"#, None, None),
    ] {
        let error = ClientMessage::parse(text).unwrap_err();
        let expect = Correlation { id: id_json.map(id), request_id: request_id_json.map(id) };
        assert_eq!(error.correlation, expect, "{text}");
    }
}

#[test]
fn an_error_encodes_as_an_answer_to_the_message() {
    let error = ClientMessage::parse(r#"{"type":"request","id":1,"requestId":"r"}"#).unwrap_err();
    let mut out = Vec::new();
    error.encode(99, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"type":"error","code":"missing_field","message":"Missing field `payload`: `request` expects any JSON value","requestId":"r","id":1,"timestamp":99}"#,
    );
}

#[test]
fn what_an_error_says_of_itself_never_holds_a_part_of_the_token() {
    let secret = "s3cr3t";
    for text in [
        r#"{"type":"auth","token":"s3cr3t","sessionId":1}"#,
        r#"{"type":"auth","token":["s3cr3t"]}"#,
        r#"{"type":"auth","token":"s3cr3t\ud800"}"#,
        r#"{"type":"s3cr3t"}"#,
        r#"{"type":"auth","token":"s3cr3t","token":"s3cr3t"}"#,
        r#"{"token":"s3cr3t"#,
        r#"{"token":s3cr3t}"#,
        r#"{"s3cr3t":1}"#,
        r#""s3cr3t""#,
        "s3cr3t",
    ] {
        let error = ClientMessage::parse(text).unwrap_err();
        let mut out = Vec::new();
        error.encode(0, &mut out);
        let answer = String::from_utf8(out).unwrap();
        assert!(!format!("{error} {error:?} {answer}").contains(secret), "{text}");
    }
    let incoming = ClientMessage::parse(r#"{"token":"s3cr3t"}"#).unwrap();
    assert!(!format!("{incoming:?}").contains(secret));
    let ClientMessage::Auth(auth) = incoming.message else { panic!("expected auth") };
    assert_eq!(auth.token.reveal(), secret);
}

#[test]
fn an_auth_may_ask_for_as_many_channels_as_the_limit_and_no_more() {
    let ask = |count: usize| {
        let channels = vec!["\"c\""; count].join(",");
        let text = format!("{{\"token\":\"t\",\"channels\":[{channels}]}}");
        match ClientMessage::parse(&text) {
            Ok(Incoming { message: ClientMessage::Auth(auth), .. }) => Ok(auth.channels.len()),
            Ok(other) => panic!("expected auth, got {other:?}"),
            Err(error) => Err(error.code()),
        }
    };
    assert_eq!(ask(Auth::CHANNELS_MAX), Ok(Auth::CHANNELS_MAX));
    assert_eq!(ask(Auth::CHANNELS_MAX + 1), Err(ErrorCode::InvalidField));
}
