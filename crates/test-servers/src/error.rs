//! Why a server is not as the test wants it.

use std::{fmt, io};

/// A server could not be started, or did not do what it was told. `Debug` is as readable as `Display`, for
/// the tests that unwrap it.
#[derive(thiserror::Error)]
pub enum ServerError {
    /// Neither the variable nor the path leads to the program.
    #[error(
        "there is no {program}: install what Debian packages as `{package}`, or let {variable} name it"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
        /// The variable that may name it.
        variable: &'static str,
    },
    /// The system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// The system's answer.
        error: io::Error,
    },
    /// It ended, or did not get so far in time.
    #[error("{what}; the end of its log:\n{log}")]
    Failed {
        /// What was waited for.
        what: String,
        /// What the server said last.
        log: String,
    },
}

impl ServerError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System { what: what.into(), error }
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
