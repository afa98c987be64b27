//! `cargo xtask torture`: gateways and engines are killed, paused and cut off, and nothing may be lost. The
//! checker is `ws-torture`, which says itself what it knows; here it gets the programs that it starts.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::invocation::{Cargo, shell_quoted};
use crate::provision;
use crate::workspace::Workspace;

/// Every engine, in the order of what stands behind the gateway: nothing, a folder, a server.
const ENGINES: [&str; 4] = ["memory", "disk", "redis", "nats"];

/// How long each engine is tortured by `cargo xtask test`, in minutes.
const BRIEFLY: &str = "0.35";

/// What was asked for on the command line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// All of them, unless one is named.
    engine: Option<&'static str>,
    /// Our programs as they were built last.
    no_build: bool,
    /// For `ws-torture`.
    handed_on: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match crate::arguments::flag_and_value(&argument) {
                ("--no-build", None) => options.no_build = true,
                ("--engine", value) => {
                    let name = value.or_else(|| arguments.next()).unwrap_or_default();
                    let known = ENGINES.into_iter().find(|engine| *engine == name);
                    let complaint = || format!("`--engine` wants one of {}", ENGINES.join(", "));
                    options.engine = Some(known.ok_or_else(complaint)?);
                }
                _ => options.handed_on.push(argument),
            }
        }
        Ok(options)
    }
}

/// Builds, and runs the checker with each engine that was asked for; whether all of them lost nothing.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    if !options.no_build {
        let build = Cargo::new("build --release --package ws-gateway --package ws-load --bins");
        anyhow::ensure!(build.run(&[])?, "`{build}` failed");
    }
    let environment = provision::servers()?;
    let engines = options.engine.map_or(ENGINES.to_vec(), |engine| vec![engine]);
    let programs = workspace.target.join("release");
    let mut is_good = true;
    for engine in engines {
        let (mut command, line) = checker(&programs, engine, &options.handed_on, &environment);
        println!("    {line}");
        is_good &= command.status().context(line)?.success();
    }
    Ok(is_good)
}

/// As a step of `cargo xtask test`: each engine for a while, with what the step `examples` built. Whether all of them
/// lost nothing, and what was said: others print meanwhile.
pub(crate) fn briefly(
    workspace: &Workspace,
    environment: &[(&'static str, OsString)],
) -> anyhow::Result<(bool, String)> {
    let arguments = ["--minutes", BRIEFLY, "--quiet"].map(str::to_owned);
    let programs = workspace.target.join("debug");
    let (mut is_good, mut said) = (true, String::new());
    for engine in ENGINES {
        let (mut command, line) = checker(&programs, engine, &arguments, environment);
        said += &format!("    {line}\n");
        let output = command.output().context(line)?;
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
        is_good &= output.status.success();
    }
    Ok((is_good, said))
}

/// The checker of one engine, and its command line.
fn checker(
    programs: &Path,
    engine: &str,
    arguments: &[String],
    environment: &[(&'static str, OsString)],
) -> (Command, String) {
    let mut command = Command::new(programs.join("ws-torture"));
    command.args(["--engine", engine, "--gateway"]).arg(programs.join("ws-gateway"));
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| shell_quoted(&word.to_string_lossy())).collect();
    (command, words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_handed_on() {
        let parse = |line: &str| Options::parse(line.split(' ').map(str::to_owned).collect());
        let options = parse("--engine redis --minutes 10 --no-build --seed=7").unwrap();
        assert_eq!((options.engine, options.no_build), (Some("redis"), true));
        assert_eq!(options.handed_on, ["--minutes", "10", "--seed=7"]);
        assert_eq!(parse("--minutes 1").unwrap().engine, None);
        let complaint = parse("--engine paper").unwrap_err();
        assert_eq!(complaint, "`--engine` wants one of memory, disk, redis, nats");
    }
}
