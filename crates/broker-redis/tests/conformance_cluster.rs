//! Every engine's suite, on a cluster of three masters.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::{
    sync::{Arc, LazyLock, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use ws_broker::{
    Engine,
    conformance::{Fixture, Needs, Server, Wait},
};
use ws_broker_redis::{Redis, RedisConfig};
use ws_test_servers::{RedisCluster, RedisOptions};

/// Of all cases that leave it alone.
static SHARED: LazyLock<Arc<Three>> = LazyLock::new(Three::start);

struct Three(Mutex<RedisCluster>);

struct OnThree {
    cluster: Arc<Three>,
    nodes: Mutex<Vec<Weak<Redis>>>,
}

impl Three {
    fn start() -> Arc<Self> {
        match RedisCluster::start(&RedisOptions::durable()) {
            Ok(cluster) => Arc::new(Self(Mutex::new(cluster))),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Fixture for OnThree {
    fn node<'a>(&'a self, prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
        let ports = self.cluster.0.lock().ports();
        let config = RedisConfig {
            servers: ports.map(|port| format!("127.0.0.1:{port}")).to_vec(),
            is_cluster: true,
            prefix: prefix.to_owned(),
            ..RedisConfig::default()
        };
        Box::pin(async move {
            let engine = Arc::new(Redis::connect(config).unwrap());
            self.nodes.lock().push(Arc::downgrade(&engine));
            engine as _
        })
    }

    fn server(&self) -> Option<&dyn Server> {
        Some(self)
    }
}

/// All of its nodes at once.
impl Server for OnThree {
    fn stop(&self) -> Wait<'_, ()> {
        Box::pin(async {
            for node in self.cluster.0.lock().nodes() {
                node.kill().unwrap();
            }
            // An engine is down with the first of them: the others count as well.
            let nodes: Vec<_> = self.nodes.lock().iter().filter_map(Weak::upgrade).collect();
            for node in nodes {
                while node.stats().connections > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        })
    }

    fn start(&self) -> Wait<'_, ()> {
        Box::pin(async {
            let mut cluster = self.cluster.0.lock();
            for node in cluster.nodes() {
                node.restart().unwrap();
            }
            cluster.wait_until_agreed().unwrap();
        })
    }

    fn pause(&self) {
        for node in self.cluster.0.lock().nodes() {
            node.pause().unwrap();
        }
    }

    fn resume(&self) {
        for node in self.cluster.0.lock().nodes() {
            node.resume().unwrap();
        }
    }
}

async fn open(needs: Needs) -> OnThree {
    let cluster = match needs {
        Needs::Nothing => SHARED.clone(),
        Needs::OwnServer => Three::start(),
    };
    OnThree { cluster, nodes: Mutex::default() }
}

ws_broker::conformance_suite!(open);
