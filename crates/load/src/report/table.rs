//! The results for people: a line for each thing worth knowing, nothing where there is nothing.

use std::fmt::Write as _;

use super::{
    figures::{bytes, count, number, time},
    json::{Close, Quantiles, Report},
};

/// The whole table.
pub(crate) fn table(report: &Report) -> String {
    let mut table = Table::default();
    table.title(report);
    table.connecting(report);
    table.messages(report);
    table.fan_out(report);
    table.faults(report);
    table.costs(report);
    for note in &report.notes {
        let _ = write!(table.text, "\nNote: {note}\n");
    }
    table.text
}

#[derive(Default)]
struct Table {
    text: String,
}

impl Table {
    fn line(&mut self, name: &str, value: &str) {
        // Writing to memory does not fail.
        let _ = writeln!(self.text, "  {name:<18}{value}");
    }

    fn latency(&mut self, name: &str, quantiles: Option<&Quantiles>) {
        let Some(it) = quantiles else { return };
        let time = |micros: f64| time(micros * 1e3);
        let value = format!(
            "p50 {}   p90 {}   p99 {}   p99.9 {}   max {}",
            time(it.p50),
            time(it.p90),
            time(it.p99),
            time(it.p999),
            time(it.max)
        );
        self.line(name, &value);
    }

    fn title(&mut self, report: &Report) {
        let _ = writeln!(self.text, "\n{}  {}\n", report.scenario, report.url);
        let drive = match (report.rate, report.window) {
            (Some(rate), _) => format!(", open loop at {} messages/s", number(rate)),
            (None, Some(window))
                if !matches!(report.scenario, "idle" | "connect" | "reconnect") =>
            {
                format!(", closed loop, {window} in flight each")
            }
            _ => String::new(),
        };
        let open = match report.open {
            open if open >= report.connections as u64 || report.connects.per_second.is_some() => {
                count(report.connections as u64)
            }
            open => format!("{} of {}", count(open), count(report.connections as u64)),
        };
        let value = format!("{open}{drive}, {:.2} s measured", report.seconds);
        self.line("connections", &value);
    }

    fn connecting(&mut self, report: &Report) {
        let connects = &report.connects;
        let rate = connects.per_second.map_or(String::new(), |it| format!("  ({}/s)", number(it)));
        let failed = match connects.failed {
            0 => String::new(),
            failed => format!(", {} failed", count(failed)),
        };
        // Where they come and go, some that were begun before are finished within the span.
        let of = match connects.attempted {
            attempted if attempted > connects.succeeded => format!(" of {}", count(attempted)),
            _ => String::new(),
        };
        let value = format!("{}{of} handshakes{failed}{rate}", count(connects.succeeded));
        self.line("connects", &value);
        self.latency("connect latency", report.connect_us.as_ref());
        if let Some(established) = &report.established {
            self.line("established", &format!("{} answers meanwhile", count(established.received)));
            self.latency("  their latency", established.latency_us.as_ref());
        }
    }

    fn messages(&mut self, report: &Report) {
        let messages = &report.messages;
        if let Some(counted) = &messages.counted {
            let of = bytes(counted.bytes as f64);
            self.line("counted", &format!("{} messages, {of}", count(counted.messages)));
        }
        if messages.sent == 0 && messages.received == 0 {
            return;
        }
        let rate = report.per_second.map_or(String::new(), |it| format!("  ({}/s)", number(it)));
        let value =
            format!("{} sent, {} received{rate}", count(messages.sent), count(messages.received));
        self.line("messages", &value);
        let per_second = |it: u64| bytes(it as f64 / report.seconds.max(1e-9));
        let value = format!(
            "{}/s out, {}/s in",
            per_second(messages.bytes_sent),
            per_second(messages.bytes_received)
        );
        self.line("bytes", &value);
        self.latency("latency", report.latency_us.as_ref());
    }

    fn fan_out(&mut self, report: &Report) {
        if let Some(found) = &report.deliveries {
            let value = format!(
                "{} lost, {} doubled, {} out of order",
                count(found.lost),
                count(found.doubled),
                count(found.reordered)
            );
            self.line("deliveries", &value);
        }
        if let Some(slow) = &report.slow {
            let value = format!(
                "{} of {} closed by the server{}, {} deliveries",
                count(slow.closed),
                count(slow.connections as u64),
                codes(&slow.closes),
                count(slow.received)
            );
            self.line("slow readers", &value);
        }
    }

    fn faults(&mut self, report: &Report) {
        for error in &report.errors {
            self.line("error", &format!("{} × {}", count(error.count), error.cause));
        }
        if !report.closes.is_empty() {
            self.line("closed by server", codes(&report.closes).trim_start());
        }
    }

    fn costs(&mut self, report: &Report) {
        let server = &report.server;
        if let Some(cpu) = server.cpu_ns {
            let mut value = format!("{} of a processor", time(cpu as f64));
            let message = server.cpu_ns_per_message.filter(|_| server.cpu_ns_per_connect.is_none());
            let per = [(message, "message"), (server.cpu_ns_per_connect, "connect")];
            for (cost, of) in per {
                if let Some(cost) = cost {
                    let _ = write!(value, ", {} a {of}", time(cost));
                }
            }
            self.line("server CPU", &value);
        }
        if let (Some(before), Some(after)) = (server.rss_before, server.rss_after) {
            let mut value =
                format!("{} before, {} after", bytes(before as f64), bytes(after as f64));
            if let Some(peak) = server.rss_peak {
                let _ = write!(value, ", {} at most", bytes(peak as f64));
            }
            if let Some(each) = server.rss_per_connection {
                let _ = write!(value, "; {} a connection", bytes(each));
            }
            self.line("server memory", &value);
        }
        if let Some(cpu) = report.load.cpu_ns {
            let each = report
                .load
                .cpu_ns_per_message
                .map_or(String::new(), |it| format!(", {} a message", time(it)));
            self.line("this tool's CPU", &format!("{} of a processor{each}", time(cpu as f64)));
        }
        self.latency("its lateness", report.load.lag_us.as_ref());
    }
}

/// ` 3 × 1013 (try again later), 1 × 1006`
fn codes(closes: &[Close]) -> String {
    let codes: Vec<String> = closes
        .iter()
        .map(|close| format!(" {} × {}{}", count(close.count), close.code, meaning(close.code)))
        .collect();
    codes.join(",")
}

fn meaning(code: u16) -> &'static str {
    match code {
        1000 => " (normal)",
        1001 => " (going away)",
        1002 => " (protocol error)",
        1005 => " (no code)",
        1006 => " (without a close frame)",
        1008 => " (policy)",
        1009 => " (too large)",
        1011 => " (internal error)",
        1012 => " (restart)",
        1013 => " (try again later)",
        3000 => " (unauthorized)",
        _ => "",
    }
}
