//! `top`: the connections of a gateway, the busiest first.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use serde_json::Value;

use super::{
    Failure,
    asking::Asking,
    cells::{age, number, text},
};
use crate::config::InspectArgs;

/// Lines and columns where nobody says how many there are.
const SIZE: (usize, usize) = (24, 120);
/// Lines above the connections, and one below them.
const HEADER_LINES: usize = 5;
/// What clears a terminal, and puts the cursor into its corner.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub(super) async fn show(
    asking: &Asking,
    arguments: &InspectArgs,
    interval: Duration,
    count: Option<u32>,
) -> Result<(), Failure> {
    let is_terminal = io::stdout().is_terminal();
    let mut left = count.or((!is_terminal).then_some(1));
    while left != Some(0) {
        let (lines, columns) = if is_terminal { size() } else { SIZE };
        let window = interval.as_millis().to_string();
        // On a terminal as many as fit.
        let limit = lines.saturating_sub(HEADER_LINES).max(1).to_string();
        let is_limited = !is_terminal || arguments.query.iter().any(|(name, _)| *name == "limit");
        let asked = arguments.query.iter().map(|(name, value)| (*name, value.as_str()));
        let query = asked
            .chain([("window", window.as_str())])
            .chain((!is_limited).then_some(("limit", limit.as_str())));
        let response = asking.ask("connections", query).await?;
        let answer = asking.body(response).await?;
        #[expect(clippy::disallowed_methods, reason = "ages are those of now")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now_ms = now.map_or(0, |now| now.as_millis() as u64);
        let table = table(&answer, asking.place(), columns, now_ms);
        let mut out = io::stdout().lock();
        out.write_all(if is_terminal { CLEAR } else { "" }.as_bytes())?;
        out.write_all(table.as_bytes())?;
        out.flush()?;
        left = left.map(|left| left - 1);
    }
    Ok(())
}

fn table(answer: &Value, place: &str, width: usize, now_ms: u64) -> String {
    let whole = |name: &str| answer[name].as_u64().unwrap_or_default();
    let rows: &[Value] = answer["connections"].as_array().map_or(&[], Vec::as_slice);
    let agents: Vec<_> = answer["agents"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| {
            let (agent, count) = (it["agent"].as_str(), it["connections"].as_u64());
            format!("{} {}", count.unwrap_or_default(), text(agent.unwrap_or("(unnamed)"), 30))
        })
        .collect();
    let partly =
        if answer["complete"] == false { ", of those that there was time for" } else { "" };
    let mut lines = vec![
        format!(
            "{place}  node {}  {} connections, {} match{partly}, {} shown",
            answer["node"].as_str().unwrap_or_default(),
            whole("total"),
            whole("matched"),
            rows.len(),
        ),
        format!(
            "clients: {}",
            if agents.is_empty() { "none".to_owned() } else { agents.join(", ") }
        ),
        String::new(),
        format!(
            "{:<20} {:<15} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:<8} {}",
            "USER",
            "ADDRESS",
            "IN/s",
            "OUT/s",
            "IN B/s",
            "OUT B/s",
            "QUEUED",
            "RTT ms",
            "AGE",
            "STATE",
            "CLIENT"
        ),
    ];
    lines.extend(rows.iter().map(|row| line(row, now_ms)));
    lines.iter().map(|line| format!("{}\n", text(line, width))).collect()
}

fn line(row: &Value, now_ms: u64) -> String {
    let rate = |name: &str| row[name].as_f64().map_or("-".to_owned(), number);
    let lived = now_ms.saturating_sub(row["connectedAt"].as_u64().unwrap_or_default());
    let state = match (row["endReason"].as_str(), row["healthy"].as_bool()) {
        (Some(reason), _) => reason,
        (None, Some(false)) => "silent",
        (None, _) => "ok",
    };
    let user = row["userId"].as_str().unwrap_or("(nobody)");
    format!(
        "{:<20} {:<15} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:<8} {}",
        text(user, 20),
        text(row["address"].as_str().unwrap_or_default(), 45),
        rate("messagesInPerSecond"),
        rate("messagesOutPerSecond"),
        rate("bytesInPerSecond"),
        rate("bytesOutPerSecond"),
        rate("queuedBytes"),
        rate("latencyMs"),
        age(lived),
        state,
        text(row["agent"].as_str().unwrap_or("-"), 60),
    )
    .trim_end()
    .to_owned()
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn size() -> (usize, usize) {
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| (usize::from(size.ws_row), usize::from(size.ws_col)))
        .filter(|(lines, columns)| *lines > 0 && *columns > 0)
        .unwrap_or(SIZE)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn size() -> (usize, usize) {
    SIZE
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::table;

    #[test]
    fn a_table_has_a_line_for_each_connection_and_no_line_of_others() {
        let answer = json!({
            "node": "abc", "total": 12, "matched": 1, "complete": true, "windowMs": 1000,
            "agents": [{ "agent": null, "connections": 1 }],
            "connections": [{
                "id": "x", "userId": "ada\n\u{1b}[31m", "address": "203.0.113.7", "connectedAt": 1000,
                "healthy": false, "closing": false, "latencyMs": 1.25, "agent": "app/1", "queuedBytes": 2048,
                "endReason": null, "messagesInPerSecond": 2.5, "messagesOutPerSecond": 1000.0,
                "bytesInPerSecond": null, "bytesOutPerSecond": 1.0,
            }],
        });
        let table = table(&answer, "http://here", 200, 62_000);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 5, "{table}");
        assert_eq!(lines[0], "http://here  node abc  12 connections, 1 match, 1 shown");
        assert_eq!(lines[1], "clients: 1 (unnamed)");
        let cells: Vec<_> = lines[4].split_whitespace().collect();
        assert_eq!(
            cells,
            [
                "ada\\u{a}\\u{1b}[31m",
                "203.0.113.7",
                "2.5",
                "1000",
                "-",
                "1",
                "2048",
                "1.2",
                "1m01s",
                "silent",
                "app/1"
            ]
        );
    }
}
