//! Three masters that share the slots.

use std::time::Duration;

use super::{Redis, RedisOptions};
use crate::{ServerError, waiting};

const AGREED_MAX: Duration = Duration::from_secs(30);
const SLOTS: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

/// A Redis Cluster of three masters without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: [Redis; 3],
}

impl RedisCluster {
    /// Starts three, and returns when each of them says that the cluster is in order.
    ///
    /// # Errors
    ///
    /// One does not start, or they do not agree: with a log.
    pub fn start(options: &RedisOptions) -> Result<Self, ServerError> {
        let options = RedisOptions { is_cluster_node: true, ..options.clone() };
        let start = || Redis::start(&options);
        let mut cluster = Self { nodes: [start()?, start()?, start()?] };
        let [first, others @ ..] = &cluster.nodes;
        for (node, (from, to)) in cluster.nodes.iter().zip(SLOTS) {
            expect_ok(node, &["CLUSTER", "ADDSLOTSRANGE", from, to])?;
        }
        for other in others {
            let (port, bus) = (other.port.to_string(), other.bus_port()?);
            expect_ok(first, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
        cluster.wait_until_agreed()?;
        Ok(cluster)
    }

    /// Its nodes.
    pub fn nodes(&mut self) -> &mut [Redis; 3] {
        &mut self.nodes
    }

    /// Where its nodes listen at 127.0.0.1.
    pub fn ports(&self) -> [u16; 3] {
        self.nodes.each_ref().map(Redis::port)
    }

    /// Returns when each node says that the cluster is in order, after one was away.
    ///
    /// # Errors
    ///
    /// It takes too long: with a log.
    pub fn wait_until_agreed(&mut self) -> Result<(), ServerError> {
        let is_agreed = |node: &Redis| {
            node.command(&["CLUSTER", "INFO"]).is_ok_and(|answer| {
                ["cluster_state:ok", "cluster_known_nodes:3", "cluster_slots_ok:16384"]
                    .iter()
                    .all(|part| answer.contains(part))
            })
        };
        let agreed =
            waiting::until(AGREED_MAX, || Ok::<_, ServerError>(self.nodes.iter().all(is_agreed)))?;
        match agreed {
            true => Ok(()),
            false => Err(self.nodes[0].process.failure("three nodes do not agree".to_owned())),
        }
    }
}

impl Redis {
    fn bus_port(&self) -> Result<String, ServerError> {
        let answer = self.command(&["CONFIG", "GET", "cluster-port"])?;
        Ok(answer.lines().last().unwrap_or_default().to_owned())
    }
}

fn expect_ok(node: &Redis, words: &[&str]) -> Result<(), ServerError> {
    match node.command(words)?.as_str() {
        "OK" => Ok(()),
        other => Err(node.process.failure(format!("{}: {other}", words.join(" ")))),
    }
}
