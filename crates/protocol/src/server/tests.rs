//! The golden text of every message, field for field.

use super::*;

const NOW: u64 = 1_700_000_000_000;

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

fn id(json: &str) -> Id<'_> {
    Id::new(raw(json)).unwrap()
}

fn encoded(message: &ServerMessage<'_>, id: Option<Id<'_>>) -> String {
    let mut out = Vec::new();
    message.encode(id, NOW, &mut out);
    String::from_utf8(out).unwrap()
}

/// Checks `message` against `{"type":…,"timestamp":NOW}` with `fields` in between.
#[track_caller]
fn check(message: &ServerMessage<'_>, type_name: &str, fields: &str) {
    let comma = if fields.is_empty() { "" } else { "," };
    let expect = format!(r#"{{"type":"{type_name}"{comma}{fields},"timestamp":1700000000000}}"#);
    assert_eq!(encoded(message, None), expect);
    assert_eq!(message.type_name(), type_name);
}

#[test]
fn connected_row() {
    let client_id = "550e8400-e29b-41d4-a716-446655440000";
    let connected = |user_id| ServerMessage::Connected { client_id, user_id, heartbeat_ms: 30_000 };
    check(
        &connected(Some("user-123")),
        "connected",
        r#""clientId":"550e8400-e29b-41d4-a716-446655440000","userId":"user-123","heartbeatMs":30000"#,
    );
    check(
        &connected(None),
        "connected",
        r#""clientId":"550e8400-e29b-41d4-a716-446655440000","heartbeatMs":30000"#,
    );
}

#[test]
fn authenticated_row() {
    let session = Session {
        user_id: "user-123",
        session_id: "session-456",
        available_channels: &["chat:session-123", "agent:user-456"],
        permissions: &["read", "write"],
        expires_at: Some(1_700_000_900_000),
    };
    check(
        &ServerMessage::Authenticated(session.clone()),
        "authenticated",
        r#""success":true,"userId":"user-123","sessionId":"session-456","availableChannels":["chat:session-123","agent:user-456"],"permissions":["read","write"],"expiresAt":1700000900000"#,
    );
    let bare = Session { available_channels: &[], permissions: &[], expires_at: None, ..session };
    check(
        &ServerMessage::Authenticated(bare),
        "authenticated",
        r#""success":true,"userId":"user-123","sessionId":"session-456","availableChannels":[],"permissions":[]"#,
    );
}

#[test]
fn response_and_error_rows() {
    check(
        &ServerMessage::Response { request_id: id("\"123\""), payload: raw("{ \"a\" : [1.0] }") },
        "response",
        r#""requestId":"123","payload":{ "a" : [1.0] }"#,
    );
    check(
        &ServerMessage::error(ErrorCode::InvalidToken),
        "error",
        r#""code":"invalid_token","message":"Invalid token""#,
    );
    check(
        &ServerMessage::Error {
            code: ErrorCode::RateLimited,
            message: ErrorCode::RateLimited.sentence().into(),
            request_id: Some(id("7")),
            retry_after_ms: Some(250),
        },
        "error",
        r#""code":"rate_limited","message":"Rate limit exceeded","requestId":7,"retryAfterMs":250"#,
    );
}

#[test]
fn subscription_rows() {
    let channel = "orders";
    check(
        &ServerMessage::Subscribed { channel, epoch: None, offset: None, recovered: None },
        "subscribed",
        r#""channel":"orders""#,
    );
    check(
        &ServerMessage::Subscribed {
            channel,
            epoch: Some("e1"),
            offset: Some(42),
            recovered: Some(false),
        },
        "subscribed",
        r#""channel":"orders","epoch":"e1","offset":42,"recovered":false"#,
    );
    check(&ServerMessage::Unsubscribed { channel }, "unsubscribed", r#""channel":"orders""#);
}

#[test]
fn message_row_from_a_publisher_and_from_a_broker_subject() {
    let bare = ChannelMessage {
        channel: Some("orders"),
        subject: None,
        event: None,
        data: raw("null"),
        from: None,
        offset: None,
        event_id: None,
        message_id: None,
    };
    let full = ChannelMessage {
        event: Some("created"),
        from: Some("user-123"),
        offset: Some(u64::MAX),
        event_id: Some("e-7"),
        ..bare.clone()
    };
    let to_a_user = ChannelMessage { channel: None, event: Some("paid"), ..bare.clone() };
    let by_a_subject = ChannelMessage {
        subject: Some("orders.created"),
        data: raw(r#"{"orderId":"123"}"#),
        ..bare.clone()
    };
    check(&ServerMessage::Message(bare), "message", r#""channel":"orders","data":null"#);
    check(&ServerMessage::Message(to_a_user), "message", r#""event":"paid","data":null"#);
    check(
        &ServerMessage::Message(full),
        "message",
        r#""channel":"orders","event":"created","data":null,"from":"user-123","offset":18446744073709551615,"eventId":"e-7""#,
    );
    check(
        &ServerMessage::Message(by_a_subject),
        "message",
        r#""channel":"orders","subject":"orders.created","data":{"orderId":"123"}"#,
    );
}

#[test]
fn room_and_chat_rows() {
    let (user_id, room_id, from) = ("user-123", "room-123", "user-123");
    let who_and_where = r#""user_id":"user-123","room_id":"room-123""#;
    check(&ServerMessage::UserJoined { user_id, room_id }, "user_joined", who_and_where);
    check(&ServerMessage::UserLeft { user_id, room_id }, "user_left", who_and_where);
    check(&ServerMessage::Typing { user_id, room_id }, "typing", who_and_where);
    check(
        &ServerMessage::RoomMessage {
            from,
            room_id,
            message: raw("\"Hello everyone!\""),
            offset: None,
        },
        "room_message",
        r#""from":"user-123","room_id":"room-123","message":"Hello everyone!""#,
    );
    check(
        &ServerMessage::Chat { from, message: raw("\"Hi there!\""), message_id: "m-1" },
        "chat",
        r#""from":"user-123","message":"Hi there!","messageId":"m-1""#,
    );
}

#[test]
fn presence_and_ack_rows() {
    let channel = "room:1";
    check(
        &ServerMessage::Presence { channel, count: 2, users: Some(&["a", "b"]) },
        "presence",
        r#""channel":"room:1","count":2,"users":["a","b"]"#,
    );
    check(
        &ServerMessage::Presence { channel, count: 0, users: None },
        "presence",
        r#""channel":"room:1","count":0"#,
    );
    let change = |joined_more, left_more| ServerMessage::PresenceChange {
        channel,
        count: 4711,
        joined: &["a", "b\""],
        joined_more,
        left: &[],
        left_more,
    };
    check(
        &change(0, 0),
        "presence",
        r#""channel":"room:1","count":4711,"joined":["a","b\""],"left":[]"#,
    );
    check(
        &change(7, 2),
        "presence",
        r#""channel":"room:1","count":4711,"joined":["a","b\""],"left":[],"joinedMore":7,"leftMore":2"#,
    );
    check(&ServerMessage::Ack { message_id: None, offset: None }, "ack", "");
    check(
        &ServerMessage::Ack { message_id: Some("m-1"), offset: Some(7) },
        "ack",
        r#""messageId":"m-1","offset":7"#,
    );
}

#[test]
fn rows_of_signs_of_life_and_notices() {
    check(&ServerMessage::Pong, "pong", "");
    check(&ServerMessage::Ping, "ping", "");
    let range = MissedRange { epoch: "e1", from_offset: 7, to_offset: 9 };
    check(
        &ServerMessage::Gap { channel: "orders", dropped: 3, range: Some(range) },
        "gap",
        r#""channel":"orders","dropped":3,"epoch":"e1","fromOffset":7,"toOffset":9"#,
    );
    check(
        &ServerMessage::Gap { channel: "orders", dropped: 3, range: None },
        "gap",
        r#""channel":"orders","dropped":3"#,
    );
    check(
        &ServerMessage::TokenExpiring { expires_at: 1_700_000_030_000 },
        "token_expiring",
        r#""expiresAt":1700000030000"#,
    );
    check(
        &ServerMessage::Goodbye { reconnect_after_ms: 1500 },
        "goodbye",
        r#""reconnectAfterMs":1500"#,
    );
}

#[test]
fn an_answer_carries_the_id_of_its_question_as_it_was_written() {
    for (json, expect) in [
        ("\"q-1\"", r#"{"type":"pong","id":"q-1","timestamp":1700000000000}"#),
        ("\"\\u0061\"", r#"{"type":"pong","id":"\u0061","timestamp":1700000000000}"#),
        ("-0.50", r#"{"type":"pong","id":-0.50,"timestamp":1700000000000}"#),
    ] {
        assert_eq!(encoded(&ServerMessage::Pong, Some(id(json))), expect);
    }
}

#[test]
fn a_message_is_appended_to_what_the_buffer_holds() {
    let mut out = b"header".to_vec();
    ServerMessage::Pong.encode(None, 0, &mut out);
    assert_eq!(out, br#"header{"type":"pong","timestamp":0}"#);
}
