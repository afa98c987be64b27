//! Logs for people on a terminal, and for machines otherwise.

mod batches;
mod json;
mod text;
mod timestamp;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};
use batches::Batches;
use json::JsonLine;

/// Keeps the log: when it goes, whatever was logged until then is written. It belongs to `main`, and
/// to nobody who leaves before.
#[derive(Debug)]
#[must_use = "what is logged last is written when this goes"]
pub struct Log(Option<Batches>);

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(batches) = &self.0 {
            batches.flush();
        }
    }
}

/// Starts logging to standard error. `RUST_LOG` narrows or widens it, as everywhere in Rust.
///
/// For people each line is written when it is logged. For machines lines are written in batches, by
/// a thread of their own; it fails where that cannot be had.
pub fn start(settings: &LogSettings) -> io::Result<Log> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(settings.level.name()));
    let is_human = match settings.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    // A second start, as tests in one process make, keeps the first.
    if is_human {
        let builder = builder.with_writer(io::stderr).with_target(false);
        let _ = builder.with_ansi(io::stderr().is_terminal()).try_init();
        return Ok(Log(None));
    }
    let batches = Batches::start(io::stderr())?;
    let builder = builder.json().with_writer(batches.clone());
    let _ = builder.event_format(JsonLine).try_init();
    Ok(Log(Some(batches)))
}
