//! The client in Rust that the pages show is that of the crate's page, which compiles, and the defaults that they tell
//! are its own.

use std::time::Duration;

use ws_client::{BackoffConfig, PoolConfig, QueueConfig};

use crate::page::{README, blocks, table};

const CLIENTS: &str = include_str!("../../../../docs/clients.md");
const CRATE: &str = include_str!("../../../client/README.md");
const POOL: &str = include_str!("../../../client/js/pool.js");

/// Without what a function around it moves to the right.
fn flat(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pages_quote_the_client_that_compiles() {
    let compiled = flat(&blocks(CRATE, "rust,no_run")[0].1);
    for (name, page) in [("README.md", README), ("docs/clients.md", CLIENTS)] {
        let shown = blocks(page, "rust").into_iter().map(|(_, lines)| flat(&lines));
        let mut shown = shown.filter(|block| block.starts_with("let client = Client::builder"));
        let shown = shown.next().unwrap();
        assert!(compiled.contains(&shown), "{name} shows another client than\n\n{compiled}");
    }
}

#[test]
fn the_defaults_of_the_options_are_those_of_the_code() {
    let seconds = |duration: Duration| format!("{} s", duration.as_secs());
    let unless_set = |bound: Option<u32>| bound.map_or("none".to_owned(), |it| it.to_string());
    let (backoff, queue) = (BackoffConfig::default(), QueueConfig::default());
    let entries = format!("{},{:03}", queue.entries_max / 1000, queue.entries_max % 1000);
    let turns = [
        queue.refusals_max.to_string(),
        seconds(queue.retry_delay),
        queue.passes_max.to_string(),
        unless_set(queue.losses_max),
    ];
    let expected = [
        ("backoff.base`, `cap", format!("{}, {}", seconds(backoff.base), seconds(backoff.cap))),
        ("backoff.jitter", format!("{:?}", backoff.jitter).to_lowercase()),
        ("backoff.attempts_max", unless_set(backoff.attempts_max)),
        ("backoff.reset_after", seconds(backoff.reset_after)),
        (
            "queue.entries_max`, `bytes_max",
            format!("{entries} of each priority, {} MiB in all", queue.bytes_max >> 20),
        ),
        ("queue.in_flight_max", queue.in_flight_max.to_string()),
        ("queue.refusals_max`, `retry_delay`, `passes_max`, `losses_max", turns.join(", ")),
    ];
    let rows = table(CLIENTS, "## Options");
    for (option, default) in expected {
        let row = rows.iter().find(|row| row[0] == option);
        let row = row.unwrap_or_else(|| panic!("no row for {option}"));
        assert_eq!(row[2], default, "{option}");
    }
    // The pool's are the same in both languages.
    let PoolConfig { connections_max, connections_per_host_max, .. } = PoolConfig::default();
    let told = format!("({connections_per_host_max} and {connections_max}, unless");
    assert!(CLIENTS.contains(&told), "{told}");
    let there = format!(
        "connectionsMax = {connections_max}, connectionsPerHostMax = {connections_per_host_max},"
    );
    assert!(POOL.contains(&there), "{there}");
}
