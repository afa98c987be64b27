//! Everything that is composed at the start, composed once to see that it can be, as far as nobody has to be
//! reached for it.

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use ws_handler::WallClock;

use super::{ComposeError, authenticator, hooks, policy, upstream, validator};
use crate::config::{Config, EngineKind, UpstreamTarget};

/// Nobody signs with it: it stands where `--dev` has one of its own.
const STAND_IN: &str = "a secret that stands in for the one of a run";

/// All that would keep the gateway from starting, a sentence each. Opens no port, reaches no server.
#[must_use]
pub fn check(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    let mut note = |checked: Result<(), ComposeError>| {
        faults.extend(checked.err().map(|error| error.to_string()));
    };
    let is_lenient = config.dev || config.auth.mode == crate::config::AuthMode::None;
    let stand_in = (is_lenient && !config.auth.has_keys()).then(|| STAND_IN.into());
    note(authenticator(config, stand_in.as_ref()).map(drop));
    note(validator(config).map(drop));
    let now = tokio::time::Instant::now().into_std();
    let clock = Arc::new(WallClock::new(now, std::time::UNIX_EPOCH + Duration::from_secs(1)));
    note(hooks(config, clock, Arc::default()).map(drop));
    note(policy(config, None).map(drop));
    // One at a subject of NATS begins to connect as soon as it is there.
    if !matches!(config.upstream.target, UpstreamTarget::Nats { .. }) {
        note(upstream(config).map(drop));
    }
    for (name, path) in files(config) {
        note(can_be_read(name, path));
    }
    faults
}

/// Files that are read when a server is connected to, and not before.
fn files(config: &Config) -> impl Iterator<Item = (&'static str, &Path)> {
    let has_redis = config.broker.engine == EngineKind::Redis;
    let has_nats = config.broker.engine == EngineKind::Nats
        || !config.nats.bridges.is_empty()
        || matches!(config.upstream.target, UpstreamTarget::Nats { .. });
    let all = [
        ("REDIS_CA_FILE", config.redis.ca_file.as_deref().filter(|_| has_redis)),
        ("NATS_CA_FILE", config.nats.ca_file.as_deref().filter(|_| has_nats)),
        ("NATS_CREDENTIALS_FILE", config.nats.credentials_file.as_deref().filter(|_| has_nats)),
    ];
    all.into_iter().filter_map(|(name, path)| Some((name, path?)))
}

fn can_be_read(component: &'static str, path: &Path) -> Result<(), ComposeError> {
    let opened = File::open(path).map(drop);
    opened.map_err(|error| {
        let reason = format!("a file that can be read, not {} ({error})", path.display());
        ComposeError { component, reason }
    })
}
