//! What is wrong with a configuration: everything at once, a line each, and never a secret.

use std::fmt;

use super::origin::Origin;

/// The status with which a process ends that was told something it cannot do.
pub const EXIT_BAD_CONFIGURATION: u8 = 2;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The variable, or the key of the file where no variable goes by it.
    pub name: String,
    /// What was written, with secrets as `***`; `None` when nothing was and something had to be.
    pub value: Option<String>,
    /// Where it was written.
    pub source: Origin,
    /// What would be accepted.
    pub accepted: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.value {
            Some(value) => write!(f, " = {value:?} ({}): {}", self.source, self.accepted),
            None if self.source.is_written() => write!(f, " ({}): {}", self.source, self.accepted),
            None => write!(f, " is not set: {}", self.accepted),
        }
    }
}

/// All that is wrong, in the order in which it is to be read; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Why there is no configuration to run with.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The command line cannot be read, or asked for help or the version, which is no fault. Print
    /// it with [`clap::Error::print`], which knows which of the two streams it belongs on.
    #[error(transparent)]
    Usage(Box<clap::Error>),
    /// Settings that are wrong.
    #[error(transparent)]
    Faults(#[from] Faults),
}

impl LoadError {
    /// 0 for `--help` and `--version`, 2 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) if error.exit_code() == 0 => 0,
            Self::Usage(_) | Self::Faults(_) => EXIT_BAD_CONFIGURATION,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn fault(value: Option<&str>, source: Origin) -> Fault {
        Fault {
            name: "PING_INTERVAL".to_owned(),
            value: value.map(str::to_owned),
            source,
            accepted: "1ms to 1h".to_owned(),
        }
    }

    #[test]
    fn each_fault_is_one_line_that_says_name_value_place_and_what_is_accepted() {
        let line_7 = Origin::File { path: PathBuf::from("gateway.toml"), line: 7 };
        let faults = Faults(vec![
            fault(Some("soon\n"), Origin::Variable("PING_INTERVAL".to_owned())),
            fault(None, line_7),
            fault(None, Origin::Default),
        ]);
        assert_eq!(
            faults.to_string(),
            "PING_INTERVAL = \"soon\\n\" (variable PING_INTERVAL): 1ms to 1h\n\
             PING_INTERVAL (gateway.toml:7): 1ms to 1h\n\
             PING_INTERVAL is not set: 1ms to 1h"
        );
    }
}
