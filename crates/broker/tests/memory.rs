//! The engine in this process does what every engine must.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ws_broker::{
    Engine, Memory, MemoryCluster,
    conformance::{Fixture, Needs, Server, Wait},
};

/// Nodes of one prefix are one cluster.
#[derive(Default)]
struct Clusters {
    by_prefix: parking_lot::Mutex<HashMap<String, Arc<MemoryCluster>>>,
}

impl Clusters {
    fn each(&self, act: impl Fn(&MemoryCluster)) {
        self.by_prefix.lock().values().for_each(|cluster| act(cluster));
    }
}

impl Fixture for Clusters {
    fn node<'a>(&'a self, prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
        let cluster = Arc::clone(self.by_prefix.lock().entry(prefix.to_owned()).or_default());
        let node: Arc<dyn Engine> = cluster.node();
        Box::pin(std::future::ready(node))
    }

    fn pass(&self, time: Duration) -> Wait<'_, ()> {
        self.each(|cluster| cluster.advance(time));
        Box::pin(std::future::ready(()))
    }

    fn server(&self) -> Option<&dyn Server> {
        Some(self)
    }
}

/// The switches of a cluster, as if there was a server.
impl Server for Clusters {
    fn stop(&self) -> Wait<'_, ()> {
        self.each(|cluster| cluster.set_down("stopped"));
        Box::pin(std::future::ready(()))
    }

    fn start(&self) -> Wait<'_, ()> {
        self.each(MemoryCluster::set_up);
        Box::pin(std::future::ready(()))
    }
}

/// Alone, as most gateways run.
struct Alone;

impl Fixture for Alone {
    fn node<'a>(&'a self, _prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
        let node: Arc<dyn Engine> = Arc::new(Memory::new());
        Box::pin(std::future::ready(node))
    }
}

mod cluster {
    //! Several nodes in one process.

    use super::{Clusters, Needs};

    async fn open(_needs: Needs) -> Clusters {
        Clusters::default()
    }

    ws_broker::conformance_suite!(no pause, open);
}

mod alone {
    //! One node in one process.

    use super::{Alone, Needs};

    async fn open(_needs: Needs) -> Alone {
        Alone
    }

    ws_broker::conformance_suite!(one node, open);
}
