//! Events that have names, and whose names those are.

use std::time::Instant;

use ws_channels::{
    ChannelName, EventId, EventIds, PublishedEvents, PublishedEventsConfig, PublishedEventsStats,
};

/// The events of clients and those of back-ends. The two are kept apart: a client that guesses the name
/// of an event that a back-end is going to publish cannot make it be taken for a repetition.
pub(crate) struct Events {
    of_clients: Known,
    of_back_ends: Known,
}

struct Known {
    published: Option<PublishedEvents>,
    ids: EventIds,
}

/// The name of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EventName<'e> {
    /// As a client calls it.
    OfClient(&'e str),
    /// As a back-end, or the application, calls it.
    OfBackEnd(&'e str),
}

impl<'e> EventName<'e> {
    /// The name that a publish has; an empty one is none, for it would swallow all other empty ones.
    pub(crate) fn of(event_id: Option<&'e str>, from: Option<&str>) -> Option<Self> {
        let name = event_id.filter(|event_id| !event_id.is_empty())?;
        Some(if from.is_some() { Self::OfClient(name) } else { Self::OfBackEnd(name) })
    }
}

impl Events {
    pub(crate) fn new(config: Option<PublishedEventsConfig>) -> Self {
        let known = || Known { published: config.map(PublishedEvents::new), ids: EventIds::new() };
        Self { of_clients: known(), of_back_ends: known() }
    }

    /// Whether it is published for the first time within the window.
    pub(crate) fn is_new(&self, channel: &ChannelName, event: EventName<'_>, now: Instant) -> bool {
        let (known, name) = self.known(event);
        known.published.as_ref().is_none_or(|published| published.insert(channel, name, now))
    }

    /// Forgets one whose publish has failed after all.
    pub(crate) fn forget(&self, channel: &ChannelName, event: Option<EventName<'_>>) {
        let Some((known, name)) = event.map(|event| self.known(event)) else { return };
        if let Some(published) = &known.published {
            published.forget(channel, name);
        }
    }

    /// By what clients are remembered to have been sent it.
    pub(crate) fn id(&self, event: EventName<'_>) -> EventId {
        let (known, name) = self.known(event);
        known.ids.id(name)
    }

    /// How many are remembered to have been published.
    pub(crate) fn remembered(&self) -> usize {
        let all = [&self.of_clients, &self.of_back_ends];
        let stats = all.into_iter().filter_map(|known| known.published.as_ref());
        stats.map(PublishedEvents::stats).map(|PublishedEventsStats { events, .. }| events).sum()
    }

    fn known<'e>(&self, event: EventName<'e>) -> (&Known, &'e str) {
        match event {
            EventName::OfClient(name) => (&self.of_clients, name),
            EventName::OfBackEnd(name) => (&self.of_back_ends, name),
        }
    }
}
