//! `cargo xtask soak`: half an hour of clients that come and go, of reloads and of an engine that is killed, and
//! whether the gateway still holds what it held before. `ws-soak` does it; the picture is drawn here.

use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use crate::handed_on::Options;
use crate::invocation::Cargo;
use crate::measure::conditions::Conditions;
use crate::measure::cores::Cores;
use crate::measure::page;
use crate::provision;
use crate::workspace::{Workspace, root};

mod plot;

/// Builds, keeps it busy, and where asked to writes the docs; whether nothing has grown.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    if !options.no_build {
        let build = Cargo::new("build --release --package ws-gateway --package ws-load --bins");
        anyhow::ensure!(build.run(&[])?, "`{build}` failed");
    }
    let environment = provision::servers()?;
    let programs = workspace.target.join("release");
    let file = workspace.target.join("soak.json");
    let mut conditions = Conditions::here(&Cores::here());
    let mut command = Command::new(programs.join("ws-soak"));
    command.arg("--gateway").arg(programs.join("ws-gateway")).arg("--json").arg(&file);
    command.args(&options.handed_on).envs(environment);
    let status = command.status().context("run ws-soak")?;
    conditions.end();
    conditions.pinning = "nothing pinned".to_owned();
    if !options.write {
        return Ok(status.success());
    }
    let text = std::fs::read_to_string(&file).context("read what ws-soak wrote")?;
    let figures: Value = serde_json::from_str(&text).context("read what ws-soak wrote")?;
    let docs = root().join("docs");
    std::fs::write(docs.join("soak.svg"), plot::svg(&figures)).context("write the picture")?;
    let sentence = conditions.sentence("one run");
    let text = format!("{}\n*Conditions:* {sentence}.", section(&figures));
    page::write(&docs.join("testing.md"), "soak", &text)?;
    let json = json!({ "conditions": conditions.json(), "figures": figures });
    let text = serde_json::to_string_pretty(&json)? + "\n";
    std::fs::write(docs.join("benchmarks").join("soak.json"), text).context("write the figures")?;
    println!("written: docs/testing.md, docs/soak.svg, docs/benchmarks/soak.json");
    Ok(status.success())
}

/// The table, the picture, and what has happened meanwhile.
fn section(figures: &Value) -> String {
    let row = |name: &str, key: &str, unit: f64| {
        let figure = |when: &str| {
            let figure = figures[key][when].as_f64().unwrap_or_default() / unit;
            if unit > 1.0 { format!("{figure:.1}") } else { format!("{figure:.0}") }
        };
        let is_flat = figures[key]["flat"].as_bool() == Some(true);
        let word = if is_flat { "flat" } else { "grown" };
        vec![name.to_owned(), figure("early"), figure("late"), word.to_owned()]
    };
    let head = ["", "second fifth of the time", "last fifth", ""].map(str::to_owned).to_vec();
    let rows = [
        head,
        row("MiB of memory", "memoryBytes", f64::from(1 << 20)),
        row("files, without those of connections", "files", 1.0),
        row("tasks, without those of connections", "tasks", 1.0),
    ];
    let last = figures["samples"].as_array().and_then(|samples| samples.last());
    let of = |name: &str| last.map_or(0, |last| last[name].as_u64().unwrap_or_default());
    format!(
        "{}\n![What the gateway held](soak.svg)\n\nIn {} minutes: {} connects, {} messages from clients, {} to them; {} reloads; the \
         engine was killed {} times; {:.0} s of processor time.\n",
        page::table(&rows),
        of("seconds") / 60,
        of("connects"),
        of("sent"),
        of("heard"),
        figures["reloads"],
        figures["outages"],
        last.map_or(0.0, |last| last["cpuSeconds"].as_f64().unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_is_called_so() {
        let growth = |early: u64, late: u64, flat: bool| json!({ "early": early, "late": late, "flat": flat });
        let figures = json!({
            "memoryBytes": growth(40 << 20, 41 << 20, true), "files": growth(20, 20, true),
            "tasks": growth(30, 90, false), "reloads": 89, "outages": 14,
            "samples": [{ "seconds": 1800, "connects": 7, "sent": 8, "heard": 9, "cpuSeconds": 2.5 }],
        });
        let section = section(&figures);
        assert!(section.contains("| MiB of memory | 40.0 | 41.0 | flat |"), "{section}");
        assert!(
            section.contains("| 30 | 90 | grown |")
                && section.contains("In 30 minutes: 7 connects")
        );
    }
}
