//! How connections of a user ended: what is kept of those who are here, and of those who are gone.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use serde_json::{Value, json};
use ws_broker::NodeId;
use ws_handler::{Application, PastEnd, Whereabouts};

use super::{Shared, answer, fault::Fault, orders::part};
use crate::report;

pub(super) async fn of_user<A: Application>(
    State(api): Shared<A>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Fault> {
    let user = part("the user's id", id)?;
    let (known, whereabouts) =
        tokio::join!(api.handler.ends_everywhere(&user), api.handler.whereabouts(&user));
    let ends: Vec<Value> = known.ends.iter().map(|(node, end)| told(*node, end)).collect();
    let mut said = json!({ "userId": user, "ends": ends, "nodes": shown_nodes(&whereabouts) });
    if !(known.is_complete && whereabouts.is_complete) {
        said["complete"] = false.into();
    }
    Ok(answer(&said))
}

/// Where a user is connected: the nodes as they are named in logs, with the number of its connections.
pub(crate) fn shown_nodes(whereabouts: &Whereabouts) -> Vec<Value> {
    let shown =
        |(node, count): &(NodeId, u32)| json!({ "node": node.to_string(), "connections": count });
    whereabouts.nodes.iter().map(shown).collect()
}

fn told(node: NodeId, end: &PastEnd) -> Value {
    let mut told = report::end(end);
    told["node"] = node.to_string().into();
    told
}
