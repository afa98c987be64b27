//! What came out, as a table and as JSON, and beside it what was promised.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};
use ws_close_manager::CloseReport;

use crate::{
    counting,
    process::{Span, resident_bytes},
};

/// What a million may have in resident memory, and a connection its share of it.
const RESIDENT_BYTES_MAX: usize = (2 << 30) / MILLION;
/// The cores that a million idle connections may keep busy, heartbeats included.
const CORES_MAX: f64 = 0.3;
const MILLION: usize = 1_000_000;
/// Among fewer, what all share weighs more on each.
const JUDGED_FROM: usize = 100_000;

/// How much memory there is, or by how much more it is than it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// None where the system does not say.
    pub(crate) resident: Option<isize>,
    pub(crate) heap: isize,
}

#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) span: Span,
    pub(crate) allocations: usize,
}

#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) span: Span,
    pub(crate) pings: u64,
    pub(crate) pings_by_second: Vec<u64>,
    pub(crate) allocations: usize,
    pub(crate) healthy: usize,
}

#[derive(Debug)]
pub(crate) struct Broadcast {
    pub(crate) span: Span,
    pub(crate) deliveries: u64,
}

#[derive(Debug)]
pub(crate) struct Close {
    pub(crate) span: Span,
    pub(crate) report: CloseReport,
    /// Close frames that the peers saw, by code.
    pub(crate) codes: BTreeMap<u16, u64>,
    /// Connections that ended without one.
    pub(crate) hung_up: u64,
}

/// What is there still when all are gone.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) connections: usize,
    pub(crate) users: usize,
    pub(crate) tasks: usize,
    pub(crate) memory: Memory,
}

/// The whole story.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) connect: Connect,
    /// When all are connected.
    pub(crate) memory: Memory,
    /// Sizes of what nearly every connection has allocated, and how many of each there are.
    pub(crate) sizes: Vec<(usize, f64)>,
    pub(crate) idle: Idle,
    pub(crate) broadcast: Broadcast,
    pub(crate) close: Close,
    pub(crate) ends: Vec<(&'static str, u64)>,
    pub(crate) left: Left,
    pub(crate) peak_bytes: Option<usize>,
}

/// What there is more of than before, by size: for each connection one, or nearly.
pub(crate) fn sizes_since(before: &[isize], connections: usize) -> Vec<(usize, f64)> {
    let now = counting::live_by_size();
    let more =
        now.iter().zip(before).map(|(now, before)| (now - before) as f64 / connections as f64);
    let sizes = more.enumerate().filter(|(_, each)| *each > 0.1);
    sizes.map(|(eights, each)| (eights * 8, each)).collect()
}

impl Memory {
    pub(crate) fn now() -> Self {
        let resident = resident_bytes().map(|(now, _)| now as isize);
        Self { resident, heap: counting::live_bytes() as isize }
    }

    pub(crate) fn since(self, before: &Self) -> Self {
        let resident = self.resident.zip(before.resident).map(|(now, before)| now - before);
        Self { resident, heap: self.heap - before.heap }
    }
}

impl Report {
    /// Which promises were not kept, a sentence for each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut expect = |kept: bool, fault: String| {
            if !kept {
                faults.push(fault);
            }
        };
        let all = self.connections as u64;
        if self.connections >= JUDGED_FROM
            && let Some(each) = self.resident_each()
        {
            let is_small = each <= RESIDENT_BYTES_MAX as f64;
            expect(is_small, format!("{each:.0} resident bytes each, not {RESIDENT_BYTES_MAX}"));
        }
        // A wake-up of the runtime costs the same for one ping as for many, so that fewer connections
        // cost less in all and more each.
        if self.connections >= MILLION {
            let cores = self.idle.span.cores();
            expect(cores <= CORES_MAX, format!("{cores:.2} cores idle, not {CORES_MAX}"));
        }
        let healthy = self.idle.healthy;
        expect(healthy == self.connections, format!("{healthy} of {all} are healthy"));
        let deliveries = self.broadcast.deliveries;
        expect(deliveries == all, format!("{deliveries} of {all} got the message"));
        let acknowledged = self.close.report.acknowledged;
        expect(acknowledged as u64 == all, format!("{}", self.close.report));
        let codes = &self.close.codes;
        expect(*codes == BTreeMap::from([(1012, all)]), format!("closed with {codes:?}"));
        let Left { connections, users, tasks, .. } = self.left;
        let is_empty = (connections, users, tasks) == (0, 0, 0);
        expect(is_empty, format!("left: {connections} connections, {users} users, {tasks} tasks"));
        faults
    }

    /// Heap of each connection, as the program asked for it.
    pub(crate) fn heap_each(&self) -> f64 {
        self.memory.heap as f64 / self.connections as f64
    }

    fn resident_each(&self) -> Option<f64> {
        self.memory.resident.map(|bytes| bytes as f64 / self.connections as f64)
    }

    fn pings_per_second(&self) -> (f64, u64) {
        let by_second = &self.idle.pings_by_second;
        let mean = self.idle.pings as f64 / by_second.len().max(1) as f64;
        (mean, by_second.iter().copied().max().unwrap_or(0))
    }

    pub(crate) fn to_json(&self) -> Value {
        let span = |span: &Span| {
            json!({
                "wall_s": span.wall.as_secs_f64(),
                "processor_s": span.processor.as_secs_f64(),
                "cores": span.cores(),
            })
        };
        let memory = |memory: &Memory| json!({ "rss": memory.resident, "heap": memory.heap });
        let Self { connect, idle, broadcast, close, left, .. } = self;
        let all = self.connections as u64;
        let (mean, max) = self.pings_per_second();
        json!({
            "connections": self.connections,
            "threads": self.threads,
            "rss_per_connection": self.resident_each(),
            "heap_per_connection": self.heap_each(),
            "memory": memory(&self.memory),
            "heap_by_size": self.sizes,
            "rss_peak": self.peak_bytes,
            "connect": {
                "span": span(&connect.span),
                "us_each": connect.span.micros_each(all),
                "allocations_each": connect.allocations as f64 / all as f64,
            },
            "idle": {
                "span": span(&idle.span),
                "pings": idle.pings,
                "us_per_ping": idle.span.micros_each(idle.pings),
                "pings_per_second_mean": mean,
                "pings_per_second_max": max,
                "pings_by_second": idle.pings_by_second,
                "allocations": idle.allocations,
            },
            "broadcast": {
                "span": span(&broadcast.span),
                "us_per_delivery": broadcast.span.micros_each(broadcast.deliveries),
            },
            "close": {
                "span": span(&close.span),
                "us_each": close.span.micros_each(all),
                "codes": close.codes,
                "acknowledged": close.report.acknowledged,
                "forced": close.report.forced,
                "hung_up": close.hung_up,
                "ends": self.ends.iter().copied().collect::<BTreeMap<_, _>>(),
            },
            "left": {
                "connections": left.connections,
                "users": left.users,
                "tasks": left.tasks,
                "memory": memory(&left.memory),
            },
            "missed": self.faults(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.connections as u64;
        let Self { connect, idle, broadcast, close, left, .. } = self;
        let (mean, max) = self.pings_per_second();
        let mebibytes = |bytes: Option<isize>| {
            bytes.map_or("unknown".to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / MIB))
        };
        let mut row = |what: &str, figure: String| writeln!(f, "{what:<34}{figure}");
        row("connections", format!("{all}, on {} threads", self.threads))?;
        let resident = self.resident_each().unwrap_or(f64::NAN);
        row("resident memory", mebibytes(self.memory.resident))?;
        row("… a connection", format!("{resident:.0} B (budget {RESIDENT_BYTES_MAX})"))?;
        row("heap a connection", format!("{:.0} B", self.heap_each()))?;
        let sizes: Vec<_> =
            self.sizes.iter().map(|(size, count)| format!("{count:.2} × {size} B")).collect();
        row("… by size", sizes.join(", "))?;
        row("resident memory, the peak of all", mebibytes(self.peak_bytes.map(|it| it as isize)))?;
        row("connect, verified", spent(&connect.span, all))?;
        let each = connect.allocations as f64 / all as f64;
        row("… allocations each", format!("{each:.1}"))?;
        let (cores, watched) = (idle.span.cores(), idle.span.wall.as_secs_f64());
        let budget = format!("budget {CORES_MAX} for a million");
        row("idle", format!("{cores:.3} cores ({budget}), {watched:.0} s watched"))?;
        let cycle = idle.span.micros_each(idle.pings);
        row("… a ping and its pong", format!("{cycle:.2} µs, {} in all", idle.pings))?;
        row("… pings a second", format!("{mean:.0}, {max} at most ({:.2}×)", max as f64 / mean))?;
        row("… allocations", idle.allocations.to_string())?;
        row("a message to all", spent(&broadcast.span, broadcast.deliveries))?;
        row("close at a pace", spent(&close.span, all))?;
        row("… close frames by code", format!("{:?}", close.codes))?;
        row("… ends", format!("{:?}", self.ends))?;
        let Left { connections, users, tasks, memory } = left;
        let counts = format!("{connections} connections, {users} users, {tasks} tasks");
        row("left", counts)?;
        let heap = mebibytes(Some(memory.heap));
        row("… memory", format!("{} resident, {heap} of heap", mebibytes(memory.resident)))
    }
}

const MIB: f64 = (1 << 20) as f64;

fn spent(span: &Span, count: u64) -> String {
    let (each, wall, cores) = (span.micros_each(count), span.wall.as_secs_f64(), span.cores());
    format!("{each:.2} µs of the processor each; {wall:.1} s, {cores:.2} cores")
}
