//! The gateways, the server behind them, and what lies in between: started, broken and mended.

use std::{net::TcpStream, time::Duration};

use ws_test_servers::{Nats, NatsOptions, Process, Redis, RedisOptions, ServerError, free_ports};

use super::{
    arguments::{Engine, Plan},
    course::SECRET,
    fault::{Fault, Kind},
    proxy::Proxy,
};

/// What can be broken and mended.
pub(crate) trait Stage {
    /// Where clients connect: one port for each gateway.
    fn doors(&self) -> Vec<u16>;

    fn apply(&mut self, fault: &Fault) -> Result<(), String>;

    fn heal(&mut self, fault: &Fault) -> Result<(), String>;

    /// What each process said last.
    fn logs(&self) -> String;
}

/// The real thing.
pub(crate) struct House {
    // In this order they are dropped: who talks goes before who is talked to.
    gateways: Vec<Gateway>,
    engine: Server,
}

enum Server {
    None,
    Redis(Redis),
    Nats(Nats),
}

struct Gateway {
    process: Process,
    clients: Proxy,
    engine: Option<Proxy>,
}

const START_MAX: Duration = Duration::from_secs(20);
/// How much later things come that come later.
const DELAY_MS: u64 = 150;

/// More than any run publishes is kept, so that whoever was away for long gets all of it. Limits are so high that
/// none is met.
const RULES: &str = r#"
[[channels]]
pattern = "t:*"
subscribe = true
publish = true
history = { size = 1_000_000, ttl = "1h" }
"#;
const ENVIRONMENT: [(&str, &str); 8] = [
    ("WEBSOCKET_HOST", "127.0.0.1"),
    ("AUTH_MODE", "upgrade"),
    ("JWT_SECRET_KEY", SECRET),
    ("MAX_CONNECTIONS", "1000000"),
    ("MAX_CONNECTIONS_PER_USER", "1000"),
    ("MESSAGE_RATE_LIMIT", "4294967295"),
    ("CONNECTION_RATE_LIMIT", "4294967295"),
    ("LOG_LEVEL", "warn"),
];

impl House {
    pub(crate) fn start(plan: &Plan) -> Result<Self, ServerError> {
        let engine = match plan.engine {
            Engine::Memory | Engine::Disk => Server::None,
            Engine::Redis => Server::Redis(Redis::start(&RedisOptions {
                is_durable: !plan.is_volatile,
                ..RedisOptions::default()
            })?),
            Engine::Nats => Server::Nats(Nats::start(&NatsOptions::jetstream())?),
        };
        let gateways = std::iter::repeat_with(|| Gateway::start(plan, &engine));
        let gateways = gateways.take(plan.gateways).collect::<Result<_, _>>()?;
        Ok(Self { gateways, engine })
    }
}

impl Stage for House {
    fn doors(&self) -> Vec<u16> {
        self.gateways.iter().map(|gateway| gateway.clients.port()).collect()
    }

    fn apply(&mut self, fault: &Fault) -> Result<(), String> {
        let gateway = &mut self.gateways[fault.gateway];
        let done = match fault.kind {
            Kind::GatewayKilled => gateway.process.kill().map(drop),
            Kind::GatewayPaused => gateway.process.pause(),
            Kind::EngineKilled => self.engine.kill(),
            Kind::EnginePaused => self.engine.pause(),
            Kind::EngineRestarted => self.engine.restart(),
            _ => {
                gateway.disturb(fault.kind);
                Ok(())
            }
        };
        done.map_err(|error| error.to_string())
    }

    fn heal(&mut self, fault: &Fault) -> Result<(), String> {
        let gateway = &mut self.gateways[fault.gateway];
        let done = match fault.kind {
            Kind::GatewayKilled => gateway.process.start(),
            Kind::GatewayPaused => gateway.process.resume(),
            Kind::EngineKilled => self.engine.restart(),
            Kind::EnginePaused => self.engine.resume(),
            Kind::EngineRestarted => Ok(()),
            _ => {
                gateway.calm(fault.kind);
                Ok(())
            }
        };
        done.map_err(|error| error.to_string())
    }

    fn logs(&self) -> String {
        let gateways = self.gateways.iter().enumerate();
        let mut text: String = gateways
            .map(|(index, it)| format!("gateway {index} said last:\n{}", it.process.log()))
            .collect();
        match &self.engine {
            Server::None => {}
            Server::Redis(redis) => text += &format!("redis-server said last:\n{}", redis.log()),
            Server::Nats(nats) => text += &format!("nats-server said last:\n{}", nats.log()),
        }
        text
    }
}

impl Gateway {
    fn start(plan: &Plan, engine: &Server) -> Result<Self, ServerError> {
        let proxy = |port| {
            Proxy::start(port)
                .map_err(|error| ServerError::System { what: "a proxy".to_owned(), error })
        };
        let [port] = free_ports()?;
        let mut process = Process::new("gateway", plan.program.clone())?;
        let mut environment: Vec<(String, String)> =
            ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        set("WEBSOCKET_PORT", port.to_string());
        let engine = match engine {
            Server::None => None,
            Server::Redis(redis) => Some((proxy(redis.port())?, "REDIS")),
            Server::Nats(nats) => Some((proxy(nats.port())?, "NATS")),
        };
        match &engine {
            Some((proxy, "REDIS")) => {
                set("REDIS_HOST", "127.0.0.1".to_owned());
                set("REDIS_PORT", proxy.port().to_string());
            }
            Some((proxy, _)) => set("NATS_URL", format!("nats://127.0.0.1:{}", proxy.port())),
            None if plan.engine == Engine::Disk => {
                set("DATA_DIR", process.folder().join("data").display().to_string());
            }
            None => {}
        }
        process.set_environment(environment);
        let file = process.write("gateway.toml", RULES)?;
        process.set_arguments(vec!["--config".to_owned(), file.display().to_string()]);
        process.start()?;
        process.wait_until(START_MAX, "listening", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        let clients = proxy(port)?;
        Ok(Self { process, clients, engine: engine.map(|(proxy, _)| proxy) })
    }

    fn link(&self, kind: Kind) -> Option<&Proxy> {
        match kind {
            Kind::ClientsCut | Kind::ClientsDelayed | Kind::ClientsStalled => Some(&self.clients),
            _ => self.engine.as_ref(),
        }
    }

    fn disturb(&self, kind: Kind) {
        let Some(proxy) = self.link(kind) else { return };
        match kind {
            Kind::ClientsDelayed | Kind::EngineDelayed => proxy.set_delay(DELAY_MS),
            Kind::ClientsStalled | Kind::EngineStalled => proxy.set_stalled(true),
            _ => proxy.cut(),
        }
    }

    fn calm(&self, kind: Kind) {
        if let Some(proxy) = self.link(kind) {
            proxy.set_delay(0);
            proxy.set_stalled(false);
        }
    }
}

impl Server {
    fn kill(&mut self) -> Result<(), ServerError> {
        match self {
            Self::None => Ok(()),
            Self::Redis(redis) => redis.kill(),
            Self::Nats(nats) => nats.kill(),
        }
    }

    fn restart(&mut self) -> Result<(), ServerError> {
        match self {
            Self::None => Ok(()),
            Self::Redis(redis) => redis.restart(),
            Self::Nats(nats) => nats.restart(),
        }
    }

    fn pause(&self) -> Result<(), ServerError> {
        match self {
            Self::None => Ok(()),
            Self::Redis(redis) => redis.pause(),
            Self::Nats(nats) => nats.pause(),
        }
    }

    fn resume(&self) -> Result<(), ServerError> {
        match self {
            Self::None => Ok(()),
            Self::Redis(redis) => redis.resume(),
            Self::Nats(nats) => nats.resume(),
        }
    }
}
