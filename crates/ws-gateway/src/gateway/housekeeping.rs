//! What goes on beside connections.

use std::{sync::Arc, time::Duration};

use ws_broker::{Engine, Status};
use ws_handler::{WallClock, WebSocketHandler};

use crate::{reload::LiveAuthenticator, upstream::Upstream};

/// How often limiters forget who has recovered, and the wall clock is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How long the engine may take before the log says that it is not there, and how often it says so again.
const ENGINE_PATIENCE: Duration = Duration::from_secs(2);
const ENGINE_PACE: Duration = Duration::from_secs(30);

/// Keeps keys fresh, limiters lean and the clock right.
pub(super) async fn keep_house(
    handler: WebSocketHandler<Upstream>,
    authenticator: LiveAuthenticator,
) {
    let clock = handler.clock().clone();
    let wall = move || clock.wall(tokio::time::Instant::now().into_std());
    let keys = authenticator.keep_keys_fresh(wall);
    let tidying = async {
        loop {
            tokio::time::sleep(HOUSEKEEPING).await;
            let now = tokio::time::Instant::now().into_std();
            handler.forget_recovered(now);
            handler.clock().sync(now, system_time());
        }
    };
    tokio::join!(keys, tidying);
}

/// Says that the engine is not there, now and then as long as that is so: who looks at the log hours later
/// is to see it.
pub(super) async fn watch_engine(engine: Arc<dyn Engine>) {
    // What comes up at once is not worth a line.
    tokio::time::sleep(ENGINE_PATIENCE).await;
    loop {
        match engine.status() {
            Status::Up => {}
            Status::Starting => {
                tracing::warn!(
                    engine = engine.kind(),
                    "the engine was not reached so far; it is being tried"
                );
            }
            Status::Down(reason) => {
                tracing::warn!(engine = engine.kind(), %reason, "the engine is away; it is being tried");
            }
        }
        tokio::time::sleep(ENGINE_PACE).await;
    }
}

pub(super) fn wall_clock() -> Arc<WallClock> {
    Arc::new(WallClock::new(tokio::time::Instant::now().into_std(), system_time()))
}

#[expect(clippy::disallowed_methods, reason = "the binary's edge: all else derives from this")]
fn system_time() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
