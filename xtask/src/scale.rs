//! `cargo xtask scale`: what it costs to have two gateways on one engine beside one alone, and what it takes to
//! give a million messages again. `ws-scale` measures; tables are made of it here.

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

mod tables;

use self::tables::Figures;

/// Builds, measures, prints, and where asked to writes the docs; whether everything could be measured.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    if !options.no_build {
        let build = Cargo::new("build --release --package ws-gateway --package ws-load --bins");
        anyhow::ensure!(build.run(&[])?, "`{build}` failed");
    }
    let environment = provision::servers()?;
    let mut conditions = Conditions::here(&Cores::here());
    let programs = workspace.target.join("release");
    let mut command = Command::new(programs.join("ws-scale"));
    command.arg("--gateway").arg(programs.join("ws-gateway")).args(&options.handed_on);
    command.envs(environment).stderr(std::process::Stdio::inherit());
    let output = command.output().context("run ws-scale")?;
    conditions.end();
    conditions.pinning =
        "nothing pinned, gateways with one worker thread, Redis with `appendfsync always`"
            .to_owned();
    let json: Value = serde_json::from_slice(&output.stdout).context("read what ws-scale says")?;
    let figures = Figures::new(&json);
    let runs = match figures.rounds() {
        1 => "one round".to_owned(),
        rounds => format!("{rounds} rounds in turn, the median and the range; the replay once"),
    };
    let sentence = conditions.sentence(&runs);
    let tables = figures.tables();
    for (name, rows) in &tables {
        println!("{name}\n{}", page::columns(rows));
    }
    println!("{sentence}");
    if options.write {
        let docs = root().join("docs");
        for (name, rows) in &tables {
            let text = format!("{}\n*Conditions:* {sentence}.", page::table(rows));
            page::write(&docs.join("scaling.md"), name, &text)?;
        }
        let json = json!({ "conditions": conditions.json(), "figures": json });
        let text = serde_json::to_string_pretty(&json)? + "\n";
        let file = docs.join("benchmarks").join("scale.json");
        std::fs::write(&file, text).context("write the figures")?;
        println!("written: docs/scaling.md, docs/benchmarks/scale.json");
    }
    Ok(output.status.success())
}
