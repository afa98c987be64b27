//! A cluster of three, each node of the gateway at another server. Cases that take no server away share one
//! cluster; the others stop and pause all three servers.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use ws_broker::{
    Engine,
    conformance::{Fixture, Needs, Server, Wait},
};
use ws_broker_nats::{Nats, NatsConfig};
use ws_test_servers::{NatsCluster, NatsOptions};

/// How often a server is started that does not come back.
const TRIES: usize = 3;

struct Three {
    urls: [String; 3],
    next: AtomicUsize,
    servers: Arc<Mutex<NatsCluster>>,
}

static SHARED: LazyLock<Arc<Mutex<NatsCluster>>> = LazyLock::new(start);

fn start() -> Arc<Mutex<NatsCluster>> {
    Arc::new(Mutex::new(NatsCluster::start(&NatsOptions::jetstream()).unwrap()))
}

async fn open(needs: Needs) -> Three {
    let servers = match needs {
        Needs::Nothing => Arc::clone(&SHARED),
        Needs::OwnServer => start(),
    };
    let urls = servers.lock().urls();
    Three { urls, next: AtomicUsize::new(0), servers }
}

impl Fixture for Three {
    fn node<'a>(&'a self, prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
        let server = self.next.fetch_add(1, Ordering::Relaxed) % 3;
        let config = NatsConfig {
            urls: vec![self.urls[server].clone()],
            prefix: prefix.to_owned(),
            replicas: 3,
            ..NatsConfig::default()
        };
        Box::pin(async move { Arc::new(Nats::connect(config)) as _ })
    }

    fn server(&self) -> Option<&dyn Server> {
        Some(self)
    }
}

impl Server for Three {
    fn stop(&self) -> Wait<'_, ()> {
        Box::pin(async {
            self.servers.lock().nodes().iter_mut().for_each(|node| node.kill().unwrap());
        })
    }

    fn start(&self) -> Wait<'_, ()> {
        let servers = Arc::clone(&self.servers);
        Box::pin(async move {
            let starting = tokio::task::spawn_blocking(move || {
                let mut servers = servers.lock();
                // None of them is ready before two are there.
                std::thread::scope(|scope| {
                    for node in servers.nodes() {
                        scope.spawn(move || come_back(node));
                    }
                });
            });
            starting.await.unwrap();
        })
    }

    fn pause(&self) {
        self.servers.lock().nodes().iter_mut().for_each(super::pause);
    }

    fn resume(&self) {
        self.servers.lock().nodes().iter().for_each(|node| node.resume().unwrap());
    }
}

/// Starts a server that was killed. Of three that were killed at once, one may stay behind what the others
/// keep for as long as it runs; nats-server 2.9 says "is not current" then. Another start mends that.
fn come_back(node: &mut ws_test_servers::Nats) {
    let again = (1..TRIES).any(|_| node.restart().is_ok());
    if !again {
        node.restart().unwrap();
    }
}

ws_broker::conformance_suite!(open);
