//! What must fit together of how connections are sent elsewhere.

use std::time::Duration;

use super::Checks;
use crate::config::resolved::{Config, EngineKind};

/// Who has to come back oftener than that does little else.
const LIFETIME_MIN: Duration = Duration::from_secs(60);

impl Checks<'_> {
    pub(super) fn check_drain(&mut self, config: &Config) {
        let drain = &config.drain;
        if let Some(lifetime) = drain.lifetime_max.filter(|lifetime| *lifetime < LIFETIME_MIN) {
            self.warnings.push(format!(
                "CONNECTION_LIFETIME_MAX is {lifetime:?}: each client connects anew that often; a day is usual"
            ));
        }
        let is_alone = matches!(config.broker.engine, EngineKind::Memory | EngineKind::Disk);
        if drain.rebalance_margin_percent.is_some()
            && is_alone
            && self.are_sound(&["BROKER", "REDIS_HOST", "NATS_URL"])
        {
            self.warnings.push(
                "REBALANCE_MARGIN does nothing without an engine between nodes: they do not know of each other"
                    .to_owned(),
            );
        }
    }
}
