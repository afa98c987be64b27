//! Which server has which key.

use std::{sync::Arc, time::Duration};

use redis::{Pipeline, Value};

use crate::{
    backoff::Backoff,
    endpoint::Endpoint,
    error::StartError,
    greeting::{self, bytes_of},
    health::MAP,
    hub::Hub,
    names::slot,
    server::{Parts, Server, Target},
};

const SLOTS: usize = 16_384;
const NOBODY: u16 = u16::MAX;
/// Slots may move without a call that shows it.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// However often something shows that the map is old, it is read at most so often.
const LOOK_MIN: Duration = Duration::from_millis(100);

/// Which server has which key.
#[derive(Debug, Default)]
pub(crate) struct Map {
    pub(crate) servers: Vec<Arc<Server>>,
    /// Of each slot, which of the servers; none if there is but one server.
    slots: Vec<u16>,
}

/// Slots of one server.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    from: usize,
    to: usize,
    host: String,
    port: u16,
}

impl Map {
    pub(crate) fn of_one(server: Arc<Server>) -> Self {
        Self { servers: vec![server], slots: Vec::new() }
    }

    pub(crate) fn server(&self, key: &str) -> Option<&Arc<Server>> {
        match self.slots.as_slice() {
            [] => self.servers.first(),
            slots => self.servers.get(usize::from(slots[usize::from(slot(key))])),
        }
    }

    fn label(&self, slot: usize) -> Option<&Arc<str>> {
        self.servers.get(usize::from(*self.slots.get(slot)?))?.label()
    }
}

/// Keeps the map of a cluster.
pub(crate) async fn watch(hub: Arc<Hub>) {
    let mut backoff = Backoff::new(&hub.config);
    let mut is_known = false;
    loop {
        match fetch(&hub).await {
            Ok((ranges, teller)) => {
                backoff.reset();
                let applied = apply(&hub, &ranges, &teller);
                if let Err(error) = applied {
                    hub.health.down(MAP, &error);
                } else if !std::mem::replace(&mut is_known, true) {
                    hub.health.up(MAP);
                }
                let _either = tokio::time::timeout(LOOK_AGAIN, hub.stale.notified()).await;
                tokio::time::sleep(LOOK_MIN).await;
            }
            Err(error) => {
                is_known = false;
                hub.health.down(MAP, &error);
                tokio::time::sleep(backoff.pause()).await;
            }
        }
    }
}

/// What the first node says that answers.
async fn fetch(hub: &Hub) -> Result<(Vec<Range>, Endpoint), StartError> {
    let map = hub.map();
    let known = map.servers.iter().filter_map(|server| server.endpoint.clone());
    let mut failed = None;
    for endpoint in known.chain(hub.seeds.iter().cloned()) {
        match ask(hub, &endpoint).await {
            Ok(ranges) if !ranges.is_empty() => return Ok((ranges, endpoint)),
            Ok(_) => failed = failed.or(Some(endpoint.unreachable("it knows of no slots"))),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed
        .unwrap_or(StartError::Unreachable { server: "?".into(), reason: "nobody answers".into() }))
}

async fn ask(hub: &Hub, endpoint: &Endpoint) -> Result<Vec<Range>, StartError> {
    let config = &hub.config;
    let mut connection = endpoint.connect(config, |_| Ok::<(), ()>(())).await?;
    let mut pipeline = Pipeline::new();
    pipeline.cmd("INFO").cmd("CLUSTER").arg("SLOTS");
    let answers = connection.send_packed_commands(&pipeline, 0, 2);
    let Ok(Ok(answers)) = tokio::time::timeout(config.connect_timeout, answers).await else {
        return Err(endpoint.unreachable("it does not answer"));
    };
    match <[Value; 2]>::try_from(answers) {
        Ok([Value::ServerError(error), _]) => Err(greeting::refusal(&error, endpoint, config)),
        Ok([info, slots]) => {
            greeting::check_node(&String::from_utf8_lossy(bytes_of(&info)), endpoint, config)?;
            match slots {
                Value::ServerError(error) => Err(greeting::refusal(&error, endpoint, config)),
                Value::Array(rows) => {
                    Ok(rows.iter().filter_map(|row| range(row, endpoint.host())).collect())
                }
                _ => Err(endpoint.unreachable("it does not tell its slots")),
            }
        }
        Err(_) => Err(endpoint.unreachable("it does not answer")),
    }
}

/// `from, to, [host, port, …], replicas…`: a node that does not know its host is where it was asked.
fn range(row: &Value, asked: &str) -> Option<Range> {
    let Value::Array(parts) = row else { return None };
    let [Value::Int(from), Value::Int(to), Value::Array(master), ..] = parts.as_slice() else {
        return None;
    };
    let [host, Value::Int(port), ..] = master.as_slice() else { return None };
    let host = match bytes_of(host) {
        b"" | b"?" => asked.to_owned(),
        host => String::from_utf8_lossy(host).into_owned(),
    };
    let (from, to) = (usize::try_from(*from).ok()?, usize::try_from(*to).ok()?);
    let port = u16::try_from(*port).ok()?;
    (from <= to && to < SLOTS).then_some(Range { from, to, host, port })
}

/// Servers that stay keep their connections; what is followed moves with its slots.
fn apply(hub: &Arc<Hub>, ranges: &[Range], teller: &Endpoint) -> Result<(), StartError> {
    let old = hub.map();
    let mut labels: Vec<Arc<str>> = Vec::new();
    let mut found: Vec<(Endpoint, Option<Arc<Server>>)> = Vec::new();
    let mut slots = vec![NOBODY; SLOTS];
    for range in ranges {
        let endpoint = teller.at(&range.host, range.port)?;
        let index = labels.iter().position(|label| *label == endpoint.label).unwrap_or_else(|| {
            let there = old.servers.iter().find(|server| server.label() == Some(&endpoint.label));
            labels.push(endpoint.label.clone());
            found.push((endpoint, there.cloned()));
            labels.len() - 1
        });
        slots[range.from..=range.to].fill(u16::try_from(index).unwrap_or(NOBODY));
    }
    let moved: Vec<bool> =
        (0..SLOTS).map(|slot| old.label(slot) != labels.get(usize::from(slots[slot]))).collect();
    if !moved.contains(&true) {
        return Ok(());
    }
    // Nobody is told anything while locks are held.
    let found: Vec<_> = found
        .into_iter()
        .map(|(endpoint, there)| (endpoint, there.ok_or_else(|| Parts::new(hub))))
        .collect();
    {
        let _wanted = hub.wanted.lock();
        let mut map = hub.map.write();
        let servers = found.into_iter().map(|(endpoint, there)| match there {
            Ok(server) => server,
            Err(parts) => Server::new(hub, Target::Node(Box::new(endpoint)), parts),
        });
        *map = Arc::new(Map { servers: servers.collect(), slots });
    }
    let now = hub.map();
    for server in &old.servers {
        let is_kept = now.servers.iter().any(|kept| Arc::ptr_eq(kept, server));
        let is_touched = (0..SLOTS).any(|slot| {
            moved[slot] && [old.label(slot), now.label(slot)].contains(&server.label())
        });
        if !is_kept {
            server.end();
            server.forget(hub);
        } else if is_touched {
            server.follows.moved.notify_one();
        }
    }
    Ok(())
}
