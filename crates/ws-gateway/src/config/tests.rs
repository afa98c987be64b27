//! Stories of the configuration as a whole: arguments, environment and files in, a command or all
//! faults out.

mod channels;
mod command_line;
mod defaults;
mod docs;
mod engine;
mod example;
mod precedence;
mod refusals;
mod secrecy;
mod supplements;

use super::*;

/// Long enough for HS512.
const SECRET: &str = "a-secret-of-sixty-four-bytes-for-tests-and-for-nothing-else-ever";

/// What one test writes.
#[derive(Default, Clone, Copy)]
struct Given<'a> {
    flags: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
    files: &'a [(&'a str, &'a str)],
}

impl Given<'_> {
    fn load(self) -> Result<Command, LoadError> {
        let arguments = ["ws-gateway"].iter().chain(self.flags).map(OsString::from);
        let variables = self.variables.iter().map(|(name, value)| (name.into(), value.into()));
        load(arguments, variables, |path| {
            let file = self.files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| (*text).to_owned()).ok_or(io::ErrorKind::NotFound.into())
        })
    }

    /// A configuration to serve with.
    #[track_caller]
    fn loaded(self) -> Loaded {
        match self.load() {
            Ok(Command::Serve(loaded)) => loaded,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn config(self) -> Config {
        self.loaded().config
    }

    /// The lines of the faults; none when it loads.
    #[track_caller]
    fn faults(self) -> Vec<String> {
        match self.load() {
            Ok(_) => Vec::new(),
            Err(LoadError::Faults(faults)) => faults.0.iter().map(ToString::to_string).collect(),
            Err(LoadError::Usage(error)) => panic!("{error}"),
        }
    }
}

/// The configuration of these variables, with a secret.
#[track_caller]
fn with_variables(variables: &[(&str, &str)]) -> Loaded {
    let variables = [&[("JWT_SECRET_KEY", SECRET)], variables].concat();
    Given { variables: &variables, ..Given::default() }.loaded()
}

/// The faults of these variables, with a secret.
#[track_caller]
fn faults_of(variables: &[(&str, &str)]) -> Vec<String> {
    let variables = [&[("JWT_SECRET_KEY", SECRET)], variables].concat();
    Given { variables: &variables, ..Given::default() }.faults()
}
