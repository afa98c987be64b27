//! The gateways, the server behind them, and what lies in between: started, broken and mended.

use ws_test_servers::{Process, ServerError};

use super::{
    arguments::Plan,
    fault::{Fault, Kind},
    proxy::Proxy,
    site::{self, Server},
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

struct Gateway {
    process: Process,
    clients: Proxy,
    engine: Option<Proxy>,
}

/// How much later things come that come later.
const DELAY_MS: u64 = 150;

/// More than any run publishes is kept, so that whoever was away for long gets all of it.
const RULES: &str = r#"
[[channels]]
pattern = "t:*"
subscribe = true
publish = true
history = { size = 1_000_000, ttl = "1h" }
"#;

impl House {
    pub(crate) fn start(plan: &Plan) -> Result<Self, ServerError> {
        let engine = Server::start(plan.engine, !plan.is_volatile)?;
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
        if let Some(log) = self.engine.log() {
            text += &format!("{}-server said last:\n{log}", self.engine.name());
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
        let engine = engine.port().map(proxy).transpose()?;
        let recipe = site::Recipe {
            program: &plan.program,
            engine: plan.engine,
            engine_port: engine.as_ref().map(Proxy::port),
            rules: RULES,
            environment: &[],
        };
        let site::Gateway { process, port } = recipe.start()?;
        let clients = proxy(port)?;
        Ok(Self { process, clients, engine })
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
