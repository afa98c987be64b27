//! Our lines beside those of tracing-subscriber's own JSON.

use std::{cell::Cell, fmt, io, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::logging::json::{JsonLine, dropped_lines};

#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl io::Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Collected {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Collected {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().clone()).expect("UTF-8");
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        text.lines().map(str::to_owned).collect()
    }
}

/// What our form makes of it.
fn ours(say: impl Fn()) -> Vec<String> {
    let collected = Collected::default();
    let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).json();
    let subscriber = builder.event_format(JsonLine).with_writer(collected.clone()).finish();
    tracing::subscriber::with_default(subscriber, say);
    collected.lines()
}

/// What tracing-subscriber's makes of it.
fn theirs(say: impl Fn()) -> Vec<String> {
    let collected = Collected::default();
    let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).json();
    let builder = builder.flatten_event(true).with_current_span(false);
    let subscriber = builder.with_writer(collected.clone()).finish();
    tracing::subscriber::with_default(subscriber, say);
    collected.lines()
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The one line that ours makes of it.
fn line(say: impl Fn()) -> Value {
    let lines = ours(say);
    assert_eq!(lines.len(), 1, "{lines:?}");
    parsed(&lines[0])
}

/// Both say the same, but for the time.
#[track_caller]
fn same(say: impl Fn()) {
    let (ours, theirs) = (ours(&say), theirs(&say));
    assert_eq!(ours.len(), theirs.len());
    assert!(!ours.is_empty());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let (mut our, mut their) = (parsed(ours), parsed(theirs));
        for line in [&mut our, &mut their] {
            let timestamp = line["timestamp"].take();
            assert_eq!(timestamp.as_str().map(str::len), Some(27), "{timestamp}");
        }
        assert_eq!(our, their);
    }
}

#[test]
fn keys_and_their_order_are_those_of_the_form_that_it_replaces() {
    let say = || tracing::info!(connection = %"c-1", user = Some("ada"), bytes = 12, "connected");
    let [ours, theirs] = [ours(say), theirs(say)];
    let time = r#"{"timestamp":"2026-11-21T13:16:33.123456Z""#.len();
    assert_eq!(ours[0][time..], theirs[0][time..]);
    let rest =
        r#","level":"INFO","message":"connected","connection":"c-1","user":"ada","bytes":12,"#;
    assert!(ours[0][time..].starts_with(rest), "{ours:?}");
}

#[test]
fn levels_targets_and_messages_are_the_same() {
    same(|| tracing::error!("an error"));
    same(|| tracing::warn!("a {} with {}", "warning", 2));
    same(|| tracing::info!(target: "elsewhere::than \"here\"", "a target"));
    same(|| tracing::debug!(only = "fields"));
    same(|| tracing::trace!(message = 7));
    same(|| tracing::info!(""));
}

#[test]
fn strings_are_the_same_whatever_is_in_them() {
    for text in
        ["", "plain", "\"", "\\", "\\\"", "a \"quote\" in it", "\u{7f}", "é 漢 🦀\u{2028}", "/"]
    {
        same(|| tracing::info!(text, shown = %text, debugged = ?text, "{text}"));
    }
    for control in '\0'..' ' {
        let text = format!("before{control}é{control}\"{control}");
        same(|| tracing::info!(text, shown = %text, "{text}"));
    }
    // Each length, so that whoever looks at many bytes at once looks at the last as well.
    for length in 0..70 {
        let text = "x".repeat(length) + "\n" + &"y".repeat(length % 7);
        same(|| tracing::info!(text, "{text}"));
    }
}

#[test]
fn numbers_and_truth_are_the_same() {
    for number in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX - 1, u64::MAX] {
        same(|| tracing::info!(number, signed = number as i64, small = number as u8));
    }
    same(|| tracing::info!(least = i64::MIN, most = i64::MAX, one = -1_i32, size = 7_usize));
    let floats =
        [0.0, -0.0, 1.0, -1.5, 0.1, 1e-7, 5e-324, 1e16, 1e300, f64::MAX, f64::MIN_POSITIVE];
    for float in floats {
        same(|| tracing::info!(float, single = 0.25_f32));
    }
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        same(|| tracing::info!(float));
    }
    same(|| tracing::info!(yes = true, no = false));
    same(|| tracing::info!(most = u128::MAX, least = i128::MIN));
}

#[test]
fn what_is_not_there_is_not_named() {
    same(|| tracing::info!(none = None::<u64>, some = Some(3), empty = tracing::field::Empty, "m"));
}

#[derive(Debug, thiserror::Error)]
#[error("the outer one: {0}")]
struct Outer(#[source] io::Error);

#[test]
fn values_that_show_themselves_are_the_same() {
    let error = Outer(io::Error::other("the \"inner\" one"));
    same(|| tracing::info!(%error, debugged = ?error));
    same(|| tracing::info!(error = &error as &(dyn std::error::Error + 'static)));
    same(|| tracing::info!(bytes = &b"\x00\xff"[..], list = ?["a\n", "b"], unit = ?()));
    same(|| tracing::info!(nested.name = 1, "quoted \"name\"" = 2, r#type = "raw"));
}

#[test]
fn spans_around_an_event_are_the_same() {
    same(|| {
        let outer =
            tracing::info_span!("outer", request = "a \"b\"", later = tracing::field::Empty);
        let _outer = outer.enter();
        tracing::info!("in one");
        outer.record("later", 7);
        let _inner = tracing::debug_span!("inner").entered();
        tracing::warn!(bytes = 1, "in two");
    });
}

#[test]
fn a_name_that_is_taken_gets_a_number() {
    let named = line(|| tracing::info!(timestamp = 1, level = 2, target = 3, spans = 4, "m"));
    let expect = json!({ "timestamp_2": 1, "level_2": 2, "target_2": 3, "spans_2": 4 });
    for (name, value) in expect.as_object().expect("an object") {
        assert_eq!(named[name], *value, "{named}");
    }
    assert_eq!((&named["level"], &named["message"]), (&json!("INFO"), &json!("m")));
    let twice = ours(|| tracing::info!(a = 1, a = 2, a = 3, level = 4, level = 5));
    let expect = r#""a":1,"a_2":2,"a_3":3,"level_2":4,"level_3":5,"#;
    assert!(twice[0].contains(expect), "{twice:?}");
    let message = line(|| tracing::info!(message = 7, "m"));
    assert_eq!((&message["message"], &message["message_2"]), (&json!("m"), &json!(7)));
    let span = line(|| {
        let _span = tracing::info_span!("outer", name = "its own").entered();
        tracing::info!("in it");
    });
    assert_eq!(span["spans"], json!([{ "name": "outer", "name_2": "its own" }]));
}

#[test]
fn what_comes_from_the_log_crate_has_its_own_target() {
    let bridged = line(|| tracing::info!(target: "log", { log.target = "their::module" }, "m"));
    assert_eq!(
        (&bridged["target"], &bridged["log.target"]),
        (&json!("their::module"), &json!("their::module"))
    );
}

/// Fails after some of it, as no `Display` should.
struct Failing;

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("some \"")?;
        Err(fmt::Error)
    }
}

#[test]
fn a_value_that_fails_costs_nothing_but_its_rest() {
    let failed = line(|| tracing::info!(value = %Failing, after = 1, "m"));
    assert_eq!((&failed["value"], &failed["after"]), (&json!("some \""), &json!(1)));
}

/// Logs while it is being logged, once.
struct Talking(Cell<bool>);

impl fmt::Display for Talking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.replace(true) {
            tracing::info!("within");
        }
        f.write_str("shown")
    }
}

#[test]
fn a_value_that_logs_while_it_is_logged_spoils_neither_line() {
    let lines = ours(|| tracing::info!(value = %Talking(Cell::new(false)), "around"));
    let around = lines.iter().map(|line| parsed(line)).find(|line| line["message"] == "around");
    assert_eq!(around.expect("logged")["value"], "shown", "{lines:?}");
}

#[test]
fn long_lines_come_whole_and_leave_no_trace_in_the_next() {
    let long = "long \" ".repeat(20_000);
    let lines = ours(|| {
        tracing::info!(long, "first");
        tracing::info!("second");
    });
    assert_eq!(parsed(&lines[0])["long"], long);
    assert!(lines[1].len() < 200, "{}", lines[1]);
}

#[test]
fn lines_that_were_dropped_are_a_warning() {
    let line = parsed(dropped_lines(12).trim_end());
    assert_eq!((&line["level"], &line["log_lines_dropped"]), (&json!("WARN"), &json!(12)));
    assert_eq!(line["target"], "ws_gateway::logging");
}

#[test]
fn what_is_logged_for_a_trace_says_which_and_nothing_else_does() {
    let trace = ws_traces::TraceContext::new(0xabc, 0xdef, true);
    let lines = ours(|| {
        tracing::info!("before");
        let entered = ws_traces::enter(Some(trace));
        tracing::info!(user = "ada", "within");
        drop(entered);
        tracing::info!("after");
    });
    let [before, within, after] = &lines[..] else { panic!("{lines:?}") };
    let within = parsed(within);
    assert_eq!(within["trace_id"], "00000000000000000000000000000abc");
    assert_eq!(within["span_id"], "0000000000000def");
    assert_eq!((&within["user"], &within["message"]), (&json!("ada"), &json!("within")));
    assert!([before, after].iter().all(|line| !line.contains("trace_id")));
}
