//! What was published on its way: to those who are here, to the other nodes, into the log.

use std::sync::Arc;

use futures_util::FutureExt;
use ws_broker::{Appended, EngineError, Keep};
use ws_channels::{ChannelName, OnOutage};
use ws_protocol::{ErrorCode, Id, ServerMessage};
use ws_transport::Replies;

use super::{GatewaySession, publishing::Allowed, waiting::keep};
use crate::{
    application::Application,
    channels::{
        Tally,
        back_end::Publish,
        backlog::{Job, Ticket, code_of, sentence_of},
        delivery::{Batch, prepare},
        events::EventName,
    },
};

impl<A: Application> GatewaySession<A> {
    pub(super) fn publish(
        &mut self,
        allowed: &Allowed<'_>,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        let shared = self.shared.clone();
        let hub = &shared.hub;
        if let Some(kept) = &allowed.terms.keep {
            return self.append(allowed, kept, id, replies);
        }
        let Publish { channel: name, event_id, event, from, .. } = allowed.publish;
        let event_name = EventName::of(event_id, from);
        if hub.is_new_event(name, event_name, replies.now()) {
            if let Err(error) = hub.tell_others(name, &allowed.stored, allowed.terms.on_outage) {
                hub.events.forget(name, event_name);
                return self.refuse_for(name, &error, id, replies);
            }
            hub.counts.add(Tally::Published as usize);
            hub.tell_outward(name, &allowed.stored);
            if let Some(channel) = allowed.channel.clone() {
                let message =
                    prepare(&allowed.stored.message(name, None), allowed.stored.timestamp);
                let parcel = hub.parcel(name, message, event_name, allowed.terms.policy, event);
                // Delivered with whatever else came in the same read.
                self.outgoing.get_or_insert_with(Batch::new).push(channel, parcel);
                if allowed.stored.trace.is_some() {
                    self.deliver_traced(name);
                }
            }
        }
        if id.is_some() {
            self.send(&ServerMessage::Ack { message_id: None, offset: None }, id, replies);
        }
    }

    /// Into the log of the channel. Everybody is told in the log's order, those here as well; the publisher
    /// when it is kept.
    fn append(
        &mut self,
        allowed: &Allowed<'_>,
        kept: &Arc<Keep>,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        let Publish { channel: name, event_id, from, .. } = allowed.publish;
        // What it published before in other channels comes first.
        self.deliver_outgoing();
        let hub = self.shared.hub.clone();
        let event = EventName::of(event_id, from);
        let job = Job::new(name.clone(), Some(kept.clone()), &allowed.stored, event);
        let is_patient = allowed.terms.on_outage == OnOutage::Queue;
        if is_patient && hub.backlog.is_needed(&hub.cluster) {
            return self.let_wait(job, id, replies);
        }
        let mut answer = hub.append(&job);
        match (&mut answer).now_or_never() {
            // It went a moment ago.
            Some(Err(EngineError::Unavailable { .. })) if is_patient => {
                return self.let_wait(job, id, replies);
            }
            Some(appended) => return self.conclude_append(name, &appended, id, replies),
            None => {}
        }
        let ticket = Ticket { client: self.client().clone(), id: keep(id) };
        let shared = self.shared.clone();
        let patient = is_patient.then_some(());
        tokio::spawn(async move {
            match (answer.await, patient) {
                // It was on its way when the engine went: it waits as what comes behind it does.
                (Err(EngineError::Unavailable { .. }), Some(())) => {
                    if let Err((job, ticket)) = shared.hub.wait_for_engine(job, Some(ticket)) {
                        let error = EngineError::Overloaded { kind: shared.cluster.engine.kind() };
                        shared.hub.tell_appended(&job.name, ticket, &Err(error));
                    }
                }
                (appended, _) => shared.hub.tell_appended(&job.name, Some(ticket), &appended),
            }
        });
    }

    /// Until the engine is back.
    fn let_wait(&self, job: Job, id: Option<Id<'_>>, replies: &mut Replies<'_>) {
        let ticket = Ticket { client: self.client().clone(), id: keep(id) };
        if self.shared.hub.wait_for_engine(job, Some(ticket)).is_err() {
            let sentence = "the broker cannot be reached, and too much waits for it".into();
            self.refuse_with(ErrorCode::BrokerUnavailable, sentence, id, replies);
        }
    }

    fn conclude_append(
        &self,
        name: &ChannelName,
        appended: &Result<Appended, EngineError>,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        match appended {
            Ok(appended) => {
                self.shared.hub.count_append(appended);
                if id.is_some() {
                    let offset = Some(appended.position.offset);
                    self.send(&ServerMessage::Ack { message_id: None, offset }, id, replies);
                }
            }
            Err(error) => self.refuse_for(name, error, id, replies),
        }
    }

    /// The engine did not do it.
    fn refuse_for(
        &self,
        name: &ChannelName,
        error: &EngineError,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        self.refuse_with(code_of(error), sentence_of(name, error), id, replies);
    }
}
