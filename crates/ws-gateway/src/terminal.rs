//! The commands that look at a gateway that runs, from a terminal or in a script.

mod asking;
mod cells;
mod top;
mod trace;

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use crate::config::{EXIT_BAD_CONFIGURATION, InspectArgs, Reach, Show};
use asking::Asking;

/// Why nothing is shown any more.
#[derive(Debug)]
enum Failure {
    /// Something that was said is wrong, or the key is.
    Refused(String),
    /// The gateway is not there, or went.
    Unreachable(String),
    /// Nobody reads what is written.
    Output(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Unreachable(why) => f.write_str(why),
            Self::Output(error) => write!(f, "cannot write: {error}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Looks at a gateway, and shows what is seen on standard output. Ends with 0 when all was shown, with 2 when what was asked
/// for is refused, with 1 when the gateway cannot be reached.
#[must_use]
pub fn inspect(arguments: &InspectArgs, reach: &Reach) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Failure::Output).and_then(|runtime| {
        runtime.block_on(async {
            let asking = Asking::new(arguments, reach)?;
            match arguments.show {
                Show::Top { interval, count } => {
                    top::show(&asking, arguments, interval, count).await
                }
                Show::Trace { json } => trace::show(&asking, arguments, json).await,
            }
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever pipes into `head` has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{failure}");
            match failure {
                Failure::Refused(_) => ExitCode::from(EXIT_BAD_CONFIGURATION),
                Failure::Unreachable(_) | Failure::Output(_) => ExitCode::FAILURE,
            }
        }
    }
}

/// What others have said, for a terminal: on one line, and without anything that moves its cursor.
#[must_use]
pub fn printable(said: &str) -> String {
    cells::text(said, usize::MAX)
}
