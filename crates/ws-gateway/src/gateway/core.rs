//! What a gateway is behind its port: the handler, and all that it was given.

use std::sync::Arc;

use ws_broker::Engine;
use ws_handler::{HandlerConfig, WebSocketHandler};
use ws_tunnel::Tunnels;

use super::{housekeeping::wall_clock, throw_away::ThrowAway};
use crate::{
    bridges::Bridges,
    compose::{self, ComposeError},
    config::Config,
    metered::{EngineCounts, Metered},
    outcomes::Outcomes,
    reload::{LiveAuthenticator, Reloader},
    traces::Traces,
    tunnels::Gatehouse,
    upstream::Upstream,
};

/// Composed, and not yet to be reached by anybody.
pub(super) struct Core {
    pub(super) handler: WebSocketHandler<Upstream>,
    pub(super) authenticator: LiveAuthenticator,
    pub(super) reloader: Reloader,
    pub(super) outcomes: Arc<Outcomes>,
    pub(super) engine_counts: Arc<EngineCounts>,
    pub(super) bridges: Option<Bridges>,
    pub(super) tunnels: Tunnels,
    pub(super) traces: Option<Traces>,
}

impl Core {
    pub(super) fn compose(
        config: &Config,
        engine: Arc<dyn Engine>,
        secrets: &ThrowAway,
    ) -> Result<Self, ComposeError> {
        // Create the components.
        let authenticator = compose::authenticator(config, secrets.secret.as_ref())?;
        let compression = compose::compression(config);
        let validator = compose::validator(config)?;
        let upstream = compose::upstream(config)?;
        let (clock, outcomes) = (wall_clock(), upstream.outcomes());
        let traces = compose::traces(config, clock.clone())?;
        let steps = traces.as_ref().map(Traces::steps);
        let hooks = compose::hooks(config, clock.clone(), outcomes.clone())?;
        if let (Some(hooks), Some(steps)) = (&hooks, steps) {
            hooks.trace_with(steps.clone());
        }
        let upstream = upstream.with_hooks(hooks.clone()).with_steps(steps.cloned());

        let bridges = compose::bridges(config, outcomes.clone())?;
        let tunnels = compose::tunnels(config);
        let engine = Metered::new(engine);
        let engine_counts = engine.counts();

        // Create the handler that composes them.
        let composed = HandlerConfig {
            policy: compose::policy(config, hooks.as_ref())?
                .with_tunnels(Gatehouse(tunnels.clone())),
            engine: Arc::new(engine),
            inbox: compose::inbox(config),
            revocation: Some(compose::revocation(config)),
            past_ends_users_max: config.admin.ends_kept_users as usize,
            compression,
            validator,
            channels: compose::channels(config, bridges.as_ref()),
        };
        let authenticator = LiveAuthenticator::new(authenticator);
        let handler = WebSocketHandler::new(composed, authenticator.clone(), clock, upstream);
        if let Some(steps) = steps {
            handler.trace_with(steps.tracer().clone());
        }
        let secret = secrets.secret_or_another();
        let reloader =
            Reloader::new(handler.clone(), authenticator.clone(), secret, config.clone());
        Ok(Self {
            handler,
            authenticator,
            reloader,
            outcomes,
            engine_counts,
            bridges,
            tunnels,
            traces,
        })
    }
}
