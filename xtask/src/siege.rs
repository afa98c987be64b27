//! `cargo xtask siege`: what hostile peers cost the gateway and its other clients. `ws-siege` does and measures it;
//! the table of it is made here.

use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use crate::handed_on::Options;
use crate::invocation::Cargo;
use crate::measure::conditions::Conditions;
use crate::measure::cores::Cores;
use crate::measure::page;
use crate::workspace::{Workspace, root};

/// Builds, besieges, prints, and where asked to writes the docs; whether everything was withstood.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    if !options.no_build {
        let build = Cargo::new("build --release --package ws-gateway --package ws-load --bins");
        anyhow::ensure!(build.run(&[])?, "`{build}` failed");
    }
    let programs = workspace.target.join("release");
    let file = workspace.target.join("siege.json");
    let mut conditions = Conditions::here(&Cores::here());
    let mut command = Command::new(programs.join("ws-siege"));
    command.arg("--gateway").arg(programs.join("ws-gateway")).arg("--json").arg(&file);
    let status = command.args(&options.handed_on).status().context("run ws-siege")?;
    conditions.end();
    conditions.pinning =
        "the gateway on one core, attackers and honest clients on the other, attackers with the \
                          least priority"
            .to_owned();
    if !options.write {
        return Ok(status.success());
    }
    let text = std::fs::read_to_string(&file).context("read what ws-siege wrote")?;
    let figures: Value = serde_json::from_str(&text).context("read what ws-siege wrote")?;
    let seconds = &figures["seconds"];
    let sentence =
        conditions.sentence(&format!("one run of {seconds} s each, on a gateway of its own"));
    let rows = rows(&figures);
    let docs = root().join("docs");
    let table = format!("{}\n*Conditions:* {sentence}.", page::table(&rows));
    page::write(&docs.join("security.md"), "siege", &table)?;
    let json = json!({ "conditions": conditions.json(), "figures": figures });
    let text = serde_json::to_string_pretty(&json)? + "\n";
    std::fs::write(docs.join("benchmarks").join("siege.json"), text)
        .context("write the figures")?;
    println!("written: docs/security.md, docs/benchmarks/siege.json");
    Ok(status.success())
}

fn rows(figures: &Value) -> Vec<Vec<String>> {
    let head = [
        "what they do",
        "how much of it, in a second",
        "refused",
        "of the gateway's core",
        "others' p99: quiet, besieged",
        "factor, of at most",
        "MiB: before, at most, after",
    ];
    let attacks = figures["attacks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = attacks.iter().map(row);
    std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect()
}

fn row(attack: &Value) -> Vec<String> {
    let number = |name: &str| attack[name].as_f64().unwrap_or_default();
    let word = |name: &str| attack[name].as_str().unwrap_or_default();
    let mib = |moment: &str| {
        let bytes = attack[moment]["residentBytes"].as_f64().unwrap_or_default();
        format!("{:.1}", bytes / f64::from(1 << 20))
    };
    vec![
        format!("**{}**: {}", word("attack"), word("about")),
        format!("{:.0} {}", number("perSecond"), word("unit")),
        format!("{:.0}", number("refused")),
        format!("{:.0} %", number("corePercent")),
        format!("{:.0} µs, {:.0} µs", number("p99QuietUs"), number("p99SiegeUs")),
        format!("{:.1} of {}", number("factor"), number("factorMax")),
        [mib("before"), mib("peak"), mib("after")].join(", "),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_is_a_row() {
        let moment = |mib: u64| json!({ "residentBytes": mib << 20, "files": 9 });
        let figures = json!({ "seconds": 10, "attacks": [{
            "attack": "ping-flood", "about": "pings", "unit": "frames", "done": 1000, "perSecond": 100.4,
            "refused": 3, "corePercent": 12.3, "p99QuietUs": 200, "p99SiegeUs": 500, "factor": 2.5, "factorMax": 10.0,
            "before": moment(20), "peak": moment(30), "after": moment(21),
        }] });
        let rows = rows(&figures);
        assert_eq!(rows.len(), 2);
        assert_eq!(
            rows[1].join("|"),
            "**ping-flood**: pings|100 frames|3|12 %|200 µs, 500 µs|2.5 of 10|20.0, 30.0, 21.0"
        );
    }
}
