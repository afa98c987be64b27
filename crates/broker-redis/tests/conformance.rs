//! Every engine's suite, on one server.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use ws_broker::{
    Engine,
    conformance::{Fixture, Needs, Server, Wait},
};
use ws_broker_redis::{Redis, RedisConfig};
use ws_test_servers::RedisOptions;

/// Of all cases that leave it alone.
static SHARED: LazyLock<Arc<Single>> = LazyLock::new(Single::start);

struct Single(Mutex<ws_test_servers::Redis>);

struct OnOne(Arc<Single>);

impl Single {
    fn start() -> Arc<Self> {
        match ws_test_servers::Redis::start(&RedisOptions::durable()) {
            Ok(server) => Arc::new(Self(Mutex::new(server))),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Fixture for OnOne {
    fn node<'a>(&'a self, prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
        let config = RedisConfig {
            servers: vec![self.0.0.lock().url()],
            prefix: prefix.to_owned(),
            ..RedisConfig::default()
        };
        Box::pin(async move { Arc::new(Redis::connect(config).unwrap()) as _ })
    }

    fn server(&self) -> Option<&dyn Server> {
        Some(&*self.0)
    }
}

impl Server for Single {
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

async fn open(needs: Needs) -> OnOne {
    OnOne(match needs {
        Needs::Nothing => SHARED.clone(),
        Needs::OwnServer => Single::start(),
    })
}

ws_broker::conformance_suite!(open);
