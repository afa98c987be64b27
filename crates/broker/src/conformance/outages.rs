//! When the server is away, and when it is back.

use super::stage::{Stage, log, outcome};
use crate::{EngineError, Status};

/// While the server is away, calls fail at once and are not kept for later; then everything works again.
pub async fn calls_fail_at_once_while_the_server_is_away(stage: Stage) {
    let node = stage.node().await;
    node.append("h:a", "before").await;
    stage.server().stop().await;
    let is_down = |record: &super::heard::Record| {
        matches!(record.statuses.last(), Some(Status::Down(_))).then_some(())
    };
    node.heard.until("the engine to be down", is_down).await;
    assert!(matches!(node.engine.status(), Status::Down(_)));
    let appended = outcome(node.engine.append(&log("h:a"), "lost".into(), None)).await;
    assert!(matches!(appended, Err(EngineError::Unavailable { .. })), "{appended:?}");
    stage.server().start().await;
    node.until_up().await;
    node.append("h:a", "after").await;
}
