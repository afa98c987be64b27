//! `trace`: what passes, a line each.

use std::io::{self, Write};

use serde_json::Value;

use super::{
    Failure,
    asking::Asking,
    cells::{self, text, time_of_day},
};
use crate::config::InspectArgs;

/// No line of a gateway is longer; what does not end by then is none.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// As much of a name is shown.
const NAME_MAX: usize = 200;

pub(super) async fn show(
    asking: &Asking,
    arguments: &InspectArgs,
    json: bool,
) -> Result<(), Failure> {
    let query = arguments.query.iter().map(|(name, value)| (*name, value.as_str()));
    let mut response = asking.ask("trace", query).await?;
    let (mut held, mut has_ended) = (Vec::new(), false);
    while let Some(chunk) = response.chunk().await.map_err(|error| asking.unreachable(&error))? {
        held.extend_from_slice(&chunk);
        let mut out = io::stdout().lock();
        let whole = held.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in held[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // Whatever else a gateway says is nothing that it saw.
            let Ok(told) = serde_json::from_slice::<Value>(line) else { continue };
            has_ended |= told["type"] == "end";
            if json {
                writeln!(out, "{}", cells::json(&String::from_utf8_lossy(line)))?;
            } else if let Some(line) = shown(&told) {
                writeln!(out, "{line}")?;
            }
        }
        out.flush()?;
        held.drain(..whole);
        if held.len() > LINE_BYTES_MAX {
            break;
        }
    }
    if has_ended {
        return Ok(());
    }
    Err(Failure::Unreachable(format!("{} broke the trace off", asking.place())))
}

/// A line for people; none for what only says that the trace is going on.
fn shown(told: &Value) -> Option<String> {
    let name = |field: &str| told[field].as_str().map(|name| text(name, NAME_MAX));
    let number = |field: &str| told[field].as_u64().unwrap_or_default();
    let missed = number("sampledOut") + number("limited") + number("dropped");
    let mut words: Vec<String> = Vec::new();
    match told["type"].as_str()? {
        "begin" => {
            let whom = ["user", "channel", "connection"];
            let whom = whom.iter().filter_map(|field| Some(format!("{field} {}", name(field)?)));
            let payloads = if told["payloads"] == true { "with" } else { "without" };
            let seconds = number("forMs") / 1000;
            let whom: Vec<_> = whom.collect();
            let mut shown = format!("# {}, {payloads} payloads, for {seconds} s", whom.join(", "));
            if let Some(nodes) = told["nodes"].as_array() {
                shown.push_str(&format!("\n# {}", places(nodes)));
            }
            return Some(shown);
        }
        "state" if missed == 0 => return None,
        kind @ ("state" | "end") => {
            let what = if kind == "end" { "the end" } else { "so far" };
            return Some(format!(
                "# {what}: {} shown; not shown: {} sampled out, {} beyond the rate, {} too fast to be read",
                number("told"),
                number("sampledOut"),
                number("limited"),
                number("dropped"),
            ));
        }
        "frame" => {
            words.push(if told["direction"] == "in" { "→" } else { "←" }.to_owned());
            match told["frame"].as_str() {
                Some("text") => words.extend(name("message").or_else(|| Some("text".to_owned()))),
                kind => words.push(format!("({})", kind.unwrap_or("?"))),
            }
        }
        other => words.push(format!("* {}", text(other, NAME_MAX))),
    }
    words.extend(name("channel"));
    for field in ["event", "reason", "rule", "agent"] {
        words.extend(name(field).filter(|it| !it.is_empty()).map(|it| format!("{field}={it}")));
    }
    for field in ["id", "code", "livedMs", "roundTripMs"] {
        if let Some(value) = Some(&told[field]).filter(|value| !value.is_null()) {
            words.push(format!("{field}={}", text(&value.to_string(), NAME_MAX)));
        }
    }
    words.extend(told["bytes"].as_u64().map(|bytes| format!("{bytes} B")));
    if told["secret"] == true {
        words.push("[withheld: it may hold a token]".to_owned());
    }
    if told["unreadable"] == true {
        words.push("[no object of JSON]".to_owned());
    }
    if let Some(payload) = told["payload"].as_str() {
        let cut = if told["cut"] == true { "…" } else { "" };
        words.push(format!("{}{cut}", text(payload, usize::MAX)));
    }
    let who = name("userId").unwrap_or_else(|| "(nobody)".to_owned());
    // The first part of an id tells the connections of one user apart.
    let connection =
        text(told["connection"].as_str().and_then(|id| id.get(..8)).unwrap_or("?"), 48);
    Some(format!("{} {who} {connection} {}", time_of_day(number("at")), words.join(" ")))
}

/// On which nodes the user is, so that another one may be asked.
fn places(nodes: &[Value]) -> String {
    let place = |node: &Value| {
        let name = text(node["node"].as_str().unwrap_or("?"), NAME_MAX);
        format!("{name} ({})", node["connections"].as_u64().unwrap_or_default())
    };
    match nodes {
        [] => "the user is not connected to any node".to_owned(),
        nodes => {
            let places: Vec<_> = nodes.iter().map(place).collect();
            format!("the user is connected to node {}", places.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown;

    #[test]
    fn each_line_is_told_in_words_and_what_others_wrote_stays_on_it() {
        let frame = json!({
            "type": "frame", "direction": "in", "frame": "text", "bytes": 42, "message": "publish",
            "channel": "chat:1", "event": "said", "id": 7, "payload": "{\"a\":\n1}", "at": 0,
            "connection": "550e8400-e29b-41d4-a716-446655440000", "userId": "ada\u{1b}[2J",
        });
        assert_eq!(
            shown(&frame).as_deref(),
            Some(
                "00:00:00.000 ada\\u{1b}[2J 550e8400 → publish chat:1 event=said id=7 42 B {\"a\":\\u{a}1}"
            )
        );
        let ended =
            json!({ "type": "ended", "reason": "idle", "code": 1001, "livedMs": 5, "at": 1 });
        assert_eq!(
            shown(&ended).as_deref(),
            Some("00:00:00.001 (nobody) ? * ended reason=idle code=1001 livedMs=5")
        );
        let state = |limited: u64| json!({ "type": "state", "told": 3, "limited": limited });
        assert_eq!(shown(&state(0)), None);
        assert!(shown(&state(2)).is_some_and(|line| line.contains("2 beyond the rate")));
        let begin = json!({ "type": "begin", "user": "ada", "channel": null, "payloads": false, "forMs": 60000 });
        let head = "# user ada, without payloads, for 60 s";
        assert_eq!(shown(&begin).as_deref(), Some(head));
        let mut begin = begin;
        begin["nodes"] = json!([{ "node": "5f3759df0badc0de", "connections": 2 }]);
        let places = "# the user is connected to node 5f3759df0badc0de (2)";
        assert_eq!(shown(&begin), Some(format!("{head}\n{places}")));
        begin["nodes"] = json!([]);
        assert!(shown(&begin).is_some_and(|line| line.ends_with("to any node")));
    }
}
