//! An event as one line of JSON: `timestamp`, `level`, its fields, `target`, and `spans` where it
//! happened in some.
//!
//! The keys, their order and their values are those of tracing-subscriber's own JSON with flattened
//! events, at a tenth of the instructions: the line is written once, front to back, into memory that
//! the thread keeps.

use std::{
    cell::Cell,
    fmt::{self, Write},
    ops::Range,
};

use tracing::{
    Event, Subscriber,
    field::{Field, FieldSet, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormattedFields,
        format::{JsonFields, Writer},
    },
    registry::{LookupSpan, Scope},
};

use ws_traces::TraceContext;

use super::{
    text::{push_debug, push_f64, push_i64, push_str, push_u64},
    timestamp::Timestamp,
};

/// What a thread keeps for its next line; lines are of some 300 bytes.
const KEPT_BYTES_MAX: usize = 4096;

thread_local! {
    /// Taken while a line is made: a value that logs while it is formatted finds an empty one.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// The form for machines.
pub(super) struct JsonLine;

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = LINE.take();
        line.clear();
        push_event(&mut line, event);
        if let Some(trace) = ws_traces::current() {
            push_trace(&mut line, trace);
        }
        if let Some(scope) = context.event_scope() {
            push_spans(&mut line, scope);
        }
        line.push_str("}\n");
        let written = writer.write_str(&line);
        if line.capacity() <= KEPT_BYTES_MAX {
            LINE.set(line);
        }
        written
    }
}

/// The line that says how many others could not be kept.
pub(super) fn dropped_lines(count: u64) -> String {
    let mut line = String::new();
    push_head(&mut line, "WARN");
    line.push_str(",\"message\":\"standard error is too slow for the log\",\"log_lines_dropped\":");
    push_u64(&mut line, count);
    line.push_str(",\"target\":\"ws_gateway::logging\"}\n");
    line
}

fn push_head(line: &mut String, level: &str) {
    line.push_str("{\"timestamp\":\"");
    line.push_str(Timestamp::now().as_str());
    line.push_str("\",\"level\":\"");
    line.push_str(level);
    line.push('"');
}

fn push_event(line: &mut String, event: &Event<'_>) {
    let metadata = event.metadata();
    push_head(line, metadata.level().as_str());
    let is_bridged = metadata.target() == "log";
    let mut fields = Fields { line, names: metadata.fields(), is_bridged, target: None };
    event.record(&mut fields);
    let target = fields.target;
    line.push_str(",\"target\":");
    match target {
        Some(written) => line.extend_from_within(written),
        None => push_str(line, metadata.target()),
    }
}

/// Writes each field where the line ends.
struct Fields<'a> {
    line: &'a mut String,
    names: &'a FieldSet,
    /// Events of the `log` crate are all of the target `log`, and have their own in a field.
    is_bridged: bool,
    /// Where that is in the line, with its quotes.
    target: Option<Range<usize>>,
}

impl Fields<'_> {
    fn push_name(&mut self, field: &Field) {
        let name = field.name();
        let before = self.names.iter().take(field.index());
        let mut taken = before.filter(|other| other.name() == name).count();
        taken += usize::from(matches!(name, "timestamp" | "level" | "target" | "spans"));
        self.line.push(',');
        if taken == 0 {
            push_str(self.line, name);
        } else {
            push_str(self.line, &format!("{name}_{}", taken + 1));
        }
        self.line.push(':');
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_name(field);
        let start = self.line.len();
        push_str(self.line, value);
        if self.is_bridged && field.name() == "log.target" {
            self.target = Some(start..self.line.len());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_name(field);
        push_u64(self.line, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_name(field);
        push_i64(self.line, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push_name(field);
        push_f64(self.line, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_name(field);
        self.line.push_str(if value { "true" } else { "false" });
    }

    /// Everything else is what it says of itself; numbers of 128 bits, too, for most readers of JSON
    /// would round them.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push_name(field);
        push_debug(self.line, value);
    }
}

/// The trace that an event belongs to, by the names that OpenTelemetry has for logs in JSON.
#[cold]
fn push_trace(line: &mut String, trace: TraceContext) {
    let (trace_id, span_id) = (trace.trace_id(), trace.span_id());
    let _ = write!(line, ",\"trace_id\":\"{trace_id:032x}\",\"span_id\":\"{span_id:016x}\"");
}

/// The spans around an event, outermost first. We open none and libraries hardly any, so that this
/// may cost what it costs.
#[cold]
fn push_spans<S>(line: &mut String, scope: Scope<'_, S>)
where
    S: for<'a> LookupSpan<'a>,
{
    line.push_str(",\"spans\":[");
    for (index, span) in scope.from_root().enumerate() {
        if index > 0 {
            line.push(',');
        }
        let extensions = span.extensions();
        let fields = extensions.get::<FormattedFields<JsonFields>>();
        let fields = fields.and_then(|fields| serde_json::from_str(fields).ok());
        let mut fields: serde_json::Map<String, serde_json::Value> = fields.unwrap_or_default();
        if let Some(own) = fields.insert("name".to_owned(), span.name().into()) {
            fields.insert("name_2".to_owned(), own);
        }
        let _ = write!(line, "{}", serde_json::Value::Object(fields));
    }
    line.push(']');
}
