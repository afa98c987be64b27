//! What is understood, a test for each row of the vocabulary; and what is ignored.

use super::*;

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
fn an_application_gets_the_types_that_are_none_of_ours_whole() {
    for (text, name, id_json, request_id_json) in [
        (r#"{"type":"move","x":1,"id":7}"#, "move", Some("7"), None),
        (r#" {"x":[{}],"requestId":"r","type":"PING"} "#, "PING", None, Some("\"r\"")),
        // The label of the counter is no spelling, and an empty name is the application's affair.
        (r#"{"type":"custom","token":"t"}"#, "custom", None, None),
        (r#"{"type":""}"#, "", None, None),
        (r#"{"type":"m\u006fve","requestId":{"any":"thing"}}"#, "move", None, None),
    ] {
        let incoming = ClientMessage::parse_open(text).unwrap();
        let expect = Correlation { id: id_json.map(id), request_id: request_id_json.map(id) };
        assert_eq!(incoming.correlation(), expect, "{text}");
        assert_eq!(incoming.message.client_type(), ClientType::Custom);
        let ClientMessage::Custom(custom) = incoming.message else { panic!("expected custom") };
        assert_eq!((&*custom.type_name, custom.text), (name, text));
    }
}

#[test]
fn what_is_refused_is_refused_to_an_application_as_well() {
    for (text, code) in [
        ("ping", ErrorCode::BadJson),
        ("[]", ErrorCode::BadJson),
        ("{}", ErrorCode::MissingField),
        (r#"{"type":7}"#, ErrorCode::InvalidField),
        (r#"{"type":"move","id":[]}"#, ErrorCode::InvalidField),
        (r#"{"type":"move","type":"auth"}"#, ErrorCode::InvalidField),
        (r#"{"type":"subscribe"}"#, ErrorCode::MissingField),
    ] {
        assert_eq!(ClientMessage::parse_open(text).unwrap_err().code(), code, "{text}");
    }
    let deep = format!("{{\"type\":\"move\",\"x\":{}{}}}", "[".repeat(127), "]".repeat(127));
    assert_eq!(ClientMessage::parse_open(&deep).unwrap_err().code(), ErrorCode::BadJson);
}

#[test]
fn a_custom_message_does_not_show_its_text() {
    let incoming = ClientMessage::parse_open(r#"{"type":"login","password":"s3cr3t"}"#).unwrap();
    let shown = format!("{incoming:?}");
    assert!(shown.contains("login") && !shown.contains("s3cr3t"), "{shown}");
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
fn a_name_means_nothing_in_another_place_than_its_own() {
    check(r#"{"type":"ping","room_id":1,"room_id":2,"offset":{}}"#, &ClientMessage::Ping);
    check(
        r#"{"type":"join_room","room_id":"b","payload":{"room_id":"a","id":1,"id":2,"type":"ping"}}"#,
        &ClientMessage::JoinRoom { room_id: "a".into() },
    );
}

#[test]
fn whitespace_is_allowed_where_json_allows_it() {
    check(" \r\n\t{ \"type\" :\n\"ping\" } \n", &ClientMessage::Ping);
}
