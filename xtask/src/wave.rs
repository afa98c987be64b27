//! `cargo xtask wave`: ten thousand join one room within ten seconds, through the whole gateway. What are
//! its members told of one another, and what does it cost?
//!
//! If each were told of each, it would be half the square of them. That it is not is a promise.

use anyhow::Context;
use serde_json::{Value, json};

use crate::arguments::flag_and_value;
use crate::measure::conditions::Conditions;
use crate::measure::duel::Rig;
use crate::measure::load::Workload;
use crate::measure::ours::{Builds, Built, Program, SECRET};
use crate::measure::page;
use crate::measure::pairs::Summary;
use crate::measure::reading::Cost;
use crate::measure::server::Server;
use crate::peers::cases::thousands;
use crate::peers::{rig, write_page};
use crate::workspace::{Workspace, root};

/// How many come.
const WAVES: [u32; 4] = [100, 1_000, 3_000, 10_000];
/// In how many seconds.
const SECONDS: u32 = 10;
/// For each figure.
const RUNS: usize = 3;

/// Joins a room, and counts all that is said of who came.
const ROOM: &str = r#"--on-open {"type":"join_room","payload":{"room_id":"wave"}} --until-text "type":"user_joined" --count "type":"user_joined" --count "type":"presence""#;

/// What was asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) builds: Builds,
    /// The docs' table is written.
    pub(crate) write: bool,
    /// How large each wave is.
    pub(crate) members: Vec<u32>,
    pub(crate) runs: usize,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options =
            Self { builds: Builds::Now, write: false, members: WAVES.to_vec(), runs: RUNS };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match flag_and_value(&argument) {
                ("--write", None) => options.write = true,
                ("--no-build", None) => options.builds = Builds::Earlier,
                ("--members", value) => {
                    let numbers = value.or_else(|| arguments.next()).unwrap_or_default();
                    let read: Result<Vec<u32>, _> = numbers.split(',').map(str::parse).collect();
                    options.members = read
                        .ok()
                        .filter(|read| read.iter().all(|members| *members >= SECONDS))
                        .ok_or("`--members` wants numbers such as 100,1000, of ten or more")?;
                    options.runs = 1;
                }
                _ => return Err(format!("`wave` knows no `{argument}`")),
            }
        }
        Ok(options)
    }
}

/// What came of waves of one size.
#[derive(Debug, Clone, PartialEq)]
struct Wave {
    members: u32,
    /// Messages that tell members of one another, in all.
    messages: Summary,
    /// Their payloads, in all.
    bytes: Summary,
    /// µs of the server's CPU time for each who came, into the room and without one.
    joined: Summary,
    connected: Summary,
}

/// Measures, prints, and where asked to writes the docs.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    let rig = rig(workspace, options.builds)?;
    let gateway = Built::new(Program::Gateway, workspace, options.builds)?;
    let mut conditions = Conditions::here(&rig.tool.cores);
    let mut waves = Vec::new();
    for &members in &options.members {
        let wave = measure(&rig, &gateway, members, options.runs)?;
        println!("{}", wave.cells().join("  "));
        waves.push(wave);
    }
    conditions.end();
    let runs = match options.runs {
        1 => "one run each".to_owned(),
        runs => format!("the median of {runs} runs, each on a server that was started for it"),
    };
    let sentence = conditions.sentence(&runs);
    let rows = table(&waves);
    println!("\n{}\n{sentence}", page::columns(&rows));
    if options.write {
        write_page("wave", &format!("{}\n*Conditions:* {sentence}.", page::table(&rows)))?;
        let folder = root().join("docs").join("benchmarks");
        std::fs::create_dir_all(&folder)?;
        let waves: Vec<Value> = waves.iter().map(Wave::json).collect();
        let json = json!({ "conditions": conditions.json(), "seconds": SECONDS, "waves": waves });
        let text = serde_json::to_string_pretty(&json)? + "\n";
        std::fs::write(folder.join("wave.json"), text).context("write the figures")?;
        println!("written: docs/benchmarks.md, docs/benchmarks/wave.json");
    }
    Ok(true)
}

fn measure(rig: &Rig, gateway: &Built, members: u32, runs: usize) -> anyhow::Result<Wave> {
    let (mut messages, mut bytes) = (Vec::new(), Vec::new());
    let (mut joined, mut connected) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let into_room = reading(rig, gateway, members, ROOM)?;
        let (told, payload) = into_room.counted.context("ws-load counted nothing")?;
        messages.push(told as f64);
        bytes.push(payload as f64);
        joined.push(into_room.cost(Cost::Connect)?);
        connected.push(reading(rig, gateway, members, "")?.cost(Cost::Connect)?);
    }
    let of = |figures: &[f64]| Summary::of(figures).context("no figures");
    Ok(Wave {
        members,
        messages: of(&messages)?,
        bytes: of(&bytes)?,
        joined: of(&joined)?,
        connected: of(&connected)?,
    })
}

/// One wave on a server of its own, watched until the last differences are told.
fn reading(
    rig: &Rig,
    gateway: &Built,
    members: u32,
    more: &str,
) -> anyhow::Result<crate::measure::reading::Reading> {
    let start = |port| gateway.command(port);
    let mut server = Server::start("ours, wave", &start, &rig.tool.cores, &rig.logs)?;
    let options = format!(
        "--connections {members} --connect-rate {} --hold 2500ms --preset gateway --token-secret {SECRET} {more}",
        members / SECONDS
    );
    rig.tool.run(&Workload::new("connect", "/ws", options), &mut server)
}

impl Wave {
    fn cells(&self) -> Vec<String> {
        let members = f64::from(self.members);
        let each = |figure: Summary| figure.median / members;
        let us = |cost: Summary| {
            let shown = |figure| Cost::Connect.shown(figure);
            match cost.least < cost.greatest {
                true => format!(
                    "{} ({}–{})",
                    shown(cost.median),
                    shown(cost.least),
                    shown(cost.greatest)
                ),
                false => shown(cost.median),
            }
        };
        let square = u64::from(self.members) * u64::from(self.members - 1) / 2;
        vec![
            thousands(self.members),
            format!("{:.0}", self.messages.median),
            square.to_string(),
            format!("{:.1}", each(self.messages)),
            format!("{:.0}", each(self.bytes)),
            us(self.joined),
            us(self.connected),
        ]
    }

    fn json(&self) -> Value {
        let of = |figure: Summary| json!([figure.median, figure.least, figure.greatest]);
        json!({
            "members": self.members, "messages": of(self.messages), "bytes": of(self.bytes),
            "joined_us": of(self.joined), "connected_us": of(self.connected),
        })
    }
}

fn table(waves: &[Wave]) -> Vec<Vec<String>> {
    let head = [
        "came in 10 s",
        "messages of presence",
        "if each were told of each",
        "… for each who came",
        "bytes for each",
        "µs for each, connect and join",
        "µs for each, connect alone",
    ];
    let rows = waves.iter().map(Wave::cells);
    std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_the_wave_can_be_chosen() {
        let parse = |line: &str| Options::parse(line.split(' ').map(str::to_owned).collect());
        let options = parse("--members 100,200 --no-build").unwrap();
        assert_eq!((options.members, options.runs), (vec![100, 200], 1));
        for (line, complaint) in [
            ("--members some", "`--members` wants numbers"),
            ("--members 9", "`--members` wants numbers"),
            ("--full", "`wave` knows no `--full`"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.starts_with(complaint), "{line}: {error}");
        }
    }

    #[test]
    fn what_members_are_told_stands_beside_what_a_square_would_be() {
        let one = |figure: f64| Summary { median: figure, least: figure, greatest: figure };
        let joined = Summary { median: 40.0, least: 35.0, greatest: 45.0 };
        let wave = Wave {
            members: 1_000,
            messages: one(6_500.0),
            bytes: one(1_300_000.0),
            joined,
            connected: one(25.0),
        };
        let expected = ["1,000", "6500", "499500", "6.5", "1300", "40.0 (35.0–45.0)", "25.0"];
        assert_eq!(wave.cells(), expected);
    }
}
