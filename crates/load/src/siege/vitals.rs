//! How a gateway is: processor time, memory, open files.

use std::{fs, time::Duration};

use crate::server_stats::{CpuTimes, Server};

/// Memory above what was before that is no leak: pages that an allocator keeps, tables that have grown once.
const SLACK_BYTES: u64 = 48 * 1024 * 1024;
/// Files above what was before that are none: a timer, a name being looked up.
const SLACK_FILES: usize = 4;

/// At one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vitals {
    pub(super) cpu: Duration,
    pub(super) resident: u64,
    pub(super) files: usize,
}

impl Vitals {
    /// Of a process; none if it is gone.
    pub(super) fn of(id: u32) -> Option<Self> {
        let server = Server::Watched(vec![id]);
        let cpu = CpuTimes::of(&[id])?.since(&CpuTimes::default());
        let resident = server.memory()?.resident;
        let files = fs::read_dir(format!("/proc/{id}/fd")).ok()?.count();
        Some(Self { cpu: Duration::from_nanos(cpu), resident, files })
    }

    pub(super) fn or_more(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            resident: self.resident.max(other.resident),
            files: self.files.max(other.files),
        }
    }

    pub(super) fn cpu_since(self, before: Self) -> Duration {
        self.cpu.saturating_sub(before.cpu)
    }

    /// Whether what it holds is what it held before.
    pub(super) fn is_like(self, before: Self) -> bool {
        self.resident <= before.resident + SLACK_BYTES && self.files <= before.files + SLACK_FILES
    }
}
