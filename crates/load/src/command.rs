//! From the arguments to the exit code.

use std::{
    ffi::OsString,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    arguments,
    course::{self, Outcome},
    plan::Plan,
    report::{html::page, json::Report, live::Live, table::table},
};

/// Files that are open beside the connections.
const FILES_BESIDE: usize = 32;
/// What stands for the standard output.
const STDOUT: &str = "-";
const NOTHING_MEASURED: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;

/// Does what the arguments say and answers the exit code; `interrupted` ends it early.
pub fn run(arguments: impl IntoIterator<Item = OsString>, interrupted: &Arc<AtomicBool>) -> u8 {
    let matches = match arguments::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Help is no error, and what cannot be printed is no other one.
            let _ = error.print();
            return if error.use_stderr() { BAD_ARGUMENTS } else { 0 };
        }
    };
    let plan = arguments::plan(&matches).and_then(|plan| {
        enough_files(&plan).map_err(|fault| vec![fault])?;
        Ok(plan)
    });
    let plan = match plan {
        Ok(plan) => plan,
        Err(faults) => {
            faults.iter().for_each(|fault| complain(fault));
            return BAD_ARGUMENTS;
        }
    };
    let mut live = Live::new(!plan.output.quiet);
    match course::run(plan, interrupted, &mut live) {
        Ok(outcome) => report(&outcome, &live),
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            NOTHING_MEASURED
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command talks to its terminal")]
fn complain(fault: &str) {
    eprintln!("ws-load: {fault}");
}

/// Asks the system for as many files as it gives; that may be too few.
fn enough_files(plan: &Plan) -> Result<(), String> {
    let limits = getrlimit(Resource::Nofile);
    // Refused: then what there is has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let (connections, wanted) = (plan.connections(), plan.connections() + FILES_BESIDE);
    if wanted as u64 <= files {
        return Ok(());
    }
    Err(format!(
        "--connections: {connections} connections need {wanted} open files, and this process may \
         have {files}; raise the limit (`ulimit -n {wanted}`) or ask for fewer (--threads share one \
         limit)"
    ))
}

fn report(outcome: &Outcome, live: &Live) -> u8 {
    let report = Report::new(outcome);
    let output = &outcome.plan.output;
    // Whoever reads JSON from the standard output gets nothing else there.
    if !output.quiet && output.json.as_deref() != Some(Path::new(STDOUT)) {
        print(&table(&report));
    }
    let files = [
        ("json", &output.json, report.to_json()),
        ("html", &output.html, page(outcome, &report, &live.samples)),
    ];
    for (option, path, text) in files {
        if let Some(path) = path
            && let Err(error) = write(path, &text)
        {
            complain(&format!("--{option}: {}: {error}", path.display()));
            return BAD_ARGUMENTS;
        }
    }
    let measured = &outcome.measured;
    let nothing = outcome.open == 0 && measured.succeeded == 0;
    let waits = measured.sent > 0 || outcome.plan.scenario.waits_for_messages();
    let unanswered = waits && measured.received + measured.established == 0;
    if nothing || unanswered { NOTHING_MEASURED } else { 0 }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if path == Path::new(STDOUT) {
        print(text);
        return Ok(());
    }
    std::fs::write(path, text)
}

#[expect(clippy::print_stdout, reason = "a command talks to its terminal")]
fn print(text: &str) {
    print!("{text}");
}
