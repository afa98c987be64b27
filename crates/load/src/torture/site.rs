//! A gateway's process and the server behind it, as they are started here.

use std::{net::TcpStream, path::Path, time::Duration};

use ws_test_servers::{Nats, NatsOptions, Process, Redis, RedisOptions, ServerError, free_ports};

use super::{arguments::Engine, course::SECRET};

/// What several gateways share, if anything.
pub(crate) enum Server {
    None,
    Redis(Redis),
    Nats(Nats),
}

/// A gateway that listens.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

/// How a gateway is started.
pub(crate) struct Recipe<'a> {
    pub(crate) program: &'a Path,
    pub(crate) engine: Engine,
    /// Where it finds the server, if there is one.
    pub(crate) engine_port: Option<u16>,
    /// Its file: the rules of channels.
    pub(crate) rules: &'a str,
    /// Beside what all have.
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

const START_MAX: Duration = Duration::from_secs(20);

/// Limits are so high that none is met.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("WEBSOCKET_HOST", "127.0.0.1"),
    ("AUTH_MODE", "upgrade"),
    ("JWT_SECRET_KEY", SECRET),
    ("MAX_CONNECTIONS", "0"),
    ("MAX_CONNECTIONS_PER_USER", "1000"),
    ("MESSAGE_RATE_LIMIT", "4294967295"),
    ("CONNECTION_RATE_LIMIT", "4294967295"),
    ("LOG_LEVEL", "warn"),
];

impl Recipe<'_> {
    /// Returns when it listens.
    pub(crate) fn start(&self) -> Result<Gateway, ServerError> {
        let [port] = free_ports()?;
        let mut process = Process::new("gateway", self.program.to_owned())?;
        let pairs = ENVIRONMENT.iter().chain(self.environment);
        let mut environment: Vec<(String, String)> =
            pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        set("WEBSOCKET_PORT", port.to_string());
        match (self.engine, self.engine_port) {
            (Engine::Redis, Some(port)) => {
                set("REDIS_HOST", "127.0.0.1".to_owned());
                set("REDIS_PORT", port.to_string());
            }
            (Engine::Nats, Some(port)) => set("NATS_URL", format!("nats://127.0.0.1:{port}")),
            (Engine::Disk, _) => {
                set("DATA_DIR", process.folder().join("data").display().to_string());
            }
            _ => {}
        }
        process.set_environment(environment);
        let file = process.write("gateway.toml", self.rules)?;
        process.set_arguments(vec!["--config".to_owned(), file.display().to_string()]);
        process.start()?;
        process.wait_until(START_MAX, "listening", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        Ok(Gateway { process, port })
    }
}

impl Server {
    /// `is_durable`: what it answered survives a `kill -9`; NATS always keeps its streams in files.
    pub(crate) fn start(engine: Engine, is_durable: bool) -> Result<Self, ServerError> {
        Ok(match engine {
            Engine::Memory | Engine::Disk => Self::None,
            Engine::Redis => {
                let options = RedisOptions { is_durable, ..RedisOptions::default() };
                Self::Redis(Redis::start(&options)?)
            }
            Engine::Nats => Self::Nats(Nats::start(&NatsOptions::jetstream())?),
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::None => "no",
            Self::Redis(_) => "redis",
            Self::Nats(_) => "nats",
        }
    }

    pub(crate) fn port(&self) -> Option<u16> {
        match self {
            Self::None => None,
            Self::Redis(redis) => Some(redis.port()),
            Self::Nats(nats) => Some(nats.port()),
        }
    }

    /// The number of its process.
    pub(crate) fn id(&mut self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Redis(redis) => redis.process().id(),
            Self::Nats(nats) => nats.process().id(),
        }
    }

    pub(crate) fn log(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Redis(redis) => Some(redis.log()),
            Self::Nats(nats) => Some(nats.log()),
        }
    }

    pub(crate) fn kill(&mut self) -> Result<(), ServerError> {
        match self {
            Self::None => Ok(()),
            Self::Redis(redis) => redis.kill(),
            Self::Nats(nats) => nats.kill(),
        }
    }

    pub(crate) fn restart(&mut self) -> Result<(), ServerError> {
        match self {
            Self::None => Ok(()),
            Self::Redis(redis) => redis.restart(),
            Self::Nats(nats) => nats.restart(),
        }
    }

    pub(crate) fn pause(&self) -> Result<(), ServerError> {
        match self {
            Self::None => Ok(()),
            Self::Redis(redis) => redis.pause(),
            Self::Nats(nats) => nats.pause(),
        }
    }

    pub(crate) fn resume(&self) -> Result<(), ServerError> {
        match self {
            Self::None => Ok(()),
            Self::Redis(redis) => redis.resume(),
            Self::Nats(nats) => nats.resume(),
        }
    }
}
