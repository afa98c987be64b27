//! What is published in channels, for somebody beside them: a bridge to elsewhere.

use std::{fmt, sync::Arc};

use ws_broker::{Answer, Appended, EngineError};
use ws_channels::ChannelName;

use super::{
    Hub, Tally,
    back_end::{Publish, Published, now},
    backlog::Job,
    delivery::prepare,
    events::EventName,
    stored::Stored,
};
use crate::{application::Application, handler::WebSocketHandler};

/// Who is told of what is published through this node. Each publish is told of by one node: that at which it
/// was accepted, after that, at most once. Called from connections' tasks; must not block.
pub trait Outward: Send + Sync + fmt::Debug + 'static {
    /// Whether anything of this channel is wanted.
    fn wants(&self, channel: &str) -> bool;

    /// Something was published, and is delivered or kept.
    fn handle_published(&self, publish: &Publish<'_>);
}

impl Hub {
    /// A publish in a channel that keeps nothing was accepted.
    pub(crate) fn tell_outward(&self, channel: &ChannelName, stored: &Stored<'_>) {
        if let Some(outward) = &self.settings.outward
            && outward.wants(channel)
        {
            outward.handle_published(&stored.publish(channel));
        }
    }

    /// Tells of a publish once it is kept.
    pub(crate) fn outward_when_kept(
        &self,
        job: &Job,
        answer: Answer<Appended>,
    ) -> Answer<Appended> {
        let wanted = self.settings.outward.as_ref().filter(|outward| outward.wants(&job.name));
        let Some(outward) = wanted.filter(|_| !job.is_inward).cloned() else { return answer };
        let (name, bytes) = (job.name.clone(), job.stored.clone());
        Box::pin(async move {
            let appended = answer.await?;
            if let Some(stored) = Stored::decode(&bytes).filter(|_| !appended.is_repeated) {
                outward.handle_published(&stored.publish(&name));
            }
            Ok(appended)
        })
    }

    /// To those who are connected to this node, and to nobody else.
    fn deliver_here(&self, publish: &Publish<'_>, subject: &str) -> Published {
        let Publish { channel: name, event_id, from, .. } = *publish;
        let (now, event_name) = (now(), EventName::of(event_id, from));
        if !self.is_new_event(name, event_name, now) {
            return Published { duplicate: true, ..Published::default() };
        }
        self.counts.add(Tally::Published as usize);
        let Some(channel) = self.table.channel(name) else { return Published::default() };
        let stored =
            Stored { subject: Some(subject), ..Stored::of(publish, false, self.wall_ms(now)) };
        let message = prepare(&stored.message(name, None), stored.timestamp);
        let parcel = self.parcel(name, message, event_name, self.policy(name), stored.about());
        Published { receivers: self.deliver(&channel, &parcel, None), ..Published::default() }
    }
}

impl<A: Application> WebSocketHandler<A> {
    /// Whether something is kept of a channel, so that what comes from outside is to be taken in by one node
    /// for all.
    pub fn has_history(&self, channel: &ChannelName) -> bool {
        self.shared.hub.keep(channel).is_some()
    }

    /// Publishes what a subject of another system brought. Where nothing is kept, every node takes it in, and delivers it to those
    /// who are connected to it; where a [history is kept](Self::has_history), one of them does, for all.
    /// [`Outward`] is not told of it.
    pub fn take_in(
        &self,
        publish: &Publish<'_>,
        subject: &str,
    ) -> impl Future<Output = Result<Published, EngineError>> + Send + use<A> {
        let hub = &self.shared.hub;
        let (done, appended) = match hub.keep(publish.channel) {
            None => (Some(hub.deliver_here(publish, subject)), None),
            Some(keep) => {
                let stored = Stored::of(publish, false, hub.wall_ms(now()));
                let stored = Stored { subject: Some(subject), ..stored };
                let event = EventName::of(publish.event_id, publish.from);
                let job = Job::new(publish.channel.clone(), Some(keep), &stored, event).inward();
                (None, Some((Arc::clone(hub), hub.append(&job))))
            }
        };
        async move {
            let Some((hub, appended)) = appended else { return Ok(done.unwrap_or_default()) };
            let appended = appended.await?;
            hub.count_append(&appended);
            Ok(Published {
                receivers: 0,
                duplicate: appended.is_repeated,
                position: Some(appended.position),
            })
        }
    }
}
