//! What a process has used, as the kernel accounts it.

use std::{fs, iter::Sum, ops::Sub};

/// Processor time and memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) cpu_ns: u64,
    pub(super) rss_bytes: u64,
}

const PAGE: u64 = 4096;

impl Usage {
    /// Of a process; nothing if it is gone.
    pub(super) fn of(id: u32) -> Self {
        let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        let schedules =
            tasks.filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
        let cpu_ns = schedules.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum();
        let memory = fs::read_to_string(format!("/proc/{id}/statm")).unwrap_or_default();
        let pages = memory.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        Self { cpu_ns, rss_bytes: pages.unwrap_or_default() * PAGE }
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, it| Self {
            cpu_ns: sum.cpu_ns + it.cpu_ns,
            rss_bytes: sum.rss_bytes + it.rss_bytes,
        })
    }
}

impl Sub for Usage {
    type Output = Self;

    /// What was used in between. Memory that was given back counts as none.
    fn sub(self, before: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            rss_bytes: self.rss_bytes.saturating_sub(before.rss_bytes),
        }
    }
}
