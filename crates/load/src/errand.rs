//! A command that either finds what it looks for as it should be, or not.

use std::ffi::OsString;

use clap::{ArgMatches, Command};

const FAILED: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;

/// Does what the arguments say and answers the exit code: 1 if `done` answers that something is not as it should
/// be, or tells why it could not find out.
pub(crate) fn exit_code(
    command: Command,
    arguments: impl IntoIterator<Item = OsString>,
    complain: fn(&str),
    done: impl FnOnce(&ArgMatches) -> Result<bool, String>,
) -> u8 {
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Help is no error, and what cannot be printed is no other one.
            let _ = error.print();
            return if error.use_stderr() { BAD_ARGUMENTS } else { 0 };
        }
    };
    match done(&matches) {
        Ok(true) => 0,
        Ok(false) => FAILED,
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_says_what_came_of_it() {
        let code = |arguments: &[&str], outcome: Result<bool, String>| {
            let arguments = arguments.iter().map(OsString::from);
            exit_code(Command::new("it"), arguments, |_| (), |_| outcome)
        };
        assert_eq!(code(&["it"], Ok(true)), 0);
        assert_eq!(code(&["it"], Ok(false)), FAILED);
        assert_eq!(code(&["it"], Err("why".to_owned())), FAILED);
        assert_eq!(code(&["it", "--help"], Ok(false)), 0);
        assert_eq!(code(&["it", "--nonsense"], Ok(true)), BAD_ARGUMENTS);
    }
}
