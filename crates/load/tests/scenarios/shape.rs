//! The JSON that other programs read keeps its shape.

use serde_json::Value;

use crate::{
    load,
    servers::{Behaviour, Server},
};

const KEYS: [&str; 66] = [
    "/tool/name",
    "/tool/version",
    "/scenario",
    "/url",
    "/connections",
    "/threads",
    "/window",
    "/rate",
    "/size",
    "/compress",
    "/seconds",
    "/interrupted",
    "/open",
    "/messages/sent",
    "/messages/received",
    "/messages/other",
    "/messages/other_example",
    "/messages/bytes_sent",
    "/messages/bytes_received",
    "/messages/counted",
    "/per_second",
    "/latency_us/count",
    "/latency_us/mean",
    "/latency_us/p50",
    "/latency_us/p90",
    "/latency_us/p99",
    "/latency_us/p999",
    "/latency_us/max",
    "/connects/attempted",
    "/connects/succeeded",
    "/connects/failed",
    "/connects/per_second",
    "/connect_us/count",
    "/connect_us/mean",
    "/connect_us/p50",
    "/connect_us/p90",
    "/connect_us/p99",
    "/connect_us/p999",
    "/connect_us/max",
    "/established",
    "/deliveries",
    "/slow",
    "/errors",
    "/closes",
    "/server/pid",
    "/server/pids",
    "/server/unknown",
    "/server/cpu_ns",
    "/server/cpu_ns_per_message",
    "/server/cpu_ns_per_connect",
    "/server/rss_before",
    "/server/rss_after",
    "/server/rss_peak",
    "/server/rss_per_connection",
    "/load/cpu_ns",
    "/load/cpu_ns_per_message",
    "/load/lag_us/count",
    "/load/lag_us/mean",
    "/load/lag_us/p50",
    "/load/lag_us/p90",
    "/load/lag_us/p99",
    "/load/lag_us/p999",
    "/load/lag_us/max",
    "/notes",
    "/errors",
    "/closes",
];

#[test]
fn every_key_is_there_and_no_other() {
    let server = Server::start(Behaviour::Echo);
    let (_, report) =
        load(&format!("echo {} --rate 200 --duration 300ms --warmup 0s", server.url()));
    let mut found = Vec::new();
    leaves(&report, String::new(), &mut found);
    found.sort();
    let mut expected: Vec<String> = KEYS.iter().map(|key| (*key).to_owned()).collect();
    expected.sort();
    expected.dedup();
    assert_eq!(found, expected);
}

fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(value, format!("{path}/{name}"), found));
        }
        _ => found.push(path),
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let server = Server::start(Behaviour::Echo);
    let path = std::env::temp_dir().join(format!("ws-load-{}.html", std::process::id()));
    let options = format!("--duration 600ms --warmup 0s --html {}", path.display());
    load(&format!("echo {} -c 2 {options}", server.url()));
    let page = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.matches("<svg").count() >= 3, "{page}");
    for foreign in ["<script", "http://", "https://", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
}
