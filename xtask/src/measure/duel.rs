//! Two servers and one question: which of them answers it for less?

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use super::load::{LoadTool, Workload};
use super::pairs::Pairs;
use super::reading::{Cost, Reading};
use super::server::Server;

/// What every measurement needs: the tool, the cores, a folder for what servers print.
#[derive(Debug, Clone)]
pub(crate) struct Rig {
    pub(crate) tool: LoadTool,
    pub(crate) logs: PathBuf,
}

/// One server, and what is asked of it.
pub(crate) struct Side<'a> {
    pub(crate) name: &'a str,
    /// What starts it on a port.
    pub(crate) command: &'a dyn Fn(u16) -> Command,
    pub(crate) workload: Workload,
}

/// What a duel measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Duel {
    pub(crate) cost: Pairs,
    /// µs of the load tool's own CPU time for each message, beside either.
    pub(crate) load: Pairs,
}

impl Rig {
    /// Measures both in turn, `pairs` times.
    ///
    /// For CPU time both run all the while and the idle one costs nothing; a first run of each warms up
    /// what compiles or allocates at leisure, and does not count. Memory is that of a server started anew
    /// for each run, once a hundred connections have come and gone: the code that they ran is in memory then.
    pub(crate) fn duel(
        &self,
        ours: &Side<'_>,
        theirs: &Side<'_>,
        cost: Cost,
        pairs: usize,
    ) -> anyhow::Result<Duel> {
        let mut duel = Duel::default();
        let mut of_ours = Seat::new(self, ours, cost);
        let mut of_theirs = Seat::new(self, theirs, cost);
        if cost != Cost::Memory {
            of_ours.run()?;
            of_theirs.run()?;
        }
        for _ in 0..pairs {
            let (ours, theirs) = (of_ours.run()?, of_theirs.run()?);
            duel.cost.push(ours.cost(cost)?, theirs.cost(cost)?);
            let own = |reading: &Reading| reading.load_message_us.unwrap_or_default();
            duel.load.push(own(&ours), own(&theirs));
        }
        Ok(duel)
    }

    /// The same runs for one server that nothing is held against.
    pub(crate) fn solo(
        &self,
        side: &Side<'_>,
        cost: Cost,
        runs: usize,
    ) -> anyhow::Result<Vec<Reading>> {
        let mut seat = Seat::new(self, side, cost);
        if cost != Cost::Memory {
            seat.run()?;
        }
        (0..runs).map(|_| seat.run()).collect()
    }
}

/// They come before those whose memory is measured.
const FIRST_CONNECTIONS: u32 = 100;

/// A side with its server, once that runs.
struct Seat<'a> {
    rig: &'a Rig,
    side: &'a Side<'a>,
    cost: Cost,
    server: Option<Server>,
    runs: u32,
}

impl<'a> Seat<'a> {
    fn new(rig: &'a Rig, side: &'a Side<'a>, cost: Cost) -> Self {
        Self { rig, side, cost, server: None, runs: 0 }
    }

    fn run(&mut self) -> anyhow::Result<Reading> {
        self.measured().with_context(|| self.side.name.to_owned())
    }

    /// With users whom no earlier run brought along: the server has kept nothing for them.
    fn workload(&mut self) -> Workload {
        self.runs += 1;
        let mut workload = self.side.workload.clone();
        workload.options = workload.options.replace("{run}", &self.runs.to_string());
        workload
    }

    fn measured(&mut self) -> anyhow::Result<Reading> {
        let mut server = match self.server.take() {
            Some(server) => server,
            None => {
                let Side { name, command, .. } = self.side;
                Server::start(name, command, &self.rig.tool.cores, &self.rig.logs)?
            }
        };
        if self.cost == Cost::Memory {
            let first = self.workload().with_connections(FIRST_CONNECTIONS);
            self.rig.tool.run(&first, &mut server)?;
        }
        let workload = self.workload();
        let reading = self.rig.tool.run(&workload, &mut server)?;
        reading.cost(self.cost)?;
        if self.cost != Cost::Memory {
            self.server = Some(server);
        }
        Ok(reading)
    }
}
