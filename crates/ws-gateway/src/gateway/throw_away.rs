//! What is made up for one run, where nothing is configured.

use std::time::Duration;

use ws_auth::{Secret, TokenRequest};
use ws_handler::WebSocketHandler;

use crate::{
    compose,
    config::{AuthMode, Config},
    upstream::Upstream,
};

/// Good for as long as the process lasts.
pub(super) struct ThrowAway {
    /// Signs tokens, where nobody has to say who it is, or with `--dev`.
    pub(super) secret: Option<Secret>,
    /// Opens the console with `--dev`.
    pub(super) key: Option<Secret>,
}

impl ThrowAway {
    pub(super) fn of(config: &Config) -> Self {
        // Where nobody has to say who it is, no key is needed; an authenticator wants one all the
        // same, and one that nobody knows lets nobody in.
        let is_lenient = config.dev || config.auth.mode == AuthMode::None;
        Self {
            secret: (is_lenient && !config.auth.has_keys()).then(made_up),
            key: (config.dev && config.admin.key.is_none()).then(made_up),
        }
    }

    /// A secret in any case: configured keys may be taken away while the gateway runs.
    pub(super) fn secret_or_another(&self) -> Secret {
        self.secret.clone().unwrap_or_else(made_up)
    }

    /// A token for whoever tries `--dev` out, where there is a secret to sign with.
    pub(super) fn token(
        &self,
        config: &Config,
        handler: &WebSocketHandler<Upstream>,
    ) -> Option<Secret> {
        let configured = || config.auth.secret.as_ref().map(|it| Secret::new(it.expose()));
        let secret = self.secret.clone().or_else(configured).filter(|_| config.dev)?;
        let minter = compose::minter(config, &secret).ok()?;
        let day = Duration::from_secs(24 * 3600);
        let now = handler.clock().wall(tokio::time::Instant::now().into_std());
        minter.mint(&TokenRequest::new("dev-user").ttl(day), now).ok()
    }
}

fn made_up() -> Secret {
    let halves: [u128; 2] = rand::random();
    Secret::new(format!("{:032x}{:032x}", halves[0], halves[1]))
}
