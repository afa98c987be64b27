//! Where tunnels may lead, and how much of them there may be.

use std::num::NonZeroUsize;

use ws_tunnel::{Targets, TunnelConfig, Tunnels};

use crate::config::Config;

/// The tunnels to the addresses of the list.
pub fn tunnels(config: &Config) -> Tunnels {
    let (targets, limits) = terms(config);
    Tunnels::new(targets, limits)
}

/// The same tunnels, counted as before, with the list and the limits of another configuration.
pub(crate) fn other_tunnels(now: &Tunnels, config: &Config) -> Tunnels {
    let (targets, limits) = terms(config);
    now.with(targets, limits)
}

fn terms(config: &Config) -> (Targets, TunnelConfig) {
    let settings = &config.tunnels;
    let at_most = |max: u32| NonZeroUsize::new(max as usize).unwrap_or(NonZeroUsize::MIN);
    let limits = TunnelConfig {
        connect_timeout: settings.connect_timeout,
        idle_timeout: settings.idle_timeout,
        buffer_bytes: settings.buffer_bytes,
        tunnels_max: at_most(settings.tunnels_max),
        per_target_max: at_most(settings.per_target_max),
        per_user_max: at_most(settings.per_user_max),
    };
    (settings.targets.iter().cloned().collect(), limits)
}
