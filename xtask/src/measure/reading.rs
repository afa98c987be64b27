//! What `ws-load` says of one run, as far as we ask.

use anyhow::Context;
use serde_json::Value;

/// The cost that a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// µs of the server's CPU time for each message: an answer, or a delivery to one receiver.
    Message,
    /// µs of the server's CPU time for each connection that was opened.
    Connect,
    /// Bytes of the server's resident memory for each connection that is open.
    Memory,
}

impl Cost {
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Message => "µs a message",
            Self::Connect => "µs a connect",
            Self::Memory => "bytes a connection",
        }
    }

    /// As precise as it means something.
    pub(crate) fn shown(self, figure: f64) -> String {
        match self {
            Self::Memory => format!("{figure:.0}"),
            _ if figure < 1.0 => format!("{figure:.3}"),
            _ if figure < 10.0 => format!("{figure:.2}"),
            _ => format!("{figure:.1}"),
        }
    }
}

/// One run of the load tool.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Reading {
    pub(crate) connections: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Messages that were counted apart, and the bytes of their payloads.
    pub(crate) counted: Option<(u64, u64)>,
    pub(crate) per_second: f64,
    pub(crate) failed_connects: u64,
    /// Deliveries that did not come, or came twice.
    lost: u64,
    doubled: u64,
    /// What went wrong, and how often.
    pub(crate) errors: Vec<(String, u64)>,
    message_us: Option<f64>,
    connect_us: Option<f64>,
    memory: Option<f64>,
    /// µs of the load tool's own CPU time for each message.
    pub(crate) load_message_us: Option<f64>,
    /// Latency in µs.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

impl Reading {
    /// Of what stands on the last line that is JSON, or of the whole.
    pub(crate) fn parse(output: &str) -> anyhow::Result<Self> {
        let json: Value = serde_json::from_str(output.trim()).context("read ws-load's JSON")?;
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let us = |value: &Value| value.as_f64().map(|nanoseconds| nanoseconds / 1_000.0);
        let errors = json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let server = &json["server"];
        Ok(Self {
            connections: json["connections"].as_u64().context("ws-load tells no connections")?,
            sent: count(&json["messages"]["sent"]),
            received: count(&json["messages"]["received"]),
            counted: counted(&json["messages"]["counted"]),
            per_second: json["per_second"].as_f64().unwrap_or_default(),
            failed_connects: count(&json["connects"]["failed"]),
            lost: count(&json["deliveries"]["lost"]),
            doubled: count(&json["deliveries"]["doubled"]),
            errors: errors
                .iter()
                .map(|error| {
                    (error["cause"].as_str().unwrap_or("?").into(), count(&error["count"]))
                })
                .collect(),
            message_us: us(&server["cpu_ns_per_message"]),
            connect_us: us(&server["cpu_ns_per_connect"]),
            memory: server["rss_per_connection"].as_f64(),
            load_message_us: us(&json["load"]["cpu_ns_per_message"]),
            p50: json["latency_us"]["p50"].as_f64(),
            p99: json["latency_us"]["p99"].as_f64(),
        })
    }

    /// An error where something went wrong: a cheap server that loses messages is not cheap.
    pub(crate) fn must_be_clean(&self, may_have_gaps: bool) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.failed_connects == 0,
            "{} connects failed of {}",
            self.failed_connects,
            self.connections
        );
        let lost = if may_have_gaps { 0 } else { self.lost };
        anyhow::ensure!(lost == 0, "{} deliveries were lost", lost);
        anyhow::ensure!(self.doubled == 0, "{} deliveries came twice", self.doubled);
        if let Some((cause, count)) = self.errors.iter().find(|(_, count)| *count > 0) {
            anyhow::bail!("{count} × {cause}");
        }
        Ok(())
    }

    pub(crate) fn cost(&self, cost: Cost) -> anyhow::Result<f64> {
        let (figure, name) = match cost {
            Cost::Message => (self.message_us, "CPU time a message"),
            Cost::Connect => (self.connect_us, "CPU time a connect"),
            Cost::Memory => (self.memory, "memory a connection"),
        };
        figure.filter(|figure| *figure > 0.0).with_context(|| format!("no {name} was measured"))
    }
}

fn counted(value: &Value) -> Option<(u64, u64)> {
    Some((value["messages"].as_u64()?, value["bytes"].as_u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{
        "tool": {"name": "ws-load", "version": "0.1.0"}, "scenario": "echo",
        "url": "ws://127.0.0.1:20001/", "connections": 64, "threads": 1, "window": 16, "rate": null,
        "size": 20, "compress": false, "seconds": 0.61,
        "messages": {"sent": 300000, "received": 300000, "bytes_sent": 1, "bytes_received": 1},
        "per_second": 491803.2,
        "latency_us": {"count": 300000, "mean": 2051.0, "p50": 2040, "p90": 2100, "p99": 2400,
                       "p999": 3000, "max": 4100},
        "connects": {"attempted": 64, "succeeded": 64, "failed": 0, "per_second": 9000.0},
        "connect_us": {"count": 64, "mean": 90.0, "p50": 80, "p90": 90, "p99": 99, "p999": 99, "max": 99},
        "deliveries": {"lost": 0, "doubled": 0, "reordered": 0}, "errors": [], "closes": [{"code": 1000, "count": 64}],
        "server": {"pid": 7, "cpu_ns": 141000000, "cpu_ns_per_message": 470.0,
                   "cpu_ns_per_connect": null, "rss_before": 1, "rss_after": null, "rss_peak": 2,
                   "rss_per_connection": null},
        "load": {"cpu_ns": 120000000, "cpu_ns_per_message": 400.0}
    }"#;

    fn without(text: &str, replaced: &str, by: &str) -> Reading {
        assert!(text.contains(replaced), "{replaced}");
        Reading::parse(&text.replace(replaced, by)).unwrap()
    }

    #[test]
    fn a_run_tells_its_costs_and_what_was_not_measured() {
        let reading = Reading::parse(SAMPLE).unwrap();
        reading.must_be_clean(false).unwrap();
        assert!((reading.cost(Cost::Message).unwrap() - 0.47).abs() < 1e-9);
        assert_eq!(reading.load_message_us, Some(0.4));
        assert_eq!((reading.sent, reading.received), (300_000, 300_000));
        assert_eq!(reading.p99, Some(2_400.0));
        assert_eq!(reading.counted, None);
        let error = reading.cost(Cost::Memory).unwrap_err().to_string();
        assert_eq!(error, "no memory a connection was measured");
    }

    #[test]
    fn messages_that_were_counted_apart_are_told_with_their_bytes() {
        let counted = r#""bytes_received": 1, "counted": {"messages": 7, "bytes": 900}"#;
        assert_eq!(without(SAMPLE, "\"bytes_received\": 1", counted).counted, Some((7, 900)));
    }

    #[test]
    fn a_run_with_errors_or_failed_connects_is_no_measurement() {
        let errors =
            without(SAMPLE, "\"errors\": []", r#""errors": [{"cause": "reset", "count": 3}]"#);
        assert_eq!(errors.must_be_clean(false).unwrap_err().to_string(), "3 × reset");
        let lost = without(SAMPLE, "\"lost\": 0", "\"lost\": 5");
        lost.must_be_clean(true).unwrap();
        assert_eq!(lost.must_be_clean(false).unwrap_err().to_string(), "5 deliveries were lost");
        let failed = without(SAMPLE, "\"failed\": 0", "\"failed\": 2");
        let error = failed.must_be_clean(false).unwrap_err().to_string();
        assert_eq!(error, "2 connects failed of 64");
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        assert!(Reading::parse("progress: 10 %").is_err());
    }

    #[test]
    fn a_figure_is_shown_as_precisely_as_it_means_something() {
        for (cost, figure, shown) in [
            (Cost::Message, 0.4712, "0.471"),
            (Cost::Message, 5.2049, "5.20"),
            (Cost::Connect, 24.04, "24.0"),
            (Cost::Memory, 1023.7, "1024"),
        ] {
            assert_eq!(cost.shown(figure), shown);
        }
    }
}
