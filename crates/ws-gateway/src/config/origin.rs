//! Where a value was written.

use std::fmt;
use std::path::PathBuf;

/// The place that decided a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line, with its dashes.
    Flag(String),
    /// A variable of the environment.
    Variable(String),
    /// A line of the configuration file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line, from 1; 0 for the file as a whole.
        line: usize,
    },
    /// Nowhere: the value is the default.
    Default,
    /// Nowhere: the value is the default under `--dev`.
    DevDefault,
    /// Nowhere: the value follows from another setting, which is named.
    Derived(&'static str),
}

impl Origin {
    /// Whether somebody wrote this value down for this setting.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        matches!(self, Self::Flag(_) | Self::Variable(_) | Self::File { .. })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
            Self::DevDefault => f.write_str("default with --dev"),
            Self::Derived(from) => write!(f, "from {from}"),
        }
    }
}

/// A value as it was written, before anybody asked what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) origin: Origin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_tells_where_to_look() {
        let file = |line| Origin::File { path: PathBuf::from("gateway.toml"), line };
        for (origin, text, is_written) in [
            (Origin::Flag("--websocket-port".to_owned()), "flag --websocket-port", true),
            (Origin::Variable("WEBSOCKET_PORT".to_owned()), "variable WEBSOCKET_PORT", true),
            (file(7), "gateway.toml:7", true),
            (file(0), "gateway.toml", true),
            (Origin::Default, "default", false),
            (Origin::DevDefault, "default with --dev", false),
            (Origin::Derived("COMPRESSION_PROFILE"), "from COMPRESSION_PROFILE", false),
        ] {
            assert_eq!(origin.to_string(), text);
            assert_eq!(origin.is_written(), is_written);
        }
    }
}
