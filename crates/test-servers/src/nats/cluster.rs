//! Three servers that route to one another.

use std::time::Duration;

use super::{Nats, NatsOptions, Routes};
use crate::{ServerError, ports, waiting};

/// They elect a leader first, which takes them some seconds.
const AGREED_MAX: Duration = Duration::from_secs(60);

/// A NATS cluster of three servers; with JetStream, what has three replicas is on each of them.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: [Nats; 3],
    has_jetstream: bool,
}

impl NatsCluster {
    /// Starts three, and returns when they know one another and JetStream, if they have it, has a leader.
    ///
    /// # Errors
    ///
    /// One does not start, or they do not agree: with a log.
    pub fn start(options: &NatsOptions) -> Result<Self, ServerError> {
        let all: [u16; 3] = ports::free()?;
        let [first, second, third] = all;
        let start = |own| Nats::launch(options, Some(&Routes { own, all }));
        let nodes = [start(first)?, start(second)?, start(third)?];
        let mut cluster = Self { nodes, has_jetstream: options.has_jetstream };
        cluster.wait_until_agreed()?;
        Ok(cluster)
    }

    /// Its nodes.
    pub fn nodes(&mut self) -> &mut [Nats; 3] {
        &mut self.nodes
    }

    /// `nats://127.0.0.1:port` of each.
    pub fn urls(&self) -> [String; 3] {
        self.nodes.each_ref().map(Nats::url)
    }

    /// Returns when each node knows the others and is in step, after one was away.
    ///
    /// # Errors
    ///
    /// It takes too long: with a log.
    pub fn wait_until_agreed(&mut self) -> Result<(), ServerError> {
        let is_in_step = |node: &Nats| {
            let routes = node.monitor("/routez").unwrap_or_default();
            let has_leader = !self.has_jetstream
                || node.monitor("/jsz").is_ok_and(|text| text.contains("\"leader\": \"ws-test"));
            routes.contains("\"num_routes\": 2") && has_leader && node.monitor("/healthz").is_ok()
        };
        let agreed =
            waiting::until(AGREED_MAX, || Ok::<_, ServerError>(self.nodes.iter().all(is_in_step)))?;
        match agreed {
            true => Ok(()),
            false => Err(self.nodes[0].process.failure("three servers do not agree".to_owned())),
        }
    }
}
