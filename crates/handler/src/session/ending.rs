//! The end of a session, however it comes about.

use std::time::{Duration, Instant};

use ws_broker::OfflineCause;
use ws_connection::{Cause, End};

use super::{GatewaySession, State};
use crate::{
    application::Application, client::Client, end_reason::EndReason, handler::Shared, lifecycle,
    past_ends::PastEnd, tap::What,
};

impl<A: Application> GatewaySession<A> {
    /// Gives back whatever the connection held, and tells of its end: once.
    pub(super) fn finish(&mut self, end: &End) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        if let State::Bridged(bridged) = &mut self.state {
            bridged.handle_end(*end);
        }
        self.state = State::Ending;
        self.deliver_outgoing();
        let now = tokio::time::Instant::now().into_std();
        self.leave_all(now);
        if let Some(rare) = &mut self.rare {
            rare.place = None;
            rare.waiting = None;
        }
        let (shared, client) = (&self.shared, self.client());
        shared.registry.remove(client.id());
        let user_id = client.user_id();
        let is_last = user_id
            .as_ref()
            .is_some_and(|user_id| shared.registry.remove_user(user_id, client.id()));
        let reason = EndReason::of(client.end_reason(), &end.cause);
        client.conclude_end(reason);
        shared.counters.ends.add(reason as usize);
        let lived_ms = shared.clock.wall_ms(now).saturating_sub(client.connected_at_ms());
        lifecycle::disconnected(client, reason, end, lived_ms);
        shared.keep_end(client, reason, end, lived_ms, now);
        if shared.tap.is_open() {
            shared.tap.tell(client, &shared.clock, &What::Ended { reason, end: *end, lived_ms });
        }
        // Before the application, whose fault must not hold up a drain.
        shared.drain.note_end(client.id(), end);
        if self.is_started {
            shared.application.handle_disconnect(client, end);
        }
        let Some(user_id) = user_id else { return };
        if self.is_counted {
            // Whether it was the last is known when all nodes are asked.
            shared.count_out(&user_id);
        } else if is_last && self.is_started && shared.peers().is_none() {
            shared.application.handle_user_offline(&user_id, OfflineCause::Left);
        }
    }
}

impl<A: Application> Shared<A> {
    /// Keeps what is asked about later: how the connections of a user ended, and who cuts them.
    fn keep_end(&self, client: &Client, reason: EndReason, end: &End, lived_ms: u64, now: Instant) {
        if reason.is_abnormal() {
            let age = Duration::from_millis(lived_ms);
            self.breaks.note(reason, age, end.silent_for, self.ping_interval(), now);
        }
        if let Some(user) = client.user_id().filter(|_| self.past_ends.is_kept()) {
            self.past_ends.note(
                &user,
                PastEnd {
                    connection: client.id(),
                    address: client.address(),
                    reason,
                    code: end.cause.close_code(),
                    rule: match end.cause {
                        Cause::Protocol(error) => Some(error.label().into()),
                        _ => None,
                    },
                    connected_at_ms: client.connected_at_ms(),
                    ended_at_ms: client.connected_at_ms() + lived_ms,
                    latency: client.latency(),
                    silent_for: end.silent_for,
                    queued_bytes: client.outbox().queued_bytes(),
                },
            );
        }
    }

    pub(crate) fn ping_interval(&self) -> Option<Duration> {
        self.in_force().connection.heartbeat().map(|heartbeat| heartbeat.ping_interval())
    }
}

impl<A: Application> Drop for GatewaySession<A> {
    /// A driver that is dropped before its end was not heard of: its task was aborted, or a hook of
    /// the application panicked. Its user's place and its entry must not stay behind.
    fn drop(&mut self) {
        self.finish(&End { cause: Cause::Killed, acknowledged: false, silent_for: None });
    }
}
