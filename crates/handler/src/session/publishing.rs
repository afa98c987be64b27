//! What a client says to channels, rooms and users.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;
use ws_broker::Keep;
use ws_channels::{Action, ChannelName, ChannelRule, OnOutage, SlowConsumer};
use ws_protocol::{ErrorCode, Id, Publication, ServerMessage};
use ws_rate_limiter::Denied;
use ws_transport::Replies;

use super::{
    GatewaySession,
    waiting::{KeptId, Step, keep, kept},
};
use crate::{
    application::Application,
    channels::{Channel, back_end::Publish, delivery::prepare, stored::Stored},
    gatekeeper::{Judgement, Refusal},
    policy::InForce,
};

/// The name under which a rule's `allowed_events` knows what is said in rooms.
const ROOM_MESSAGE: &str = "room_message";
const TYPING: &str = "typing";

/// An event's kind and its name are kept and handed on with it, and engines take names of this length.
const EVENT_BYTES_MAX: usize = 1000;

/// A publish that waits for a verdict.
#[derive(Debug)]
pub(super) struct Outgoing {
    name: ChannelName,
    /// As it is handed on and kept.
    stored: Vec<u8>,
    terms: Terms,
    id: KeptId,
}

/// What the rule of a channel says about a publish that it allows.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) policy: SlowConsumer,
    pub(super) on_outage: OnOutage,
    /// How much is kept of the channel, if anything is.
    pub(super) keep: Option<Arc<Keep>>,
}

/// A publish that rules and limits allow.
pub(super) struct Allowed<'a> {
    pub(super) publish: Publish<'a>,
    pub(super) terms: Terms,
    /// None if nobody is subscribed here.
    pub(super) channel: Option<Arc<Channel>>,
    pub(super) stored: Stored<'a>,
}

impl<A: Application> GatewaySession<A> {
    #[inline(never)]
    pub(super) fn handle_publish(
        &mut self,
        publication: &Publication<'_>,
        id: Option<Id<'_>>,
        in_force: &InForce,
        replies: &mut Replies<'_>,
    ) {
        let Publication { channel, event, data, event_id } = publication;
        for (field, name) in [("event", event), ("eventId", event_id)] {
            if name.as_ref().is_some_and(|name| name.len() > EVENT_BYTES_MAX) {
                let sentence = format!("{field}: at most {EVENT_BYTES_MAX} bytes").into();
                return self.refuse_with(ErrorCode::InvalidField, sentence, id, replies);
            }
        }
        let identity = self.identity.clone();
        // Where nobody has to say who it is, the connection's name: nobody is taken for a back-end.
        let anonymous = identity.is_none().then(|| self.client().name());
        let user = identity.as_ref().map(|identity| &identity.user_id).or(anonymous.as_ref());
        let found = self.find(channel);
        let fresh;
        let name = match &found {
            Some(channel) => channel.name(),
            None => match ChannelName::new(channel) {
                Ok(name) => {
                    fresh = name;
                    &fresh
                }
                Err(error) => {
                    let sentence = error.to_string().into();
                    return self.refuse_with(ErrorCode::InvalidField, sentence, id, replies);
                }
            },
        };
        let publish = Publish {
            channel: name,
            event: event.as_deref(),
            data,
            event_id: event_id.as_deref(),
            from: user.map(|user| &**user),
        };
        let Some(terms) = self.permit(in_force, name, publish.event, id, replies) else { return };
        let stored = Stored::of(&publish, false, self.shared.clock.wall_ms(replies.now()));
        let allowed = Allowed { publish, terms, channel: found.clone(), stored };
        self.judge_publish(in_force, &allowed, id, replies);
    }

    #[inline(never)]
    pub(super) fn handle_room_message(
        &mut self,
        room_id: &str,
        message: &RawValue,
        id: Option<Id<'_>>,
        in_force: &InForce,
        replies: &mut Replies<'_>,
    ) {
        let Some(channel) = self.room(room_id, id, replies) else { return };
        let name = channel.name();
        let Some(terms) = self.permit(in_force, name, Some(ROOM_MESSAGE), id, replies) else {
            return;
        };
        let from = self.client().name();
        let publish = Publish {
            channel: name,
            event: Some(ROOM_MESSAGE),
            data: message,
            event_id: None,
            from: Some(&from),
        };
        let stored = Stored::of(&publish, true, self.shared.clock.wall_ms(replies.now()));
        let allowed = Allowed { publish, terms, channel: Some(channel.clone()), stored };
        self.judge_publish(in_force, &allowed, id, replies);
    }

    /// Told to the others while it is news, and forgotten.
    pub(super) fn handle_typing(
        &mut self,
        room_id: &str,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        let Some(channel) = self.room(room_id, id, replies) else { return };
        if self.permit(&self.shared.in_force(), channel.name(), Some(TYPING), id, replies).is_none()
        {
            return;
        }
        let user = self.client().name();
        let message = ServerMessage::Typing { user_id: &user, room_id };
        let message = Arc::new(prepare(&message, self.shared.clock.wall_ms(replies.now())));
        let publication = channel.publish();
        for member in publication.members_except(&self.subscriber) {
            member.outbox().send_lossy(message.clone());
        }
        drop(publication);
        self.shared.hub.tell_nodes_of_typing(channel.name(), &user);
    }

    /// The channel of that name, if anybody here is subscribed to it.
    fn find(&self, name: &str) -> Option<Arc<Channel>> {
        let own = self.subscriber.channel(name).cloned();
        own.or_else(|| self.shared.hub.table.channel(name))
    }

    /// A room that the client is in.
    fn room(
        &self,
        room_id: &str,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) -> Option<Arc<Channel>> {
        let (code, sentence) = match ChannelName::room(room_id) {
            Ok(name) => match self.subscriber.channel(&name) {
                Some(channel) => return Some(channel.clone()),
                None => (ErrorCode::Forbidden, "Join the room first".into()),
            },
            Err(error) => (ErrorCode::InvalidField, error.to_string().into()),
        };
        self.refuse_with(code, sentence, id, replies);
        None
    }

    /// Asks rules, token and the limit of the channel.
    fn permit(
        &self,
        in_force: &InForce,
        name: &ChannelName,
        event: Option<&str>,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) -> Option<Terms> {
        let hub = &self.shared.hub;
        let rule: &ChannelRule =
            match hub.authorize(in_force, name, Action::Publish { event }, &self.bearer()) {
                Ok(rule) => rule,
                Err(denial) => {
                    let sentence = format!("{}: {denial}", name.as_str()).into();
                    self.refuse_with(ErrorCode::Forbidden, sentence, id, replies);
                    return None;
                }
            };
        let now = replies.now();
        if let Err(Denied { retry_at, .. }) =
            hub.check_rate(in_force, rule, name, self.limit_key, now)
        {
            let wait = Some(retry_at.saturating_duration_since(now));
            self.send_error(ErrorCode::RateLimited, wait, id, None, replies);
            return None;
        }
        Some(Terms {
            policy: rule.slow_consumer(),
            on_outage: rule.on_outage(),
            keep: in_force.keep_of(rule).cloned(),
        })
    }

    fn judge_publish(
        &mut self,
        in_force: &InForce,
        allowed: &Allowed<'_>,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        let judgement = match &in_force.gatekeeper {
            Some(keeper) => keeper.judge_publish(self.client(), &allowed.publish),
            None => Judgement::Allow,
        };
        match judgement {
            Judgement::Allow => self.publish(allowed, id, replies),
            Judgement::Refuse(refusal) => {
                self.refuse_publish(allowed.publish.channel, &refusal, id, replies);
            }
            Judgement::Later(verdict) => {
                let mut stored = Vec::new();
                allowed.stored.encode(&mut stored);
                let name = allowed.publish.channel.clone();
                let outgoing =
                    Outgoing { name, stored, terms: allowed.terms.clone(), id: keep(id) };
                self.wait_for(verdict, Step::Publish(Box::new(outgoing)));
            }
        }
    }

    pub(super) fn conclude_publish(
        &mut self,
        outgoing: &Outgoing,
        verdict: Result<(), Refusal>,
        replies: &mut Replies<'_>,
    ) {
        let Outgoing { name, stored, terms, id } = outgoing;
        if let Err(refusal) = verdict {
            return self.refuse_publish(name, &refusal, kept(id), replies);
        }
        // We have written it ourselves.
        let Some(stored) = Stored::decode(stored) else { return };
        let Stored { event, from, event_id, data, .. } = stored;
        let publish = Publish { channel: name, event, data, event_id, from };
        let allowed = Allowed { publish, terms: terms.clone(), channel: self.find(name), stored };
        self.publish(&allowed, kept(id), replies);
        self.deliver_outgoing();
    }

    fn refuse_publish(
        &self,
        name: &ChannelName,
        refusal: &Refusal,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        let message = format!("{}: {}", name.as_str(), refusal.message).into();
        self.refuse_with(refusal.code, message, id, replies);
    }

    /// Delivers what this connection has published.
    pub(super) fn deliver_outgoing(&mut self) {
        if let Some(batch) = self.outgoing.take() {
            let _ = self.shared.hub.deliver_batch(batch);
        }
    }

    pub(super) fn refuse_with(
        &self,
        code: ErrorCode,
        message: Cow<'_, str>,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        self.shared.counters.errors.add(code as usize);
        let (request_id, retry_after_ms) = (None, None);
        let error = ServerMessage::Error { code, message, request_id, retry_after_ms };
        self.send(&error, id, replies);
    }
}
