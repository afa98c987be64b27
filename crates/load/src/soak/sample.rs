//! How the gateway is at one moment.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    sync::atomic::Ordering,
    time::Duration,
};

use serde_json::{Value, json};

use super::crowd::Crowd;
use crate::server_stats::{CpuTimes, Server};

/// For the answer of `/metrics`.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) resident: u64,
    pub(super) files: u64,
    /// Beside those of connections.
    pub(super) tasks: u64,
    pub(super) connections: u64,
    pub(super) cpu: Duration,
    pub(super) connects: u64,
    pub(super) sent: u64,
    pub(super) heard: u64,
    pub(super) failures: u64,
}

impl Sample {
    /// None if the gateway is gone.
    pub(super) fn of(id: u32, port: u16, at: Duration, crowd: &Crowd) -> Option<Self> {
        let metrics = scrape(port).ok()?;
        let gauge = |name: &str| gauge(&metrics, name).unwrap_or_default();
        let connections = gauge("ws_connections");
        let files = fs::read_dir(format!("/proc/{id}/fd")).ok()?.count() as u64;
        let counts = &crowd.counts;
        Some(Self {
            at,
            resident: Server::Watched(vec![id]).memory()?.resident,
            files: files.saturating_sub(connections),
            tasks: gauge("ws_tasks").saturating_sub(connections),
            connections,
            cpu: Duration::from_nanos(CpuTimes::of(&[id])?.since(&CpuTimes::default())),
            connects: counts.connects.load(Ordering::Relaxed),
            sent: counts.sent.load(Ordering::Relaxed),
            heard: counts.heard.load(Ordering::Relaxed),
            failures: counts.failures.load(Ordering::Relaxed),
        })
    }

    pub(super) fn line(&self) -> String {
        format!(
            "{:>5} s: {:.1} MiB, {} files and {} tasks beside {} connections; {} connects, {} messages sent, {} heard",
            self.at.as_secs(),
            self.resident as f64 / f64::from(1 << 20),
            self.files,
            self.tasks,
            self.connections,
            self.connects,
            self.sent,
            self.heard
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "seconds": self.at.as_secs(), "residentBytes": self.resident, "files": self.files, "tasks": self.tasks,
            "connections": self.connections, "cpuSeconds": self.cpu.as_secs_f64(), "connects": self.connects,
            "sent": self.sent, "heard": self.heard, "failures": self.failures,
        })
    }
}

fn scrape(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn gauge(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse::<f64>().ok().map(|figure| figure as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_found_by_its_whole_name() {
        let text = "ws_connections_max 9\nws_connections 12\n# EOF\n";
        assert_eq!(gauge(text, "ws_connections"), Some(12));
        assert_eq!(gauge(text, "ws_tasks"), None);
    }
}
