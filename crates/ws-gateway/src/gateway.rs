//! The gateway: every component, composed.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use tokio::sync::oneshot;
use ws_auth::{Secret, TokenRequest};
use ws_broker::{Engine, Status};
use ws_close_manager::CloseReport;
use ws_handler::{HandlerConfig, WallClock, WebSocketHandler};

use crate::{
    bridges::Bridges,
    compose::{self, ComposeError},
    config::{self, AuthMode, Config, StartMode},
    console::Console,
    http::{Http, Key},
    listener::Listener,
    memory::MemoryWatch,
    metered::{EngineCounts, Metered},
    metrics::{self, Metrics},
    reload::{LiveAuthenticator, Parts, Reloader},
    server::Server,
    tls::Certificates,
    traces::Traces,
    tunnels::Gatehouse,
    upstream::Upstream,
};

/// How often limiters forget who has recovered, and the wall clock is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How long the engine may take before the log says that it is not there, and how often it says so again.
const ENGINE_PATIENCE: Duration = Duration::from_secs(2);
const ENGINE_PACE: Duration = Duration::from_secs(30);

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
        // Where nobody has to say who it is, no key is needed; an authenticator wants one all the
        // same, and one that nobody knows lets nobody in.
        let is_lenient = config.dev || config.auth.mode == AuthMode::None;
        let dev_secret = (is_lenient && !config.auth.has_keys()).then(throw_away_secret);
        let dev_key = (config.dev && config.admin.key.is_none()).then(throw_away_secret);

        // Create the components.
        let authenticator = compose::authenticator(&config, dev_secret.as_ref())?;
        let compression = compose::compression(&config);
        let validator = compose::validator(&config)?;
        let upstream = compose::upstream(&config)?;
        let (clock, outcomes) = (wall_clock(), upstream.outcomes());
        let traces = compose::traces(&config, clock.clone())?;
        let steps = traces.as_ref().map(Traces::steps);
        let hooks = compose::hooks(&config, clock.clone(), outcomes.clone())?;
        if let (Some(hooks), Some(steps)) = (&hooks, steps) {
            hooks.trace_with(steps.clone());
        }
        let upstream = upstream.with_hooks(hooks.clone()).with_steps(steps.cloned());

        let bridges = compose::bridges(&config, outcomes.clone())?;
        let tunnels = compose::tunnels(&config);
        let engine = Metered::new(engine);
        let engine_counts = engine.counts();

        // Create the handler that composes them.
        let composed = HandlerConfig {
            policy: compose::policy(&config, hooks.as_ref())?
                .with_tunnels(Gatehouse(tunnels.clone())),
            engine: Arc::new(engine),
            inbox: compose::inbox(&config),
            revocation: Some(compose::revocation(&config)),
            past_ends_users_max: config.admin.ends_kept_users as usize,
            compression,
            validator,
            channels: compose::channels(&config, bridges.as_ref()),
        };
        let authenticator = LiveAuthenticator::new(authenticator);
        let handler = WebSocketHandler::new(composed, authenticator.clone(), clock, upstream);
        let secret = dev_secret.clone().unwrap_or_else(throw_away_secret);
        let reloader =
            Reloader::new(handler.clone(), authenticator.clone(), secret, config.clone());

        // Serve upgrades, and HTTP beside them.
        let key = config.admin.key.as_ref().map(config::Secret::expose);
        let console =
            compose::console(&config, dev_key.as_ref().map(Secret::expose), dev_secret.as_ref());
        let console = console.map(|options| {
            Console::new(handler.clone(), outcomes.clone(), engine_counts.clone(), options)
        });
        let listen = compose::listen(&config);
        let mut metrics = Metrics::new(handler.clone(), outcomes.clone(), engine_counts.clone())
            .with_tunnels(tunnels.clone());
        metrics.add_listener(listen.counts.clone());
        if let Some(traces) = &traces {
            handler.trace_with(traces.steps().tracer().clone());
            metrics.add(traces.metrics());
        }
        let memory = MemoryWatch::new(config.overload.memory_bytes_max);
        metrics.add_memory(memory.as_ref().map(MemoryWatch::counts).unwrap_or_default());
        let (certificates, second) = (compose::certificates(&config)?, Arc::default());
        let (shown, counted) = (certificates.clone(), Arc::clone(&second));
        metrics.add(move |page| metrics::tls::encode(shown.as_deref(), &counted, page));
        let ready_needs_engine = config.broker.ready_needs_engine;
        let mut http =
            Http::new(handler.clone(), metrics, &config.server.path, key, ready_needs_engine)
                .with_second_version(second);
        let api_key = config.api.key.as_ref().map(|key| Key::new(key.expose()));
        if let Some(key) = &api_key {
            http = http.with_api(key.clone(), config.frames.bytes_max as usize, outcomes);
        }
        if let Some(console) = &console {
            http = http.with_console(console);
        }
        let of_console = console.as_ref().filter(|_| key.is_some()).map(Console::key);
        let admin_keys: Vec<Key> = http.admin_key().into_iter().chain(of_console).collect();
        if !admin_keys.is_empty() {
            http = http.with_reload(&reloader);
        }
        reloader.with_parts(Parts {
            admin_keys,
            api_key,
            console: console.clone(),
            certificates: certificates.clone(),
            tunnels,
        });
        let dev_token = dev_token(&config, dev_secret, &handler);
        let address = config.server.address;
        let listening = match listener {
            Some(socket) => Listener::inherited(socket, &listen),
            None => Listener::bind(address, &listen),
        };
        let listener = listening.map_err(|error| StartError::Bind { address, error })?;
        let options = compose::server(&config, certificates.clone());
        let server = Server::on(listener, options, handler.clone(), http);
        Ok(Self {
            config,
            handler,
            server,
            authenticator,
            reloader,
            dev_token,
            dev_key,
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

/// Keeps keys fresh, limiters lean and the clock right.
async fn keep_house(handler: WebSocketHandler<Upstream>, authenticator: LiveAuthenticator) {
    let clock = handler.clock().clone();
    let wall = move || clock.wall(tokio::time::Instant::now().into_std());
    let keys = authenticator.keep_keys_fresh(wall);
    let tidying = async {
        loop {
            tokio::time::sleep(HOUSEKEEPING).await;
            let now = tokio::time::Instant::now().into_std();
            handler.forget_recovered(now);
            handler.clock().sync(now, system_time());
        }
    };
    tokio::join!(keys, tidying);
}

/// Says that the engine is not there, now and then as long as that is so: who looks at the log hours later
/// is to see it.
async fn watch_engine(engine: Arc<dyn Engine>) {
    // What comes up at once is not worth a line.
    tokio::time::sleep(ENGINE_PATIENCE).await;
    loop {
        match engine.status() {
            Status::Up => {}
            Status::Starting => {
                tracing::warn!(
                    engine = engine.kind(),
                    "the engine was not reached so far; it is being tried"
                );
            }
            Status::Down(reason) => {
                tracing::warn!(engine = engine.kind(), %reason, "the engine is away; it is being tried");
            }
        }
        tokio::time::sleep(ENGINE_PACE).await;
    }
}

fn wall_clock() -> Arc<WallClock> {
    Arc::new(WallClock::new(tokio::time::Instant::now().into_std(), system_time()))
}

#[expect(clippy::disallowed_methods, reason = "the binary's edge: all else derives from this")]
fn system_time() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// A token for whoever tries `--dev` out, where there is a secret to sign with.
fn dev_token(
    config: &Config,
    dev_secret: Option<Secret>,
    handler: &WebSocketHandler<Upstream>,
) -> Option<Secret> {
    let configured = || config.auth.secret.as_ref().map(|it| Secret::new(it.expose()));
    let secret = dev_secret.or_else(configured).filter(|_| config.dev)?;
    let minter = compose::minter(config, &secret).ok()?;
    let day = Duration::from_secs(24 * 3600);
    let now = handler.clock().wall(tokio::time::Instant::now().into_std());
    minter.mint(&TokenRequest::new("dev-user").ttl(day), now).ok()
}

/// A secret that nobody has to know: it lasts as long as the process.
fn throw_away_secret() -> Secret {
    let halves: [u128; 2] = rand::random();
    Secret::new(format!("{:032x}{:032x}", halves[0], halves[1]))
}
