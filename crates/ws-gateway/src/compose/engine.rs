//! What is between nodes, and keeps what is to be kept.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tokio::time::Instant;
use ws_broker::{Engine, InboxConfig, Memory, Status};

use super::ComposeError;
use crate::config::{Config, EngineKind};

/// How often an engine that is not there yet is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The engine as it is set. It begins to connect and is not waited for.
pub fn engine(config: &Config) -> Result<Arc<dyn Engine>, ComposeError> {
    match config.broker.engine {
        EngineKind::Memory => Ok(Arc::new(Memory::new())),
        kind @ (EngineKind::Disk | EngineKind::Redis | EngineKind::Nats) => Err(ComposeError {
            component: "BROKER",
            reason: format!("{} is not available in this version", kind.name()),
        }),
    }
}

/// How much is kept for users who are away.
pub fn inbox(config: &Config) -> Option<InboxConfig> {
    let settings = &config.inbox;
    settings.enabled.then(|| InboxConfig {
        entries_max: NonZeroU32::new(settings.count_max).unwrap_or(NonZeroU32::MIN),
        bytes_max: settings.bytes_max as usize,
        ttl: settings.ttl,
        ..InboxConfig::default()
    })
}

/// Waits until the engine is there, at most so long; the error says why it is not.
pub async fn engine_is_there(engine: &dyn Engine, timeout: Duration) -> Result<(), ComposeError> {
    let deadline = Instant::now() + timeout;
    loop {
        let reason = match engine.status() {
            Status::Up => return Ok(()),
            Status::Starting => None,
            Status::Down(reason) => Some(reason),
        };
        if Instant::now() >= deadline {
            let reason = reason.as_deref().unwrap_or("it was not reached");
            return Err(ComposeError {
                component: "BROKER",
                reason: format!(
                    "the {} engine is not there after {timeout:?}: {reason}",
                    engine.kind()
                ),
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}
