//! Logs for people on a terminal, and for machines otherwise.

mod batches;
mod json;
mod text;
mod timestamp;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::{self, IsTerminal},
    sync::Arc,
};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogLevel, LogSettings};
use batches::Batches;
use json::JsonLine;

/// Keeps the log: when it goes, whatever was logged until then is written. It belongs to `main`, and
/// to nobody who leaves before.
#[derive(Debug)]
#[must_use = "what is logged last is written when this goes"]
pub struct Log {
    batches: Option<Batches>,
    level: Level,
}

/// How urgent a line has to be to be written, while it is written. Cheap to clone.
#[derive(Clone)]
pub struct Level {
    set: Arc<dyn Fn(LogLevel) + Send + Sync>,
    is_fixed: bool,
}

impl Level {
    /// From now on these are written. No effect where `RUST_LOG` has said it.
    pub fn set(&self, level: LogLevel) {
        if !self.is_fixed {
            (self.set)(level);
        }
    }

    /// Whether `RUST_LOG` has said it.
    #[must_use]
    pub const fn is_fixed(&self) -> bool {
        self.is_fixed
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Level").field("is_fixed", &self.is_fixed).finish_non_exhaustive()
    }
}

impl Log {
    #[cfg(test)]
    fn of(batches: Batches) -> Self {
        Self { batches: Some(batches), level: Level { set: Arc::new(|_| ()), is_fixed: true } }
    }

    /// How urgent a line has to be.
    pub fn level(&self) -> Level {
        self.level.clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(batches) = &self.batches {
            batches.flush();
        }
    }
}

/// Starts logging to standard error. `RUST_LOG` narrows or widens it, as everywhere in Rust.
///
/// For people each line is written when it is logged. For machines lines are written in batches, by
/// a thread of their own; it fails where that cannot be had.
pub fn start(settings: &LogSettings) -> io::Result<Log> {
    let by_environment = EnvFilter::try_from_default_env().ok();
    let is_fixed = by_environment.is_some();
    let filter = by_environment.unwrap_or_else(|| EnvFilter::new(settings.level.name()));
    let is_human = match settings.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    // A second start, as tests in one process make, keeps the first.
    if is_human {
        let builder = builder.with_writer(io::stderr).with_target(false);
        let builder = builder.with_ansi(io::stderr().is_terminal()).with_filter_reloading();
        let set = setter(builder.reload_handle());
        let _ = builder.try_init();
        return Ok(Log { batches: None, level: Level { set, is_fixed } });
    }
    let batches = Batches::start(io::stderr())?;
    let builder = builder.json().with_writer(batches.clone());
    let builder = builder.event_format(JsonLine).with_filter_reloading();
    let set = setter(builder.reload_handle());
    let _ = builder.try_init();
    Ok(Log { batches: Some(batches), level: Level { set, is_fixed } })
}

fn setter<S: 'static>(
    filter: tracing_subscriber::reload::Handle<EnvFilter, S>,
) -> Arc<dyn Fn(LogLevel) + Send + Sync> {
    Arc::new(move |level| {
        // The log has ended, and nobody reads what would be written.
        let _ = filter.reload(EnvFilter::new(level.name()));
    })
}
