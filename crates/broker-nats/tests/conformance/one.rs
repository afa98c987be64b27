//! One server for each case.

use std::sync::Arc;

use parking_lot::Mutex;
use ws_broker::{
    Engine,
    conformance::{Fixture, Needs, Server, Wait},
};
use ws_broker_nats::{Nats, NatsConfig};
use ws_test_servers::{Nats as TestServer, NatsOptions};

struct One {
    url: String,
    server: Mutex<TestServer>,
}

async fn open(_: Needs) -> One {
    let server = TestServer::start(&NatsOptions::jetstream()).unwrap();
    One { url: server.url(), server: Mutex::new(server) }
}

impl Fixture for One {
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

impl Server for One {
    fn stop(&self) -> Wait<'_, ()> {
        Box::pin(async { self.server.lock().kill().unwrap() })
    }

    fn start(&self) -> Wait<'_, ()> {
        Box::pin(async { self.server.lock().restart().unwrap() })
    }

    fn pause(&self) {
        super::pause(&mut self.server.lock());
    }

    fn resume(&self) {
        self.server.lock().resume().unwrap();
    }
}

ws_broker::conformance_suite!(open);
