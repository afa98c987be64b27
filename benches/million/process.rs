//! What this process has used, as the system says.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// What has passed since a moment: on the wall, and of the processor in all threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    wall: Instant,
    processor: Duration,
}

/// A span of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) wall: Duration,
    pub(crate) processor: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), processor: processor_time() }
    }

    pub(crate) fn read(&self) -> Span {
        Span { wall: self.wall.elapsed(), processor: processor_time() - self.processor }
    }
}

impl Span {
    /// How many cores were busy all the time.
    pub(crate) fn cores(&self) -> f64 {
        self.processor.as_secs_f64() / self.wall.as_secs_f64().max(1e-9)
    }

    /// The processor's share of each of so many, in µs.
    pub(crate) fn micros_each(&self, count: u64) -> f64 {
        self.processor.as_secs_f64() * 1e6 / count.max(1) as f64
    }
}

impl std::ops::AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.processor += other.processor;
    }
}

fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Bytes of memory that are resident now, and the most that ever were; none where there is no `/proc`.
pub(crate) fn resident_bytes() -> Option<(usize, usize)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}
