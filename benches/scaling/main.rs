//! What the gateway does on one thread and on several, on transports in memory: where nothing is shared, a
//! message takes each thread as long as it takes one thread alone.
//!
//! ```text
//! cargo run --release -p ws-gateway-benches --features scaling --example scaling
//! ```
//!
//! Prints a line for each kind of work: CPU time of a message on one thread, on two (or `--threads N`),
//! and how much more that is. The two are measured in turn, and the median of the pairs is taken; the
//! range is that of all pairs. On a machine with fewer processors than threads it says nothing.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]
#![expect(clippy::unwrap_used, reason = "what goes wrong here is a mistake in the work itself")]

use std::{
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

#[path = "../instructions/house.rs"]
mod house;
#[path = "../lib.rs"]
#[expect(dead_code, unreachable_pub, reason = "a part of what the benches share is all we need")]
mod material;
mod work;

use work::{Kind, Shared};

/// Comparisons of one kind of work.
const PAIRS: usize = 7;
/// How long each measurement takes.
const SPAN: Duration = Duration::from_millis(300);
/// Rounds between two looks at the clock.
const ROUNDS: u32 = 64;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let threads = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--threads"), Some(count)) => count.parse().unwrap(),
        _ => 2,
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    println!("{threads} threads beside one, {processors} processors, {PAIRS} pairs");
    println!("{:<44} {:>9} {:>9} {:>7}  range", "", "1 thread", "all", "ratio");
    for kind in Kind::ALL {
        let mut pairs: Vec<(f64, f64)> =
            (0..PAIRS).map(|_| (nanos_each(kind, 1), nanos_each(kind, threads))).collect();
        pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (alone, together) = pairs[PAIRS / 2];
        let ratio = |(alone, together): (f64, f64)| together / alone;
        println!(
            "{:<44} {alone:>6.0} ns {together:>6.0} ns {:>7.2}  {:.2} to {:.2}",
            kind.name(),
            together / alone,
            ratio(pairs[0]),
            ratio(pairs[PAIRS - 1]),
        );
    }
}

/// CPU time of one message, as the mean over `threads` that work at the same time.
fn nanos_each(kind: Kind, threads: usize) -> f64 {
    let shared = Arc::new(Shared::new());
    let barrier = Arc::new(Barrier::new(threads));
    let workers: Vec<_> = (0..threads)
        .map(|index| {
            let (shared, barrier) = (shared.clone(), barrier.clone());
            thread::spawn(move || {
                // Timers are made and never fire: nobody drives this runtime.
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                let _guard = runtime.enter();
                let mut work = kind.start(&shared, index);
                barrier.wait();
                (0..ROUNDS).for_each(|_| work.round());
                barrier.wait();
                let started = cpu_time();
                let mut rounds = 0;
                while cpu_time() - started < SPAN {
                    (0..ROUNDS).for_each(|_| work.round());
                    rounds += ROUNDS;
                }
                let took = cpu_time() - started;
                took.as_nanos() as f64 / f64::from(rounds * work.messages)
            })
        })
        .collect();
    let each: Vec<f64> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    each.iter().sum::<f64>() / each.len() as f64
}

/// What this thread has had of its processor.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
