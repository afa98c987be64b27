//! One server: the way of calls to it, and the way of what is followed there.

use std::sync::Arc;

use redis::Value;
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    budget::Budget, endpoint::Endpoint, error::StartError, follows::Follows, greeting::bytes_of,
    health::Part, hub::Hub, lane::Lane, link::Link, names::LogKeys,
};

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) lane: Arc<Lane>,
    pub(crate) follows: Follows,
    /// Where it is, if it is always the same one.
    pub(crate) endpoint: Option<Endpoint>,
    parts: Parts,
    tasks: [AbortHandle; 2],
}

/// What must be up of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    calls: Part,
    follows: Part,
}

/// Who is connected to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// This node of a cluster.
    Node(Box<Endpoint>),
    /// The first of these that is a master.
    First(Vec<Endpoint>),
    /// The master of that name, by what the first sentinel says that answers.
    Watched(Vec<Endpoint>, String),
}

impl Parts {
    /// Two parts that are not up yet.
    pub(crate) fn new(hub: &Hub) -> Self {
        let parts = Self { calls: hub.new_part(), follows: hub.new_part() };
        for part in [parts.calls, parts.follows] {
            hub.health.add(part, "it is being connected".into());
        }
        parts
    }
}

impl Server {
    /// Starts to connect to it.
    pub(crate) fn new(hub: &Arc<Hub>, target: Target, parts: Parts) -> Arc<Self> {
        let config = &hub.config;
        let budget = Budget::new(config.pending_max, config.pending_bytes_max);
        let (lane, requests) = Lane::new(budget, hub.counters.clone());
        let lane = Arc::new(lane);
        let endpoint = match &target {
            Target::Node(endpoint) => Some((**endpoint).clone()),
            _ => None,
        };
        let link = Link {
            hub: hub.clone(),
            lane: lane.clone(),
            part: parts.calls,
            follows: parts.follows,
            target,
            chosen: watch::Sender::new(None),
        };
        let (follows, following) = Follows::new(hub, parts.follows);
        let heard = tokio::spawn(following.run(link.chosen.subscribe()));
        let calls = tokio::spawn(link.run(requests));
        let tasks = [calls.abort_handle(), heard.abort_handle()];
        Arc::new(Self { lane, follows, endpoint, parts, tasks })
    }

    pub(crate) fn label(&self) -> Option<&Arc<str>> {
        self.endpoint.as_ref().map(|endpoint| &endpoint.label)
    }

    pub(crate) fn has_part(&self, part: Part) -> bool {
        self.parts.calls == part || self.parts.follows == part
    }

    /// It is not needed any more; what is on its way is not known.
    pub(crate) fn end(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.lane.close("the server left the cluster".into());
    }

    /// Nobody waits for it any more.
    pub(crate) fn forget(&self, hub: &Hub) {
        hub.health.remove(self.parts.calls);
        hub.health.remove(self.parts.follows);
    }
}

impl Target {
    /// Whom to try, in this order.
    pub(crate) async fn endpoints(&self, hub: &Hub) -> Result<Vec<Endpoint>, StartError> {
        match self {
            Self::Node(endpoint) => Ok(vec![(**endpoint).clone()]),
            Self::First(endpoints) => Ok(endpoints.clone()),
            Self::Watched(sentinels, master) => {
                let mut failed = None;
                for sentinel in sentinels {
                    match ask_sentinel(sentinel, master, hub).await {
                        Ok(endpoint) => return Ok(vec![endpoint]),
                        Err(error) => failed = failed.or(Some(error)),
                    }
                }
                Err(failed.unwrap_or_else(|| self.nobody()))
            }
        }
    }

    /// A log to try everything with: in a cluster, one of a slot that this server has.
    pub(crate) fn probe(&self, hub: &Hub, part: Part) -> Option<LogKeys> {
        const TRIES: u32 = 100_000;
        let map = hub.map();
        let mut keys = (0..TRIES).map(|number| hub.names.log(&format!("\0{number}")));
        match self {
            Self::Node(_) => {
                keys.find(|keys| map.server(&keys.meta).is_some_and(|server| server.has_part(part)))
            }
            _ => keys.next(),
        }
    }

    pub(crate) fn nobody(&self) -> StartError {
        StartError::Unreachable { server: "?".into(), reason: "nobody answers".into() }
    }
}

async fn ask_sentinel(
    sentinel: &Endpoint,
    master: &str,
    hub: &Hub,
) -> Result<Endpoint, StartError> {
    let unheard = |_| Ok::<(), ()>(());
    let mut connection = sentinel.for_sentinel().connect(&hub.config, unheard).await?;
    let mut command = redis::Cmd::new();
    command.arg("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master);
    let answer = connection.send_packed_command(&command);
    let answer = tokio::time::timeout(hub.config.answer_timeout, answer).await;
    let Ok(Ok(Value::Array(address))) = answer else {
        return Err(sentinel.unreachable(format!("this sentinel knows no master `{master}`")));
    };
    let [host, port] = address.as_slice() else {
        return Err(sentinel.unreachable(format!("this sentinel knows no master `{master}`")));
    };
    let host = String::from_utf8_lossy(bytes_of(host)).into_owned();
    let port = String::from_utf8_lossy(bytes_of(port)).parse().unwrap_or(6379);
    sentinel.at(&host, port)
}
