//! What is refused, with which words.

use super::*;

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
