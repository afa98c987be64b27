//! Runs the programs of the tests side by side, and those that failed again by themselves.
//!
//! `cargo test` runs one program after the other, and most of ours wait: for a server that starts, for a
//! timeout, for a browser. Side by side they take half of the time.

use std::ffi::OsString;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;

use crate::tally::Tally;
use crate::workspace::Workspace;

mod built;
mod program;
#[cfg(test)]
mod tests;

use built::built;
use program::{Finished, Program};

/// How many programs run at a time. Most of their time they wait: two of them leave half of two cores idle.
const AT_ONCE: usize = 3;

/// Those that take longest begin first, so that none of them is left for the end.
const LONG: [(&str, &str); 6] = [
    ("ws-gateway", "clients"),
    ("ws-broker-nats", "conformance"),
    ("ws-gateway", "console"),
    ("ws-broker-redis", "conformance_cluster"),
    ("ws-gateway", "servers"),
    ("ws-load", "scenarios"),
];

/// How often a test that failed beside others has to pass by itself. One that fails every other time does so in
/// one of eight cases.
const AGAIN: usize = 3;

/// Tests that failed while others were at work.
#[derive(Debug, Default)]
pub(crate) struct Second {
    /// Passed by themselves: what disturbs them is to be found.
    pub(crate) passed: Vec<String>,
    /// Failed again.
    failed: Vec<String>,
}

/// Builds all tests and runs them; whether all of them passed, and which did only by themselves.
pub(crate) fn run(
    workspace: &Workspace,
    environment: &[(&'static str, OsString)],
    tally: &mut Tally,
) -> anyhow::Result<(bool, Second)> {
    let mut programs = built()?;
    anyhow::ensure!(!programs.is_empty(), "cargo built no tests");
    let rank = |program: &Program| {
        let place = LONG.iter().position(|it| *it == (&program.package, &program.target));
        place.unwrap_or(LONG.len())
    };
    programs.sort_by_key(rank);
    let folder = workspace.target.join("tests");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let failed = run_all(programs, &folder, environment, tally)?;
    let mut second = Second::default();
    for finished in failed {
        try_again(&finished, &folder, environment, &mut second, tally)?;
    }
    for name in &second.failed {
        println!("failed, and by itself again: {name}");
    }
    Ok((second.failed.is_empty(), second))
}

/// Runs all of them, tells how each went as it ends, and answers with those that failed.
fn run_all(
    programs: Vec<Program>,
    folder: &Path,
    environment: &[(&'static str, OsString)],
    tally: &mut Tally,
) -> anyhow::Result<Vec<Finished>> {
    let mut failed = Vec::new();
    let queue = Mutex::new(programs.into_iter());
    let (sender, outcomes) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                let next = || queue.lock().next();
                while let Some(program) = next() {
                    let finished = program.run(folder, environment, &[]);
                    if sender.send(finished).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for finished in outcomes {
            let finished = finished?;
            tell(&finished, if finished.succeeded { Told::ForGood } else { Told::SoFar });
            if finished.succeeded {
                tally.read_all(&finished.output);
            } else {
                tally.read_passed(&finished.output);
                failed.push(finished);
            }
        }
        Ok(failed)
    })
}

/// Runs what failed by itself, as often as it takes to be told from luck.
fn try_again(
    finished: &Finished,
    folder: &Path,
    environment: &[(&'static str, OsString)],
    second: &mut Second,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let program = &finished.program;
    let names = finished.failed_tests();
    // One that ended without saying which test it was has to run as a whole.
    let asked: Vec<Vec<&str>> = match names.is_empty() {
        true => vec![Vec::new()],
        false => names.iter().map(|name| vec!["--exact", *name]).collect(),
    };
    for arguments in asked {
        let name = match arguments.last() {
            Some(test) => format!("{program} {test}"),
            None => program.to_string(),
        };
        println!("    again, by itself: {name}");
        let mut again = program.run(folder, environment, &arguments)?;
        let passed = |again: &Finished| again.succeeded && !again.ran_nothing();
        for _ in 1..AGAIN {
            if passed(&again) {
                again = program.run(folder, environment, &arguments)?;
            }
        }
        tally.read_all(&again.output);
        if passed(&again) {
            second.passed.push(name);
        } else {
            tell(&again, Told::ForGood);
            second.failed.push(name);
        }
    }
    Ok(())
}

/// Whether what is told of a run is the last word on its tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    ForGood,
    /// What failed will be tried again.
    SoFar,
}

fn tell(finished: &Finished, told: Told) {
    let Finished { program, output, took, .. } = finished;
    println!("     Running {program} ({:.1} s)", took.as_secs_f64());
    match told {
        Told::ForGood => println!("{}", output.trim_matches('\n')),
        Told::SoFar => print!("{}", finished.quoted()),
    }
    if *took > Duration::from_secs(60) {
        println!("a long one: {program}");
    }
    println!();
}
