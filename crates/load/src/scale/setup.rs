//! Gateways and what is behind them, to be measured.

use std::{fmt, path::Path};

use ws_test_servers::ServerError;

use super::usage::Usage;
use crate::{
    credentials::{Credentials, Source},
    torture::{
        arguments::Engine,
        client::{Client, Over},
        course::SECRET,
        site::{Gateway, Recipe, Server},
    },
};

/// What is measured beside what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setup {
    pub(super) engine: Engine,
    pub(super) gateways: usize,
}

/// One alone, and two on each engine.
pub(super) const SETUPS: [Setup; 3] = [
    Setup { engine: Engine::Memory, gateways: 1 },
    Setup { engine: Engine::Redis, gateways: 2 },
    Setup { engine: Engine::Nats, gateways: 2 },
];

pub(super) struct Site {
    credentials: Credentials,
    // In this order they are dropped: who talks goes before who is talked to.
    gateways: Vec<Gateway>,
    server: Server,
}

/// One thread each, so that what is measured is a gateway and not a scheduler.
const ENVIRONMENT: [(&str, &str); 4] = [
    // What is published before the engine is there is heard at its own gateway alone.
    ("BROKER_START", "fail"),
    ("WORKER_THREADS", "1"),
    ("MAX_CHANNELS_PER_CONNECTION", "10000"),
    // The client that is given a million messages again takes what it can.
    ("IDLE_TIMEOUT", "0"),
];
const LIVE: &str = "[[channels]]\npattern = \"s:*\"\nsubscribe = true\npublish = true\n";
const HISTORY: &str = "history = { size = 1_000_000, ttl = \"1h\" }\n";

impl Site {
    pub(super) fn start(
        program: &Path,
        setup: Setup,
        has_history: bool,
    ) -> Result<Self, ServerError> {
        let server = Server::start(setup.engine, true)?;
        let rules = if has_history { format!("{LIVE}{HISTORY}") } else { LIVE.to_owned() };
        let recipe = Recipe {
            program,
            engine: setup.engine,
            engine_port: server.port(),
            rules: &rules,
            environment: &ENVIRONMENT,
        };
        let gateways = std::iter::repeat_with(|| recipe.start()).take(setup.gateways);
        // A good secret; without one nobody would be let in.
        let source = Source::minted(SECRET).unwrap_or_default();
        let credentials = Credentials { source, ..Credentials::default() };
        Ok(Self { credentials, gateways: gateways.collect::<Result<_, _>>()?, server })
    }

    /// A user of its own at one of the gateways, the first after the last.
    pub(super) fn connect(&self, gateway: usize, user: &str) -> Result<Client, Over> {
        let port = self.gateways[gateway % self.gateways.len()].port;
        let token = self.credentials.token(0, user).map_err(|_| Over)?;
        Client::connect(port, &token)
    }

    /// The last gateway: another one than the first, where there are two.
    pub(super) fn last(&self) -> usize {
        self.gateways.len() - 1
    }

    /// What the gateways together have used so far.
    pub(super) fn gateways_usage(&self) -> Usage {
        self.gateways.iter().filter_map(|it| it.process.id()).map(Usage::of).sum()
    }

    /// What the server behind them has used so far.
    pub(super) fn server_usage(&mut self) -> Usage {
        self.server.id().map(Usage::of).unwrap_or_default()
    }

    pub(super) fn logs(&self) -> String {
        let gateways: String = self.gateways.iter().map(|it| it.process.log()).collect();
        gateways + &self.server.log().unwrap_or_default()
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gateways {
            1 => write!(f, "one gateway, {}", self.engine.name()),
            gateways => write!(f, "{gateways} gateways through {}", self.engine.name()),
        }
    }
}
