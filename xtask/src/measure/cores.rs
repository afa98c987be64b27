//! Which core the servers have, which the load tool, and how a program is started on it.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// Where things run. Without a second core, or without `taskset`, nothing is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) server: Option<usize>,
    pub(crate) load: Option<usize>,
    /// Whether `setpriv` is there, by which what we start dies with us however we die.
    bound_to_us: bool,
}

impl Cores {
    /// The first two cores on which we may run.
    pub(crate) fn here() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let allowed = allowed(&status);
        let pinned = |index: usize| {
            let core = allowed.get(index).copied();
            core.filter(|_| allowed.len() > 1 && answers("taskset"))
        };
        Self { server: pinned(0), load: pinned(1), bound_to_us: answers("setpriv") }
    }

    /// A sentence for the conditions.
    pub(crate) fn describe(&self) -> String {
        match (self.server, self.load) {
            (Some(server), Some(load)) => {
                format!("server pinned to core {server}, load tool to core {load}")
            }
            _ => "nothing pinned: there is one core, or no `taskset`".to_owned(),
        }
    }

    pub(crate) fn for_server(&self, command: &Command) -> Command {
        self.wrap(command, self.server)
    }

    pub(crate) fn for_load(&self, command: &Command) -> Command {
        self.wrap(command, self.load)
    }

    /// The same command on that core; both wrappers end by becoming it, so its pid is the child's.
    fn wrap(&self, command: &Command, core: Option<usize>) -> Command {
        let mut words: Vec<&OsStr> = Vec::new();
        let list = core.map(|core| core.to_string());
        if self.bound_to_us {
            words.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(OsStr::new));
        }
        if let Some(list) = &list {
            words.extend([OsStr::new("taskset"), OsStr::new("-c"), OsStr::new(list)]);
        }
        words.push(command.get_program());
        words.extend(command.get_args());
        let mut wrapped = Command::new(words[0]);
        wrapped.args(&words[1..]);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        wrapped
    }
}

/// The cores of `Cpus_allowed_list: 0-3,8`.
fn allowed(status: &str) -> Vec<usize> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let ranges = list.unwrap_or_default().trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    });
    ranges.flatten().collect()
}

fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    let silent = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_allowed_cores_is_read() {
        for (list, cores) in
            [("0-1", vec![0, 1]), ("3", vec![3]), ("0-2,8", vec![0, 1, 2, 8]), ("", vec![])]
        {
            assert_eq!(
                allowed(&format!("Name:\tx\nCpus_allowed_list:\t{list}\n")),
                cores,
                "{list}"
            );
        }
    }

    #[test]
    fn a_wrapped_command_keeps_its_arguments_environment_and_folder() {
        let mut command = Command::new("server");
        command.args(["--port", "1"]).env("SECRET", "x").current_dir("/");
        let cores = Cores { server: Some(0), load: Some(1), bound_to_us: true };
        let line = |command: &Command| {
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        let wrapped = cores.for_server(&command);
        let expected = "setpriv --pdeathsig KILL -- taskset -c 0 server --port 1";
        assert_eq!(line(&wrapped), expected);
        assert_eq!(wrapped.get_envs().count(), 1);
        assert_eq!(wrapped.get_current_dir(), command.get_current_dir());
        let nowhere = Cores { server: None, load: None, bound_to_us: false };
        assert_eq!(line(&nowhere.for_load(&command)), "server --port 1");
    }
}
