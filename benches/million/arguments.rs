//! The command line.

use std::{num::NonZeroUsize, time::Duration};

const HELP: &str = "\
A million connections in one process, on transports in memory.

Usage: cargo xtask million [OPTIONS]

  --connections N   how many (default: 1000000)
  --threads N       worker threads of the runtime (default: one for each core)
  --idle SECONDS    how long the idle crowd is watched (default: 60, two intervals of its heartbeat)
  --drain SECONDS   the pace of the close: all are told within this time (default: 20)
  --json            JSON instead of a table";

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) connections: NonZeroUsize,
    pub(crate) threads: NonZeroUsize,
    /// How often a silent peer is pinged.
    pub(crate) ping_interval: Duration,
    pub(crate) idle: Duration,
    pub(crate) drain: Duration,
    pub(crate) json: bool,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            connections: NonZeroUsize::new(1_000_000).unwrap_or(NonZeroUsize::MIN),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            ping_interval: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(20),
            json: false,
        }
    }
}

impl Arguments {
    /// Reads what stands behind the program's name; the error is for the terminal.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => arguments.json = true,
                "--connections" => arguments.connections = number(&word, words.next())?,
                "--threads" => arguments.threads = number(&word, words.next())?,
                "--idle" => arguments.idle = seconds(&word, words.next())?,
                "--drain" => arguments.drain = seconds(&word, words.next())?,
                "-h" | "--help" => return Err(HELP.to_owned()),
                _ => return Err(format!("unknown: `{word}`\n\n{HELP}")),
            }
        }
        Ok(arguments)
    }
}

fn number(option: &str, value: Option<String>) -> Result<NonZeroUsize, String> {
    let value = value.ok_or_else(|| format!("`{option}` wants a number"))?;
    let plain = value.replace('_', "");
    plain.parse().map_err(|_| format!("`{option} {value}`: a whole number above zero is accepted"))
}

fn seconds(option: &str, value: Option<String>) -> Result<Duration, String> {
    number(option, value).map(|seconds| Duration::from_secs(seconds.get() as u64))
}
