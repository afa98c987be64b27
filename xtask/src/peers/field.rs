//! Who takes part: our programs, built, and the peers, installed.

use std::process::Command;

use super::cases::{self, Case, Role};
use super::install::{self, Installed, Mode, Peer};
use crate::measure::load::Workload;
use crate::measure::ours::{Builds, Built, Program};
use crate::measure::reading::Cost;
use crate::workspace::Workspace;

/// All who take part in a run.
#[derive(Debug)]
pub(crate) struct Field {
    ours: Vec<(Program, Result<Built, String>)>,
    pub(crate) opponents: Vec<Opponent>,
}

/// A peer, or why there is none.
#[derive(Debug)]
pub(crate) struct Opponent {
    pub(crate) id: &'static str,
    peer: &'static Peer,
    pub(crate) installed: Result<Installed, String>,
}

impl Field {
    /// Builds these programs and installs the peers that were asked for, or all.
    pub(crate) fn gather(
        workspace: &Workspace,
        builds: Builds,
        only: &[String],
        programs: impl Iterator<Item = Program>,
    ) -> anyhow::Result<Self> {
        let mut ours: Vec<(Program, Result<Built, String>)> = Vec::new();
        for program in programs {
            if !ours.iter().any(|(known, _)| *known == program) {
                let built = Built::new(program, workspace, builds);
                ours.push((program, built.map_err(|error| format!("{error:#}"))));
            }
        }
        let asked_for = |peer: &&Peer| only.is_empty() || only.iter().any(|id| id == peer.id);
        let opponents = install::all().iter().filter(asked_for).map(|peer| Opponent {
            id: peer.id,
            peer,
            installed: install::install(peer, workspace).map_err(|error| one_line(&error)),
        });
        Ok(Self { ours, opponents: opponents.collect() })
    }

    pub(crate) fn ours(&self, program: Program) -> Result<&Built, String> {
        let found = self.ours.iter().find(|(known, _)| *known == program);
        match found {
            Some((_, Ok(built))) => Ok(built),
            Some((_, Err(why))) => Err(why.clone()),
            None => Err(format!("`{}` was not built", program.name())),
        }
    }
}

impl Opponent {
    pub(crate) fn plays(&self, role: Role) -> bool {
        self.peer.modes.contains(&mode(role))
    }

    /// How it is started for a case.
    pub(crate) fn command(&self, installed: &Installed, case: &Case, port: u16) -> Command {
        let mut command = installed.command(mode(case.role), port);
        if case.cost == Cost::Memory {
            command.args(self.peer.idle_arguments);
        }
        command
    }

    /// What is asked of it: a product has paths and a vocabulary of its own.
    pub(crate) fn workload(&self, case: &Case) -> Workload {
        let mut workload = case.theirs.clone();
        if case.role == Role::Topic {
            let product = self.peer.full_server;
            let more = product.map_or(cases::PUBLISH, |product| product.options);
            workload.path = product.map_or(workload.path, |product| product.path);
            workload.options = format!("{} {more}", workload.options);
        }
        workload
    }

    /// Name and version, for the conditions.
    pub(crate) fn named(&self) -> String {
        match &self.installed {
            Ok(installed) => format!("{} {}", self.peer.name, installed.version),
            Err(why) => format!("{} (missing: {why})", self.peer.name),
        }
    }
}

fn mode(role: Role) -> Mode {
    match role {
        Role::Echo => Mode::Echo,
        Role::Topic => Mode::Topic,
    }
}

/// An error as it fits into a table.
fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    line.join(" / ")
}
