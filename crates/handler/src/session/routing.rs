//! From a text to whoever serves it, within the limit on messages.

use std::{sync::Arc, time::Instant};

use ws_close_manager::SendableCode;
use ws_protocol::{
    ClientMessage, Correlation, Custom, ErrorCode, Incoming, ParseError, ServerMessage,
};
use ws_rate_limiter::{AnyLimit, Denied, TieredLimiter, Verdict};
use ws_transport::Replies;

use super::{GatewaySession, State, recovering::Since, subscribing::Way, waiting::keep};
use crate::{
    application::{Application, Responder},
    end_reason::EndReason,
    leasing::ClusterLimits,
    lifecycle,
    policy::InForce,
};

/// What is never limited is short: a name, an id, and what is around them. A long one counts as any
/// message does, since compressed it costs its sender next to nothing and us a megabyte of work.
const FREE_BYTES_MAX: usize = 1024;

impl<A: Application> GatewaySession<A> {
    pub(super) fn handle_text(
        &mut self,
        text: &str,
        in_force: &InForce,
        replies: &mut Replies<'_>,
    ) {
        // Looked at where it was put: it is large.
        let parsed = ClientMessage::parse_open(text);
        let incoming = match &parsed {
            Ok(incoming) => incoming,
            Err(error) => {
                // Nonsense counts like any message: a flood of it is a flood.
                let cost = in_force.limits.costs.of(None, text.len());
                if self.is_permitted(in_force, cost, &error.correlation, replies) {
                    self.tell_nonsense(error, replies);
                }
                return;
            }
        };
        let kind = incoming.message.client_type();
        self.shared.counters.messages.add(kind as usize);
        let is_free = matches!(
            incoming.message,
            ClientMessage::Pong
                | ClientMessage::Ack { .. }
                | ClientMessage::Unsubscribe { .. }
                | ClientMessage::LeaveRoom { .. }
        );
        let is_free = is_free && text.len() <= FREE_BYTES_MAX;
        if !is_free {
            let cost = in_force.limits.costs.of(Some(kind), text.len());
            if !self.is_permitted(in_force, cost, &incoming.correlation(), replies) {
                return;
            }
        }
        if self.shared.hub.tracer.get().is_some() {
            return self.route_traced(incoming, text.len(), in_force, replies);
        }
        self.route(incoming, in_force, replies);
    }

    fn tell_nonsense(&self, error: &ParseError<'_>, replies: &mut Replies<'_>) {
        self.shared.counters.errors.add(error.code() as usize);
        let timestamp = self.shared.clock.wall_ms(replies.now());
        let _ = replies.send_text_with(|out| error.encode(timestamp, out));
    }

    // In line where nothing is traced; there is one more of it where something is.
    #[inline(always)]
    pub(super) fn route(
        &mut self,
        incoming: &Incoming<'_>,
        in_force: &InForce,
        replies: &mut Replies<'_>,
    ) {
        match &incoming.message {
            ClientMessage::Ping => self.send(&ServerMessage::Pong, incoming.id, replies),
            ClientMessage::Pong | ClientMessage::Heartbeat => {}
            ClientMessage::Auth(auth) => {
                self.deliver_outgoing();
                self.handle_auth(auth, incoming.id, replies);
            }
            _ if matches!(self.state, State::Waiting { .. }) => {
                let Correlation { id, request_id } = incoming.correlation();
                self.send_error(ErrorCode::Unauthorized, None, id, request_id, replies);
                let why = EndReason::Unauthorized;
                self.end(why, SendableCode::POLICY, "Authentication required", replies);
            }
            ClientMessage::Request { request_id, payload } => {
                // The application may publish because of it.
                self.deliver_outgoing();
                let client = self.subscriber.member();
                let responder = Responder {
                    client,
                    clock: &self.shared.clock,
                    counters: &self.shared.counters,
                    replies,
                    request_id: *request_id,
                    id: incoming.id,
                    answered: false,
                };
                self.shared.application.handle_request(client, payload, responder);
            }
            ClientMessage::Publish(publication) => {
                self.handle_publish(publication, incoming.id, in_force, replies);
            }
            ClientMessage::RoomMessage { room_id, message } => {
                self.handle_room_message(room_id, message, incoming.id, in_force, replies);
            }
            _ => {
                // What was published before is on its way before anything else comes of this.
                self.deliver_outgoing();
                self.route_rest(incoming, replies);
            }
        }
    }

    // Apart, so that what is asked most often stays short.
    #[inline(never)]
    fn route_rest(&mut self, incoming: &Incoming<'_>, replies: &mut Replies<'_>) {
        let id = incoming.id;
        match &incoming.message {
            ClientMessage::Subscribe { channel, since, presence } => {
                let way = Way::Asked { presence: *presence };
                let since = since.as_ref().map(Since::of);
                self.handle_subscribe(channel, way, since, keep(id), replies);
            }
            ClientMessage::JoinRoom { room_id } => {
                self.handle_subscribe(room_id, Way::Room, None, keep(id), replies);
            }
            ClientMessage::Unsubscribe { channel } => {
                self.handle_unsubscribe(channel, id, replies);
            }
            ClientMessage::LeaveRoom { room_id } => {
                self.handle_leave_room(room_id, id, replies);
            }
            ClientMessage::Typing { room_id } => self.handle_typing(room_id, id, replies),
            ClientMessage::Chat { to, message } => self.handle_chat(to, message, id, replies),
            ClientMessage::Presence { channel } => self.handle_presence(channel, id, replies),
            ClientMessage::Custom(custom) => self.handle_custom(custom, replies),
            ClientMessage::Ack { message_id } => self.handle_ack(message_id),
            ClientMessage::Ping
            | ClientMessage::Pong
            | ClientMessage::Heartbeat
            | ClientMessage::Auth(_)
            | ClientMessage::Request { .. }
            | ClientMessage::Publish(_)
            | ClientMessage::RoomMessage { .. } => {}
        }
    }

    /// A type of the application's own, or of nobody's.
    fn handle_custom(&mut self, custom: &Custom<'_>, replies: &mut Replies<'_>) {
        let shared = &self.shared;
        if shared.application.handle_message(self.client(), custom, replies) {
            return;
        }
        if let Err(error) = ClientMessage::parse(custom.text) {
            self.tell_nonsense(&error, replies);
        }
    }

    /// The ladder of DESIGN §4.6: dropped and told, and in the end closed.
    pub(super) fn is_permitted(
        &mut self,
        in_force: &InForce,
        cost: u32,
        correlation: &Correlation<'_>,
        replies: &mut Replies<'_>,
    ) -> bool {
        let now = replies.now();
        let limits = &in_force.limits;
        let Some(messages) = &limits.messages else { return true };
        let outcome = match &limits.cluster {
            None => messages.charge(self.tier, &self.limit_key, cost, now),
            Some(cluster) => self.charge_everywhere(cluster, messages, cost, now),
        };
        let Err(denied) = outcome else { return true };
        let strikes = self.rare.get_or_insert_default().strikes.get_or_insert_default();
        let verdict = limits.ladder.judge(strikes, Err(denied), now);
        match verdict {
            Verdict::Allow => return true,
            Verdict::Drop { retry_at, first_in_burst } => {
                if first_in_burst {
                    lifecycle::rate_limited(self.client());
                }
                let Correlation { id, request_id } = *correlation;
                // Who gave it a name waits for an answer, and wants to know which was dropped.
                if first_in_burst || id.is_some() || request_id.is_some() {
                    let wait = Some(retry_at.saturating_duration_since(now));
                    self.send_error(ErrorCode::RateLimited, wait, id, request_id, replies);
                }
            }
            Verdict::Close => {
                lifecycle::rate_limit_abuse(self.client());
                let reason = ErrorCode::RateLimited.sentence();
                self.end(EndReason::RateLimited, SendableCode::POLICY, reason, replies);
            }
        }
        self.shared.counters.rate_limited.count();
        false
    }

    /// Where a tier is not limited for all nodes together, this one's limit counts.
    #[inline(never)]
    fn charge_everywhere(
        &self,
        cluster: &ClusterLimits,
        messages: &TieredLimiter<u64, AnyLimit>,
        cost: u32,
        now: Instant,
    ) -> Result<(), Denied> {
        let name = || self.limited_as();
        cluster
            .charge_message(self.tier, self.limit_key, name, cost, now)
            .unwrap_or_else(|| messages.charge(self.tier, &self.limit_key, cost, now))
    }

    /// What all nodes call whoever is limited: its user, or where nobody says who it is, its address.
    fn limited_as(&self) -> Arc<str> {
        match &self.identity {
            Some(identity) => format!("u:{}", identity.user_id).into(),
            None => format!("a:{}", ws_rate_limiter::ip_key(self.client().address())).into(),
        }
    }
}
