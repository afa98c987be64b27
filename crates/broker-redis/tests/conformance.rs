//! Every engine's suite, on one server.

#![cfg(feature = "counterparts")]

use std::sync::Arc;

use parking_lot::Mutex;
use ws_broker::{
    Engine,
    conformance::{Fixture, Needs, Server, Wait},
};
use ws_broker_redis::{Redis, RedisConfig};
use ws_test_servers::RedisOptions;

struct Own(Mutex<ws_test_servers::Redis>);

impl Fixture for Own {
    fn node<'a>(&'a self, prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
        let config = RedisConfig {
            servers: vec![self.0.lock().url()],
            prefix: prefix.to_owned(),
            ..RedisConfig::default()
        };
        Box::pin(async move { Arc::new(Redis::connect(config).unwrap()) as _ })
    }

    fn server(&self) -> Option<&dyn Server> {
        Some(self)
    }
}

impl Server for Own {
    fn stop(&self) -> Wait<'_, ()> {
        Box::pin(async { self.0.lock().kill().unwrap() })
    }

    fn start(&self) -> Wait<'_, ()> {
        Box::pin(async { self.0.lock().restart().unwrap() })
    }

    fn pause(&self) {
        self.0.lock().pause().unwrap();
    }

    fn resume(&self) {
        self.0.lock().resume().unwrap();
    }
}

async fn open(_: Needs) -> Own {
    let server = ws_test_servers::Redis::start(&RedisOptions::durable());
    Own(Mutex::new(server.unwrap_or_else(|error| panic!("{error}"))))
}

ws_broker::conformance_suite!(open);
