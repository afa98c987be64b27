//! What a start has settled, and a reload leaves as it is.

use crate::config::{AuthSettings, Config, SETTINGS, Section};

/// Settings that a reload cannot put in force this time, although their kind can, and why.
pub(super) type HeldBack = Vec<(&'static str, &'static str)>;

/// What the gateway was started with. A reload is compared with that and not with the one before it: what
/// needs a start needs it until there is one, however often it is asked for.
pub(super) struct Settled {
    started: Config,
    has_shared_engine: bool,
}

impl Settled {
    pub(super) fn new(started: Config, has_shared_engine: bool) -> Self {
        Self { started, has_shared_engine }
    }

    /// That configuration, as far as it can be in force before a restart.
    pub(super) fn keep(&self, config: &Config) -> Config {
        let started = &self.started;
        Config {
            auth: AuthSettings {
                // Revocations are remembered for as long as tokens may live, and how long that is was
                // settled with them: a token that lives longer would outlive its revocation.
                lifetime_max: started.auth.lifetime_max,
                revocations_max: started.auth.revocations_max,
                ..config.auth.clone()
            },
            compression: started.compression.clone(),
            ..config.clone()
        }
    }

    /// What of this configuration needs a restart, although other values of the same settings do not.
    pub(super) fn held_back(&self, config: &Config, is_level_fixed: bool) -> HeldBack {
        let mut held = Vec::new();
        let differs = |pick: fn(&Config) -> bool| pick(config) != pick(&self.started);
        if differs(|config| config.admin.key.is_some()) {
            held.push(("ADMIN_KEY", "whether there is a key is settled at the start"));
        }
        if differs(|config| config.api.key.is_some()) {
            held.push(("API_KEY", "whether there is an /api is settled at the start"));
        }
        if self.has_shared_engine
            && differs(|config| config.limits.connections_per_user_max.is_some())
        {
            let why = "whether nodes count together is settled at the start";
            held.push(("MAX_CONNECTIONS_PER_USER", why));
        }
        if differs(|config| !config.tls.certificates.is_empty()) {
            let of_tls = SETTINGS.iter().filter(|setting| setting.section == Section::Tls);
            let why = "whether TLS is spoken is settled at the start";
            held.extend(of_tls.map(|setting| (setting.env, why)));
        }
        if is_level_fixed {
            held.push(("LOG_LEVEL", "RUST_LOG says what is logged"));
        }
        held
    }
}
