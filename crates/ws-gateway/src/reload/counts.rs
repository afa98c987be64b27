//! What came of reloads, for whoever watches from outside.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use super::{ReloadError, ReloadReport};
use crate::metrics::Page;

/// Counted from the start, which is when a configuration was put in force first.
#[derive(Debug)]
pub(super) struct ReloadCounts {
    applied: AtomicU64,
    refused: AtomicU64,
    is_last_refused: AtomicBool,
    /// When what is in force was read, in milliseconds since 1970.
    read_ms: AtomicU64,
    waiting: AtomicUsize,
}

impl ReloadCounts {
    pub(super) fn new(started_ms: u64) -> Self {
        Self {
            applied: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            is_last_refused: AtomicBool::new(false),
            read_ms: AtomicU64::new(started_ms),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(super) fn count(&self, reloaded: &Result<ReloadReport, ReloadError>, now_ms: u64) {
        self.is_last_refused.store(reloaded.is_err(), Ordering::Relaxed);
        match reloaded {
            Ok(report) => {
                self.applied.fetch_add(1, Ordering::Relaxed);
                self.read_ms.store(now_ms, Ordering::Relaxed);
                self.waiting.store(report.needs_restart.len(), Ordering::Relaxed);
            }
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// By the names that Prometheus gives its own: whoever has an alert for those has one for these.
    pub(super) fn encode(&self, page: &mut Page<'_>) -> fmt::Result {
        let reloads = [
            ("applied", self.applied.load(Ordering::Relaxed)),
            ("refused", self.refused.load(Ordering::Relaxed)),
        ];
        let help = "Times that the configuration was read again, by what came of it";
        page.counters("ws_config_reloads_total", help, "outcome", &reloads)?;
        let is_good = usize::from(!self.is_last_refused.load(Ordering::Relaxed));
        let help =
            "1 where the configuration was good when it was read last, 0 where it was refused";
        page.gauge("ws_config_last_reload_successful", help, is_good)?;
        page.gauge_of(
            "ws_config_last_reload_success_timestamp_seconds",
            "When what is in force was read, in seconds since 1970",
            self.read_ms.load(Ordering::Relaxed) as f64 / 1000.0,
        )?;
        page.gauge(
            "ws_config_changes_waiting",
            "Settings that say something else in the file, which counts with the next start",
            self.waiting.load(Ordering::Relaxed),
        )
    }
}
