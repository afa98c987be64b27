//! The gateway: every component, composed.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use tokio::sync::oneshot;
use ws_auth::Secret;
use ws_broker::Engine;
use ws_close_manager::CloseReport;
use ws_handler::WebSocketHandler;

use crate::{
    bridges::Bridges,
    compose::{self, ComposeError},
    config::{Config, StartMode},
    console::Console,
    listener::Listener,
    memory::MemoryWatch,
    metered::EngineCounts,
    reload::{LiveAuthenticator, Reloader},
    server::Server,
    tls::Certificates,
    traces::Traces,
    upstream::Upstream,
};

mod core;
mod doors;
mod housekeeping;
mod throw_away;

use self::{
    core::Core,
    doors::Doors,
    housekeeping::{keep_house, watch_engine},
    throw_away::ThrowAway,
};

/// A gateway that is bound to its port and not yet running. Tests start it in-process on port 0.
#[derive(Debug)]
pub struct Gateway {
    config: Config,
    handler: WebSocketHandler<Upstream>,
    server: Server<Upstream>,
    authenticator: LiveAuthenticator,
    reloader: Reloader,
    dev_token: Option<Secret>,
    /// Where no key is configured, one that is good for this run.
    dev_key: Option<Secret>,
    console: Option<Console<Upstream>>,
    engine_counts: Arc<EngineCounts>,
    bridges: Option<Bridges>,
    traces: Option<Traces>,
    memory: Option<MemoryWatch>,
    certificates: Option<Arc<Certificates>>,
}

/// The gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A component refused its configuration.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The port could not be opened.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
}

impl Gateway {
    /// As [`Gateway::start`], and waits for the engine before where that is set: without it there is no
    /// gateway then.
    pub async fn open(config: Config) -> Result<Self, StartError> {
        Self::open_on(config, None).await
    }

    /// As [`Gateway::open`], on a socket that listens already, if there is one. It stays open elsewhere, and
    /// who connects is left to whoever has it next as soon as this gateway is to stop.
    pub async fn open_on(
        config: Config,
        listener: Option<TcpListener>,
    ) -> Result<Self, StartError> {
        let composed = compose::engine(&config)?;
        let engine = match config.broker.start {
            StartMode::Retry => composed.engine,
            StartMode::Fail => {
                compose::engine_is_there(composed, config.broker.start_timeout).await?
            }
        };
        Self::build(config, engine, listener)
    }

    /// Composes the components and opens the port; the engine is not waited for. Must be called within a
    /// tokio runtime.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let engine = compose::engine(&config)?.engine;
        Self::start_with_engine(config, engine)
    }

    /// As [`Gateway::start`], with an engine of the caller's, which no other handler has.
    pub fn start_with_engine(config: Config, engine: Arc<dyn Engine>) -> Result<Self, StartError> {
        Self::build(config, engine, None)
    }

    fn build(
        config: Config,
        engine: Arc<dyn Engine>,
        listener: Option<TcpListener>,
    ) -> Result<Self, StartError> {
        let secrets = ThrowAway::of(&config);
        let core = Core::compose(&config, engine, &secrets)?;
        let Doors { http, console, certificates, listen, memory } =
            Doors::compose(&config, &core, &secrets)?;
        let Core { handler, authenticator, reloader, engine_counts, bridges, traces, .. } = core;
        let address = config.server.address;
        let listening = match listener {
            Some(socket) => Listener::inherited(socket, &listen),
            None => Listener::bind(address, &listen),
        };
        let listener = listening.map_err(|error| StartError::Bind { address, error })?;
        let options = compose::server(&config, certificates.clone());
        let server = Server::on(listener, options, handler.clone(), http);
        let dev_token = secrets.token(&config, &handler);
        Ok(Self {
            config,
            handler,
            server,
            authenticator,
            reloader,
            dev_token,
            dev_key: secrets.key,
            console,
            engine_counts,
            bridges,
            traces,
            memory,
            certificates,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.local_addr().unwrap_or(self.config.server.address)
    }

    /// The handler, to look at connections and to end them.
    pub fn handler(&self) -> &WebSocketHandler<Upstream> {
        &self.handler
    }

    /// The certificates, to put others in their place; none where no TLS is spoken.
    pub fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    /// Puts another configuration in force, also while it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// What the engine did so far.
    pub fn engine_counts(&self) -> Arc<EngineCounts> {
        self.engine_counts.clone()
    }

    /// The address for whoever tries `--dev` out, with a token that is good for a day. None without
    /// `--dev`, and where only somebody else can sign tokens.
    pub fn dev_address(&self) -> Option<String> {
        let token = self.dev_token.as_ref()?;
        let (address, path) = (self.address(), &self.config.server.path);
        let scheme = if self.certificates.is_some() { "wss" } else { "ws" };
        Some(format!("{scheme}://{address}{path}?token={}", token.expose()))
    }

    /// The console's address for whoever tries `--dev` out, with the same token, and with the console's key
    /// unless that is the operator's own. Behind `#` they stay in the browser. None without `--dev`.
    pub fn console_address(&self) -> Option<String> {
        if !self.config.dev {
            return None;
        }
        let known = [("key", &self.dev_key), ("token", &self.dev_token)];
        let known = known.iter().filter_map(|(name, secret)| Some((name, secret.as_ref()?)));
        let known: Vec<_> =
            known.map(|(name, secret)| format!("{name}={}", secret.expose())).collect();
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        Some(format!("{scheme}://{}/#{}", self.address(), known.join("&")))
    }

    /// Serves until `stop` resolves, then closes every connection and answers how that went.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> CloseReport {
        let Self {
            handler, server, authenticator, reloader, bridges, console, certificates, ..
        } = self;
        let (traces, memory) = (self.traces, self.memory);
        // Open until everybody is gone.
        let open = bridges.map(|bridges| bridges.open(&handler));
        let (leave, leaving) = oneshot::channel();
        let is_shared = server.is_shared();
        let mut serving = tokio::spawn(server.run_until(async {
            // Dropped with the gateway.
            let _: Result<(), _> = leaving.await;
        }));
        let housekeeping = tokio::spawn(keep_house(handler.clone(), authenticator));
        let watching = tokio::spawn(watch_engine(handler.config().engine.clone()));
        let memory = memory.map(|memory| tokio::spawn(memory.run(handler.clone())));
        let moving = tokio::spawn({
            let (handler, reloader) = (handler.clone(), reloader.clone());
            async move { handler.keep_moving(|| compose::moving(&reloader.config())).await }
        });
        let renewing = certificates.map(|certificates| tokio::spawn(certificates.watch()));
        stop.await;
        if is_shared {
            // Who connects from now on does so to another process: nobody has to be refused.
            let _ = leave.send(());
            let _ = (&mut serving).await;
        }
        // Upgrades are refused from now on, and `/ready` says so; connections end at a pace.
        handler.start_drain();
        let closing = compose::close(&reloader.config(), rand::random());
        let farewell = async {
            if let Some(console) = &console {
                console.close().await;
            }
        };
        let (report, ()) = tokio::join!(handler.drain(&closing), farewell);
        if let Some(hooks) = handler.application().hooks() {
            hooks.settle().await;
        }
        if let Some(traces) = traces {
            traces.finish().await;
        }
        housekeeping.abort();
        watching.abort();
        moving.abort();
        if let Some(memory) = memory {
            memory.abort();
        }
        renewing.iter().for_each(tokio::task::JoinHandle::abort);
        serving.abort();
        drop(open);
        report
    }
}
