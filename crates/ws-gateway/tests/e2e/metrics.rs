//! `/metrics`: what the text format demands, and what the docs say is shown there.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;

use crate::{
    exchange::{Exchange, fetch, get, upgrade},
    house::House,
};

const DOCS: &str = include_str!("../../../../docs/configuration.md");

/// Samples by their names with labels as they are written, and the types of families.
#[derive(Debug, Default)]
struct Page {
    samples: BTreeMap<String, f64>,
    kinds: BTreeMap<String, String>,
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// One `name="value"` of those that stand in braces; no value of ours has a comma.
fn is_label(label: &str) -> bool {
    let Some((name, value)) = label.split_once('=') else { return false };
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    is_name(name) && inner.is_some_and(|inner| !inner.contains(['"', '\\', '\n', ',']))
}

impl Page {
    /// Reads OpenMetrics 1.0 and panics at the first line that is none: families one after another,
    /// each with its type and help first, every sample of its family and kind, none twice.
    fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
        let mut family = String::new();
        for line in body.lines() {
            if let Some(described) = line.strip_prefix("# ") {
                let mut words = described.splitn(3, ' ');
                let [what, name, rest] = [words.next(), words.next(), words.next()];
                let (name, rest) = (name.expect("a name"), rest.unwrap_or_default());
                match what {
                    Some("HELP") => {
                        assert!(!page.kinds.contains_key(name), "{name} comes twice");
                        assert!(rest.len() > 5, "{line}");
                        assert!(is_name(name), "{line}");
                        family = name.to_owned();
                    }
                    Some("TYPE") => {
                        assert_eq!(name, family, "{line}");
                        page.kinds.insert(name.to_owned(), rest.to_owned());
                    }
                    Some("UNIT") => assert!(name == family && name.ends_with(rest), "{line}"),
                    _ => panic!("neither help nor type nor unit: {line}"),
                }
                continue;
            }
            let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            let (name, label) = match sample.split_once('{') {
                Some((name, label)) => (name, label.strip_suffix('}')),
                None => (sample, Some("")),
            };
            let label = label.expect("braces close");
            assert!(label.is_empty() || label.split(',').all(is_label), "{line}");
            let suffix =
                name.strip_prefix(&*family).unwrap_or_else(|| panic!("no {family}: {line}"));
            let kind = page.kinds.get(&family).map_or("", String::as_str);
            let fits = match kind {
                "counter" => suffix == "_total" && value >= 0.0,
                "gauge" => suffix.is_empty(),
                "histogram" => ["_sum", "_count", "_bucket"].contains(&suffix),
                _ => false,
            };
            assert!(fits, "not a {kind}: {line}");
            assert!(page.samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
        }
        page
    }

    fn sample(&self, name: &str) -> f64 {
        let names = || self.samples.keys().collect::<Vec<_>>();
        *self.samples.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", names()))
    }

    /// The family that a name of the docs belongs to.
    fn has_family(&self, name: &str) -> bool {
        self.kinds.contains_key(name.strip_suffix("_total").unwrap_or(name))
    }
}

async fn page(house: &House) -> Page {
    let response = get(house.address, "/metrics").await;
    assert_eq!(response.status, 200);
    let kind = response.header("content-type");
    assert_eq!(kind, Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    Page::parse(&response.body)
}

#[tokio::test]
async fn section_6_metrics_are_openmetrics_also_after_everything_has_happened() {
    let house = House::open(&[
        ("MAX_FRAME_SIZE", "100KiB"),
        ("MESSAGE_RATE_LIMIT", "60"),
        ("MESSAGE_BURST", "6"),
        ("CONNECTION_RATE_LIMIT", "100"),
        ("PING_INTERVAL", "50"),
        ("PONG_TIMEOUT", "5s"),
    ]);
    page(&house).await;
    let mut client = house.visit("ada").await;
    assert_eq!(client.ask(json!("x".repeat(5000))).await["type"], "response");
    client.send(json!({ "type": "dance" })).await;
    assert_eq!(client.next().await["code"], "unknown_type");
    client.send(json!({ "type": "subscribe", "channel": "c" })).await;
    assert_eq!(client.next().await["type"], "subscribed");
    client.send(json!({ "type": "join_room", "payload": { "room_id": "r" } })).await;
    assert_eq!(client.next().await["type"], "user_joined");
    client.send(json!({ "type": "publish", "channel": "c", "data": 1, "eventId": "e" })).await;
    assert_eq!(client.next().await["type"], "message");
    assert_eq!(fetch(house.address, upgrade("/ws?token=bad", "")).await.status, 401);
    let reading = tokio::spawn(async move { client.next_message().await });
    house.until("a ping was answered", |house| house.handler.stats().round_trips.count > 2).await;

    let page = page(&house).await;
    assert_eq!(page.sample("ws_connections"), 1.0);
    assert_eq!(page.sample("ws_online_users"), 1.0);
    assert_eq!(page.sample("ws_draining"), 0.0);
    assert_eq!(page.sample("ws_messages_total{type=\"request\"}"), 1.0);
    assert_eq!(page.sample("ws_messages_total{type=\"subscribe\"}"), 1.0);
    assert_eq!(page.sample("ws_errors_total{code=\"unknown_type\"}"), 1.0);
    assert_eq!(page.sample("ws_channels"), 2.0);
    assert_eq!(page.sample("ws_channel_subscriptions"), 2.0);
    assert_eq!(page.sample("ws_channel_rooms"), 1.0);
    assert_eq!(page.sample("ws_channels_with_presence"), 2.0);
    assert_eq!(page.sample("ws_channel_remembered_events"), 1.0);
    assert_eq!(page.sample("ws_channel_events_total{event=\"published\"}"), 1.0);
    assert_eq!(page.sample("ws_channel_events_total{event=\"delivered\"}"), 1.0);
    assert_eq!(page.sample("ws_hook_calls_total{hook=\"connect\",outcome=\"allowed\"}"), 0.0);
    assert_eq!(page.sample("ws_upgrade_rejections_total{reason=\"invalid_token\"}"), 1.0);
    assert_eq!(page.sample("ws_upstream_requests_total{outcome=\"answered\"}"), 1.0);
    assert_eq!(page.sample("ws_compression_messages_total{direction=\"deflate\"}"), 1.0);
    assert_eq!(page.sample("ws_tokens_verified_total"), 1.0);
    assert_eq!(page.sample("ws_limiter_keys{limiter=\"connects\"}"), 1.0);
    assert!(page.sample("ws_received_bytes_total") > 100.0);
    assert!(page.sample("process_start_time_seconds") > 1.7e9);
    let version = concat!("ws_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    assert_eq!(page.sample(version), 1.0);
    if cfg!(target_os = "linux") {
        assert!(page.sample("process_cpu_seconds_total") > 0.0);
        assert!(page.sample("process_resident_memory_bytes") > 1e6);
        let (open, most) = (page.sample("process_open_fds"), page.sample("process_max_fds"));
        assert!(open > 3.0 && open < most, "{open} of {most}");
    }
    reading.abort();
}

#[tokio::test]
async fn section_6_buckets_are_cumulative_and_the_last_takes_everything() {
    let house = House::open(&[("PING_INTERVAL", "30"), ("PONG_TIMEOUT", "5s")]);
    let mut client = house.visit("ada").await;
    let reading = tokio::spawn(async move { client.next_message().await });
    house.until("pings were answered", |house| house.handler.stats().round_trips.count >= 5).await;
    reading.abort();
    house.emptied().await;

    let page = page(&house).await;
    let name = "ws_heartbeat_round_trip_seconds";
    assert_eq!(page.kinds[name], "histogram");
    let bucket = format!("{name}_bucket{{le=\"");
    let mut buckets: Vec<(f64, f64)> = page
        .samples
        .iter()
        .filter_map(|(sample, count)| {
            let bound = sample.strip_prefix(&bucket)?.strip_suffix("\"}")?;
            let bound =
                if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
            Some((bound, *count))
        })
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(buckets.len(), 11, "{buckets:?}");
    assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{buckets:?}");
    let (bound, all) = buckets[10];
    assert_eq!(bound, f64::INFINITY);
    assert_eq!(all, page.sample(&format!("{name}_count")));
    assert!(all >= 5.0 && page.sample(&format!("{name}_sum")) > 0.0);
    assert!(buckets[9].1 > 0.0, "all of them took longer than {} s", buckets[9].0);
}

/// Every metric that a table of the docs names, as it is written there.
fn documented() -> HashSet<&'static str> {
    DOCS.lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|name| name.starts_with("ws_"))
        .collect()
}

#[tokio::test]
async fn every_metric_that_the_docs_of_a_setting_name_is_there_with_its_label() {
    // Some are there only with what they count.
    let house = House::open_beside(
        ws_broker::MemoryCluster::new().node(),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
            ("CONNECTION_RATE_LIMIT", "1000"),
            ("MESSAGE_RATE_LIMIT", "1000"),
            ("LIMITS_SCOPE", "cluster"),
        ],
        "",
    );
    let page = page(&house).await;
    let names = documented();
    assert!(names.len() > 20, "{names:?}");
    let missing: Vec<_> = names
        .into_iter()
        .filter(|name| match name.contains('{') {
            true => !page.samples.contains_key(*name),
            false => !page.has_family(name),
        })
        .collect();
    assert!(missing.is_empty(), "the docs name what /metrics has not: {missing:?}");
}

#[tokio::test]
async fn nothing_that_a_client_sends_becomes_a_label() {
    let house = House::open(&[]);
    let before: Vec<_> = page(&house).await.samples.into_keys().collect();
    let mut client = house.visit("marked").await;
    for text in [r#"{"type":"marked"}"#, r#"{"type":"request","requestId":"marked","payload":1}"#] {
        client.send_message(tungstenite::Message::text(text)).await;
        client.next().await;
    }
    let mut exchange = Exchange::open(house.address).await;
    exchange.send("GET /marked HTTP/1.1\r\nHost: marked\r\nUser-Agent: marked\r\n\r\n").await;
    assert_eq!(exchange.response().await.status, 404);
    fetch(house.address, upgrade("/ws?token=marked", "Origin: https://marked\r\n")).await;
    let after: Vec<_> = page(&house).await.samples.into_keys().collect();
    assert_eq!(before, after);
}

const ALERTS: &str = include_str!("../../../../docs/deploy/alerts.yml");
const ALERT_TESTS: &str = include_str!("../../../../docs/deploy/alerts_test.yml");
const DASHBOARD: &str = include_str!("../../../../docs/deploy/grafana-dashboard.json");
const OBSERVABILITY: &str = include_str!("../../../../docs/observability.md");

/// Each name of a metric in a text, with the selectors that stand behind it.
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
    let found = text.match_indices("ws_").chain(text.match_indices("process_"));
    found.filter_map(move |(at, _)| {
        let (before, rest) = text.split_at(at);
        if before.ends_with(|it: char| is_part(it) || it == '$') {
            return None;
        }
        let end = rest.find(|it| !is_part(it)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        // A rule's own name has a colon in it.
        let selector = behind.strip_prefix('{').and_then(|it| it.split_once('}'));
        (!behind.starts_with(':')).then_some((name, selector.map_or("", |(inner, _)| inner)))
    })
}

#[tokio::test]
async fn each_metric_and_label_of_the_dashboard_and_the_alerts_is_there() {
    let house = House::open(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")]);
    let page = page(&house).await;
    let dashboard = DASHBOARD.replace("\\\"", "\"");
    let mut count = 0;
    for (name, selector) in named(ALERTS).chain(named(&dashboard)) {
        if name.starts_with("ws_tls_certificate_") {
            // There with a certificate alone; its own tests see it.
            continue;
        }
        let family = name.strip_suffix("_bucket").unwrap_or(name);
        assert!(page.has_family(family), "{name} is not on the page");
        let conditions = selector.split(',').filter(|it| !it.starts_with(['j', 'i']));
        for (label, values) in conditions.filter_map(|it| it.split_once('=')) {
            let (label, values) = (label.trim_end_matches('!'), values.trim_start_matches('~'));
            for value in values.trim_matches('"').split('|').filter(|_| label != "le") {
                let sample = format!("{label}=\"{value}\"");
                let mut of_family = page.samples.keys().filter(|it| it.starts_with(name));
                assert!(of_family.any(|it| it.contains(&sample)), "no {name} with {sample}");
                count += 1;
            }
        }
    }
    assert!(count > 15, "{count}");
}

#[test]
fn each_alert_has_its_lines_in_the_docs_and_its_test() {
    let alerts = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut count = 0;
    for alert in alerts {
        assert!(OBSERVABILITY.contains(&format!("\n### {alert}\n\n")), "no lines on {alert}");
        let runbook = format!("docs/observability.md#{}\"\n", alert.to_ascii_lowercase());
        assert!(ALERTS.contains(&runbook), "{alert} does not say where they are");
        let fires = format!("alertname: {alert}\n        exp_alerts:");
        assert!(ALERT_TESTS.contains(&fires), "no test lets {alert} fire");
        count += 1;
    }
    assert!(count > 15, "{count}");
}
