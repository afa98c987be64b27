//! What a delivery, and coming into a channel and leaving it, take while the number of channels, of
//! connections elsewhere and of members grows: through the whole handler, on transports in memory.
//!
//! ```text
//! cargo run --release -p ws-gateway-benches --features scaling --example growth
//! cargo run --release -p ws-gateway-benches --features scaling --example growth -- --max 10000
//! ```
//!
//! Prints a line for each number: CPU time with nothing else there, with so many, and how much more that
//! is. The two are measured in turn, and the median of the pairs is taken; the range is that of all
//! pairs. A million needs a minute and a half, and 2 GiB.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]
#![expect(clippy::unwrap_used, reason = "what goes wrong here is a mistake in the work itself")]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[path = "../instructions/crowd.rs"]
mod crowd;
#[path = "../instructions/house.rs"]
mod house;
#[path = "../lib.rs"]
#[expect(dead_code, unreachable_pub, reason = "a part of what the benches share is all we need")]
mod material;
mod work;

use work::{Kind, Work};

/// Comparisons for each number.
const PAIRS: usize = 7;
/// How long each measurement takes.
const SPAN: Duration = Duration::from_millis(100);
/// Rounds between two looks at the clock.
const ROUNDS: u32 = 8;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let max: usize = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--max"), Some(most)) => most.parse().unwrap(),
        _ => 1_000_000,
    };
    // Timers are made and never fire: nobody drives this runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _guard = runtime.enter();
    for kind in Kind::ALL {
        println!(
            "\n{}\n\n{:>10} {:>9} {:>9} {:>7}  range",
            kind.about(),
            "",
            "first",
            "then",
            "ratio"
        );
        let (mut few, mut many) = (kind.start(), kind.start());
        let mut number = 1;
        few.grow(number);
        while number <= max {
            many.grow(number);
            report(number, &mut few, &mut many);
            number *= 10;
        }
    }
}

fn report(number: usize, few: &mut Work, many: &mut Work) {
    let mut pairs: Vec<(f64, f64)> = (0..PAIRS).map(|_| (nanos(few), nanos(many))).collect();
    pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let ratio = |(few, many): (f64, f64)| many / few;
    let middle = pairs[PAIRS / 2];
    println!(
        "{number:>10} {:>6.0} ns {:>6.0} ns {:>7.2}  {:.2} to {:.2}",
        middle.0,
        middle.1,
        ratio(middle),
        ratio(pairs[0]),
        ratio(pairs[PAIRS - 1]),
    );
}

/// CPU time of what one round is made of.
fn nanos(work: &mut Work) -> f64 {
    let messages = (0..ROUNDS).map(|_| work.round()).max().unwrap_or(1);
    let started = cpu_time();
    let mut rounds = 0;
    while cpu_time() - started < SPAN {
        (0..ROUNDS).for_each(|_| assert!(work.round() > 0));
        rounds += ROUNDS;
    }
    let took = cpu_time() - started;
    took.as_nanos() as f64 / f64::from(rounds * messages)
}

/// What this thread has had of its processor.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_work_is_done_with_a_few_others_there() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _guard = runtime.enter();
        for kind in Kind::ALL {
            let mut work = kind.start();
            for number in [1, 10, 250] {
                work.grow(number);
                assert!(work.round() > 0, "{}", kind.about());
            }
        }
    }
}
