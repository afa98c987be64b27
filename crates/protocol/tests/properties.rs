//! What holds for every text.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use ws_protocol::{
    ChannelMessage, ClientMessage, ClientType, Correlation, Field, Id, Incoming, ParseErrorKind,
    ServerMessage, Session,
};

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An object of fields that we know, with values of any kind: close enough to a message to come far.
fn near_message() -> impl Strategy<Value = Value> {
    let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    let types: Vec<&str> = ClientType::spelled().map(ClientType::name).collect();
    let fields = prop::collection::vec((select(names), json_value()), 0..8);
    (select(types), fields).prop_map(|(client_type, fields)| {
        let mut object: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        object.insert("type".to_owned(), client_type.into());
        Value::Object(object)
    })
}

/// What is no JSON comes back as `null`, which no message is.
fn decode(out: &[u8]) -> Value {
    serde_json::from_slice(out).unwrap_or_default()
}

/// Reads `text`; whatever comes of it, the answer is one JSON object that says so.
fn parse_and_answer(text: &str) {
    if let Err(error) = ClientMessage::parse(text) {
        let mut out = Vec::new();
        error.encode(5, &mut out);
        let answer = decode(&out);
        assert_eq!(answer["type"], "error");
        assert_eq!(answer["code"], error.code().name());
        assert_eq!(answer["message"], error.to_string());
        assert_eq!(answer["timestamp"], 5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_message_or_an_error_that_can_be_sent(text in any::<String>()) {
        parse_and_answer(&text);
    }

    #[test]
    fn any_mix_of_the_pieces_of_json_is_a_message_or_an_error(
        pieces in prop::collection::vec(
            select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\\", "\\ud800", "\\u0074", "type", "\"type\"",
                "\"ping\"", "\"id\"", "\"payload\"", "1", "-", "1e", "null", "true", " ", "\n", "\u{0}",
                "ü", "\"token\"", "\"room_id\"",
            ]),
            0..24,
        ),
    ) {
        parse_and_answer(&pieces.concat());
    }

    #[test]
    fn any_object_of_known_fields_is_a_message_or_an_error(object in near_message()) {
        let text = object.to_string();
        parse_and_answer(&text);
        if let Ok(incoming) = ClientMessage::parse(&text) {
            prop_assert_eq!(incoming.message.client_type().name(), &object["type"]);
        }
        // To an application with types of its own, what the gateway knows is the same.
        let (strict, open) = (ClientMessage::parse(&text), ClientMessage::parse_open(&text));
        prop_assert_eq!(format!("{strict:?}"), format!("{open:?}"));
    }

    #[test]
    fn what_is_refused_for_its_type_alone_is_what_an_application_may_read(
        name in any::<String>(), object in near_message(),
    ) {
        let mut object = object;
        object["type"] = name.clone().into();
        let text = object.to_string();
        let strict = ClientMessage::parse(&text);
        match ClientMessage::parse_open(&text) {
            Ok(Incoming { message: ClientMessage::Custom(custom), id, .. }) => {
                let error = strict.unwrap_err();
                prop_assert_eq!(error.kind, ParseErrorKind::UnknownType);
                prop_assert_eq!(error.correlation, Correlation { id, request_id: custom.request_id });
                prop_assert_eq!(custom.type_name, name);
                prop_assert_eq!(custom.text, text.as_str());
            }
            open => prop_assert_eq!(format!("{strict:?}"), format!("{open:?}")),
        }
    }

    #[test]
    fn a_message_that_is_cut_anywhere_is_an_error(object in near_message(), at in any::<prop::sample::Index>()) {
        let text = object.to_string();
        let boundaries: Vec<usize> = text.char_indices().map(|(index, _)| index).collect();
        let cut = &text[..*at.get(&boundaries)];
        parse_and_answer(cut);
        prop_assert!(ClientMessage::parse(cut).is_err());
    }

    #[test]
    fn strings_and_payloads_come_in_as_they_were_meant(
        channel in any::<String>(), event in any::<Option<String>>(), data in json_value(), id in any::<String>(),
        type_last in any::<bool>(),
    ) {
        let rest = format!(
            r#""channel":{},"event":{},"data":{data},"id":{}"#,
            json!(channel), json!(event), json!(id),
        );
        let text = if type_last {
            format!(r#"{{{rest},"type":"publish"}}"#)
        } else {
            format!(r#"{{"type":"publish",{rest}}}"#)
        };
        prop_assume!(json!(id).to_string().len() <= Id::BYTES_MAX);
        let incoming = ClientMessage::parse(&text).unwrap();
        prop_assert_eq!(incoming.id.unwrap().as_str(), json!(id).to_string());
        let ClientMessage::Publish(publication) = incoming.message else {
            panic!("expected a publication");
        };
        prop_assert_eq!(&publication.channel, &channel);
        prop_assert_eq!(publication.event.as_deref(), event.as_deref());
        prop_assert_eq!(publication.data.get(), data.to_string());
    }

    #[test]
    fn strings_and_payloads_go_out_as_they_were_meant(
        channel in any::<String>(), event in any::<Option<String>>(), from in any::<String>(),
        data in json_value(), offset in any::<Option<u64>>(), timestamp in any::<u64>(),
    ) {
        let raw = to_raw_value(&data).unwrap();
        let message = ServerMessage::Message(ChannelMessage {
            channel: Some(&channel),
            subject: None,
            event: event.as_deref(),
            data: &raw,
            from: Some(&from),
            offset,
            event_id: None,
            message_id: None,
        });
        let mut out = Vec::new();
        message.encode(None, timestamp, &mut out);
        let mut expect = json!({
            "type": "message", "channel": channel, "data": data, "from": from, "timestamp": timestamp,
        });
        for (name, value) in [("event", event.map(Value::from)), ("offset", offset.map(Value::from))] {
            if let Some(value) = value {
                expect[name] = value;
            }
        }
        prop_assert_eq!(decode(&out), expect);
        // Control characters would end a line in a log or a terminal; in JSON text they are always escaped.
        prop_assert!(out.iter().all(|byte| *byte >= 0x20));
    }

    #[test]
    fn lists_go_out_as_they_were_meant(
        channels in prop::collection::vec(any::<String>(), 0..4),
        permissions in prop::collection::vec(any::<String>(), 0..4),
    ) {
        let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
        let permissions: Vec<&str> = permissions.iter().map(String::as_str).collect();
        let mut out = Vec::new();
        ServerMessage::Authenticated(Session {
            user_id: "u",
            session_id: "s",
            available_channels: &channels,
            permissions: &permissions,
            expires_at: None,
        })
        .encode(None, 0, &mut out);
        let decoded = decode(&out);
        prop_assert_eq!(&decoded["availableChannels"], &json!(channels));
        prop_assert_eq!(&decoded["permissions"], &json!(permissions));
    }
}

#[test]
fn payloads_are_not_touched_even_where_json_lets_one_write_a_thing_in_many_ways() {
    let payload =
        r#"{ "a" : 1.00, "a":1E+2 ,"\u0062":"\ud800 \/ é", "big":123456789012345678901234567890 }"#;
    let text = format!("{{\"type\":\"request\",\"requestId\":\"\\u0031\",\"payload\":{payload}}}");
    let ClientMessage::Request { request_id, payload: carried } =
        ClientMessage::parse(&text).unwrap().message
    else {
        panic!("expected a request");
    };
    let mut out = Vec::new();
    ServerMessage::Response { request_id, payload: carried }.encode(None, 1, &mut out);
    let expect = format!(
        "{{\"type\":\"response\",\"requestId\":\"\\u0031\",\"payload\":{payload},\"timestamp\":1}}"
    );
    assert_eq!(String::from_utf8(out).unwrap(), expect);
    assert!(serde_json::from_str::<&RawValue>(&expect).is_ok());
}
