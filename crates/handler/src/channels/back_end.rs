//! What an application or a back-end does with channels and users: no permission is asked.

use std::{collections::BinaryHeap, sync::Arc, time::Instant};

use futures_util::FutureExt;
use serde_json::value::RawValue;
use ws_broker::{EngineError, Position};
use ws_channels::{ChannelName, ChannelRule, OnOutage};
use ws_close_manager::SendableCode;
use ws_protocol::{ChannelMessage, ServerMessage};

use super::{
    Hub, Tally, backlog::Job, delivery::prepare, events::EventName, is_public, stored::Stored,
};
use crate::{application::Application, client::Client, handler::WebSocketHandler};

/// Something for the subscribers of a channel.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// Which channel.
    pub channel: &'a ChannelName,
    /// What kind of thing it is, within the channel.
    pub event: Option<&'a str>,
    /// The thing.
    pub data: &'a RawValue,
    /// The publisher's own name for it: published again within the window, it is not delivered again,
    /// and a client that has been sent it is not sent it again. Names of clients and of back-ends are two
    /// kinds, so that nobody takes a back-end's away.
    pub event_id: Option<&'a str>,
    /// Which user publishes it; `None` for a back-end.
    pub from: Option<&'a str>,
}

/// What came of a publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// To how many connections of this process it is on its way; 0 in a channel with a history, where that is
    /// not known yet.
    pub receivers: usize,
    /// It had been published before, and was not delivered again.
    pub duplicate: bool,
    /// Where it is in the history, if the channel has one.
    pub position: Option<Position>,
}

/// A channel with at least one subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Its name.
    pub name: ChannelName,
    /// How many connections are subscribed.
    pub subscribers: usize,
}

/// Who is in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceInfo {
    /// How many users.
    pub count: usize,
    /// Who they are, as many as were asked for, in no particular order.
    pub users: Vec<Arc<str>>,
}

/// A snapshot of what channels hold and have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Channels with a subscriber.
    pub channels: usize,
    /// Rooms in which somebody is: channels that clients join, `room:…`.
    pub rooms: usize,
    /// Channels in which somebody is known to be, rooms among them.
    pub channels_with_presence: usize,
    /// Subscriptions of all connections.
    pub subscriptions: usize,
    /// Users in channels with presence, in each counted once, those whom other nodes hold among them.
    pub present: usize,
    /// Those of them whose connections are gone, and who may come back yet.
    pub absent: usize,
    /// Events by which repetitions are recognized.
    pub remembered_events: usize,
    /// Connections that hold a place of a connection type.
    pub typed_connections: usize,
    /// Label and count of what happened; counts never go back.
    pub counts: Vec<(&'static str, u64)>,
}

impl Hub {
    /// Publishes in a channel that keeps nothing.
    fn publish(
        self: &Arc<Self>,
        publish: &Publish<'_>,
        now: Instant,
    ) -> Result<Published, EngineError> {
        let Publish { channel: name, event, event_id, from, .. } = *publish;
        let event_name = EventName::of(event_id, from);
        if !self.is_new_event(name, event_name, now) {
            return Ok(Published { duplicate: true, ..Published::default() });
        }
        let stored = Stored::of(publish, false, self.wall_ms(now));
        let on_outage = {
            let in_force = self.in_force();
            in_force.rules.rule_of(name).map_or(OnOutage::Local, ChannelRule::on_outage)
        };
        if let Err(error) = self.tell_others(name, &stored, on_outage) {
            self.events.forget(name, event_name);
            return Err(error);
        }
        self.counts.add(Tally::Published as usize);
        self.tell_outward(name, &stored);
        let Some(channel) = self.table.channel(name) else { return Ok(Published::default()) };
        let message = prepare(&stored.message(name, None), stored.timestamp);
        let parcel = self.parcel(name, message, event_name, self.policy(name), event);
        let receivers = self.delivered(name, || self.deliver(&channel, &parcel, None));
        Ok(Published { receivers, ..Published::default() })
    }

    fn stats(&self) -> ChannelStats {
        let table = self.table.stats();
        let presence = self.presence.stats();
        ChannelStats {
            channels: table.channels,
            rooms: presence.joinable,
            channels_with_presence: presence.rooms,
            subscriptions: table.subscriptions,
            present: presence.users,
            absent: presence.absent,
            remembered_events: self.events.remembered(),
            typed_connections: self.places.len(),
            counts: Tally::LABELS.into_iter().zip(self.counts.totals()).collect(),
        }
    }
}

impl<A: Application> WebSocketHandler<A> {
    /// Publishes into a channel. Rules and limits are for clients and are not asked. Where that can fail,
    /// because an engine is between nodes or keeps a history, a failure is in the log, and
    /// [`publish_confirmed`](Self::publish_confirmed) tells of it.
    pub fn publish(&self, publish: &Publish<'_>) -> Published {
        let channel = publish.channel.clone();
        let mut confirmed = Box::pin(self.publish_confirmed(publish));
        let failed = move |error| tracing::warn!(%channel, %error, "not published");
        match (&mut confirmed).now_or_never() {
            Some(Ok(published)) => published,
            Some(Err(error)) => {
                failed(error);
                Published::default()
            }
            None => {
                tokio::spawn(async move {
                    if let Err(error) = confirmed.await {
                        failed(error);
                    }
                });
                Published::default()
            }
        }
    }

    /// As [`publish`](Self::publish), and says what came of it.
    ///
    /// Where a history is kept, the answer means that the message is in it, and says where: it is delivered
    /// in the order of the log. It is on its way when this returns, awaited or not, and where everything
    /// is in this process's memory it is done by then.
    pub fn publish_confirmed(
        &self,
        publish: &Publish<'_>,
    ) -> impl Future<Output = Result<Published, EngineError>> + Send + use<A> {
        let hub = &self.shared.hub;
        let (done, appended) = match hub.keep(publish.channel) {
            None => (Some(hub.publish(publish, now())), None),
            Some(keep) => {
                let stored = Stored::of(publish, false, hub.wall_ms(now()));
                let event = EventName::of(publish.event_id, publish.from);
                let job = Job::new(publish.channel.clone(), Some(keep), &stored, event);
                (None, Some((hub.clone(), hub.append(&job))))
            }
        };
        async {
            if let Some(done) = done {
                return done;
            }
            let Some((hub, appended)) = appended else { return Ok(Published::default()) };
            let appended = appended.await?;
            hub.count_append(&appended);
            Ok(Published {
                receivers: 0,
                duplicate: appended.is_repeated,
                position: Some(appended.position),
            })
        }
    }

    /// Sends something to every connection of this node that has been let in; answers to how many.
    pub fn broadcast(&self, event: Option<&str>, data: &RawValue) -> usize {
        let message = prepare(&direct(event, data, None), self.shared.clock.wall_ms(now()));
        self.shared.broadcast_here(message)
    }

    /// Sends something to every connection of a user to this node; answers to how many.
    pub fn send_to_user(&self, user_id: &str, event: Option<&str>, data: &RawValue) -> usize {
        let message = prepare(&direct(event, data, None), self.shared.clock.wall_ms(now()));
        self.shared.send_to_user(user_id, message)
    }

    /// Starts to close every connection of a user to this node; answers how many.
    pub fn disconnect_user(&self, user_id: &str, code: SendableCode, reason: &str) -> usize {
        self.shared.disconnect_here(user_id, code, reason)
    }

    /// At most `max` channels whose names begin with `prefix` and that somebody is subscribed to, in
    /// the order of their names.
    pub fn channels(&self, prefix: &str, max: usize) -> Vec<ChannelInfo> {
        self.channels_after(prefix, None, max)
    }

    /// As [`WebSocketHandler::channels`], those alone whose names come behind `after`. Looks at every
    /// channel and keeps no more than it answers.
    pub fn channels_after(
        &self,
        prefix: &str,
        after: Option<&str>,
        max: usize,
    ) -> Vec<ChannelInfo> {
        self.channels_where(after, max, |name| name.starts_with(prefix))
    }

    /// As [`WebSocketHandler::channels_after`], those alone whose names are meant.
    pub fn channels_where(
        &self,
        after: Option<&str>,
        max: usize,
        mut is_meant: impl FnMut(&str) -> bool,
    ) -> Vec<ChannelInfo> {
        // The first ones so far, the last of them on top.
        let mut first: BinaryHeap<(ChannelName, usize)> = BinaryHeap::new();
        self.shared.hub.table.for_each_channel(|channel| {
            let name = channel.name();
            let is_next = is_public(name)
                && after.is_none_or(|after| name.as_str() > after)
                && (first.len() < max || first.peek().is_some_and(|(last, _)| name < last))
                && is_meant(name.as_str());
            if is_next {
                first.push((name.clone(), channel.len()));
                if first.len() > max {
                    first.pop();
                }
            }
        });
        let sorted = first.into_sorted_vec().into_iter();
        sorted.map(|(name, subscribers)| ChannelInfo { name, subscribers }).collect()
    }

    /// The connections that are subscribed to a channel.
    pub fn subscribers(&self, channel: &str) -> Vec<Arc<Client>> {
        let channel = self.shared.hub.table.channel(channel);
        channel.map_or_else(Vec::new, |channel| channel.publish().members().cloned().collect())
    }

    /// The channels that a connection is subscribed to. Looks at every channel: for people who look into
    /// something, not for programs that do it all the time.
    pub fn subscriptions_of(&self, client: &Client) -> Vec<ChannelName> {
        let mut found = Vec::new();
        self.shared.hub.table.for_each_channel(|channel| {
            let is_there = || channel.publish().members().any(|member| member.id() == client.id());
            if is_public(channel.name()) && is_there() {
                found.push(channel.name().clone());
            }
        });
        found.sort_unstable();
        found
    }

    /// How many users are in a channel, and at most `users_max` of them.
    pub fn presence(&self, channel: &str, users_max: usize) -> PresenceInfo {
        let presence = &self.shared.hub.presence;
        PresenceInfo { count: presence.count(channel), users: presence.users(channel, users_max) }
    }

    /// What channels hold and have done.
    pub fn channel_stats(&self) -> ChannelStats {
        self.shared.hub.stats()
    }

    /// Whether one of the connection types means this path, so that upgrades are to be served there.
    pub fn is_connection_path(&self, path: &str) -> bool {
        // A value that cannot be used is refused where it is known what it is for.
        !matches!(self.shared.in_force().types.target(path), Ok(None))
    }
}

/// A message of a back-end that came by no channel.
pub(crate) fn direct<'m>(
    event: Option<&'m str>,
    data: &'m RawValue,
    message_id: Option<&'m str>,
) -> ServerMessage<'m> {
    ServerMessage::Message(ChannelMessage {
        channel: None,
        subject: None,
        event,
        data,
        from: None,
        offset: None,
        event_id: None,
        message_id,
    })
}

pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
