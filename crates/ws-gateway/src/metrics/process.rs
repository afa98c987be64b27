//! The process as such, by the names that each program's metrics have.

use std::{
    fmt, fs,
    time::{SystemTime, UNIX_EPOCH},
};

use super::page::Page;
use crate::console::process::{processor_micros, resident_bytes};

/// One process, and since when it runs.
#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

impl Process {
    /// The process that starts now.
    pub(super) fn now() -> Self {
        #[expect(clippy::disallowed_methods, reason = "since when, for whoever reads it")]
        let now = SystemTime::now();
        let started = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { started }
    }

    pub(super) fn encode(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = ("version", env!("CARGO_PKG_VERSION"));
        page.info("ws_build_info", "The version that runs, as a label", version)?;
        let started = "When the gateway started, in seconds since 1970";
        page.gauge_of("process_start_time_seconds", started, self.started)?;
        if let Some(micros) = processor_micros() {
            let spent = "Time that all processors spent on the process";
            page.counter_of("process_cpu_seconds_total", spent, micros as f64 / 1e6)?;
        }
        if let Some(bytes) = resident_bytes() {
            let resident = "Memory that the process has in use";
            page.gauge("process_resident_memory_bytes", resident, bytes as usize)?;
        }
        if let Some(open) = open_files() {
            page.gauge("process_open_fds", "Files and sockets that are open", open)?;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let tasks = "Tasks of the runtime: one for each connection, and those of the house";
            page.gauge("ws_tasks", tasks, runtime.metrics().num_alive_tasks())?;
        }
        match open_files_max() {
            Some(most) => page.gauge("process_max_fds", "As many of them as may be", most),
            None => Ok(()),
        }
    }
}

/// Sockets and files that are open. Linux 6.2 and later tell the number as the size of the folder;
/// before that the folder is read, which takes time in proportion.
fn open_files() -> Option<usize> {
    let folder = "/proc/self/fd";
    match usize::try_from(fs::metadata(folder).ok()?.len()) {
        Ok(0) | Err(_) => Some(fs::read_dir(folder).ok()?.count()),
        Ok(open) => Some(open),
    }
}

/// The soft limit of the process.
fn open_files_max() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
