//! A small run, so that the large one cannot rot.

use std::{num::NonZeroUsize, time::Duration};

use crate::{arguments::Arguments, story};

fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

#[test]
fn thousands_are_idle_are_told_and_leave_nothing_behind() {
    let arguments = Arguments {
        connections: count(3_000),
        threads: count(2),
        ping_interval: Duration::from_secs(1),
        idle: Duration::from_secs(2),
        drain: Duration::from_secs(1),
        json: false,
    };
    let report = story::run(&arguments).unwrap();
    assert_eq!(report.faults(), Vec::<String>::new(), "\n{report}");
    // The interval is counted from the pong, and the round trip is a sixth of a second at most.
    assert!(report.idle.pings >= 3_000, "\n{report}");
    let each = report.heap_each();
    assert!(each < HEAP_BYTES_MAX, "{each:.0} bytes of heap each");
    // Between two heartbeats and within one nothing is allocated; the network's own lists grow.
    assert!(report.idle.allocations < 300, "{} allocations", report.idle.allocations);
    // Remembered are tokens and how connections of users ended, both up to a bound; and tables do not shrink.
    let left = report.left.memory.heap as f64 / 3_000.0;
    assert!(left < 1_100.0, "{left:.0} bytes of heap for each that is gone");
}

/// Everything of one among three thousand: its task, its names, its entries in tables that have
/// grown for it, and the token that is remembered.
const HEAP_BYTES_MAX: f64 = 2_500.0;

#[test]
fn arguments_are_understood_or_named() {
    let parse = |line: &str| Arguments::parse(line.split_whitespace().map(str::to_owned));
    let arguments = parse("--connections 20_000 --threads 1 --idle 35 --drain 4 --json").unwrap();
    let expected = Arguments {
        connections: count(20_000),
        threads: count(1),
        ping_interval: Duration::from_secs(30),
        idle: Duration::from_secs(35),
        drain: Duration::from_secs(4),
        json: true,
    };
    assert_eq!(arguments, expected);
    for (line, complaint) in [
        ("--connections", "`--connections` wants a number"),
        ("--connections 0", "`--connections 0`: a whole number above zero is accepted"),
        ("--threads two", "`--threads two`: a whole number above zero is accepted"),
        ("--fast", "unknown: `--fast`"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.starts_with(complaint), "{line}: {error}");
    }
}
