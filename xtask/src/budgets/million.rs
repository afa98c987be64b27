//! A million connections in one process: the program that simulates them, and what it prints.

use std::process::{Command, Stdio};

use anyhow::Context;
use serde_json::Value;

use crate::measure::ours::{Builds, Built, Program};
use crate::workspace::Workspace;

/// Runs it, about two minutes. It fails when it misses a budget of its own; its figures stand all the
/// same, and are judged here.
pub(crate) fn run(workspace: &Workspace, builds: Builds) -> anyhow::Result<Value> {
    let built = Built::new(Program::Million, workspace, builds)?;
    eprintln!("a million connections in one process …");
    let output = Command::new(&built.path)
        .args(["--json", "--idle", "60", "--drain", "5"])
        .stdin(Stdio::null())
        .output()
        .context("run `million`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).with_context(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        format!("`million` printed no figures: {}", complaint.trim())
    })
}
