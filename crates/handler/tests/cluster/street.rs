//! Houses on one engine.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use serde_json::{Value, json};
use ws_broker::{InboxConfig, Memory, MemoryCluster};
use ws_handler::{HandlerConfig, OfflineCause};

use crate::house::House;

/// Longer than nodes need to find each other, and to answer each other.
pub(crate) const A_WHILE: Duration = Duration::from_secs(3);

/// A node, and its way to the others.
pub(crate) struct Node {
    pub(crate) house: House,
    pub(crate) engine: Arc<Memory>,
}

impl Node {
    pub(crate) fn open(cluster: &MemoryCluster, change: impl FnOnce(&mut HandlerConfig)) -> Self {
        let engine = cluster.node();
        let of_house = engine.clone();
        let house = House::open(|config| {
            config.engine = of_house;
            config.policy.limits.connections_per_user_max = NonZeroUsize::new(3);
            change(config);
        });
        Self { house, engine }
    }

    /// Users who are offline, as this node has told its application.
    pub(crate) fn offline(&self) -> Vec<(String, OfflineCause)> {
        self.house.handler.application().notes.lock().offline.clone()
    }
}

/// Three nodes that know each other.
pub(crate) async fn street(change: impl Fn(&mut HandlerConfig)) -> (MemoryCluster, [Node; 3]) {
    let cluster = MemoryCluster::new();
    let nodes = std::array::from_fn(|_| Node::open(&cluster, &change));
    tokio::time::sleep(A_WHILE).await;
    (cluster, nodes)
}

pub(crate) fn with_inbox(config: &mut HandlerConfig) {
    config.inbox = Some(InboxConfig::default());
}

pub(crate) fn chat(to: &str, message: &str, id: u64) -> Value {
    json!({ "type": "chat", "payload": { "to": to, "message": message }, "id": id })
}
