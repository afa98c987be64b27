//! The configuration, read again while the gateway runs: all that can change changes at once, or nothing does.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use axum::extract::Request;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use ws_auth::Secret;
use ws_handler::{Policy, Tunneling, WebSocketHandler};
use ws_tunnel::Tunnels;

use crate::{
    compose::{self, ComposeError},
    config::{AuthMode, AuthSettings, Config, LoadError, Loaded},
    console::Console,
    hooks::Hooks,
    http::{Key, KeyRefusal, judge_key},
    logging::Level,
    metrics::Page,
    open_files::{self, TooFewFiles},
    tls::{Certificates, LoadedCertificates},
    tunnels::Gatehouse,
    upstream::{Target, Upstream},
};

mod comparing;
mod counts;
mod keys;
mod report;
mod routes;
mod settled;

use comparing::Standing;
use counts::ReloadCounts;
pub use keys::LiveAuthenticator;
pub use report::{Change, ReloadReport};
pub(crate) use routes::routes;
use settled::Settled;

/// Reads the configuration again; from the same command line, the same environment and the file as it is
/// then.
type Source = Box<dyn Fn() -> Result<Loaded, ReloadError> + Send + Sync>;

/// Puts another configuration in force while a gateway runs. Cheap to clone.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    handler: WebSocketHandler<Upstream>,
    authenticator: LiveAuthenticator,
    /// The secret of this run, where nobody has to have one.
    dev_secret: Secret,
    /// What the gateway goes by now, as far as it could be changed.
    config: ArcSwap<Config>,
    settled: Settled,
    /// Of two reloads at once the second reads what the first has not read: an older file must not come
    /// into force after a newer one.
    turn: Mutex<()>,
    parts: OnceCell<Parts>,
    level: OnceCell<Level>,
    source: OnceCell<Source>,
    /// What was compared with last.
    standing: Mutex<Option<Standing>>,
    counts: ReloadCounts,
}

/// What is changed beside the handler.
pub(crate) struct Parts {
    /// Each place that demands the admin's key.
    pub(crate) admin_keys: Vec<Key>,
    pub(crate) api_key: Option<Key>,
    pub(crate) console: Option<Console<Upstream>>,
    pub(crate) certificates: Option<Arc<Certificates>>,
    pub(crate) tunnels: Tunnels,
}

/// Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// What was read is no configuration.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A component refused its part of it.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// It asks for more connections than there may be.
    #[error(transparent)]
    Files(#[from] TooFewFiles),
    /// Nobody has said what the gateway was started with.
    #[error("it is not known where the configuration is to be read again")]
    NoSource,
}

/// All that takes the place of something, made and not yet there.
struct Next {
    policy: Policy,
    authenticator: Option<ws_auth::Authenticator>,
    target: Option<Arc<Target>>,
    hooks: Option<Option<Hooks>>,
    certificates: Option<LoadedCertificates>,
}

impl Reloader {
    pub(crate) fn new(
        handler: WebSocketHandler<Upstream>,
        authenticator: LiveAuthenticator,
        dev_secret: Secret,
        config: Config,
    ) -> Self {
        let counts = ReloadCounts::new(wall_ms(&handler));
        let settled = Settled::new(config.clone(), handler.config().engine.is_shared());
        Self(Arc::new(Inner {
            handler,
            authenticator,
            dev_secret,
            config: ArcSwap::from_pointee(config),
            settled,
            turn: Mutex::new(()),
            parts: OnceCell::new(),
            level: OnceCell::new(),
            source: OnceCell::new(),
            standing: Mutex::new(None),
            counts,
        }))
    }

    /// What is changed beside the handler, told once.
    pub(crate) fn with_parts(&self, parts: Parts) {
        // The second time would be of another gateway.
        let _ = self.0.parts.set(parts);
    }

    /// What the gateway was started with, and how it is read again. Told once, by whoever started it.
    #[must_use]
    pub fn reading(
        self,
        started_with: &Loaded,
        source: impl Fn() -> Result<Loaded, ReloadError> + Send + Sync + 'static,
    ) -> Self {
        self.0.standing.lock().get_or_insert_with(|| Standing::new(started_with));
        let _ = self.0.source.set(Box::new(source));
        self
    }

    /// With the log, whose level is changed, too.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        let _ = self.0.level.set(level);
        self
    }

    /// What the gateway goes by now: what a reload could not change is as it was at the start.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.0.config.load_full()
    }

    /// Reads the configuration where it was read first, and puts it in force; the log says what came of it. Waits
    /// for files and keys of certificates: not for a connection's task.
    ///
    /// # Errors
    ///
    /// If anything is wrong with any of it, nothing has changed.
    pub fn read_again(&self) -> Result<ReloadReport, ReloadError> {
        let _turn = self.0.turn.lock();
        let read = || self.0.source.get().ok_or(ReloadError::NoSource)?();
        let reloaded = read().and_then(|loaded| self.reload(&loaded));
        self.0.counts.count(&reloaded, wall_ms(&self.0.handler));
        match &reloaded {
            Ok(report) => report.log(),
            Err(error) => {
                for fault in error.to_string().lines() {
                    tracing::error!(target: "audit", %fault, "not reloaded: nothing has changed");
                }
            }
        }
        reloaded
    }

    /// Puts a configuration in force. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// If a component refuses its part of it, nothing has changed.
    pub fn reload(&self, loaded: &Loaded) -> Result<ReloadReport, ReloadError> {
        let mut standing = self.0.standing.lock();
        let standing = standing.as_mut().ok_or(ReloadError::NoSource)?;
        let config = self.0.settled.keep(&loaded.config);
        open_files::check(config.limits.connections_max, open_files::raise_limit())?;
        let next = self.compose(&config, &self.0.config.load_full())?;
        // From here on nothing can fail.
        let is_level_fixed = self.0.level.get().is_some_and(Level::is_fixed);
        let held_back = self.0.settled.held_back(&loaded.config, is_level_fixed);
        let report = standing.advance(loaded, &held_back);
        self.install(next, config);
        Ok(report)
    }

    /// What came of it so far, for a page of metrics.
    pub(crate) fn metrics(&self) -> impl Fn(&mut Page<'_>) -> fmt::Result + Send + Sync + 'static {
        let reloader = self.clone();
        move |page| reloader.0.counts.encode(page)
    }

    /// What takes the place of something else. What says what it said before stays, with all that it knows.
    fn compose(&self, config: &Config, before: &Config) -> Result<Next, ComposeError> {
        let upstream = self.0.handler.application();
        let hooks = (config.hooks != before.hooks)
            .then(|| {
                let clock = self.0.handler.clock().clone();
                let hooks = compose::hooks(config, clock, upstream.outcomes())?;
                if let (Some(hooks), Some(steps)) = (&hooks, upstream.steps()) {
                    hooks.trace_with(steps.clone());
                }
                Ok(hooks.map(|hooks| hooks.going_on_from(upstream.hooks().as_ref())))
            })
            .transpose()?;
        let judging = hooks.clone().unwrap_or_else(|| upstream.hooks());
        let has_other_keys = keys_of(config) != keys_of(before);
        // An answer may be as large as a message.
        let has_other_target = config.upstream != before.upstream
            || config.frames.bytes_max != before.frames.bytes_max;
        let mut policy = compose::policy(config, judging.as_ref())?;
        // Those that are there stay, and are counted.
        let tunnels =
            self.0.parts.get().map(|parts| compose::other_tunnels(&parts.tunnels, config));
        policy.tunnels = tunnels.map(|tunnels| Arc::new(Gatehouse(tunnels)) as Arc<dyn Tunneling>);
        Ok(Next {
            policy,
            authenticator: has_other_keys
                .then(|| compose::authenticator(config, self.dev_secret(config)))
                .transpose()?,
            target: has_other_target.then(|| compose::target(config)).transpose()?,
            hooks,
            certificates: self.certificates(config)?,
        })
    }

    /// Read in any case: files may hold something else under the same names.
    fn certificates(&self, config: &Config) -> Result<Option<LoadedCertificates>, ComposeError> {
        let speaks_tls = self.0.parts.get().and_then(|parts| parts.certificates.as_ref());
        let certificates = speaks_tls.filter(|_| !config.tls.certificates.is_empty());
        certificates.map(|now| compose::other_certificates(now, config)).transpose()
    }

    fn install(&self, next: Next, config: Config) {
        let Next { policy, authenticator, target, hooks, certificates } = next;
        let upstream = self.0.handler.application();
        // Who is judged by the new policy is to find what belongs to it.
        if let Some(authenticator) = authenticator {
            self.0.authenticator.replace(authenticator);
        }
        if let Some(target) = target {
            upstream.set_target(target);
        }
        if let Some(hooks) = hooks {
            upstream.set_hooks(hooks);
        }
        let limits = || self.0.handler.policy().limits.clone();
        let outcomes = upstream.outcomes();
        outcomes.past_limits().exchange(limits, || self.0.handler.set_policy(policy));
        if let Some(parts) = self.0.parts.get() {
            parts.install(&config);
            if let (Some(place), Some(loaded)) = (&parts.certificates, certificates) {
                place.install(loaded);
            }
        }
        if let Some(level) = self.0.level.get() {
            level.set(config.log.level);
        }
        self.0.config.store(Arc::new(config));
    }

    /// As at the start: where nobody has to have a secret, one that nobody knows.
    fn dev_secret(&self, config: &Config) -> Option<&Secret> {
        let is_lenient = config.dev || config.auth.mode == AuthMode::None;
        (is_lenient && !config.auth.has_keys()).then_some(&self.0.dev_secret)
    }

    /// Whether a request carries the key of whoever may reload. All of the admin's keys are the same one.
    fn judge(&self, request: &Request) -> Result<(), KeyRefusal> {
        let key = self.0.parts.get().and_then(|parts| parts.admin_keys.first());
        judge_key(key.ok_or(KeyRefusal::Required)?, &self.0.handler, request)
    }
}

fn wall_ms(handler: &WebSocketHandler<Upstream>) -> u64 {
    handler.clock().wall_ms(tokio::time::Instant::now().into_std())
}

impl Parts {
    fn install(&self, config: &Config) {
        if let Some(key) = &config.admin.key {
            self.admin_keys.iter().for_each(|place| place.replace(key.expose()));
        }
        if let (Some(place), Some(key)) = (&self.api_key, &config.api.key) {
            place.replace(key.expose());
        }
        if let Some(console) = &self.console {
            console.set_settings(compose::console_settings(config));
        }
    }
}

/// What tokens are verified by; the rest of it is the policy's.
fn keys_of(config: &Config) -> (AuthSettings, bool) {
    let AuthSettings { mode, timeout, pending_max, cookie, .. } = AuthSettings::default();
    let is_open = config.dev || config.auth.mode == AuthMode::None;
    (AuthSettings { mode, timeout, pending_max, cookie, ..config.auth.clone() }, is_open)
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}
