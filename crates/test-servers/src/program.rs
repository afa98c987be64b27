//! Where the programs are.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::ServerError;

/// A program that the system packages.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    pub(crate) variable: &'static str,
}

pub(crate) const REDIS: Program =
    Program { name: "redis-server", package: "redis-server", variable: "WS_TEST_REDIS_SERVER" };
pub(crate) const NATS: Program =
    Program { name: "nats-server", package: "nats-server", variable: "WS_TEST_NATS_SERVER" };

/// Where Debian puts servers; not everybody's path has it.
const SERVERS: &str = "/usr/sbin";

impl Program {
    pub(crate) fn find(&self) -> Result<PathBuf, ServerError> {
        if let Some(path) = std::env::var_os(self.variable) {
            return Ok(path.into());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        self.find_in(&path).ok_or(ServerError::Missing {
            program: self.name,
            package: self.package,
            variable: self.variable,
        })
    }

    fn find_in(&self, path: &OsStr) -> Option<PathBuf> {
        std::env::split_paths(path)
            .chain([PathBuf::from(SERVERS)])
            .map(|folder| folder.join(self.name))
            .find(|file| file.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_nowhere_is_named_with_its_package_and_its_variable() {
        let nowhere = Program { name: "no-such-server", package: "a-package", variable: "NO_SUCH" };
        let complaint = nowhere.find().unwrap_err().to_string();
        for part in ["no-such-server", "`a-package`", "NO_SUCH"] {
            assert!(complaint.contains(part), "{complaint}");
        }
    }
}
