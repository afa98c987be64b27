//! `cargo xtask fuzz`: any bytes for whatever reads what a peer has written, a stated number of times.
//!
//! The targets and what they have found worth keeping are in `xtask/fuzz`: a workspace of its own, for libFuzzer
//! wants a C++ compiler. The inputs of a target are one file of text, a line of hexadecimal digits each.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::invocation::Cargo;
use crate::workspace::{Workspace, root};

mod corpus;

/// How often each target is run, unless something else is said.
const RUNS: u64 = 1_000_000;
/// The longest input that is tried.
const BYTES_MAX: u32 = 4096;
/// The longest for two sides that talk: it spells the fifty messages that they say to each other at most, most of
/// them of kilobytes, and what is longer only takes longer.
const PAIR_BYTES_MAX: u32 = 512;
/// The longest that is kept: what needs more is rare, and the repository is read by people.
const KEPT_BYTES_MAX: u32 = 256;

/// What was asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    runs: u64,
    /// What was found is kept.
    keep: bool,
    only: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self { runs: RUNS, keep: false, only: Vec::new() };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (flag, value) = crate::arguments::flag_and_value(&argument);
            let value = || value.or_else(|| arguments.next()).unwrap_or_default();
            match flag {
                "--keep" => options.keep = true,
                "--only" => options.only.push(value()),
                "--runs" => {
                    options.runs = value().parse().map_err(|_| "`--runs` wants a number")?;
                }
                _ => return Err(format!("`fuzz` knows no `{argument}`")),
            }
        }
        Ok(options)
    }
}

/// Builds, runs each target, and where asked to keeps what was found; whether all promises held.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    let folder = root().join("xtask").join("fuzz");
    let targets = targets(&folder)?;
    let unknown = options.only.iter().find(|name| !targets.contains(name));
    anyhow::ensure!(unknown.is_none(), "there is no such target; there are {}", targets.join(", "));
    let target = workspace.target.join("fuzz");
    build(&folder, &target)?;
    let mut held = true;
    for name in targets {
        if !options.only.is_empty() && !options.only.contains(&name) {
            continue;
        }
        let program = program(&target, &name)?;
        let inputs = target.join("inputs").join(&name);
        let kept = folder.join("corpus").join(format!("{name}.txt"));
        corpus::unpack(&kept, &inputs)?;
        println!("==> {name}");
        let mut command = Command::new(&program);
        command
            .arg(format!("-runs={}", options.runs))
            .arg(format!("-max_len={}", if name == "pair" { PAIR_BYTES_MAX } else { BYTES_MAX }))
            .args(["-verbosity=0", "-print_final_stats=1", "-timeout=20", "-rss_limit_mb=1024"])
            .arg(format!("-artifact_prefix={}/", target.display()))
            .arg(&inputs);
        let status = command.status().with_context(|| format!("run {}", program.display()))?;
        if !status.success() {
            println!("{name}: a promise is broken; the input lies in {}", target.display());
            held = false;
        } else if options.keep {
            let count = keep(&program, &inputs, &kept)?;
            println!("{name}: {count} inputs are kept");
        }
    }
    Ok(held)
}

/// Keeps the fewest inputs that reach what all of them reach.
fn keep(program: &Path, inputs: &Path, kept: &Path) -> anyhow::Result<usize> {
    let fewest = inputs.with_extension("fewest");
    corpus::empty(&fewest)?;
    let mut command = Command::new(program);
    command.args(["-set_cover_merge=1", "-verbosity=0"]).arg(format!("-max_len={KEPT_BYTES_MAX}"));
    let status = command.arg(&fewest).arg(inputs).status().context("merge what was found")?;
    anyhow::ensure!(status.success(), "what was found could not be merged");
    corpus::pack(&fewest, kept)
}

fn build(folder: &Path, target: &Path) -> anyhow::Result<()> {
    let build = Cargo::new("build --release --locked");
    println!("    (cd xtask/fuzz && {build})");
    let done = build.run_in(folder, &[("CARGO_TARGET_DIR", target.into())])?;
    anyhow::ensure!(
        done,
        "the targets could not be built: they need a C++ compiler, `g++` for example"
    );
    Ok(())
}

/// Cargo puts it below the name of the platform, which the folder's configuration asks for.
fn program(target: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let folders = std::fs::read_dir(target)?.flatten();
    let mut programs = folders.map(|folder| folder.path().join("release").join(name));
    programs.find(|program| program.is_file()).with_context(|| format!("{name} was not built"))
}

fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let files = std::fs::read_dir(folder.join("fuzz_targets")).context("look for targets")?;
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = files.flatten().filter_map(|file| stem(file.path())).collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_a_program_and_has_kept_something() {
        let folder = root().join("xtask").join("fuzz");
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let names = targets(&folder).unwrap();
        assert!(names.len() > 4);
        for name in names {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            let kept = std::fs::read_to_string(folder.join(format!("corpus/{name}.txt"))).unwrap();
            assert!(kept.lines().count() > 4, "{name}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let parse =
            |line: &str| Options::parse(line.split_whitespace().map(str::to_owned).collect());
        let options = parse("--runs 10 --keep --only=bytes").unwrap();
        assert_eq!((options.runs, options.keep, &*options.only[0]), (10, true, "bytes"));
        assert!(parse("--runs many").is_err() && parse("--fast").is_err());
    }
}
