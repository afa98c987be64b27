//! From the arguments to the exit code.

use std::{
    ffi::OsString,
    path::Path,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    arguments,
    course::{self, Outcome},
    plan::Plan,
    report::{Silent, json::Report},
};

/// Files that are open beside the connections.
const FILES_BESIDE: usize = 32;
const NOTHING_MEASURED: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;

/// Does what the arguments say; `interrupted` ends it early.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    interrupted: &Arc<AtomicBool>,
) -> ExitCode {
    let matches = match arguments::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => error.exit(),
    };
    let plan = arguments::plan(&matches).and_then(|plan| {
        enough_files(&plan).map_err(|fault| vec![fault])?;
        Ok(plan)
    });
    let plan = match plan {
        Ok(plan) => plan,
        Err(faults) => {
            faults.iter().for_each(|fault| complain(fault));
            return ExitCode::from(BAD_ARGUMENTS);
        }
    };
    match course::run(plan, interrupted, &mut Silent) {
        Ok(outcome) => report(&outcome),
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            ExitCode::from(NOTHING_MEASURED)
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

fn report(outcome: &Outcome) -> ExitCode {
    let json = Report::new(outcome).to_json();
    if let Some(path) = &outcome.plan.output.json
        && let Err(error) = write(path, &json)
    {
        complain(&format!("--json: {}: {error}", path.display()));
        return ExitCode::from(BAD_ARGUMENTS);
    }
    if !outcome.plan.output.quiet && outcome.plan.output.json.is_none() {
        print(&json);
    }
    let nothing = outcome.open == 0 && outcome.measured.succeeded == 0;
    ExitCode::from(if nothing { NOTHING_MEASURED } else { 0 })
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if path == Path::new("-") {
        print(text);
        return Ok(());
    }
    std::fs::write(path, text)
}

#[expect(clippy::print_stdout, reason = "a command talks to its terminal")]
fn print(text: &str) {
    print!("{text}");
}
