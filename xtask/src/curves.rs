//! `cargo xtask curves`: what a message costs as the work grows, by connections, by size, by groups.
//!
//! Each point is the median of some runs against a server that was started for it. Beside our line
//! stands that of a peer, where it does the same.

use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use self::plan::{Chart, Who};
use crate::arguments::flag_and_value;
use crate::chart::lines::{Lines, Series};
use crate::measure::conditions::Conditions;
use crate::measure::duel::{Rig, Side};
use crate::measure::ours::Builds;
use crate::measure::page;
use crate::measure::pairs::Summary;
use crate::measure::reading::Reading;
use crate::peers::field::Field;
use crate::peers::install::Mode;
use crate::peers::{rig, write_page};
use crate::workspace::{Workspace, root};

mod plan;

/// The peer that stands beside.
const PEER: &str = "bun";

/// What was asked for on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) builds: Builds,
    /// The docs' charts and table are written.
    pub(crate) write: bool,
    /// Nothing here means every chart.
    pub(crate) only: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match flag_and_value(&argument) {
                ("--no-build", None) => options.builds = Builds::Earlier,
                ("--write", None) => options.write = true,
                ("--only", value) => {
                    let known = plan::all().iter().map(|chart| chart.id).collect::<Vec<_>>();
                    let list = known.join(", ");
                    let names = value.or_else(|| arguments.next());
                    let names = names.ok_or_else(|| format!("`--only` wants charts: {list}"))?;
                    let names: Vec<String> = names.split(',').map(str::to_owned).collect();
                    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
                        return Err(format!("no chart `{name}`; there are {list}"));
                    }
                    options.only.extend(names);
                }
                _ => return Err(format!("`curves` knows no `{argument}`")),
            }
        }
        Ok(options)
    }
}

/// One measured point, or why it is not one.
#[derive(Debug, Clone, PartialEq)]
struct Point {
    at: u32,
    outcome: Result<(Summary, Option<f64>), String>,
}

/// One line of a chart.
#[derive(Debug, Clone, PartialEq)]
struct Curve {
    label: String,
    points: Vec<Point>,
}

/// Measures, prints, and where asked to writes the docs.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    let mut charts = plan::all();
    charts.retain(|chart| options.only.is_empty() || options.only.iter().any(|id| id == chart.id));
    let rig = rig(workspace, options.builds)?;
    let who = || charts.iter().flat_map(|chart| &chart.lines).map(|line| line.who);
    let field = Field::gather(
        workspace,
        options.builds,
        &[PEER.to_owned()],
        who().filter_map(Who::program),
    )?;
    let mut conditions = Conditions::here(&rig.tool.cores);
    let mut measured: Vec<(&Chart, Vec<Curve>)> = Vec::new();
    for chart in &charts {
        println!("{}", chart.title);
        let curves = curves(&rig, &field, chart);
        measured.push((chart, curves));
    }
    conditions.end();
    let sentence = conditions.sentence(&format!("the median of {} runs", plan::RUNS));
    println!();
    for (chart, curves) in &measured {
        println!("{}\n{}", chart.title, page::columns(&table(chart, curves)));
    }
    println!("{sentence}");
    if options.write {
        write(&measured, &conditions, &sentence)?;
    }
    Ok(true)
}

/// All lines at one point, then all at the next: what disturbs the machine disturbs all of them.
fn curves(rig: &Rig, field: &Field, chart: &Chart) -> Vec<Curve> {
    let empty = |line: &plan::Line| Curve { label: line.label.to_owned(), points: Vec::new() };
    let mut curves: Vec<Curve> = chart.lines.iter().map(empty).collect();
    for &at in &chart.points {
        for (line, curve) in chart.lines.iter().zip(&mut curves) {
            let outcome = point(rig, field, line, at).map_err(|error| format!("{error:#}"));
            let point = Point { at, outcome };
            println!("  {:>9}  {:<28} {}", chart.tick(at), line.label, point.cell());
            curve.points.push(point);
        }
    }
    curves
}

fn point(
    rig: &Rig,
    field: &Field,
    line: &plan::Line,
    at: u32,
) -> anyhow::Result<(Summary, Option<f64>)> {
    let start = |port| starts(field, line.who, at, port);
    // Whether it can be started at all is found out before it is.
    start(0)?;
    let command = |port| start(port).unwrap_or_else(|_| Command::new("false"));
    let side = Side { name: line.label, command: &command, workload: (line.workload)(at) };
    let runs = rig.solo(&side, plan::COST, plan::RUNS)?;
    let costs: Vec<f64> = runs.iter().map(|run| run.cost(plan::COST)).collect::<Result<_, _>>()?;
    let p99: Vec<f64> = runs.iter().filter_map(latency).collect();
    let cost = Summary::of(&costs).context("no figures")?;
    Ok((cost, Summary::of(&p99).map(|summary| summary.median)))
}

fn latency(reading: &Reading) -> Option<f64> {
    reading.p99
}

fn starts(field: &Field, who: Who, at: u32, port: u16) -> anyhow::Result<Command> {
    match who {
        Who::Peer => {
            let peer = field.opponents.iter().find(|opponent| opponent.id == PEER);
            let peer = peer.with_context(|| format!("no peer `{PEER}`"))?;
            let installed = peer.installed.as_ref();
            let installed = installed.map_err(|why| anyhow::anyhow!("missing: {why}"))?;
            Ok(installed.command(Mode::Echo, port))
        }
        Who::Ours(program) | Who::Grouped(program) => {
            let built = field.ours(program).map_err(|why| anyhow::anyhow!("missing: {why}"))?;
            let mut command = built.command(port);
            if matches!(who, Who::Grouped(_)) {
                command.args(["--groups", &at.to_string()]);
                command.args(["--members", &plan::RECEIVERS.to_string()]);
            }
            Ok(command)
        }
    }
}

impl Point {
    fn cell(&self) -> String {
        match &self.outcome {
            Ok((cost, _)) => plan::COST.shown(cost.median),
            Err(why) => why.clone(),
        }
    }
}

/// What grows down, lines across: µs a message, and behind it the 99th percentile of the latency.
fn table(chart: &Chart, curves: &[Curve]) -> Vec<Vec<String>> {
    let labels = curves.iter().map(|curve| curve.label.clone());
    let mut rows = vec![std::iter::once(chart.across.to_owned()).chain(labels).collect::<Vec<_>>()];
    for (index, at) in chart.points.iter().enumerate() {
        let cells = curves.iter().map(|curve| match &curve.points[index] {
            point @ Point { outcome: Ok((cost, _)), .. } if cost.least < cost.greatest => format!(
                "{} ({}–{})",
                point.cell(),
                plan::COST.shown(cost.least),
                plan::COST.shown(cost.greatest)
            ),
            point => point.cell(),
        });
        rows.push(std::iter::once(chart.tick(*at)).chain(cells).collect());
    }
    rows
}

fn write(
    measured: &[(&Chart, Vec<Curve>)],
    conditions: &Conditions,
    sentence: &str,
) -> anyhow::Result<()> {
    let docs = root().join("docs");
    let mut text = String::new();
    let mut figures = Vec::new();
    for (chart, curves) in measured {
        let name = format!("curve-{}.svg", chart.id);
        std::fs::write(docs.join(&name), lines(chart, curves).svg()).context("write a chart")?;
        let rows = page::table(&table(chart, curves));
        text.push_str(&format!(
            "**{}**, {}\n\n![{}]({name})\n\n{rows}\n",
            chart.title,
            plan::COST.unit(),
            chart.title
        ));
        figures.push(json!({ "chart": chart.id, "title": chart.title, "curves": json(curves) }));
    }
    text.push_str(&format!("*Conditions:* {sentence}."));
    write_page("curves", &text)?;
    let folder = docs.join("benchmarks");
    std::fs::create_dir_all(&folder)?;
    let json = json!({ "conditions": conditions.json(), "charts": figures });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    std::fs::write(folder.join("curves.json"), json).context("write the figures")?;
    println!("written: docs/benchmarks.md, docs/curve-*.svg, docs/benchmarks/curves.json");
    Ok(())
}

fn json(curves: &[Curve]) -> Value {
    let point = |point: &Point| match &point.outcome {
        Ok((cost, p99)) => json!({
            "at": point.at, "us": cost.median, "least": cost.least, "greatest": cost.greatest,
            "p99_us": p99,
        }),
        Err(why) => json!({ "at": point.at, "failed": why }),
    };
    let curve = |curve: &Curve| {
        let points: Vec<Value> = curve.points.iter().map(point).collect();
        json!({ "label": curve.label, "points": points })
    };
    curves.iter().map(curve).collect()
}

fn lines(chart: &Chart, curves: &[Curve]) -> Lines {
    let series = curves.iter().map(|curve| Series {
        label: curve.label.clone(),
        points: curve
            .points
            .iter()
            .filter_map(|point| Some((f64::from(point.at), point.outcome.as_ref().ok()?.0.median)))
            .collect(),
    });
    Lines {
        title: chart.title.to_owned(),
        across: chart.across.to_owned(),
        ticks: chart.points.iter().map(|at| (f64::from(*at), chart.tick(*at))).collect(),
        upward: plan::COST.unit().to_owned(),
        series: series.filter(|series| !series.points.is_empty()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> (Chart, Vec<Curve>) {
        let mut chart = plan::all().remove(0);
        chart.points = vec![100, 19_000];
        let cost = Summary { median: 5.0, least: 4.9, greatest: 5.1 };
        let points = vec![
            Point { at: 100, outcome: Ok((cost, Some(90.0))) },
            Point { at: 19_000, outcome: Err("the server ended".to_owned()) },
        ];
        (chart, vec![Curve { label: "ours".to_owned(), points }])
    }

    #[test]
    fn a_point_that_failed_stands_in_the_table_and_not_in_the_line() {
        let (chart, curves) = measured();
        let rows = table(&chart, &curves);
        assert_eq!(rows[1], ["100", "5.00 (4.90–5.10)"]);
        assert_eq!(rows[2], ["19,000", "the server ended"]);
        assert_eq!(lines(&chart, &curves).series[0].points, [(100.0, 5.0)]);
        assert_eq!(json(&curves)[0]["points"][1]["failed"], "the server ended");
    }

    #[test]
    fn only_charts_that_there_are_can_be_asked_for() {
        let parse = |line: &str| Options::parse(line.split(' ').map(str::to_owned).collect());
        let options = parse("--write --only sizes,groups").unwrap();
        assert_eq!((options.write, options.only.len()), (true, 2));
        assert!(parse("--only size").unwrap_err().starts_with("no chart `size`; there are "));
        assert_eq!(parse("--full").unwrap_err(), "`curves` knows no `--full`");
    }
}
