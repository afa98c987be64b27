//! Who is taken in, and who is sent elsewhere.

use std::sync::Arc;

use ws_handler::Application;

use super::Metrics;
use crate::{listener::AcceptCounts, memory::MemoryCounts};

impl<A: Application> Metrics<A> {
    /// Tells of connections as they come from the kernel.
    pub(crate) fn add_listener(&mut self, counts: Arc<AcceptCounts>) {
        self.add(move |page| {
            let accepted = "Connections that were taken in, for whatever";
            page.counter("ws_accepts_total", accepted, counts.accepted())?;
            let delayed = "Times that connections had to wait for ACCEPT_RATE";
            page.counter("ws_accept_delays_total", delayed, counts.delayed())?;
            let failed = "Times that there was no file or no memory for a connection";
            page.counter("ws_accept_failures_total", failed, counts.failed())
        });
    }

    /// Tells of the memory above which nobody is taken in.
    pub(crate) fn add_memory(&mut self, counts: Arc<MemoryCounts>) {
        self.add(move |page| {
            let used = "Memory that counts, of the process or of its control group";
            page.gauge("ws_memory_used_bytes", used, counts.used() as usize)?;
            let most = "Memory above which new connections are refused; 0 for no bound";
            page.gauge("ws_memory_max_bytes", most, counts.max() as usize)
        });
    }
}
