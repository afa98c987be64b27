//! Live frames of one user, channel or connection, with a line in the audit log at either end.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use serde_json::{Value, json};
use tokio::time::timeout;
use ws_handler::{
    Application, Sighting, WatchCounts, WatchError, WatchRequest, Watcher, WebSocketHandler,
};

use super::parameters::{Misread, Parameters};
use crate::api::shown_nodes;

/// How long, unless it is said, and at most.
const LASTS: Duration = Duration::from_secs(60);
const LASTS_MIN: Duration = Duration::from_secs(1);
const LASTS_MAX: Duration = Duration::from_secs(3600);
/// A trace does not wait for longer to be told where its user is.
const LOCATED_WITHIN: Duration = Duration::from_secs(1);
const SAMPLE_MAX: u32 = 1_000_000;

const KNOWN: [&str; 7] = ["user", "channel", "connection", "payloads", "sample", "rate", "for"];

/// A trace that is going on. Its end is logged when it is dropped, however that comes about.
#[derive(Debug)]
pub(crate) struct Trace {
    watcher: Watcher,
    address: IpAddr,
    /// Where the user is connected, once that was asked.
    nodes: Option<Vec<Value>>,
}

/// Why there is none.
#[derive(Clone, Debug)]
pub(crate) enum NoTrace {
    Misread(Misread),
    Watch(WatchError),
}

impl From<Misread> for NoTrace {
    fn from(misread: Misread) -> Self {
        Self::Misread(misread)
    }
}

fn request(parameters: &Parameters) -> Result<WatchRequest, Misread> {
    parameters.expect_only(&KNOWN)?;
    let of = |number: Option<u32>| number.and_then(NonZeroU32::new);
    let defaults = WatchRequest::default();
    let rate = parameters.number("rate", 1, WatchRequest::PER_SECOND_MAX.get())?;
    let id = "a connection's id is expected, such as 550e8400-e29b-41d4-a716-446655440000";
    Ok(WatchRequest {
        user: parameters.text("user").map(Into::into),
        channel: parameters.channel()?,
        connection: parameters.parsed("connection", id)?,
        with_payloads: parameters.truth("payloads")?.unwrap_or_default(),
        sample: of(parameters.number("sample", 1, SAMPLE_MAX)?).unwrap_or(defaults.sample),
        per_second_max: of(rate).unwrap_or(defaults.per_second_max),
        lasts: parameters.time("for", LASTS_MIN, LASTS_MAX)?.unwrap_or(LASTS),
    })
}

impl Trace {
    /// Begins one for whoever is at that address.
    pub(crate) fn start<A: Application>(
        handler: &WebSocketHandler<A>,
        parameters: &Parameters,
        address: IpAddr,
    ) -> Result<Self, NoTrace> {
        let watcher = handler.watch(request(parameters)?).map_err(NoTrace::Watch)?;
        let wanted = watcher.request();
        tracing::info!(
            target: "audit",
            %address,
            user = wanted.user.as_deref(),
            channel = wanted.channel.as_deref(),
            connection = wanted.connection.map(tracing::field::display),
            payloads = wanted.with_payloads,
            sample = wanted.sample,
            lasts_ms = wanted.lasts.as_millis() as u64,
            "a trace begins"
        );
        Ok(Self { watcher, address, nodes: None })
    }

    /// Asks where the user is connected that is traced, so that whoever reads knows which other node to ask.
    pub(super) async fn locate<A: Application>(&mut self, handler: &WebSocketHandler<A>) {
        if let Some(user) = self.watcher.request().user.clone() {
            let asked = timeout(LOCATED_WITHIN, handler.whereabouts(&user)).await;
            self.nodes = asked.ok().map(|whereabouts| shown_nodes(&whereabouts));
        }
    }

    /// The next sighting; none once its time is over.
    pub(crate) async fn next(&mut self) -> Option<Sighting> {
        self.watcher.next().await
    }

    pub(super) fn lasts(&self) -> Duration {
        self.watcher.request().lasts
    }

    /// One that is there already.
    pub(crate) fn next_at_hand(&mut self) -> Option<Sighting> {
        self.watcher.next_at_hand()
    }

    /// What is told first: what is traced, as it is carried out.
    pub(crate) fn beginning(&self) -> Value {
        let wanted = self.watcher.request();
        json!({
            "type": "begin",
            "nodes": self.nodes,
            "user": wanted.user.as_deref(),
            "channel": wanted.channel.as_deref(),
            "connection": wanted.connection.map(|id| id.to_string()),
            "payloads": wanted.with_payloads,
            "sample": wanted.sample,
            "rate": wanted.per_second_max,
            "forMs": wanted.lasts.as_millis() as u64,
        })
    }

    /// What was told so far and what was not: a line in between, or the last.
    pub(crate) fn state(&self, kind: &str) -> Value {
        let WatchCounts { told, sampled_out, limited, dropped } = self.watcher.counts();
        json!({
            "type": kind,
            "told": told,
            "sampledOut": sampled_out,
            "limited": limited,
            "dropped": dropped,
        })
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let (wanted, counts) = (self.watcher.request(), self.watcher.counts());
        tracing::info!(
            target: "audit",
            address = %self.address,
            user = wanted.user.as_deref(),
            channel = wanted.channel.as_deref(),
            connection = wanted.connection.map(tracing::field::display),
            told = counts.told,
            not_told = counts.sampled_out + counts.limited + counts.dropped,
            "a trace ends"
        );
    }
}
