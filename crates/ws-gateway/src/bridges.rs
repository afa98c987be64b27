//! Bridges between subjects of NATS and channels.
//!
//! What comes in is marked by nobody and goes into its channel alone; what goes out carries the prefix of our
//! gateways, by which the client of NATS leaves it out when it comes back. So nothing goes round in circles.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use serde_json::value::RawValue;
use tokio::{runtime::Handle, sync::Semaphore};
use ws_broker::Status;
use ws_broker_nats::{Arrival, Bridge, Client};
use ws_channels::ChannelName;
use ws_handler::{Application, Outward, Publish, WebSocketHandler};

use crate::{
    config::BridgeSpec,
    outcomes::{Outcomes, Passage},
};

/// Messages that may be on their way into logs at once; of more, the newest are dropped and counted.
const TAKING_MAX: usize = 4096;
/// The headers of what goes out, and of what comes in where somebody sets them.
const EVENT: &str = "Ws-Event";
const FROM: &str = "Ws-From";
const EVENT_ID: &str = "Ws-Event-Id";
/// By which NATS itself tells repetitions.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// The bridges of a gateway. Cheap to clone.
#[derive(Clone)]
pub struct Bridges(Arc<Shared>);

struct Shared {
    client: Client,
    /// Subject and channel of each that is open inwards.
    inward: Vec<(String, ChannelName)>,
    /// The subjects that a channel goes out to.
    outward: HashMap<ChannelName, Vec<String>>,
    taking: Arc<Semaphore>,
    outcomes: Arc<Outcomes>,
}

impl Bridges {
    /// Bridges over this connection. Names were checked when they were read; one that is none is left out.
    pub fn new(client: Client, specs: &[BridgeSpec], outcomes: Arc<Outcomes>) -> Self {
        let (mut inward, mut outward) = (Vec::new(), HashMap::<_, Vec<_>>::new());
        for spec in specs {
            let Ok(channel) = ChannelName::new(&spec.channel) else { continue };
            if spec.direction.is_in() {
                inward.push((spec.subject.clone(), channel.clone()));
            }
            if spec.direction.is_out() {
                outward.entry(channel).or_default().push(spec.subject.clone());
            }
        }
        let taking = Arc::new(Semaphore::new(TAKING_MAX));
        Self(Arc::new(Shared { client, inward, outward, taking, outcomes }))
    }

    /// How the connection is.
    pub fn status(&self) -> Status {
        self.0.client.status()
    }

    /// Opens them inwards, as long as what is returned lives. Must be called within a tokio runtime.
    pub fn open<A: Application>(&self, handler: &WebSocketHandler<A>) -> Vec<Bridge> {
        let open = |(subject, channel): &(String, ChannelName)| {
            // One gateway appends for all; what is not kept each hears itself.
            let group = handler.has_history(channel).then_some("ws-gateway");
            let (shared, handler, channel) = (self.0.clone(), handler.clone(), channel.clone());
            let runtime = Handle::current();
            let bridge = self.0.client.bridge(subject, group, move |arrival| {
                let _within = runtime.enter();
                shared.take_in(&handler, &channel, arrival);
            });
            bridge.map_err(|error| tracing::error!(%error, subject, "a bridge is not open")).ok()
        };
        self.0.inward.iter().filter_map(open).collect()
    }
}

impl Shared {
    fn take_in<A: Application>(
        &self,
        handler: &WebSocketHandler<A>,
        channel: &ChannelName,
        arrival: Arrival<'_>,
    ) {
        let Some(data) = data_of(arrival.payload) else {
            return self.outcomes.add_bridge(Passage::NotText);
        };
        let Ok(place) = self.taking.clone().try_acquire_owned() else {
            return self.outcomes.add_bridge(Passage::NotKept);
        };
        let headers = arrival.headers;
        let publish = Publish {
            channel,
            event: headers.get(EVENT),
            data: &data,
            event_id: headers.get(EVENT_ID).or_else(|| headers.get(MESSAGE_ID)),
            from: None,
        };
        let taken = handler.take_in(&publish, arrival.subject);
        let outcomes = self.outcomes.clone();
        // On its way already, in the order in which it came.
        tokio::spawn(async move {
            match taken.await {
                Ok(published) if published.duplicate => outcomes.add_bridge(Passage::Repeated),
                Ok(_) => outcomes.add_bridge(Passage::In),
                Err(error) => {
                    tracing::debug!(%error, "what came over a bridge is not kept");
                    outcomes.add_bridge(Passage::NotKept);
                }
            }
            drop(place);
        });
    }
}

/// JSON as it is; other text as a string of JSON; `None` if it is neither.
fn data_of(payload: &[u8]) -> Option<Cow<'_, RawValue>> {
    if let Ok(json) = serde_json::from_slice::<&RawValue>(payload) {
        let is_usual = !ws_protocol::is_too_deep(json.get());
        return is_usual.then_some(Cow::Borrowed(json));
    }
    let text = str::from_utf8(payload).ok()?;
    serde_json::value::to_raw_value(text).ok().map(Cow::Owned)
}

impl Outward for Bridges {
    fn wants(&self, channel: &str) -> bool {
        !self.0.outward.is_empty() && self.0.outward.contains_key(channel)
    }

    fn handle_published(&self, publish: &Publish<'_>) {
        let subjects = self.0.outward.get(publish.channel.as_str());
        let named = [(EVENT, publish.event), (FROM, publish.from), (EVENT_ID, publish.event_id)];
        // A name that fits into no header stays behind, and what it names goes.
        let fits = |name: &str| name.bytes().all(|byte| (b' '..0x7f).contains(&byte));
        let headers: Vec<(&str, &str)> = named
            .iter()
            .filter_map(|(header, name)| Some((*header, name.filter(|name| fits(name))?)))
            .collect();
        for subject in subjects.into_iter().flatten() {
            let payload = publish.data.get().to_owned().into();
            match self.0.client.publish(subject, payload, &headers) {
                Ok(()) => self.0.outcomes.add_bridge(Passage::Out),
                Err(error) => {
                    tracing::debug!(%error, subject, "a message does not go out over its bridge");
                    self.0.outcomes.add_bridge(Passage::NotSent);
                }
            }
        }
    }
}

impl fmt::Debug for Bridges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridges")
            .field("inward", &self.0.inward)
            .field("outward", &self.0.outward)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_passes_as_it_is_and_other_text_as_a_string() {
        for (payload, expect) in [
            (&b"{\"price\":1.50}"[..], Some("{\"price\":1.50}")),
            (b" 7 ", Some("7")),
            (b"hello", Some("\"hello\"")),
            (b"say \"x\"\n", Some("\"say \\\"x\\\"\\n\"")),
            (b"", Some("\"\"")),
            (b"\xff", None),
        ] {
            assert_eq!(data_of(payload).as_deref().map(RawValue::get), expect, "{payload:?}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(data_of(deep.as_bytes()).is_none());
    }
}
