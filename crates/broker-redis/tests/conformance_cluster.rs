//! Every engine's suite, on a cluster of three masters.

use std::sync::{Arc, LazyLock};

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

struct OnThree(Arc<Three>);

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
        let ports = self.0.0.lock().ports();
        let config = RedisConfig {
            servers: ports.map(|port| format!("127.0.0.1:{port}")).to_vec(),
            is_cluster: true,
            prefix: prefix.to_owned(),
            ..RedisConfig::default()
        };
        Box::pin(async move { Arc::new(Redis::connect(config).unwrap()) as _ })
    }

    fn server(&self) -> Option<&dyn Server> {
        Some(&*self.0)
    }
}

/// All of its nodes at once.
impl Server for Three {
    fn stop(&self) -> Wait<'_, ()> {
        Box::pin(async {
            for node in self.0.lock().nodes() {
                node.kill().unwrap();
            }
        })
    }

    fn start(&self) -> Wait<'_, ()> {
        Box::pin(async {
            let mut cluster = self.0.lock();
            for node in cluster.nodes() {
                node.restart().unwrap();
            }
            cluster.wait_until_agreed().unwrap();
        })
    }

    fn pause(&self) {
        for node in self.0.lock().nodes() {
            node.pause().unwrap();
        }
    }

    fn resume(&self) {
        for node in self.0.lock().nodes() {
            node.resume().unwrap();
        }
    }
}

async fn open(needs: Needs) -> OnThree {
    OnThree(match needs {
        Needs::Nothing => SHARED.clone(),
        Needs::OwnServer => Three::start(),
    })
}

ws_broker::conformance_suite!(open);
