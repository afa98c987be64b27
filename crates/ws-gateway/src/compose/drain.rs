//! From the configuration to how connections are sent elsewhere.

use std::num::{NonZeroU32, NonZeroUsize};

use ws_close_manager::{CloseOptions, Pace, SendableCode};
use ws_handler::{Moving, Rebalance};

use crate::{config::Config, listener::ListenOptions};

/// How everybody is sent away when the gateway restarts.
///
/// Who is sent away at the pace at which the others take them in is served until its turn comes. The
/// deadline wins: what it cuts off the pace is added to the time that clients are told to stay away.
pub fn close(config: &Config, seed: u64) -> CloseOptions {
    let options = CloseOptions::new(SendableCode::RESTART)
        .reason("Server restart")
        .timeout(config.drain.timeout.unwrap_or(config.close.timeout))
        .concurrency(NonZeroUsize::MAX);
    let returns = config.drain.returns_per_second;
    let options = match returns {
        Some(per_second) => options.returns(Pace::new(per_second, seed)),
        None => options,
    };
    match config.close.per_second.and_then(NonZeroU32::new).or(returns) {
        Some(per_second) => options.pace(Pace::new(per_second, seed)),
        None => options,
    }
}

/// How connections are taken in.
pub(crate) fn listen(config: &Config) -> ListenOptions {
    ListenOptions {
        reuse_port: config.drain.reuse_port,
        per_second: config.overload.accepts_per_second,
        ..ListenOptions::default()
    }
}

/// How clients are asked to connect again while the gateway runs.
pub(crate) fn moving(config: &Config) -> Moving {
    let drain = &config.drain;
    let interval = drain.rebalance_interval;
    Moving {
        lifetime_max: drain.lifetime_max,
        tunnel_lifetime_max: config.tunnels.lifetime_max,
        rebalance: drain
            .rebalance_margin_percent
            .map(|margin_percent| Rebalance { margin_percent, interval }),
        per_second: drain.returns_per_second,
    }
}
