//! The shared validator: one judge, one set of books for all connections.

use std::fmt;

use parking_lot::Mutex;

use crate::statistics::Counters;
use crate::violations::ViolationLog;
use crate::{SizeLimits, SizeStats, SizeTally, SizeVerdict, TooLarge, ValidatorConfig, Violation};

#[cfg(test)]
mod tests;

/// Judges sizes and keeps the books: statistics, the newest violations, who offends how often.
///
/// It is shared by reference between all connections. A permitted size costs a few atomics on a cache
/// line that hardly any other thread writes to; with a [`SizeTally`] in each connection it costs not
/// even that. Only a violation takes a lock, and a violation ends a connection.
#[derive(Debug)]
pub struct FrameSizeValidator {
    limits: SizeLimits,
    counters: Counters,
    violations: Mutex<ViolationLog>,
}

/// The answer of [`FrameSizeValidator::validate_frame_size`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validation {
    /// Whether the size is permitted.
    pub valid: bool,
    /// The size that was judged.
    pub frame_size: u64,
    /// The largest size that is permitted.
    pub max_size: u64,
    /// Whether the size is permitted, but above the warning threshold.
    pub warning: bool,
}

impl FrameSizeValidator {
    /// A validator with these settings; plain [`SizeLimits`] will do.
    #[must_use]
    pub fn new(config: impl Into<ValidatorConfig>) -> Self {
        let config = config.into();
        Self {
            limits: config.limits,
            counters: Counters::default(),
            violations: Mutex::new(ViolationLog::new(&config)),
        }
    }

    /// A validator with [`SizeLimits::strict`].
    #[must_use]
    pub fn strict() -> Self {
        Self::new(SizeLimits::strict())
    }

    /// A validator with [`SizeLimits::lenient`].
    #[must_use]
    pub fn lenient() -> Self {
        Self::new(SizeLimits::lenient())
    }

    /// The limits that it judges by: copy them to where frames are parsed.
    #[must_use]
    pub const fn limits(&self) -> SizeLimits {
        self.limits
    }

    /// Judges one whole frame or message and puts it in the books.
    ///
    /// For a server whose WebSocket library hands out complete messages. Whoever parses frames asks
    /// [`SizeLimits::check`] at each of its three moments, keeps a [`SizeTally`], and comes here only
    /// with [`FrameSizeValidator::absorb`] and [`FrameSizeValidator::record_violation`].
    pub fn validate_frame_size(
        &self,
        size: u64,
        user_id: Option<&str>,
        connection_id: &str,
    ) -> Validation {
        let judged = self.limits.check(size, 0);
        match judged {
            Ok(verdict) => {
                let mut tally = SizeTally::default();
                tally.record(size, verdict);
                self.counters.add(tally);
            }
            Err(too_large) => self.record_violation(too_large, user_id, connection_id),
        }
        Validation {
            valid: judged.is_ok(),
            frame_size: size,
            max_size: self.limits.max(),
            warning: judged == Ok(SizeVerdict::Large),
        }
    }

    /// Puts a violation in the books that the caller found with [`SizeLimits::check`].
    ///
    /// Takes a lock for the time of a few table operations. Identifiers are kept up to 128 bytes.
    pub fn record_violation(
        &self,
        too_large: TooLarge,
        user_id: Option<&str>,
        connection_id: &str,
    ) {
        self.violations.lock().record(too_large, user_id, connection_id);
    }

    /// Takes over what a connection has added up, and leaves its tally empty.
    pub fn absorb(&self, tally: &mut SizeTally) {
        let tally = std::mem::take(tally);
        if tally.frames() > 0 {
            self.counters.add(tally);
        }
    }

    /// How often this user's connections sent too much, as far as it is remembered.
    #[must_use]
    pub fn violations_by_user(&self, user_id: &str) -> u64 {
        self.violations.lock().of_user(user_id)
    }

    /// How often this connection sent too much, as far as it is remembered.
    #[must_use]
    pub fn violations_by_connection(&self, connection_id: &str) -> u64 {
        self.violations.lock().of_connection(connection_id)
    }

    /// Forgets the count of a connection that is gone. Not needed for the memory, which is bounded.
    pub fn forget_connection(&self, connection_id: &str) {
        self.violations.lock().forget_connection(connection_id);
    }

    /// The newest violations, the newest first: at most `recent_max` of the configuration.
    #[must_use]
    pub fn recent_violations(&self) -> Vec<Violation> {
        self.violations.lock().recent().cloned().collect()
    }

    /// The counters as they are now. What is still in somebody's [`SizeTally`] is not in them.
    #[must_use]
    pub fn stats(&self) -> SizeStats {
        let sums = self.counters.snapshot();
        let violations = self.violations.lock();
        SizeStats { violations: violations.total(), largest_refused: violations.largest(), ..sums }
    }

    /// The counters and the limits in one line for people.
    #[must_use]
    pub fn summary(&self) -> SizeSummary {
        SizeSummary { stats: self.stats(), limits: self.limits }
    }
}

impl Default for FrameSizeValidator {
    /// A validator with [`SizeLimits::default`].
    fn default() -> Self {
        Self::new(ValidatorConfig::default())
    }
}

/// What a validator has seen, to be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeSummary {
    /// The counters.
    pub stats: SizeStats,
    /// The limits that they were judged by.
    pub limits: SizeLimits,
}

impl fmt::Display for SizeSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stats, limits } = self;
        write!(
            f,
            "{} frames, {} bytes (average {}, largest {}), {} above {}, {} refused above {}",
            stats.frames,
            stats.bytes,
            stats.average(),
            stats.largest,
            stats.warnings,
            limits.warn(),
            stats.violations,
            limits.max(),
        )
    }
}
