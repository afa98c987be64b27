//! Whether a limit is enforced, or only watched.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ConfigError;

/// What becomes of a request that a limit denies.
///
/// A limit that is new can be watched for a while before anybody is refused by it. Its figures are those
/// of callers who are let through; refused, some of them would have slowed down or gone away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is denied.
    #[default]
    Enforce,
    /// It is allowed, takes nothing, and is counted in
    /// [`LimiterStats::shadowed`](crate::LimiterStats::shadowed).
    Shadow,
}

impl Mode {
    /// The word for it in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        match name {
            "enforce" => Ok(Self::Enforce),
            "shadow" => Ok(Self::Shadow),
            _ => Err(ConfigError::UnknownMode),
        }
    }
}

/// A mode that can be changed while others read it. It is read only when something was denied, so that
/// who keeps to its limit pays nothing for it.
#[derive(Debug)]
pub(crate) struct ModeCell(AtomicBool);

impl ModeCell {
    pub(crate) const fn new(mode: Mode) -> Self {
        Self(AtomicBool::new(matches!(mode, Mode::Shadow)))
    }

    pub(crate) fn get(&self) -> Mode {
        if self.0.load(Ordering::Relaxed) { Mode::Shadow } else { Mode::Enforce }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.0.store(mode == Mode::Shadow, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_known_by_their_names() {
        for mode in [Mode::Enforce, Mode::Shadow] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert_eq!("off".parse::<Mode>(), Err(ConfigError::UnknownMode));
    }
}
