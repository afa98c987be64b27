//! Spans as a collector takes them: OTLP, in the encoding of protobuf.
//!
//! `POST` the bytes to `/v1/traces` of a collector as [`CONTENT_TYPE`]. The messages are those of
//! `opentelemetry/proto/collector/trace/v1`, version 1; the numbers beside each field are its tags there.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Span, Value};

/// What to say that it is.
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// Who made the spans: the name of the library, and its version.
const SCOPE: (&str, &str) = ("ws-traces", env!("CARGO_PKG_VERSION"));

/// The flags of a span say whether its parent is in another process.
const KNOWS_WHERE_PARENT_IS: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;
const STATUS_ERROR: u64 = 2;

/// An `ExportTraceServiceRequest` with these spans, all of one process. `resource` says which one that is:
/// `service.name` above all.
#[must_use]
pub fn encode(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let mut out = Bytes(Vec::with_capacity(256 + spans.len() * 256));
    out.message(1, |resource_spans| {
        resource_spans.message(1, |it| {
            for (key, value) in resource {
                it.message(1, |pair| pair.pair(key, |any| any.text(1, value)));
            }
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.text(1, SCOPE.0);
                scope.text(2, SCOPE.1);
            });
            for span in spans {
                scope_spans.message(2, |out| out.span(span));
            }
        });
    });
    out.0
}

/// A message of protobuf that is being written.
struct Bytes(Vec<u8>);

impl Bytes {
    fn span(&mut self, span: &Span) {
        self.bytes(1, &span.context.trace_id().to_be_bytes());
        self.bytes(2, &span.context.span_id().to_be_bytes());
        let mut flags = u32::from(span.context.is_sampled());
        if let Some((parent, is_remote)) = span.parent {
            self.bytes(4, &parent.to_be_bytes());
            flags |= KNOWS_WHERE_PARENT_IS | if is_remote { PARENT_IS_REMOTE } else { 0 };
        }
        self.text(5, span.name);
        self.number(6, span.kind as u64);
        self.time(7, span.start);
        self.time(8, span.end);
        for (name, value) in &span.attributes {
            self.message(9, |pair| {
                pair.pair(name, |any| match value {
                    Value::Text(text) => any.text(1, text),
                    Value::Flag(flag) => any.number(2, u64::from(*flag)),
                    // An int64 goes as the unsigned number of the same bits.
                    Value::Number(number) => any.number(3, number.cast_unsigned()),
                });
            });
        }
        if let Some(why) = span.failure {
            self.message(15, |status| {
                status.text(2, why);
                status.number(3, STATUS_ERROR);
            });
        }
        self.tag(16, 5);
        self.0.extend(flags.to_le_bytes());
    }

    /// A `KeyValue`.
    fn pair(&mut self, key: &str, value: impl FnOnce(&mut Self)) {
        self.text(1, key);
        self.message(2, value);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self(Vec::new());
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.tag(field, 0);
        self.varint(number);
    }

    fn time(&mut self, field: u64, time: SystemTime) {
        let nanos = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        self.tag(field, 1);
        self.0.extend(u64::try_from(nanos).unwrap_or(u64::MAX).to_le_bytes());
    }

    fn tag(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        common::v1::{AnyValue, any_value::Value as Any},
        trace::v1::{span::SpanKind, status::StatusCode},
    };
    use prost::Message;

    use super::*;
    use crate::{Kind, TraceContext};

    fn span(parent: Option<(u64, bool)>) -> Span {
        let start = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        Span {
            context: TraceContext::new(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad, true),
            parent,
            name: "publish",
            kind: Kind::Producer,
            start,
            end: start + Duration::from_micros(5),
            attributes: vec![
                ("channel", "über".into()),
                ("receivers", 300_usize.into()),
                ("below", Value::Number(-2)),
                ("kept", false.into()),
            ],
            failure: Some("timeout"),
        }
    }

    #[test]
    fn opentelemetrys_own_messages_read_what_was_written() {
        let resource = [("service.name".to_owned(), "x".repeat(300))];
        let spans = [span(None), span(Some((7, true))), span(Some((7, false)))];
        let request = ExportTraceServiceRequest::decode(&*encode(&resource, &spans)).unwrap();
        let [of_process] = &request.resource_spans[..] else { panic!("{request:?}") };
        let of = |value: Any| Some(AnyValue { value: Some(value) });
        let named = &of_process.resource.as_ref().unwrap().attributes[0];
        assert_eq!(
            (&*named.key, &named.value),
            ("service.name", &of(Any::StringValue("x".repeat(300))))
        );
        let [of_scope] = &of_process.scope_spans[..] else { panic!("{request:?}") };
        assert_eq!(of_scope.scope.as_ref().unwrap().name, "ws-traces");

        let [root, remote, local] = &of_scope.spans[..] else { panic!("{request:?}") };
        assert_eq!(root.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
        assert_eq!(root.span_id, 0xb7ad_u64.to_be_bytes());
        assert_eq!((root.parent_span_id.len(), &*root.name), (0, "publish"));
        assert_eq!(root.kind(), SpanKind::Producer);
        assert_eq!(root.start_time_unix_nano, 1_700_000_000_123_456_789);
        assert_eq!(root.end_time_unix_nano - root.start_time_unix_nano, 5000);
        let said: Vec<_> = root.attributes.iter().map(|it| (&*it.key, it.value.clone())).collect();
        assert_eq!(
            said,
            [
                ("channel", of(Any::StringValue("über".to_owned()))),
                ("receivers", of(Any::IntValue(300))),
                ("below", of(Any::IntValue(-2))),
                ("kept", of(Any::BoolValue(false))),
            ]
        );
        let status = root.status.as_ref().unwrap();
        assert_eq!((status.code(), &*status.message), (StatusCode::Error, "timeout"));
        assert_eq!([root.flags, remote.flags, local.flags], [1, 0x301, 0x101]);
        assert_eq!(remote.parent_span_id, 7_u64.to_be_bytes());
    }
}
