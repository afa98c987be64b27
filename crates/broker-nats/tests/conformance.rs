//! The suite that every engine passes, on one server.

#![expect(clippy::unwrap_used, reason = "a server that cannot be started fails the test")]

use std::sync::Arc;

use parking_lot::Mutex;
use ws_broker::{
    Engine,
    conformance::{Fixture, Needs, Server, Wait},
};
use ws_broker_nats::{Nats, NatsConfig};
use ws_test_servers::{Nats as TestServer, NatsOptions};

struct Single {
    url: String,
    server: Mutex<TestServer>,
}

async fn open(_: Needs) -> Single {
    let server = TestServer::start(&NatsOptions::jetstream()).unwrap();
    Single { url: server.url(), server: Mutex::new(server) }
}

impl Fixture for Single {
    fn node<'a>(&'a self, prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
        let config = NatsConfig {
            urls: vec![self.url.clone()],
            prefix: prefix.to_owned(),
            ..NatsConfig::default()
        };
        Box::pin(async move { Arc::new(Nats::connect(config)) as _ })
    }

    fn server(&self) -> Option<&dyn Server> {
        Some(self)
    }
}

impl Server for Single {
    fn stop(&self) -> Wait<'_, ()> {
        Box::pin(async { self.server.lock().kill().unwrap() })
    }

    fn start(&self) -> Wait<'_, ()> {
        Box::pin(async { self.server.lock().restart().unwrap() })
    }

    fn pause(&self) {
        let mut server = self.server.lock();
        server.pause().unwrap();
        while !server.process().id().is_none_or(is_stopped) {
            std::thread::yield_now();
        }
    }

    fn resume(&self) {
        self.server.lock().resume().unwrap();
    }
}

/// The signal is on its way when the call returns.
fn is_stopped(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status.lines().any(|line| line.starts_with("State:") && line.contains("T (stopped)"))
}

ws_broker::conformance_suite!(open);
