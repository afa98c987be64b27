//! Tables of what `ws-scale` says: a flat list of cases with their figures, round by round.

use serde_json::Value;

use crate::measure::pairs::Summary;

/// What was measured.
#[derive(Debug)]
pub(super) struct Figures<'a> {
    all: &'a [Value],
}

type Rows = Vec<Vec<String>>;

/// Engine, gateways, and what it is called.
const SETUPS: [(&str, u64, &str); 3] = [
    ("memory", 1, "one gateway alone"),
    ("redis", 2, "two through Redis"),
    ("nats", 2, "two through NATS"),
];
/// What stands where nothing was measured.
const NOTHING: &str = "–";

impl<'a> Figures<'a> {
    pub(super) fn new(json: &'a Value) -> Self {
        Self { all: json.as_array().map(Vec::as_slice).unwrap_or_default() }
    }

    pub(super) fn rounds(&self) -> u64 {
        self.all.iter().filter_map(|it| it["round"].as_u64()).max().unwrap_or(1)
    }

    /// Those that something was measured for, by the names of their places in the docs.
    pub(super) fn tables(&self) -> Vec<(&'static str, Rows)> {
        let tables = [
            ("fan-out", self.fan_out()),
            ("latency", self.latency()),
            ("channels", self.channels()),
            ("replay", self.replay()),
        ];
        let is_measured = |(name, _): &(&str, Rows)| {
            self.all.iter().any(|it| it["case"].as_str().is_some_and(|case| case.starts_with(name)))
        };
        tables.into_iter().filter(is_measured).collect()
    }

    fn of(&self, case: &str, setup: (&str, u64, &str), history: bool, key: &str) -> Vec<f64> {
        let (engine, gateways, _) = setup;
        let is_it = |it: &&Value| {
            it["case"] == case
                && it["engine"] == engine
                && it["gateways"] == gateways
                && it["history"] == history
        };
        let figures = self.all.iter().filter(is_it);
        figures.filter_map(|it| it["figures"][key].as_f64()).collect()
    }

    fn fan_out(&self) -> Rows {
        let mut rows = head(&[
            "",
            "gateways, µs a message to 32",
            "÷ alone",
            "server, µs a message",
            "deliveries for a CPU second of the gateways",
        ]);
        for (history, setup) in each() {
            let of = |setup, key| self.of("fan-out", setup, history, key);
            let gateways = of(setup, "gateways_ns_per_message");
            let alone = of(SETUPS[0], "gateways_ns_per_message");
            rows.push(vec![
                named(setup, history),
                micros(&gateways),
                ratio(&gateways, &alone),
                micros(&of(setup, "server_ns_per_message")),
                spread(&of(setup, "deliveries_per_gateway_second"), 1.0, 0),
            ]);
        }
        rows
    }

    fn latency(&self) -> Rows {
        let mut rows = head(&["", "p50, µs", "p99, µs", "added p50, µs", "added p99, µs"]);
        for (history, setup) in each() {
            let of = |setup, key| self.of("latency", setup, history, key);
            let added = |key| match (median(&of(setup, key)), median(&of(SETUPS[0], key))) {
                (Some(figure), Some(alone)) if setup != SETUPS[0] => {
                    format!("{:.0}", figure - alone)
                }
                _ => NOTHING.to_owned(),
            };
            rows.push(vec![
                named(setup, history),
                spread(&of(setup, "p50_us"), 1.0, 0),
                spread(&of(setup, "p99_us"), 1.0, 0),
                added("p50_us"),
                added("p99_us"),
            ]);
        }
        rows
    }

    fn channels(&self) -> Rows {
        let mut rows = head(&[
            "",
            "gateways, µs a message in 10",
            "in 10,000",
            "ratio",
            "server, µs a message in 10",
            "in 10,000",
            "ratio",
        ]);
        for (history, setup) in each() {
            let mut row = vec![named(setup, history)];
            for key in ["gateways_ns_per_message", "server_ns_per_message"] {
                let few = self.of("channels 10", setup, history, key);
                let many = self.of("channels 10000", setup, history, key);
                row.extend([micros(&few), micros(&many), ratio(&many, &few)]);
            }
            rows.push(row);
        }
        rows
    }

    fn replay(&self) -> Rows {
        let mut rows = head(&[
            "engine",
            "messages",
            "append: gateway, µs each",
            "server, µs each",
            "replay: messages a second",
            "gateway, µs each",
            "server, µs each",
            "gateway's memory before, MiB",
            "at most meanwhile, MiB",
        ]);
        for engine in ["memory", "disk", "redis", "nats"] {
            let of = |key| self.of("replay", (engine, 1, ""), true, key);
            let mib = |key| spread(&of(key), 1.0 / f64::from(1 << 20), 1);
            rows.push(vec![
                engine.to_owned(),
                spread(&of("messages"), 1.0, 0),
                micros(&of("append_gateway_ns")),
                micros(&of("append_server_ns")),
                spread(&of("replayed_per_second"), 1.0, 0),
                micros(&of("replay_gateway_ns")),
                micros(&of("replay_server_ns")),
                mib("rss_before"),
                mib("rss_peak"),
            ]);
        }
        rows
    }
}

fn head(cells: &[&str]) -> Rows {
    vec![cells.iter().map(ToString::to_string).collect()]
}

/// Without history and with it, each setup.
fn each() -> impl Iterator<Item = (bool, (&'static str, u64, &'static str))> {
    [false, true].into_iter().flat_map(|history| SETUPS.map(|setup| (history, setup)))
}

fn named((_, _, name): (&str, u64, &str), history: bool) -> String {
    if history { format!("{name}, with history") } else { name.to_owned() }
}

fn median(figures: &[f64]) -> Option<f64> {
    Summary::of(figures).map(|it| it.median)
}

fn micros(ns: &[f64]) -> String {
    spread(ns, 1e-3, 2)
}

/// The median, and the range if there is one.
fn spread(figures: &[f64], factor: f64, digits: usize) -> String {
    let Some(Summary { median, least, greatest }) = Summary::of(figures) else {
        return NOTHING.to_owned();
    };
    let shown = |figure: f64| format!("{:.digits$}", figure * factor);
    match least < greatest {
        true => format!("{} ({}–{})", shown(median), shown(least), shown(greatest)),
        false => shown(median),
    }
}

/// Of the medians.
fn ratio(figures: &[f64], beside: &[f64]) -> String {
    match (median(figures), median(beside)) {
        (Some(figure), Some(beside)) if beside > 0.0 => format!("{:.2}", figure / beside),
        _ => NOTHING.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fan_out(engine: &str, gateways: u64, round: u64, ns: u64) -> Value {
        json!({
            "case": "fan-out", "engine": engine, "gateways": gateways, "history": false,
            "round": round,
            "figures": { "gateways_ns_per_message": ns, "server_ns_per_message": ns / 2,
                         "deliveries_per_gateway_second": 1_000_000 },
        })
    }

    #[test]
    fn a_row_has_the_median_the_range_and_what_it_is_of_one_alone() {
        let json = json!([
            fan_out("memory", 1, 1, 10_000),
            fan_out("redis", 2, 1, 15_000),
            fan_out("redis", 2, 2, 25_000),
        ]);
        let figures = Figures::new(&json);
        assert_eq!(figures.rounds(), 2);
        let [(name, rows)] = &figures.tables()[..] else { panic!("one table") };
        assert_eq!(*name, "fan-out");
        assert_eq!(
            rows[2],
            ["two through Redis", "20.00 (15.00–25.00)", "2.00", "10.00 (7.50–12.50)", "1000000"]
        );
        assert_eq!(rows[3], ["two through NATS", "–", "–", "–", "–"]);
    }

    #[test]
    fn what_failed_is_left_out() {
        let json = json!([{ "case": "replay", "engine": "disk", "gateways": 1, "history": true,
                            "round": 1, "error": "it ended" }]);
        let figures = Figures::new(&json);
        let [(_, rows)] = &figures.tables()[..] else { panic!("one table") };
        assert_eq!(rows[2][..3], ["disk", "–", "–"]);
    }
}
