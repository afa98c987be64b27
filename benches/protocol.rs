//! The JSON vocabulary, parsed and written, beside serde_json's `Value` and a derived enum.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{borrow::Cow, hint::black_box};

use criterion::{BenchmarkId, Throughput};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use ws_protocol::{ChannelMessage, ClientMessage, Id, ServerMessage};

mod measured;

use measured::Criterion;

const TIMESTAMP: u64 = 1_700_000_000_000;

/// What most Rust servers have: an enum by `type`, payloads as trees.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "what is measured is that the fields are read")]
enum Derived<'a> {
    Request {
        #[serde(borrow, rename = "requestId")]
        request_id: Cow<'a, str>,
        payload: Value,
    },
    Subscribe {
        channel: Cow<'a, str>,
        presence: Option<bool>,
    },
    Publish {
        channel: Cow<'a, str>,
        event: Option<Cow<'a, str>>,
        data: Value,
        #[serde(rename = "eventId")]
        event_id: Option<Cow<'a, str>>,
    },
    Ping,
}

/// A payload of about a kibibyte, with the nesting of a real one.
fn document() -> String {
    let item =
        |i: u32| json!({ "id": i, "name": format!("item {i}"), "tags": ["a", "b"], "price": 9.5 });
    let items: Vec<_> = (0..16).map(item).collect();
    json!({ "cart": { "items": items, "currency": "EUR" }, "note": "leave it at the door" })
        .to_string()
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol parse");
    let document = document();
    let cases = [
        ("ping", r#"{"type":"ping"}"#.to_owned()),
        (
            "subscribe",
            r#"{"type":"subscribe","channel":"trips:4711","presence":true,"id":"7"}"#.to_owned(),
        ),
        (
            "request, small",
            r#"{"type":"request","requestId":"123","payload":{"action":"test","n":1}}"#.to_owned(),
        ),
        (
            "request, 1 KiB",
            format!(r#"{{"type":"request","requestId":"123","payload":{document}}}"#),
        ),
        (
            "publish, 1 KiB",
            format!(
                r#"{{"type":"publish","channel":"trips:4711","event":"moved","eventId":"e-1","data":{document}}}"#
            ),
        ),
    ];
    for (name, text) in &cases {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| assert!(black_box(ClientMessage::parse(black_box(text))).is_ok()));
        });
        group.bench_function(BenchmarkId::new("serde_json::Value", name), |bencher| {
            bencher.iter(|| {
                let value: Value = serde_json::from_str(black_box(text)).unwrap();
                assert!(black_box(value)["type"].is_string());
            });
        });
        group.bench_function(BenchmarkId::new("serde derive", name), |bencher| {
            bencher.iter(|| {
                let message = serde_json::from_str::<Derived<'_>>(black_box(text));
                assert!(black_box(message).is_ok());
            });
        });
    }
}

#[derive(Serialize)]
struct DerivedResponse<'a> {
    r#type: &'static str,
    #[serde(rename = "requestId")]
    request_id: &'a RawValue,
    payload: &'a RawValue,
    timestamp: u64,
}

/// A response to a request: what was borrowed from the request goes back out.
fn write_response(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol write response");
    let small = r#"{"action":"test","n":1}"#.to_owned();
    for (name, payload) in [("small", small), ("1 KiB", document())] {
        let payload = RawValue::from_string(payload).unwrap();
        let request_id = RawValue::from_string(r#""123""#.to_owned()).unwrap();
        let mut out = Vec::with_capacity(4096);
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            let request_id = Id::new(&request_id).unwrap();
            bencher.iter(|| {
                out.clear();
                let message = ServerMessage::Response { request_id, payload: black_box(&payload) };
                message.encode(None, black_box(TIMESTAMP), &mut out);
                black_box(out.len())
            });
        });
        group.bench_function(BenchmarkId::new("serde derive", name), |bencher| {
            bencher.iter(|| {
                out.clear();
                let response = DerivedResponse {
                    r#type: "response",
                    request_id: &request_id,
                    payload: black_box(&payload),
                    timestamp: black_box(TIMESTAMP),
                };
                serde_json::to_writer(&mut out, &response).unwrap();
                black_box(out.len())
            });
        });
        group.bench_function(BenchmarkId::new("serde_json::Value", name), |bencher| {
            let tree: Value = serde_json::from_str(payload.get()).unwrap();
            // The tree was parsed from the request; here it is only put into the answer.
            bencher.iter(|| {
                out.clear();
                let payload = black_box(&tree);
                let response = json!({
                    "type": "response", "requestId": "123", "payload": payload,
                    "timestamp": black_box(TIMESTAMP),
                });
                serde_json::to_writer(&mut out, &response).unwrap();
                black_box(out.len())
            });
        });
    }
}

#[derive(Serialize)]
struct DerivedMessage<'a> {
    r#type: &'static str,
    channel: &'a str,
    event: Option<&'a str>,
    data: &'a RawValue,
    from: Option<&'a str>,
    offset: Option<u64>,
    timestamp: u64,
}

/// A message of a channel: names that have to be looked through for what needs escaping.
fn write_channel_message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol write message");
    let data = RawValue::from_string(document()).unwrap();
    let mut out = Vec::with_capacity(4096);
    let (channel, event, from) = ("trips:4711", Some("moved"), Some("user-123"));
    group.bench_function(BenchmarkId::new("ours", "1 KiB"), |bencher| {
        bencher.iter(|| {
            out.clear();
            let message = ChannelMessage {
                channel: Some(black_box(channel)),
                subject: None,
                event,
                data: black_box(&data),
                from,
                offset: Some(99),
                event_id: None,
                message_id: None,
            };
            ServerMessage::Message(message).encode(None, black_box(TIMESTAMP), &mut out);
            black_box(out.len())
        });
    });
    group.bench_function(BenchmarkId::new("serde derive", "1 KiB"), |bencher| {
        bencher.iter(|| {
            out.clear();
            let message = DerivedMessage {
                r#type: "message",
                channel: black_box(channel),
                event,
                data: black_box(&data),
                from,
                offset: Some(99),
                timestamp: black_box(TIMESTAMP),
            };
            serde_json::to_writer(&mut out, &message).unwrap();
            black_box(out.len())
        });
    });
}

fn main() {
    measured::run(&[parse, write_response, write_channel_message]);
}
