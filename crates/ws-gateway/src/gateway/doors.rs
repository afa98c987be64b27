//! What is at a gateway's port beside WebSockets: HTTP with all its routes, the console, TLS.

use std::sync::Arc;

use ws_auth::Secret;

use super::{core::Core, throw_away::ThrowAway};
use crate::{
    compose::{self, ComposeError},
    config::{self, Config},
    console::Console,
    http::{Http, Key, SecondVersion},
    listener::ListenOptions,
    memory::MemoryWatch,
    metrics::{self, Metrics},
    reload::Parts,
    tls::Certificates,
    traces::Traces,
    upstream::Upstream,
};

/// Composed, and nothing is open yet.
pub(super) struct Doors {
    pub(super) http: Http<Upstream>,
    pub(super) console: Option<Console<Upstream>>,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) listen: ListenOptions,
    pub(super) memory: Option<MemoryWatch>,
}

impl Doors {
    pub(super) fn compose(
        config: &Config,
        core: &Core,
        secrets: &ThrowAway,
    ) -> Result<Self, ComposeError> {
        let Core { handler, reloader, outcomes, engine_counts, .. } = core;
        let dev_key = secrets.key.as_ref().map(Secret::expose);
        let console = compose::console(config, dev_key, secrets.secret.as_ref());
        let console = console.map(|options| {
            Console::new(handler.clone(), outcomes.clone(), engine_counts.clone(), options)
        });
        let listen = compose::listen(config);
        let memory = MemoryWatch::new(config.overload.memory_bytes_max);
        let (certificates, second) = (compose::certificates(config)?, Arc::default());

        let mut metrics = metrics(core, &listen, memory.as_ref());
        let (shown, counted) = (certificates.clone(), Arc::clone(&second));
        metrics.add(move |page| metrics::tls::encode(shown.as_deref(), &counted, page));
        let api_key = config.api.key.as_ref().map(|key| Key::new(key.expose()));
        let http = http(config, core, metrics, second);
        let http = match &api_key {
            Some(key) => http.with_api(key.clone(), outcomes.clone()),
            None => http,
        };
        let http = match &console {
            Some(console) => http.with_console(console),
            None => http,
        };
        let parts = Parts {
            admin_keys: admin_keys(config, &http, console.as_ref()),
            api_key,
            console: console.clone(),
            certificates: certificates.clone(),
            tunnels: core.tunnels.clone(),
        };
        let http = if parts.admin_keys.is_empty() { http } else { http.with_reload(reloader) };
        reloader.with_parts(parts);
        Ok(Self { http, console, certificates, listen, memory })
    }
}

fn metrics(core: &Core, listen: &ListenOptions, memory: Option<&MemoryWatch>) -> Metrics<Upstream> {
    let Core { handler, outcomes, engine_counts, .. } = core;
    let mut metrics = Metrics::new(handler.clone(), outcomes.clone(), engine_counts.clone())
        .with_tunnels(core.tunnels.clone());
    metrics.add_listener(listen.counts.clone());
    metrics.add(core.reloader.metrics());
    if let Some(traces) = &core.traces {
        metrics.add(Traces::metrics(traces));
    }
    metrics.add_memory(memory.map(MemoryWatch::counts).unwrap_or_default());
    metrics
}

fn http(
    config: &Config,
    core: &Core,
    metrics: Metrics<Upstream>,
    second: Arc<SecondVersion>,
) -> Http<Upstream> {
    let key = config.admin.key.as_ref().map(config::Secret::expose);
    let ready_needs_engine = config.broker.ready_needs_engine;
    Http::new(core.handler.clone(), metrics, &config.server.path, key, ready_needs_engine)
        .with_second_version(second)
}

/// Each place that demands the operator's key.
fn admin_keys(
    config: &Config,
    http: &Http<Upstream>,
    console: Option<&Console<Upstream>>,
) -> Vec<Key> {
    let of_console = console.filter(|_| config.admin.key.is_some()).map(Console::key);
    http.admin_key().into_iter().chain(of_console).collect()
}
