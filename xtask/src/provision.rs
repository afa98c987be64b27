//! What the tests need beyond the Rust toolchain: peers and servers that were not written here, and a
//! browser.
//!
//! Packages of npm and PyPI go into `target/provision`, in the versions that `xtask/provision`
//! pins. Programs come from Debian's packages when we are root; otherwise the complaint is the
//! command to type. Tests learn where things are from the variables named here, and from nothing
//! else, so that a machine that is no Debian sets them by hand.

use std::ffi::OsString;
use std::path::Path;

use self::programs::Programs;
use crate::invocation::shell_quoted;
use crate::workspace::{Workspace, root};

mod balancers;
mod browser;
mod node;
pub(crate) mod programs;
mod prometheus;
mod python;
mod servers;
mod ssh;
pub(crate) mod stamp;
mod valgrind;

/// A Python interpreter that can import `websockets` and `jose`.
const PYTHON: &str = "WS_TEST_PYTHON";
/// Node.js, 20 or newer.
const NODE: &str = "WS_TEST_NODE";
/// A `node_modules` folder with what `xtask/provision/package.json` names.
const NODE_MODULES: &str = "WS_TEST_NODE_MODULES";
/// A Chromium, or a browser that takes its arguments.
const CHROMIUM: &str = "WS_TEST_CHROMIUM";
/// Valgrind, with its tool callgrind.
pub(crate) const VALGRIND: &str = "WS_TEST_VALGRIND";
/// redis-server, 7 or newer.
const REDIS_SERVER: &str = "WS_TEST_REDIS_SERVER";
/// nats-server, 2.9 or newer.
const NATS_SERVER: &str = "WS_TEST_NATS_SERVER";
/// Prometheus, 2.42 or newer.
const PROMETHEUS: &str = "WS_TEST_PROMETHEUS";
/// Its promtool.
const PROMTOOL: &str = "WS_TEST_PROMTOOL";

/// sshd, ssh and ssh-keygen of OpenSSH.
const SSHD: &str = "WS_TEST_SSHD";
const SSH: &str = "WS_TEST_SSH";
const SSH_KEYGEN: &str = "WS_TEST_SSH_KEYGEN";
/// nginx, 1.18 or newer.
const NGINX: &str = "WS_TEST_NGINX";
/// haproxy, 2.4 or newer.
const HAPROXY: &str = "WS_TEST_HAPROXY";
/// systemd-analyze, 250 or newer.
const SYSTEMD_ANALYZE: &str = "WS_TEST_SYSTEMD_ANALYZE";

/// One thing to provide: the variables that tell of it, and how to get their values.
struct Need {
    variables: &'static [&'static str],
    /// `source` holds the pinned versions, `target` is a folder of its own for what is installed.
    provide: fn(programs: &mut Programs, source: &Path, target: &Path) -> anyhow::Result<Found>,
}

/// The values of a need's variables, in their order.
type Found = Vec<OsString>;

const NEEDS: [Need; 11] = [
    Need { variables: &[PYTHON], provide: python::provide },
    Need { variables: &[NODE, NODE_MODULES], provide: node::provide },
    Need { variables: &[CHROMIUM], provide: browser::provide },
    Need { variables: &[VALGRIND], provide: valgrind::provide },
    Need { variables: &[REDIS_SERVER], provide: servers::provide_redis },
    Need { variables: &[NATS_SERVER], provide: servers::provide_nats },
    Need { variables: &[PROMETHEUS, PROMTOOL], provide: prometheus::provide },
    Need { variables: &[SSHD, SSH, SSH_KEYGEN], provide: ssh::provide },
    Need { variables: &[NGINX], provide: balancers::provide_nginx },
    Need { variables: &[HAPROXY], provide: balancers::provide_haproxy },
    Need { variables: &[SYSTEMD_ANALYZE], provide: balancers::provide_systemd },
];

/// What is there for the tests, and what could not be had.
#[derive(Debug, Default)]
pub(crate) struct Provisions {
    pub(crate) environment: Vec<(&'static str, OsString)>,
    complaints: Vec<String>,
}

/// Installs what is missing. Fast when everything is there.
pub(crate) fn provide(workspace: &Workspace) -> Provisions {
    let source = root().join("xtask").join("provision");
    let target = workspace.target.join("provision");
    let mut programs = Programs::default();
    let mut provisions = Provisions::default();
    for need in &NEEDS {
        let preset: Option<Found> = need.variables.iter().map(std::env::var_os).collect();
        let found = match preset {
            Some(found) => Ok(found),
            None => (need.provide)(&mut programs, &source, &target),
        };
        provisions.add(need, found);
    }
    provisions
}

/// Valgrind alone, for a command that needs nothing else.
pub(crate) fn valgrind() -> anyhow::Result<OsString> {
    match std::env::var_os(VALGRIND) {
        Some(program) => Ok(program),
        None => Ok(Programs::default().find(&["valgrind"], "valgrind")?.into()),
    }
}

/// The servers behind the gateways alone, for a command that needs nothing else.
pub(crate) fn servers() -> anyhow::Result<Vec<(&'static str, OsString)>> {
    let mut programs = Programs::default();
    [(REDIS_SERVER, "redis-server"), (NATS_SERVER, "nats-server")]
        .into_iter()
        .map(|(variable, name)| match std::env::var_os(variable) {
            Some(program) => Ok((variable, program)),
            None => Ok((variable, programs.find(&[name], name)?.into())),
        })
        .collect()
}

/// `cargo xtask provision`: what a shell can evaluate goes to standard output, all else does not.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<bool> {
    let provisions = provide(workspace);
    for (name, value) in &provisions.environment {
        println!("export {name}={}", shell_quoted(&value.to_string_lossy()));
    }
    provisions.print_complaints();
    Ok(provisions.is_complete())
}

impl Provisions {
    pub(crate) fn is_complete(&self) -> bool {
        self.complaints.is_empty()
    }

    pub(crate) fn print_complaints(&self) {
        for complaint in &self.complaints {
            eprintln!("error: {complaint}");
        }
    }

    fn add(&mut self, need: &Need, found: anyhow::Result<Found>) {
        match found {
            Ok(values) => self.environment.extend(need.variables.iter().copied().zip(values)),
            Err(error) => {
                let variables = need.variables.join(" and ");
                self.complaints.push(format!("{error:#} (or set {variables})"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(_: &mut Programs, _: &Path, _: &Path) -> anyhow::Result<Found> {
        anyhow::bail!("there is none")
    }

    #[test]
    fn what_cannot_be_had_is_a_complaint_that_names_its_variables() {
        let need = Need { variables: &[NODE, NODE_MODULES], provide: unavailable };
        let mut provisions = Provisions::default();
        let found = (need.provide)(&mut Programs::default(), Path::new(""), Path::new(""));
        provisions.add(&need, found);
        assert!(!provisions.is_complete());
        assert_eq!(
            provisions.complaints,
            ["there is none (or set WS_TEST_NODE and WS_TEST_NODE_MODULES)"]
        );
    }

    #[test]
    fn each_variable_gets_the_value_of_its_place() {
        let need = Need { variables: &[NODE, NODE_MODULES], provide: unavailable };
        let mut provisions = Provisions::default();
        provisions.add(&need, Ok(vec!["/bin/node".into(), "/modules".into()]));
        assert!(provisions.is_complete());
        let expected = [(NODE, "/bin/node".into()), (NODE_MODULES, "/modules".into())];
        assert_eq!(provisions.environment, expected);
    }
}
