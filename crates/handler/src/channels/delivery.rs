//! From a publish to the outboxes of a channel's subscribers.

use std::{cell::RefCell, sync::Arc, time::Instant};

use ws_channels::{ChannelName, EventId, SlowConsumer};
use ws_connection::{Origin, Prepared};
use ws_protocol::{Id, ServerMessage};
use ws_transport::{Delivery, Overflow, SendError};

use super::{Channel, Hub, Member, Subscriber, Tally, events::EventName, stored::Stored};
use crate::client::Client;

/// A message for the subscribers of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) message: Arc<Prepared>,
    /// The event that it brings, if its publisher gave it a name.
    pub(crate) event: Option<EventId>,
    pub(crate) policy: SlowConsumer,
}

/// What was published by one connection and is not delivered yet: all of one read goes together.
#[derive(Debug, Default)]
pub(crate) struct Batch(Vec<(Arc<Channel>, Parcel)>);

thread_local! {
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static SPARE_BATCH: RefCell<Option<Box<Batch>>> = const { RefCell::new(None) };
}

/// A buffer that grew past this is given back.
const KEEP_BYTES_MAX: usize = 64 * 1024;

/// A message framed once, for as many as there are.
pub(crate) fn prepare(message: &ServerMessage<'_>, timestamp: u64) -> Prepared {
    prepare_answer(message, None, timestamp)
}

/// As [`prepare`], with the `id` of what it answers.
pub(crate) fn prepare_answer(
    message: &ServerMessage<'_>,
    id: Option<Id<'_>>,
    timestamp: u64,
) -> Prepared {
    TEXT.with_borrow_mut(|text| {
        text.clear();
        message.encode(id, timestamp, text);
        // What was encoded from strings is UTF-8.
        let prepared = Prepared::text(str::from_utf8(text).unwrap_or_default());
        if text.capacity() > KEEP_BYTES_MAX {
            *text = Vec::new();
        }
        prepared
    })
}

impl Batch {
    /// An empty one, of those that the thread has used before.
    pub(crate) fn new() -> Box<Self> {
        SPARE_BATCH.take().unwrap_or_default()
    }

    pub(crate) fn push(&mut self, channel: Arc<Channel>, parcel: Parcel) {
        self.0.push((channel, parcel));
    }

    fn recycle(mut self: Box<Self>) {
        self.0.clear();
        if self.0.capacity() <= 1024 {
            SPARE_BATCH.set(Some(self));
        }
    }
}

impl Hub {
    /// What another node says was published in a channel that keeps nothing.
    pub(crate) fn handle_publication(&self, channel: &str, body: &[u8]) {
        let Some(channel) = self.table.channel(channel) else { return };
        let name = channel.name();
        let Some(stored) = Stored::decode(body) else {
            tracing::warn!(channel = %name, "a note of another node is no publication");
            return;
        };
        let event = EventName::of(stored.event_id, stored.from);
        // Who publishes again because no answer came may have come to another node.
        if self.is_new_event(name, event, tokio::time::Instant::now().into_std()) {
            let message = prepare(&stored.message(name, None), stored.timestamp);
            let parcel = self.parcel(name, message, event, self.policy(name), stored.event);
            self.arrived(stored.trace, name, || self.deliver(&channel, &parcel, None));
        }
    }

    /// Whether this is no event, or one that is published for the first time within the window.
    pub(crate) fn is_new_event(
        &self,
        name: &ChannelName,
        event: Option<EventName<'_>>,
        now: Instant,
    ) -> bool {
        let is_new = event.is_none_or(|event| self.events.is_new(name, event, now));
        if !is_new {
            self.counts.add(Tally::Repeated as usize);
        }
        is_new
    }

    /// Makes a parcel of a message.
    pub(crate) fn parcel(
        &self,
        name: &ChannelName,
        message: Prepared,
        event: Option<EventName<'_>>,
        policy: SlowConsumer,
        key: Option<&str>,
    ) -> Parcel {
        let event = event.filter(|_| self.settings.event_cache.is_some());
        let event = event.map(|event| self.events.id(event));
        let message = match policy {
            SlowConsumer::Disconnect => message,
            SlowConsumer::DropOldest | SlowConsumer::DropNewest | SlowConsumer::Conflate => message
                .with_origin(Origin {
                    channel: name.as_str().into(),
                    key: self.key_of(key),
                    range: None,
                    count: 1,
                }),
        };
        Parcel { message: Arc::new(message), event, policy }
    }

    /// Delivers what one connection published, in its order. Neighbours that go the same way go
    /// together: each receiver is touched once for them. Answers how often one took something.
    pub(crate) fn deliver_batch(&self, batch: Box<Batch>) -> usize {
        let same_way = |(channel, parcel): &(Arc<Channel>, Parcel),
                        other: &(Arc<Channel>, Parcel)| {
            Arc::ptr_eq(channel, &other.0)
                && parcel.policy == other.1.policy
                && parcel.event.is_none()
                && other.1.event.is_none()
                // Each has a key of its own.
                && parcel.policy != SlowConsumer::Conflate
        };
        let mut receivers = 0;
        for run in batch.0.chunk_by(same_way) {
            match run {
                [] => {}
                [(channel, parcel)] => {
                    receivers += self.deliver(channel, parcel, None);
                }
                [(channel, first), ..] => {
                    let messages: Vec<_> = run.iter().map(|(_, it)| it.message.clone()).collect();
                    if let Some(message) = Prepared::join(&messages) {
                        let joined = Parcel { message, ..first.clone() };
                        receivers += self.deliver_counted(channel, &joined, None, run.len());
                    }
                }
            }
        }
        batch.recycle();
        receivers
    }

    /// Hands a message to all subscribers, or to all but one. Answers how many took it.
    pub(crate) fn deliver(
        &self,
        channel: &Channel,
        parcel: &Parcel,
        except: Option<&Subscriber>,
    ) -> usize {
        self.deliver_counted(channel, parcel, except, 1)
    }

    fn deliver_counted(
        &self,
        channel: &Channel,
        parcel: &Parcel,
        except: Option<&Subscriber>,
        messages: usize,
    ) -> usize {
        let mut walk = Walk::default();
        // Held while all of them are handed it: that is what makes all see the same order.
        let publication = channel.publish();
        let members = match except {
            Some(one) => publication.members_except(one),
            None => publication.members(),
        };
        for member in members {
            self.hand_over(member, parcel, &mut walk);
        }
        drop(publication);
        self.conclude(&walk, messages)
    }

    pub(crate) fn hand_over(&self, member: &Member, parcel: &Parcel, walk: &mut Walk) {
        let overflow = match parcel.policy {
            SlowConsumer::Disconnect => Overflow::Refuse,
            SlowConsumer::DropOldest => Overflow::DropOldest,
            SlowConsumer::DropNewest => Overflow::DropNewest,
            SlowConsumer::Conflate => Overflow::Conflate,
        };
        let send = || member.outbox().send_or(parcel.message.clone(), overflow);
        let sent = match (parcel.event, self.settings.event_cache) {
            (Some(event), Some(capacity)) => member.send_once(event, capacity, send),
            _ => Some(send()),
        };
        match sent {
            Some(Ok(Delivery::Queued)) => walk.delivered += 1,
            Some(Ok(Delivery::Dropped)) => walk.dropped += 1,
            Some(Err(SendError::Full(_))) => walk.slow.push(member.clone()),
            // It is on its way out, and will be told nothing more.
            Some(Err(SendError::Closed(_))) => {}
            None => walk.already_sent += 1,
        }
    }

    /// What can only be done when the channel is not held any more.
    pub(crate) fn conclude(&self, walk: &Walk, messages: usize) -> usize {
        let messages = messages as u64;
        self.counts.add_many(Tally::Delivered as usize, walk.delivered as u64 * messages);
        for (tally, count) in
            [(Tally::AlreadySent, walk.already_sent), (Tally::Dropped, walk.dropped)]
        {
            if count > 0 {
                self.counts.add_many(tally as usize, count as u64 * messages);
            }
        }
        for client in &walk.slow {
            self.close_slow(client);
        }
        walk.delivered
    }

    pub(crate) fn close_slow(&self, client: &Client) {
        if !client.is_closing() {
            self.counts.add(Tally::ClosedSlow as usize);
            client.close_slow();
        }
    }
}

/// What came of handing a message to many.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(crate) delivered: usize,
    already_sent: usize,
    dropped: usize,
    /// Those whose outbox is full, to be closed after the walk.
    slow: Vec<Arc<Client>>,
}
