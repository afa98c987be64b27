//! Logs for people on a terminal, and for machines otherwise.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Starts logging to standard error. `RUST_LOG` narrows or widens it, as everywhere in Rust.
pub fn start(settings: &LogSettings) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(settings.level.name()));
    let is_human = match settings.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second start, as tests in one process make, keeps the first.
    let _ = if is_human {
        builder.with_target(false).with_ansi(io::stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
}
