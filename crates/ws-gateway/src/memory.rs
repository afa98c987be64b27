//! Whether there is memory for another connection.
//!
//! The kernel ends a process that needs more than there is, and with it everybody who is connected. So
//! new connections are refused before that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ws_handler::{Application, WebSocketHandler};

use crate::console::process::resident_bytes;

mod group;
mod pressure;

use group::Group;
use pressure::Pressure;

/// How often it is looked at: a look takes some 50 µs, and a storm of connects is a second old by the
/// fourth.
const PACE: Duration = Duration::from_millis(250);
/// What a process may use of what its group of processes may.
const PART_OF_GROUP: f64 = 0.9;

/// What is known of the memory, for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct MemoryCounts {
    used: AtomicU64,
    max: AtomicU64,
}

impl MemoryCounts {
    /// Bytes that count, as of the last look.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes above which nobody is taken in; zero: nobody looks.
    pub(crate) fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }
}

/// Looks at the memory, and says when there is none left for more connections.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    measure: Measure,
    pressure: Pressure,
    counts: Arc<MemoryCounts>,
}

/// What is measured.
#[derive(Debug)]
enum Measure {
    /// The memory of this process.
    Process,
    /// The memory of all processes that have a limit together with this one, and that of their sockets.
    Group(Group),
}

impl MemoryWatch {
    /// By `max` bytes of this process, or, where none are named, by nine tenths of what the group of this
    /// process may have. None where neither is limited.
    pub(crate) fn new(max: Option<u64>) -> Option<Self> {
        let (measure, max) = match max {
            Some(max) => (Measure::Process, max),
            None => {
                let group = Group::of_this_process("/".as_ref())?;
                let max = (group.max() as f64 * PART_OF_GROUP) as u64;
                (Measure::Group(group), max)
            }
        };
        let counts = MemoryCounts::default();
        counts.max.store(max, Ordering::Relaxed);
        Some(Self { measure, pressure: Pressure::new(max), counts: Arc::new(counts) })
    }

    pub(crate) fn counts(&self) -> Arc<MemoryCounts> {
        self.counts.clone()
    }

    /// Tells the handler, for as long as this is polled.
    pub(crate) async fn run<A: Application>(mut self, handler: WebSocketHandler<A>) {
        let max = self.pressure.max();
        let of = match self.measure {
            Measure::Process => "this process",
            Measure::Group(_) => "its control group",
        };
        tracing::info!(of, max, "new connections are refused above this many bytes of memory");
        loop {
            if let Some(used) = self.look() {
                match self.pressure.handle_use(used) {
                    Some(true) => {
                        tracing::warn!(
                            used,
                            max,
                            of,
                            "no memory for new connections; they are refused"
                        );
                        handler.set_out_of_memory(true);
                    }
                    Some(false) => {
                        tracing::info!(used, max, of, "there is memory for new connections again");
                        handler.set_out_of_memory(false);
                    }
                    None => {}
                }
            }
            tokio::time::sleep(PACE).await;
        }
    }

    fn look(&self) -> Option<u64> {
        let used = match &self.measure {
            Measure::Process => resident_bytes(),
            Measure::Group(group) => group.used(),
        };
        self.counts.used.store(used?, Ordering::Relaxed);
        used
    }
}
