//! Connections, filtered and in an order.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use serde_json::{Value, json};
use tokio::time::Instant;
use ws_channels::ChannelName;
use ws_handler::{Application, Client, ConnectionId, EndReason, WebSocketHandler};

use super::{
    parameters::{Misread, Parameters},
    rates::{Rate, Rates},
};
use crate::report;

const LISTED: u32 = 50;
const LISTED_MAX: u32 = 1000;
/// Over how long rates are counted, unless it is said.
const WINDOW: Duration = Duration::from_secs(1);
const WINDOW_MAX: Duration = Duration::from_secs(10);
/// How long is looked, before the answer says that it does not know all.
const LOOK_TIME: Duration = Duration::from_millis(500);
/// Connections that are looked through between two looks at the clock.
const BATCH: usize = 8192;
/// Versions that are told, those of the most connections first.
const AGENTS_TOLD: usize = 10;

/// Which connections are asked for, and which of them first.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    user: Option<Arc<str>>,
    channel: Option<ChannelName>,
    network: Option<IpNet>,
    agent: Option<Box<str>>,
    reason: Option<EndReason>,
    healthy: Option<bool>,
    closing: Option<bool>,
    rate_min: Option<f64>,
    queued_min: Option<u32>,
    order: Order,
    limit: usize,
    /// Over how long rates are counted; zero for not at all.
    pub(crate) window: Duration,
}

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Most messages a second.
    Rate,
    /// Most bytes a second.
    Bytes,
    /// Most bytes that wait for their client.
    Queued,
    /// Open for the longest.
    Oldest,
    /// Open for the shortest.
    Newest,
    /// Longest round trip.
    Latency,
}

const ORDERS: [(&str, Order); 6] = [
    ("rate", Order::Rate),
    ("bytes", Order::Bytes),
    ("queued", Order::Queued),
    ("oldest", Order::Oldest),
    ("newest", Order::Newest),
    ("latency", Order::Latency),
];

const KNOWN: [&str; 12] = [
    "user",
    "channel",
    "address",
    "agent",
    "reason",
    "healthy",
    "closing",
    "minRate",
    "minQueued",
    "sort",
    "limit",
    "window",
];

/// One that was found.
struct Found {
    client: Arc<Client>,
    rate: Rate,
    queued: usize,
}

impl Selection {
    pub(crate) fn read(parameters: &Parameters) -> Result<Self, Misread> {
        parameters.expect_only(&KNOWN)?;
        let address = "an address or a network is expected, such as 203.0.113.7 or 203.0.113.0/24";
        let network = match parameters.text("address") {
            Some(text) if !text.contains('/') => {
                parameters.parsed::<IpAddr>("address", address)?.map(IpNet::from)
            }
            _ => parameters.parsed("address", address)?,
        };
        let reason = parameters.text("reason").map(|label| {
            EndReason::from_label(label).ok_or_else(|| {
                let labels: Vec<_> = EndReason::ALL.iter().map(|reason| reason.label()).collect();
                Misread::new("reason", format!("one of {} is expected", labels.join(", ")))
            })
        });
        let order = parameters.text("sort").map(|name| {
            let known = ORDERS.iter().find(|(known, _)| *known == name).map(|(_, order)| *order);
            known.ok_or_else(|| {
                let names = ORDERS.map(|(name, _)| name).join(", ");
                Misread::new("sort", format!("one of {names} is expected"))
            })
        });
        let rate = "a number of messages a second is expected";
        Ok(Self {
            user: parameters.text("user").map(Arc::from),
            channel: parameters.channel()?,
            network,
            agent: parameters.text("agent").map(|text| text.to_ascii_lowercase().into()),
            reason: reason.transpose()?,
            healthy: parameters.truth("healthy")?,
            closing: parameters.truth("closing")?,
            rate_min: parameters.parsed("minRate", rate)?,
            queued_min: parameters.number("minQueued", 0, u32::MAX)?,
            order: order.transpose()?.unwrap_or(Order::Rate),
            limit: parameters.number("limit", 1, LISTED_MAX)?.unwrap_or(LISTED) as usize,
            window: parameters.time("window", Duration::ZERO, WINDOW_MAX)?.unwrap_or(WINDOW),
        })
    }

    /// Looks at all that may be meant. Not for the thread of a connection.
    pub(crate) fn run<A: Application>(
        &self,
        handler: &WebSocketHandler<A>,
        rates: &Rates,
    ) -> Value {
        let mut looking = Looking {
            selection: self,
            rates,
            found: Vec::new(),
            agents: HashMap::new(),
            matched: 0,
        };
        let mut is_complete = true;
        if let Some(user) = &self.user {
            handler.connections_by_user_id(user).into_iter().for_each(|it| looking.take(it));
        } else if let Some(channel) = &self.channel {
            handler.subscribers(channel).into_iter().for_each(|it| looking.take(it));
        } else {
            is_complete = looking.take_all(handler);
        }
        // Who is in a channel is known by the channel.
        if let (Some(_), Some(channel)) = (&self.user, &self.channel) {
            let members: HashSet<_> =
                handler.subscribers(channel).iter().map(|it| it.id()).collect();
            looking.found.retain(|found| members.contains(&found.client.id()));
            looking.matched = looking.found.len();
        }
        looking.keep_first();
        let rows: Vec<Value> = looking.found.iter().map(|found| found.row(rates)).collect();
        let mut agents: Vec<_> = looking.agents.into_iter().collect();
        agents.sort_unstable_by_key(|(_, count)| Reverse(*count));
        let agents: Vec<Value> = agents
            .iter()
            .take(AGENTS_TOLD)
            .map(|(agent, count)| json!({ "agent": agent.as_deref(), "connections": count }))
            .collect();
        json!({
            "node": format!("{:016x}", handler.node()),
            "total": handler.connection_count(),
            "matched": looking.matched,
            "complete": is_complete,
            "windowMs": rates.over().as_millis() as u64,
            "agents": agents,
            "connections": rows,
        })
    }

    fn wants(&self, found: &Found) -> bool {
        let Found { client, rate, queued } = found;
        let agent = |wanted: &str| {
            client.agent().is_some_and(|agent| agent.to_ascii_lowercase().contains(wanted))
        };
        self.network.is_none_or(|network| network.contains(&client.address()))
            && self.agent.as_deref().is_none_or(agent)
            && self.reason.is_none_or(|reason| client.end_reason() == Some(reason))
            && self.healthy.is_none_or(|healthy| client.is_healthy() == healthy)
            && self.closing.is_none_or(|closing| client.is_closing() == closing)
            && self.rate_min.is_none_or(|min| rate.messages() >= min)
            && self.queued_min.is_none_or(|min| *queued >= min as usize)
    }
}

/// A look, while it is going on.
struct Looking<'s> {
    selection: &'s Selection,
    rates: &'s Rates,
    found: Vec<Found>,
    agents: HashMap<Option<Arc<str>>, usize>,
    matched: usize,
}

impl Looking<'_> {
    /// Whether there was time for all.
    fn take_all<A: Application>(&mut self, handler: &WebSocketHandler<A>) -> bool {
        let until = Instant::now() + LOOK_TIME;
        let mut after: Option<ConnectionId> = None;
        loop {
            let batch = handler.connections_after(after, BATCH);
            let is_last = batch.len() < BATCH;
            after = batch.last().map(|client| client.id());
            batch.into_iter().for_each(|client| self.take(client));
            if is_last {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
        }
    }

    fn take(&mut self, client: Arc<Client>) {
        let (rate, queued) = (self.rates.of(client.id()), client.outbox().queued_bytes());
        let found = Found { client, rate, queued };
        if !self.selection.wants(&found) {
            return;
        }
        self.matched += 1;
        *self.agents.entry(found.client.agent().cloned()).or_default() += 1;
        self.found.push(found);
        // Never much more than are to be listed, however many match. With a user and a channel all are needed.
        if self.found.len() >= 4 * LISTED_MAX as usize && self.selection.user.is_none() {
            self.keep_first();
        }
    }

    fn keep_first(&mut self) {
        let order = self.selection.order;
        self.found.sort_unstable_by(|a, b| {
            b.key(order).total_cmp(&a.key(order)).then_with(|| a.client.id().cmp(&b.client.id()))
        });
        self.found.truncate(self.selection.limit);
    }
}

impl Found {
    /// The largest comes first.
    fn key(&self, order: Order) -> f64 {
        match order {
            Order::Rate => self.rate.messages(),
            Order::Bytes => self.rate.bytes(),
            Order::Queued => self.queued as f64,
            Order::Oldest => -(self.client.connected_at_ms() as f64),
            Order::Newest => self.client.connected_at_ms() as f64,
            Order::Latency => self.client.latency().map_or(-1.0, |latency| latency.as_secs_f64()),
        }
    }

    fn row(&self, rates: &Rates) -> Value {
        let mut row = report::connection(&self.client);
        row["agent"] = self.client.agent().map(|agent| Value::from(&**agent)).unwrap_or_default();
        row["queuedBytes"] = self.queued.into();
        row["endReason"] = self.client.end_reason().map(|it| it.label().into()).unwrap_or_default();
        // A moment is no window.
        let is_counted = rates.over() >= Duration::from_millis(50);
        let rate = |value: f64| if is_counted { value.into() } else { Value::Null };
        row["messagesInPerSecond"] = rate(self.rate.messages_in);
        row["messagesOutPerSecond"] = rate(self.rate.messages_out);
        row["bytesInPerSecond"] = rate(self.rate.bytes_in);
        row["bytesOutPerSecond"] = rate(self.rate.bytes_out);
        row
    }
}
